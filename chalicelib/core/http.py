"""HTTP glue: what a view is given, and how its answer or error becomes JSON.

Errors are RFC 9457 problem details in the caller's language. This is the one place where `core.errors` meets
HTTP, and the one place that decides what of an unforeseen failure a caller may know: its correlation id.
"""

import functools
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs

from chalice.app import Blueprint, Response

from chalicelib.core import logs, messages
from chalicelib.core.errors import BadRequest, ImprimaturError, RateLimited, UnsupportedMediaType
from chalicelib.core.events import report
from chalicelib.core.ids import is_id, new_id
from chalicelib.core.problems import problem_of
from chalicelib.core.validation import read_json

log = logging.getLogger(__name__)

LANGUAGE_COOKIE = "__Host-imprimatur-language"
VIEWER_ADDRESS = "x-viewer-address"
"""The header in which the edge says who asks (`infra/stacks/edge.yaml`)."""
MOST_FIELDS = 500
"""Of a posted page."""
_CORRELATION = re.compile(r"[A-Za-z0-9-]{8,64}")
_IDS_IN_PATHS = {"submission": "s", "attachment": "a"}
"""What of a path is shown in the log, once it has the form of an id: anything may stand in a path."""
_REFUSED = frozenset({401, 403, 404})
BASE_HEADERS: dict[str, str | list[str]] = {
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
        self.correlation_id = correlation_of(request)

    def address(self, *, behind_edge: bool) -> str:
        """The caller's network address, for rate limits only: never stored in clear.

        Behind the edge the API's own caller is CloudFront, for everybody, and the edge says whose request it is in a
        header that it overwrites. Anywhere else a caller could write that header, so there it counts for nothing.
        """
        if behind_edge and (said := _address(self.headers.get(VIEWER_ADDRESS, ""))):
            return said
        identity = self._request.context.get("identity", {})
        return str(identity.get("sourceIp", ""))

    @property
    def path(self) -> str:
        """The path that was asked for, without its query."""
        return str(self._request.to_original_event()["path"])

    def known_as(self, person: str) -> None:
        """Remember who calls, by id, for the line that the log has of this request."""
        self._request.person = person

    def cookie(self, name: str) -> str | None:
        """The value of a cookie of ours; None without it, or when it comes twice with different values.

        Other hosts of the same domain may have set cookies of any form: each pair is read by itself. A browser takes
        a `__Host-` name from this very host only and keeps one of it, so a second one was slipped in past that rule.
        Nothing tells which it is, and being signed out is safer than working in a session of somebody else's.
        """
        pairs = (pair.partition("=") for pair in self.headers.get("cookie", "").split(";"))
        values = {value.strip() for found, equals, value in pairs if equals and found.strip() == name}
        return values.pop() if len(values) == 1 else None

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


def _address(said: str) -> str | None:
    """An address in its one way of being written; None for anything else."""
    try:
        return str(ip_address(said))
    except ValueError:
        return None


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


def correlation_of(request: Any) -> str:  # noqa: ANN401 — chalice has no types
    """What ties together all that a request leads to: the caller's own id for it, or a fresh one; always the same."""
    known: str | None = getattr(request, "correlation_id", None)
    if known is None:
        offered = request.headers.get("x-correlation-id", "")
        known = offered if _CORRELATION.fullmatch(offered) else new_id("c")
        request.correlation_id = known
    return known


def logged(request: Any, get_response: Callable[[Any], Response]) -> Response:  # noqa: ANN401 — as above
    """Middleware around every other: the log says which request it works on, and in one line how it was answered.

    The line has the route as the app writes it, never the path, query, body, headers or address, which may hold
    secrets. It names who changed something, or was refused, and not who looked at what.
    """
    if request is None:  # what is no request of API Gateway's
        return get_response(request)
    ids = request.uri_params or {}
    began = time.perf_counter()
    with logs.invocation(
        "api_handler",
        request_id=getattr(request.lambda_context, "aws_request_id", request.context.get("requestId")),
        correlation_id=correlation_of(request),
        **{name: ids[name] for name, kind in _IDS_IN_PATHS.items() if is_id(kind, ids.get(name, ""))},
    ):
        response = get_response(request)
        status = response.status_code
        told = request.method != "GET" or status in _REFUSED
        said = logs.facts(
            method=request.method,
            route=request.path,
            status=status,
            ms=logs.milliseconds_since(began),
            person=getattr(request, "person", None) if told else None,
        )
        log.info("answered", extra=said)
        return response


def chalice_refusals_as_problems(request: Any, get_response: Callable[[Any], Response]) -> Response:  # noqa: ANN401
    """Middleware for what Chalice refuses before any view is asked: a body that is not called JSON."""
    response = get_response(request)
    if response.status_code == UnsupportedMediaType.status:
        return problem(Exchange(request), UnsupportedMediaType())
    return response


View = Callable[..., Response]


def report_view(error: Exception, view: View) -> None:
    """Log where an unforeseen error happened, not what it says: its message may hold a secret."""
    report(error, f"view: {view.__name__}")


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
                report_view(error, view)
                return problem(exchange, ImprimaturError())

        return wrapped

    return wrap
