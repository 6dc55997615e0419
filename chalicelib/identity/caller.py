"""Who stands behind an HTTP request: a bearer token, or the cookie of a page of ours."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib import bootstrap
from chalicelib.core.errors import NotPermitted, NotSignedIn, StaleForm
from chalicelib.core.http import Exchange, cookie
from chalicelib.core.ids import fingerprint
from chalicelib.core.table import Found, Key
from chalicelib.identity.model import COOKIE, SESSION_LIFE, SessionProof, person_of_token
from chalicelib.identity.store import SessionRecord, read_session_proof, session_key
from chalicelib.people.model import CENTER, REPRESENTED, Duty, Person, Role

_OF_THE_CENTER = frozenset({Role.CENTER_EDITOR, Role.CENTER_DIRECTOR})


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A signed-in person at a browser. `csrf` is the mark that every form of this session carries.

    `duties` are those that count now.
    """

    person: Person
    csrf: str
    duties: tuple[Duty, ...]

    @property
    def holds_the_brake(self) -> bool:
        """Whether to lead to where publication is frozen; what may be done there, policy decides."""
        return any(duty.role in _OF_THE_CENTER and duty.department == CENTER for duty in self.duties)

    @property
    def reviews(self) -> bool:
        """Whether to lead to the reviewer's desk; what lies there, and who decides it, policy says."""
        return any(duty.role in REPRESENTED for duty in self.duties)

    @property
    def follows_systems(self) -> bool:
        """Whether to lead to what departments' systems sent in vain; what is shown there, policy decides."""
        return any(
            duty.role is Role.LIAISON or (duty.role in _OF_THE_CENTER and duty.department == CENTER)
            for duty in self.duties
        )


def caller(exchange: Exchange) -> Person:
    """The signed-in person. Raises NotSignedIn, or NotPermitted for a cookie that another site's page sent."""
    return caller_with(exchange)[0]


def caller_with(exchange: Exchange, *also: Key[Any]) -> tuple[Person, Found]:
    """As `caller`, with what lies at these keys, read in the same call."""
    token = _bearer(exchange)
    if token is None:
        token = exchange.cookie(COOKIE)
        if token is not None:
            refuse_foreign_page(exchange)
    person, found = bootstrap.parts().sessions.person(token, *also)
    exchange.known_as(person.id)
    return person, found


def claimed(exchange: Exchange) -> str | None:
    """Whose session it claims to be: enough to read what is that person's together with the session, and no more."""
    return person_of_token(_token(exchange))


def session_of(exchange: Exchange, found: Found) -> SessionRecord:
    """The caller's session, read by `caller_with`, `visit` or `posted`."""
    record = found.get(session_key(_token(exchange)))
    if record is None:
        raise NotSignedIn
    return record


def session_proof(exchange: Exchange, found: Found) -> SessionProof | None:
    """What the person of the caller's session has proved, if anything."""
    return read_session_proof(session_of(exchange, found))


def _token(exchange: Exchange) -> str:
    return _bearer(exchange) or exchange.cookie(COOKIE) or ""


def visit(exchange: Exchange, *also: Key[Any]) -> tuple[Visit, Found]:
    """Who looks at a page, and what lies at these keys, read in the same call. Raises NotSignedIn."""
    token = exchange.cookie(COOKIE)
    if token is None:
        raise NotSignedIn
    parts = bootstrap.parts()
    person, found = parts.sessions.person(token, *also)
    exchange.known_as(person.id)
    return Visit(person=person, csrf=_mark_of(token), duties=person.duties_at(parts.now())), found


def posted(exchange: Exchange, form: Mapping[str, Sequence[str]], *also: Key[Any]) -> tuple[Visit, Found]:
    """As `visit`, for a form that a page posted.

    Raises NotPermitted when another site's page did, and StaleForm when it was shown in another session.
    """
    refuse_foreign_page(exchange)
    present, found = visit(exchange, *also)
    (mark, *_) = form.get("csrf", [""])
    if not hmac.compare_digest(mark.encode(), present.csrf.encode()):
        raise StaleForm(present.csrf)
    return present, found


def session_cookie(token: str) -> str:
    """The cookie that keeps a session in a browser as long as it counts."""
    return cookie(COOKIE, token, life=int(SESSION_LIFE.total_seconds()))


def _bearer(exchange: Exchange) -> str | None:
    scheme, _, bearer = exchange.headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else None


def _mark_of(token: str) -> str:
    return fingerprint(f"form {token}")


def refuse_foreign_page(exchange: Exchange) -> None:
    """Raise NotPermitted when the browser says that another site's page sent this.

    What the browser says of the site counts first: pages that send no referrer have the origin `null`.
    """
    site = exchange.headers.get("sec-fetch-site")
    origin = exchange.headers.get("origin")
    base_url = bootstrap.parts().settings.base_url
    ours = origin in {None, base_url} if site is None else site in {"same-origin", "none"}
    if not ours:
        raise NotPermitted("foreign_page")
