"""Whatever is done to times of what is scheduled, and whoever wakes late: each once, in its time (clause 3.4.1).

Services, jobs and machines are the real ones, on the table in memory with a clock that jumps (`infra/simulation/`).
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chalicelib.core.clock import from_text
from chalicelib.core.errors import ChannelsFrozen, Conflict, ImprimaturError, InvalidInput, TooEarly
from chalicelib.core.mail import Mail
from chalicelib.ledger.model import chain_faults
from chalicelib.ledger.store import events_of
from chalicelib.people.model import Person
from chalicelib.publication.freeze import SCOPES, WHOLE
from chalicelib.review.model import Decision
from chalicelib.submission.model import State
from infra.simulation.agenda import Agenda
from infra.simulation.desk import Desk
from tests.world import DIRECTOR, EDITOR, EXECUTIVE, HEAD, LIAISON, LINK, a_form, a_roster

T = TypeVar("T")
START = datetime(2026, 3, 2, 1, tzinfo=UTC)
PEOPLE = (LIAISON, EDITOR, HEAD, EXECUTIVE, DIRECTOR)
CHANNELS = (["website"], ["website", "email"], ["email"])
RECALL = timedelta(minutes=2)
"""After so long what follows from a decision has followed; it can be taken back for a minute."""
PATIENCE = timedelta(minutes=10)
NUMBERS = st.integers(min_value=0, max_value=10**6)


def pick(number: int, among: Sequence[T]) -> T:
    return among[number % len(among)]


class Times(RuleBasedStateMachine):
    """A desk with three requests that wait for their time."""

    @initialize()
    def open_the_desk(self) -> None:
        self.agenda = Agenda(START)
        self.mailed: list[tuple[str, str]] = []
        self.losing = self.lost = False
        self.desk = Desk(self.agenda, read=self.read, alarm=lambda _: None, loses=self.lose)
        self.desk_open = self.desk.open()
        self.desk_open.__enter__()
        self.desk.apply(a_roster(*PEOPLE))
        self.submissions = [self.approved(number) for number in range(3)]

    def teardown(self) -> None:
        if hasattr(self, "desk_open"):
            self.desk_open.__exit__(None, None, None)

    def read(self, mail: Mail) -> None:
        link = LINK.search(mail.text)
        if link is not None and link[1] == "r":
            (person,) = (each.id for each in PEOPLE if each.email == mail.to)
            self.mailed.append((person, link[2]))

    def lose(self) -> bool:
        """Lose the next batch of the stream's records; the sweeper finds what it would have begun."""
        loses, self.losing = self.losing, False
        self.lost |= loses
        return loses

    def pass_time(self, time: timedelta) -> None:
        self.desk.settle()
        self.agenda.run(self.agenda.now() + time, after_each=self.desk.settle)

    def approved(self, number: int) -> str:
        due = self.agenda.now() + timedelta(hours=number + 1)
        submission = self.desk.submit(LIAISON.id, a_form(due, channels=pick(number, CHANNELS)))
        for _ in range(3):
            self.pass_time(RECALL)
            person, handle = self.mailed[-1]
            seen = self.desk.look(person, handle)
            assert seen is not None
            self.desk.decide(person, handle, seen, Decision.APPROVE)
        self.desk.settle()
        assert self.desk.head(submission).state is State.SCHEDULED
        return submission

    # What people do, and what goes wrong

    @rule(number=NUMBERS, person=st.sampled_from([LIAISON, EDITOR, DIRECTOR]), minutes=st.integers(-5, 600))
    def move(self, number: int, person: Person, minutes: int) -> None:
        to = self.agenda.now() + timedelta(minutes=minutes)
        with suppress(Conflict, InvalidInput):  # it is not scheduled any more, or mails are quiet then
            self.desk.reschedule(person.id, pick(number, self.submissions), to.isoformat())
        self.pass_time(timedelta(0))

    @rule(number=NUMBERS)
    def publish_now(self, number: int) -> None:
        with suppress(Conflict, InvalidInput):
            self.desk.reschedule(EDITOR.id, pick(number, self.submissions), "now")
        self.pass_time(timedelta(0))

    @rule(number=NUMBERS)
    def withdraw(self, number: int) -> None:
        with suppress(Conflict):  # it is too late
            self.desk.withdraw(LIAISON.id, pick(number, self.submissions))
        self.pass_time(timedelta(0))

    @rule(number=NUMBERS)
    def take_the_last_decision_back(self, number: int) -> None:
        with suppress(ImprimaturError):  # it is too late, or not the last
            self.desk.recall(*pick(number, self.mailed))
        self.pass_time(timedelta(0))

    @rule(scope=st.sampled_from([WHOLE, WHOLE, *SCOPES]))
    def freeze(self, scope: str) -> None:
        self.desk.freeze(EDITOR.id, scope)

    @rule(scope=st.sampled_from([WHOLE, WHOLE, *SCOPES]))
    def let_go(self, scope: str) -> None:
        with suppress(Conflict):  # it is not frozen
            self.desk.lift(DIRECTOR.id, scope)
        self.pass_time(timedelta(0))

    @rule(number=NUMBERS, back=st.integers(0, 3), channel=st.sampled_from(["website", "email"]))
    def wake_late(self, number: int, back: int, channel: str) -> None:
        """An execution of this attempt or an older one wakes, whenever it likes, or wakes again."""
        head = self.desk.head(pick(number, self.submissions))
        attempt = max(1, head.attempt - back)
        work: dict[str, Any] = {"submission": head.id, "revision": head.revision, "attempt": attempt}
        channels = [channel]
        with suppress(TooEarly, ChannelsFrozen):
            channels = self.desk.parts.publishing.last_check(work)["channels"]
        for each in channels:
            with suppress(ChannelsFrozen):
                self.desk.parts.delivering.deliver(work | {"channel": each})
        if attempt < head.attempt:
            assert self.desk.head(head.id) == head

    @rule()
    def lose_an_event(self) -> None:
        self.losing = True

    @rule(minutes=st.sampled_from([1, 3, 30, 240, 700]))
    def let_time_pass(self, minutes: int) -> None:
        """The sweeper comes by in the end."""
        self.pass_time(timedelta(minutes=minutes))
        self.losing = self.lost = False
        self.desk.sweep()
        self.pass_time(timedelta(minutes=1))

    # What must always hold

    @invariant()
    def each_is_published_once_and_in_its_time_or_never(self) -> None:
        for submission in self.submissions:
            events = tuple(events_of(self.desk.table, submission))
            assert chain_faults(events) == []
            due, withdrawn, started = None, False, 0
            for event in events:
                if event.type in {"Scheduled", "Rescheduled"}:
                    due = from_text(event.payload["due_at"])
                elif event.type in {"Withdrawn", "DecisionRecalled"}:
                    due, withdrawn = None, True
                elif event.type == "PublishingStarted":
                    started += 1
                    assert due is not None, "taken back, and published"
                    assert due <= event.at, "too early"
            assert started <= 1
            delivered = [event.payload["channel"] for event in events if event.type == "Delivered"]
            assert len(delivered) == len(set(delivered))
            assert started or not delivered
            assert not (withdrawn and self.desk.head(submission).state is State.SCHEDULED and due is None)
        assert self.desk.machines.failed == []

    @invariant()
    def nothing_due_waits_long(self) -> None:
        """Unless it is held back, or an event about it was just lost and the sweeper has not come by."""
        freezes, now = self.desk.parts.freezing.present(), self.agenda.now()
        for head in map(self.desk.head, self.submissions):
            if head.state is State.SCHEDULED and head.due_at is not None and not self.lost:
                held = freezes.stop(head.channels, now)
                assert held or now <= head.due_at + PATIENCE or self.recent(head.updated_at)

    def recent(self, at: datetime) -> bool:
        return self.agenda.now() <= at + PATIENCE


TestAtAnyTime = Times.TestCase
TestAtAnyTime.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


class TimesAtLength(Times):
    """The same, oftener and longer."""


TestAtAnyTimeAtLength = pytest.mark.fuzz_full(TimesAtLength.TestCase)
TimesAtLength.TestCase.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
