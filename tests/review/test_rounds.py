"""Rounds of review: stages in their order, returns and new rounds, withdrawals, and who is asked."""

from collections.abc import Iterator

import pytest

from chalicelib.ledger.model import chain_faults
from chalicelib.people.model import Role
from tests.world import (
    EDITOR,
    EXECUTIVE,
    HEAD,
    OTHER_LIAISON,
    PEOPLE,
    REVIEWERS,
    STAGES,
    World,
    a_person,
    a_world,
)

SECOND_EDITOR = a_person("second-editor", (Role.CENTER_EDITOR, "center"))
LONELY = a_person("lonely", (Role.LIAISON, "research"), (Role.DEPARTMENT_HEAD, "research"))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, SECOND_EDITOR, LONELY) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    """No test's mails come in among the next one's."""
    yield
    world.cloud.settle()


def round_ended(world: World, submission: str, *, revision: int = 1) -> bool:
    """Whether the round's machine has come to its proper end."""
    world.cloud.settle()
    (ran,) = [ran for ran in world.cloud.executions() if ran.name == f"{submission}-{revision}-{revision}"]
    return (ran.machine, ran.status) == ("imprimatur-review", "SUCCEEDED")


def test_the_three_stages_come_in_their_order_each_with_its_own_reviewers(world: World) -> None:
    """Clauses 3.2.1 and 3.3.1: initial review, department head, supervising executive."""
    submission = world.submit()
    for stage in STAGES:
        world.cloud.settle()
        assert world.stage_open(submission) == stage
        assert world.open_link(world.links(REVIEWERS[stage])[0], REVIEWERS[stage]).body["stage"] == stage
        world.approve(stage)
    opened = world.events(submission, "TaskOpened")
    assert [event.payload["stage"] for event in opened] == list(STAGES)
    assert [event.payload["reviewers"] for event in opened] == [
        sorted([EDITOR.id, SECOND_EDITOR.id]),
        [HEAD.id],
        [EXECUTIVE.id],
    ]
    assert world.record(submission)["state"] == "scheduled"


def test_two_editors_are_both_mailed_a_link_of_their_own_and_either_decides(world: World) -> None:
    world.submit()
    world.cloud.settle()
    first, second = world.links(EDITOR)[0], world.links(SECOND_EDITOR)[0]
    assert first != second
    assert world.open_link(first, SECOND_EDITOR).status == 404
    assert world.decide(SECOND_EDITOR).status == 200
    answer = world.decide(EDITOR, "reject")
    assert (answer.status, answer.body["code"]) == (409, "already_decided")


def test_a_return_starts_a_new_round_from_the_first_stage_with_a_diff_and_all_opinions_kept(
    world: World,
) -> None:
    """Clause 3.3.4: fail means reasons and a resubmission; approvals never carry over to another text."""
    submission = world.submit()
    world.approve("initial")
    world.cloud.settle()
    assert world.decide(HEAD, "request_changes", comment="请写明停电范围。").body["state"] == (
        "changes_requested"
    )
    assert round_ended(world, submission)
    old_links = {person.id: world.links(person)[0] for person in (EDITOR, SECOND_EDITOR, HEAD)}

    answer = world.resubmit(submission, title="A 座停电检修通知", body="## 范围\n\nA 座全部楼层。")
    assert (answer.status, answer.body["revision"], answer.body["state"]) == (201, 2, "in_review")
    world.cloud.settle()
    assert world.stage_open(submission) == "initial"
    assert world.open_link(old_links[SECOND_EDITOR.id], SECOND_EDITOR).status == 404

    seen = world.open_link(world.links(EDITOR)[0], EDITOR).body
    changed = {change["field"]: change for change in seen["diff"]}
    assert changed.keys() - {"publish_at"} == {"title", "body"}
    assert changed["title"]["after"] == "A 座停电检修通知"
    (passage,) = changed["body"]["passages"]
    assert [{"change": "added", "text": "A 座全部楼层。"}] in passage, passage

    world.approve("initial", "department_head")
    assert world.state(submission) == "in_review", "the executive has approved nothing yet"
    world.approve("executive")
    opinions = world.record(submission)["opinions"]
    assert [(o["revision"], o["stage"], o["decision"]) for o in opinions] == [
        (1, "initial", "approve"),
        (1, "department_head", "request_changes"),
        (2, "initial", "approve"),
        (2, "department_head", "approve"),
        (2, "executive", "approve"),
    ]
    assert len({opinion["content_digest"] for opinion in opinions}) == 2
    assert chain_faults(world.events(submission)) == []


@pytest.mark.parametrize("approved", range(3), ids=STAGES)
def test_a_withdrawal_at_any_stage_ends_the_round_and_its_machine(world: World, approved: int) -> None:
    submission = world.submit()
    if approved:
        world.approve(*STAGES[:approved])
    world.cloud.settle()
    answer = world.withdraw(submission)
    assert (answer.status, answer.body["state"]) == (200, "withdrawn")
    assert round_ended(world, submission)
    assert world.withdraw(submission, "改日再发。").status == 200, "a repeat changes nothing"
    (withdrawn,) = world.events(submission, "Withdrawn")
    assert (withdrawn.payload["stage"], withdrawn.payload["reason"]) == (STAGES[approved], "内容有误。")


def test_a_withdrawal_before_the_machine_has_begun_ends_it_too(world: World) -> None:
    submission = world.submit()
    assert world.withdraw(submission).status == 200
    assert round_ended(world, submission)
    assert world.events(submission, "TaskOpened") == []


def test_a_stage_nobody_may_decide_asks_for_a_person_and_says_why(world: World) -> None:
    """Clause 6.1.1: a duty with nobody eligible is seen."""
    submission = world.submit(as_=LONELY, department="research")
    world.approve("initial")
    assert round_ended(world, submission)
    shown = world.record(submission, as_=LONELY)
    assert (shown["state"], shown["reason"]) == ("needs_person", "no_reviewer")
    (needed,) = world.events(submission, "PersonNeeded")
    assert needed.payload["stage"] == "department_head"

    answer = world.resubmit(submission, as_=OTHER_LIAISON, department="research")
    assert (answer.status, answer.body["state"]) == (201, "in_review")
    world.cloud.settle()
    assert world.stage_open(submission) == "initial"
    assert world.record(submission, as_=OTHER_LIAISON)["reason"] is None
