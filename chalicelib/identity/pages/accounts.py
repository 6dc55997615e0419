"""Signing in with the company's account: there and back.

The browser is led on by a page of ours, not by a redirect: what a form may lead to, a page's security policy says, and
the provider is no part of it.
"""

import re

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import AccountRefused, NotFound
from chalicelib.core.http import LANGUAGE_COOKIE, Exchange, cookie
from chalicelib.identity.caller import refuse_foreign_page, session_cookie
from chalicelib.identity.model import ACCOUNT_COOKIE, ACCOUNT_LIFE, ACCOUNT_PAGE
from chalicelib.web.pages import (
    FORM,
    RETURN_COOKIE,
    language_cookie,
    page,
    page_view,
    place_to_return_to,
    return_cookie,
    see_other,
)

account_pages = Blueprint(__name__)

AGAIN = "/r/again"
"""Where a review goes on whose handle waits in the browser's cookie."""
_REVIEW = re.compile(r"/r#[A-Za-z0-9_-]{43}")


@account_pages.route(ACCOUNT_PAGE, methods=["POST"], content_types=[FORM])
@page_view(account_pages)
def leave_for_account(exchange: Exchange) -> Response:
    refuse_foreign_page(exchange)
    (wanted, *_) = exchange.form().get("next", [""])
    place = "/me/proofs" if wanted == "/me/proofs" else place_to_return_to(exchange)
    return leave(exchange, place)


def leave(exchange: Exchange, place: str | None) -> Response:
    """Lead to the provider, and remember where to come back to: a page of ours, or where one was before."""
    parts = bootstrap.parts()
    secret, address = parts.accounts.begin()
    kept = [cookie(ACCOUNT_COOKIE, secret, life=int(ACCOUNT_LIFE.total_seconds()))]
    if place is not None:
        kept.append(return_cookie(place))
    return page(exchange, "leaving", address=address, cookies=kept)


@account_pages.route(ACCOUNT_PAGE, methods=["GET"])
@page_view(account_pages)
def come_from_account(exchange: Exchange) -> Response:
    """Open a session, and lead back; to a review by its handle in the cookie, for which no script is needed."""
    parts, forgotten = bootstrap.parts(), cookie(ACCOUNT_COOKIE, "", life=0)
    parts.limits.count_handle(parts.address_of(exchange))
    code, state = exchange.query.get("code", ""), exchange.query.get("state", "")
    secret = exchange.cookie(ACCOUNT_COOKIE)
    try:
        session = parts.accounts.open(code=code, state=state, secret=secret)
    except (AccountRefused, NotFound) as error:
        known = isinstance(error, AccountRefused)
        return page(exchange, "account_refused", status=error.status, refused=known, cookies=[forgotten])
    cookies = [session_cookie(session.token), forgotten]
    if exchange.cookie(LANGUAGE_COOKIE) is None:
        cookies.append(language_cookie(session.person.language))
    place = place_to_return_to(exchange) or "/"
    if _REVIEW.fullmatch(place):
        return see_other(exchange, AGAIN, cookies=cookies)
    return see_other(exchange, place, cookies=[*cookies, cookie(RETURN_COOKIE, "", life=0)])
