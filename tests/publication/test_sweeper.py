"""The sweeper: whatever an event lost, it finds; what one submission breaks, no other suffers from."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.ledger.model import chain_faults
from chalicelib.publication.freeze import Freezes
from chalicelib.submission.store import shard_of
from tests.faults import CrashError, FaultyAws
from tests.world import REVIEWERS, World, a_world

AWS = FaultyAws()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=AWS) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    """No test's mails come in among the next one's."""
    yield
    world.cloud.settle()


def lose_events(world: World) -> None:
    """Whatever the table's stream holds reaches nobody."""
    assert world.cloud.pumps._read() != []


def sweep(world: World, **passed: float) -> int:
    """Let time pass, an hour unless told, sweep, and let everything come to rest; how many were looked at."""
    with world.later(**(passed or {"hours": 1})):
        examined = world.parts.sweeper.sweep()
        world.finish()
    return examined


def failing(operation: str, about: str) -> Callable[[str, Mapping[str, Any]], None]:
    """An outage of one operation where its request says a certain word."""

    def fail(called: str, params: Mapping[str, Any]) -> None:
        said = f"{params['url']} {params['body']!r}" if about else ""
        if called == operation and about in said:
            raise CrashError(called)

    return fail


def test_a_submission_whose_event_was_lost_is_found_and_reviewed(world: World) -> None:
    submission = world.submit()
    lose_events(world)
    world.cloud.settle()
    assert world.stage_open(submission) is None
    sweep(world)
    assert world.stage_open(submission) == "initial"
    assert world.withdraw(submission).status == 200
    world.cloud.settle()


def test_a_decision_whose_event_was_lost_is_found_and_the_next_stage_opened(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    assert world.decide(REVIEWERS["initial"]).status == 200
    lose_events(world)
    world.cloud.settle()
    assert world.stage_open(submission) is None
    sweep(world)
    assert world.stage_open(submission) == "department_head"
    assert world.withdraw(submission).status == 200
    world.cloud.settle()


def test_an_approved_item_whose_event_was_lost_is_found_and_published_once(world: World) -> None:
    submission = world.submit()
    world.approve()
    lose_events(world)
    world.finish()
    assert world.state(submission) == "scheduled"
    sweep(world)
    assert world.state(submission) == "archived"
    happened = [event.type for event in world.events(submission)]
    assert happened.count("PublishingStarted") == happened.count("Published") == 1
    assert happened.count("WorkflowRestarted") == 1
    assert chain_faults(world.events(submission)) == []


def test_a_machine_killed_while_it_waits_is_begun_again_once_the_item_is_due(world: World) -> None:
    far = world.now() + timedelta(days=250)
    submission = world.submit(publish_at=far.isoformat())
    world.approve()
    world.kill(submission)
    sweep(world, hours=1)
    assert world.plain_journal.head(submission).attempt == 1, "at this scale it is due in six hours"
    with world.later(hours=7):
        world.parts.sweeper.sweep()
        assert world.plain_journal.head(submission).attempt == 2
        world.parts.publishing.repair(world.plain_journal.head(submission), Freezes())
        assert world.plain_journal.head(submission).attempt == 2, "what has just begun is left alone"
        assert world.withdraw(submission).status == 200
    world.kill(submission)


def test_a_machine_killed_between_delivery_and_archive_is_begun_again_and_archives_once(world: World) -> None:
    """Clause 3.5.1: archived at once, and if need be a little later."""
    AWS.watch = failing("PutObject", "archive")
    try:
        submission = world.publish()
    finally:
        AWS.watch = None
    assert world.state(submission) == "published"
    number = world.record(submission)["catalog_number"]
    sweep(world)
    assert world.state(submission) == "archived"
    assert world.record(submission)["catalog_number"] == number
    assert len(world.events(submission, "Published")) == len(world.events(submission, "Archived")) == 1


def test_a_stage_whose_mails_could_not_be_sent_is_opened_again_and_they_are(world: World) -> None:
    AWS.watch = failing("SendEmail", "")
    try:
        submission = world.submit()
        world.cloud.settle()
    finally:
        AWS.watch = None
    assert world.stage_open(submission) is None, "its task is open and nobody knows"
    sweep(world)
    assert world.stage_open(submission) == "initial"
    assert len(world.events(submission, "TaskOpened")) == 1
    world.approve("initial")
    world.cloud.settle()
    assert world.stage_open(submission) == "department_head"
    assert world.withdraw(submission).status == 200


def test_one_that_cannot_be_repaired_holds_back_no_other_and_is_logged_without_its_words(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    submissions = [world.submit(), world.submit()]
    lose_events(world)
    stubborn, other = sorted(submissions, key=shard_of)
    AWS.watch = failing("TransactWriteItems", stubborn)
    try:
        sweep(world)
    finally:
        AWS.watch = None
    assert world.stage_open(other) == "initial"
    assert world.stage_open(stubborn) is None
    (said,) = [record.getMessage() for record in caplog.records if "in a sweep of" in record.getMessage()]
    assert said.startswith("CrashError")
    assert stubborn in said
    sweep(world)
    assert world.stage_open(stubborn) == "initial"


def test_the_sweeper_looks_only_at_what_a_machine_must_move_on(world: World) -> None:
    before = world.parts.sweeper.sweep()
    returned, withdrawn = world.submit(), world.submit()
    assert world.withdraw(withdrawn).status == 200
    world.cloud.settle()
    assert world.decide(REVIEWERS["initial"], "request_changes").status == 200
    waiting = world.submit()
    world.cloud.settle()
    states = [world.state(submission) for submission in (returned, withdrawn, waiting)]
    assert states == ["changes_requested", "withdrawn", "in_review"]
    items = world.items()
    assert world.parts.sweeper.sweep() == before + 1
    assert world.items() == items
