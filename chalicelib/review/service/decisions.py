"""What a reviewer does with a link: look, and decide once (clauses 3.2.3, 3.3.1 to 3.3.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.access.model import Action, Resource, review_action, service_subject, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core import logs, metrics
from chalicelib.core.clock import to_text
from chalicelib.core.errors import AlreadyDecided, Conflict, IllegalTransition, NotFound, NotPermitted, Stale
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Found, Key
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person
from chalicelib.people.store import unchanged
from chalicelib.review.checklists import Checklists
from chalicelib.review.differences import difference
from chalicelib.review.model import (
    Decision,
    Opinion,
    ReviewLink,
    ReviewTask,
    approved_stages,
    ensure_complete,
)
from chalicelib.review.store import (
    link_key,
    put_open_task,
    put_refusal,
    put_used_link,
    read_link,
    read_task,
    refusal_key,
    task_key,
    tasks_of,
)
from chalicelib.submission.model import STAGES, Reason, ReviewStage, Revision, State, Submission, stage_after
from chalicelib.submission.service import Journal, resource_of
from chalicelib.submission.store import head_key, read_head, read_revision, revision_key


@dataclass(frozen=True, kw_only=True)
class OpenedLink:
    """What a reviewer sees. `changes` compares with the revision before; `opinion` is there once it was decided.

    `before` is the revision that it is compared with, None for a first one.
    `revision` is None for a reviewer whose duty has ended since: only the recorded decision is still shown.
    """

    head: Submission
    task: ReviewTask
    revision: Revision | None
    changes: list[dict[str, Any]] | None
    before: Revision | None = None

    @property
    def opinion(self) -> Opinion | None:
        """The recorded opinion of the stage."""
        return self.task.opinion


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """Looking and deciding. `max_lateness` is how late an item may still be published without asking a person."""

    journal: Journal
    access: AccessControl
    checklists: Checklists
    scale: float
    max_lateness: timedelta

    @staticmethod
    def link_key(handle: str) -> Key[Any]:
        """Where a handle's link is, for whoever reads it together with the session."""
        return link_key(handle)

    def open(self, person: Person, handle: str, found: Found) -> OpenedLink:
        """Show what is to be reviewed; changes nothing.

        Raises NotFound alike for an unknown, expired, superseded or another person's handle, and NotPermitted when
        the reviewer's duty has ended before a decision.
        """
        link = self._own_link(person, handle, found)
        revision_keys = [revision_key(link.submission, link.revision)]
        if link.revision > 1:
            revision_keys.append(revision_key(link.submission, link.revision - 1))
        where = task_key(link.submission, link.revision, link.stage)
        found = self.journal.table.batch(head_key(link.submission), where, *revision_keys)
        head_record, task_record = found.get(head_key(link.submission)), found.get(where)
        revisions = [read_revision(record) for record in map(found.get, revision_keys) if record is not None]
        if head_record is None or task_record is None or not revisions:
            raise NotFound
        head, task = read_head(head_record), read_task(task_record)
        self._ensure_current(head, task, link)
        subject = subject_of(person, self.journal.now())
        if not self.access.allows(subject, review_action(link.stage), resource_of(head)):
            if task.opinion is None or task.opinion.reviewer != person.id:
                raise NotPermitted
            return OpenedLink(head=head, task=task, revision=None, changes=None)
        before = revisions[1] if len(revisions) > 1 else None
        changes = None if before is None else difference(before.form, revisions[0].form)
        return OpenedLink(head=head, task=task, revision=revisions[0], changes=changes, before=before)

    def history(self, opened: OpenedLink) -> tuple[ReviewTask, ...]:
        """The stages that were decided before the one that a reviewer sees, in every round, in their order."""
        seen = opened.task
        before = (seen.revision, STAGES.index(seen.stage))
        return tuple(
            task
            for task in tasks_of(self.journal.table, opened.head.id)
            if task.opinion is not None and (task.revision, STAGES.index(task.stage)) < before
        )

    def open_tasks(self, heads: Iterable[Submission]) -> dict[str, ReviewTask]:
        """With whom those submissions lie that wait for a decision, and until when: their open tasks, by submission.

        One call for up to a hundred. None is there for one whose stage has not been opened yet.
        """
        keys = {head.id: task_key(head.id, head.revision, head.stage) for head in heads if head.stage}
        found = self.journal.table.batch(*keys.values())
        tasks = {name: read_task(record) for name, key in keys.items() if (record := found.get(key))}
        return {name: task for name, task in tasks.items() if task.opinion is None}

    def decide(
        self, person: Person, handle: str, form: Mapping[str, Any], found: Found, *, correlation_id: str
    ) -> Submission:
        """Record the one opinion of a stage and move the submission on; the same POST again answers the same.

        Raises NotFound as `open` does, InvalidInput for an incomplete checklist, Conflict `content_changed` when
        another text was seen, AlreadyDecided when the stage has another opinion, NotPermitted by policy.
        """
        link = self._own_link(person, handle, found)
        opinion = Opinion(
            reviewer=person.id,
            decision=Decision(form["decision"]),
            comment=form.get("comment", ""),
            checklist=form["checklist"],
            content_digest=form["content_digest"],
            at=self.journal.now(),
        )
        return again_when_stale(lambda: self._decided(person, link, opinion, correlation_id))

    def _decided(self, person: Person, link: ReviewLink, opinion: Opinion, correlation_id: str) -> Submission:
        task_keys = [task_key(link.submission, link.revision, stage) for stage in STAGES]
        found = self.journal.table.batch(head_key(link.submission), *task_keys)
        head_record = found.get(head_key(link.submission))
        tasks = {task.stage: task for task in (read_task(r) for r in map(found.get, task_keys) if r)}
        if head_record is None or link.stage not in tasks:
            raise NotFound
        head, task = read_head(head_record), tasks[link.stage]
        self._ensure_current(head, task, link)
        _ensure_whole(head, task)
        if task.opinion is not None:
            if task.opinion.same_as(opinion):
                return head
            raise AlreadyDecided
        if head.state is not State.IN_REVIEW or head.stage is not link.stage:
            raise IllegalTransition(state=head.state.value)
        if opinion.content_digest != head.content_digest:
            raise Conflict("content_changed")
        ensure_complete(opinion, frozenset(item.id for item in self.checklists.items(link.stage)))
        subject = subject_of(person, self.journal.now())
        grant = self.access.grant(subject, review_action(link.stage), resource_of(head))
        opinion = replace(opinion, instead_of=self._instead_of(person, link.stage, head))
        decided = replace(task, opinion=opinion)
        cause = Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id)
        drafts = [Draft(type="Decided", cause=cause, payload=_payload(decided, opinion))]
        after = self._after(head, link, opinion)
        if after.state is State.SCHEDULED:
            approved = approved_stages([*tasks.values(), decided], head.content_digest)
            drafts.append(self._scheduled(after, approved, correlation_id))
        elif after.state is State.NEEDS_PERSON:
            cause = Cause(actor="service:review", correlation_id=correlation_id)
            payload = {"revision": head.revision, "stage": None, "reason": after.reason}
            drafts.append(Draft(type="PersonNeeded", cause=cause, payload=payload))
        used = replace(link, used_at=opinion.at)
        after = self.journal.commit(
            head, after, drafts, [put_open_task(decided), put_used_link(used), unchanged(person)]
        )
        metrics.emit({metrics.STAGE_SECONDS: (opinion.at - task.opened_at).total_seconds()}, link.stage)
        return after

    def _instead_of(self, person: Person, stage: ReviewStage, head: Submission) -> str | None:
        """For whom a substitute decides, who could not in the own name."""
        now, own = self.journal.now(), person.in_own_name()
        taken_over = [duty for duty in person.duties_at(now) if duty.instead_of is not None]
        if not taken_over or self._may(own, stage, head):
            return None
        return next(
            (
                duty.instead_of
                for duty in taken_over
                if self._may(replace(own, duties=(*own.duties, duty)), stage, head)
            ),
            None,
        )

    def _may(self, person: Person, stage: ReviewStage, head: Submission) -> bool:
        subject = subject_of(person, self.journal.now())
        return self.access.allows(subject, review_action(stage), resource_of(head))

    def _after(self, head: Submission, link: ReviewLink, opinion: Opinion) -> Submission:
        """Where the submission stands once the opinion counts."""
        if opinion.decision is Decision.REQUEST_CHANGES:
            return replace(head, state=State.CHANGES_REQUESTED, stage=None)
        if opinion.decision is Decision.REJECT:
            return replace(head, state=State.REJECTED, stage=None)
        following = stage_after(link.stage)
        if following is not None:
            return replace(head, stage=following)
        now = self.journal.now()
        if now - head.publish_at > self.max_lateness:
            return replace(head, state=State.NEEDS_PERSON, stage=None, reason=Reason.TOO_LATE)
        wait = max(head.publish_at - now, timedelta(0)) / self.scale
        return replace(head, state=State.SCHEDULED, stage=None, due_at=now + wait)

    def _scheduled(self, head: Submission, approved: tuple[Any, ...], correlation_id: str) -> Draft:
        resource: Resource = replace(resource_of(head), approved_stages=approved)
        grant = self.access.grant(service_subject("review"), Action.SCHEDULE, resource)
        return Draft(
            type="Scheduled",
            cause=Cause(actor="service:review", policy=grant.policy, correlation_id=correlation_id),
            payload={
                "revision": head.revision,
                "attempt": head.attempt,
                "publish_at": to_text(head.publish_at),
                "time_zone": head.time_zone,
                "due_at": to_text(head.due_at or head.publish_at),
            },
        )

    def _own_link(self, person: Person, handle: str, found: Found) -> ReviewLink:
        record = found.get(link_key(handle))
        if record is None:
            raise NotFound
        link = read_link(record)
        logs.note(submission=link.submission)
        if link.expires_at <= self.journal.now():
            raise NotFound
        if link.reviewer != person.id:
            self._record_refusal(link, person)
            raise NotFound
        return link

    def _record_refusal(self, link: ReviewLink, person: Person) -> None:
        """Tell the ledger, once, that somebody else held a reviewer's link: a forwarded mail, or worse."""

        def step() -> None:
            if self.journal.table.get(refusal_key(link, person.id)) is not None:
                return
            head = self.journal.find(link.submission)
            if head is None:
                return
            draft = Draft(
                type="ReviewLinkRefused",
                cause=Cause(actor=person.id, correlation_id=head.correlation_id),
                payload={"revision": link.revision, "stage": link.stage, "reviewer": link.reviewer},
            )
            self.journal.commit(head, head, [draft], [put_refusal(link, person.id)])

        try:
            again_when_stale(step)
        except Stale:
            return  # the answer to the caller does not depend on it; the next try records it

    @staticmethod
    def _ensure_current(head: Submission, task: ReviewTask, link: ReviewLink) -> None:
        """A link of an older round shows its reviewer's own decision and nothing else."""
        decided_by_holder = task.opinion is not None and task.opinion.reviewer == link.reviewer
        if link.revision != head.revision and not decided_by_holder:
            raise NotFound


def _ensure_whole(head: Submission, task: ReviewTask) -> None:
    """Raise Stale when head and task were read on either side of a decision: a batch read is no snapshot."""
    if head.revision != task.revision:
        return
    waits = head.state is State.IN_REVIEW and head.stage is task.stage
    passed = head.state not in {State.WITHDRAWN, State.NEEDS_PERSON} and not waits
    if (waits and task.opinion is not None) or (passed and task.opinion is None):
        raise Stale


def _payload(task: ReviewTask, opinion: Opinion) -> dict[str, Any]:
    return {
        "revision": task.revision,
        "stage": task.stage,
        "decision": opinion.decision,
        "comment": opinion.comment,
        "checklist": dict(opinion.checklist),
        "content_digest": opinion.content_digest,
        **({"instead_of": opinion.instead_of} if opinion.instead_of else {}),
    }
