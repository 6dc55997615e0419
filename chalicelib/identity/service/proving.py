"""Proving to be the very person (clauses 3.3.4, 5.3.1), and the unit of work of what people have enrolled for it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalicelib.core.canonical import Document
from chalicelib.core.clock import Now, to_text
from chalicelib.core.errors import FieldError, InvalidInput, Stale
from chalicelib.core.ids import new_secret
from chalicelib.core.retry import again_when_stale
from chalicelib.core.signing import Signer
from chalicelib.core.table import Found, Key, Put, Table, Write
from chalicelib.identity.model import CODES_PER_PERSON, INVITATION, ProofKind, SessionProof
from chalicelib.identity.proofs import (
    Proofs,
    challenge_of,
    checked_assertion,
    refused,
    signing_options,
    step_of_code,
)
from chalicelib.identity.service.sign_in import RateLimits
from chalicelib.identity.store import (
    challenge_key,
    proofs_key,
    put_challenge,
    put_proofs,
    put_used_challenge,
    read_proofs,
)
from chalicelib.ledger.model import Cause, Draft
from chalicelib.ledger.store import append
from chalicelib.people.model import Person

REFUSED = "ProofRefused"
_AHEAD = timedelta(minutes=1)
"""How far the clock of the company's accounts may be before ours."""


@dataclass(frozen=True, kw_only=True)
class ProofRules:
    """How long things count: a proof in a session, a challenge, an invitation."""

    fresh: timedelta
    challenge: timedelta
    invitation: timedelta

    @classmethod
    def load(cls, file: Path) -> "ProofRules":
        """Those of `policies/proofs.json`. Raises OSError, KeyError or ValueError."""
        raw = json.loads(file.read_text("utf-8"))
        return cls(
            fresh=timedelta(minutes=raw["fresh_minutes"]),
            challenge=timedelta(minutes=raw["challenge_minutes"]),
            invitation=timedelta(hours=raw["invitation_hours"]),
        )


@dataclass(frozen=True, kw_only=True)
class Offered:
    """What somebody offers as proof: an assertion of a passkey, a code, and what the session has."""

    passkey: Mapping[str, Any] | None = None
    code: str | None = None
    session: SessionProof | None = None

    @property
    def kind(self) -> ProofKind | None:
        """What is to be looked at: what was made for this very step comes first."""
        if self.passkey is not None:
            return ProofKind.PASSKEY
        return ProofKind.TOTP if self.code is not None else None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """For what a proof is wanted: for the ledger, for the passkey, and which kinds are enough.

    `about` tells one challenge of a person from another; `statement` is what the passkey's owner says, given the
    number that is used once; `recorded` is how the ledger tells of a refusal.
    """

    accepted: frozenset[ProofKind]
    about: str
    statement: Callable[[str], Document]
    recorded: Mapping[str, Any]
    correlation_id: str


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A proof that counts: as evidence keeps it, and what is written together with what it is for."""

    document: Mapping[str, Any]
    session: SessionProof
    writes: tuple[Put, ...] = ()


class ProofBook:
    """The unit of work of proofs: none is enrolled or revoked without its event in the person's chain."""

    def __init__(self, *, table: Table, now: Now, signer: Signer) -> None:
        self.table = table
        self.now = now
        self.signer = signer

    def of(self, person: str) -> Proofs:
        """What a person has enrolled."""
        return read_proofs(person, self.table.get(proofs_key(person)))

    def commit(
        self, before: Proofs, after: Proofs, drafts: Sequence[Draft], also: Sequence[Write] = ()
    ) -> None:
        """Commit what a person has enrolled, with its events. Raises Stale when it has changed since `before`."""
        (receipt, *more), chain = append(after.chain, drafts, self.now())
        after = replace(after, seq=chain.seq, last_hash=chain.hash)
        self.table.transact([put_proofs(after, before), *more, *also], receipt=receipt)


class Prover:
    """Looks at what is offered as proof."""

    def __init__(self, *, book: ProofBook, limits: RateLimits, rules: ProofRules, base_url: str) -> None:
        self.book = book
        self.rules = rules
        self.base_url = base_url
        self._limits = limits

    @staticmethod
    def keys(person: str, about: str) -> tuple[Key[Any], Key[Any]]:
        """Where the person's proofs are, and the challenge about something: to be read with whatever else is."""
        return proofs_key(person), challenge_key(person, about)

    def challenge(
        self, person: Person, about: str, statement: Callable[[str], Document], found: Found
    ) -> dict[str, Any]:
        """What the person's passkeys are asked so that one of them signs the statement; kept for a few minutes.

        Raises InvalidInput when the person has none.
        """
        proofs = read_proofs(person.id, found.get(proofs_key(person.id)))
        if not proofs.passkeys:
            raise refused(FieldError(pointer="/passkey", code="no_passkey"))
        return signing_options(
            proofs, challenge_of(statement(self.fresh_nonce(person, about))), base_url=self.base_url
        )

    def fresh_nonce(self, person: Person, about: str) -> str:
        """A number used once, kept for a few minutes; the one before counts no more."""
        nonce = new_secret()
        self.book.table.put(put_challenge(person.id, about, nonce, self.book.now() + self.rules.challenge))
        return nonce

    def is_fresh(self, proof: SessionProof | None, proofs: Proofs) -> bool:
        """Whether what a session has proved counts now: not long ago, and by nothing that was revoked since."""
        if proof is None:
            return False
        age = self.book.now() - proof.at
        stands = proof.kind not in {ProofKind.PASSKEY, ProofKind.TOTP} or proof.id in proofs.ids
        return stands and -_AHEAD <= age <= self.rules.fresh

    def is_missing(self, accepted: frozenset[ProofKind], offered: Offered) -> bool:
        """Whether nothing is offered that could be enough, which is known without looking at it."""
        if offered.kind is not None:
            return False
        session = offered.session
        if session is None or session.kind != ProofKind.OIDC or ProofKind.OIDC not in accepted:
            return True
        return not self.is_fresh(session, Proofs(person=""))

    def ensure_proved(
        self, person: Person, session: SessionProof | None, found: Found, *, pointer: str
    ) -> None:
        """Raise InvalidInput unless the session has proved its person lately: for what gives a decision away.

        `found` has the first of `keys`; `pointer` is the field that says to whom.
        """
        proofs = read_proofs(person.id, found.get(proofs_key(person.id)))
        if session is None or session.kind == INVITATION or not self.is_fresh(session, proofs):
            raise refused(FieldError(pointer=pointer, code="proof_first"))

    def trial(self, person: Person, offered: Offered) -> "Trial":
        """One look at what is offered, however often the step that it is for is tried again."""
        return Trial(prover=self, limits=self._limits, person=person, offered=offered)

    def record_refusal(self, person: Person, kind: ProofKind, code: str, asked: Asked) -> None:
        """Tell the ledger that a proof was refused."""

        def step() -> None:
            proofs = self.book.of(person.id)
            cause = Cause(actor=person.id, correlation_id=asked.correlation_id)
            payload = {"kind": kind, "reason": code, **asked.recorded}
            self.book.commit(proofs, proofs, [Draft(type=REFUSED, cause=cause, payload=payload)])

        try:
            again_when_stale(step)
        except Stale:
            return  # the answer does not depend on it: nothing was proved, whoever else is at work


class Trial:
    """What is offered, looked at: a code is counted once, however often the step is tried."""

    def __init__(self, *, prover: Prover, limits: RateLimits, person: Person, offered: Offered) -> None:
        self._prover = prover
        self._limits = limits
        self._person = person
        self._offered = offered
        self._counted = False

    def is_missing(self, asked: Asked) -> bool:
        """Whether nothing is offered that could be enough."""
        return self._prover.is_missing(asked.accepted, self._offered)

    def prove(self, asked: Asked, found: Found) -> Proven:
        """The proof, read from `Prover.keys`.

        Raises InvalidInput for what proves nothing, or not enough, and RateLimited for too many codes.
        """
        kind = self._offered.kind
        if self.is_missing(asked):
            raise missing(asked.accepted)
        if kind is None:
            return self._by_account()
        if kind not in asked.accepted:
            pointer, enough = "/passkey" if kind is ProofKind.PASSKEY else "/code", sorted(asked.accepted)
            raise refused(FieldError(pointer=pointer, code="proof_not_enough", params={"proofs": enough}))
        proofs = read_proofs(self._person.id, found.get(proofs_key(self._person.id)))
        try:
            return self._by_code(proofs) if kind is ProofKind.TOTP else self._by_passkey(proofs, asked, found)
        except InvalidInput as error:
            self._prover.record_refusal(self._person, kind, error.errors[0].code, asked)
            raise

    def _by_account(self) -> Proven:
        session = self._offered.session
        assert session is not None, "is_missing has looked"  # noqa: S101 — for the type
        said = {"kind": ProofKind.OIDC, "id": session.id, "at": to_text(session.at)}
        return Proven(document=said, session=session)

    def _by_code(self, proofs: Proofs) -> Proven:
        if proofs.totp is None:
            raise refused(FieldError(pointer="/code", code="no_app"))
        if not self._counted:
            self._limits.count(CODES_PER_PERSON, self._person.id)
            self._counted = True
        now = self._prover.book.now()
        step = step_of_code(proofs.totp, self._offered.code or "", now)
        after = replace(proofs, totp=replace(proofs.totp, last_step=step))
        return Proven(
            document={"kind": ProofKind.TOTP, "id": proofs.totp.id},
            session=SessionProof(kind=ProofKind.TOTP, id=proofs.totp.id, at=now),
            writes=(put_proofs(after, proofs),),
        )

    def _by_passkey(self, proofs: Proofs, asked: Asked, found: Found) -> Proven:
        assertion = self._offered.passkey or {}
        passkey = proofs.passkey(assertion.get("id"))
        if passkey is None:
            raise refused(FieldError(pointer="/passkey", code="passkey_unknown"))
        now = self._prover.book.now()
        challenge = found.get(challenge_key(self._person.id, asked.about))
        if challenge is None or challenge.used or _ends(challenge.expires_at) <= now.timestamp():
            raise refused(FieldError(pointer="/passkey", code="challenge_gone"))
        signed = challenge_of(asked.statement(challenge.nonce))
        count = checked_assertion(passkey, assertion, signed, base_url=self._prover.base_url)
        after = proofs.with_passkey(replace(passkey, sign_count=count))
        response = assertion["response"]
        return Proven(
            document={
                "kind": ProofKind.PASSKEY,
                "id": passkey.id,
                "nonce": challenge.nonce,
                "authenticator_data": response["authenticatorData"],
                "client_data_json": response["clientDataJSON"],
                "signature": response["signature"],
                "enrolment": passkey.enrolment,
            },
            session=SessionProof(kind=ProofKind.PASSKEY, id=passkey.id, at=now),
            writes=(put_proofs(after, proofs), put_used_challenge(challenge)),
        )


def missing(accepted: frozenset[ProofKind]) -> InvalidInput:
    """That a proof is wanted, and which would do."""
    return refused(FieldError(pointer="/proof", code="proof_required", params={"proofs": sorted(accepted)}))


def _ends(expires_at: float | None) -> float:
    return expires_at or 0
