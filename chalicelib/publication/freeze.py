"""Freezes: what is held back, by whom, why and until when, and what that means for what is due (clause 5.1.2).

A freeze is of every channel or of one. Several may stand at once, and a channel is held as long as any of them is over
it. A freeze counts from the transaction that records it until it is lifted, or its end has come by the reader's clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.access.model import Grant
from chalicelib.core.errors import ChannelsFrozen
from chalicelib.ledger.model import GENESIS, Cause, Chain, Event
from chalicelib.people.model import Person
from chalicelib.submission.model import Channel, State, Submission

CHAIN = "publishing"
"""The name of the chain in which the ledger tells of freezes."""
WHOLE = "all"
"""The scope of a freeze of every channel."""
OPERATIONS = "operations"
"""The service that acts when operations do, by command."""
LISTED = 200
"""How many submissions an event, an answer or a page names; beyond that only their number is told."""
HISTORY = 10
"""How many of the last events are shown."""
SCOPES: tuple[str, ...] = (WHOLE, *(channel.value for channel in Channel))
_HAIRS_BREADTH = timedelta(minutes=1)
"""What fell due so shortly after a freeze ended may have met a check that still saw it: it counts as held back."""


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """That a scope is held back. `by` is a person id, `actor` whoever acted: that person, or `service:operations`.

    `since` stays when the freeze is changed, `seq` is the number of the event that last changed it. It holds before
    `until`; None is until it is lifted.
    """

    scope: str
    reason: str
    by: str
    actor: str
    since: datetime
    seq: int
    until: datetime | None = None

    def holds_at(self, instant: datetime) -> bool:
        """Whether it has not come to its end by itself."""
        return self.until is None or instant < self.until

    def is_over(self, channel: Channel) -> bool:
        """Whether it is a freeze of that channel, too."""
        return self.scope in {WHOLE, channel.value}

    def ends_later_than(self, until: datetime | None) -> bool:
        """Whether an end at `until` would be sooner than its own."""
        return until is not None and (self.until is None or until < self.until)


@dataclass(frozen=True, kw_only=True)
class Freezes:
    """All that is frozen, by scope, and when a scope's last freeze ended; the end of the chain that tells of it."""

    standing: Mapping[str, Freeze] = field(default_factory=dict)
    ended: Mapping[str, datetime] = field(default_factory=dict)
    seq: int = 0
    last_hash: str = GENESIS

    @property
    def chain(self) -> Chain:
        """The end of the chain of freezes."""
        return Chain(submission=CHAIN, seq=self.seq, hash=self.last_hash)

    def at(self, now: datetime) -> tuple[Freeze, ...]:
        """Every freeze that holds now, that of the whole first."""
        found = (self.standing.get(scope) for scope in SCOPES)
        return tuple(freeze for freeze in found if freeze is not None and freeze.holds_at(now))

    def of(self, scope: str, now: datetime) -> Freeze | None:
        """The freeze of exactly that scope, if it holds now."""
        return next((freeze for freeze in self.at(now) if freeze.scope == scope), None)

    def over(self, channel: Channel, now: datetime) -> tuple[Freeze, ...]:
        """The freezes that hold a channel back now."""
        return tuple(freeze for freeze in self.at(now) if freeze.is_over(channel))

    def held(self, channels: Iterable[Channel], now: datetime) -> tuple[Channel, ...]:
        """Those of the channels that are held back now."""
        return tuple(channel for channel in channels if self.over(channel, now))

    def ensure_free(self, channel: Channel, now: datetime) -> None:
        """Raises ChannelsFrozen when a channel is held back now."""
        if self.over(channel, now):
            raise ChannelsFrozen

    def stop(self, channels: Iterable[Channel], now: datetime) -> bool:
        """Whether every one of the channels is held back now."""
        return all(self.over(channel, now) for channel in channels)

    def expired(self, now: datetime) -> tuple[Freeze, ...]:
        """The freezes that have come to their end by themselves and are not yet recorded as ended."""
        return tuple(freeze for freeze in self.standing.values() if not freeze.holds_at(now))

    def released_at(self, channel: Channel, now: datetime) -> datetime | None:
        """When the last freeze over a channel ended that has ended by now."""
        expired = {freeze.scope: freeze.until for freeze in self.expired(now)}
        ends = (ends.get(scope) for ends in (self.ended, expired) for scope in (WHOLE, channel.value))
        return max((end for end in ends if end is not None), default=None)

    def with_freeze(self, freeze: Freeze) -> "Freezes":
        """The same with a freeze begun, or changed."""
        return replace(self, standing={**self.standing, freeze.scope: freeze})

    def without(self, scope: str, ended_at: datetime) -> "Freezes":
        """The same with the freeze of a scope ended."""
        standing = {name: freeze for name, freeze in self.standing.items() if name != scope}
        return replace(self, standing=standing, ended={**self.ended, scope: ended_at})


def concerned(head: Submission, served: Iterable[Channel]) -> tuple[Channel, ...]:
    """The channels by which a freeze holds a submission back as a whole: those that can be served, if any can."""
    return tuple(channel for channel in head.channels if channel in set(served)) or head.channels


def held_back(
    head: Submission, channels: Iterable[Channel], freezes: Freezes, now: datetime
) -> tuple[Channel, ...]:
    """Those of the channels over which a freeze has ended since the submission's machine was begun.

    `channels` are the concerned ones of what is scheduled, the unfinished ones of what is being published. What was
    held back must be begun again; once it is, nothing is held back any more.
    """
    released = ((channel, freezes.released_at(channel, now)) for channel in channels)
    return tuple(
        channel
        for channel, at in released
        if at is not None and _began_before(head, at) and _was_due(head, min(at + _HAIRS_BREADTH, now))
    )


@dataclass(frozen=True, kw_only=True)
class Hand:
    """Whose hand is on the brake. `by_command` is operations acting for a person whom they name."""

    person: Person
    correlation_id: str
    by_command: bool = False

    @property
    def actor(self) -> str:
        """Who acts, as the ledger says it."""
        return f"service:{OPERATIONS}" if self.by_command else self.person.id

    def cause(self, grant: Grant) -> Cause:
        """Why a step is taken."""
        return Cause(
            actor=self.actor,
            on_behalf_of=self.person.id if self.by_command else None,
            policy=grant.policy,
            correlation_id=self.correlation_id,
        )


class Outcome(StrEnum):
    """What becomes of what waits when a freeze ends."""

    GOES_ON = "goes_on"
    PARTLY = "partly"
    """Some of its channels go on; another freeze is over the others."""
    NEEDS_PERSON = "needs_person"
    """It is too late by now."""
    STILL_FROZEN = "still_frozen"
    """Another freeze is over all of it."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A submission that is due and waits. `channels` are those that are held back."""

    head: Submission
    channels: tuple[Channel, ...]
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Waited:
    """What the ledger says of a submission that had waited; `title` is None for who may not read it."""

    submission: str
    title: str | None
    channels: tuple[str, ...]
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Past:
    """An event of the chain of freezes; when one ended, with what had waited, and how many there were in all."""

    event: Event
    waited: tuple[Waited, ...]
    count: int


def waiting(
    head: Submission,
    channels: Iterable[Channel],
    *,
    ending: Iterable[Freeze],
    left: Freezes,
    now: datetime,
    max_lateness: timedelta,
) -> Waiting | None:
    """What a submission waits for and what becomes of it when some freezes end, None when it does not wait for them.

    `channels` as in `held_back`, `left` is what is frozen without the ending ones.
    """
    channels, over = tuple(channels), tuple(ending)
    held = tuple(channel for channel in channels if any(freeze.is_over(channel) for freeze in over))
    ends_at = max((min(freeze.until or now, now) for freeze in over), default=now)
    if not held or not _began_before(head, ends_at) or not _was_due(head, ends_at):
        return None
    still = left.held(held, now)
    if still == held or (head.state is State.SCHEDULED and left.stop(channels, now)):
        outcome = Outcome.STILL_FROZEN
    elif head.state is State.SCHEDULED and head.due_at is not None and now - head.due_at > max_lateness:
        outcome = Outcome.NEEDS_PERSON
    else:
        outcome = Outcome.PARTLY if still else Outcome.GOES_ON
    return Waiting(head=head, channels=held, outcome=outcome)


def _began_before(head: Submission, at: datetime) -> bool:
    return (head.begun_at or head.updated_at) < at


def _was_due(head: Submission, at: datetime) -> bool:
    if head.state is State.PUBLISHING or head.again:
        return True
    return head.state is State.SCHEDULED and head.due_at is not None and head.due_at <= at
