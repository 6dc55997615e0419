"""Reviews that are late, and machines that are gone: nobody waits for ever, and nothing happens twice."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from chalicelib.core.clock import from_text
from chalicelib.core.machines import Machine
from chalicelib.review.store import read_waiting, tasks_of, waiting_key
from tests.world import EDITOR, HEAD, MISSED, World, a_world

SHORT = 100_000
"""A wait scale that makes the longest holiday last nine seconds, and two working hours long enough to be at rest."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    """No test's mails come in among the next one's."""
    yield
    world.cloud.settle()


def work_of(world: World, submission: str, **changes: object) -> dict[str, Any]:
    """What the machine works on while it waits for the present stage."""
    head = world.plain_journal.head(submission)
    work = {
        "submission": submission,
        "revision": head.revision,
        "attempt": head.attempt,
        "stage": head.stage,
        "reminded": 0,
    }
    return work | changes


def sweep_later(world: World, **passed: float) -> None:
    with world.later(**passed):
        world.parts.sweeper.sweep()
    world.cloud.settle()


@pytest.fixture
def short_terms(world: World) -> Iterator[None]:
    """A review's term lasts no time worth mentioning."""
    runtime = world.cloud._runtime
    usual, runtime.wait_scale = runtime.wait_scale, SHORT
    yield
    runtime.wait_scale = usual


@pytest.mark.usefixtures("short_terms")
def test_an_overdue_review_gets_a_new_term_and_its_reviewer_another_mail(world: World) -> None:
    """Clause 3.3.4: decide within the set time; reminders."""
    before = len(world.links(EDITOR))
    submission = world.submit()
    world.cloud.settle()
    first = world.links(EDITOR)[0]
    until = time.monotonic() + 20
    while not world.events(submission, "ReviewOverdue") and time.monotonic() < until:
        time.sleep(0.02)
        world.cloud.settle()
    answer = world.decide(EDITOR, handle=first)
    assert (answer.status, answer.body["state"]) == (200, "in_review"), "the first link works as well"
    told = [event.payload for event in world.events(submission, "ReviewOverdue")]
    initial = [payload for payload in told if payload["stage"] == "initial"]
    assert initial
    assert len(world.links(EDITOR)) >= before + MISSED
    assert all(from_text(payload["deadline"]) > from_text(payload["missed"]) for payload in initial)
    assert len({payload["missed"] for payload in initial}) == len(initial), "each missed term is told once"
    assert world.withdraw(submission).status == 200
    world.cloud.settle()


def test_a_time_out_that_is_reported_twice_is_recorded_once(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    missed = world.open_link(world.links(EDITOR)[0], EDITOR).body["deadline"]
    for taken in range(MISSED):
        first = world.parts.rounds.remind(work_of(world, submission, reminded=taken))
        again = world.parts.rounds.remind(work_of(world, submission, reminded=taken))
        assert {**first, "timeout_seconds": 0} == {**again, "timeout_seconds": 0}
        assert (first["outcome"], first["stage"], first["reminded"]) == ("review", "initial", taken + 1)
    assert len(world.events(submission, "ReviewReminded")) == MISSED - 1
    (overdue,) = world.events(submission, "ReviewOverdue")
    assert overdue.payload["missed"] == missed
    seen = world.open_link(world.links(EDITOR)[0], EDITOR).body
    assert seen["deadline"] == overdue.payload["deadline"]


def test_a_reminder_that_comes_after_the_decision_goes_on_to_the_next_stage(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    late = work_of(world, submission)
    assert world.decide(EDITOR).status == 200
    following = world.parts.rounds.remind(late)
    assert (following["outcome"], following["stage"]) == ("review", "department_head")
    assert world.events(submission, "ReviewOverdue") == []
    assert world.withdraw(submission).status == 200
    assert world.parts.rounds.remind(late)["outcome"] == "ended"


def test_a_killed_machine_is_begun_again_at_the_stage_that_is_due(world: World) -> None:
    submission = world.submit()
    world.approve("initial")
    world.cloud.settle()
    world.kill(submission)
    sweep_later(world, hours=2)
    (restarted,) = world.events(submission, "WorkflowRestarted")
    assert (restarted.payload["attempt"], restarted.payload["stage"]) == (2, "department_head")
    assert restarted.actor == "service:review"
    assert len(world.events(submission, "TaskOpened")) == 2, "the stage's task is the one that was open"
    world.approve("department_head", "executive")
    world.finish()
    assert world.state(submission) == "archived"


def test_a_late_wake_up_of_an_older_attempt_changes_nothing(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    record = world.plain_table.get(waiting_key(submission))
    assert record is not None
    old = work_of(world, submission)
    world.kill(submission)
    sweep_later(world, hours=2)
    assert world.plain_journal.head(submission).attempt == 2

    before = world.items()
    world.parts.rounds.open_stage(old, read_waiting(record).token)
    assert world.parts.rounds.remind(old)["outcome"] == "ended"
    assert world.items() == before
    world.approve("initial")
    world.cloud.settle()
    assert world.stage_open(submission) == "department_head"


def test_a_killed_machine_whose_stage_was_decided_meanwhile_goes_on_after_it(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    world.kill(submission)
    assert world.decide(EDITOR).status == 200
    world.cloud.settle()
    assert world.stage_open(submission) is None, "nobody opened the next stage"
    sweep_later(world, hours=2)
    assert world.stage_open(submission) == "department_head"
    assert len(world.links(HEAD)) >= 1


def test_however_long_lies_between_two_steps_the_sweeper_waits_for_the_next(world: World) -> None:
    """An urgent first review has two working hours, and those who are told are four apart."""
    submission = world.submit(importance="urgent")
    world.cloud.settle()
    world.let_lie(submission)
    world.parts.rounds.open_stage(world.lying(submission), "another-token")
    (task,) = tasks_of(world.plain_table, submission)
    until_next = task.next_at - world.now()
    assert until_next > timedelta(seconds=0)
    sweep_later(world, seconds=until_next.total_seconds() - 1)
    assert world.events(submission, "WorkflowRestarted") == []
    sweep_later(world, hours=until_next.total_seconds() / 3600 + 2)
    assert len(world.events(submission, "WorkflowRestarted")) == 1
    assert world.withdraw(submission).status == 200


def test_what_is_overdue_when_a_machine_begins_again_is_done_at_once_and_the_rest_in_its_time(
    world: World,
) -> None:
    submission = world.submit()
    world.cloud.settle()
    world.kill(submission)
    with world.later(days=60):
        (late, _) = argument_of_next_machine(world, submission)
        assert late["timeout_seconds"] == 1
        following = world.parts.rounds.remind(world.lying(submission))
    nine_working_hours = 9 * 3600
    assert following["timeout_seconds"] > nine_working_hours, "the second reminder is 9.6 working hours later"
    assert world.withdraw(submission).status == 200


def argument_of_next_machine(world: World, submission: str) -> tuple[dict[str, Any], str]:
    """What a machine that begins again works on, and its name."""
    begun: list[tuple[str, dict[str, Any]]] = []

    class Noted:
        def start(self, name: str, argument: dict[str, Any]) -> None:
            begun.append((name, argument))

    head = world.plain_journal.head(submission)
    payload = {"revision": head.revision, "attempt": head.attempt + 1, "stage": head.stage}
    event = {"submission": submission, "correlation_id": None, "payload": payload}
    replace(world.parts.rounds, machine=cast("Machine", Noted())).start(event)
    ((name, argument),) = begun
    return argument, name


def test_a_machine_at_work_is_left_alone_by_the_sweeper(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    before = world.items()
    sweep_later(world, seconds=20)
    assert world.items() == before
    assert world.withdraw(submission).status == 200
