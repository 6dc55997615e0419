"""Handles, sessions and counters in the table: only hashes of secrets, all with an end."""

from datetime import datetime

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.core.ids import fingerprint
from chalicelib.core.table import Key, Put, Record, Table
from chalicelib.identity.model import Limit


class SignInRecord(Record):
    """A one-time handle for signing in.

    `browser` is the hash of what only the asking browser knows, `session` that of the session it was used for.
    """

    person = UnicodeAttribute()
    browser = UnicodeAttribute(null=True)
    session = UnicodeAttribute(null=True)


class SessionRecord(Record):
    """A session."""

    person = UnicodeAttribute()


class CounterRecord(Record):
    """How often something happened in one window."""

    tries = NumberAttribute(default=0)


def sign_in_key(handle: str) -> Key[SignInRecord]:
    """Where a sign-in handle is."""
    return Key(SignInRecord, f"SIGNIN#{fingerprint(handle)}", "SIGNIN")


def session_key(token: str) -> Key[SessionRecord]:
    """Where a session is."""
    return Key(SessionRecord, f"SESSION#{fingerprint(token)}", "SESSION")


def put_sign_in(handle: str, person: str, browser: str | None, expires_at: datetime) -> Put:
    """Describe a fresh handle."""
    key = sign_in_key(handle)
    until = int(expires_at.timestamp())
    return Put(record=SignInRecord(pk=key.pk, sk=key.sk, person=person, browser=browser, expires_at=until))


def use_sign_in(record: SignInRecord, token: str) -> Put:
    """Describe the one use of a handle: for this session and no other."""
    mine = fingerprint(token)
    used = SignInRecord(
        pk=record.pk,
        sk=record.sk,
        person=record.person,
        browser=record.browser,
        expires_at=record.expires_at,
        session=mine,
    )
    return Put(record=used, condition=SignInRecord.pk.exists() & SignInRecord.session.does_not_exist())


def put_session(token: str, person: str, expires_at: datetime) -> Put:
    """Describe a fresh session."""
    key = session_key(token)
    record = SessionRecord(pk=key.pk, sk=key.sk, person=person, expires_at=int(expires_at.timestamp()))
    return Put(record=record, condition=SessionRecord.pk.does_not_exist())


def counter_partition(limit: Limit, who: str) -> str:
    """The partition that holds the tries of somebody, window by window."""
    return f"RATE#{limit.name}#{fingerprint(who)}"


def count(table: Table, limit: Limit, who: str, now: datetime) -> int:
    """Count one more try of somebody (an address, a mailbox; kept as a hash) and answer how many there were."""
    window = limit.window(now)
    key = Key(CounterRecord, counter_partition(limit, who), str(window))
    expires_at = (window + 2) * limit.seconds
    item = table.add_to(key, number=("tries", 1), expires_at=expires_at)
    return int(item["tries"]["N"])
