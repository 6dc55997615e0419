"""Events and the chain that binds them: a frozen format, read by verifiers years from now."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from chalicelib.core.canonical import canonical
from chalicelib.core.clock import from_text, to_text

SCHEMA_VERSION = 1
GENESIS = "0" * 64
"""`prev_hash` of the first event of a chain."""


@dataclass(frozen=True, kw_only=True)
class PolicyReference:
    """Which policy line allowed a step: SHA-256 of the policy's files, and the line's number in policy.csv from 1."""

    digest: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a submission, or to the desk as a whole.

    `submission` says whose chain it is in: a submission's id, or the name of a chain of the desk's own. `actor` and
    `on_behalf_of` are person ids, `service:<name>` or `system:<department>`, never names. `seq` counts from 1. `hash`
    is not part of the document: it is SHA-256 over the canonical document, whose `prev_hash` holds the one before.
    """

    id: str
    submission: str
    seq: int
    prev_hash: str
    type: str
    at: datetime
    actor: str
    on_behalf_of: str | None = None
    policy: PolicyReference | None = None
    correlation_id: str
    causation_id: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def document(self) -> dict[str, Any]:
        """The event as the JSON object that is hashed, stored and archived. Instants are UTC with milliseconds."""
        return {
            "id": self.id,
            "submission": self.submission,
            "seq": self.seq,
            "prev_hash": self.prev_hash,
            "type": self.type,
            "schema_version": self.schema_version,
            "at": to_text(self.at),
            "actor": self.actor,
            "on_behalf_of": self.on_behalf_of,
            "policy": None
            if self.policy is None
            else {"digest": self.policy.digest, "line": self.policy.line},
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "payload": dict(self.payload),
        }

    @cached_property
    def canonical(self) -> bytes:
        """The canonical document: what is stored, archived and hashed."""
        return canonical(self.document())

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the canonical document, in hexadecimal; the next event's `prev_hash`."""
        return hashlib.sha256(self.canonical).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a step is taken: who does it, what allowed it, and which request or event led to it."""

    actor: str
    correlation_id: str
    policy: PolicyReference | None = None
    causation_id: str | None = None
    on_behalf_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An event that is not yet in the chain. `type` is in the past tense."""

    type: str
    cause: Cause
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The end of a chain, a submission's or one of the desk's own: `seq` events so far, the last with this hash."""

    submission: str
    seq: int = 0
    hash: str = GENESIS

    def append(self, draft: Draft, *, event_id: str, at: datetime) -> tuple[Event, "Chain"]:
        """The event that follows, and the chain that ends with it."""
        event = Event(
            id=event_id,
            submission=self.submission,
            seq=self.seq + 1,
            prev_hash=self.hash,
            type=draft.type,
            at=at,
            actor=draft.cause.actor,
            on_behalf_of=draft.cause.on_behalf_of,
            policy=draft.cause.policy,
            correlation_id=draft.cause.correlation_id,
            causation_id=draft.cause.causation_id,
            payload=draft.payload,
        )
        return event, Chain(submission=self.submission, seq=event.seq, hash=event.hash)


def event_from_document(document: Mapping[str, Any]) -> Event:
    """Read an event back. Raises KeyError or ValueError on what is not an event of a known schema version."""
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"unknown event schema version {document['schema_version']}")
    policy = document["policy"]
    return Event(
        id=document["id"],
        submission=document["submission"],
        seq=int(document["seq"]),
        prev_hash=document["prev_hash"],
        type=document["type"],
        schema_version=int(document["schema_version"]),
        at=from_text(document["at"]),
        actor=document["actor"],
        on_behalf_of=document["on_behalf_of"],
        policy=policy and PolicyReference(digest=policy["digest"], line=int(policy["line"])),
        correlation_id=document["correlation_id"],
        causation_id=document["causation_id"],
        payload=document["payload"],
    )


def chain_faults(events: Iterable[Event]) -> list[str]:
    """What is wrong with a chain, in words; empty when each event follows the one before."""
    faults = []
    previous_hash, seq = GENESIS, 0
    for event in events:
        seq += 1
        if event.seq != seq:
            faults.append(f"event {event.id} is number {event.seq} where {seq} belongs")
            seq = event.seq
        if event.prev_hash != previous_hash:
            faults.append(f"event {event.id} (number {event.seq}) does not follow the event before it")
        previous_hash = event.hash
    return faults
