"""The mails that ask reviewers for their opinion: each with a link of its own, and no more than one reminder a day."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from chalicelib.core import messages
from chalicelib.core.errors import RecipientRefused, Stale
from chalicelib.core.events import report
from chalicelib.core.ids import fingerprint, new_id, new_secret
from chalicelib.core.letters import Block, Button, Points, letter
from chalicelib.core.mail import Mailer, Stamp
from chalicelib.people.model import Person
from chalicelib.people.store import PeopleStore
from chalicelib.review.deadlines import Case, Deadlines
from chalicelib.review.model import LINK_LIFE, DeskEntry, ReviewLink, ReviewTask
from chalicelib.review.service.desk import ReviewDesk
from chalicelib.review.store import lay_out, mark_mailed, put_reminder
from chalicelib.submission.model import Classification, Submission
from chalicelib.submission.service import Journal, Procedures

REMINDER = "reminder"
"""The mail before a deadline."""


@dataclass(frozen=True, kw_only=True)
class Invitations:
    """`base_url` is where links lead to, `zone` the one that deadlines are told in."""

    journal: Journal
    people: PeopleStore
    deadlines: Deadlines
    procedures: Procedures
    desk: ReviewDesk
    mailer: Mailer
    base_url: str
    zone: ZoneInfo

    def mail(self, head: Submission, task: ReviewTask) -> None:
        """Mail every reviewer who has not been; one mailbox that refuses holds back no other, nor the machine."""
        failures: list[Exception] = []
        unreachable: list[Exception] = []
        reached = len(task.mailed)
        for reviewer in self.people.persons(tuple(r for r in task.reviewers if r not in task.mailed)):
            try:
                self._ask(head, task, reviewer)
                mark_mailed(self.journal.table, task, reviewer.id)
                reached += 1
            except RecipientRefused as error:
                report(error, "review mail")
                unreachable.append(error)
            except Exception as error:  # noqa: BLE001 — whatever the carrier raises
                report(error, "review mail")
                failures.append(error)
        if not reached:
            failures += unreachable
        if failures:
            raise failures[0]

    def _ask(self, head: Submission, task: ReviewTask, reviewer: Person) -> None:
        """Lay the task on the reviewer's desk, whatever becomes of the mail, and send that, if one is due."""
        entry, now = DeskEntry.of(task, reviewer.id), self.journal.now()
        if not self._is_to_be_mailed(head, task, reviewer):
            lay_out(self.journal.table, entry, None, now)
            return
        handle = new_secret()
        link = ReviewLink(
            fingerprint=fingerprint(handle),
            reviewer=reviewer.id,
            submission=task.submission,
            revision=task.revision,
            stage=task.stage,
            content_digest=task.content_digest,
            expires_at=now + LINK_LIFE,
        )
        lay_out(self.journal.table, entry, link, now)
        self._send(head, task, reviewer, handle)

    def _is_to_be_mailed(self, head: Submission, task: ReviewTask, reviewer: Person) -> bool:
        """Whether a mail is due: nobody gets two reminders a day, for the first lists all that waits."""
        if self._code(head, task) != REMINDER:
            return True
        today = self.journal.now().astimezone(self.zone).date()
        try:
            self.journal.table.put(put_reminder(reviewer.id, today, task))
        except Stale:
            return False
        return True

    def _line(self, head: Submission, task: ReviewTask, language: str) -> str:
        """What waits, as a line of a reminder."""
        params = {
            "title": _title(head, language),
            "stage": self._stage(task, language),
            "deadline": self._when(task),
        }
        return messages.text("mail.waiting", language, params)

    def _send(self, head: Submission, task: ReviewTask, reviewer: Person, handle: str) -> None:
        params = {
            "name": reviewer.name,
            "title": _title(head, reviewer.language),
            "stage": self._stage(task, reviewer.language),
            "deadline": self._when(task),
        }
        blocks: dict[str, Block] = {"link": Button(label="review", address=f"{self.base_url}/r#{handle}")}
        code = self._code(head, task)
        if code == REMINDER:
            others = [row for row in self.desk.waiting(reviewer) if row.head.id != head.id]
            blocks |= _also_waiting([self._line(row.head, row.task, reviewer.language) for row in others])
        stamp = Stamp(id=new_id("m"), at=self.journal.now())  # another link is another mail
        self.mailer.send(letter(reviewer.email, code, reviewer.language, params, blocks, stamp=stamp))

    def _stage(self, task: ReviewTask, language: str) -> str:
        return self.procedures.version(task.procedure).name(task.stage, language)

    def _when(self, task: ReviewTask) -> str:
        return f"{task.deadline.astimezone(self.zone):%Y-%m-%d %H:%M} ({self.zone.key})"

    def _code(self, head: Submission, task: ReviewTask) -> str:
        """What the mail is: the first, a reminder, or that the deadline has passed."""
        if not task.steps:
            return "review"
        late = (
            task.deadline <= self.journal.now()
            or self.deadlines.step(task.steps - 1, Case.of(head, task.stage)).to
        )
        return "overdue" if late else REMINDER


def _also_waiting(lines: list[str]) -> dict[str, Block]:
    return {"waiting": Points(items=lines)} if lines else {}


def _title(head: Submission, language: str) -> str:
    hidden = head.classification is Classification.CONFIDENTIAL
    return messages.text("mail.confidential", language, {}) if hidden else head.title
