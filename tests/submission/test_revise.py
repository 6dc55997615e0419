"""Revising: from which states, by whom, and what is kept of who wrote."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.core.errors import Conflict
from chalicelib.people.model import Person, Role
from chalicelib.submission.model import Submission
from tests.world import EDITOR, HEAD, LIAISON, OTHER_LIAISON, PEOPLE, Answer, World, a_form, a_person, a_world

SECOND = a_person("second", (Role.LIAISON, "marketing"))
TITLE = "关于停电检修的补充通知"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, SECOND) as world:
        yield world


@pytest.fixture
def returned(world: World) -> str:
    """A submission whose text the center wants changed."""
    world.cloud.settle()
    submission = world.submit()
    world.cloud.settle()
    assert world.decide(EDITOR, "request_changes").body["state"] == "changes_requested"
    return submission


def revise(world: World, submission: str, form: object, as_: Person = LIAISON) -> Answer:
    return world.call("POST", f"/api/v1/submissions/{submission}/revisions", form, as_=as_)


def changed(world: World, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 — as in a_form
    return a_form(world.now(), title=TITLE, **changes)


def test_a_revision_begins_a_new_round_at_the_first_stage(world: World, returned: str) -> None:
    """Clause 3.2.3: fail → tell the submitter why, ask for changes."""
    before = world.record(returned)
    assert before["opinions"][0]["comment"] == "请补充联系电话。"
    answer = revise(world, returned, changed(world))
    assert answer.status == 201
    assert (answer.body["id"], answer.body["revision"], answer.body["state"]) == (returned, 2, "in_review")
    shown = world.record(returned)
    assert (shown["title"], shown["stage"], shown["reason"]) == (TITLE, "initial", None)
    assert shown["content_digest"] != before["content_digest"]
    assert shown["opinions"] == before["opinions"], "rounds are kept"
    assert world.parts.journal.revision(returned, 1).form.document == before["form"]
    assert [event.payload["revision"] for event in world.events(returned, "Resubmitted")] == [2]


def test_the_same_revision_twice_is_one_revision(world: World, returned: str) -> None:
    form = changed(world)
    first = revise(world, returned, form)
    with world.later(hours=1):
        second = revise(world, returned, form)
    assert (first.status, second.status) == (201, 201)
    assert {**first.body, "correlation_id": ""} == {**second.body, "correlation_id": ""}
    assert len(world.events(returned, "Resubmitted")) == 1


def test_the_same_revision_ten_times_at_once_is_one_revision(world: World, returned: str) -> None:
    form = changed(world)

    def hand_in(_: int) -> int:
        head = world.parts.submission_desk.revise(LIAISON, returned, form, correlation_id="c-at-once")
        return head.revision

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(hand_in, range(10))) == {2}
    assert len(world.events(returned, "Resubmitted")) == 1


def test_of_two_different_revisions_at_once_one_counts(world: World, returned: str) -> None:
    def hand_in(number: int) -> Submission | None:
        form = changed(world, summary=f"第 {number} 稿。")
        try:
            return world.parts.submission_desk.revise(LIAISON, returned, form, correlation_id="c-differ")
        except Conflict:
            return None

    with ThreadPoolExecutor(4) as pool:
        heads = [head for head in pool.map(hand_in, range(4)) if head is not None]
    assert [head.revision for head in heads] == [2]
    assert world.parts.journal.head(returned).content_digest == heads[0].content_digest


def test_while_reviewers_look_at_a_text_it_stands(world: World) -> None:
    """Clause 1.3.1: approvals are pinned to the exact content."""
    submission = world.submit()
    answer = revise(world, submission, changed(world))
    assert (answer.status, answer.body["code"]) == (409, "illegal_transition")
    assert world.record(submission)["revision"] == 1


@pytest.mark.parametrize("decision", ["reject", "withdraw"])
def test_what_has_ended_is_not_revised(world: World, decision: str) -> None:
    world.cloud.settle()
    submission = world.submit()
    world.cloud.settle()
    ending = world.withdraw(submission) if decision == "withdraw" else world.decide(EDITOR, decision)
    assert ending.status == 200
    answer = revise(world, submission, changed(world))
    assert (answer.status, answer.body["code"]) == (409, "illegal_transition")


def test_what_needs_a_person_may_be_revised(world: World) -> None:
    submission = world.submit(as_=OTHER_LIAISON, department="research")
    world.cloud.settle()
    world.decide(EDITOR)
    world.cloud.settle()
    stuck = world.record(submission, OTHER_LIAISON)
    assert (stuck["state"], stuck["reason"]) == ("needs_person", "no_reviewer")
    form = changed(world, drafter=OTHER_LIAISON.id, department="research")
    assert revise(world, submission, form, OTHER_LIAISON).body["state"] == "in_review"
    assert world.record(submission, OTHER_LIAISON)["reason"] is None


@pytest.mark.parametrize(("person", "status"), [(EDITOR, 403), (HEAD, 403), (OTHER_LIAISON, 404)])
def test_only_a_liaison_of_the_department_revises(
    world: World, returned: str, person: Person, status: int
) -> None:
    """Clause 3.1.1: only a department's liaisons submit for it."""
    assert revise(world, returned, changed(world, drafter=person.id), person).status == status
    assert world.record(returned)["revision"] == 1


def test_who_wrote_an_earlier_revision_stays_recorded(world: World, returned: str) -> None:
    """Clause 3.3.1: never the drafter's own decision, whoever sent in the last text."""
    form = changed(world, drafter=SECOND.id)
    assert revise(world, returned, form, SECOND).status == 201
    head = world.parts.journal.head(returned)
    assert (head.drafter, head.co_drafters) == (SECOND.id, (LIAISON.id,))


def test_the_drafter_of_a_revision_is_the_caller(world: World, returned: str) -> None:
    answer = revise(world, returned, changed(world), SECOND)
    assert [(e["pointer"], e["code"]) for e in answer.body["errors"]] == [("/drafter", "drafter_is_not_you")]


def test_the_department_is_fixed(world: World, returned: str) -> None:
    answer = revise(world, returned, changed(world, department="research"))
    assert answer.status == 422
    assert [(e["pointer"], e["code"]) for e in answer.body["errors"]] == [
        ("/department", "department_is_fixed")
    ]


def test_a_revision_is_checked_like_a_first_text(world: World, returned: str) -> None:
    """Clause 3.1.2: all errors at once, by field."""
    answer = revise(world, returned, changed(world, summary="", keywords=["x"] * 2))
    assert answer.status == 422
    assert {error["pointer"] for error in answer.body["errors"]} == {"/summary", "/keywords/1"}


@pytest.mark.parametrize("submission", ["s-aaaaaaaaaaaaaaaaaaaa", "x", "s-%20", "S" * 3000, "\ud800"])
def test_an_unknown_submission_is_not_revised(world: World, submission: str) -> None:
    assert revise(world, submission, changed(world)).status == 404
