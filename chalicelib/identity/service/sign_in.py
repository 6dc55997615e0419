"""Signing in by an e-mailed one-time handle, and knowing who calls."""

import json
from collections.abc import Callable
from typing import Any

from chalicelib.core.clock import Now
from chalicelib.core.errors import NotFound, NotSignedIn, RateLimited, Stale
from chalicelib.core.ids import fingerprint, new_id, new_secret
from chalicelib.core.letters import Button, letter
from chalicelib.core.mail import Mail, Mailer, Stamp
from chalicelib.core.table import Found, Key, Table
from chalicelib.identity.model import (
    HANDLES_PER_ADDRESS,
    SESSION_LIFE,
    SIGN_IN_LIFE,
    SIGN_IN_PER_ADDRESS,
    SIGN_IN_PER_MAILBOX,
    Limit,
    Session,
    person_of_token,
)
from chalicelib.identity.store import (
    count,
    put_session,
    put_sign_in,
    session_key,
    sign_in_key,
    use_sign_in,
)
from chalicelib.people.model import Person
from chalicelib.people.store import PeopleStore, person_key, read_person


class RateLimits:
    """Counts tries per network address and per mailbox."""

    def __init__(self, *, table: Table, now: Now) -> None:
        self._table = table
        self._now = now

    def count(self, limit: Limit, who: str) -> None:
        """Count one try. Raises RateLimited beyond the limit."""
        now = self._now()
        if count(self._table, limit, who, now) > limit.tries:
            raise RateLimited(limit.retry_after(now))

    def count_handle(self, address: str) -> None:
        """Count one offered handle of that network address."""
        self.count(HANDLES_PER_ADDRESS, address)


class SignIn:
    """From an e-mail address to a session."""

    def __init__(
        self,
        *,
        table: Table,
        people: PeopleStore,
        limits: RateLimits,
        queue: Callable[[str], object],
        mailer: Mailer,
        now: Now,
        base_url: str,
    ) -> None:
        self._table = table
        self._people = people
        self._limits = limits
        self._queue = queue
        self._mailer = mailer
        self._now = now
        self._base_url = base_url

    def ask(self, email: str, *, address: str, browser: str | None = None) -> None:
        """Leave a request for a sign-in mail; the same work whether or not the mailbox is known.

        `browser` is a secret that only the asking browser keeps; without it the handle is for a program.
        """
        self._limits.count(SIGN_IN_PER_ADDRESS, address)
        self._limits.count(SIGN_IN_PER_MAILBOX, email.casefold())
        self._queue(json.dumps({"email": email, "browser": browser and fingerprint(browser)}))

    def send_link(self, email: str, browser: str | None) -> None:
        """Mail a fresh handle to the person of that address; nothing happens for a stranger's.

        `browser` is the hash of the asking browser's secret.
        """
        person = self._people.by_email(email)
        if person is None or not person.duties_at(self._now()):
            return
        handle = new_secret()
        self._table.put(put_sign_in(handle, person.id, browser, self._now() + SIGN_IN_LIFE))
        stamp = Stamp(id=new_id("m"), at=self._now())  # another handle is another mail
        self._mailer.send(sign_in_mail(person, f"{self._base_url}/s#{handle}", stamp))

    def open(self, handle: str, *, address: str, browser: str | None = None) -> Session:
        """Exchange a handle for a session, once.

        A handle that a browser asked for opens in that browser only: whatever else follows the links of a mail,
        a scanner or the reader of a forwarded one, neither gets a session nor uses the handle up. Raises NotFound
        for it, and for an unknown, expired or used handle.
        """
        self._limits.count_handle(address)
        record = self._table.get(sign_in_key(handle))
        now = self._now()
        if record is None or record.session is not None or (record.expires_at or 0) <= now.timestamp():
            raise NotFound
        if record.browser != (browser and fingerprint(browser)):
            raise NotFound
        person = next(iter(self._people.persons((record.person,))), None)
        if person is None:
            raise NotFound
        token = f"{person.id}.{new_secret()}"
        expires_at = now + SESSION_LIFE
        try:
            self._table.transact(
                [use_sign_in(record, token)], receipt=put_session(token, person.id, expires_at)
            )
        except Stale as error:
            raise NotFound from error
        return Session(token=token, person=person, expires_at=expires_at)


class Sessions:
    """Who calls."""

    def __init__(self, *, table: Table, now: Now) -> None:
        self._table = table
        self._now = now

    def person(self, token: str | None, *also: Key[Any]) -> tuple[Person, Found]:
        """The person of a session's token, and what lies at the other keys; one AWS call.

        Raises NotSignedIn without a session that counts now.
        """
        claimed = person_of_token(token) if token else None
        if token is None or claimed is None:
            raise NotSignedIn
        found = self._table.batch(session_key(token), person_key(claimed), *also)
        session = found.get(session_key(token))
        record = found.get(person_key(claimed))
        if session is None or record is None or session.person != claimed:
            raise NotSignedIn
        if (session.expires_at or 0) <= self._now().timestamp():
            raise NotSignedIn
        return read_person(record), found

    def end(self, token: str) -> None:
        """Sign out: from now on the token opens nothing."""
        self._table.delete(session_key(token))


def sign_in_mail(person: Person, link: str, stamp: Stamp) -> Mail:
    """The mail that carries a sign-in handle, in the person's language."""
    blocks = {"link": Button(label="sign_in", address=link)}
    return letter(person.email, "sign_in", person.language, {"name": person.name}, blocks, stamp=stamp)
