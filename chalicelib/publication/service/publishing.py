"""Publishing as the state machine drives it: the last check, and a new beginning (clauses 3.4.1, 3.4.2)."""

from collections.abc import Mapping
from contextlib import suppress
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
from chalicelib.publication.model import UNFINISHED, Adapter, Delivery, DeliveryState, awaits_person, fault_of
from chalicelib.publication.service.delivering import ACTOR, SERVED, TRIED_IN_VAIN, Delivering, is_turn
from chalicelib.publication.store import FREEZES_KEY, deliveries_of, put_new_delivery, read_freezes
from chalicelib.review.model import approved_stages
from chalicelib.review.service.posts import head_and_round
from chalicelib.submission.form import ChannelRules
from chalicelib.submission.model import Channel, Reason, State, Submission
from chalicelib.submission.service import Journal, Procedures, patience, resource_of
from chalicelib.submission.store import read_revision, revision_key

MOST_RESTARTS = 8
"""How often publishing is begun again, about two days long, before a person is asked about what is left."""


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """The publication machine's eyes.

    `grace` is how long a step may be under way before the sweeper repeats it, `promptness` how long what is due may
    take to begin: together with the sweeper's rate less than five minutes, so that nothing due stays unstarted longer.
    """

    journal: Journal
    access: AccessControl
    rules: ChannelRules
    procedures: Procedures
    delivering: Delivering
    adapters: Mapping[Channel, Adapter]
    shelf: Shelf
    max_lateness: timedelta
    grace: timedelta
    promptness: timedelta

    def last_check(self, work: Mapping[str, Any]) -> dict[str, Any]:
        """Check everything once more, claim the publication, and answer the channels that are to deliver now.

        The list is empty when it is not this attempt's turn: withdrawn, stopped, or done. What is frozen is not in it.
        Raises TooEarly before the due instant, and ChannelsFrozen when every channel that is left is frozen.
        """
        doubts = iter([True])
        return again_when_stale(lambda: self._last_check(work, doubt=next(doubts, False)))

    def repair(self, head: Submission, freezes: Freezes) -> None:
        """Begin the machine again for what stands still and could go on."""
        if not self._is_overdue(head):
            self.release(head, freezes)
            return
        left, frozen_too = self._left(head), head.state is not State.RETRACTED
        if left and frozen_too and freezes.stop(left, self.journal.now()):
            return
        if head.state is State.PUBLISHING and not left and awaits_person(self._states(head)):
            return
        if head.state in SERVED and head.restarts >= MOST_RESTARTS:
            now = self.journal.now()
            for delivery in self._unfinished(head):
                if freezes.over(delivery.channel, now):
                    continue
                self.delivering.park(head, delivery, TRIED_IN_VAIN)
                head = self.journal.head(head.id)
        self.journal.restart(head, ACTOR)

    def hurry(self, submission: str, revision: int, channel: Channel) -> None:
        """Begin the machine again at once, as the channel has told that there is something to find out.

        It is let be while another channel is being served, or the call is being made: who is at it asks by itself.
        """
        head = self.journal.head(submission)
        if head.state not in SERVED or head.revision != revision:
            return
        left = [(each.channel, each.state) for each in self._unfinished(head)]
        if left == [(channel, DeliveryState.UNKNOWN)]:
            with suppress(Stale):  # something has happened to it just now
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
        if is_turn(head, work):
            left = self._left(head)
            taken_back = head.state is State.RETRACTED  # which no freeze holds up
            return following | {"channels": list(left) if taken_back else _free(left, freezes, now)}
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
        after = replace(head, state=State.PUBLISHING, first_attempt=head.attempt)
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

    def _is_overdue(self, head: Submission) -> bool:
        """Whether it stands still for longer than any step takes."""
        now = self.journal.now()
        if head.state is State.SCHEDULED:
            due = head.due_at is not None and head.due_at + self.promptness < now
            return due and head.updated_at + patience(self.promptness, head) < now
        due = head.state in {State.PUBLISHING, State.PUBLISHED} or bool(head.again)
        return due and head.updated_at + patience(self.grace, head) < now

    def _left(self, head: Submission) -> tuple[Channel, ...]:
        """The channels that are still to be delivered to; those that cannot be served only while there is no other."""
        if head.state is State.SCHEDULED:
            return concerned(head, self.adapters)
        if head.state is State.RETRACTED:
            return head.again
        if head.state not in SERVED:
            return ()
        return tuple(each.channel for each in self._unfinished(head))

    def _states(self, head: Submission) -> set[DeliveryState]:
        return {each.state for each in deliveries_of(self.journal.table, head.id, head.revision)}

    def _unfinished(self, head: Submission) -> tuple[Delivery, ...]:
        deliveries = deliveries_of(self.journal.table, head.id, head.revision)
        return tuple(each for each in deliveries if each.state in UNFINISHED)


def _free(left: tuple[Channel, ...], freezes: Freezes, now: datetime) -> list[Channel]:
    """Those of the channels that are not frozen. Raises ChannelsFrozen when all are."""
    free = [channel for channel in left if not freezes.over(channel, now)]
    if left and not free:
        raise ChannelsFrozen
    return free
