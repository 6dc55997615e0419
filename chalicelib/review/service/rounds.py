"""A round of review as the state machine drives it: opening stages, mailing links, reminding, going on."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.core import metrics
from chalicelib.core.clock import to_text
from chalicelib.core.errors import Stale
from chalicelib.core.machines import Machine
from chalicelib.core.retry import again_when_stale
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Role
from chalicelib.people.store import PeopleStore
from chalicelib.review.deadlines import Case, Deadlines, Escalation
from chalicelib.review.model import ReviewTask, Waiting, due_stage, wait_for
from chalicelib.review.service.asking import Asking
from chalicelib.review.service.invitations import Invitations
from chalicelib.review.store import (
    put_new_task,
    put_open_task,
    put_waiting,
    read_task,
    read_waiting,
    task_key,
    waiting_key,
)
from chalicelib.submission.model import Reason, State, Submission, execution_name
from chalicelib.submission.procedure import Place, Post
from chalicelib.submission.service import Journal, Procedures, patience
from chalicelib.submission.store import head_key, read_head

ACTOR = "service:review"
_DIRECTOR = Post(role=Role.CENTER_DIRECTOR, of=Place.CENTER)
MOST_RESTARTS = 12
"""How often the sweeper begins a round's machine again before it asks a person: about five days' worth."""


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """The review machine's hands.

    `scale` shortens the machine's waits, `grace` is how long a step may be under way before the sweeper takes it for
    lost.
    """

    journal: Journal
    people: PeopleStore
    asking: Asking
    deadlines: Deadlines
    procedures: Procedures
    invitations: Invitations
    machine: Machine
    resume: Callable[[str, Mapping[str, Any]], None]
    scale: float
    grace: timedelta

    def start(self, event: Mapping[str, Any]) -> None:
        """Start the machine for a round that begins, or begins again; a repeat changes nothing."""
        payload = event["payload"]
        stage = payload["stage"]
        head, task = self._head_and_task(event["submission"], payload["revision"], stage)
        argument = wait_for(
            submission=event["submission"],
            revision=payload["revision"],
            attempt=payload["attempt"],
            stage=stage,
            timeout_seconds=self._until_next(head, stage, task),
            correlation_id=event["correlation_id"],
        )
        name = execution_name(event["submission"], payload["revision"], payload["attempt"])
        try:
            self.machine.start(name, argument)
        except Stale:
            return  # it has run and ended: this event came late

    def open_stage(self, work: Mapping[str, Any], token: str) -> None:
        """Open the stage that is due, mail its reviewers their links, and note who waits for the decision.

        The token is stored before the submission is read: a decision made meanwhile is seen by one of the two.
        """
        waiting = Waiting(
            submission=work["submission"],
            revision=work["revision"],
            stage=work["stage"],
            attempt=work["attempt"],
            token=token,
        )
        try:
            self.journal.table.put(put_waiting(waiting))
        except Stale:
            return self._go_on(waiting)
        head, task = again_when_stale(lambda: self._opened(waiting))
        if task is None or task.is_closed:
            return self._go_on(waiting)
        self.invitations.mail(head, task)
        return None

    def go_on(self, submission: str) -> None:
        """Wake the machine when the stage it waits for is due no more; a repeat changes nothing."""
        record = self.journal.table.get(waiting_key(submission))
        if record is not None:
            self._go_on(read_waiting(record))

    def call_in(self, submission: str) -> None:
        """Let the machine that waits for the stage that is due mail whoever is asked and was not mailed yet.

        A repeat changes nothing.
        """
        record = self.journal.table.get(waiting_key(submission))
        if record is None:
            return
        waiting = read_waiting(record)
        head, task = self._head_and_task(submission, waiting.revision, waiting.stage)
        stage = due_stage(head, revision=waiting.revision, attempt=waiting.attempt)
        if stage != waiting.stage or task is None or not set(task.waits_for) - task.mailed:
            return
        again = wait_for(
            submission=head.id,
            revision=waiting.revision,
            attempt=waiting.attempt,
            stage=stage,
            timeout_seconds=self._until_next(head, stage, task),
            correlation_id=head.correlation_id,
            reminded=task.reminded if task.reminded_in == waiting.attempt else 0,
        )
        with suppress(Stale):  # it waits no more: the next step mails them, or the sweeper begins it again
            self.resume(waiting.token, again)

    def remind(self, work: Mapping[str, Any]) -> dict[str, Any]:
        """Take the next step about a stage that nobody has decided; answers what is waited for.

        Whoever may decide it now is mailed again; once its deadline has passed, others are told, too. A repeat changes
        nothing: `reminded` counts the steps within an attempt.
        """

        def step() -> dict[str, Any]:
            head, task = self._head_and_task(work["submission"], work["revision"], work["stage"])
            stage = due_stage(head, revision=work["revision"], attempt=work["attempt"])
            following = {
                "submission": head.id,
                "revision": work["revision"],
                "attempt": work["attempt"],
                "correlation_id": work.get("correlation_id"),
            }
            if stage is None or task is None or task.is_closed:
                return wait_for(**following, stage=stage, timeout_seconds=self._until_next(head, stage))
            reminded = task.reminded if task.reminded_in == work["attempt"] else 0
            if reminded <= work["reminded"]:
                asked = self.asking.asked(head, self.procedures.of(head)[stage], task)
                if asked is None:
                    self._ask_person(head, Reason.NO_REVIEWER)
                    return wait_for(**following, stage=None, timeout_seconds=0)
                task = self._stepped(
                    head,
                    replace(
                        task,
                        reviewers=asked.reviewers,
                        needed=asked.needed,
                        raised=asked.raised,
                        mailed=frozenset(opinion.reviewer for opinion in task.opinions),
                        reminded=reminded + 1,
                        reminded_in=work["attempt"],
                    ),
                )
            return wait_for(
                **following,
                stage=stage,
                timeout_seconds=self._until_next(head, stage, task),
                reminded=task.reminded,
            )

        return again_when_stale(step)

    def _stepped(self, head: Submission, task: ReviewTask) -> ReviewTask:
        """Record the step that is due: a reminder, or that the deadline was missed and who is told of it."""
        now, case = self.journal.now(), Case.of(head, task.stage)
        due, following = (self.deadlines.step(number, case) for number in (task.steps, task.steps + 1))
        said: dict[str, Any] = {
            "revision": task.revision,
            "stage": task.stage,
            "deadline": to_text(task.deadline),
            **task.told_as_asked,
        }
        after = replace(task, steps=task.steps + 1, next_at=self._later(now, following.pause))
        if due.to is not None:
            told = self._to_be_told(head, task, due.to)
            renewed = self.deadlines.after(max(now, task.deadline), following.pause)
            after = replace(after, deadline=renewed, told=task.told | set(told))
            said |= {
                "missed": to_text(task.deadline),
                "deadline": to_text(after.deadline),
                "to": due.to,
                "told": told,
            }
        draft = Draft(type="ReviewOverdue" if due.to else "ReviewReminded", cause=_cause(head), payload=said)
        self.journal.commit(head, head, [draft], [put_open_task(after)])
        metrics.count(metrics.STAGE_OVERDUE if due.to else metrics.STAGE_REMINDED, task.stage)
        if due.to is Escalation.OPERATIONS:
            metrics.count(metrics.STAGE_UNANSWERED, task.stage)
        return after

    def _to_be_told(self, head: Submission, task: ReviewTask, to: Escalation) -> list[str]:
        """Who holds that duty now, is no reviewer, and was not told before."""
        superior = self.procedures.of(head)[task.stage].superior
        post = superior if to is Escalation.SUPERIOR else _DIRECTOR
        if post is None or to is Escalation.OPERATIONS:
            return []
        now, (role, place) = self.journal.now(), post.duty(head.department)
        department = self.people.departments((place,)).get(place)
        holders = self.people.persons(department.duty_holders if department else ())
        told = {person.id for person in holders if person.holds(role, place, now)}
        return sorted(told - task.told - set(task.reviewers))

    def repair(self, head: Submission) -> None:
        """Begin the machine again where a round stands still although nobody is waited for, or nobody was told.

        After so many times in vain a person is asked: mail that never goes out must not hide in a log.
        """
        if head.stage is None or not self._stands_still(head):
            return
        if head.restarts < MOST_RESTARTS:
            self.journal.restart(head, ACTOR)
        else:
            self._ask_person(head, Reason.REVIEW_STUCK)

    def overdue(self, head: Submission) -> timedelta:
        """By how much nothing has happened to a review for longer than anything takes."""
        if head.stage is None:
            return timedelta(0)
        longest = self.deadlines.longest_pause(Case.of(head, head.stage))
        return self.journal.now() - self._later(head.updated_at, longest)

    def _stands_still(self, head: Submission) -> bool:
        idle = self.journal.now() - head.updated_at
        grace = patience(self.grace, head)
        if head.stage is None or idle < grace:
            return False
        found = self.journal.table.batch(task_key(head.id, head.revision, head.stage), waiting_key(head.id))
        task_record = found.get(task_key(head.id, head.revision, head.stage))
        waiting_record = found.get(waiting_key(head.id))
        if task_record is None or waiting_record is None:
            return idle >= grace + self.procedures.of(head).recall / self.scale
        task, waiting = read_task(task_record), read_waiting(waiting_record)
        waited_for = (waiting.revision, waiting.stage, waiting.attempt)
        return (
            waited_for != (head.revision, head.stage, head.attempt)
            or not task.mailed
            or self.journal.now() > task.next_at + grace
        )

    def _opened(self, waiting: Waiting) -> tuple[Submission, ReviewTask | None]:
        """The submission, and the task of the stage that is due, opened if need be; None when it is due no more."""
        head, task = self._head_and_task(waiting.submission, waiting.revision, waiting.stage)
        stage = due_stage(head, revision=waiting.revision, attempt=waiting.attempt)
        if stage is None or stage != waiting.stage:
            return head, None
        if task is not None:
            return head, task
        procedure = self.procedures.of(head)
        asked = self.asking.asked(head, procedure[stage])
        if asked is None:
            return self._ask_person(head, Reason.NO_REVIEWER), None
        now, case = self.journal.now(), Case.of(head, stage)
        task = ReviewTask(
            submission=head.id,
            revision=head.revision,
            stage=stage,
            place=procedure.place(stage),
            procedure=procedure.version,
            content_digest=head.content_digest,
            opened_at=now,
            deadline=self.deadlines.deadline(case, start=now),
            next_at=self._later(now, self.deadlines.step(0, case).pause),
            reviewers=asked.reviewers,
            needed=asked.needed,
            raised=asked.raised,
        )
        draft = Draft(
            type="TaskOpened",
            cause=_cause(head),
            payload={
                "revision": task.revision,
                "stage": task.stage,
                "deadline": to_text(task.deadline),
                "reviewers": list(task.reviewers),
                "needed": task.needed,
                **({"raised": True} if task.raised else {}),
            },
        )
        head = self.journal.commit(head, head, [draft], [put_new_task(task)])
        metrics.count(metrics.STAGE_OPENED, stage)
        return head, task

    def _ask_person(self, head: Submission, reason: Reason) -> Submission:
        draft = Draft(
            type="PersonNeeded",
            cause=_cause(head),
            payload={"revision": head.revision, "stage": head.stage, "reason": reason},
        )
        return self.journal.commit(
            head, replace(head, state=State.NEEDS_PERSON, stage=None, reason=reason), [draft]
        )

    def _head_and_task(
        self, submission: str, revision: int, stage: str
    ) -> tuple[Submission, ReviewTask | None]:
        where = task_key(submission, revision, stage)
        found = self.journal.table.batch(head_key(submission), where)
        head, task = found.get(head_key(submission)), found.get(where)
        if head is None:
            raise Stale
        return read_head(head), None if task is None else read_task(task)

    def _go_on(self, waiting: Waiting) -> None:
        head = self.journal.head(waiting.submission)
        stage = due_stage(head, revision=waiting.revision, attempt=waiting.attempt)
        if stage == waiting.stage:
            return
        following = wait_for(
            submission=head.id,
            revision=waiting.revision,
            attempt=waiting.attempt,
            stage=stage,
            timeout_seconds=self._until_next(head, stage),
            correlation_id=head.correlation_id,
            hold_seconds=0 if stage is None else self._hold(head),
        )
        try:
            self.resume(waiting.token, following)
        except Stale:
            return  # it waits no more: it went on before, or the sweeper begins it again

    def _hold(self, head: Submission) -> int:
        """For how many seconds the decision before can still be taken back; the machine scales them itself."""
        recall = self.procedures.of(head).recall
        left = recall - (self.journal.now() - head.updated_at) * self.scale
        return max(0, math.ceil(left.total_seconds())) if recall else 0

    def _later(self, start: datetime, pause: timedelta) -> datetime:
        """When so much working time has passed, in scaled time."""
        return start + (self.deadlines.after(start, pause) - start) / self.scale

    def _until_next(self, head: Submission, stage: str | None, task: ReviewTask | None = None) -> int:
        """How many seconds the machine waits for a decision before it takes the next step; it scales them itself.

        A stage that is not open yet opens now. What is overdue is done at once, and the step after it in its time.
        """
        if stage is None:
            return 0
        now = self.journal.now()
        due = (
            self._later(now, self.deadlines.step(0, Case.of(head, stage)).pause)
            if task is None
            else task.next_at
        )
        waits = (due - now) * self.scale
        return max(1, math.ceil(waits.total_seconds()))


def _cause(head: Submission) -> Cause:
    return Cause(actor=ACTOR, correlation_id=head.correlation_id)
