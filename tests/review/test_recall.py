"""A decision taken back, for a short time, as long as nothing has followed from it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import object_key
from chalicelib.people.model import Person, Role
from chalicelib.submission.procedure import procedure_from_document
from tests.browsing import Browser
from tests.world import (
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    LONG_RECALL,
    PEOPLE,
    Answer,
    World,
    a_person,
    a_world,
)

SECOND = a_person("second", (Role.CENTER_EDITOR, "center"))
TWO_EDITORS = procedure_from_document(
    {
        **LONG_RECALL.document,
        "stages": [
            stage | ({"quorum": 2} if stage["id"] == "initial" else {})
            for stage in LONG_RECALL.document["stages"]
        ],
    }
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, SECOND) as world, world.under(LONG_RECALL):
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    world.cloud.settle()


def recall(world: World, by: Person) -> Answer:
    return world.call("POST", "/api/v1/review-links/recall", {"handle": world.links(by)[0]}, as_=by)


def decide_for_good(world: World, by: Person) -> None:
    """Decide, and let the time in which it can be taken back be over."""
    with world.under(replace(world.parts.procedures.present, recall=timedelta(0))):
        assert world.decide(by).status == 200
        world.cloud.settle()


def test_an_approval_is_taken_back_before_the_next_stage_opens(world: World) -> None:
    """Clause 3.3.4."""
    submission = world.submit()
    world.cloud.settle()
    assert world.decide(EDITOR).status == 200
    world.cloud.settle()
    assert [task.stage for task in world.tasks(submission)] == ["initial"], "the next one waits"
    browser = Browser(world, EDITOR)
    shown = browser.post("/r", {"handle": world.links(EDITOR)[0]})
    shown = browser.submit(shown, "/r/recall")
    assert shown.page.all("button", class_="primary"), "it can be decided anew"
    assert world.plain_journal.head(submission).stage == "initial"
    assert world.record(submission)["opinions"] == []
    assert "（已撤回）" in Browser(world, LIAISON).get(f"/submissions/{submission}").page.text
    assert world.decide(EDITOR, "request_changes").body["state"] == "changes_requested"
    decided = world.events(submission, "Decided")
    assert [event.payload["decision"] for event in decided] == ["approve", "request_changes"]
    world.kill(submission)  # the machine that waits for nothing any more


def test_once_the_next_stage_has_opened_a_decision_stands(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    decide_for_good(world, EDITOR)
    assert world.stage_open(submission) == "department_head"
    refused = recall(world, EDITOR)
    assert (refused.status, refused.body["code"]) == (409, "too_late_to_recall")
    world.withdraw(submission)


def test_a_refusal_is_taken_back_and_its_drafter_is_told(world: World) -> None:
    """Clause 3.2.3: the submitter is told at once."""
    submission = world.submit()
    world.cloud.settle()
    world.decide(EDITOR, "reject")
    world.cloud.settle()
    assert world.state(submission) == "rejected"
    before = len(world.cloud.mails())
    assert recall(world, EDITOR).body["state"] == "in_review"
    assert recall(world, EDITOR).status == 404, "there is no decision any more"
    world.cloud.settle()
    told = world.cloud.mails()[: len(world.cloud.mails()) - before]
    assert [(mail.to, mail.subject.partition("：")[0]) for mail in told] == [(LIAISON.email, "撤回决定")]
    assert world.decide(EDITOR).status == 200, "by the same link"
    world.withdraw(submission)


def test_each_link_of_a_reviewer_is_as_good_as_before_once_a_decision_is_taken_back(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    opinion = world.opinion(EDITOR, "reject")
    world.let_lie(submission, steps=1)
    world.kill(submission)
    world.sweep()
    assert world.links(EDITOR)[0] != opinion["handle"], "a reminder brought another"
    for _ in range(2):
        decided = world.call("POST", "/api/v1/review-links/decision", opinion, as_=EDITOR)
        assert (decided.status, decided.body["state"]) == (200, "rejected")
        assert recall(world, EDITOR).body["state"] == "in_review"
    world.withdraw(submission)


def test_after_its_time_or_by_another_a_decision_stands(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    world.decide(EDITOR, "request_changes")
    handle = world.links(EDITOR)[0]
    other = world.call("POST", "/api/v1/review-links/recall", {"handle": handle}, as_=HEAD)
    assert other.status == 404
    with world.later(minutes=1):
        assert recall(world, EDITOR).status == 409
    assert world.resubmit(submission).status == 201
    assert recall(world, EDITOR).status == 409
    world.withdraw(submission)


def test_one_of_two_approvals_is_taken_back_while_the_other_is_awaited(world: World) -> None:
    with world.under(TWO_EDITORS):
        submission = world.submit()
        world.cloud.settle()
        world.decide(EDITOR)
        world.cloud.settle()
        assert recall(world, EDITOR).body["state"] == "in_review"
        assert world.tasks(submission)[0].opinions == ()
        world.decide(SECOND)
        decide_for_good(world, EDITOR)
        assert world.stage_open(submission) == "department_head"
    world.withdraw(submission)


def test_the_last_approval_is_taken_back_before_it_is_published_and_the_package_proves_the_rest(
    world: World,
) -> None:
    """Clause 3.5.2: decisions that were taken back are in the package, and count for nothing."""
    submission = world.submit()
    world.cloud.settle()
    for reviewer in (EDITOR, HEAD):
        decide_for_good(world, reviewer)
    assert world.decide(EXECUTIVE).body["state"] == "scheduled"
    assert recall(world, EXECUTIVE).body["state"] == "in_review"
    world.kill(submission)  # what was begun to publish it waits for a minute that is of no use any more
    late = {"submission": submission, "revision": 1, "attempt": 1}
    assert world.parts.publishing.last_check(late)["channels"] == []
    decide_for_good(world, EXECUTIVE)
    world.finish()
    assert world.state(submission) == "archived"
    number = world.plain_journal.head(submission).catalog_number
    assert number is not None
    bucket = world.parts.settings.archive_bucket
    package = world.plain_s3.get_object(Bucket=bucket, Key=object_key(number))["Body"].read()
    report = verify(package)
    assert report.ok, report.findings
    assert report.facts is not None
    assert len(report.facts.approvals) == 3
