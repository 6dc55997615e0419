"""Publishing: deliveries, one per channel, and what must hold at the last moment (clauses 3.4.1, 3.4.2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from chalicelib.submission.model import Channel, Reason, Revision, Submission


class DeliveryState(StrEnum):
    """How far a channel has got with a revision."""

    PENDING = "pending"
    CLAIMED = "claimed"
    DONE = "done"
    WAITING_FOR_ADAPTER = "waiting_for_adapter"
    """The channel is chosen and this version of the product cannot serve it yet: it holds nothing back."""


UNFINISHED = frozenset({DeliveryState.PENDING, DeliveryState.CLAIMED})
"""The states of a delivery that holds the archive up."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One channel's delivery of one revision. `fence` is the attempt that claimed it."""

    submission: str
    revision: int
    channel: Channel
    state: DeliveryState
    started_at: datetime
    fence: int = 0
    receipt: Mapping[str, Any] | None = None


class Adapter(Protocol):
    """What puts an approved text on a channel. Delivering again ends the same."""

    def deliver(self, head: Submission, revision: Revision, delivery: Delivery) -> Mapping[str, Any]:
        """Deliver and answer the receipt: where it can be seen."""

    def rendered(self, head: Submission, revision: Revision, delivery: Delivery) -> Mapping[str, bytes]:
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
