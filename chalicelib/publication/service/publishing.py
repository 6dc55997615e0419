"""Publishing as the state machine drives it: the last check, and one delivery per channel (clauses 3.4.1, 3.4.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.access.model import Action, service_subject
from chalicelib.access.service import AccessControl
from chalicelib.attachment.service import Shelf
from chalicelib.core import metrics
from chalicelib.core.errors import ChannelsFrozen, NotPermitted, Stale, TooEarly
from chalicelib.core.retry import again_when_stale
from chalicelib.ledger.model import Cause, Draft, PolicyReference
from chalicelib.publication.freeze import Freezes, concerned, held_back
from chalicelib.publication.model import UNFINISHED, Adapter, Delivery, DeliveryState, fault_of
from chalicelib.publication.store import (
    FREEZES_KEY,
    deliveries_of,
    delivery_key,
    put_delivery,
    put_new_delivery,
    read_delivery,
    read_freezes,
)
from chalicelib.review.model import approved_stages
from chalicelib.review.service.posts import head_and_round
from chalicelib.submission.form import ChannelRules
from chalicelib.submission.model import Channel, Reason, Revision, State, Submission
from chalicelib.submission.service import Journal, Procedures, patience, resource_of
from chalicelib.submission.store import head_key, read_head, read_revision, revision_key

ACTOR = "service:publication"


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """The publication machine's hands. `grace` is how long a step may be under way before the sweeper repeats it."""

    journal: Journal
    access: AccessControl
    rules: ChannelRules
    procedures: Procedures
    adapters: Mapping[Channel, Adapter]
    shelf: Shelf
    max_lateness: timedelta
    grace: timedelta

    def last_check(self, work: Mapping[str, Any]) -> dict[str, Any]:
        """Check everything once more, claim the publication, and answer the channels that are to deliver now.

        The list is empty when it is not this attempt's turn: withdrawn, stopped, or done. What is frozen is not in it.
        Raises TooEarly before the due instant, and ChannelsFrozen when every channel that is left is frozen.
        """
        doubts = iter([True])
        return again_when_stale(lambda: self._last_check(work, doubt=next(doubts, False)))

    def deliver(self, work: Mapping[str, Any]) -> None:
        """Deliver to one channel: claim, deliver, confirm. Does nothing when it is done or not its turn.

        What is frozen is read again after the claim was written: no delivery begins after a freeze was committed
        (clause 5.1.2). Raises ChannelsFrozen during a freeze.
        """
        begun = self._claim(work)
        if begun is None:
            return
        head, text, claimed = begun
        receipt = self.adapters[claimed.channel].deliver(head, text, claimed)
        done = replace(claimed, state=DeliveryState.DONE, receipt=receipt)
        again_when_stale(lambda: self._confirm(done, work))

    def repair(self, head: Submission, freezes: Freezes) -> None:
        """Begin the machine again for what stands still and could go on."""
        if not self._is_overdue(head):
            self.release(head, freezes)
            return
        left = self._left(head)
        if not left or not freezes.stop(left, self.journal.now()):
            self.journal.restart(head, ACTOR)

    def release(self, head: Submission, freezes: Freezes) -> None:
        """Begin the machine again for what was held back by a freeze that has ended, without any patience."""
        now = self.journal.now()
        if not held_back(head, head.channels, freezes, now):
            return  # without a look at its deliveries
        left = self._left(head)
        if held_back(head, left, freezes, now) and not freezes.stop(left, now):
            self.journal.restart(head, ACTOR)

    def overdue(self, head: Submission) -> timedelta:
        """By how much it should have been published, or gone on, before now."""
        scheduled = head.state is State.SCHEDULED and head.due_at is not None
        return self.journal.now() - (head.due_at if scheduled and head.due_at else head.updated_at)

    def _last_check(self, work: Mapping[str, Any], *, doubt: bool) -> dict[str, Any]:
        submission, revision = work["submission"], work["revision"]
        where = revision_key(submission, revision)
        head, tasks, found = head_and_round(
            self.journal.table, self.procedures, submission, revision, where, FREEZES_KEY
        )
        revision_record = found.get(where)
        following = {
            "submission": submission,
            "revision": revision,
            "attempt": work["attempt"],
            "correlation_id": work.get("correlation_id"),
        }
        if head is None or revision_record is None:
            return following | {"channels": []}
        freezes, now = read_freezes(found.get(FREEZES_KEY)), self.journal.now()
        if _is_turn(head, work):
            return following | {"channels": _free(self._left(head), freezes, now)}
        if not head.is_at(State.SCHEDULED, revision=revision, attempt=work["attempt"]):
            return following | {"channels": []}
        if head.due_at is None or now < head.due_at:
            raise TooEarly
        free = _free(self._left(head), freezes, now)
        required, approved = self.procedures.of(head).ids, approved_stages(tasks, head.content_digest)
        forbidden = [c for c in head.channels if not self.rules.allows(head.classification, c)]
        text = read_revision(revision_record)
        fault = fault_of(head, text, required=required, approved=approved, forbidden=forbidden)
        if fault is None and not self.shelf.all_there(submission, text.attachments):
            fault = Reason.CONTENT_CHANGED
        if fault is Reason.APPROVAL_MISSING and doubt:
            raise Stale  # a batch read is no snapshot: believe it when it is so twice
        if fault is None and now - head.due_at > self.max_lateness:
            fault = Reason.TOO_LATE
        policy = self._permission(head, required, approved)
        if fault is not None or policy is None:
            self._ask_person(head, fault or Reason.NOT_PERMITTED)
            return following | {"channels": []}
        self._begin(head, policy)
        return following | {"channels": [channel for channel in free if channel in self.adapters]}

    def _permission(
        self, head: Submission, required: tuple[str, ...], approved: tuple[str, ...]
    ) -> PolicyReference | None:
        resource = replace(resource_of(head), required_stages=required, approved_stages=approved)
        try:
            return self.access.grant(service_subject("publication"), Action.PUBLISH, resource).policy
        except NotPermitted:
            return None

    def _begin(self, head: Submission, policy: PolicyReference) -> None:
        now = self.journal.now()
        deliveries = [
            Delivery(
                submission=head.id,
                revision=head.revision,
                channel=channel,
                state=DeliveryState.PENDING
                if channel in self.adapters
                else DeliveryState.WAITING_FOR_ADAPTER,
                started_at=now,
            )
            for channel in head.channels
        ]
        draft = Draft(
            type="PublishingStarted",
            cause=Cause(actor=ACTOR, policy=policy, correlation_id=head.correlation_id),
            payload={
                "revision": head.revision,
                "content_digest": head.content_digest,
                "channels": {delivery.channel.value: delivery.state.value for delivery in deliveries},
            },
        )
        after = replace(head, state=State.PUBLISHING)
        self.journal.commit(head, after, [draft], [put_new_delivery(delivery) for delivery in deliveries])
        metrics.emit({metrics.PUBLISH_LATE_SECONDS: (now - (head.due_at or now)).total_seconds()})
        for delivery in deliveries:
            metrics.count(metrics.DELIVERIES, delivery.channel, delivery.state)

    def _ask_person(self, head: Submission, reason: Reason) -> None:
        draft = Draft(
            type="PersonNeeded",
            cause=Cause(actor=ACTOR, correlation_id=head.correlation_id),
            payload={"revision": head.revision, "stage": None, "reason": reason},
        )
        self.journal.commit(head, replace(head, state=State.NEEDS_PERSON, reason=reason), [draft])

    def _confirm(self, done: Delivery, work: Mapping[str, Any]) -> None:
        """Write the confirmation with its event; another channel's may come in between, a later attempt's ends it."""
        where = delivery_key(done.submission, done.revision, done.channel)
        found = self.journal.table.batch(head_key(done.submission), where)
        head_record, record = found.get(head_key(done.submission)), found.get(where)
        if head_record is None or record is None:
            return
        head = read_head(head_record)
        if read_delivery(record).state is DeliveryState.DONE or not _is_turn(head, work):
            return
        draft = Draft(
            type="Delivered",
            cause=Cause(actor=ACTOR, correlation_id=head.correlation_id),
            payload={
                "revision": done.revision,
                "channel": done.channel,
                "state": done.state,
                "receipt": dict(done.receipt or {}),
            },
        )
        self.journal.commit(head, head, [draft], [put_delivery(done)])
        metrics.count(metrics.DELIVERIES, done.channel, done.state)
        took = self.journal.now() - done.started_at
        metrics.emit({metrics.DELIVERY_SECONDS: took.total_seconds()}, done.channel)

    def _claim(self, work: Mapping[str, Any]) -> tuple[Submission, Revision, Delivery] | None:
        """Claim a delivery, and answer what is to be delivered; None when there is nothing to do."""
        channel = Channel(work["channel"])
        where = delivery_key(work["submission"], work["revision"], channel)
        found = self.journal.table.batch(head_key(work["submission"]), where, FREEZES_KEY)
        head_record, record = found.get(head_key(work["submission"])), found.get(where)
        if head_record is None or record is None:
            return None
        head, delivery = read_head(head_record), read_delivery(record)
        if delivery.state is DeliveryState.DONE or not _is_turn(head, work):
            return None
        read_freezes(found.get(FREEZES_KEY)).ensure_free(channel, self.journal.now())
        claimed = replace(delivery, state=DeliveryState.CLAIMED, fence=work["attempt"])
        self.journal.table.put(put_delivery(claimed))
        text = revision_key(work["submission"], work["revision"])
        found = self.journal.table.batch(text, FREEZES_KEY)
        read_freezes(found.get(FREEZES_KEY)).ensure_free(channel, self.journal.now())
        revision_record = found.get(text)
        return None if revision_record is None else (head, read_revision(revision_record), claimed)

    def _is_overdue(self, head: Submission) -> bool:
        """Whether it stands still for longer than any step takes."""
        now, grace = self.journal.now(), patience(self.grace, head)
        if head.state is State.SCHEDULED:
            due = head.due_at is not None and head.due_at + self.grace < now
        else:
            due = head.state in {State.PUBLISHING, State.PUBLISHED}
        return due and head.updated_at + grace < now

    def _left(self, head: Submission) -> tuple[Channel, ...]:
        """The channels that are still to be delivered to; those that cannot be served only while there is no other."""
        if head.state is State.SCHEDULED:
            return concerned(head, self.adapters)
        if head.state is not State.PUBLISHING:
            return ()
        deliveries = deliveries_of(self.journal.table, head.id, head.revision)
        return tuple(each.channel for each in deliveries if each.state in UNFINISHED)


def _free(left: tuple[Channel, ...], freezes: Freezes, now: datetime) -> list[Channel]:
    """Those of the channels that are not frozen. Raises ChannelsFrozen when all are."""
    free = [channel for channel in left if not freezes.over(channel, now)]
    if left and not free:
        raise ChannelsFrozen
    return free


def _is_turn(head: Submission, work: Mapping[str, Any]) -> bool:
    return head.is_at(State.PUBLISHING, revision=work["revision"], attempt=work["attempt"])
