"""Whom a stage asks, now: by duty, without those who are away or wrote the text, and whom it was handed over to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.access.service import AccessControl
from chalicelib.core.clock import Now
from chalicelib.people.model import CENTER, Person
from chalicelib.people.store import PeopleStore
from chalicelib.review.model import ReviewTask
from chalicelib.review.service.posts import Post, persons_of
from chalicelib.submission.model import Submission
from chalicelib.submission.procedure import Procedure, Stage


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Whom a stage asks now, and how many of them must approve; `raised` when it is the reviewers' superiors."""

    persons: tuple[Person, ...]
    needed: int
    raised: bool

    @property
    def reviewers(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(person.id for person in self.persons)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Finds whom a stage asks, among those with a duty in the department or the center."""

    people: PeopleStore
    access: AccessControl
    now: Now

    def post(self, head: Submission, stage: Stage, task: ReviewTask) -> Post:
        """Who may decide a stage now, as it was opened and handed over."""
        post = self._post(head, stage, raised=task.raised)
        if task.assigned:
            asked = {*task.reviewers, *(each.by for each in task.delegations)}
            post = replace(post, only=frozenset(asked))
        if not task.delegations:
            return post
        persons = self.people.persons(persons_of(task.delegations))
        return post.under(task.delegations, {person.id: person for person in persons})

    def asked(self, head: Submission, stage: Stage, task: ReviewTask | None = None) -> Asked | None:
        """Whom a stage asks now, those included who have spoken; None when too few could approve it.

        Where everybody whom it would ask wrote the text, their superiors are asked: a stage never disappears.
        """
        persons = self._candidates(head, task)
        post = self._post(head, stage, raised=False)
        eligible = _eligible(post, persons)
        if not eligible and stage.superior is not None and _was_written_by_one_of(post, persons):
            post = replace(post, raised=True)
            eligible = _eligible(post, persons)
        spoke = () if task is None else tuple(opinion.reviewer for opinion in task.opinions)
        seats = set() if task is None else {opinion.seat for opinion in task.opinions}
        eligible = [
            each for each in eligible if each.id in spoke or (post.instead_of(each) or each.id) not in seats
        ]
        if task is not None:
            eligible = _as_handed_over(post, eligible, persons, task, spoke)
        needed = stage.needed(len({*spoke, *(person.id for person in eligible)}))
        still = [person for person in eligible if person.id not in spoke]
        if not still or len(spoke) + len(still) < needed:
            return None
        return Asked(persons=tuple(eligible), needed=needed, raised=post.raised)

    def able(self, head: Submission, stage: Stage, task: ReviewTask) -> tuple[Person, ...]:
        """Who could be asked instead of those who are, in their own name or as a substitute."""
        return tuple(_eligible(self._post(head, stage, raised=task.raised), self._candidates(head, None)))

    def stand_ins(self, head: Submission, stage: Stage, task: ReviewTask) -> tuple[Person, ...]:
        """To whom the stage may be handed over, of those with a duty in the department or the center."""
        post, persons = self._post(head, stage, raised=task.raised), self._candidates(head, None)
        others = {*task.reviewers, *_away(persons, post.now)}
        return tuple(person for person in persons if person.id not in others and post.may_stand_in(person))

    def is_asked_elsewhere(self, person: Person, head: Submission, procedure: Procedure, stage: str) -> bool:
        """Whether another stage of the round could ask the person: nobody has a say in two."""
        return any(
            self._post(head, other, raised=False).is_open_to(person)
            for other in procedure.stages
            if other.id != stage
        )

    def away(self, head: Submission) -> frozenset[str]:
        """Who is absent now and has a substitute, of those with a duty in the department or the center."""
        return _away(self._candidates(head, None), self.now())

    def _post(self, head: Submission, stage: Stage, *, raised: bool) -> Post:
        return Post(access=self.access, head=head, stage=stage, raised=raised, now=self.now())

    def _candidates(self, head: Submission, task: ReviewTask | None) -> tuple[Person, ...]:
        departments = self.people.departments((head.department, CENTER)).values()
        named = () if task is None else persons_of(task.delegations)
        ids = {*named, *(person for department in departments for person in department.duty_holders)}
        return self.people.persons(tuple(sorted(ids)))


def _was_written_by_one_of(post: Post, persons: Iterable[Person]) -> bool:
    """Whether somebody whom the stage would ask wrote the text."""
    role, place = post.stage.reviewers.duty(post.head.department)
    authors = {post.head.drafter, *post.head.co_drafters}
    return any(person.id in authors and person.holds(role, place, post.now) for person in persons)


def _away(persons: Iterable[Person], now: datetime) -> frozenset[str]:
    duties = [duty for person in persons for duty in person.duties_at(now)]
    return frozenset(duty.instead_of for duty in duties if duty.instead_of)


def _eligible(post: Post, persons: Iterable[Person]) -> list[Person]:
    """Whom policy lets decide. Who is absent and has a substitute among them is left in peace."""
    eligible = list(filter(post.is_open_to, persons))
    represented = {
        duty.instead_of
        for person in eligible
        for duty in person.duties_at(post.now)
        if duty.instead_of and post.is_open_to(replace(person, duties=(duty,)))
    }
    return [person for person in eligible if person.id not in represented]


def _as_handed_over(
    post: Post,
    eligible: Sequence[Person],
    persons: Iterable[Person],
    task: ReviewTask,
    spoke: Sequence[str],
) -> list[Person]:
    """Of the eligible those whom the task was given to, if any of them are left, and whom they handed it over to."""
    known = {person.id: person for person in persons}
    given = [person for person in eligible if person.id in {*task.assigned, *spoke}]
    least = len(eligible) if post.stage.quorum is None else post.stage.quorum
    chosen = given if task.assigned and len({*spoke, *(person.id for person in given)}) >= least else eligible
    instead = {each.by: known[each.to] for each in post.under(task.delegations, known).delegations}
    return list({(who := instead.get(person.id, person)).id: who for person in chosen}.values())
