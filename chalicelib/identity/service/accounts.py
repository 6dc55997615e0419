"""Signing in with the company's account: OpenID Connect, authorization code with PKCE (RFC 7636, RFC 9700).

State, nonce and PKCE's verifier follow from one secret that only the asking browser keeps: nothing is stored, and an
answer that was meant for another browser fits nowhere.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from chalicelib.core.clock import Now
from chalicelib.core.errors import AccountRefused, NotFound
from chalicelib.core.fetching import Fetch, FetchError
from chalicelib.core.ids import fingerprint, new_secret
from chalicelib.core.table import Table
from chalicelib.identity.model import SESSION_LIFE, ProofKind, Session, SessionProof
from chalicelib.identity.store import put_session
from chalicelib.people.store import PeopleStore

_LEEWAY = 60
"""Seconds that the provider's clock may differ from ours."""
_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
_DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, kw_only=True)
class AccountsConfiguration:
    """Whose accounts, and as whom the desk asks for them. `person_claim` says who it is: `email`, or a person's id."""

    issuer: str
    client_id: str
    client_secret: str
    person_claim: str
    redirect_uri: str


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What an ID token says: whose account it is, and when its owner last proved it to the provider."""

    subject: str
    claims: Mapping[str, Any]
    proved_at: datetime


class Provider:
    """The provider of the company's accounts, as OpenID Connect knows it."""

    def __init__(self, *, configuration: AccountsConfiguration, fetch: Fetch, now: Now) -> None:
        self.configuration = configuration
        self._fetch = fetch
        self._now = now

    @cached_property
    def _metadata(self) -> Mapping[str, Any]:
        """What the provider says of itself; kept as long as this process lives."""
        issuer = self.configuration.issuer
        said = self._asked(f"{issuer.rstrip('/')}{_DISCOVERY}")
        if said.get("issuer") != issuer:
            raise AccountRefused
        return said

    def address(self, secret: str) -> str:
        """Where a browser is sent to, to sign in there anew."""
        asked = {
            "response_type": "code",
            "client_id": self.configuration.client_id,
            "redirect_uri": self.configuration.redirect_uri,
            "scope": "openid email",
            "state": state_of(secret),
            "nonce": _derived("nonce", secret),
            "code_challenge": _pkce_challenge(_derived("verifier", secret)),
            "code_challenge_method": "S256",
            "prompt": "login",
            "max_age": "0",
        }
        return f"{self._metadata['authorization_endpoint']}?{urlencode(asked)}"

    def identity(self, code: str, secret: str) -> Identity:
        """Whose account it is that came back with this code to the browser of that secret.

        Raises AccountRefused for whatever the provider did not say to this very asking.
        """
        configuration = self.configuration
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": configuration.redirect_uri,
            "client_id": configuration.client_id,
            "code_verifier": _derived("verifier", secret),
        }
        if configuration.client_secret:
            fields["client_secret"] = configuration.client_secret
        token = self._asked(self._metadata["token_endpoint"], fields).get("id_token")
        claims = self._claims(token, _derived("nonce", secret))
        proved_at = datetime.fromtimestamp(int(claims["auth_time"]), UTC)
        return Identity(subject=str(claims["sub"]), claims=claims, proved_at=proved_at)

    def _claims(self, token: object, nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token that the provider signed for us, for this asking, and lately."""
        from joserfc import jwt  # noqa: PLC0415 — few events need it
        from joserfc.jwk import KeySet  # noqa: PLC0415 — as above

        configuration, keys = self.configuration, self._asked(self._metadata["jwks_uri"])
        try:
            read = jwt.decode(str(token), KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]  # a dict
            rules = jwt.JWTClaimsRegistry(
                now=int(self._now().timestamp()),
                leeway=_LEEWAY,
                iss={"essential": True, "value": configuration.issuer},
                aud={"essential": True, "value": configuration.client_id},
                azp={"value": configuration.client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": nonce},
                auth_time={"essential": True},
            )
            rules.validate(read.claims)
            ensure_whole(read.claims)
        except Exception as error:  # whatever somebody made instead of a token: it says nothing
            raise AccountRefused from error
        return dict(read.claims)

    def _asked(self, url: str, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            return self._fetch(url, fields)
        except FetchError as error:
            raise AccountRefused from error


class Accounts:
    """From the company's account to a session that says how its person was proved."""

    def __init__(self, *, table: Table, people: PeopleStore, provider: Provider, now: Now) -> None:
        self._table = table
        self._people = people
        self._provider = provider
        self._now = now

    def begin(self) -> tuple[str, str]:
        """A secret for the browser to keep, and where to send it."""
        secret = new_secret()
        return secret, self._provider.address(secret)

    def open(self, *, code: str, state: str, secret: str | None) -> Session:
        """A session of the person whose account it is; `secret` is None for a browser that never asked.

        Raises AccountRefused, and NotFound for an account of nobody who has a duty.
        """
        if not code or secret is None or not hmac.compare_digest(state.encode(), state_of(secret).encode()):
            raise AccountRefused
        identity = self._provider.identity(code, secret)
        claim, now = self._provider.configuration.person_claim, self._now()
        named = str(identity.claims.get(claim, ""))
        if claim == "email":
            verified = identity.claims.get("email_verified") is True
            person = self._people.by_email(named) if verified else None
        else:
            person = next(iter(self._people.persons((named,))), None) if named else None
        if person is None or not person.duties_at(now):
            raise NotFound
        account = fingerprint(f"{self._provider.configuration.issuer} {identity.subject}")
        proof = SessionProof(kind=ProofKind.OIDC, id=account, at=identity.proved_at)
        token, expires_at = f"{person.id}.{new_secret()}", now + SESSION_LIFE
        self._table.put(put_session(token, person.id, expires_at, proof))
        return Session(token=token, person=person, expires_at=expires_at)


def state_of(secret: str) -> str:
    """What comes back with the provider's answer, and fits the asking browser alone."""
    return _derived("state", secret)


def ensure_whole(claims: Mapping[str, Any]) -> None:
    """Raise ValueError for claims of the right name and the wrong kind."""
    if type(claims["auth_time"]) is not int or not isinstance(claims["sub"], str):
        raise ValueError("claims")


def _derived(name: str, secret: str) -> str:
    return _base64url(hashlib.sha256(f"{name} {secret}".encode()).digest())


def _pkce_challenge(verifier: str) -> str:
    return _base64url(hashlib.sha256(verifier.encode()).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
