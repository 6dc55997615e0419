"""Which events are told, to whom, and how far the telling of one has got."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.ledger.model import Event

LEASE = timedelta(minutes=2)
"""How long a claim counts against another message about the same event: longer than the function lives."""
RECORD_LIFE = timedelta(days=30)
"""How long is kept who was told: longer than any message lives, dead letters included."""


class Kind(StrEnum):
    """What a notice says; `mail.<kind>` are its words."""

    RETURNED = "returned"
    REJECTED = "rejected"
    NEEDS_PERSON = "needs_person"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"
    AMENDED = "amended"
    UNCONFIRMED = "unconfirmed"
    AMENDMENT_DECLINED = "amendment_declined"
    ESCALATED = "escalated"
    LINK_TRIED = "link_tried"
    RECALLED = "recalled"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_PARKED = "delivery_parked"
    RETRACTED = "retracted"
    RESCHEDULED = "rescheduled"


_DECISIONS = {"request_changes": Kind.RETURNED, "reject": Kind.REJECTED}
_TYPES = {
    "PersonNeeded": Kind.NEEDS_PERSON,
    "Published": Kind.PUBLISHED,
    "Rescheduled": Kind.RESCHEDULED,
    "Withdrawn": Kind.WITHDRAWN,
    "Amended": Kind.AMENDED,
    "ConfirmationReminded": Kind.UNCONFIRMED,
    "AmendmentDeclined": Kind.AMENDMENT_DECLINED,
    "ReviewLinkRefused": Kind.LINK_TRIED,
    "DeliveryFailed": Kind.DELIVERY_FAILED,
    "DeliveryParked": Kind.DELIVERY_PARKED,
    "Retracted": Kind.RETRACTED,
}


def kind_of(event: Event) -> Kind | None:
    """What is told of an event; None when nobody is told."""
    if event.type == "Decided":
        return _DECISIONS.get(event.payload["decision"])
    if event.type == "DecisionRecalled":
        return Kind.RECALLED if event.payload["decision"] in _DECISIONS else None
    if event.type == "ReviewOverdue":
        return Kind.ESCALATED if event.payload.get("told") else None
    return _TYPES.get(event.type)


class NoticeState(StrEnum):
    """How far a notice to one person has got."""

    CLAIMED = "claimed"
    SENT = "sent"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One event to be told to one person. `holder` is the message that has claimed it."""

    event: str
    person: str
    holder: str
    claimed_at: datetime
    state: NoticeState = NoticeState.CLAIMED
