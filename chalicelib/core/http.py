"""HTTP glue: what a view is given, and how its answer or error becomes JSON.

Errors are RFC 9457 problem details in the caller's language. This is the one place where `core.errors` meets
HTTP, and the one place that decides what of an unforeseen failure a caller may know: its correlation id.
"""

import functools
import json
import logging
import re
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.core import messages
from chalicelib.core.errors import (
    BadRequest,
    ImprimaturError,
    InvalidInput,
    RateLimited,
    UnsupportedMediaType,
)
from chalicelib.core.ids import new_id

log = logging.getLogger(__name__)

_CORRELATION = re.compile(r"[A-Za-z0-9-]{8,64}")
_BASE_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=63072000",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class Exchange:
    """One request as a view sees it: language, correlation id, headers and the JSON body."""

    def __init__(self, request: Any) -> None:  # noqa: ANN401 — chalice has no types
        self._request = request
        self.headers: Mapping[str, str] = request.headers
        self.query: Mapping[str, str] = request.query_params or {}
        self.language = messages.negotiate(self.headers.get("accept-language"))
        offered = self.headers.get("x-correlation-id", "")
        self.correlation_id = offered if _CORRELATION.fullmatch(offered) else new_id("c")

    @property
    def address(self) -> str:
        """The caller's network address, for rate limits only: never stored in clear."""
        identity = self._request.context.get("identity", {})
        return str(identity.get("sourceIp", ""))

    def body(self) -> object:
        """The JSON body. Raises BadRequest when it is not JSON."""
        try:
            return json.loads(self._request.raw_body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise BadRequest("not_json") from error


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def answer(
    exchange: Exchange, body: Mapping[str, Any], *, status: int = 200, cookie: str | None = None
) -> Response:
    """A JSON answer with its correlation id."""
    headers = _BASE_HEADERS | {"X-Correlation-Id": exchange.correlation_id}
    if cookie is not None:
        headers["Set-Cookie"] = cookie
    return Response(
        body=json.dumps({**body, "correlation_id": exchange.correlation_id}, ensure_ascii=False),
        status_code=status,
        headers=headers | {"Content-Type": "application/json"},
    )


def page(exchange: Exchange, document: str, *, policy: str, status: int = 200) -> Response:
    """An HTML answer; `policy` is its Content-Security-Policy."""
    headers = _BASE_HEADERS | {
        "X-Correlation-Id": exchange.correlation_id,
        "Content-Type": "text/html; charset=utf-8",
        "Content-Language": exchange.language,
        "Content-Security-Policy": policy,
    }
    return Response(body=document, status_code=status, headers=headers)


def problem(exchange: Exchange, error: ImprimaturError) -> Response:
    """An error as RFC 9457 problem details, in the caller's language, with every wrong field."""
    language = exchange.language
    body: dict[str, Any] = {
        "type": f"urn:imprimatur:problem:{error.code}",
        "title": messages.text(f"{error.code}.title", language, error.params),
        "detail": messages.text(f"{error.code}.detail", language, error.params),
        "status": error.status,
        "code": error.code,
        "correlation_id": exchange.correlation_id,
    }
    if isinstance(error, InvalidInput):
        body["errors"] = [
            {
                "pointer": wrong.pointer,
                "code": wrong.code,
                "message": messages.text(f"field.{wrong.code}", language, wrong.params),
            }
            for wrong in error.errors
        ]
    headers = _BASE_HEADERS | {
        "X-Correlation-Id": exchange.correlation_id,
        "Content-Type": "application/problem+json",
        "Content-Language": language,
    }
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(error.retry_after)
    return Response(body=json.dumps(body, ensure_ascii=False), status_code=error.status, headers=headers)


def chalice_refusals_as_problems(request: Any, get_response: Callable[[Any], Response]) -> Response:  # noqa: ANN401
    """Middleware for what Chalice refuses before any view is asked: a body that is not called JSON."""
    response = get_response(request)
    if response.status_code == UnsupportedMediaType.status:
        return problem(Exchange(request), UnsupportedMediaType())
    return response


View = Callable[..., Response]


def endpoint(blueprint: Blueprint) -> Callable[[View], View]:
    """Wrap a view: it gets an `Exchange` first, and whatever it raises becomes a problem."""

    def wrap(view: View) -> View:
        @functools.wraps(view)
        def wrapped(**path: str) -> Response:
            exchange = Exchange(blueprint.current_request)
            try:
                return view(exchange, **path)
            except ImprimaturError as error:
                return problem(exchange, error)
            except Exception as error:  # noqa: BLE001 — the last resort: tell nothing, log where it happened
                log.error(  # noqa: TRY400 — the message of an unforeseen error may hold a secret
                    "unforeseen %s in %s, correlation %s\n%s",
                    type(error).__name__,
                    view.__name__,
                    exchange.correlation_id,
                    "".join(traceback.format_tb(error.__traceback__)),
                )
                return problem(exchange, ImprimaturError())

        return wrapped

    return wrap
