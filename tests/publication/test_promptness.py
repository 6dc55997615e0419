"""Nothing that is due stays unstarted for more than five minutes, whatever event was lost (clause 3.4.1)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from app import app
from chalicelib.core.mail import Mail
from chalicelib.ledger.store import events_of
from chalicelib.review.model import Decision
from chalicelib.submission.model import State
from infra.local import subscriptions
from infra.simulation.agenda import Agenda
from infra.simulation.desk import Desk
from tests.world import DIRECTOR, EDITOR, EXECUTIVE, HEAD, LIAISON, LINK, a_form, a_roster

STACKS = Path(__file__).parents[2] / "infra" / "stacks"
PROMISE = timedelta(minutes=5)
START = datetime(2026, 3, 2, 1, tzinfo=UTC)
PEOPLE = (LIAISON, EDITOR, HEAD, EXECUTIVE, DIRECTOR)
(EVERY,) = (
    each.every
    for each in subscriptions.of(app, STACKS / "app.yaml")
    if isinstance(each, subscriptions.Schedule) and each.handler == "sweep"
)


class Clockwork:
    """A desk to which the clock's sweeper comes at its own rate, and whose stream can be cut off."""

    def __init__(self) -> None:
        self.agenda = Agenda(START)
        self.cut = False
        self.mailed: list[tuple[str, str]] = []
        self.desk = Desk(self.agenda, read=self.read, alarm=lambda _: None, loses=lambda: self.cut)
        self.agenda.at(START, self.sweep)

    def read(self, mail: Mail) -> None:
        link = LINK.search(mail.text)
        if link is not None and link[1] == "r":
            (person,) = (each.id for each in PEOPLE if each.email == mail.to)
            self.mailed.append((person, link[2]))

    def sweep(self) -> None:
        self.desk.sweep()
        self.agenda.at(self.agenda.now() + EVERY, self.sweep)

    def run(self, until: datetime) -> None:
        self.desk.settle()
        self.agenda.run(until, after_each=self.desk.settle)

    def approved(self, due: datetime) -> str:
        """A request whose approval nobody hears of."""
        submission = self.desk.submit(LIAISON.id, a_form(due))
        for left in (2, 1, 0):
            self.run(self.agenda.now() + timedelta(minutes=2))
            person, handle = self.mailed[-1]
            seen = self.desk.look(person, handle)
            assert seen is not None
            self.cut = left == 0
            self.desk.decide(person, handle, seen, Decision.APPROVE)
            self.desk.settle()
            self.cut = False
        assert self.desk.head(submission).state is State.SCHEDULED
        return submission


@pytest.fixture
def clockwork() -> Iterator[Clockwork]:
    clockwork = Clockwork()
    with clockwork.desk.open():
        clockwork.desk.apply(a_roster(*PEOPLE))
        yield clockwork


def test_what_nobody_was_told_of_begins_within_five_minutes_of_its_time(clockwork: Clockwork) -> None:
    """At whatever moment between two sweeps it falls due."""
    dues = [START + timedelta(hours=1, seconds=seconds) for seconds in range(0, 130, 13)]
    submissions = {clockwork.approved(due): due for due in dues}
    clockwork.run(START + timedelta(hours=2))
    for submission, due in submissions.items():
        happened = list(events_of(clockwork.desk.table, submission))
        (started,) = (event for event in happened if event.type == "PublishingStarted")
        assert due <= started.at <= due + PROMISE
        assert sum(event.type == "WorkflowRestarted" for event in happened) == 1


def test_a_wake_up_that_is_late_by_a_minute_or_two_is_left_alone(clockwork: Clockwork) -> None:
    """Waits end up to a minute late, and tries of the last check take another."""
    promptness = clockwork.desk.parts.publishing.promptness
    assert timedelta(minutes=2) < promptness <= PROMISE - EVERY


def test_somebody_is_called_when_that_did_not_help() -> None:
    text = (STACKS / "watch.yaml").read_text("utf-8")
    (line,) = (line for line in text.splitlines() if line.strip().startswith("Scheduled: {State: scheduled"))
    limits = yaml.safe_load(line)["Scheduled"]
    assert limits["Seconds"] == PROMISE.total_seconds()
    assert EVERY.total_seconds() <= limits["Looks"] <= PROMISE.total_seconds()
