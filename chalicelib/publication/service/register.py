"""The register of channels (clause 2.3.2): how each is, what is on its way, and what waits for a person."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.access.model import DESK, Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.clock import from_text
from chalicelib.people.model import Person
from chalicelib.publication.freeze import Freezes
from chalicelib.publication.model import Delivery
from chalicelib.publication.service.settling import Settling
from chalicelib.publication.store import (
    FREEZES_KEY,
    channel_keys,
    delivery_key,
    parked_on,
    read_delivery,
    read_freezes,
    unfinished_of,
)
from chalicelib.submission.model import Channel, State, Submission
from chalicelib.submission.service import Journal, reading, resource_of
from chalicelib.submission.store import head_key, in_flight, read_head

LOOKED_AT = 200
"""How many of the last deliveries that were left to a person are looked at, per channel."""


@dataclass(frozen=True, kw_only=True)
class ChannelState:
    """How a channel is. `queued` counts what is on its way, `waiting` what needs a person.

    `is_paused` is by a freeze; `delivered_at` is when it last took something, in UTC, None for never.
    """

    channel: Channel
    is_served: bool
    is_paused: bool
    delivered_at: datetime | None
    queued: int
    waiting: int


@dataclass(frozen=True, kw_only=True)
class Waits:
    """A delivery that waits for a person since `at`. `title` is None for who may not read it."""

    delivery: Delivery
    at: datetime
    title: str | None
    may_answer: bool


@dataclass(frozen=True, kw_only=True)
class Register:
    """Looks at channels. `served` are those that there are adapters for."""

    journal: Journal
    access: AccessControl
    served: Collection[Channel]

    def look(self, person: Person) -> tuple[tuple[ChannelState, ...], tuple[Waits, ...]]:
        """Every channel, and what waits for a person, the longest first. Raises NotPermitted by policy."""
        now = self.journal.now()
        self.access.grant(subject_of(person, now), Action.FREEZE, DESK)
        found = self.journal.table.batch(
            FREEZES_KEY, *(key for channel in Channel for key in channel_keys(channel))
        )
        freezes, waits = read_freezes(found.get(FREEZES_KEY)), self._waits(person)
        queued = self._queued()
        waiting = Counter(each.delivery.channel for each in waits)
        states = []
        for channel in Channel:
            taken = [record.delivered_at for key in channel_keys(channel) if (record := found.get(key))]
            states.append(
                ChannelState(
                    channel=channel,
                    is_served=channel in self.served,
                    is_paused=_is_paused(freezes, channel, now),
                    delivered_at=from_text(max(taken)) if taken else None,
                    queued=queued[channel],
                    waiting=waiting[channel],
                )
            )
        return tuple(states), waits

    def _queued(self) -> Counter[Channel]:
        heads = [read_head(record) for record in in_flight(self.journal.table)]
        serving = [head for head in heads if head.state is State.PUBLISHING or head.again]
        return Counter(
            channel
            for channels in unfinished_of(self.journal.table, serving).values()
            for channel in channels
        )

    def _waits(self, person: Person) -> tuple[Waits, ...]:
        parked = [each for channel in Channel for each in parked_on(self.journal.table, channel, LOOKED_AT)]
        if not parked:
            return ()
        keys = {each: delivery_key(each.submission, each.revision, each.channel) for each in parked}
        found = self.journal.table.batch(*keys.values(), *{head_key(each.submission) for each in parked})
        waits: dict[tuple[str, int, Channel], Waits] = {}
        for each, key in keys.items():
            head_record, record = found.get(head_key(each.submission)), found.get(key)
            if head_record is None or record is None:
                continue
            head, delivery = read_head(head_record), read_delivery(record)
            if Settling.waits(head, delivery) and head.revision == delivery.revision:
                may = self._may(person, head)
                waits.setdefault(
                    (each.submission, each.revision, each.channel),
                    Waits(
                        delivery=delivery,
                        at=each.at,
                        title=head.title if may[Action.READ] else None,
                        may_answer=may[Action.SETTLE],
                    ),
                )
        return tuple(sorted(waits.values(), key=lambda each: each.at))

    def _may(self, person: Person, head: Submission) -> Mapping[Action, bool]:
        subject, resource = subject_of(person, self.journal.now()), resource_of(head)
        reads = all(self.access.allows(subject, each, resource) for each in reading(head))
        return {
            Action.READ: reads,
            Action.SETTLE: reads and self.access.allows(subject, Action.SETTLE, resource),
        }


def _is_paused(freezes: Freezes, channel: Channel, now: datetime) -> bool:
    return bool(freezes.over(channel, now))
