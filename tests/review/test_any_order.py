"""Whatever people do to requests under review, in whatever order, and however long they take: no rule is broken.

Services, jobs and machines are the real ones, on the table in memory with a clock that jumps (`infra/simulation/`). A
rule is something that somebody does; after each, everything that must always hold is looked at (clauses 3.3.1, 3.3.4).
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.core.errors import ImprimaturError, NotPermitted
from chalicelib.core.mail import Mail
from chalicelib.ledger.store import events_of
from chalicelib.people.model import Duty, Person, Role
from chalicelib.review.deadlines import Case, Escalation
from chalicelib.review.model import Decision
from chalicelib.review.service import OpenedLink
from chalicelib.review.store import read_task, task_key
from chalicelib.submission.model import REVISABLE, State, Submission
from infra.simulation.agenda import Agenda
from infra.simulation.desk import Desk
from infra.simulation.outcome import faults
from tests.world import DIRECTOR, EXECUTIVE, HEAD, LINK, LONG_AGO, a_form, a_person, a_roster

T = TypeVar("T")

BEFORE_SPRING_FESTIVAL = datetime(2026, 2, 12, 1, tzinfo=UTC)
LIAISON = a_person("liaison", (Role.LIAISON, "marketing"))
WRITING_EDITOR = a_person("writing-editor", (Role.LIAISON, "marketing"), (Role.CENTER_EDITOR, "center"))
EDITOR = a_person("editor", (Role.CENTER_EDITOR, "center"))
DEPUTY = a_person("deputy", (Role.EMPLOYEE, "research"))
PEOPLE = (LIAISON, WRITING_EDITOR, EDITOR, HEAD, EXECUTIVE, DIRECTOR, DEPUTY)
DRAFTERS = (LIAISON, WRITING_EDITOR)
ABSENT = (EDITOR, HEAD, EXECUTIVE)
"""Who may be away, with the deputy standing in."""
PATIENCE = timedelta(minutes=30)
"""Nothing is later than this: the sweeper, which finds what stands still for ten minutes, looks after every quarter."""
NEXT_STAGE = timedelta(minutes=2)
"""After so long what follows from a decision has followed; it can be taken back for a minute."""
NUMBERS = st.integers(min_value=0, max_value=10**6)


def pick(number: int, among: Sequence[T]) -> T:
    return among[number % len(among)]


class Reviews(RuleBasedStateMachine):
    """A desk, and what has been mailed."""

    @initialize()
    def open_the_desk(self) -> None:
        self.agenda = Agenda(BEFORE_SPRING_FESTIVAL)
        self.mailed: list[tuple[str, str]] = []
        self.seen: list[tuple[str, str, OpenedLink]] = []
        self.alarmed: set[str] = set()
        self.submissions: list[str] = []
        self.losing = 0
        self.gone: set[str] = set()
        self.away: dict[str, datetime] = {}
        self.desk = Desk(self.agenda, read=self.read, alarm=self.alarmed.add, loses=self.lose)
        self.desk_open = self.desk.open()
        self.desk_open.__enter__()
        self.desk.apply(a_roster(*PEOPLE))
        for number, importance in enumerate(("routine", "urgent")):
            self.submit(number, importance)

    def teardown(self) -> None:
        if hasattr(self, "desk_open"):
            self.desk_open.__exit__(None, None, None)

    def read(self, mail: Mail) -> None:
        link = LINK.search(mail.text)
        if link is not None and link[1] == "r":
            (person,) = (each.id for each in PEOPLE if each.email == mail.to)
            self.mailed.append((person, link[2]))

    def lose(self) -> bool:
        """Lose the next record of the stream; the sweeper comes in a quarter of an hour."""
        if not self.losing:
            return False
        self.losing -= 1
        for quarter in (1, 2):
            self.agenda.at(self.agenda.now() + quarter * timedelta(minutes=15), self.desk.sweep)
        return True

    def pass_time(self, time: timedelta) -> None:
        self.desk.settle()
        self.agenda.run(self.agenda.now() + time, after_each=self.desk.settle)

    def heads(self, *states: State) -> list[Submission]:
        heads = [self.desk.head(submission) for submission in self.submissions]
        return [head for head in heads if not states or head.state in states]

    # What people do

    @rule(number=NUMBERS, importance=st.sampled_from(["routine", "urgent", "important"]))
    def submit(self, number: int, importance: str) -> None:
        drafter = pick(number, DRAFTERS)
        self.submissions.append(self.desk.submit(drafter.id, self.form(drafter, importance=importance)))
        self.pass_time(timedelta(0))

    @precondition(lambda self: self.mailed)
    @rule(number=NUMBERS, decision=st.sampled_from([*[Decision.APPROVE] * 4, *Decision]))
    def decide_by_a_link(self, number: int, decision: Decision) -> None:
        """By one of the newest that still lead to something."""
        looks = [(person, handle, self.desk.look(person, handle)) for person, handle in self.mailed[:-9:-1]]
        useful = [(person, handle, seen) for person, handle, seen in looks if seen is not None]
        if useful:
            self.desk.decide(*pick(number, useful), decision)
            self.pass_time(pick(number // 9, (NEXT_STAGE, timedelta(0))))

    @precondition(lambda self: self.mailed)
    @rule(number=NUMBERS)
    def open_a_link(self, number: int) -> None:
        """Somebody looks at a text, and takes time to think."""
        person, handle = pick(number, self.mailed[:-9:-1])
        seen = self.desk.look(person, handle)
        if seen is not None:
            self.seen.append((person, handle, seen))

    @precondition(lambda self: self.seen)
    @rule(number=NUMBERS, decision=st.sampled_from(Decision))
    def decide_on_what_was_seen(self, number: int, decision: Decision) -> None:
        """Whatever has become of it meanwhile."""
        with suppress(ImprimaturError):  # another text by now, or nobody is waited for
            self.desk.decide(*pick(number, self.seen), decision)
        self.pass_time(timedelta(0))

    @precondition(lambda self: self.mailed)
    @rule(number=NUMBERS, to=st.sampled_from([DEPUTY, EDITOR, HEAD, DIRECTOR, None]))
    def hand_over(self, number: int, to: Person | None) -> None:
        """Somebody lets another decide, or takes that back."""
        with suppress(ImprimaturError):  # nobody is waited for, or it cannot go there
            self.desk.delegate(*pick(number, self.mailed[:-9:-1]), None if to is None else to.id)
        self.pass_time(timedelta(0))

    @precondition(lambda self: self.mailed)
    @rule(number=NUMBERS)
    def take_back(self, number: int) -> None:
        """Somebody takes a decision back, as long as nothing has followed from it."""
        with suppress(ImprimaturError):  # none was made, or it is too late
            self.desk.recall(*pick(number, self.mailed[:-9:-1]))
        self.pass_time(timedelta(0))

    @precondition(lambda self: self.mailed)
    @rule(number=NUMBERS, other=NUMBERS)
    def open_a_link_that_was_mailed_to_another(self, number: int, other: int) -> None:
        person, handle = pick(number, self.mailed)
        thief = pick(other, [each.id for each in PEOPLE if each.id != person])
        assert self.desk.look(thief, handle) is None

    @precondition(lambda self: self.heads(*REVISABLE))
    @rule(number=NUMBERS)
    def resubmit(self, number: int) -> None:
        head = pick(number, self.heads(*REVISABLE))
        drafter = pick(number // 7, DRAFTERS)
        self.desk.revise(drafter.id, head.id, self.form(drafter, title=f"第 {number} 稿"))
        after = self.desk.head(head.id)
        assert (after.state, after.stage, after.revision) == (State.IN_REVIEW, "initial", head.revision + 1)
        self.pass_time(timedelta(0))

    @precondition(lambda self: self.heads(State.IN_REVIEW))
    @rule(number=NUMBERS, editor=st.sampled_from([EDITOR, WRITING_EDITOR]))
    def amend(self, number: int, editor: Person) -> None:
        """An editor puts another text into the place of the one in initial review."""
        head = pick(number, self.heads(State.IN_REVIEW))
        with suppress(ImprimaturError):  # it is past that, or nobody else could review it
            self.desk.amend(editor.id, head.id, title=f"第 {number} 稿，编辑改")
        self.pass_time(timedelta(0))

    @precondition(lambda self: self.heads(State.AWAITING_CONFIRMATION))
    @rule(number=NUMBERS, declines=st.booleans())
    def confirm_or_decline(self, number: int, declines: bool) -> None:  # noqa: FBT001 — hypothesis's
        head = pick(number, self.heads(State.AWAITING_CONFIRMATION))
        with suppress(NotPermitted):  # nobody answers for the own amendment
            self.desk.confirm(pick(number // 7, DRAFTERS).id, head.id, declines=declines)
            assert self.desk.head(head.id).state is State.IN_REVIEW
        self.pass_time(timedelta(0))

    @precondition(lambda self: self.submissions)
    @rule(number=NUMBERS)
    def withdraw(self, number: int) -> None:
        submission = pick(number, self.submissions)
        with suppress(ImprimaturError):  # it is too late
            self.desk.withdraw(LIAISON.id, submission)
            assert self.desk.head(submission).state is State.WITHDRAWN
        self.pass_time(timedelta(0))

    @rule(number=NUMBERS, days=st.integers(min_value=1, max_value=9))
    def stand_in(self, number: int, days: int) -> None:
        """Somebody is away for some days, and the deputy stands in."""
        self.away[pick(number, ABSENT).id] = self.agenda.now() + timedelta(days=days)
        self.apply_roster()

    @rule(number=NUMBERS)
    def leave_or_come_back(self, number: int) -> None:
        """Somebody has a duty no more, or has it again; a stage may be left with nobody whom it could ask."""
        self.gone ^= {pick(number, ABSENT).id}
        self.apply_roster()

    def apply_roster(self) -> None:
        deputy = replace(DEPUTY, duties=(*DEPUTY.duties, *self.taken_over()))
        people = [deputy if person is DEPUTY else person for person in PEOPLE if person.id not in self.gone]
        self.desk.apply(a_roster(*people))

    def taken_over(self) -> list[Duty]:
        return [
            replace(duty, since=LONG_AGO, until=self.away[person.id], instead_of=person.id)
            for person in ABSENT
            if person.id in self.away
            for duty in person.duties
        ]

    @rule(hours=st.sampled_from([0.01, 1, 3, 9, 24, 24, 72, 240]))
    def let_time_pass(self, hours: float) -> None:
        self.pass_time(timedelta(hours=hours))

    @rule()
    def lose_an_event(self) -> None:
        self.losing = 1

    def form(self, drafter: Person, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 — a form's fields have many shapes
        """To be published long after: what comes too late is another story."""
        later = self.agenda.now() + timedelta(days=90)
        return a_form(later, drafter=drafter.id, **changes)

    # What must always hold

    @invariant()
    def no_rule_is_broken(self) -> None:
        for head in self.heads():
            events = tuple(events_of(self.desk.table, head.id))
            assert list(faults(self.desk, head, events)) == []
            assert len(events) == head.seq
        assert self.desk.machines.failed == []

    @invariant()
    def nothing_lies_unseen(self) -> None:
        """Each stage that waits has its next step before it, and past the last escalation an alarm was raised."""
        now, deadlines = self.agenda.now(), self.desk.parts.rounds.deadlines
        for head in self.heads(State.IN_REVIEW):
            assert head.stage is not None
            record = self.desk.table.get(task_key(head.id, head.revision, head.stage))
            if record is None or not read_task(record).mailed:
                assert now - head.updated_at <= PATIENCE, "nobody was asked"
                continue
            task = read_task(record)
            assert now <= task.next_at + PATIENCE, "a step was due"
            told = [deadlines.step(number, Case.of(head, task.stage)).to for number in range(task.steps)]
            assert head.id in self.alarmed or Escalation.OPERATIONS not in told


TestInAnyOrder = Reviews.TestCase
TestInAnyOrder.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)


class ReviewsAtLength(Reviews):
    """The same, oftener and longer."""


TestInAnyOrderAtLength = pytest.mark.fuzz_full(ReviewsAtLength.TestCase)
ReviewsAtLength.TestCase.settings = settings(max_examples=500, stateful_step_count=60, deadline=None)
