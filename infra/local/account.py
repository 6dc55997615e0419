"""Signing in with the company's account over HTTP, as a browser does: to the provider, and back with a code."""

import html
import re
from http.cookies import SimpleCookie

import requests

from chalicelib.identity.model import ACCOUNT_COOKIE, ACCOUNT_PAGE, COOKIE

_TIMEOUT = 30
"""Seconds."""
_ADDRESS = re.compile(r'http-equiv="refresh" content="0; url=([^"]+)"')
_OWN = {"Sec-Fetch-Site": "same-origin"}


class AccountError(Exception):
    """Signing in with the company's account came to nothing."""


def sign_in_with_account(base_url: str, person: str) -> str:
    """The token of a session that a person, by id, has just proved to be in. Raises AccountError."""
    leaving = requests.post(f"{base_url}{ACCOUNT_PAGE}", data={"next": ""}, headers=_OWN, timeout=_TIMEOUT)
    found = _ADDRESS.search(leaving.text)
    if found is None:
        raise AccountError(f"the desk leads to no accounts: {leaving.status_code}")
    secret = _cookie(leaving, ACCOUNT_COOKIE)
    allowed = requests.post(
        html.unescape(found[1]), data={"sub": person}, allow_redirects=False, timeout=_TIMEOUT
    )
    back = allowed.headers.get("Location", "")
    if not back.startswith(f"{base_url}{ACCOUNT_PAGE}?"):
        raise AccountError(f"the provider did not lead back: {allowed.status_code}")
    cookie = {"Cookie": f"{ACCOUNT_COOKIE}={secret}"}
    return _cookie(requests.get(back, headers=cookie, allow_redirects=False, timeout=_TIMEOUT), COOKIE)


def _cookie(answer: requests.Response, name: str) -> str:
    """What a cookie is set to; it is for HTTPS alone, but for a browser on this machine."""
    for line in answer.raw.headers.getlist("Set-Cookie"):
        if name in (kept := SimpleCookie(line)):
            return kept[name].value
    raise AccountError(f"no {name} came: {answer.status_code}")
