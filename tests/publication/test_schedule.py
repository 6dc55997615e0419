"""From the last approval to the planned moment: not before it, at once when it has passed, never when withdrawn."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.clock import from_text
from chalicelib.publication.store import deliveries_of, entries_under
from tests.world import STAGES, World, a_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    """No test's mails come in among the next one's."""
    yield
    world.cloud.settle()


def ended(world: World, submission: str) -> list[str]:
    """How the publication machines of a submission have ended, attempt by attempt."""
    world.finish()
    return [
        ran.status
        for ran in world.cloud.executions()
        if ran.machine == "imprimatur-publication" and ran.name.startswith(submission)
    ]


def sweep(world: World, **passed: float) -> None:
    """Let so much time pass, sweep, and let everything come to rest."""
    with world.later(**passed):
        world.parts.sweeper.sweep()
        world.finish()


def shown(world: World) -> list[str]:
    """The submissions that the intranet shows."""
    return [entry.submission for entry in entries_under(world.plain_table, "internal")]


def test_nothing_is_published_before_its_time_though_waits_are_shorter(world: World) -> None:
    """Clause 3.4.1: by the planned time, in the time zone the drafter chose."""
    publish_at = (world.now() + timedelta(minutes=6)).replace(microsecond=0)
    submission = world.submit(publish_at=publish_at.isoformat())
    world.approve()
    (scheduled,) = world.events(submission, "Scheduled")
    assert from_text(scheduled.payload["publish_at"]) == publish_at
    assert scheduled.payload["time_zone"] == "Etc/UTC"
    due_at = from_text(scheduled.payload["due_at"])
    world.finish()
    assert world.state(submission) == "archived"
    (started,) = world.events(submission, "PublishingStarted")
    assert due_at <= started.at < due_at + timedelta(seconds=10)


def test_each_step_to_the_archive_names_the_policy_line_that_asks_for_all_approvals(world: World) -> None:
    submission = world.publish()
    lines = (POLICIES / "policy.csv").read_text().split("\n")
    rested_on = {}
    for kind in ("Scheduled", "PublishingStarted", "Published"):
        (event,) = world.events(submission, kind)
        assert event.policy is not None
        rested_on[kind] = lines[event.policy.line - 1]
    assert rested_on == {
        "Scheduled": "p, publication.schedule, service:review, all_stages_approved, allow",
        "PublishingStarted": "p, publication.publish, service:publication, all_stages_approved, allow",
        "Published": "p, archive.write, service:archive, all_stages_approved, allow",
    }


def test_a_time_missed_by_less_than_two_days_is_made_good_at_once(world: World) -> None:
    submission = world.submit()
    world.approve(*STAGES[:2])
    with world.later(hours=47):
        world.approve(STAGES[2])
        world.finish()
        assert world.state(submission) == "archived"


def test_a_time_missed_by_more_than_two_days_asks_a_person_and_the_drafter_may_set_another(
    world: World,
) -> None:
    submission = world.submit()
    world.approve(*STAGES[:2])
    with world.later(hours=49):
        world.cloud.settle()
        world.approve(STAGES[2])
        record = world.record(submission)
        assert (record["state"], record["reason"]) == ("needs_person", "too_late")
        assert [opinion["decision"] for opinion in record["opinions"]] == ["approve"] * 3
        answer = world.resubmit(submission)
        assert (answer.status, answer.body["state"]) == (201, "in_review")
    assert world.events(submission, "Scheduled") == []
    assert submission not in shown(world)


def test_what_is_withdrawn_while_it_waits_is_never_published(world: World) -> None:
    soon = world.now() + timedelta(minutes=5)
    submission = world.submit(publish_at=soon.isoformat())
    world.approve()
    assert world.state(submission) == "scheduled"
    assert world.withdraw(submission).status == 200
    assert ended(world, submission) == ["SUCCEEDED"]
    assert world.state(submission) == "withdrawn"
    assert deliveries_of(world.plain_table, submission, 1) == ()
    assert submission not in shown(world)


def test_what_is_being_published_can_no_longer_be_withdrawn(world: World) -> None:
    submission = world.publish()
    answer = world.withdraw(submission)
    assert (answer.status, answer.body["code"]) == (409, "illegal_transition")
    assert world.state(submission) == "archived"


def test_during_a_freeze_nothing_is_published_and_afterwards_the_sweeper_sees_to_it(world: World) -> None:
    """Clause 5.1.2: freeze of channels."""
    with world.frozen():
        submission = world.publish()
        assert world.state(submission) == "scheduled"
        assert ended(world, submission) == ["SUCCEEDED"], "the machine need not wait for the thaw"
        sweep(world, hours=1)
        assert world.plain_journal.head(submission).attempt == 1, "nothing is begun again while frozen"
        assert submission not in shown(world)
    sweep(world, hours=1)
    assert world.state(submission) == "archived"
    assert shown(world).count(submission) == 1


def test_after_a_freeze_of_more_than_two_days_a_person_is_asked(world: World) -> None:
    with world.frozen():
        submission = world.publish()
    sweep(world, hours=49)
    assert world.record(submission)["reason"] == "too_late"
