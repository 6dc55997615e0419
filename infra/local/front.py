"""The laptop's front door: API Gateway, the website's CDN and everybody's mailbox, as one WSGI app.

Chalice's local gateway does the routing, mended where it differs from AWS: path parameters are decoded, none
leaks from another route, the caller's address is real, text arrives as text, a body over Lambda's 6 MB is
refused, and what API Gateway answers by itself is what the stack's template says.
"""

import base64
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import (
    LambdaEventConverter,
    LocalChalice,
    LocalGateway,
    RouteMatcher,
)
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from chalicelib.core.clock import utc_now
from chalicelib.core.events import report
from chalicelib.people.roster import Roster
from chalicelib.publication.channels.website.entry import INTERNAL
from chalicelib.publication.channels.website.policy import script_sources
from chalicelib.publication.channels.website.render import ENTER
from infra.local import pages
from infra.local.functions import MAX_PAYLOAD
from infra.local.mailbox import Sent
from infra.local.refusals import NOTHING_THERE, REFUSED, refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LOCAL = "/_local"
SITE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "sandbox allow-scripts allow-downloads allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
        f"img-src 'self' data:; style-src 'unsafe-inline'; script-src {script_sources()}; connect-src 'self' {{desk}}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "null",
}
"""The website has a host of its own on AWS; here it shares the desk's, so a sandbox takes the desk's origin from it.

What a page has left is the origin `null`, in whose name it reads the site's indexes, and tells the desk of views.
"""


@dataclass(frozen=True, kw_only=True)
class Page:
    """An object of the website's bucket."""

    content: bytes
    content_type: str
    disposition: str | None = None


class Front:
    """The app under its routes; below `/_local/` what the laptop shows: mail, people, the website, the WeChat account.

    Mail and people are pages for a browser and JSON for anything else. `site` gives the object of a key, or None;
    `environment` holds the variables with which a command reaches this cloud, `wechat` is the account's address;
    `admits` tells whether cookies let one into the internal part at an address: without it, all are let in.
    """

    def __init__(
        self,
        *,
        app: Chalice,
        mails: Callable[[], Sequence[Sent]],
        people: Callable[[], Roster],
        site: Callable[[str], Page | None],
        environment: Mapping[str, str] | None = None,
        wechat: str = "",
        admits: Callable[[Mapping[str, str], str], bool] | None = None,
    ) -> None:
        self._wechat = wechat
        self._environment = dict(environment or {})
        self._desk = self._environment.get("BASE_URL", "")
        self._gateway = _Gateway(app)
        self._mails = mails
        self._people = people
        self._site = site
        self._admits = admits or (lambda _cookies, _address: True)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request, as WSGI has it."""
        request = Request(environ)
        try:
            answer = self._answer(request)
        except Exception as error:  # noqa: BLE001 - the server would log what it says, the address included
            report(error, "request that the laptop's front door could not answer")
            answer = problem(500, "Internal Server Error")
        return answer(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.path == LOCAL or request.path.startswith(f"{LOCAL}/"):
            return self._local(request)
        return self._gateway.answer(request)

    def _local(self, request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return problem(405, "Method Not Allowed")
        return self._found(request) or problem(404, "Not Found")

    def _found(self, request: Request) -> Response | None:
        what, _, rest = request.path.removeprefix(LOCAL).removeprefix("/").partition("/")
        found = self._site_page(request, rest) if what == "site" else None
        match what, rest:
            case "", "":
                found = pages.start_page()
            case "mail", "":
                found = self._mail(request)
            case "mail", name:
                found = pages.mail_frame(self._mails(), name)
            case "people", "":
                found = self._everybody(request)
            case "wechat", "" if self._wechat:
                found = redirect(self._wechat, Response=Response)
            case "environment", "":
                found = Response(_exports(self._environment), content_type="text/plain; charset=utf-8")
        return found

    def _site_page(self, request: Request, key: str) -> Response | None:
        """An object of the website. A page of the internal part asks for the desk's signed cookies, as on AWS.

        What a page shows or reads does not: in its sandbox, it has no cookies here.
        """
        asks = key.startswith(f"{INTERNAL}/") and key.endswith((".html", "/"))
        if not asks or self._admits(request.cookies, f"{self._desk}{request.path}"):
            return self._page(key)
        refused = self._page(f"{INTERNAL}/{ENTER}") or problem(403, "Forbidden")
        refused.status_code = 403
        return refused

    def _mail(self, request: Request) -> Response:
        to = request.args.get("to", "")
        if _is_browser(request):
            return pages.mail_page(self._mails(), to)
        return _json([asdict(mail) for mail in pages.addressed_to(self._mails(), to)])

    def _everybody(self, request: Request) -> Response:
        if _is_browser(request):
            return pages.people_page(self._people(), utc_now())
        return _json(pages.people_json(self._people(), utc_now()))

    def _page(self, key: str) -> Response | None:
        page = self._site(f"{key}index.html" if key.endswith("/") else key)
        if page is None:
            return None
        named = {"Content-Disposition": page.disposition} if page.disposition else {}
        headers = {name: value.format(desk=self._desk) for name, value in SITE_HEADERS.items()}
        return Response(page.content, content_type=page.content_type, headers={**headers, **named})


def in_threads(app: Chalice) -> None:
    """Let one app answer several threads at once: `current_request` is each thread's own, as in Lambda."""
    if not isinstance(app, LocalChalice):
        app.__class__ = type("Threaded", (LocalChalice, type(app)), {})


def problem(status: int, title: str) -> Response:
    """RFC 9457 problem details for what the app never sees."""
    document = {"type": "about:blank", "title": title, "status": status}
    return Response(json.dumps(document), status=status, content_type="application/problem+json")


def _is_browser(request: Request) -> bool:
    """Whether pages are asked for by name; `*/*` is what programs send."""
    return "text/html" in request.accept_mimetypes.values()


def _exports(variables: Mapping[str, str]) -> str:
    """Lines for a shell to evaluate."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))


def _json(document: object) -> Response:
    text = json.dumps(document, ensure_ascii=False, indent=2)
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    return Response(text, content_type="application/json; charset=utf-8", headers=headers)


class _Gateway:
    """API Gateway and Lambda's proxy integration."""

    def __init__(self, app: Chalice) -> None:
        in_threads(app)
        self._routes = app.routes
        self._local = LocalGateway(app, Config())
        self._matcher = RouteMatcher(list(app.routes))
        self._converter = _Converter(self._matcher, app.api.binary_types)
        self._local.event_converter = self._converter

    def answer(self, request: Request) -> Response:
        request.max_content_length = MAX_PAYLOAD
        try:
            body = request.get_data()
        except RequestEntityTooLarge:
            return refusal(REFUSED, status=413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers["x-forwarded-for"] = request.remote_addr or ""
        path = request.environ["RAW_URI"]
        if not self._is_served(request.method, path):
            return refusal(NOTHING_THERE)
        return _response(self._local.handle_request(request.method, path, headers, body or None))

    def _is_served(self, method: str, path: str) -> bool:
        try:
            return method in self._routes[self._matcher.match_route(path).route]
        except ValueError:
            return False


class _Converter(LambdaEventConverter):
    def create_lambda_event(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> dict[str, Any]:
        event: dict[str, Any] = super().create_lambda_event(method, path, headers, body)
        event["path"] = path.partition("?")[0]
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
