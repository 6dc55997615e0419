"""One-time handles and sessions: what they hold and when they count."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.people.model import Person

SIGN_IN_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=8)
ACCOUNT_LIFE = timedelta(minutes=10)
"""How long a person may take to sign in with the company's account."""
ACCOUNT_PAGE = "/sign-in/account"
"""Where one leaves for the company's account, and comes back from it."""
COOKIE = "__Host-imprimatur"
ACCOUNT_COOKIE = "__Host-imprimatur-account"
"""The secret of a browser that is signing in with the company's account."""
BROWSER_COOKIE = "__Host-imprimatur-browser"
"""What a browser keeps to show that it was the one that asked to sign in."""
_TOKEN = re.compile(r"(p-[a-z0-9-]{1,40})\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `tries` in each window of `seconds`."""

    name: str
    tries: int
    seconds: int

    def window(self, now: datetime) -> int:
        """The number of the window that an instant falls in."""
        return int(now.timestamp()) // self.seconds

    def retry_after(self, now: datetime) -> int:
        """Seconds until the next window begins; at least 1."""
        return self.seconds - int(now.timestamp()) % self.seconds


SIGN_IN_PER_ADDRESS = Limit(name="sign-in-address", tries=300, seconds=600)
SIGN_IN_PER_MAILBOX = Limit(name="sign-in-mailbox", tries=10, seconds=600)
HANDLES_PER_ADDRESS = Limit(name="handles-address", tries=3000, seconds=600)
"""Handles offered (sign-in and review) from one network address, which a whole company may share."""

CODES_PER_PERSON = Limit(name="codes-person", tries=10, seconds=600)
"""Codes of an authenticator app, right or wrong, that are looked at for one person."""


class ProofKind(StrEnum):
    """How a person proves to be there, beyond having a mailbox."""

    PASSKEY = "passkey"
    TOTP = "totp"
    OIDC = "oidc"


INVITATION = "invitation"
"""What opens the way to the first proof: a code that operations hand over."""


@dataclass(frozen=True, kw_only=True)
class SessionProof:
    """That the person of a session proved to be there: how, when, and with which proof.

    `kind` is a `ProofKind`, or `INVITATION`; `id` is a proof's, a hash of the account's issuer and subject, or that
    of the invitation.
    """

    kind: str
    id: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Session:
    """A signed-in person. `token` is the secret itself, known only at the moment of making."""

    token: str
    person: Person
    expires_at: datetime


def person_of_token(token: str) -> str | None:
    """The person's id that a session's token carries, so that session and person are read in one call.

    It claims nothing: the session's record is found by the hash of the whole token and names the person itself.
    """
    match = _TOKEN.fullmatch(token)
    return None if match is None else match[1]
