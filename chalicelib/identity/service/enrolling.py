"""Enrolling what proves a person, and taking it back (clause 5.3.1).

The first proof needs an invitation, which operations hand over and which opens only in a session of that very person:
a mailbox alone leads to no proof. Every other one needs a proof that there is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.canonical import Document
from chalicelib.core.clock import to_text
from chalicelib.core.errors import FieldError, NotFound, NotProved, Stale
from chalicelib.core.ids import fingerprint, new_id, new_spoken_code, new_totp_secret
from chalicelib.core.letters import letter
from chalicelib.core.mail import Mail, Stamp
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Found, Key
from chalicelib.identity.model import CODES_PER_PERSON, INVITATION, ProofKind, SessionProof
from chalicelib.identity.proofs import (
    MOST_PASSKEYS,
    Passkey,
    Proofs,
    Totp,
    challenge_of,
    enrolling_options,
    link_for_app,
    refused,
    registered,
    rp_id,
    step_of_code,
)
from chalicelib.identity.service.proving import Asked, Offered, ProofBook, Prover
from chalicelib.identity.service.sign_in import RateLimits
from chalicelib.identity.store import (
    SessionRecord,
    challenge_key,
    invitation_key,
    proofs_key,
    put_invitation,
    put_proofs,
    put_session_proof,
    put_used_challenge,
    put_used_invitation,
    read_proofs,
    read_session_proof,
)
from chalicelib.ledger.model import Cause, Draft
from chalicelib.ledger.store import put_event
from chalicelib.people.model import Person

INVITED, INVITATION_USED = "ProofInvited", "ProofInvitationUsed"
ENROLLED, REVOKED = "ProofEnrolled", "ProofRevoked"
OPERATIONS = "service:operations"
CONFIRMING, ENROLLING = "confirm", "enrol"
"""What challenges at one's own page are about."""
_FIRST = frozenset({INVITATION})


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a person has enrolled, and what the session has proved that counts now."""

    proofs: Proofs
    proved: SessionProof | None


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A secret as people and apps take it: in groups, as a link, and as a picture of the link (SVG)."""

    secret: str
    link: str
    picture: str


@dataclass(frozen=True, kw_only=True)
class Hand:
    """Who acts, in which session, for which request."""

    person: Person
    session: SessionRecord
    correlation_id: str

    def cause(self) -> Cause:
        """As the ledger says it."""
        return Cause(actor=self.person.id, correlation_id=self.correlation_id)


class Enrolling:
    """What a person does about the own proofs, and operations about anybody's."""

    def __init__(self, *, book: ProofBook, prover: Prover, limits: RateLimits) -> None:
        self._book = book
        self._prover = prover
        self._limits = limits

    @staticmethod
    def keys(person: str) -> tuple[Key[Any], ...]:
        """Where all of it is, to be read with the session."""
        return proofs_key(person), challenge_key(person, CONFIRMING), challenge_key(person, ENROLLING)

    def look(self, person: Person, session: SessionRecord, found: Found) -> Standing:
        """What there is, read from `keys`."""
        proofs = read_proofs(person.id, found.get(proofs_key(person.id)))
        proved = read_session_proof(session)
        return Standing(proofs=proofs, proved=proved if self._prover.is_fresh(proved, proofs) else None)

    def invite(self, person: Person) -> str:
        """A fresh code for a person, for operations to hand over."""
        code, now = new_spoken_code(), self._book.now()
        until = now + self._prover.rules.invitation

        def step() -> None:
            proofs = self._book.of(person.id)
            draft = Draft(type=INVITED, cause=_operations(), payload={"until": to_text(until)})
            self._book.commit(proofs, proofs, [draft], [put_invitation(code, person.id, until)])

        again_when_stale(step)
        return code

    def redeem(self, hand: Hand, code: str) -> None:
        """Let the session enrol one proof, by an invitation of that very person, once.

        Raises NotFound for every other code.
        """
        invitation = self._book.table.get(invitation_key(code))
        now = self._book.now()
        if (
            invitation is None
            or invitation.person != hand.person.id
            or invitation.used_at is not None
            or (invitation.expires_at or 0) <= now.timestamp()
        ):
            raise NotFound

        def step() -> None:
            proofs = self._book.of(hand.person.id)
            proof = SessionProof(kind=INVITATION, id=fingerprint(code), at=now)
            draft = Draft(type=INVITATION_USED, cause=hand.cause(), payload={"invitation": proof.id})
            writes = [put_used_invitation(invitation, now), put_session_proof(hand.session, proof)]
            self._book.commit(proofs, proofs, [draft], writes)

        try:
            again_when_stale(step)
        except Stale as error:
            raise NotFound from error

    def options(self, hand: Hand, purpose: str, found: Found) -> dict[str, Any]:
        """What a browser asks a passkey: to confirm the person, or to be enrolled.

        Raises NotProved when the session may enrol nothing, and InvalidInput when there is no passkey to ask, or no
        room for one more.
        """
        person = hand.person
        if purpose == CONFIRMING:
            return self._prover.challenge(person, CONFIRMING, _confirmation(hand), found)
        standing = self._ensured(hand, found)
        if len(standing.proofs.passkeys) >= MOST_PASSKEYS:
            raise refused(FieldError(pointer="/passkey", code="too_many", params={"limit": MOST_PASSKEYS}))
        nonce = self._prover.fresh_nonce(person, ENROLLING)
        challenge = challenge_of(_statement(ENROLLING, hand, nonce))
        return enrolling_options(
            standing.proofs,
            challenge,
            base_url=self._prover.base_url,
            name=person.name,
            account=person.email,
        )

    @staticmethod
    def hand(person: Person, session: SessionRecord, correlation_id: str) -> Hand:
        """Who acts."""
        return Hand(person=person, session=session, correlation_id=correlation_id)

    def shown(self, app: Totp, person: Person) -> Shown:
        """What an authenticator app takes a secret from."""
        link = link_for_app(app, person.email, rp_id(self._prover.base_url))
        groups = [app.secret[place : place + 4] for place in range(0, len(app.secret), 4)]
        return Shown(secret=" ".join(groups), link=link, picture=_picture(link))

    def confirm(self, hand: Hand, proof: Mapping[str, Any], found: Found) -> None:
        """Prove to be there, for what is done at one's own page next; the session remembers it for a while.

        `proof` has a `passkey`'s assertion or a `code`. Raises InvalidInput for what proves nothing.
        """
        offered = Offered(passkey=proof.get("passkey"), code=proof.get("code"))
        asked = Asked(
            accepted=frozenset({ProofKind.PASSKEY, ProofKind.TOTP}),
            about=CONFIRMING,
            statement=_confirmation(hand),
            recorded={"purpose": CONFIRMING},
            correlation_id=hand.correlation_id,
        )
        proven = self._prover.trial(hand.person, offered).prove(asked, found)
        mark = put_session_proof(hand.session, proven.session)
        self._book.table.transact(list(proven.writes), receipt=mark)

    def enrol_passkey(self, hand: Hand, credential: Mapping[str, Any], name: str, found: Found) -> Passkey:
        """Enrol a passkey that was made for it. Raises NotProved, and InvalidInput for one that was not."""
        standing = self._ensured(hand, found)
        now, person = self._book.now(), hand.person.id
        challenge = found.get(challenge_key(person, ENROLLING))
        if challenge is None or challenge.used or (challenge.expires_at or 0) <= now.timestamp():
            raise refused(FieldError(pointer="/passkey", code="challenge_gone"))
        signed = challenge_of(_statement(ENROLLING, hand, challenge.nonce))
        made, key, count = registered(credential, signed, base_url=self._prover.base_url)
        if standing.proofs.passkey(made) is not None:
            raise refused(FieldError(pointer="/passkey", code="duplicate"))
        passkey = Passkey(
            credential=made, public_key=key, sign_count=count, name=name, added_at=now, enrolment={}
        )
        said = {
            "kind": ProofKind.PASSKEY,
            "id": passkey.id,
            "public_key": key,
            "by": _document(standing.proved),
        }
        draft = Draft(type=ENROLLED, cause=hand.cause(), payload=said)
        before = standing.proofs
        event, chain = before.chain.append(draft, event_id=new_id("e"), at=now)
        enrolment = {"event": event.document()}
        signature = self._book.signer.sign({"purpose": "proof-enrolled", **enrolment})
        passkey = replace(passkey, enrolment=enrolment | {"service_signature": signature})
        after = replace(before.with_passkey(passkey), seq=chain.seq, last_hash=chain.hash)
        writes = [put_proofs(after, before), put_used_challenge(challenge), *self._spent(hand, standing)]
        self._book.table.transact(writes, receipt=put_event(event))
        return passkey

    def begin_app(self, hand: Hand, found: Found) -> Totp:
        """A fresh secret for an authenticator app, which counts once the app has shown a code. Raises NotProved."""
        standing = self._ensured(hand, found)
        before = standing.proofs
        pending = Totp(id=new_id("t"), secret=new_totp_secret(), added_at=self._book.now())
        self._book.table.put(put_proofs(replace(before, pending=pending), before))
        return pending

    def enrol_app(self, hand: Hand, code: str, found: Found) -> None:
        """Enrol the app whose secret was shown last, in place of the one before, by a code that it shows now.

        Raises NotProved, InvalidInput for a wrong code, and RateLimited.
        """
        standing = self._ensured(hand, found)
        before, now = standing.proofs, self._book.now()
        if before.pending is None:
            raise refused(FieldError(pointer="/code", code="no_app"))
        self._limits.count(CODES_PER_PERSON, hand.person.id)
        step = step_of_code(before.pending, code, now)
        app = replace(before.pending, last_step=step, added_at=now)
        said = {"kind": ProofKind.TOTP, "id": app.id, "by": _document(standing.proved)}
        drafts = [Draft(type=ENROLLED, cause=hand.cause(), payload=said)]
        if before.totp is not None:
            gone = {"id": before.totp.id, "replaced_by": app.id}
            drafts.append(Draft(type=REVOKED, cause=hand.cause(), payload=gone))
        after = replace(before, totp=app, pending=None)
        self._book.commit(before, after, drafts, self._spent(hand, standing))

    def revoke(self, hand: Hand, proof: str, found: Found) -> None:
        """Take one of the own proofs back, at once. Raises NotProved, and NotFound when there is no such proof."""
        standing = self._ensured(hand, found, proving=True)
        before = standing.proofs
        if proof not in before.ids:
            raise NotFound
        said = {"id": proof, "by": _document(standing.proved)}
        draft = Draft(type=REVOKED, cause=hand.cause(), payload=said)
        self._book.commit(before, before.without(proof), [draft])

    def revoke_by_operations(self, person: Person, proof: str | None) -> tuple[str, ...]:
        """Take back a proof of anybody, or all of them, and answer which; none when there is no such proof."""

        def step() -> tuple[str, ...]:
            before = self._book.of(person.id)
            gone = tuple(sorted(before.ids if proof is None else before.ids & {proof}))
            if not gone:
                return ()
            after = before
            for each in gone:
                after = after.without(each)
            drafts = [Draft(type=REVOKED, cause=_operations(), payload={"id": each}) for each in gone]
            self._book.commit(before, replace(after, pending=None), drafts)
            return gone

        return again_when_stale(step)

    def _ensured(self, hand: Hand, found: Found, *, proving: bool = False) -> Standing:
        """What there is, for a session that may change it; with `proving` an invitation is not enough."""
        standing = self.look(hand.person, hand.session, found)
        if standing.proved is None or (proving and standing.proved.kind in _FIRST):
            raise NotProved
        return standing

    @staticmethod
    def _spent(hand: Hand, standing: Standing) -> list[Any]:
        """An invitation is good for one proof: what its session enrols next needs that one."""
        spent = standing.proved is not None and standing.proved.kind in _FIRST
        return [put_session_proof(hand.session, None)] if spent else []


def invitation_mail(person: Person, code: str, address: str, stamp: Stamp) -> Mail:
    """The mail that carries an invitation, where operations trust the mailbox as much as paper."""
    values = {"name": person.name, "code": code, "address": address}
    return letter(person.email, "invitation", person.language, values, {}, stamp=stamp)


def _statement(purpose: str, hand: Hand, nonce: str) -> Document:
    return {"purpose": purpose, "person": hand.person.id, "session": hand.session.pk, "nonce": nonce}


def _confirmation(hand: Hand) -> Callable[[str], Document]:
    return lambda nonce: _statement(CONFIRMING, hand, nonce)


def _picture(link: str) -> str:
    from segno import make  # noqa: PLC0415 — few events need it

    return str(make(link, error="m").svg_inline(scale=4, border=2, dark="#000", light="#fff"))


def _document(proof: SessionProof | None) -> dict[str, str] | None:
    return None if proof is None else {"kind": proof.kind, "id": proof.id}


def _operations() -> Cause:
    return Cause(actor=OPERATIONS, correlation_id=new_id("c"))
