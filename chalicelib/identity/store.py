"""Handles, sessions and counters in the table, all with an end, and what people enrolled to prove to be there.

Of secrets there are hashes only, but for those of authenticator apps: who checks a code must make it.
"""

from datetime import datetime
from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.core.clock import from_text, to_text
from chalicelib.core.ids import fingerprint
from chalicelib.core.table import DocumentAttribute, Key, Put, Record, Table
from chalicelib.identity.model import Limit, SessionProof
from chalicelib.identity.proofs import Passkey, Proofs, Totp


class SignInRecord(Record):
    """A one-time handle for signing in.

    `browser` is the hash of what only the asking browser knows, `session` that of the session it was used for.
    """

    person = UnicodeAttribute()
    browser = UnicodeAttribute(null=True)
    session = UnicodeAttribute(null=True)


class SessionRecord(Record):
    """A session, and whether its person has proved to be there since signing in."""

    person = UnicodeAttribute()
    proof = DocumentAttribute(null=True)


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


def put_session(token: str, person: str, expires_at: datetime, proof: SessionProof | None = None) -> Put:
    """Describe a fresh session."""
    key = session_key(token)
    record = SessionRecord(
        pk=key.pk,
        sk=key.sk,
        person=person,
        proof=_session_proof(proof),
        expires_at=int(expires_at.timestamp()),
    )
    return Put(record=record, condition=SessionRecord.pk.does_not_exist())


def put_session_proof(session: SessionRecord, proof: SessionProof | None) -> Put:
    """Describe what a session's person has proved, unless the session has ended."""
    record = SessionRecord(
        pk=session.pk,
        sk=session.sk,
        person=session.person,
        proof=_session_proof(proof),
        expires_at=session.expires_at,
    )
    return Put(record=record, condition=SessionRecord.pk.exists())


def _session_proof(proof: SessionProof | None) -> dict[str, str] | None:
    return None if proof is None else {"kind": proof.kind, "id": proof.id, "at": to_text(proof.at)}


def read_session_proof(record: SessionRecord | None) -> SessionProof | None:
    """What the person of a session has proved, if anything."""
    if record is None or record.proof is None:
        return None
    said = record.proof
    return SessionProof(kind=said["kind"], id=said["id"], at=from_text(said["at"]))


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


class ProofsRecord(Record):
    """Everything that a person has enrolled to prove to be there, and the end of the chain that tells of it."""

    version = NumberAttribute()
    facts = DocumentAttribute()


class ChallengeRecord(Record):
    """What a passkey was asked to sign something with: a number used once, for a few minutes."""

    nonce = UnicodeAttribute()
    used = BooleanAttribute(default=False)


class InvitationRecord(Record):
    """A code that operations handed over, found by its hash; `used_at` is when it opened its session."""

    person = UnicodeAttribute()
    used_at = UnicodeAttribute(null=True)


def proofs_key(person: str) -> Key[ProofsRecord]:
    """Where a person's proofs are: one item, so one more key of a batch read."""
    return Key(ProofsRecord, f"PROOFS#{person}", "ALL")


def challenge_key(person: str, about: str) -> Key[ChallengeRecord]:
    """Where the present challenge is of a person about something."""
    return Key(ChallengeRecord, f"PROOFS#{person}", f"CHALLENGE#{about}")


def invitation_key(code: str) -> Key[InvitationRecord]:
    """Where an invitation is."""
    return Key(InvitationRecord, f"INVITATION#{fingerprint(code)}", "INVITATION")


def put_challenge(person: str, about: str, nonce: str, expires_at: datetime) -> Put:
    """Describe a fresh challenge in place of the one before."""
    key = challenge_key(person, about)
    return Put(
        record=ChallengeRecord(pk=key.pk, sk=key.sk, nonce=nonce, expires_at=int(expires_at.timestamp()))
    )


def put_used_challenge(record: ChallengeRecord) -> Put:
    """Describe the one use of a challenge."""
    used = ChallengeRecord(
        pk=record.pk, sk=record.sk, nonce=record.nonce, used=True, expires_at=record.expires_at
    )
    unused = ChallengeRecord.used == False  # noqa: E712 — a condition, not a comparison
    return Put(record=used, condition=(ChallengeRecord.nonce == record.nonce) & unused)


def put_invitation(code: str, person: str, expires_at: datetime) -> Put:
    """Describe a fresh invitation."""
    key = invitation_key(code)
    until = int(expires_at.timestamp())
    return Put(
        record=InvitationRecord(pk=key.pk, sk=key.sk, person=person, expires_at=until),
        condition=InvitationRecord.pk.does_not_exist(),
    )


def put_used_invitation(record: InvitationRecord, now: datetime) -> Put:
    """Describe the one use of an invitation."""
    used = InvitationRecord(
        pk=record.pk,
        sk=record.sk,
        person=record.person,
        used_at=to_text(now),
        expires_at=record.expires_at,
    )
    return Put(
        record=used, condition=InvitationRecord.pk.exists() & InvitationRecord.used_at.does_not_exist()
    )


def put_proofs(after: Proofs, before: Proofs) -> Put:
    """Describe what a person has enrolled from now on: only if nothing has changed since `before` was read."""
    key = proofs_key(after.person)
    record = ProofsRecord(
        pk=key.pk,
        sk=key.sk,
        version=before.version + 1,
        facts={
            "seq": after.seq,
            "last_hash": after.last_hash,
            "passkeys": [
                {
                    "credential": each.credential,
                    "public_key": each.public_key,
                    "sign_count": each.sign_count,
                    "name": each.name,
                    "added_at": to_text(each.added_at),
                    "enrolment": dict(each.enrolment),
                }
                for each in after.passkeys
            ],
            "totp": _totp_facts(after.totp),
            "pending": _totp_facts(after.pending),
        },
    )
    unchanged = ProofsRecord.version == before.version if before.version else ProofsRecord.pk.does_not_exist()
    return Put(record=record, condition=unchanged)


def _totp_facts(totp: Totp | None) -> dict[str, Any] | None:
    if totp is None:
        return None
    return {
        "id": totp.id,
        "secret": totp.secret,
        "added_at": to_text(totp.added_at),
        "last_step": totp.last_step,
    }


def read_proofs(person: str, record: ProofsRecord | None) -> Proofs:
    """What a person has enrolled by the item, if there is one."""
    if record is None:
        return Proofs(person=person)
    facts = record.facts
    return Proofs(
        person=person,
        passkeys=tuple(
            Passkey(**each | {"added_at": from_text(each["added_at"])}) for each in facts["passkeys"]
        ),
        totp=_read_totp(facts["totp"]),
        pending=_read_totp(facts["pending"]),
        version=int(record.version),
        seq=facts["seq"],
        last_hash=facts["last_hash"],
    )


def _read_totp(facts: dict[str, Any] | None) -> Totp | None:
    return None if facts is None else Totp(**facts | {"added_at": from_text(facts["added_at"])})
