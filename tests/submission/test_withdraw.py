"""Withdrawing: until publishing begins, as often as one likes, against whoever else decides at that moment."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.people.model import Person
from tests.faults import FaultyAws
from tests.world import EDITOR, HEAD, LIAISON, OTHER_LIAISON, Answer, World, a_form, a_world

AWS = FaultyAws()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=AWS) as world:
        yield world


def withdraw(world: World, submission: str, body: object, as_: Person = LIAISON) -> Answer:
    return world.call("POST", f"/api/v1/submissions/{submission}/withdrawal", body, as_=as_)


def scheduled(world: World) -> str:
    """A submission that waits for its publish time."""
    world.cloud.settle()
    publish_at = a_form(world.now() + timedelta(days=10))["publish_at"]
    submission = world.submit(publish_at=publish_at)
    world.approve()
    assert world.state(submission) == "scheduled"
    return submission


def last_check(world: World, submission: str) -> dict[str, Any]:
    head = world.parts.journal.head(submission)
    work = {"submission": submission, "revision": head.revision, "attempt": head.attempt}
    return world.parts.publishing.last_check(work)


def during_the_next_transaction(step: Callable[[], object]) -> None:
    """Let somebody else be faster: take their step just before the next transaction is sent."""

    def be_faster(operation: str, _: Mapping[str, Any]) -> None:
        if operation == "TransactWriteItems":
            AWS.watch = None
            step()

    AWS.watch = be_faster


def test_a_submission_is_withdrawn_with_its_reason(world: World) -> None:
    submission = world.submit()
    answer = withdraw(world, submission, {"reason": "内容有误。"})
    assert (answer.status, answer.body["state"]) == (200, "withdrawn")
    (event,) = world.events(submission, "Withdrawn")
    assert event.actor == LIAISON.id
    assert event.payload == {"revision": 1, "stage": "initial", "reason": "内容有误。"}


def test_a_reason_may_be_left_out(world: World) -> None:
    assert withdraw(world, world.submit(), {}).status == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "长" * 2001}, "/reason"),
        ({"reason": "\ud800"}, "/reason"),
        ({"why": ""}, "/why"),
        ([], ""),
    ],
)
def test_a_malformed_withdrawal_changes_nothing(world: World, body: object, pointer: str) -> None:
    submission = world.submit()
    answer = withdraw(world, submission, body)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
    assert world.state(submission) == "in_review"


def test_withdrawing_again_changes_nothing(world: World) -> None:
    submission = world.submit()
    first = withdraw(world, submission, {"reason": "一"})
    again = withdraw(world, submission, {"reason": "二"})
    assert {**first.body, "correlation_id": ""} == {**again.body, "correlation_id": ""}
    assert len(world.events(submission, "Withdrawn")) == 1


def test_a_link_to_what_was_withdrawn_decides_nothing(world: World) -> None:
    world.cloud.settle()
    submission = world.submit()
    world.cloud.settle()
    opinion = world.opinion(EDITOR)
    withdraw(world, submission, {})
    assert world.call("POST", "/api/v1/review-links/decision", opinion, as_=EDITOR).status == 409
    assert world.state(submission) == "withdrawn"


@pytest.mark.parametrize(("person", "status"), [(EDITOR, 403), (HEAD, 403), (OTHER_LIAISON, 404)])
def test_only_a_liaison_of_the_department_withdraws(world: World, person: Person, status: int) -> None:
    submission = world.submit()
    assert withdraw(world, submission, {}, person).status == status
    assert world.state(submission) == "in_review"


def test_what_is_published_is_not_withdrawn(world: World) -> None:
    """Clause 3.4.2: the withdrawal flag counts until publishing begins."""
    world.cloud.settle()
    submission = world.submit()
    world.approve()
    world.finish()
    assert world.state(submission) == "archived"
    answer = withdraw(world, submission, {})
    assert (answer.status, answer.body["code"]) == (409, "illegal_transition")


def test_a_withdrawal_that_comes_before_the_last_check_wins(world: World) -> None:
    """Clause 3.4.2: withdrawal flag re-checked at the last moment."""
    submission = scheduled(world)
    with world.later(hours=1):
        during_the_next_transaction(lambda: withdraw(world, submission, {}))
        assert last_check(world, submission)["channels"] == []
    assert world.state(submission) == "withdrawn"
    assert world.events(submission, "PublishingStarted") == []


def test_a_withdrawal_that_comes_after_the_last_check_is_refused(world: World) -> None:
    submission = scheduled(world)
    with world.later(hours=1):
        during_the_next_transaction(lambda: last_check(world, submission))
        answer = withdraw(world, submission, {})
    assert (answer.status, answer.body["code"]) == (409, "illegal_transition")
    assert world.state(submission) == "publishing"
    assert world.events(submission, "Withdrawn") == []


def test_a_withdrawal_outlives_a_decision_of_the_same_moment(world: World) -> None:
    world.cloud.settle()
    submission = world.submit()
    world.cloud.settle()
    opinion = world.opinion(EDITOR)
    during_the_next_transaction(
        lambda: world.call("POST", "/api/v1/review-links/decision", opinion, as_=EDITOR)
    )
    answer = withdraw(world, submission, {})
    assert (answer.status, answer.body["state"]) == (200, "withdrawn")
    (event,) = world.events(submission, "Withdrawn")
    assert event.payload["stage"] == "department_head"
