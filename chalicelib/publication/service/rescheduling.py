"""Moving the publish time of what is scheduled, or letting it be published now (clause 3.4.1).

The form that was approved stays as it is, its digest too: the new time is an event, and in the head. The attempt is the
fence: a wake-up for the time before finds another attempt and does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.access.model import Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.errors import Conflict, IllegalTransition, InvalidInput
from chalicelib.core.retry import again_when_stale
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person
from chalicelib.people.store import unchanged
from chalicelib.submission.form import time_faults
from chalicelib.submission.model import State, Submission
from chalicelib.submission.service import Journal, Procedures, SubmissionDesk, resource_of

NOW = "now"
"""What a publish time may say instead of an instant."""


@dataclass(frozen=True, kw_only=True)
class Rescheduling:
    """Moves publish times. `scale` shortens every wait."""

    journal: Journal
    access: AccessControl
    desk: SubmissionDesk
    procedures: Procedures
    scale: float

    def reschedule(
        self, person: Person, submission: str, said: Mapping[str, Any], *, correlation_id: str
    ) -> Submission:
        """Move the time to another, by a body that `schemas/reschedule.json` accepts; the same time changes nothing.

        Raises NotFound where policy forbids even to know of it, NotPermitted, InvalidInput as the form would be told,
        IllegalTransition unless it is scheduled, and Conflict `rescheduled_meanwhile` when the time is not the one that
        was seen.
        """
        return again_when_stale(lambda: self._rescheduled(person, submission, said, correlation_id))

    def _rescheduled(
        self, person: Person, submission: str, said: Mapping[str, Any], correlation_id: str
    ) -> Submission:
        head, now = self.desk.seen(person, submission), self.journal.now()
        grant = self.access.grant(subject_of(person, now), Action.RESCHEDULE, resource_of(head))
        if head.state is not State.SCHEDULED:
            raise IllegalTransition(state=head.state.value)
        after = self._at(head, said, now)
        if after is head:
            return head
        if said.get("seen") and from_text(said["seen"]) != head.publish_at:
            raise Conflict("rescheduled_meanwhile")
        draft = Draft(
            type="Rescheduled",
            cause=Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id),
            payload={
                "revision": after.revision,
                "attempt": after.attempt,
                "from": to_text(head.publish_at),
                "to": to_text(after.publish_at),
                "time_zone": after.time_zone,
                "due_at": to_text(after.due_at or after.publish_at),
                "reason": said["reason"],
                **self._waits_until(head, after, now),
            },
        )
        return self.journal.commit(head, after, [draft], [unchanged(person)])

    def _at(self, head: Submission, said: Mapping[str, Any], now: datetime) -> Submission:
        """The head with the new time; the very same when that is its time already. Raises InvalidInput."""
        if said["publish_at"] == NOW:
            if head.publish_at <= now:
                return head
            to, zone = from_text(to_text(now)), head.time_zone
        else:
            faults = tuple(time_faults(said, now))
            if faults:
                raise InvalidInput(faults)
            to, zone = from_text(to_text(from_text(said["publish_at"]))), said["time_zone"]
        if (to, zone) == (head.publish_at, head.time_zone):
            return head
        taken = tuple(self.desk.slots.faults(max(to, now), head.channels, head.importance, own=head.id))
        if taken:
            raise InvalidInput(taken)
        due_at = max(now + (to - now) / self.scale, self._settled(head))
        attempt = head.attempt + 1
        return replace(
            head, publish_at=to, time_zone=zone, due_at=due_at, attempt=attempt, first_attempt=attempt
        )

    def _settled(self, head: Submission) -> datetime:
        """From when on the last decision can certainly not be taken back any more."""
        return (head.begun_at or head.updated_at) + self.procedures.of(head).recall / self.scale

    def _waits_until(self, head: Submission, after: Submission, now: datetime) -> dict[str, str]:
        """When the machine is to wake, where the last decision may be taken back until after the time."""
        settled = self._settled(head)
        if settled <= now or after.due_at != settled:
            return {}
        return {"waits_until": to_text(now + (settled - now) * self.scale)}
