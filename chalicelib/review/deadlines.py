"""How long each stage may take, and who is told when it takes longer (clauses 1.3.2 and 3.3.4).

Data of the center, in `policies/deadlines.yaml`, counted in working hours of its calendar.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from chalicelib.core.calendar import Calendar
from chalicelib.submission.model import Classification, Importance, Submission
from chalicelib.submission.procedure import Procedure


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

    stage: str
    importance: Importance
    classification: Classification

    @classmethod
    def of(cls, head: Submission, stage: str) -> "Case":
        """A submission's, at a stage."""
        return cls(stage=stage, importance=head.importance, classification=head.classification)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """So much working time for whatever fits; None fits everything."""

    working_time: timedelta
    stage: str | None = None
    importance: Importance | None = None
    classification: Classification | None = None

    def fits(self, case: Case) -> bool:
        """Whether it is about such a case."""
        return (
            self.stage in {None, case.stage}
            and self.importance in {None, case.importance}
            and self.classification in {None, case.classification}
        )


@dataclass(frozen=True)
class Step:
    """What is done about what nobody decides, so much working time after the step before or after the opening.

    A reminder, or with `to` an escalation.
    """

    pause: timedelta
    to: Escalation | None = None


class Deadlines:
    """The terms of a policies folder, counted in a calendar."""

    def __init__(self, folder: Path, calendar: Calendar, procedure: Procedure) -> None:
        """Raise OSError or DeadlinesError when the file is missing or broken, or something has no term.

        Terms may name the stages of `procedure`; there is one for every case without a look at its stage, too, for
        rounds that keep another procedure.
        """
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
        if unknown := {rule.stage for rule in self._rules if rule.stage} - set(procedure.ids):
            raise DeadlinesError(f"deadlines.yaml: no stage is called {', '.join(sorted(unknown))}")
        for importance, classification in product(Importance, Classification):
            self.working_time(Case(stage="", importance=importance, classification=classification))

    def working_time(self, case: Case) -> timedelta:
        """The working time that a stage has. Raises DeadlinesError when there is none."""
        for rule in self._rules:
            if rule.fits(case):
                return rule.working_time
        raise DeadlinesError(
            f"deadlines.yaml: no term for {case.stage or 'any stage'}, {case.importance}, {case.classification}"
        )

    def after(self, start: datetime, working_time: timedelta) -> datetime:
        """The instant, in UTC, by which so much working time has passed."""
        return self._calendar.after(start, working_time)

    def deadline(self, case: Case, *, start: datetime) -> datetime:
        """Until when a stage that begins at `start` is to be decided, in UTC."""
        return self.after(start, self.working_time(case))

    def step(self, number: int, case: Case) -> Step:
        """The step with that number, from 0, about a stage that nobody decides.

        Reminders come first, then whoever is told once the deadline has passed, and then operations with every term.
        """
        steps = self._steps(case)
        return steps[number] if number < len(steps) else Step(self.working_time(case), steps[-1].to)

    def left(self, now: datetime, deadline: datetime) -> timedelta:
        """How much working time is left until a deadline; none once it has passed."""
        return self._calendar.between(now, deadline)

    def missed(self, steps: int, case: Case) -> bool:
        """Whether, after so many steps about a stage, a deadline of it was missed."""
        return bool(steps) and self.step(steps - 1, case).to is not None

    def longest_pause(self, case: Case) -> timedelta:
        """For how much working time nothing may happen to a stage at most."""
        return max(self.working_time(case), *(step.pause for step in self._steps(case)))

    def _steps(self, case: Case) -> list[Step]:
        term = self.working_time(case)
        planned: list[tuple[timedelta, Escalation | None]] = [
            (timedelta(0), None),
            *((share * term, None) for share in self._shares),
            *((term + hours, to) for to, hours in self._escalation),
        ]
        return [Step(later - earlier, to) for (earlier, _), (later, to) in pairwise(planned)]


def _rule(*, working_hours: float, **fitting: Any) -> Rule:  # noqa: ANN401 — whatever the file says
    kinds: Mapping[str, Callable[[Any], Any]] = {
        "stage": str,
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
