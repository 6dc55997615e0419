"""Who may read the internal part of the website (clause 5.3.1): whoever has cookies that the desk has signed.

They are CloudFront's own signed cookies, with a policy of one statement: which addresses, and until when. CloudFront
checks them before it looks for a page, and so does the laptop's front door.
"""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.core.canonical import canonical
from chalicelib.core.signing import Signer

LIFE = timedelta(hours=4)
"""How long cookies admit: whose last duty ends meanwhile reads on for no longer than this."""
NAMES = ("CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id", "CloudFront-Hash-Algorithm")

_HASH = "SHA256"
_TO_COOKIE, _FROM_COOKIE = str.maketrans("+=/", "-_~"), str.maketrans("-_~", "+=/")


class Admission:
    """Signs cookies. `site_url` is where the internal part begins, `key_pair` what CloudFront calls the signer's key.

    `domain` is the domain that desk and internal part share, so that cookies of the one reach the other; empty where
    both have one host.
    """

    def __init__(self, *, signer: Signer, site_url: str, key_pair: str, domain: str) -> None:
        self._signer = signer
        self._site_url = site_url
        self._key_pair = key_pair
        self._domain = domain

    @property
    def is_asked_for(self) -> bool:
        """Whether this environment's internal part asks for cookies at all."""
        return bool(self._key_pair)

    def cookies(self, now: datetime) -> tuple[str, ...]:
        """What a browser is given, as `Set-Cookie` says it; one AWS call."""
        until = int((now + LIFE).timestamp())
        policy = _policy(self._site_url, until)
        signature = self._signer.sign(policy)["value"].translate(_TO_COOKIE)
        values = (_encoded(canonical(policy)), signature, self._key_pair, _HASH)
        domain = f"; Domain={self._domain}" if self._domain else ""
        return tuple(
            f"{name}={value}; Path=/; Max-Age={int(LIFE.total_seconds())}{domain}; Secure; HttpOnly; SameSite=Lax"
            for name, value in zip(NAMES, values, strict=True)
        )


def admits(
    cookies: Mapping[str, str],
    address: str,
    now: datetime,
    *,
    key_pair: str,
    is_signed: Callable[[bytes, bytes], bool],
) -> bool:
    """Whether cookies admit to an address, as CloudFront sees it; `is_signed` verifies a signature over bytes."""
    if cookies.get("CloudFront-Key-Pair-Id") != key_pair or cookies.get("CloudFront-Hash-Algorithm") != _HASH:
        return False
    try:
        policy = _decoded(cookies["CloudFront-Policy"])
        signature = _decoded(cookies["CloudFront-Signature"])
        if not is_signed(signature, policy):
            return False
        [statement] = json.loads(policy)["Statement"]
        resource, until = statement["Resource"], statement["Condition"]["DateLessThan"]["AWS:EpochTime"]
    except (KeyError, TypeError, ValueError):
        return False
    return address.startswith(str(resource).removesuffix("*")) and now < datetime.fromtimestamp(
        int(until), UTC
    )


def _policy(site_url: str, until: int) -> dict[str, Any]:
    condition = {"DateLessThan": {"AWS:EpochTime": until}}
    return {"Statement": [{"Condition": condition, "Resource": f"{site_url}/*"}]}


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().translate(_TO_COOKIE)


def _decoded(value: str) -> bytes:
    return base64.b64decode(value.translate(_FROM_COOKIE), validate=True)
