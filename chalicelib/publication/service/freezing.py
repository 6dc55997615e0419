"""The brake: freezing channels, letting go, and what waits meanwhile (clause 5.1.2)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from chalicelib.access.model import DESK, Action, Grant, Subject, service_subject, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.clock import Now, from_text, to_text
from chalicelib.core.errors import Conflict, FieldError, InvalidInput, NotFrozen, NotPermitted
from chalicelib.core.ids import new_id
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Found, Key, Table, Write
from chalicelib.ledger.model import Cause, Draft, Event
from chalicelib.ledger.store import append, newest_events
from chalicelib.people.model import Person
from chalicelib.people.store import unchanged
from chalicelib.publication.freeze import (
    CHAIN,
    LISTED,
    OPERATIONS,
    Freeze,
    Freezes,
    Hand,
    Past,
    Waited,
    Waiting,
    concerned,
    waiting,
)
from chalicelib.publication.store import (
    FREEZES_KEY,
    FreezeRecord,
    put_freezes,
    read_freezes,
    unfinished_of,
)
from chalicelib.submission.model import Channel, State, Submission
from chalicelib.submission.service import reading, resource_of
from chalicelib.submission.store import head_key, in_flight, read_head

FROZEN, UNFROZEN = "PublishingFrozen", "PublishingUnfrozen"
PUBLICATION = "service:publication"
TRIES = 20
"""How often a freeze is tried again when somebody gets in its way: the brake must not lose to the traffic it stops."""


class Brake:
    """The unit of work of freezes: none begins, changes or ends without its event."""

    def __init__(self, *, table: Table, now: Now) -> None:
        self.table = table
        self.now = now

    def present(self) -> tuple[FreezeRecord | None, Freezes]:
        """What is frozen, with the item that says so; what the item does not know of its chain, the chain tells."""
        record = self.table.get(FREEZES_KEY)
        freezes = read_freezes(record)
        if freezes.seq == 0:
            for last in islice(newest_events(self.table, CHAIN), 1):
                freezes = Freezes(standing=freezes.standing, seq=last.seq, last_hash=last.hash)
        return record, freezes

    def commit(
        self,
        before: FreezeRecord | None,
        after: Freezes,
        drafts: Sequence[Draft],
        *,
        at: datetime,
        also: Sequence[Write] = (),
    ) -> None:
        """Commit what is frozen from `at` on, with its events. Raises Stale when it has changed since `before`."""
        (receipt, *more), chain = append(after.chain, drafts, at)
        record = put_freezes(
            Freezes(standing=after.standing, ended=after.ended, seq=chain.seq, last_hash=chain.hash),
            before,
        )
        self.table.transact([record, *more, *also], receipt=receipt)


@dataclass(frozen=True, kw_only=True)
class Lifted:
    """A freeze that was lifted, and what had waited for it, longest first; `count` is how many there were in all."""

    freeze: Freeze
    waited: tuple[Waiting, ...]
    count: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is frozen now, and what waits for it. `waits` has what the person may read, `count` tells of all.

    The outcomes are those that lifting everything now would have.
    """

    freezes: tuple[Freeze, ...]
    waits: tuple[Waiting, ...]
    count: int
    may_lift: bool


@dataclass(frozen=True, kw_only=True)
class Held:
    """What holds a submission's channels back, for whoever reads it; `reasons` is empty for who may not know them.

    `until` is when the last of it ends by itself, None when that is not said.
    """

    channels: tuple[Channel, ...]
    until: datetime | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Freezing:
    """Freezes, lets go, and tells what waits. `served` are the channels that there are adapters for."""

    brake: Brake
    access: AccessControl
    served: Callable[[], Collection[Channel]]
    max_lateness: timedelta

    @property
    def key(self) -> Key[FreezeRecord]:
        """Where it is said what is frozen, for whoever reads it together with something else."""
        return FREEZES_KEY

    def freeze(self, hand: Hand, *, scope: str, reason: str, until: datetime | None) -> Freeze:
        """Hold a scope back from now on; the same again changes nothing, another reason or end is another event.

        Raises NotPermitted, and InvalidInput for an end that has passed, or that is sooner than the one that stands:
        to end a freeze sooner is to lift it.
        """
        end = None if until is None else from_text(to_text(until))
        return again_when_stale(lambda: self._frozen(hand, scope, reason, end), tries=TRIES)

    def lift(self, hand: Hand, *, scope: str, reason: str, seq: int | None = None) -> Lifted:
        """End the freeze of exactly that scope, and tell what had waited for it.

        `seq` is that of the freeze that the person has seen, if it is known. Raises NotPermitted, NotFrozen when there
        is none, and Conflict when somebody has changed it since it was seen: there may be a new reason.
        """
        _, freezes = self.brake.present()
        freeze, _ = self._liftable(hand.person, scope, freezes, seq)
        waited = self._waiting((freeze,), freezes)
        again_when_stale(lambda: self._lift(hand, freeze, reason, waited), tries=TRIES)
        mine = self._readable(hand.person, waited)
        return Lifted(freeze=freeze, waited=mine, count=len(waited))

    def present(self) -> Freezes:
        """What is frozen."""
        return self.brake.present()[1]

    def expire(self) -> Freezes:
        """Record what has come to its end by itself, and answer what is frozen now."""
        return again_when_stale(self._expired)

    def look(self, person: Person) -> Standing:
        """What is frozen now and what of all that waits the person may read, for whoever may freeze.

        Raises NotPermitted.
        """
        subject = subject_of(person, self.brake.now())
        self.access.grant(subject, Action.FREEZE, DESK)
        present = self.everything()
        return replace(
            present,
            waits=self._readable(person, present.waits),
            may_lift=self.access.allows(subject, Action.UNFREEZE, DESK),
        )

    def everything(self) -> Standing:
        """What is frozen now and all that waits, for operations."""
        freezes = self.present()
        at = freezes.at(self.brake.now())
        waits = self._waiting(at, freezes) if at else ()
        return Standing(freezes=at, waits=waits, count=len(waits), may_lift=False)

    def before_lifting(self, person: Person, scope: str) -> Lifted:
        """The freeze of a scope, and what would become of what waits for it. Raises as `lift`; nothing changes."""
        _, freezes = self.brake.present()
        freeze, _ = self._liftable(person, scope, freezes)
        waits = self._waiting((freeze,), freezes)
        return Lifted(freeze=freeze, waited=self._readable(person, waits), count=len(waits))

    def history(self, number: int) -> tuple[Event, ...]:
        """The last events of the chain of freezes, newest first."""
        return tuple(islice(newest_events(self.brake.table, CHAIN), number))

    def past(self, person: Person, number: int) -> tuple[Past, ...]:
        """The last events of the chain of freezes, newest first, with the titles of what had waited.

        Titles are read for the newest ends only, as far as `LISTED` reaches.
        """
        events = self.history(number)
        ids = dict.fromkeys(
            each["submission"] for event in events for each in event.payload.get("waited", ())
        )
        keys = {submission: head_key(submission) for submission in islice(ids, LISTED)}
        found = self.brake.table.batch(*keys.values())
        heads = {name: read_head(record) for name, key in keys.items() if (record := found.get(key))}
        subject = subject_of(person, self.brake.now())
        titles = {name: head.title for name, head in heads.items() if self._may_read(subject, head)}
        return tuple(
            Past(
                event=event,
                waited=tuple(
                    Waited(
                        submission=each["submission"],
                        title=titles.get(each["submission"]),
                        channels=tuple(each["channels"]),
                        outcome=each["outcome"],
                    )
                    for each in event.payload.get("waited", ())
                ),
                count=event.payload.get("waited_count", 0),
            )
            for event in events
        )

    def held(
        self, person: Person, found: Found, channels: Mapping[str, Iterable[Channel]]
    ) -> dict[str, Held]:
        """What holds some of each submission's channels back now, by its id, read from `key`; none that is free.

        Whoever may freeze is told why.
        """
        now, freezes = self.brake.now(), read_freezes(found.get(FREEZES_KEY))
        if not freezes.at(now):
            return {}
        telling = self.access.allows(subject_of(person, now), Action.FREEZE, DESK)
        held = {name: freezes.held(each, now) for name, each in channels.items()}
        return {name: _held(each, freezes, now, telling=telling) for name, each in held.items() if each}

    def _frozen(self, hand: Hand, scope: str, reason: str, until: datetime | None) -> Freeze:
        now, person = self.brake.now(), hand.person
        subject = service_subject(OPERATIONS) if hand.by_command else subject_of(person, now)
        grant = self.access.grant(subject, Action.FREEZE, DESK)
        if until is not None and until <= now:
            raise InvalidInput((FieldError(pointer="/until", code="end_has_passed"),))
        record, before = self.brake.present()
        present = before.of(scope, now)
        if present is not None and (present.reason, present.until) == (reason, until):
            return present
        if present is not None and present.ends_later_than(until):
            try:
                grant = self.access.grant(subject_of(person, now), Action.UNFREEZE, DESK)
            except NotPermitted:
                raise InvalidInput((FieldError(pointer="/until", code="sooner_than_stands"),)) from None
        freeze = Freeze(
            scope=scope,
            reason=reason,
            by=person.id,
            actor=hand.actor,
            since=now if present is None else present.since,
            seq=before.seq + 1,
            until=until,
        )
        draft = Draft(type=FROZEN, cause=hand.cause(grant), payload=_begun(freeze))
        self.brake.commit(record, before.with_freeze(freeze), [draft], at=now, also=[unchanged(person)])
        return freeze

    def _lift(self, hand: Hand, seen: Freeze, reason: str, waited: Sequence[Waiting]) -> None:
        record, before = self.brake.present()
        freeze, grant = self._liftable(hand.person, seen.scope, before, seen.seq)
        now = self.brake.now()
        payload = _ended(freeze, now, waited) | {"reason": reason, "expired": False}
        draft = Draft(type=UNFROZEN, cause=hand.cause(grant), payload=payload)
        after = before.without(freeze.scope, now)
        self.brake.commit(record, after, [draft], at=now, also=[unchanged(hand.person)])

    def _liftable(
        self, person: Person, scope: str, freezes: Freezes, seq: int | None = None
    ) -> tuple[Freeze, Grant]:
        now = self.brake.now()
        grant = self.access.grant(subject_of(person, now), Action.UNFREEZE, DESK)
        freeze = freezes.of(scope, now)
        if freeze is None:
            raise NotFrozen
        if seq not in {None, freeze.seq}:
            raise Conflict("stale")
        return freeze, grant

    def _expired(self) -> Freezes:
        now = self.brake.now()
        record, before = self.brake.present()
        after, drafts = before, []
        for freeze in before.expired(now):
            end = freeze.until or now
            after = after.without(freeze.scope, end)
            payload = _ended(freeze, end, self._waiting((freeze,), before))
            cause = Cause(actor=PUBLICATION, correlation_id=new_id("c"))
            drafts.append(
                Draft(type=UNFROZEN, cause=cause, payload=payload | {"reason": None, "expired": True})
            )
        if drafts:
            self.brake.commit(record, after, drafts, at=now)
        return after

    def _waiting(self, ending: Sequence[Freeze], freezes: Freezes) -> tuple[Waiting, ...]:
        """What waits for some freezes, longest first."""
        now = self.brake.now()
        left = freezes
        for freeze in ending:
            left = left.without(freeze.scope, now)
        heads = [read_head(record) for record in in_flight(self.brake.table)]
        unfinished = unfinished_of(self.brake.table, (h for h in heads if h.state is State.PUBLISHING))
        found = (
            waiting(
                head,
                self._channels(head, unfinished),
                ending=ending,
                left=left,
                now=now,
                max_lateness=self.max_lateness,
            )
            for head in heads
        )
        return tuple(sorted(filter(None, found), key=lambda each: (each.head.publish_at, each.head.id)))

    def _channels(
        self, head: Submission, unfinished: Mapping[str, tuple[Channel, ...]]
    ) -> tuple[Channel, ...]:
        if head.state is State.PUBLISHING:
            return unfinished.get(head.id, ())
        return concerned(head, self.served())

    def _readable(self, person: Person, waits: Iterable[Waiting]) -> tuple[Waiting, ...]:
        subject = subject_of(person, self.brake.now())
        return tuple(islice((each for each in waits if self._may_read(subject, each.head)), LISTED))

    def _may_read(self, subject: Subject, head: Submission) -> bool:
        """Whether the subject may know of it; what is archived is not read past the archive's own rule."""
        return all(self.access.allows(subject, action, resource_of(head)) for action in reading(head))


def _held(channels: tuple[Channel, ...], freezes: Freezes, now: datetime, *, telling: bool) -> Held:
    over = tuple(dict.fromkeys(freeze for channel in channels for freeze in freezes.over(channel, now)))
    ends = [freeze.until for freeze in over]
    return Held(
        channels=channels,
        until=None if None in ends else max(filter(None, ends)),
        reasons=tuple(freeze.reason for freeze in over) if telling else (),
    )


def _begun(freeze: Freeze) -> dict[str, Any]:
    return {
        "scope": freeze.scope,
        "reason": freeze.reason,
        "since": to_text(freeze.since),
        "until": to_text(freeze.until) if freeze.until else None,
    }


def _ended(freeze: Freeze, at: datetime, waited: Sequence[Waiting]) -> dict[str, Any]:
    """What the ledger says of the end of a freeze: what had waited is listed here for good."""
    return {
        "scope": freeze.scope,
        "since": to_text(freeze.since),
        "ended_at": to_text(at),
        "waited": [
            {
                "submission": each.head.id,
                "channels": [channel.value for channel in each.channels],
                "outcome": each.outcome.value,
            }
            for each in waited[:LISTED]
        ],
        "waited_count": len(waited),
    }
