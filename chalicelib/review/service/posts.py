"""Whom a stage asks, as policy sees it, and a round as it stands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.access.model import Action, Resource, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.errors import NotPermitted
from chalicelib.core.table import Found, Key, Table
from chalicelib.people.model import Person
from chalicelib.review.model import Delegation, ReviewTask
from chalicelib.review.store import read_task, task_key
from chalicelib.submission.model import Submission
from chalicelib.submission.procedure import Stage
from chalicelib.submission.service import Procedures, resource_of
from chalicelib.submission.store import head_key, read_head


@dataclass(frozen=True, kw_only=True)
class Post:
    """A stage of a submission, and who may decide it at an instant (UTC): those whom it asks, or who stand in for them.

    `delegations` are those that count: the one who handed over could still decide, and policy lets the other stand in.
    """

    access: AccessControl
    head: Submission
    stage: Stage
    raised: bool
    now: datetime
    delegations: tuple[Delegation, ...] = ()
    only: frozenset[str] | None = None
    """The only ones whom it asks, by id, where the center gave it to some; None for all who could be asked."""
    named: tuple[Person, ...] = ()
    """Whom these delegations name."""

    @property
    def resource(self) -> Resource:
        """The submission as policy sees it at this stage: of superiors, when it was raised to them."""
        asked = self.stage.superior if self.raised and self.stage.superior else self.stage.reviewers
        return replace(
            resource_of(self.head),
            asked=asked.duty(self.head.department),
            delegations=tuple((each.by, each.to) for each in self.delegations),
        )

    def is_open_to(self, person: Person) -> bool:
        """Whether the stage asks the person, if it asks only some, and policy lets the person decide."""
        if self.only is not None and person.id not in self.only:
            return False
        return self.access.allows(subject_of(person, self.now), Action.REVIEW, self.resource)

    def ensure_asks(self, person: Person) -> None:
        """Raise NotPermitted for whom the stage does not ask since the center gave it to others."""
        if self.only is not None and person.id not in self.only:
            raise NotPermitted

    def may_stand_in(self, person: Person) -> bool:
        """Whether policy lets the person decide for somebody who hands the stage over."""
        return self.access.allows(subject_of(person, self.now), Action.STAND_IN, self.resource)

    def under(self, delegations: Iterable[Delegation], persons: Mapping[str, Person]) -> "Post":
        """The same with those of the delegations that count, told by the persons whom they name, by id."""
        own = replace(self, delegations=(), named=(), only=None)
        counting = tuple(
            each
            for each in delegations
            if each.by in persons
            and each.to in persons
            and own.is_open_to(persons[each.by])
            and own.may_stand_in(persons[each.to])
        )
        named = tuple(persons[name] for name in persons_of(counting))
        return replace(self, delegations=counting, named=named)

    def instead_of(self, person: Person) -> str | None:
        """For whom the person decides: who handed it over, or is absent; None in the own name."""
        handed_over = next((each.by for each in self.delegations if each.to == person.id), None)
        taken_over = [duty for duty in person.duties_at(self.now) if duty.instead_of is not None]
        own = person.in_own_name()
        if handed_over or not taken_over or self.is_open_to(own):
            return handed_over
        return next(
            (
                duty.instead_of
                for duty in taken_over
                if self.is_open_to(replace(own, duties=(*own.duties, duty)))
            ),
            None,
        )


def persons_of(delegations: Iterable[Delegation]) -> tuple[str, ...]:
    """Everybody whom delegations name, by id."""
    return tuple(sorted({person for each in delegations for person in (each.by, each.to)}))


def head_and_round(
    table: Table, procedures: Procedures, submission: str, revision: int, *also: Key[Any]
) -> tuple[Submission | None, tuple[ReviewTask, ...], Found]:
    """A submission, the tasks of a round in their order, and what lies at the other keys.

    One call, two where the round keeps a former procedure.
    """
    stages = procedures.present.ids
    found = table.batch(head_key(submission), *also, *_keys(submission, revision, stages))
    record = found.get(head_key(submission))
    head = None if record is None else read_head(record)
    if head is not None and procedures.of(head).ids != stages:
        stages = procedures.of(head).ids
        tasks = table.batch(*_keys(submission, revision, stages))
        return head, _tasks(tasks, submission, revision, stages), found
    return head, _tasks(found, submission, revision, stages), found


def _keys(submission: str, revision: int, stages: Sequence[str]) -> list[Key[Any]]:
    return [task_key(submission, revision, stage) for stage in stages]


def _tasks(found: Found, submission: str, revision: int, stages: Sequence[str]) -> tuple[ReviewTask, ...]:
    records = map(found.get, _keys(submission, revision, stages))
    return tuple(read_task(record) for record in records if record is not None)
