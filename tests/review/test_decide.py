"""One decision per stage: complete, permitted, pinned to the text that was seen, all of it recorded or nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.canonical import digest
from chalicelib.core.ids import fingerprint, new_secret
from chalicelib.ledger.model import chain_faults
from chalicelib.people.model import Duty, Person, Role
from chalicelib.people.store import put_person
from chalicelib.review.model import LINK_LIFE, ReviewLink
from chalicelib.review.store import link_key, put_link, task_key
from tests.faults import Fault, FaultyAws, Mode, Point
from tests.world import (
    EDITOR,
    HEAD,
    LONG_AGO,
    PEOPLE,
    REVIEWERS,
    STAGES,
    World,
    a_person,
    a_world,
)

AWS = FaultyAws()
DECIDE = "/api/v1/review-links/decision"
SECOND_LIAISON = a_person("second-liaison", (Role.LIAISON, "marketing"))
LIAISON_AND_HEAD = a_person(
    "liaison-and-head", (Role.LIAISON, "marketing"), (Role.DEPARTMENT_HEAD, "marketing")
)
SUBSTITUTE = Person(
    id="p-substitute",
    name="Substitute",
    email="substitute@example.com",
    duties=(
        Duty(
            role=Role.CENTER_EDITOR,
            department="center",
            since=LONG_AGO,
            until=datetime.now(UTC) + timedelta(hours=1),
        ),
    ),
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, SECOND_LIAISON, LIAISON_AND_HEAD, SUBSTITUTE, aws=AWS) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    """No test's mails come in among the next one's."""
    yield
    world.cloud.settle()


@pytest.fixture
def submission(world: World) -> str:
    """A submission that waits for its initial review."""
    submission = world.submit()
    world.cloud.settle()
    return submission


def a_link(world: World, submission: str, reviewer: Person, stage: str) -> str:
    """A link that no mail ever carried: as if rights had been taken away after it was sent."""
    handle, head = new_secret(), world.plain_journal.head(submission)
    link = ReviewLink(
        fingerprint=fingerprint(handle),
        reviewer=reviewer.id,
        submission=submission,
        revision=head.revision,
        stage=stage,
        content_digest=head.content_digest,
        expires_at=world.now() + LINK_LIFE,
    )
    world.plain_table.put(put_link(link))
    return handle


def test_an_approval_moves_the_submission_on_and_is_kept_as_a_signed_opinion(
    world: World, submission: str
) -> None:
    """Clauses 3.2.3 and 3.3.4: pass goes to the next review; the opinion bears name, time and text."""
    answer = world.decide(EDITOR)
    assert (answer.status, answer.body["state"]) == (200, "in_review")
    shown = world.record(submission)
    assert shown["stage"] == "department_head"
    (opinion,) = shown["opinions"]
    assert (opinion["reviewer"], opinion["decision"], opinion["stage"]) == (EDITOR.id, "approve", "initial")
    assert opinion["content_digest"] == shown["content_digest"]


def test_the_same_decision_again_answers_the_same_and_is_recorded_once(world: World, submission: str) -> None:
    opinion = world.opinion(EDITOR)
    first, second = (world.call("POST", DECIDE, opinion, as_=EDITOR) for _ in range(2))
    assert (first.status, first.body["state"]) == (second.status, second.body["state"]) == (200, "in_review")
    assert len(world.events(submission, "Decided")) == 1


@pytest.mark.parametrize(
    "changes", [{"decision": "reject"}, {"comment": "其实不同意。"}], ids=["decision", "comment"]
)
def test_another_decision_after_the_first_is_refused(world: World, changes: dict[str, str]) -> None:
    submission = world.submit()
    world.cloud.settle()
    opinion = world.opinion(EDITOR, "request_changes")
    assert world.call("POST", DECIDE, opinion, as_=EDITOR).status == 200
    answer = world.call("POST", DECIDE, opinion | changes, as_=EDITOR)
    assert (answer.status, answer.body["code"]) == (409, "already_decided")
    assert world.state(submission) == "changes_requested"


def test_each_decision_names_the_policy_and_the_line_that_allowed_it(world: World, submission: str) -> None:
    world.approve()
    lines = (POLICIES / "policy.csv").read_text().split("\n")
    files = {name: (POLICIES / name).read_text() for name in ("model.conf", "policy.csv")}
    decided = world.events(submission, "Decided")
    rested_on = []
    for event in decided:
        assert event.policy is not None
        assert event.policy.digest == digest(files)
        rested_on.append(lines[event.policy.line - 1])
    assert rested_on == ["p, review.decide, on_duty, holds_the_post, allow"] * len(STAGES)
    assert [event.payload["stage"] for event in decided] == list(STAGES)


def test_an_approval_with_an_incomplete_checklist_is_refused_by_field(world: World, submission: str) -> None:
    """Clause 3.2.2: format, completeness and basic requirements are checked, each item."""
    opinion = world.opinion(EDITOR)
    items = sorted(opinion["checklist"])
    some = {items[0]: True, "nonsense": True}
    answer = world.call("POST", DECIDE, opinion | {"checklist": some}, as_=EDITOR)
    assert answer.status == 422
    assert {error["pointer"]: error["code"] for error in answer.body["errors"]} == {
        "/checklist/nonsense": "unknown_field",
        **{f"/checklist/{item}": "required" for item in items[1:]},
    }
    failed = {item: item != items[0] for item in items}
    answer = world.call("POST", DECIDE, opinion | {"checklist": failed}, as_=EDITOR)
    assert answer.status == 422
    assert [(e["pointer"], e["code"]) for e in answer.body["errors"]] == [
        (f"/checklist/{items[0]}", "failed_but_approved")
    ]
    assert world.events(submission, "Decided") == []


@pytest.mark.parametrize("decision", ["request_changes", "reject"])
def test_a_return_or_refusal_names_a_failed_item_and_says_why(
    world: World, submission: str, decision: str
) -> None:
    """Clauses 3.2.2 and 3.3.4: a return names at least one failed item, and reasons."""
    opinion = world.opinion(EDITOR, decision)
    blank = world.call("POST", DECIDE, opinion | {"comment": " \n"}, as_=EDITOR)
    assert (blank.status, [error["pointer"] for error in blank.body["errors"]]) == (422, ["/comment"])
    nothing_failed = opinion | {"checklist": dict.fromkeys(opinion["checklist"], True)}
    refused = world.call("POST", DECIDE, nothing_failed, as_=EDITOR)
    assert (refused.status, refused.body["errors"][0]["code"]) == (422, "no_failed_item")
    neither = world.call("POST", DECIDE, nothing_failed | {"comment": ""}, as_=EDITOR)
    assert {error["pointer"] for error in neither.body["errors"]} == {"/comment", "/checklist"}, (
        "both at once"
    )
    assert world.state(submission) == "in_review"


def test_there_is_no_default_decision(world: World, submission: str) -> None:
    opinion = world.opinion(EDITOR)
    del opinion["decision"]
    answer = world.call("POST", DECIDE, opinion, as_=EDITOR)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/decision")


def test_an_opinion_on_another_text_than_the_present_one_is_refused(world: World, submission: str) -> None:
    """Clause 1.3.1: an approval is pinned to the exact content."""
    answer = world.decide(EDITOR, content_digest="0" * 64)
    assert (answer.status, answer.body["code"]) == (409, "content_changed")
    assert world.events(submission, "Decided") == []


def test_a_return_and_its_reason_come_together_or_not_at_all(world: World, submission: str) -> None:
    """Clause 3.2.3: state and reason change in one transaction."""
    opinion = world.opinion(EDITOR, "request_changes", comment="请写明停电范围。")
    before = world.items()
    point = Point(label="TransactWriteItems Decided", nth=1)
    AWS.begin(Fault(point=point, mode=Mode.BEFORE))
    assert world.call("POST", DECIDE, opinion, as_=EDITOR).status == 500
    assert AWS.struck
    assert world.items() == before

    AWS.begin(Fault(point=point, mode=Mode.AFTER))
    assert world.call("POST", DECIDE, opinion, as_=EDITOR).status == 500
    AWS.begin()
    shown = world.record(submission)
    assert shown["state"] == "changes_requested"
    assert [given["comment"] for given in shown["opinions"]] == ["请写明停电范围。"]
    assert world.call("POST", DECIDE, opinion, as_=EDITOR).status == 200, "who tries again is told it stands"
    assert len(world.events(submission, "Decided")) == 1


def test_a_refused_submission_stays_refused(world: World, submission: str) -> None:
    """Clause 3.3.4: fail ends with reasons."""
    assert world.decide(EDITOR, "reject").body["state"] == "rejected"
    world.cloud.settle()
    assert world.withdraw(submission).status == 409
    answer = world.resubmit(submission)
    assert (answer.status, answer.body["code"]) == (409, "illegal_transition")
    assert world.state(submission) == "rejected"


def test_a_drafter_who_is_also_department_head_neither_reviews_nor_decides_the_own_text(world: World) -> None:
    """Clause 3.3.1: never the drafter's own decision."""
    submission = world.submit(as_=LIAISON_AND_HEAD)
    world.approve("initial")
    world.cloud.settle()
    task = world.plain_table.get(task_key(submission, 1, "department_head"))
    assert task is not None
    assert task.reviewers == [HEAD.id]
    handle = a_link(world, submission, LIAISON_AND_HEAD, "department_head")
    assert world.open_link(handle, LIAISON_AND_HEAD).status == 403
    opinion = world.opinion(HEAD) | {"handle": handle}
    assert world.call("POST", DECIDE, opinion, as_=LIAISON_AND_HEAD).status == 403
    assert len(world.events(submission, "Decided")) == 1
    assert world.decide(HEAD).status == 200


def test_whoever_drafted_an_earlier_revision_does_not_decide_on_a_later_one(world: World) -> None:
    """Clause 3.3.1: a colleague's new revision makes nobody a stranger to the own text."""
    submission = world.submit(as_=LIAISON_AND_HEAD)
    world.cloud.settle()
    assert world.decide(EDITOR, "request_changes").status == 200
    assert world.resubmit(submission, as_=SECOND_LIAISON, title="停电检修通知（修订）").status == 201
    world.approve("initial")
    world.cloud.settle()
    handle = a_link(world, submission, LIAISON_AND_HEAD, "department_head")
    opinion = world.opinion(HEAD) | {"handle": handle}
    answer = world.call("POST", DECIDE, opinion, as_=LIAISON_AND_HEAD)
    assert (answer.status, answer.body["code"]) == (403, "not_permitted")
    task = world.plain_table.get(task_key(submission, 2, "department_head"))
    assert task is not None
    assert task.reviewers == [HEAD.id]


def test_a_duty_that_ends_between_mail_and_decision_decides_nothing(world: World, submission: str) -> None:
    opinion = world.opinion(SUBSTITUTE)
    with world.later(hours=2):
        assert world.open_link(opinion["handle"], SUBSTITUTE).status == 403
        assert world.call("POST", DECIDE, opinion, as_=SUBSTITUTE).status == 403
        assert world.decide(EDITOR).status == 200, "the editor whose duty goes on decides"
    assert [event.actor for event in world.events(submission, "Decided")] == [EDITOR.id]


def test_a_duty_taken_away_between_reading_and_writing_decides_nothing(world: World, submission: str) -> None:
    opinion = world.opinion(SUBSTITUTE)
    dismissed = Person(id=SUBSTITUTE.id, name=SUBSTITUTE.name, email=SUBSTITUTE.email, version=2)

    def dismiss(operation: str, _params: object) -> None:
        if operation == "TransactWriteItems":
            world.plain_table.put(put_person(dismissed))

    AWS.watch = dismiss
    try:
        answer = world.call("POST", DECIDE, opinion, as_=SUBSTITUTE)
    finally:
        AWS.watch = None
    assert (answer.status, answer.body["code"]) == (409, "stale")
    assert world.call("POST", DECIDE, opinion, as_=SUBSTITUTE).status == 403
    world.plain_table.put(put_person(SUBSTITUTE))
    assert world.events(submission, "Decided") == []


def test_a_decision_uses_up_its_link_and_leaves_the_chain_whole(world: World, submission: str) -> None:
    world.approve()
    for reviewer in REVIEWERS.values():
        link = world.plain_table.get(link_key(world.links(reviewer)[0]))
        assert link is not None
        assert link.used_at is not None
    assert chain_faults(world.events(submission)) == []


def test_after_a_withdrawal_a_link_shows_the_text_and_decides_nothing(world: World, submission: str) -> None:
    opinion = world.opinion(EDITOR)
    assert world.withdraw(submission).status == 200
    seen = world.open_link(opinion["handle"], EDITOR)
    assert (seen.status, seen.body["submission"]["state"]) == (200, "withdrawn")
    answer = world.call("POST", DECIDE, opinion, as_=EDITOR)
    assert (answer.status, answer.body["code"]) == (409, "illegal_transition")
