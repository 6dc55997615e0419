"""Stages as the center's data say: how many must approve, who is asked instead of authors, and since when."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import object_key
from chalicelib.people.model import Person, Role
from chalicelib.review.store import tasks_of
from chalicelib.submission.procedure import Procedure, procedure_from_document
from tests.browsing import Browser
from tests.world import (
    EDITOR,
    LIAISON,
    PEOPLE,
    PROCEDURE,
    STAGES,
    World,
    a_person,
    a_procedure,
    a_world,
)

EDITORS = (EDITOR, *(a_person(name, (Role.CENTER_EDITOR, "center")) for name in ("second", "third")))
WRITING_HEAD = a_person("writing-head", (Role.LIAISON, "research"), (Role.DEPARTMENT_HEAD, "research"))
RESEARCH = a_person("research-executive", (Role.SUPERVISING_EXECUTIVE, "research"))
TWO_EDITORS = a_procedure(initial={"quorum": 2})
ALL_EDITORS = a_procedure(initial={"quorum": "all"})


def with_legal_review() -> Procedure:
    """The shipped procedure with a stage of its own before all others."""
    first, *others = PROCEDURE.document["stages"]
    legal = {**first, "id": "legal", "name": dict.fromkeys(first["name"], "法务审核")}
    legal["checklist"] = [{**item, "id": f"legal_{item['id']}"} for item in first["checklist"]]
    return procedure_from_document({**PROCEDURE.document, "stages": [legal, first, *others]})


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, *EDITORS[1:], WRITING_HEAD, RESEARCH) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    world.cloud.settle()


def on_the_desk(world: World, person: Person, section: str = "waiting") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = world.call(
        "GET", "/api/v1/tasks", as_=person, query={"section": section}
    ).body["items"]
    return items


def test_a_stage_that_two_must_approve_goes_on_with_the_second(world: World) -> None:
    """Clause 2.2.1: a strict review mechanism; the number is the center's data."""
    first, second, third = EDITORS
    with world.under(TWO_EDITORS):
        submission = world.submit()
        world.cloud.settle()
        late = world.opinion(third)
        answer = world.decide(first)
        assert answer.body["state"] == "in_review"
        world.cloud.settle()
        assert world.stage_open(submission) == "initial"
        desks = {
            (person, section): {item["submission"] for item in on_the_desk(world, person, section)}
            for person in (first, second)
            for section in ("waiting", "decided")
        }
        assert [person for (person, section), found in desks.items() if submission in found] == [
            first,
            second,
        ]
        assert submission in desks[first, "decided"] & desks[second, "waiting"], "who has spoken is done"
        assert world.open_link(world.links(second)[0], second).body["awaited"] == 1
        assert world.open_link(world.links(second)[0], second).body["decision"] is None, "unswayed"
        assert (
            "此环节还需要 1 人同意"
            in Browser(world, first).post("/r", {"handle": world.links(first)[0]}).page.text
        )
        again = world.opinion(first, comment="再说一次。")
        refused = world.call("POST", "/api/v1/review-links/decision", again, as_=first)
        assert (refused.status, refused.body["code"]) == (409, "already_decided"), "one person, one opinion"
        assert world.decide(second).status == 200
        world.cloud.settle()
        assert world.stage_open(submission) == "department_head"
        too_late = world.call("POST", "/api/v1/review-links/decision", late, as_=third)
        assert (too_late.status, too_late.body["code"]) == (409, "already_decided")
        world.approve(*STAGES[1:])
        world.finish()
    assert world.state(submission) == "archived"
    decided = world.events(submission, "Decided")
    assert [event.payload.get("awaited") for event in decided] == [1, None, None, None]
    progress = Browser(world, LIAISON).get(f"/submissions/{submission}").page.text
    assert first.name in progress
    assert second.name in progress


def test_whoever_asks_for_changes_ends_the_round_for_all(world: World) -> None:
    """Clause 3.2.3."""
    first, second, _ = EDITORS
    with world.under(ALL_EDITORS):
        submission = world.submit()
        world.cloud.settle()
        waiting = world.opinion(second)
        assert world.decide(first, "request_changes").body["state"] == "changes_requested"
        late = world.call("POST", "/api/v1/review-links/decision", waiting, as_=second)
    assert (late.status, late.body["code"]) == (409, "already_decided")
    assert world.state(submission) == "changes_requested"


def test_a_stage_that_all_must_approve_reminds_those_who_have_not(world: World) -> None:
    first, *others = EDITORS
    with world.under(ALL_EDITORS):
        submission = world.submit()
        world.cloud.settle()
        world.decide(first)
        world.cloud.settle()
        before = {editor: len(world.links(editor)) for editor in EDITORS}
        world.let_lie(submission, steps=1)
        (task,) = tasks_of(world.plain_table, submission)
        world.parts.rounds.invitations.mail(world.plain_journal.head(submission), task)
        awaited = "、".join(editor.name for editor in others)
        assert f"等待{awaited}提出意见" in Browser(world, LIAISON).get(f"/submissions/{submission}").page.text
        mailed = {editor.id for editor in EDITORS if len(world.links(editor)) > before[editor]}
        assert mailed == {editor.id for editor in others}
        for editor in others:
            assert world.stage_open(submission) == "initial"
            assert world.decide(editor).status == 200
        world.cloud.settle()
    assert world.stage_open(submission) == "department_head"
    world.withdraw(submission)


def test_where_fewer_are_there_than_must_approve_a_person_is_asked(world: World) -> None:
    """Clause 6.1.1: a gap is shown."""
    with world.under(a_procedure(initial={"quorum": 4})):
        submission = world.submit()
        world.cloud.settle()
    assert world.plain_journal.head(submission).reason == "no_reviewer"


def test_a_text_by_the_department_head_goes_to_the_heads_superior(world: World) -> None:
    """Clause 3.3.1: never the drafter's own decision, and no stage less."""
    submission = world.submit(as_=WRITING_HEAD, department="research")
    world.approve("initial")
    world.cloud.settle()
    opened = world.events(submission, "TaskOpened")[-1].payload
    assert (opened["stage"], opened["reviewers"], opened["raised"]) == (
        "department_head",
        [RESEARCH.id],
        True,
    )
    shown = Browser(world, WRITING_HEAD).get(f"/submissions/{submission}").page.text
    assert "拟稿人" in shown
    assert on_the_desk(world, WRITING_HEAD) == []
    assert [item["submission"] for item in on_the_desk(world, RESEARCH)] == [submission]
    assert world.decide(RESEARCH).body["state"] == "in_review"
    world.cloud.settle()
    assert world.stage_open(submission) == "executive"
    assert world.decide(RESEARCH).body["state"] == "scheduled"
    decided = world.events(submission, "Decided")
    assert [(event.payload["stage"], event.actor) for event in decided[1:]] == [
        ("department_head", RESEARCH.id),
        ("executive", RESEARCH.id),
    ]


def test_a_round_under_way_keeps_the_procedure_that_it_began_with(world: World) -> None:
    """Clause 3.5.2: the package proves the reviews by the procedure of its own round."""
    begun = world.submit()
    world.approve("initial")
    with world.under(with_legal_review()):
        later = world.submit()
        world.approve("department_head", "executive")
        assert world.state(begun) == "scheduled"
        world.finish()
        assert world.state(begun) == "archived"
        assert world.stage_open(later) == "legal"
        assert [event.payload["stage"] for event in world.events(begun, "Decided")] == list(STAGES)
        assert "法务审核" in Browser(world, LIAISON).get(f"/submissions/{later}").page.text
        assert world.decide(EDITOR).status == 200
        world.approve()
        world.finish()
    for submission, stages in ((begun, STAGES), (later, ("legal", *STAGES))):
        number = world.plain_journal.head(submission).catalog_number
        assert number is not None
        bucket = world.parts.settings.archive_bucket
        package = world.plain_s3.get_object(Bucket=bucket, Key=object_key(number))["Body"].read()
        report = verify(package)
        assert report.ok, report.findings
        assert report.facts is not None
        assert report.facts.format_version == 5
        assert tuple(approval.stage for approval in report.facts.approvals) == stages


def test_a_procedure_that_was_tampered_with_is_not_followed(world: World) -> None:
    """Clause 1.3.4: nothing is altered unnoticed."""
    submission = world.submit()
    version = world.plain_journal.head(submission).procedure
    assert version == PROCEDURE.version
    world.cloud.settle()
    world.token(LIAISON), world.token(EDITOR)  # who is signed in stays so, whatever is put back
    item = (f"PROCEDURE#{version}", "PROCEDURE")
    kept = world.items()
    tampered = {**kept, item: kept[item] | {"document": {"S": '{"stages":[]}'}}}
    with world.under(replace(TWO_EDITORS)):
        vars(world.parts.procedures)["_known"].clear()
        world.put_back(tampered)
        assert world.call("GET", f"/api/v1/submissions/{submission}", as_=LIAISON).status == 200
        assert world.open_link(world.links(EDITOR)[0], EDITOR).status == 500
        world.put_back(kept)
        assert world.open_link(world.links(EDITOR)[0], EDITOR).status == 200
