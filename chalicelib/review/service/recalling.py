"""Taking a decision back, for a short time, as long as nothing has followed from it (clause 3.3.4)."""

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.access.model import Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.clock import to_text
from chalicelib.core.errors import Conflict, NotFound
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Found, Write
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person
from chalicelib.people.store import unchanged
from chalicelib.review.model import Decision, Opinion, ReviewLink, ReviewTask
from chalicelib.review.service.asking import Asking
from chalicelib.review.service.links import Links, ensure_current
from chalicelib.review.service.posts import head_and_round
from chalicelib.review.store import put_open_task, put_reopened_task
from chalicelib.submission.model import State, Submission
from chalicelib.submission.service import Journal, Procedures


@dataclass(frozen=True, kw_only=True)
class Recalling:
    """Taking a decision back. `scale` shortens the time for it, as it shortens every wait."""

    journal: Journal
    access: AccessControl
    asking: Asking
    links: Links
    procedures: Procedures
    scale: float

    def until(self, task: ReviewTask, opinion: Opinion) -> datetime:
        """Until when, in UTC, an opinion may be taken back, if nothing follows from it before."""
        return opinion.at + self.procedures.version(task.procedure).recall / self.scale

    def recall(self, person: Person, handle: str, found: Found, *, correlation_id: str) -> Submission:
        """Take the person's own decision back: its stage waits again, for all whom it asks.

        Raises NotFound as opening a link does, or without a decision; Conflict `too_late_to_recall` when its time is
        over or something has followed from it; NotPermitted by policy.
        """
        link = self.links.own(person, handle, found)
        return again_when_stale(lambda: self._recalled(person, link, correlation_id))

    def _recalled(self, person: Person, link: ReviewLink, correlation_id: str) -> Submission:
        head, tasks, _ = head_and_round(self.journal.table, self.procedures, link.submission, link.revision)
        task = next((each for each in tasks if each.stage == link.stage), None)
        opinion = None if task is None else task.opinion_of(person.id)
        if head is None or task is None or opinion is None:
            raise NotFound
        ensure_current(head, task, link)
        is_over = self.journal.now() > self.until(task, opinion)
        if is_over or not self._is_last_word(head, task, opinion, tasks):
            raise Conflict("too_late_to_recall")
        post = self.asking.post(head, self.procedures.version(task.procedure)[task.stage], task)
        grant = self.access.grant(subject_of(person, post.now), Action.REVIEW, post.resource)
        left = tuple(each for each in task.opinions if each is not opinion)
        waits_again = replace(task, opinions=left)
        after = head
        if task.is_closed:
            attempt = head.attempt + 1
            after = replace(
                head,
                state=State.IN_REVIEW,
                stage=task.stage,
                attempt=attempt,
                first_attempt=attempt,
                due_at=None,
                reason=None,
            )
        draft = Draft(
            type="DecisionRecalled",
            cause=Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id),
            payload={
                "revision": task.revision,
                "attempt": after.attempt,
                "stage": task.stage,
                "decision": opinion.decision,
                "decided_at": to_text(opinion.at),
                **waits_again.told_as_asked,
            },
        )
        put_task = put_reopened_task if task.is_closed else put_open_task
        rests_on = {each.id: each for each in (person, *post.named)}.values()
        also: list[Write] = [
            put_task(waits_again),
            *map(unchanged, rests_on),
        ]
        return self.journal.commit(head, after, [draft], also)

    def _is_last_word(
        self, head: Submission, task: ReviewTask, opinion: Opinion, tasks: tuple[ReviewTask, ...]
    ) -> bool:
        """Whether nothing has followed from the opinion: no stage has opened, nothing was handed in or published."""
        if head.revision != task.revision:
            return False
        if not task.is_closed:
            return head.state is State.IN_REVIEW and head.stage == task.stage
        if opinion.decision is Decision.REQUEST_CHANGES:
            return head.state is State.CHANGES_REQUESTED
        if opinion.decision is Decision.REJECT:
            return head.state is State.REJECTED
        following = self.procedures.of(head).following(task.stage)
        if following is None:
            return head.state is State.SCHEDULED
        opened = any(each.stage == following for each in tasks)
        return head.state is State.IN_REVIEW and head.stage == following and not opened
