"""The laptop's front door: API Gateway, the website's CDN and everybody's mailbox, as one WSGI app.

Chalice's local gateway does the routing, mended where it differs from AWS: path parameters are decoded, none
leaks from another route, the caller's address is real, text arrives as text, and a body over Lambda's 6 MB is
refused.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import (
    LambdaEventConverter,
    LocalChalice,
    LocalGateway,
    LocalGatewayException,
    RouteMatcher,
)
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from infra.local.functions import MAX_PAYLOAD
from infra.local.mailbox import Sent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LOCAL = "/_local/"
LINKED = frozenset({"/s", "/r"})
"""Where the links in mails lead."""
NO_PAGES = (
    "此版本尚无网页。请把链接中 # 之后的内容作为 handle 提交给接口，见 README。\n"
    "There are no pages yet. Post what follows the # of your link to the API as the handle: see the README.\n"
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """An object of the website's bucket."""

    content: bytes
    content_type: str
    disposition: str | None = None


class Front:
    """The app under its routes, and beside it `/_local/mail`, `/_local/people` and `/_local/site/{prefix}/…`.

    `people` answers anything JSON holds; `site` gives the object of a key, or None.
    """

    def __init__(
        self,
        *,
        app: Chalice,
        mails: Callable[[], Sequence[Sent]],
        people: Callable[[], object],
        site: Callable[[str], Page | None],
    ) -> None:
        self._gateway = _Gateway(app)
        self._mails = mails
        self._people = people
        self._site = site

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request, as WSGI has it."""
        request = Request(environ)
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.path.startswith(LOCAL):
            return self._local(request)
        if request.path in LINKED and request.method in {"GET", "HEAD"}:
            return Response(NO_PAGES, content_type="text/plain; charset=utf-8")
        return self._gateway.answer(request)

    def _local(self, request: Request) -> Response:
        what, _, rest = request.path.removeprefix(LOCAL).partition("/")
        if request.method not in {"GET", "HEAD"}:
            return problem(405, "Method Not Allowed")
        match what:
            case "mail":
                return _json([asdict(mail) for mail in self._mails()])
            case "people":
                return _json(self._people())
            case "site":
                return self._page(rest)
            case _:
                return problem(404, "Not Found")

    def _page(self, key: str) -> Response:
        page = self._site(f"{key}index.html" if key.endswith("/") else key)
        if page is None:
            return problem(404, "Not Found")
        headers = {"Content-Disposition": page.disposition} if page.disposition else {}
        return Response(page.content, content_type=page.content_type, headers=headers)


def in_threads(app: Chalice) -> None:
    """Let one app answer several threads at once: `current_request` is each thread's own, as in Lambda."""
    if not isinstance(app, LocalChalice):
        app.__class__ = type("Threaded", (LocalChalice, type(app)), {})


def problem(status: int, title: str) -> Response:
    """RFC 9457 problem details for what the app never sees."""
    document = {"type": "about:blank", "title": title, "status": status}
    return Response(json.dumps(document), status=status, content_type="application/problem+json")


def _json(document: object) -> Response:
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return Response(
        text, content_type="application/json; charset=utf-8", headers={"Cache-Control": "no-store"}
    )


class _Gateway:
    """API Gateway and Lambda's proxy integration."""

    def __init__(self, app: Chalice) -> None:
        in_threads(app)
        self._local = LocalGateway(app, Config())
        self._converter = _Converter(RouteMatcher(list(app.routes)), app.api.binary_types)
        self._local.event_converter = self._converter

    def answer(self, request: Request) -> Response:
        request.max_content_length = MAX_PAYLOAD
        try:
            body = request.get_data()
        except RequestEntityTooLarge:
            return problem(413, "Content Too Large")
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers["x-forwarded-for"] = request.remote_addr or ""
        path = request.environ["RAW_URI"]
        try:
            answer = self._local.handle_request(request.method, path, headers, body or None)
        except LocalGatewayException as error:
            return Response(
                error.body or b"", error.CODE, headers=error.headers, content_type="application/json"
            )
        return _response(answer)


class _Converter(LambdaEventConverter):
    def create_lambda_event(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> dict[str, Any]:
        event: dict[str, Any] = super().create_lambda_event(method, path, headers, body)
        own = set(re.findall(r"{([^}]+)}", event["requestContext"]["resourcePath"]))
        captured = {name: unquote(value) for name, value in event["pathParameters"].items() if name in own}
        event["pathParameters"] = captured or None
        event["requestContext"]["identity"]["sourceIp"] = headers["x-forwarded-for"]
        if isinstance(event["body"], bytes):
            event["body"] = event["body"].decode(errors="replace")
        return event


def _response(answer: dict[str, Any]) -> Response:
    body = answer.get("body") or ""
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body
    response = Response(content, status=answer["statusCode"], content_type="application/json")
    for name, value in answer["headers"].items():
        response.headers[name] = value
    for name, values in answer["multiValueHeaders"].items():
        response.headers.setlist(name, values)
    return response
