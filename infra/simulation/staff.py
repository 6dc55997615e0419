"""The people of a simulated company: how soon each answers, when each is away, and who stands in.

The company is that of the laptop's sample roster. Everything that is chance comes from the one source that is given.
"""

import math
import random
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from yaml import CSafeLoader, load

from chalicelib.people.model import REPRESENTED, Role
from chalicelib.people.roster import Roster, parse

ROSTER = Path(__file__).parents[1] / "local" / "roster.yaml"
_DAY = timedelta(days=1)


class Temper(StrEnum):
    """How soon somebody answers."""

    QUICK = "quick"
    BUSY = "busy"
    SLOW = "slow"
    SILENT = "silent"


_MEDIAN_HOURS: Mapping[Temper, float] = {
    Temper.QUICK: 1.5,
    Temper.BUSY: 5,
    Temper.SLOW: 16,
    Temper.SILENT: math.inf,
}
"""Working hours until half of what one is asked is answered. Who is silent answers nothing that is mailed."""
_SPREAD = 0.8
_AT_EASE = 20
"""With so many working hours left nobody hurries."""
_TEMPERS = (Temper.QUICK, *[Temper.BUSY] * 4, Temper.SLOW)
SILENT = {Role.CENTER_EDITOR: 1, Role.DEPARTMENT_HEAD: 2, Role.SUPERVISING_EXECUTIVE: 1}
"""How many of those with a duty never answer what they are mailed."""


@dataclass(frozen=True, kw_only=True)
class Leave:
    """Days away, both included. The substitute is in the roster; None where somebody is away without notice."""

    person: str
    first: date
    last: date
    substitute: str | None

    def covers(self, first: date, last: date) -> bool:
        """Whether they have a day in common."""
        return self.first <= last and first <= self.last


@dataclass
class Staff:
    """Everybody, and what is known of their absences. `document` is the roster file as it stands."""

    document: dict[str, Any]
    chance: random.Random
    tempers: dict[str, Temper] = field(default_factory=dict)
    leaves: list[Leave] = field(default_factory=list)

    @classmethod
    def hired(cls, chance: random.Random) -> "Staff":
        """The sample company, each person with a temper."""
        staff = cls(document=load(ROSTER.read_text("utf-8"), CSafeLoader), chance=chance)
        staff.document.setdefault("absences", [])
        for person in staff.document["persons"]:
            staff.tempers[person["id"]] = chance.choice(_TEMPERS)
        for role, number in SILENT.items():
            for person in chance.sample(sorted(staff.holders(role)), number):
                staff.tempers[person] = Temper.SILENT
        return staff

    @property
    def zone(self) -> ZoneInfo:
        """Where its days begin."""
        return ZoneInfo(self.document["time_zone"])

    @property
    def addresses(self) -> Mapping[str, str]:
        """Persons by their mailboxes."""
        return {person["email"]: person["id"] for person in self.document["persons"]}

    @property
    def departments(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(department["id"] for department in self.document["departments"])

    def roster(self, today: date) -> Roster:
        """The roster file as it is tidied by whoever keeps it, read: without absences that are over."""
        self.document["absences"] = [each for each in self.document["absences"] if each["until"] > today]
        return parse(deepcopy(self.document))

    def holders(self, role: Role, department: str | None = None, day: date | None = None) -> list[str]:
        """Who has a duty, in a department and on a day if told so."""
        return [
            duty["person"]
            for duty in self.document["duties"]
            if duty["role"] == role
            and department in {None, duty["department"]}
            and (day is None or (duty["since"] <= day < duty.get("until", date.max)))
        ]

    def plan_leaves(self, first: date, last: date) -> None:
        """Let everybody whom others wait for be away now and then; most leave a substitute."""
        for person in self._waited_for():
            for _ in range(max(1, (last - first).days // 120)):
                begin = first + self.chance.randrange((last - first).days + 1) * _DAY
                end = begin + self.chance.choice((2, 4, 9)) * _DAY
                if self.chance.random() < 0.7 and self.stand_in(person, begin, end) is not None:  # noqa: PLR2004
                    continue
                if not self.away(person, begin, end):
                    self.leaves.append(Leave(person=person, first=begin, last=end, substitute=None))

    def stand_in(self, person: str, first: date, last: date, *, but_not: Collection[str] = ()) -> str | None:
        """Put a substitute for those days into the roster, if one can be found; answers who it is.

        Nobody of `but_not` is one: who wrote a text does not decide on it. Whoever of them stands in is relieved.
        """
        for absence in list(self.document["absences"]):
            if absence["person"] == person and absence["substitute"] in but_not:
                self._cut_short(absence, first)
        if any(
            person in {each["person"], each["substitute"]} and _covers(each, first, last)
            for each in self.document["absences"]
        ):
            return None
        fitting = (each for each in self._substitutes(person, first, last) if each not in but_not)
        substitute = next(fitting, None)
        if substitute is None:
            return None
        self.document["absences"].append(
            {"person": person, "substitute": substitute, "since": first, "until": last + _DAY}
        )
        self.leaves.append(Leave(person=person, first=first, last=last, substitute=substitute))
        return substitute

    def away(self, person: str, first: date, last: date | None = None) -> Leave | None:
        """The leave that a person is on, on a day or on one of some."""
        for leave in self.leaves:
            if leave.person == person and leave.covers(first, last or first):
                return leave
        return None

    def patience(self, person: str, hours_left: float) -> float:
        """After how many working hours a person gets round to something; infinite for the silent.

        Everybody is quicker with what is due soon, and with what is overdue.
        """
        temper = self.tempers[person]
        if temper is Temper.SILENT:
            return math.inf
        hours = self.chance.lognormvariate(math.log(_MEDIAN_HOURS[temper]), _SPREAD)
        return hours * min(1.0, max(0.15, hours_left / _AT_EASE))

    def _waited_for(self) -> list[str]:
        return sorted({duty["person"] for duty in self.document["duties"] if duty["role"] in REPRESENTED})

    def _substitutes(self, person: str, first: date, last: date) -> Iterator[str]:
        """Who has a like duty elsewhere and answers; failing these, whoever else is waited for."""
        roles = {duty["role"] for duty in self.document["duties"] if duty["person"] == person}
        peers = {
            duty["person"] for duty in self.document["duties"] if duty["role"] in roles & set(REPRESENTED)
        }
        others = [each for each in self._waited_for() if each not in peers]
        for pool in (sorted(peers), others):
            for each in self.chance.sample(pool, len(pool)):
                fits = each != person and self.tempers[each] is not Temper.SILENT
                if fits and not self.away(each, first, last):
                    yield each

    def _cut_short(self, absence: dict[str, Any], day: date) -> None:
        """Let an absence end before a day, if it has begun; what has not begun goes."""
        if absence["since"] < day < absence["until"]:
            absence["until"] = day
        elif absence["since"] >= day:
            self.document["absences"].remove(absence)


def _covers(absence: Mapping[str, Any], first: date, last: date) -> bool:
    return bool(absence["since"] <= last and first < absence["until"])


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The day of a zone that an instant falls into."""
    return instant.astimezone(zone).date()
