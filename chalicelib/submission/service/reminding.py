"""Reminding those who may confirm an amended text, for as long as nobody does (clause 2.1.3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core.calendar import Calendar
from chalicelib.ledger.model import Cause, Draft
from chalicelib.submission.model import State, Submission
from chalicelib.submission.service.journal import Journal

ACTOR = "service:submission"
PAUSE = timedelta(hours=16)
"""The working time, two days of it, after which people are reminded, again and again."""


@dataclass(frozen=True, kw_only=True)
class ConfirmationReminders:
    """`scale` shortens the pause, as it does the machines' waits."""

    journal: Journal
    calendar: Calendar
    scale: float

    def remind(self, head: Submission) -> None:
        """Record that a reminder is due, which the notices then mail; nothing where none is. A repeat changes nothing.

        Raises Stale when something has just happened to the submission: then none is due.
        """
        if head.state is not State.AWAITING_CONFIRMATION or self.overdue(head) < timedelta(0):
            return
        draft = Draft(
            type="ConfirmationReminded",
            cause=Cause(actor=ACTOR, correlation_id=head.correlation_id),
            payload={"revision": head.revision},
        )
        self.journal.commit(head, head, [draft])

    def overdue(self, head: Submission) -> timedelta:
        """By how much the next reminder is late; below zero until it is due."""
        return self.journal.now() - self._due(head.updated_at)

    def _due(self, since: datetime) -> datetime:
        return since + (self.calendar.after(since, PAUSE) - since) / self.scale
