"""E-mail as a channel: one message per person of the audience, each claimed before it is sent and confirmed after.

The list is fixed before the first mail. A call whose outcome nobody knows is never repeated: its recipient is unknown
until the carrier's events tell, or, after a term, until a person decides. Every run does what it can in its time and
raises when something is left; the next goes on from what is recorded.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from chalicelib.core import metrics
from chalicelib.core.clock import Now
from chalicelib.core.errors import (
    DeliveryUnfinished,
    MailboxBusy,
    MailRefused,
    OutcomeUnknown,
    RecipientRefused,
    Stale,
)
from chalicelib.core.events import report
from chalicelib.core.ids import derived_id, new_id, new_salt, new_secret
from chalicelib.core.mail import UNKNOWN_MAILBOX, Mailer, Stamp
from chalicelib.core.retry import TRIES, again_when_stale
from chalicelib.core.table import Found, Put, Table
from chalicelib.people.model import Person
from chalicelib.people.store import PeopleStore
from chalicelib.publication.channels.email.announcement import addressed, announcement
from chalicelib.publication.channels.email.audience import Reach
from chalicelib.publication.channels.email.mailing import (
    RECORD_LIFE,
    TERM,
    Mailing,
    MailRules,
    Recipient,
    RecipientState,
    count,
    fault_of_address,
    listed,
)
from chalicelib.publication.model import Delivered, Item, Retraction, TakenBack
from chalicelib.publication.store import (
    FREEZES_KEY,
    fix_mailing,
    mailed_key,
    mailing_key,
    put_mailed,
    put_mailing,
    put_recipient,
    put_suppression,
    put_unsubscribe,
    read_freezes,
    read_mailing,
    read_tally,
    recipient_key,
    subscription_key,
    suppression_key,
    unwanted,
)
from chalicelib.submission.model import Channel, Revision, State, Submission
from chalicelib.submission.service import resource_of
from chalicelib.submission.store import head_key, read_head

RUN = timedelta(minutes=4)
"""How long one run sends; the function that delivers lives five minutes."""
AT_ONCE = 32
"""Recipients about whom one batch read asks: wish, address and tally of each, the freeze and the head."""
FEW = 10
"""After so many recipients at most it is looked again whether it is frozen or taken back meanwhile,"""
SOON = timedelta(seconds=5)
"""and after so long at most, however slow the carrier is (clause 5.1.2)."""
MOST_TRIES = 8
"""How often a busy mailbox is tried before it counts as refused."""


class Settle(Protocol):
    """How it is recorded what has become of a recipient. Raises Stale when somebody else has recorded more."""

    def __call__(
        self, mailing: Mailing, before: Recipient, after: Recipient, *, also: Sequence[Put] = ()
    ) -> None:
        """Record the step from `before` to `after`, and in the same transaction what follows from it."""


@dataclass(frozen=True, kw_only=True)
class EmailChannel:
    """Sends announcements. `scale` shortens the term for mails of unknown outcome; days are those of `zone`."""

    table: Table
    people: PeopleStore
    reach: Reach
    mailer: Callable[[], Mailer]
    now: Now
    base_url: str
    site_url: str
    scale: float
    rules: MailRules
    zone: ZoneInfo

    repeatable = True
    patience = timedelta(0)

    def prepare(self, item: Item) -> Mapping[str, Any]:
        """Fix list and text, if they were not yet; they are kept where their recipients are."""
        again_when_stale(lambda: self._fixed(item.head, item.revision))
        return {}

    def deliver(self, item: Item) -> Delivered:
        """Send to everybody who has not been sent to; the receipt counts recipients by what became of them.

        Raises DeliveryUnfinished when its time is over, OutcomeUnknown while the carrier may still tell what became
        of a mail, MailRefused when the carrier takes none now, ChannelsFrozen during a freeze.
        """
        mailing = read_mailing(self.table, item.head.id, item.revision.number)
        if mailing is None:
            raise Stale
        if mailing.counts is None:
            open_one = mailing
            counted = self.rules.counts(item.revision.form.importance)
            self.serve(open_one, self.record, counted=counted)
            mailing = again_when_stale(lambda: self._closed(open_one))
        files = {name: hashlib.sha256(raw).hexdigest() for name, raw in _files(mailing).items()}
        return Delivered(receipt={"recipients": dict(mailing.counts or {}), "files": files})

    def reconcile(self, item: Item) -> Delivered:
        """Each recipient is reconciled for itself."""
        return self.deliver(item)

    def retract(self, item: Item, _retraction: Retraction) -> TakenBack:
        """Mails cannot be recalled; what has not gone out by now never will."""
        mailing = read_mailing(self.table, item.head.id, item.revision.number)
        gone = count(mailing.recipients) if mailing is not None else {}
        return TakenBack(receipt={"recipients": dict(gone)}, left=("mails",) if gone else ())

    def rendered(self, item: Item) -> Mapping[str, bytes]:
        """The mail without what differs from person to person, as it was fixed before the first one went out."""
        mailing = read_mailing(self.table, item.head.id, item.delivery.revision)
        return {} if mailing is None else {f"email/{name}": raw for name, raw in _files(mailing).items()}

    def serve(self, mailing: Mailing, settle: Settle, *, counted: bool = False) -> None:
        """Send to everybody who is pending. Raises as `deliver`; what is recorded by then stays recorded.

        What is `counted` goes to nobody who has had enough for now (clause 4.4.2).
        """
        ends_at = self.now() + RUN
        busy: MailRefused | None = None
        for persons, found, chunk in self._chunks(mailing):
            self._ensure_going(mailing, found)
            looked_at = self.now()
            for place, recipient in enumerate(chunk):
                if self.now() >= ends_at:
                    raise DeliveryUnfinished
                if (place and place % FEW == 0) or self.now() - looked_at >= SOON:
                    found_now = self.table.batch(FREEZES_KEY, head_key(mailing.submission))
                    self._ensure_going(mailing, found_now)
                    looked_at = self.now()
                try:
                    self._serve_one(
                        mailing, recipient, persons.get(recipient.person), found, settle, counted=counted
                    )
                except MailboxBusy as error:
                    busy = error
                except Stale:
                    continue  # another run is at it
        if busy is not None:
            raise busy

    def settled(self, mailing: Mailing, settle: Settle) -> tuple[Recipient, ...]:
        """The recipients once nothing is left to be done without a person: what no call can be at any more is unknown.

        Raises DeliveryUnfinished while somebody is pending, OutcomeUnknown while the carrier may still tell.
        """
        since = self.now() - TERM / self.scale
        recipients = []
        for recipient in mailing.recipients:
            if recipient.state is RecipientState.PENDING:
                raise DeliveryUnfinished
            if recipient.state in {RecipientState.SENDING, RecipientState.UNKNOWN}:
                if recipient.claimed_at is None or recipient.claimed_at > since:
                    raise OutcomeUnknown
                if recipient.state is RecipientState.SENDING:
                    lost = replace(recipient, state=RecipientState.UNKNOWN)
                    settle(mailing, recipient, lost)
                    metrics.count(metrics.MAILS, lost.state)
                    recipient = lost  # noqa: PLW2901 — as it is recorded now
            recipients.append(recipient)
        return tuple(recipients)

    def record(
        self, mailing: Mailing, before: Recipient, after: Recipient, *, also: Sequence[Put] = ()
    ) -> None:
        """Record what has become of a recipient while the mailing is open: no event, the receipt will count it."""
        settled = self.put(mailing.submission, mailing.revision, before, after)
        if also:
            self.table.transact(also, receipt=settled)
        else:
            self.table.put(settled)

    def put(self, submission: str, revision: int, before: Recipient, after: Recipient) -> Put:
        """Describe the step of a recipient."""
        expires_at = int((self.now() + RECORD_LIFE).timestamp())
        return put_recipient(submission, revision, before, after, expires_at)

    def day_of(self, now: datetime) -> date:
        """Which day it is, for counting how much somebody gets on one."""
        return now.astimezone(self.zone).date()

    def is_frozen(self) -> bool:
        """Whether the channel is frozen now."""
        return bool(read_freezes(self.table.get(FREEZES_KEY)).over(Channel.EMAIL, self.now()))

    def _ensure_going(self, mailing: Mailing, found: Found) -> None:
        """Raises ChannelsFrozen during a freeze, and DeliveryUnfinished for what is taken back."""
        head_record = found.get(head_key(mailing.submission))
        if head_record is None or read_head(head_record).state is State.RETRACTED:
            raise DeliveryUnfinished
        read_freezes(found.get(FREEZES_KEY)).ensure_free(Channel.EMAIL, self.now())

    def _fixed(self, head: Submission, revision: Revision) -> Mailing:
        """The mailing, its list and text fixed now if they were not yet."""
        mailing = read_mailing(self.table, revision.submission, revision.number)
        if mailing is not None:
            return mailing
        form = revision.form
        salt, departments = new_salt(), self.people.departments((form.department,))
        said = announcement(
            revision,
            department_name=departments[form.department].name,
            base_url=self.base_url,
            site_url=self.site_url,
        )
        with suppress(Stale):  # another run was faster, and its list is the one that counts
            fix_mailing(
                self.table,
                submission=revision.submission,
                revision=revision.number,
                salt=salt,
                recipients=listed(self.reach.of(resource_of(head), self.now()), salt),
                announcement=said,
                now=self.now(),
            )
        mailing = read_mailing(self.table, revision.submission, revision.number)
        if mailing is None:
            raise Stale
        return mailing

    def _chunks(self, mailing: Mailing) -> Iterator[tuple[Mapping[str, Person], Found, Iterable[Recipient]]]:
        """So many who are pending at a time, with their persons and what speaks against writing to them."""
        recipients = mailing.in_state(RecipientState.PENDING)
        for start in range(0, len(recipients), AT_ONCE):
            chunk = recipients[start : start + AT_ONCE]
            persons = {p.id: p for p in self.people.persons(tuple({each.person for each in chunk}))}
            found = self.table.batch(
                FREEZES_KEY,
                head_key(mailing.submission),
                *(subscription_key(person) for person in persons),
                *(suppression_key(person.email) for person in persons.values()),
                *(mailed_key(person) for person in persons),
            )
            yield persons, found, chunk

    def _serve_one(
        self,
        mailing: Mailing,
        recipient: Recipient,
        person: Person | None,
        found: Found,
        settle: Settle,
        *,
        counted: bool,
    ) -> None:
        now = self.now()
        fault = fault_of_address(person, recipient, mailing.salt, now)
        if fault is not None or person is None:
            return self._unsent(mailing, recipient, RecipientState.REFUSED, fault, settle)
        reason = unwanted(found, person.id, person.email)
        if reason is not None:
            return self._unsent(mailing, recipient, RecipientState.SUPPRESSED, reason, settle)
        token = new_secret()
        claimed = self._claimed(mailing, recipient, token, found, counted=counted)
        if claimed is None:
            return self._unsent(mailing, recipient, RecipientState.CAPPED, None, settle)
        mail = addressed(
            mailing.announcement,
            to=person.email,
            language=person.language,
            stamp=_stamp(mailing, recipient),
            choose=f"{self.base_url}/me",
            unsubscribe=f"{self.base_url}/u/{token}",
            tags={
                "submission": mailing.submission,
                "revision": str(mailing.revision),
                "recipient": recipient.key,
            },
        )
        try:
            self.mailer().send(mail)
        except RecipientRefused as error:
            reason = str(error.params["reason"])
            bounced = (
                (put_suppression(person.email, "bounce", self.now()),) if reason == UNKNOWN_MAILBOX else ()
            )
            return settle(mailing, claimed, _ended(claimed, RecipientState.REFUSED, reason), also=bounced)
        except MailRefused as error:
            self._put_back(mailing, claimed, error, settle)
            raise
        except Exception as error:  # noqa: BLE001 — whatever it is, the mail may have gone out
            report(error, "announcement")
            settle(mailing, claimed, replace(claimed, state=RecipientState.UNKNOWN))
            raise OutcomeUnknown from None
        try:
            settle(mailing, claimed, replace(claimed, state=RecipientState.SENT))
        except Stale:
            return None  # the carrier's event was faster
        return None

    @staticmethod
    def _unsent(
        mailing: Mailing, recipient: Recipient, state: RecipientState, reason: str | None, settle: Settle
    ) -> None:
        """Record that nothing was handed to the carrier."""
        settle(mailing, recipient, _ended(recipient, state, reason))
        metrics.count(metrics.MAILS, state)

    def _claimed(
        self, mailing: Mailing, recipient: Recipient, token: str, found: Found, *, counted: bool
    ) -> Recipient | None:
        """Claim the one call that may send, with the token that its mail carries; None for who has had enough.

        It is counted in the same transaction, once: whoever was claimed before was counted then. Raises Stale.
        """
        now = self.now()
        claimed = replace(
            recipient, state=RecipientState.SENDING, reason=None, claim=new_id("c"), claimed_at=now
        )
        settled = self.put(mailing.submission, mailing.revision, recipient, claimed)
        with_token = put_unsubscribe(token, recipient.person, now)
        if not counted or recipient.claim is not None:
            self.table.transact([with_token], receipt=settled)
            return claimed
        day = self.day_of(now)
        whose = recipient_key(mailing.submission, mailing.revision, recipient.key)
        tallied = mailed_key(recipient.person)
        for _ in range(TRIES):
            before = found.get(tallied)
            tally = read_tally(before)
            if self.rules.is_enough(tally, day):
                return None
            one_more = tally.and_one(day, f"{mailing.submission}#{mailing.revision}")
            counting = put_mailed(before, recipient.person, one_more, now)
            try:
                self.table.transact([with_token, counting], receipt=settled)
            except Stale:
                found = self.table.batch(whose, tallied)  # another mailing was faster, or another run
                if found.has(whose):
                    raise
            else:
                return claimed
        raise Stale

    def _put_back(self, mailing: Mailing, claimed: Recipient, error: MailRefused, settle: Settle) -> None:
        """Let a later run try again; a mailbox that is busy for too long counts as refused."""
        tries = claimed.tries + isinstance(error, MailboxBusy)
        if tries >= MOST_TRIES:
            reason = str(error.params["reason"])
            settle(mailing, claimed, _ended(replace(claimed, tries=tries), RecipientState.REFUSED, reason))
        else:
            self.record(mailing, claimed, replace(claimed, state=RecipientState.PENDING, tries=tries))

    def _closed(self, mailing: Mailing) -> Mailing:
        """Count and close: from now on what becomes of a recipient is told by ledger events. Raises as `settled`."""
        record = self.table.get(mailing_key(mailing.submission, mailing.revision))
        present = read_mailing(self.table, mailing.submission, mailing.revision)
        if record is None or present is None:
            raise Stale
        if present.counts is not None:
            return present
        counts = count(self.settled(present, self.record))
        self.table.put(put_mailing(record, counts=counts))
        return replace(present, counts=counts)


def _stamp(mailing: Mailing, recipient: Recipient) -> Stamp:
    """The same for every mail of a mailing to an address: one that a person lets go out again is the same mail."""
    name = derived_id("m", mailing.submission, str(mailing.revision), recipient.key)
    return Stamp(id=name, at=mailing.fixed_at)


def _ended(recipient: Recipient, state: RecipientState, reason: str | None) -> Recipient:
    return replace(recipient, state=state, reason=reason)


def _files(mailing: Mailing) -> dict[str, bytes]:
    said = mailing.announcement
    return {
        "message.html": said.html.encode(),
        "message.txt": said.text.encode(),
        "subject.txt": said.subject.encode(),
    }
