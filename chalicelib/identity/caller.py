"""Who stands behind an HTTP request: a bearer token, or the cookie of a page of ours."""

from http.cookies import CookieError, SimpleCookie
from typing import Any

from chalicelib import bootstrap
from chalicelib.core.errors import NotPermitted
from chalicelib.core.http import Exchange
from chalicelib.core.table import Found, Key
from chalicelib.identity.model import COOKIE
from chalicelib.people.model import Person


def caller(exchange: Exchange) -> Person:
    """The signed-in person. Raises NotSignedIn, or NotPermitted for a cookie that another site's page sent."""
    return caller_with(exchange)[0]


def caller_with(exchange: Exchange, *also: Key[Any]) -> tuple[Person, Found]:
    """As `caller`, with what lies at these keys, read in the same call."""
    scheme, _, bearer = exchange.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bootstrap.parts().sessions.person(bearer.strip(), *also)
    token = _cookie(exchange)
    if token is not None:
        _refuse_foreign_page(exchange)
    return bootstrap.parts().sessions.person(token, *also)


def _cookie(exchange: Exchange) -> str | None:
    try:
        morsel = SimpleCookie(exchange.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def _refuse_foreign_page(exchange: Exchange) -> None:
    site = exchange.headers.get("sec-fetch-site", "same-origin")
    origin = exchange.headers.get("origin", bootstrap.parts().settings.base_url)
    if site not in {"same-origin", "none"} or origin != bootstrap.parts().settings.base_url:
        raise NotPermitted("foreign_page")
