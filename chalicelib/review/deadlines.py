"""How long each stage may take, and who is told when it takes longer (clauses 1.3.2 and 3.3.4).

Data of the center, in `policies/deadlines.yaml`, counted in working hours of its calendar.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Any

from chalicelib.core.calendar import Calendar
from chalicelib.review.model import ReviewTask
from chalicelib.submission.model import Classification, Importance, ReviewStage, Submission


class DeadlinesError(ValueError):
    """Deadlines that leave something without a term, or name what does not exist."""


class Escalation(StrEnum):
    """Who is told of a stage that nobody has decided in time."""

    SUPERIOR = "superior"
    DIRECTOR = "director"
    OPERATIONS = "operations"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a term depends on."""

    stage: ReviewStage
    importance: Importance
    classification: Classification

    @classmethod
    def of(cls, head: Submission, stage: ReviewStage) -> "Case":
        """A submission's, at a stage."""
        return cls(stage=stage, importance=head.importance, classification=head.classification)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """So much working time for whatever fits; None fits everything."""

    working_time: timedelta
    stage: ReviewStage | None = None
    importance: Importance | None = None
    classification: Classification | None = None

    def fits(self, case: Case) -> bool:
        """Whether it is about such a case."""
        return (
            self.stage in {None, case.stage}
            and self.importance in {None, case.importance}
            and self.classification in {None, case.classification}
        )


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is done, at an instant in UTC, about what nobody has decided: a reminder, or with `to` an escalation."""

    at: datetime
    to: Escalation | None = None


class Deadlines:
    """The terms of a policies folder, counted in a calendar."""

    def __init__(self, folder: Path, calendar: Calendar) -> None:
        """Raise OSError or DeadlinesError when the file is missing or broken, or something has no term."""
        from yaml import CSafeLoader, load  # noqa: PLC0415 — heavy, and few events need it

        raw = load((folder / "deadlines.yaml").read_text("utf-8"), CSafeLoader)
        self._calendar = calendar
        try:
            self._rules = tuple(_rule(**each) for each in raw["terms"])
            self._shares = tuple(_share(each) for each in raw["reminders"])
            self._escalation = tuple(_escalation(**each) for each in raw["escalation"])
        except (KeyError, TypeError, ValueError) as error:
            raise DeadlinesError(f"deadlines.yaml: {error}") from error
        told = [hours for _, hours in self._escalation]
        if list(self._shares) != sorted(set(self._shares)) or told != sorted(set(told)):
            raise DeadlinesError("deadlines.yaml: reminders and escalation are not each after the one before")
        if not self._escalation or self._escalation[-1][0] is not Escalation.OPERATIONS:
            raise DeadlinesError("deadlines.yaml: whatever nobody decides must come to operations in the end")
        for stage, importance, classification in product(ReviewStage, Importance, Classification):
            self.working_time(Case(stage=stage, importance=importance, classification=classification))

    def working_time(self, case: Case) -> timedelta:
        """The working time that a stage has. Raises DeadlinesError when there is none."""
        for rule in self._rules:
            if rule.fits(case):
                return rule.working_time
        raise DeadlinesError(
            f"deadlines.yaml: no term for {case.stage}, {case.importance}, {case.classification}"
        )

    def deadline(self, case: Case, *, start: datetime) -> datetime:
        """Until when a stage that begins at `start` is to be decided, in UTC."""
        return self._calendar.after(start, self.working_time(case))

    def step(self, number: int, case: Case, *, start: datetime) -> Step:
        """The step with that number, from 0, of a stage that began at `start` and that nobody has decided.

        Reminders come first, then whoever is told once the deadline has passed, and then operations with every term.
        """
        term = self.working_time(case)
        planned = [(share * term, None) for share in self._shares]
        escalated = [(term + hours, to) for to, hours in self._escalation]
        steps: list[tuple[timedelta, Escalation | None]] = [*planned, *escalated]
        further = max(0, number - len(steps) + 1)
        passed, to = steps[min(number, len(steps) - 1)]
        return Step(at=self._calendar.after(start, passed + further * term), to=to)

    def step_of(self, head: Submission, task: ReviewTask, *, ahead: int) -> Step:
        """The step of an open stage that comes next (0), was the last (-1) or comes after the next (1)."""
        return self.step(task.steps + ahead, Case.of(head, task.stage), start=task.opened_at)


def _rule(*, working_hours: float, **fitting: Any) -> Rule:  # noqa: ANN401 — whatever the file says
    kinds: Mapping[str, type[Any]] = {
        "stage": ReviewStage,
        "importance": Importance,
        "classification": Classification,
    }
    if unknown := fitting.keys() - kinds.keys():
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if working_hours <= 0:
        raise ValueError(f"working_hours: {working_hours}")
    return Rule(
        working_time=timedelta(hours=working_hours),
        **{name: kinds[name](value) for name, value in fitting.items()},
    )


def _share(share: float) -> float:
    if not 0 < share < 1:
        raise ValueError(f"reminders: {share} is no part of a term")
    return share


def _escalation(*, to: str, working_hours: float) -> tuple[Escalation, timedelta]:
    if working_hours < 0:
        raise ValueError(f"working_hours: {working_hours}")
    return Escalation(to), timedelta(hours=working_hours)
