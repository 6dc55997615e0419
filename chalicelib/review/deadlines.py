"""How long each stage may take (clauses 1.3.2 and 3.3.4): data of the center, in `policies/deadlines.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

from chalicelib.core.calendar import Calendar
from chalicelib.submission.model import Classification, Importance, ReviewStage


class DeadlinesError(ValueError):
    """Deadlines that leave something without a term, or name what does not exist."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """So much working time for whatever fits; None fits everything."""

    working_time: timedelta
    stage: ReviewStage | None = None
    importance: Importance | None = None
    classification: Classification | None = None

    def fits(self, stage: ReviewStage, importance: Importance, classification: Classification) -> bool:
        """Whether it is about such a stage."""
        return (
            self.stage in {None, stage}
            and self.importance in {None, importance}
            and self.classification in {None, classification}
        )


class Deadlines:
    """The terms of a policies folder, counted in a calendar."""

    def __init__(self, folder: Path, calendar: Calendar) -> None:
        """Raise OSError or DeadlinesError when the file is missing or broken, or something has no term."""
        from yaml import CSafeLoader, load  # noqa: PLC0415 — heavy, and few events need it

        raw = load((folder / "deadlines.yaml").read_text("utf-8"), CSafeLoader)
        self._calendar = calendar
        try:
            self._rules = tuple(_rule(**each) for each in raw["terms"])
        except (KeyError, TypeError, ValueError) as error:
            raise DeadlinesError(f"deadlines.yaml: {error}") from error
        for case in product(ReviewStage, Importance, Classification):
            self.working_time(*case)

    def working_time(
        self, stage: ReviewStage, importance: Importance, classification: Classification
    ) -> timedelta:
        """The working time that a stage has. Raises DeadlinesError when there is none."""
        for rule in self._rules:
            if rule.fits(stage, importance, classification):
                return rule.working_time
        raise DeadlinesError(f"deadlines.yaml: no term for {stage}, {importance}, {classification}")

    def deadline(
        self,
        stage: ReviewStage,
        importance: Importance,
        classification: Classification,
        *,
        start: datetime,
    ) -> datetime:
        """Until when a stage that begins at `start` is to be decided, in UTC."""
        return self._calendar.after(start, self.working_time(stage, importance, classification))


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
