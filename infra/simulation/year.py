"""A year at the desk: requests come in, people do what they do, and the desk sees to it that all is decided."""

import random
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from chalicelib.bootstrap import POLICIES
from chalicelib.core.calendar import read_calendar
from chalicelib.core.clock import to_second_text
from chalicelib.core.errors import IllegalTransition
from chalicelib.core.mail import Mail
from chalicelib.people.model import Role
from chalicelib.review.model import Decision
from chalicelib.submission.model import State, Submission
from infra.simulation.agenda import Agenda
from infra.simulation.desk import BASE_URL, Desk
from infra.simulation.hours import Hours
from infra.simulation.staff import Staff, Temper, day_of

GRACE = timedelta(days=31)
"""How long after its last day everything that came in has to come to its end."""
_TO_REVIEW = re.compile(rf"{re.escape(BASE_URL)}/r#(\S+)")
_TO_REQUEST = re.compile(rf"{re.escape(BASE_URL)}/submissions/(\S+)")
_DEADLINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d) \(")
_A_WEEK = 40
"""Working hours."""
_STAND_IN = timedelta(days=13)
"""For how long somebody who does not answer is stood in for."""
_NOTICED_LOSS = timedelta(minutes=15)
"""When the sweeper comes that finds what a lost event left behind; it looks every two minutes and waits for ten."""
_NOON = time(12, 15)
_LAST_ROUND = 3
"""From this revision on reviewers say yes or no."""
_ENDED = frozenset({State.ARCHIVED, State.REJECTED, State.WITHDRAWN})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many requests come in from the first day to the last; `losses` of a stream's records, one in so many."""

    first: date = date(2026, 1, 1)
    last: date = date(2026, 12, 31)
    requests: int = 2000
    losses: int = 400


class Year:
    """One run of a plan. All chance is that of `chance`."""

    def __init__(self, plan: Plan, chance: random.Random) -> None:
        self.plan = plan
        self.chance = chance
        self.staff = Staff.hired(chance)
        calendar = read_calendar(POLICIES)
        self.zone = calendar.zone
        self.hours = Hours(calendar, plan.first - timedelta(days=7), plan.last + GRACE + timedelta(days=60))
        self.agenda = Agenda(self._instant(plan.first, time(0, 0)))
        self.desk = Desk(self.agenda, read=self._read, alarm=self._alarm, loses=self._lose)
        self.submitted: list[str] = []
        self.stood_in = 0
        self.alarms = 0
        self.lost = 0
        self._addresses = self.staff.addresses

    def run(self) -> None:
        """Let it all happen. Raises DeskFailure when a job of the desk fails."""
        end = self._instant(self.plan.last, time(0, 0)) + timedelta(days=1)
        with self.desk.open():
            self.staff.plan_leaves(self.plan.first, self.plan.last)
            self.desk.apply(self.staff.roster(self._today()))
            open_hours = self.hours.between(self.agenda.now(), end)
            for _ in range(self.plan.requests):
                self._in(self.chance.random() * open_hours, self._hand_in)
            self._each_noon(end + GRACE)
            self.agenda.run(end + GRACE, after_each=self.desk.settle)

    def unfinished(self) -> list[Submission]:
        """What has come to no end, and does not wait for its own time to be published."""
        heads = (self.desk.head(submission) for submission in self.submitted)
        now = self.agenda.now()
        return [
            head
            for head in heads
            if head.state not in _ENDED
            and not (head.state is State.SCHEDULED and head.due_at is not None and head.due_at > now)
        ]

    def _instant(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, self.zone)

    def _in(self, hours: float, thing: Callable[[], None]) -> None:
        """Let something happen after so many working hours."""
        self.agenda.at(self.hours.after(self.agenda.now(), hours), thing)

    def _each_noon(self, end: datetime) -> None:
        """The sweeper looks every two minutes; with every event where it belongs, once a day shows as much."""
        day = self.plan.first
        while (noon := self._instant(day, _NOON)) < end:
            self.agenda.at(noon, self.desk.sweep)
            day += timedelta(days=1)

    def _lose(self) -> bool:
        """Lose a record of the stream now and then; the sweeper is what finds what is missing."""
        if self.plan.losses and self.chance.randrange(self.plan.losses) == 0:
            self.lost += 1
            self.agenda.at(self.agenda.now() + _NOTICED_LOSS, self.desk.sweep)
            return True
        return False

    # What people do

    def _read(self, mail: Mail) -> None:
        """Somebody gets a mail, and does in time what it asks for."""
        person = self._addresses[mail.to]
        review, request = _TO_REVIEW.search(mail.text), _TO_REQUEST.search(mail.text)
        if review is not None:
            hours = self.staff.patience(person, self._hours_until(mail))
            if hours < self.hours.total:
                self._in(hours, lambda: self._review(person, review[1]))
        elif request is not None:
            self._in(self.chance.uniform(0.5, 8), lambda: self._see_to(person, request[1]))

    def _hours_until(self, mail: Mail) -> float:
        """How many working hours the deadline is away that a mail names."""
        told = _DEADLINE.search(mail.text)
        if told is None:
            return 0.0
        deadline = datetime.strptime(told[1], "%Y-%m-%d %H:%M").replace(tzinfo=self.zone)
        return self.hours.between(self.agenda.now(), deadline)

    def _alarm(self, submission: str) -> None:
        """Operations hear of a review that nobody gives, and find somebody who does."""
        self.alarms += 1
        self._in(self.chance.uniform(1, 6), lambda: self._have_stood_in(submission))

    def _today(self) -> date:
        return day_of(self.agenda.now(), self.zone)

    def _is_away(self, person: str, thing: Callable[[], None]) -> bool:
        """Whether somebody is on leave; if so, it is done after that."""
        leave = self.staff.away(person, self._today())
        if leave is None:
            return False
        back = self._instant(leave.last, time(0, 0)) + timedelta(days=1)
        self.agenda.at(self.hours.after(back, self.chance.uniform(0.2, 4)), thing)
        return True

    def _hand_in(self) -> None:
        """A liaison of some department hands in a request."""
        department = self.chance.choice(self.staff.departments)
        liaisons = self.staff.holders(Role.LIAISON, department, self._today())
        if not liaisons:
            department, liaisons = "office", self.staff.holders(Role.LIAISON, "office", self._today())
        drafter = self.chance.choice(liaisons)
        submission = self.desk.submit(drafter, self._form(department, drafter))
        self.submitted.append(submission)
        self._look_after(drafter, submission)
        if self.chance.random() < 0.03:  # noqa: PLR2004 — of a hundred
            self._in(self.chance.uniform(0.5, 30), lambda: self._withdraw(drafter, submission))

    def _form(self, department: str, drafter: str, **kept: Any) -> dict[str, Any]:  # noqa: ANN401 — as a form has
        """A request for the days to come; an urgent one for today or tomorrow."""
        chance = self.chance
        importance = (
            kept.get("importance") or chance.choices(("routine", "urgent", "important"), (70, 12, 18))[0]
        )
        confidential = chance.random() < 0.08 if "confidential" not in kept else kept["confidential"]  # noqa: PLR2004
        ahead = chance.uniform(6, 14) if importance == "urgent" else chance.uniform(40, 130)
        publish_at = self.hours.after(self.agenda.now(), ahead).replace(microsecond=0)
        number = chance.randrange(10**6)
        return {
            "title": f"关于第 {number} 号事项的通知",
            "summary": "请各部门按要求落实，并于月底前反馈。",
            "body": f"## 事项\n\n第 {number} 号事项的安排如下。\n\n1. 各部门对照执行；\n2. 如有疑问请联系本部门。",
            "category": "notice",
            "department": department,
            "drafter": drafter,
            "channels": ["email"] if confidential else ["website"],
            "publish_at": to_second_text(publish_at).replace("Z", "+00:00"),
            "time_zone": "Etc/UTC",
            "audience": [department] if confidential else "all",
            "classification": "confidential" if confidential else "internal",
            "importance": importance,
            "keywords": ["通知"],
            "attachments": [],
            "declaration": {"accepted": True, "version": "2026-1"},
        }

    def _withdraw(self, person: str, submission: str) -> None:
        with suppress(IllegalTransition):  # it is too late
            self.desk.withdraw(person, submission)

    def _review(self, person: str, handle: str) -> None:
        if self._is_away(person, lambda: self._review(person, handle)):
            return
        seen = self.desk.look(person, handle)
        if seen is not None:
            self.desk.decide(person, handle, seen, self._opinion(seen.head.revision))

    def _opinion(self, revision: int) -> Decision:
        if revision >= _LAST_ROUND:
            return self.chance.choices((Decision.APPROVE, Decision.REJECT), (9, 1))[0]
        return self.chance.choices(tuple(Decision), (85, 13, 2))[0]

    def _see_to(self, person: str, submission: str) -> None:
        """Who was told of a request looks what has become of it, and acts."""
        head = self.desk.head(submission)
        if head.state in {State.CHANGES_REQUESTED, State.NEEDS_PERSON} and person == head.drafter:
            if not self._is_away(person, lambda: self._see_to(person, submission)):
                self._hand_in_again(head)
        elif head.state is State.IN_REVIEW and person != head.drafter:
            if self.staff.tempers[person] is Temper.SILENT:
                return
            if not self._is_away(person, lambda: self._see_to(person, submission)):
                self._have_stood_in(submission)

    def _look_after(self, drafter: str, submission: str) -> None:
        """Once a week a drafter looks at the own requests: a mail may have been overlooked, or never have come."""

        def look() -> None:
            if self.desk.head(submission).state not in _ENDED:
                self._see_to(drafter, submission)
                self._look_after(drafter, submission)

        self._in(_A_WEEK + self.chance.uniform(-8, 8), look)

    def _hand_in_again(self, head: Submission) -> None:
        """The drafter, or now and then a colleague, hands in a better text, or takes the request back."""
        liaisons = self.staff.holders(Role.LIAISON, head.department, self._today())
        if self.chance.random() < 0.06:  # noqa: PLR2004 — of a hundred
            self._withdraw(self.chance.choice(liaisons), head.id)
            return
        stays = head.drafter in liaisons and self.chance.random() < 0.85  # noqa: PLR2004 — of a hundred
        drafter = head.drafter if stays else self.chance.choice(liaisons)
        kept: Mapping[str, Any] = {
            "importance": head.importance.value,
            "confidential": head.classification.value == "confidential",
        }
        self.desk.revise(drafter, head.id, self._form(head.department, drafter, **kept))
        if drafter != head.drafter:
            self._look_after(drafter, head.id)

    def _have_stood_in(self, submission: str) -> None:
        """Who answers for a review that lies sees to it that somebody stands in for those who do not give it."""
        today, changed = self._today(), False
        head = self.desk.head(submission)
        for person in self.desk.waits_for(submission):
            authors = {head.drafter, *head.co_drafters}
            if self.staff.stand_in(person, today, today + _STAND_IN, but_not=authors):
                self.stood_in += 1
                changed = True
        if changed:
            self.desk.apply(self.staff.roster(self._today()))
