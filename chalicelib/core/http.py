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
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from chalice.app import Blueprint, Response

from chalicelib.core import messages
from chalicelib.core.errors import BadRequest, ImprimaturError, RateLimited, UnsupportedMediaType
from chalicelib.core.ids import new_id
from chalicelib.core.problems import problem_of
from chalicelib.core.validation import read_json

log = logging.getLogger(__name__)

LANGUAGE_COOKIE = "language"
MOST_FIELDS = 500
"""Of a posted page."""
_CORRELATION = re.compile(r"[A-Za-z0-9-]{8,64}")
BASE_HEADERS = {
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
        chosen = self.cookie(LANGUAGE_COOKIE)
        known = chosen in messages.LANGUAGES
        self.language = (
            chosen if known and chosen else messages.negotiate(self.headers.get("accept-language"))
        )
        offered = self.headers.get("x-correlation-id", "")
        self.correlation_id = offered if _CORRELATION.fullmatch(offered) else new_id("c")

    @property
    def address(self) -> str:
        """The caller's network address, for rate limits only: never stored in clear."""
        identity = self._request.context.get("identity", {})
        return str(identity.get("sourceIp", ""))

    @property
    def path(self) -> str:
        """The path that was asked for, without its query."""
        return str(self._request.to_original_event()["path"])

    def cookie(self, name: str) -> str | None:
        """The value of a cookie; None without it, or when cookies cannot be read."""
        try:
            morsel = SimpleCookie(self.headers.get("cookie", "")).get(name)
        except CookieError:
            return None
        return None if morsel is None else morsel.value

    @property
    def raw(self) -> bytes:
        """The body as it was sent."""
        return bytes(self._request.raw_body)

    def form(self) -> dict[str, list[str]]:
        """The fields of a posted page, each with its values, lines ended as everywhere else by a line feed.

        Raises BadRequest when it is not a form, or has more fields than any of our pages.
        """
        try:
            fields = parse_qs(
                self._request.raw_body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS
            )
        except ValueError as error:
            raise BadRequest("not_a_form") from error
        return {
            name: [value.replace("\r\n", "\n").replace("\r", "\n") for value in values]
            for name, values in fields.items()
        }

    def body(self) -> object:
        """The JSON body. Raises BadRequest when it is not JSON."""
        return read_json(self._request.raw_body)


def answer(
    exchange: Exchange, body: Mapping[str, Any], *, status: int = 200, cookie: str | None = None
) -> Response:
    """A JSON answer with its correlation id."""
    headers = BASE_HEADERS | {"X-Correlation-Id": exchange.correlation_id}
    if cookie is not None:
        headers["Set-Cookie"] = cookie
    return Response(
        body=json.dumps({**body, "correlation_id": exchange.correlation_id}, ensure_ascii=False),
        status_code=status,
        headers=headers | {"Content-Type": "application/json"},
    )


def cookie(name: str, value: str, *, life: int) -> str:
    """A cookie that scripts cannot read and other sites' pages do not send. `life` is in seconds; 0 forgets it."""
    return f"{name}={value}; Path=/; Max-Age={life}; Secure; HttpOnly; SameSite=Lax"


def document(exchange: Exchange, text: str) -> Response:
    """A JSON text of a form of its own, which has no place for the correlation id but the header."""
    headers = BASE_HEADERS | {
        "X-Correlation-Id": exchange.correlation_id,
        "Content-Type": "application/json",
    }
    return Response(body=text, status_code=200, headers=headers)


def problem(exchange: Exchange, error: ImprimaturError) -> Response:
    """An error as RFC 9457 problem details, in the caller's language, with every wrong field."""
    body = problem_of(error).document(exchange.language, exchange.correlation_id)
    headers = BASE_HEADERS | {
        "X-Correlation-Id": exchange.correlation_id,
        "Content-Type": "application/problem+json",
        "Content-Language": exchange.language,
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


def log_unforeseen(error: Exception, view: View, exchange: Exchange) -> None:
    """Log where an unforeseen error happened, not what it says: its message may hold a secret."""
    log.error(
        "unforeseen %s in %s, correlation %s\n%s",
        type(error).__name__,
        view.__name__,
        exchange.correlation_id,
        "".join(traceback.format_tb(error.__traceback__)),
    )


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
                log_unforeseen(error, view, exchange)
                return problem(exchange, ImprimaturError())

        return wrapped

    return wrap
