"""Who else decides: a reviewer hands one stage over, or the center gives it to others who could have been asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.access.model import Action, Grant, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.errors import (
    AlreadyDecided,
    FieldError,
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotPermitted,
)
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Found
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person
from chalicelib.people.store import PeopleStore, unchanged
from chalicelib.review.model import Delegation, ReviewLink, ReviewTask
from chalicelib.review.service.asking import Asking
from chalicelib.review.service.links import Links, ensure_current
from chalicelib.review.store import put_open_task, read_task, task_key, tasks_of
from chalicelib.submission.model import State, Submission
from chalicelib.submission.procedure import Stage
from chalicelib.submission.service import Journal, Procedures, resource_of
from chalicelib.submission.store import head_key, read_head


@dataclass(frozen=True, kw_only=True)
class HandingOver:
    """Delegation and reassignment of the stage that is due (clause 3.3.4)."""

    journal: Journal
    people: PeopleStore
    access: AccessControl
    asking: Asking
    links: Links
    procedures: Procedures

    def delegate(
        self, person: Person, handle: str, to: str | None, found: Found, *, correlation_id: str
    ) -> ReviewTask:
        """Hand a stage over to a person, by id, who decides instead; None takes it back. A repeat changes nothing.

        Only who is asked in the own name may, and only to somebody whom policy lets stand in and who is not asked
        already: so there are neither chains nor circles. Raises NotFound as opening a link does, InvalidInput for
        whom it cannot go to, AlreadyDecided once nobody is waited for, NotPermitted by policy.
        """
        link = self.links.own(person, handle, found)
        return again_when_stale(lambda: self._delegated(person, link, to, correlation_id))

    def _delegated(self, person: Person, link: ReviewLink, to: str | None, correlation_id: str) -> ReviewTask:
        head, task, stage = self._due(link.submission, link.revision, link.stage)
        ensure_current(head, task, link)
        present = next((each.to for each in task.delegations if each.by == person.id), None)
        if present == to:
            return task
        own = self.asking.post(head, stage, replace(task, delegations=()))
        grant = self.access.grant(subject_of(person, own.now), Action.REVIEW, own.resource)
        is_asked = person.id in {*task.reviewers, *(each.by for each in task.delegations)}
        if not is_asked or own.instead_of(person) is not None:
            raise NotPermitted
        if task.opinion_of(person.id) is not None or task.opinion_of(present or "") is not None:
            raise AlreadyDecided
        others = tuple(each for each in task.delegations if each.by != person.id)
        reviewers = _exchanged(task.reviewers, present or person.id, to or person.id)
        after = replace(
            task, delegations=others, reviewers=reviewers, mailed=task.mailed & {*reviewers} - {to or ""}
        )
        rests_on = [person]
        if to is not None:
            rests_on.append(self._stand_in(head, stage, task, to))
            after = replace(after, delegations=(*others, Delegation(by=person.id, to=to)))
        self._commit(head, after, "TaskDelegated", person, grant, rests_on, correlation_id, {"to": to})
        return after

    def _stand_in(self, head: Submission, stage: Stage, task: ReviewTask, to: str) -> Person:
        """Whom the stage may go to: somebody who is there, and has no say in another stage of the round.

        Raises InvalidInput.
        """
        found = self.people.persons((to,))
        post = self.asking.post(head, stage, replace(task, delegations=()))
        is_free = to not in self.asking.away(head) and to not in self._spoke(task)
        if (
            not found
            or not is_free
            or not post.may_stand_in(found[0])
            or self._is_elsewhere(found[0], head, task)
        ):
            raise InvalidInput((FieldError(pointer="/to", code="cannot_stand_in"),))
        if to in {*task.reviewers, *(each.by for each in task.delegations)}:
            raise InvalidInput((FieldError(pointer="/to", code="is_asked_already"),))
        return found[0]

    def _is_elsewhere(self, person: Person, head: Submission, task: ReviewTask) -> bool:
        procedure = self.procedures.version(task.procedure)
        return self.asking.is_asked_elsewhere(person, head, procedure, task.stage)

    def _spoke(self, task: ReviewTask) -> set[str]:
        """Who decided another stage of the round."""
        return {
            opinion.reviewer
            for other in tasks_of(self.journal.table, task.submission)
            if other.revision == task.revision and other.stage != task.stage
            for opinion in other.opinions
        }

    def could_stand_in(self, head: Submission, task: ReviewTask) -> tuple[Person, ...]:
        """Whom to offer: to whom the stage may be handed over, of those with a duty in the department or the center."""
        others = {each.by for each in task.delegations} | self._spoke(task)
        stage = self.procedures.version(task.procedure)[task.stage]
        return tuple(
            each
            for each in self.asking.stand_ins(head, stage, task)
            if each.id not in others and not self._is_elsewhere(each, head, task)
        )

    def reassign(
        self,
        person: Person,
        submission: str,
        reviewers: Sequence[str],
        reason: str,
        *,
        correlation_id: str,
    ) -> ReviewTask:
        """Let a stage ask only these persons, by id, of those whom it could ask; delegations end.

        Where all must approve, all stay asked.

        Raises NotFound where policy forbids even to know of it, InvalidInput by person, IllegalTransition when no stage
        waits, NotPermitted by policy.
        """
        return again_when_stale(
            lambda: self._reassigned(person, submission, reviewers, reason, correlation_id)
        )

    def _reassigned(
        self,
        person: Person,
        submission: str,
        reviewers: Sequence[str],
        reason: str,
        correlation_id: str,
    ) -> ReviewTask:
        head, grant = self._may_reassign(person, submission)
        if head.stage is None:
            raise IllegalTransition(state=head.state.value)
        head, task, stage = self._due(head.id, head.revision, head.stage)
        able = {each.id: each for each in self.asking.able(head, stage, task)}
        errors = tuple(
            FieldError(pointer=f"/reviewers/{place}", code="cannot_review", params={"id": each})
            for place, each in enumerate(reviewers)
            if each not in able
        )
        spoke = {opinion.reviewer for opinion in task.opinions}
        needed = stage.needed(len({*spoke, *able}))
        if not errors and len({*spoke, *reviewers}) < needed:
            errors = (FieldError(pointer="/reviewers", code="too_few_reviewers", params={"least": needed}),)
        if errors:
            raise InvalidInput(errors)
        if set(task.assigned) == set(reviewers) and not task.delegations:
            return task
        after = replace(
            task,
            assigned=tuple(reviewers),
            reviewers=tuple(dict.fromkeys(reviewers)),
            needed=needed,
            delegations=(),
            mailed=(task.mailed & set(reviewers)) | spoke,
        )
        said = {"reason": reason}
        rests_on = [person, *(able[each] for each in dict.fromkeys(reviewers) if each != person.id)]
        self._commit(head, after, "TaskReassigned", person, grant, rests_on, correlation_id, said)
        return after

    def assignable(
        self, person: Person, submission: str
    ) -> tuple[Submission, ReviewTask, tuple[Person, ...]]:
        """The stage that waits, and whom it could ask. Raises what `reassign` does."""
        head, _ = self._may_reassign(person, submission)
        if head.stage is None:
            raise IllegalTransition(state=head.state.value)
        head, task, stage = self._due(head.id, head.revision, head.stage)
        return head, task, self.asking.able(head, stage, task)

    def _may_reassign(self, person: Person, submission: str) -> tuple[Submission, Grant]:
        head = self.journal.head(submission)
        subject = subject_of(person, self.journal.now())
        if not self.access.allows(subject, Action.READ, resource_of(head)):
            raise NotFound
        return head, self.access.grant(subject, Action.REASSIGN, resource_of(head))

    def _due(self, submission: str, revision: int, stage: str) -> tuple[Submission, ReviewTask, Stage]:
        """The submission and its stage that waits. Raises NotFound, AlreadyDecided or IllegalTransition."""
        where = task_key(submission, revision, stage)
        found = self.journal.table.batch(head_key(submission), where)
        head_record, task_record = found.get(head_key(submission)), found.get(where)
        if head_record is None or task_record is None:
            raise NotFound
        head, task = read_head(head_record), read_task(task_record)
        if task.is_closed:
            raise AlreadyDecided
        if head.state is not State.IN_REVIEW or head.stage != stage or head.revision != revision:
            raise IllegalTransition(state=head.state.value)
        return head, task, self.procedures.version(task.procedure)[stage]

    def _commit(
        self,
        head: Submission,
        after: ReviewTask,
        event_type: str,
        person: Person,
        grant: Grant,
        rests_on: Iterable[Person],
        correlation_id: str,
        said: dict[str, Any],
    ) -> None:
        payload = {
            "revision": after.revision,
            "stage": after.stage,
            **after.told_as_asked,
            **said,
        }
        cause = Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id)
        draft = Draft(type=event_type, cause=cause, payload=payload)
        self.journal.commit(head, head, [draft], [put_open_task(after), *map(unchanged, rests_on)])


def _exchanged(reviewers: Iterable[str], before: str, after: str) -> tuple[str, ...]:
    return tuple(after if each == before else each for each in reviewers)
