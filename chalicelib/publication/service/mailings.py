"""What becomes of announcements after they were sent, and who no longer wants any (clauses 4.4.2, 4.4.3)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.access.model import DESK, Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core import logs, metrics
from chalicelib.core.clock import to_text
from chalicelib.core.errors import ChannelsFrozen, Conflict, IllegalTransition, NotFound, Stale
from chalicelib.core.ids import is_id
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Put
from chalicelib.ledger.model import Cause, Draft, PolicyReference
from chalicelib.people.model import Person
from chalicelib.publication.channels.email.adapter import EmailChannel
from chalicelib.publication.channels.email.mailing import (
    MailEvent,
    Mailing,
    Recipient,
    RecipientState,
    read_mail_event,
)
from chalicelib.publication.store import (
    mailing_key,
    put_lifted,
    put_mailing,
    put_subscription,
    put_suppression_heard,
    read_mailing,
    read_recipient,
    recipient_key,
    subscription_key,
    suppressed_hash,
    suppression_key,
    suppressions,
    unsubscribe_key,
)
from chalicelib.submission.model import Channel, State, Submission
from chalicelib.submission.service import Journal, reading, resource_of
from chalicelib.submission.store import head_key, read_head

ACTOR = "service:publication"
AT_ONCE = 50
"""Recipients that one answer of a person settles: so many fit into a transaction with their event."""


@dataclass(frozen=True, kw_only=True)
class Mailings:
    """Hears what the carrier says of mails, and lets a person settle what nobody can know."""

    journal: Journal
    access: AccessControl
    channel: EmailChannel

    def heard(self, document: Mapping[str, Any]) -> None:
        """Take in an event of the carrier; a repeat, or one that comes late, changes nothing.

        An address that is gone, or whose owner complains, gets no further announcements until somebody lifts that.
        """
        event = read_mail_event(document)
        if event is None:
            return
        logs.note(submission=event.submission)
        for address in event.addresses:
            again_when_stale(partial(self._suppress, address, event))
        again_when_stale(lambda: self._heard(event))

    def suppressed(self) -> Iterator[tuple[str, str, str | None]]:
        """Every suppressed address: its hash, why, and since when; reads the whole table, for operations only."""
        for record in suppressions(self.journal.table):
            yield suppressed_hash(record), record.reason, record.at

    def lift(self, person: Person, email: str) -> bool:
        """Let announcements go to an address again, for a person; answers whether it was suppressed (clause 4.4.4).

        Raises NotPermitted by policy.
        """
        now = self.journal.now()
        self.access.grant(subject_of(person, now), Action.SETTLE, DESK)
        return again_when_stale(lambda: self._lifted(person.id, email, now))

    def _lifted(self, by: str, email: str, now: datetime) -> bool:
        before = self.journal.table.get(suppression_key(email))
        if before is None:
            return False
        if before.lifted_at is not None:
            return (before.lifted_by, before.lifted_at) == (by, to_text(now))  # a try of ours, unheard of
        self.journal.table.put(put_lifted(before, by, now))
        return True

    def _suppress(self, address: str, event: MailEvent) -> None:
        before = self.journal.table.get(suppression_key(address))
        put = put_suppression_heard(before, address, event.reason or "", event.at)
        if put is not None:
            self.journal.table.put(put)

    def settle(
        self, person: Person, submission: str, *, resend: bool, correlation_id: str
    ) -> tuple[int, int]:
        """Let a person decide whether mails of unknown outcome are sent again; answers how many were, and are left.

        Raises NotFound and NotPermitted by policy, IllegalTransition while the carrier may still tell, and Conflict for
        sending anything again during a freeze.
        """
        return again_when_stale(
            lambda: self._settled(person, submission, resend=resend, correlation_id=correlation_id)
        )

    def send_again(self, submission: str, revision: int) -> None:
        """Send to those for whom a person has decided so; each outcome is an event of its own.

        During a freeze, and of what is taken back, nothing is sent, and the question is the person's again: what a
        queue forgets in the end cannot wait for a freeze to end. Raises OutcomeUnknown and MailRefused as the channel
        does; what is recorded by then stays recorded.
        """
        mailing = read_mailing(self.journal.table, submission, revision)
        if mailing is None or mailing.counts is None:
            return None
        if self.journal.head(submission).state is State.RETRACTED:
            return self._ask_again(submission, revision)
        try:
            self.channel.serve(mailing, self._tell)
        except ChannelsFrozen:
            self._ask_again(submission, revision)
        present = read_mailing(self.journal.table, submission, revision)
        if present is not None and present.in_state(RecipientState.SENDING):
            self.channel.settled(present, self._tell)
        return None

    def _ask_again(self, submission: str, revision: int) -> None:
        """Put back to unknown whoever is still waiting for the mail that a person has decided on."""
        present = read_mailing(self.journal.table, submission, revision)
        if present is None:
            return
        for recipient in present.in_state(RecipientState.PENDING):
            with suppress(Stale):  # a mail event was faster
                self._tell(present, recipient, replace(recipient, state=RecipientState.UNKNOWN))

    def subscriber(self, token: str) -> str:
        """The person whose announcements a mail's address ends. Raises NotFound."""
        record = self.journal.table.get(unsubscribe_key(token))
        if record is None or (record.expires_at or 0) <= self.journal.now().timestamp():
            raise NotFound
        return str(record.person)

    def unsubscribe(self, token: str) -> None:
        """End announcements to whom the token was mailed; a repeat changes nothing. Raises NotFound."""
        self.subscribe(self.subscriber(token), announcements=False)

    def subscribe(self, person: str, *, announcements: bool) -> None:
        """Record whether a person wants announcements."""
        self.journal.table.put(put_subscription(person, announcements=announcements))

    def is_subscribed(self, person: str) -> bool:
        """Whether a person wants announcements."""
        record = self.journal.table.get(subscription_key(person))
        return record is None or bool(record.announcements)

    def _heard(self, event: MailEvent) -> None:
        where = mailing_key(event.submission, event.revision)
        whose = recipient_key(event.submission, event.revision, event.recipient)
        found = self.journal.table.batch(head_key(event.submission), where, whose)
        head_record, mailing_record, record = (
            found.get(head_key(event.submission)),
            found.get(where),
            found.get(whose),
        )
        if head_record is None or mailing_record is None or record is None:
            return
        head, before = read_head(head_record), read_recipient(record)
        state = event.following(before.state)
        if state is None:
            return
        after = replace(before, state=state, reason=event.reason)
        if mailing_record.counts is not None:
            self._commit(head, event.revision, [(before, after)])
        else:
            changed = put_mailing(mailing_record, changes=mailing_record.changes + 1)
            settled = self.channel.put(event.submission, event.revision, before, after)
            self.journal.table.transact([changed], receipt=settled)
        if state in _WITH_REASON:
            metrics.count(metrics.MAILS, state)

    def _settled(
        self, person: Person, submission: str, *, resend: bool, correlation_id: str
    ) -> tuple[int, int]:
        head = self.journal.head(submission) if is_id("s", submission) else None
        subject = subject_of(person, self.journal.now())
        if head is None or not all(
            self.access.allows(subject, each, resource_of(head)) for each in reading(head)
        ):
            raise NotFound
        grant = self.access.grant(subject, Action.SETTLE, resource_of(head))
        mailing = read_mailing(self.journal.table, head.id, head.revision)
        if mailing is None:
            raise NotFound
        if mailing.counts is None:
            raise IllegalTransition(state=head.state.value)
        if resend and self.channel.is_frozen():
            raise Conflict("email_frozen")
        unknown = mailing.in_state(RecipientState.UNKNOWN)
        after = RecipientState.PENDING if resend else RecipientState.ABANDONED
        changes = [(each, replace(each, state=after)) for each in unknown[:AT_ONCE]]
        if changes:
            self._commit(
                head,
                mailing.revision,
                changes,
                actor=person.id,
                policy=grant.policy,
                correlation_id=correlation_id,
            )
        return len(changes), len(unknown) - len(changes)

    def _tell(
        self, mailing: Mailing, before: Recipient, after: Recipient, *, also: Sequence[Put] = ()
    ) -> None:
        """Record what has become of a recipient of a closed mailing, with its event."""

        def step() -> None:
            head = self.journal.head(mailing.submission)
            self._commit(head, mailing.revision, [(before, after)], also=also)

        again_when_stale(step)

    def _commit(
        self,
        head: Submission,
        revision: int,
        changes: list[tuple[Recipient, Recipient]],
        *,
        also: Sequence[Put] = (),
        actor: str = ACTOR,
        policy: PolicyReference | None = None,
        correlation_id: str | None = None,
    ) -> None:
        draft = Draft(
            type="RecipientsChanged",
            cause=Cause(actor=actor, policy=policy, correlation_id=correlation_id or head.correlation_id),
            payload={
                "revision": revision,
                "channel": Channel.EMAIL,
                "changes": [
                    {"person": after.person, "before": _told(before), "after": after.state}
                    for before, after in changes
                ],
            },
        )
        puts = [self.channel.put(head.id, revision, before, after) for before, after in changes]
        self.journal.commit(head, head, [draft], [*puts, *also])


_WITH_REASON = frozenset({RecipientState.BOUNCED, RecipientState.COMPLAINED, RecipientState.REFUSED})


def _told(recipient: Recipient) -> RecipientState:
    """The state that the ledger knows: a claim is told to nobody."""
    sending = recipient.state is RecipientState.SENDING
    return RecipientState.PENDING if sending else recipient.state
