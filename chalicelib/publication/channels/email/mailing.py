"""A mailing: an announcement on its way to the fixed list of its recipients, and what becomes of each."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from chalicelib.core.addresses import is_email
from chalicelib.core.clock import from_text
from chalicelib.core.ids import fingerprint
from chalicelib.people.model import Person
from chalicelib.submission.model import Importance

TERM = timedelta(minutes=10)
"""How long the carrier's word for a mail of unknown outcome is waited for: longer than any function lives."""
RECORD_LIFE = timedelta(days=400)
"""How long is kept to whom an announcement went; the counts stay in the ledger."""
UNSUBSCRIBE_LIFE = timedelta(days=400)
"""How long the address in a mail that unsubscribes works."""
_KEY_LENGTH = 32


class RecipientState(StrEnum):
    """What has become of one recipient."""

    PENDING = "pending"
    SENDING = "sending"
    """Claimed: a call to the carrier may be under way, or may have been when the function died."""
    SENT = "sent"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REFUSED = "refused"
    SUPPRESSED = "suppressed"
    CAPPED = "capped"
    """Not written to, because the person has had as many announcements as somebody gets in so short a time."""
    UNKNOWN = "unknown"
    """Nobody knows whether the mail went out. It is sent again by a person's decision only."""
    ABANDONED = "abandoned"
    """A person decided that it is not sent again."""


_OPEN = frozenset(
    {RecipientState.PENDING, RecipientState.SENDING, RecipientState.UNKNOWN, RecipientState.ABANDONED}
)
"""The states in which the carrier's word that a mail went out is news."""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """One address on a mailing's list. `key` is a salted hash of the address; the address itself is nowhere here.

    `claim` names the one call that may send; `tries` counts how often the mailbox was busy.
    """

    person: str
    key: str
    state: RecipientState = RecipientState.PENDING
    reason: str | None = None
    claim: str | None = None
    claimed_at: datetime | None = None
    tries: int = 0


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """What is sent to everybody alike. A person's own footer goes to the end of `text` and between `top` and `end`."""

    subject: str
    text: str
    top: str
    end: str

    @property
    def html(self) -> str:
        """The HTML without any person's footer."""
        return self.top + self.end


@dataclass(frozen=True, kw_only=True)
class Mailing:
    """The list as it was fixed before the first mail, each recipient as recorded, and what is sent.

    `fixed_at` (UTC) is when list and text were fixed, and what every mail of it is dated, whenever it goes out.
    `changes` counts what the carrier's events have changed while mails are still going out. `counts`, by state,
    is there once the mailing is closed: what becomes of a recipient after that is told by ledger events.
    """

    submission: str
    revision: int
    generation: str
    salt: str
    fixed_at: datetime
    changes: int
    counts: Mapping[str, int] | None
    announcement: Announcement
    recipients: tuple[Recipient, ...]

    def in_state(self, *states: RecipientState) -> tuple[Recipient, ...]:
        """The recipients that are in one of these states."""
        return tuple(recipient for recipient in self.recipients if recipient.state in states)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Which announcements a person was written to about lately: the day, in the center's zone, and the mailing."""

    entries: tuple[tuple[date, str], ...] = ()

    def lately(self, day: date, days: int) -> int:
        """How many on that day and those before it, so many days in all."""
        return sum(timedelta(0) <= day - each < timedelta(days=days) for each, _ in self.entries)

    def and_one(self, day: date, mailing: str) -> "Tally":
        """With one more; what no rule asks about any longer is left out."""
        recent = tuple(entry for entry in self.entries if day - entry[0] < timedelta(days=WEEK))
        return Tally(entries=(*recent, (day, mailing)))


WEEK = 7


@dataclass(frozen=True, kw_only=True)
class MailRules:
    """How many announcements a person gets at most (clause 4.4.2), and which are neither held back nor counted."""

    per_day: int
    per_week: int
    uncounted: frozenset[Importance]

    @classmethod
    def load(cls, file: Path) -> "MailRules":
        """Those of `policies/mail.json`. Raises OSError, KeyError or ValueError."""
        raw = json.loads(file.read_text("utf-8"))
        rules = cls(
            per_day=int(raw["announcements_per_day"]),
            per_week=int(raw["announcements_per_week"]),
            uncounted=frozenset(map(Importance, raw["uncounted"])),
        )
        if min(rules.per_day, rules.per_week) < 1:
            raise ValueError("nobody would get any announcement")
        return rules

    def counts(self, importance: Importance) -> bool:
        """Whether announcements of that importance are counted, and held back."""
        return importance not in self.uncounted

    def is_enough(self, tally: Tally, day: date) -> bool:
        """Whether somebody gets no further one that day."""
        return tally.lately(day, 1) >= self.per_day or tally.lately(day, WEEK) >= self.per_week


def count(recipients: Iterable[Recipient]) -> dict[str, int]:
    """How many are in each state, in the order of the states, none left out that has one."""
    counted = Counter(recipient.state for recipient in recipients)
    return {state.value: counted[state] for state in RecipientState if counted[state]}


def recipient_key(salt: str, person: Person) -> str:
    """The salted hash of the person's address, or of the person where there is none; case does not matter."""
    return fingerprint(f"{salt}\x00{person.email.strip().casefold() or person.id}")[:_KEY_LENGTH]


def listed(persons: Iterable[Person], salt: str) -> tuple[Recipient, ...]:
    """One recipient per address, in the order of the persons."""
    by_key: dict[str, Recipient] = {}
    for person in persons:
        key = recipient_key(salt, person)
        by_key.setdefault(key, Recipient(person=person.id, key=key))
    return tuple(by_key.values())


def fault_of_address(person: Person | None, recipient: Recipient, salt: str, now: datetime) -> str | None:
    """Why the fixed recipient cannot be written to now, in a stable word; None when nothing is wrong."""
    if person is None or not person.duties_at(now):
        return "left"
    if recipient_key(salt, person) != recipient.key:
        return "address_changed"
    if not is_email(person.email):
        return "bad_address"
    return None


PERMANENT, COMPLAINT = "bounce", "complaint"
"""Why an address is suppressed."""
_UNDELIVERED = {
    "MailboxFull": "mailbox_full",
    "MessageTooLarge": "too_large",
    "ContentRejected": "content_rejected",
    "AttachmentRejected": "content_rejected",
}
"""Transient bounces that say this mail is not there; the next may be. `General` is mostly of somebody who is away."""
_NO_COMPLAINTS = frozenset({"not-spam", "auth-failure"})
"""Feedback that is no reader's wish: the mail was no spam, or its signature did not hold."""


@dataclass(frozen=True, kw_only=True)
class MailEvent:
    """What the carrier says of one mail. `addresses` are those to be suppressed; they go into no log.

    `after` is what it says has become of the recipient, `reason` why in a stable word, `at` (UTC) when it happened.
    """

    submission: str
    revision: int
    recipient: str
    after: RecipientState
    reason: str | None
    at: datetime
    addresses: tuple[str, ...] = field(default=(), repr=False)

    def following(self, state: RecipientState) -> RecipientState | None:
        """What a recipient in that state becomes by it; None when it is no news."""
        known = set(_OPEN)
        if self.after is not RecipientState.SENT:
            known.add(RecipientState.SENT)
        if self.after is RecipientState.COMPLAINED:
            known.add(RecipientState.BOUNCED)
        return self.after if state in known else None


def read_mail_event(document: Mapping[str, Any]) -> MailEvent | None:
    """Read an event as SES publishes it; None for one of another mail, or of a kind that nothing follows from.

    Opens and clicks prove nothing: machines make them. Raises KeyError for what is no such event.
    """
    kind, mail = document["eventType"], document["mail"]
    if kind not in _READERS or "recipient" not in mail.get("tags", {}):
        return None
    said = document.get(kind.lower(), {})
    read = _READERS[kind](said)
    if read is None:
        return None
    after, reason, sufferers = read
    return MailEvent(
        submission=mail["tags"]["submission"][0],
        revision=int(mail["tags"]["revision"][0]),
        recipient=mail["tags"]["recipient"][0],
        after=after,
        reason=reason,
        at=from_text(said.get("timestamp") or mail["timestamp"]),
        addresses=tuple(sufferer["emailAddress"] for sufferer in sufferers),
    )


_Read = tuple[RecipientState, str | None, Sequence[Mapping[str, Any]]]


def _bounce(said: Mapping[str, Any]) -> _Read:
    kind, sub_kind = said["bounceType"], said.get("bounceSubType", "")
    if kind == "Permanent":
        return RecipientState.BOUNCED, PERMANENT, said["bouncedRecipients"]
    if kind == "Transient" and sub_kind not in _UNDELIVERED:
        return RecipientState.SENT, None, ()
    return RecipientState.BOUNCED, _UNDELIVERED.get(sub_kind, "undetermined"), ()


def _complaint(said: Mapping[str, Any]) -> _Read | None:
    if said.get("complaintFeedbackType") in _NO_COMPLAINTS:
        return None
    return RecipientState.COMPLAINED, COMPLAINT, said["complainedRecipients"]


def _taken(_said: Mapping[str, Any]) -> _Read:
    return RecipientState.SENT, None, ()


_READERS: Mapping[str, Callable[[Mapping[str, Any]], _Read | None]] = {
    "Send": _taken,
    "Delivery": _taken,
    "Bounce": _bounce,
    "Complaint": _complaint,
    "Reject": lambda _said: (RecipientState.REFUSED, "reject", ()),
}
