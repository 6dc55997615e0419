"""Pages: a template in the reader's language becomes an answer, and so does an error.

A view under `page_view` may raise whatever a use case raises. Who is not signed in is sent to sign in and comes back;
a form that was posted by somebody whose session has ended, or ended and began anew, is shown again with everything
that was typed, so that one more press of a button sends it.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from chalice.app import Blueprint, Response

from chalicelib.core import messages
from chalicelib.core.clock import from_text
from chalicelib.core.errors import ImprimaturError, InvalidInput, NotSignedIn, RateLimited, StaleForm
from chalicelib.core.http import BASE_HEADERS, LANGUAGE_COOKIE, Exchange, View, cookie, report_view
from chalicelib.core.sizes import bytes_in_words
from chalicelib.web.catalogues import catalogue
from chalicelib.web.static import address_of

if TYPE_CHECKING:
    from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")
SIGN_IN = "/sign-in"
LANGUAGE = "language"
"""What the links at a page's foot call the chosen language in the query."""
FORM = "application/x-www-form-urlencoded"
"""The content type of a posted page."""
RETURN_COOKIE = "__Host-imprimatur-return"
_RETURN_LIFE = 900
"""Seconds: as long as a sign-in handle."""
_OWN_PAGE = re.compile(r"/(?!/)[A-Za-z0-9/._~%?=&-]*(#[A-Za-z0-9_-]{43})?")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(
    exchange: Exchange,
    template: str,
    *,
    status: int = 200,
    cookies: Sequence[str] = (),
    connect: str | None = None,
    **context: object,
) -> Response:
    """The page of a template. `visit`, when given, is the signed-in `identity.caller.Visit`.

    `connect` is one more origin, besides ours, that the page's script may talk to.
    """
    if _chosen_language(exchange) is not None:
        cookies = [*cookies, language_cookie(exchange.language)]
    asked = {name: value for name, value in exchange.query.items() if name != LANGUAGE}
    text = (
        _templates(exchange.language)
        .get_template(f"{template}.html.jinja")
        .render({"visit": None, "path": exchange.path, "asked": asked, **context})
    )
    headers = {"Content-Type": "text/html; charset=utf-8"}
    if connect is not None:
        policy = _POLICY.replace("connect-src 'self'", f"connect-src 'self' {connect}")
        headers["Content-Security-Policy"] = policy
    return _answer(exchange, status, cookies, headers, text)


def see_other(exchange: Exchange, location: str, *, cookies: Sequence[str] = ()) -> Response:
    """Send the browser to a page of ours, or to the bucket, with a GET (RFC 9110, 15.4.4)."""
    return _answer(exchange, 303, cookies, {"Location": location, "Content-Type": "text/plain"}, "")


def download(exchange: Exchange, name: str, media_type: str, text: str) -> Response:
    """A file of that name, for the browser to keep."""
    headers = {"Content-Type": media_type, "Content-Disposition": f'attachment; filename="{name}"'}
    return _answer(exchange, 200, (), headers, text)


def return_cookie(place: str) -> str:
    """The cookie that remembers where to go after signing in: a page of ours, perhaps with a handle after the `#`."""
    return cookie(RETURN_COOKIE, quote(place, safe=""), life=_RETURN_LIFE)


def place_to_return_to(exchange: Exchange) -> str | None:
    """Where somebody was when asked to sign in; None without it, and for whatever is no page of ours."""
    place = unquote(exchange.cookie(RETURN_COOKIE) or "")
    return place if _OWN_PAGE.fullmatch(place) else None


def language_cookie(language: str) -> str:
    """The cookie that keeps a chosen language for a year."""
    return cookie(LANGUAGE_COOKIE, language, life=365 * 24 * 3600)


def page_view(blueprint: Blueprint) -> Callable[[View], View]:
    """Wrap a view of a page: it gets an `Exchange` first, and whatever it raises becomes a page.

    The exchange's language is the one just chosen at a page's foot, if one was: everything on a page is in it.
    """

    def wrap(view: View) -> View:
        @functools.wraps(view)
        def wrapped(**path: str) -> Response:
            request = blueprint.current_request
            exchange = Exchange(request)
            exchange.language = _chosen_language(exchange) or exchange.language
            try:
                return view(exchange, **path)
            except ImprimaturError as error:
                return _troubled(exchange, error, posted=request.method == "POST")
            except Exception as error:  # noqa: BLE001 — the last resort: tell nothing, log where it happened
                report_view(error, view)
                return _troubled(exchange, ImprimaturError(), posted=False)

        return wrapped

    return wrap


def _chosen_language(exchange: Exchange) -> str | None:
    """The language in the query, if the pages are in it."""
    chosen = exchange.query.get(LANGUAGE)
    return chosen if chosen in messages.LANGUAGES else None


def _troubled(exchange: Exchange, error: ImprimaturError, *, posted: bool) -> Response:
    if posted and isinstance(error, (NotSignedIn, StaleForm)):
        return _interrupted(exchange, error)
    if isinstance(error, NotSignedIn):
        here = "?".join(filter(None, (quote(exchange.path, safe="/%"), _query(exchange))))
        place = here if _OWN_PAGE.fullmatch(here) else "/"
        return see_other(exchange, SIGN_IN, cookies=[return_cookie(place)])
    return trouble(exchange, error)


def trouble(exchange: Exchange, error: ImprimaturError) -> Response:
    """The page that tells an error, and each wrong field of one that has any."""
    told = told_of(error, exchange.language)
    wrong = faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {}
    answer = page(
        exchange,
        "trouble",
        status=error.status,
        told=told,
        wrong=wrong,
        correlation_id=exchange.correlation_id if error.status >= ImprimaturError.status else None,
    )
    if isinstance(error, RateLimited):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def readable(text: str) -> "Markup":
    """A body in Markdown as its readers will see it: only here does a page show what is not escaped."""
    from markupsafe import Markup  # noqa: PLC0415 — few events need it, as below

    from chalicelib.core.markdown import to_html  # noqa: PLC0415 — a tenth of the app's import, and few pages show a text

    return Markup(to_html(text))  # noqa: S704 — sanitised there


def told_of(error: ImprimaturError, language: str) -> tuple[str, str]:
    """An error in words: its title and what to do about it."""
    title, detail = (
        messages.text(f"{error.code}.{part}", language, error.params) for part in ("title", "detail")
    )
    return title, detail


def faults_by_field(error: InvalidInput, language: str) -> dict[str, list[str]]:
    """What is wrong in words, by JSON Pointer."""
    wrong: dict[str, list[str]] = {}
    for fault in error.errors:
        text = messages.text(f"field.{fault.code}", language, fault.params)
        wrong.setdefault(fault.pointer, []).append(text)
    return wrong


def _interrupted(exchange: Exchange, error: NotSignedIn | StaleForm) -> Response:
    """A posted form again, with everything that was typed, to be sent once more."""
    fields = [(name, value) for name, values in exchange.form().items() for value in values if name != "csrf"]
    return page(
        exchange,
        "interrupted",
        status=error.status,
        signed_in=isinstance(error, StaleForm),
        fields_typed=fields,
        csrf=error.csrf if isinstance(error, StaleForm) else "",
    )


def _query(exchange: Exchange) -> str:
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in exchange.query.items())


def _answer(
    exchange: Exchange, status: int, cookies: Sequence[str], headers: Mapping[str, str], body: str
) -> Response:
    more: dict[str, Any] = {"Set-Cookie": list(cookies)} if cookies else {}
    return Response(
        body=body,
        status_code=status,
        headers={
            **BASE_HEADERS,
            "Content-Security-Policy": _POLICY,
            "X-Correlation-Id": exchange.correlation_id,
            **headers,
            **more,
        },
    )


@cache
def _templates(language: str) -> Any:  # noqa: ANN401 — jinja2 is imported by those events only that need it
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 — as above

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]  # the extension's
    environment.globals |= {
        "language": language,
        "languages": messages.LANGUAGES,
        "static": address_of,
        "word": functools.partial(_word, language),
    }
    environment.filters["moment"] = moment
    environment.filters["instant"] = from_text
    environment.filters["bytes"] = bytes_in_words
    return environment


def _word(language: str, *name: str) -> str:
    """A value in words, such as `word("state", "in_review")`: the same as in mails and errors."""
    return messages.text(".".join(("word", *name)), language, {})


def moment(instant: datetime, zone: str) -> str:
    """An instant by the clocks of a zone, to the minute."""
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
