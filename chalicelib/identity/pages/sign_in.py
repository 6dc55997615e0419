"""Signing in with a browser.

The link of a sign-in mail works only in the browser that asked for it. So a mail scanner that opens every link and
presses every button gets no session and uses no handle up, nor does the reader of a forwarded mail.
"""

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import InvalidInput, NotFound
from chalicelib.core.http import LANGUAGE_COOKIE, Exchange, cookie
from chalicelib.core.ids import new_secret
from chalicelib.core.validation import checked
from chalicelib.identity.caller import posted, refuse_foreign_page, session_cookie
from chalicelib.identity.model import BROWSER_COOKIE, COOKIE, SIGN_IN_LIFE
from chalicelib.web.pages import (
    FORM,
    RETURN_COOKIE,
    SIGN_IN,
    faults_by_field,
    language_cookie,
    page,
    page_view,
    place_to_return_to,
    return_cookie,
    see_other,
)

identity_pages = Blueprint(__name__)


@identity_pages.route(SIGN_IN, methods=["GET"])
@page_view(identity_pages)
def show_sign_in(exchange: Exchange) -> Response:
    return _sign_in(exchange, returning=place_to_return_to(exchange) is not None)


def _sign_in(
    exchange: Exchange, *, returning: bool, email: str = "", error: InvalidInput | None = None
) -> Response:
    return page(
        exchange,
        "sign_in",
        status=200 if error is None else error.status,
        email=email,
        wrong={} if error is None else faults_by_field(error, exchange.language),
        returning=returning,
        accounts=bool(bootstrap.parts().settings.oidc_issuer),
    )


@identity_pages.route(SIGN_IN, methods=["POST"], content_types=[FORM])
@page_view(identity_pages)
def ask_by_page(exchange: Exchange) -> Response:
    refuse_foreign_page(exchange)
    (email, *_) = exchange.form().get("email", [""])
    email = email.strip()
    place = place_to_return_to(exchange)
    try:
        checked("sign_in", {"email": email})
    except InvalidInput as error:
        return _sign_in(exchange, email=email, error=error, returning=place is not None)
    browser = exchange.cookie(BROWSER_COOKIE) or new_secret()
    parts = bootstrap.parts()
    parts.sign_in.ask(email, address=parts.address_of(exchange), browser=browser)
    life = int(SIGN_IN_LIFE.total_seconds())
    kept = [cookie(BROWSER_COOKIE, browser, life=life)]
    if place is not None:  # from now on, for as long as the link: somebody may have read the page for long
        kept.append(return_cookie(place))
    return page(exchange, "mail_sent", email=email, minutes=life // 60, cookies=kept)


@identity_pages.route("/s", methods=["GET"])
@page_view(identity_pages)
def show_sign_in_link(exchange: Exchange) -> Response:
    return page(exchange, "open_link", action="/s")


@identity_pages.route("/s", methods=["POST"], content_types=[FORM])
@page_view(identity_pages)
def sign_in_by_link(exchange: Exchange) -> Response:
    refuse_foreign_page(exchange)
    (handle, *_) = exchange.form().get("handle", [""])
    # Without the browser's secret nothing can fit, but the same work is done: a program's handle must not open here.
    browser = exchange.cookie(BROWSER_COOKIE) or new_secret()
    try:
        parts = bootstrap.parts()
        session = parts.sign_in.open(handle, address=parts.address_of(exchange), browser=browser)
    except NotFound:
        return page(exchange, "link_not_open", status=NotFound.status)
    cookies = [session_cookie(session.token), cookie(RETURN_COOKIE, "", life=0)]
    if exchange.cookie(LANGUAGE_COOKIE) is None:
        cookies.append(language_cookie(session.person.language))
    return see_other(exchange, place_to_return_to(exchange) or "/", cookies=cookies)


@identity_pages.route("/sign-out", methods=["POST"], content_types=[FORM])
@page_view(identity_pages)
def sign_out(exchange: Exchange) -> Response:
    posted(exchange, exchange.form())
    bootstrap.parts().sessions.end(exchange.cookie(COOKIE) or "")
    return see_other(exchange, SIGN_IN, cookies=[cookie(COOKIE, "", life=0)])
