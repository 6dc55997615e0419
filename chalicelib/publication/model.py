"""Publishing: deliveries, one per channel, and what must hold at the last moment (clauses 3.4.1, 3.4.2)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from chalicelib.submission.model import Channel, Reason, Revision, Submission


class DeliveryState(StrEnum):
    """How far a channel has got with a revision; `service/delivering.py` says what may follow what."""

    PENDING = "pending"
    CLAIMED = "claimed"
    """A run prepares it; nothing that anybody can see has happened."""
    CALLING = "calling"
    """The call that publishes is being made, or was when its run broke off."""
    UNKNOWN = "unknown"
    """The call was made, and nobody has said what became of it: the channel is asked before anything else is done."""
    DONE = "done"
    FAILED = "failed"
    """It is not on this channel and never will be: the content is at fault, or a person has given it up."""
    NEEDS_PERSON = "needs_person"
    """Only a person can go on: `reason` says why."""
    RETRACTED = "retracted"
    """It was taken off the channel, as far as that was possible; `receipt` says what could not be recalled."""
    WAITING_FOR_ADAPTER = "waiting_for_adapter"
    """The channel is chosen and this desk cannot serve it: it holds nothing back."""


UNFINISHED = frozenset(
    {DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.CALLING, DeliveryState.UNKNOWN}
)
"""The states of a delivery that holds the archive up."""


_ENOUGH = frozenset({DeliveryState.DONE, DeliveryState.WAITING_FOR_ADAPTER})


def is_published(states: Collection[DeliveryState]) -> bool:
    """Whether deliveries that have all ended so make a publication: one is enough."""
    return not _ENOUGH.isdisjoint(states)


def awaits_person(states: Collection[DeliveryState]) -> bool:
    """Whether it is on no channel for sure, and may be on one for which a person has yet to answer."""
    return DeliveryState.NEEDS_PERSON in states and not is_published(states)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One channel's delivery of one revision.

    `fence` counts the claims, `claim` is the run that made the last: it goes on only as long as nobody has claimed the
    delivery since. `facts` is what the channel has noted of what it prepared or began, `called_at` the instant at which
    its last claim or call began. `reason` is a stable word, of one that has failed or needs a person.
    """

    submission: str
    revision: int
    channel: Channel
    state: DeliveryState
    started_at: datetime
    fence: int = 0
    claim: str | None = None
    called_at: datetime | None = None
    facts: Mapping[str, Any] | None = None
    reason: str | None = None
    receipt: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """What is delivered: an approved text, and how far a channel has got with it."""

    head: Submission
    revision: Revision
    delivery: Delivery

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the channel has noted of it so far."""
        return self.delivery.facts or {}


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """It is on the channel. The receipt tells where, and which files with which SHA-256 it was given."""

    receipt: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Underway:
    """The channel has taken it and will tell later what became of it; `facts` is what to ask it by."""

    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class NotDelivered:
    """It is not on the channel, for certain: the same call may be made again."""


@dataclass(frozen=True, kw_only=True)
class Retraction:
    """That an item is taken back, when, in UTC, and why, as readers are told; perhaps they are not told its title."""

    at: datetime
    reason: str
    title_withheld: bool = False


@dataclass(frozen=True, kw_only=True)
class TakenBack:
    """What came of taking an item off a channel. `left` says in stable words what cannot be recalled."""

    receipt: Mapping[str, Any]
    left: tuple[str, ...] = ()


class Adapter(Protocol):
    """A channel: what puts an approved text where people see it.

    Every method may raise DeliveryRefused (the content is at fault), DeliveryParked (only a person can go on) and
    ChannelBusy (nothing has happened; later it may). What else goes wrong in `deliver` leaves nobody knowing.
    """

    @property
    def repeatable(self) -> bool:
        """Whether delivering again ends the same: a call that broke off is then simply made again."""

    @property
    def patience(self) -> timedelta:
        """How long a channel is asked for what became of a call before a person is."""

    def prepare(self, item: Item) -> Mapping[str, Any]:
        """Do all that nobody sees yet and that may be done any number of times; the answer is noted before the call."""

    def deliver(self, item: Item) -> Delivered | Underway:
        """Make the call that publishes, once; `item.facts` is what was prepared."""

    def reconcile(self, item: Item) -> Delivered | Underway | NotDelivered:
        """Find out what became of a call. Raises OutcomeUnknown while nobody can tell."""

    def retract(self, item: Item, retraction: Retraction) -> TakenBack:
        """Take it off the channel, as far as that is possible, or has not happened yet; again it ends the same."""

    def rendered(self, item: Item) -> Mapping[str, bytes]:
        """What the channel shows, by path, exactly as delivered: goes into the archive."""


REPEATED = ("title", "department", "drafter", "category", "classification", "channels", "audience")
"""What the head repeats of the approved form and the catalogue takes from the head: who may read it, and where."""


def fault_of(
    head: Submission,
    revision: Revision,
    *,
    required: Iterable[str],
    approved: Iterable[str],
    forbidden: Iterable[Channel],
) -> Reason | None:
    """Why this must not be published, in a stable word; None when nothing is wrong (clause 3.4.2).

    `required` are the stages that it must pass, `approved` those that approve exactly the head's digest, `forbidden`
    the chosen channels that the classification does not allow.
    """
    if revision.content_digest != head.content_digest:
        return Reason.CONTENT_CHANGED
    if set(approved) != set(required):
        return Reason.APPROVAL_MISSING
    if tuple(forbidden):
        return Reason.CHANNEL_NOT_ALLOWED
    if any(getattr(head, name) != getattr(revision.form, name) for name in REPEATED):
        return Reason.CONTENT_CHANGED
    return None
