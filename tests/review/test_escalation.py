"""A stage that nobody decides: reminders, then others are told, each once, and at last operations (clause 3.3.4)."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from chalicelib.ledger.model import chain_faults
from chalicelib.people.model import Person, Role
from tests.browsing import Browser
from tests.faults import CrashError, Fault, FaultyAws, Mode, Point
from tests.lines import written
from tests.world import (
    EXECUTIVE,
    HEAD,
    LIAISON,
    MISSED,
    PEOPLE,
    World,
    a_person,
    a_world,
)

DIRECTOR = a_person("director", (Role.CENTER_DIRECTOR, "center"))
AWS = FaultyAws()
ALL = 5
"""Every step of `policies/deadlines.yaml`."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, DIRECTOR, aws=AWS) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    world.cloud.settle()


def waiting_at(world: World, stage: str, **changes: Any) -> str:  # noqa: ANN401 — a form's fields have many shapes
    """A submission whose reviewers at a stage have been mailed."""
    submission = world.submit(**changes)
    for earlier in ("initial", "department_head", "executive"):
        world.cloud.settle()
        if earlier == stage:
            break
        world.approve(earlier)
    assert world.stage_open(submission) == stage
    return submission


def told_of(world: World, submission: str) -> list[tuple[str, list[str]]]:
    overdue = world.events(submission, "ReviewOverdue")
    return [(event.payload["to"], event.payload["told"]) for event in overdue]


def mails_to(world: World, person: Person, subject: str) -> int:
    return sum(mail.to == person.email and mail.subject == subject for mail in world.cloud.mails())


def test_superior_and_director_are_told_once_and_then_operations(world: World) -> None:
    submission = waiting_at(world, "department_head", title="逾期的一份")
    with written() as heard:
        world.let_lie(submission, steps=ALL)
    world.cloud.settle()
    assert told_of(world, submission) == [
        ("superior", [EXECUTIVE.id]),
        ("director", [DIRECTOR.id]),
        ("operations", []),
    ]
    assert len(world.events(submission, "ReviewReminded")) == ALL - MISSED
    for person in (EXECUTIVE, DIRECTOR):
        assert mails_to(world, person, "审核逾期，请督促：逾期的一份") == 1
    (figure,) = heard.figures("StageUnanswered")
    assert (figure["Stage"], figure["StageUnanswered"]) == ("department_head", 1)
    world.let_lie(submission, steps=2)
    world.cloud.settle()
    assert told_of(world, submission)[3:] == [("operations", []), ("operations", [])]
    assert mails_to(world, DIRECTOR, "审核逾期，请督促：逾期的一份") == 1


def test_each_is_told_once_though_superior_and_director_at_once(world: World) -> None:
    submission = waiting_at(world, "initial")
    world.let_lie(submission, steps=ALL)
    assert told_of(world, submission) == [("superior", [DIRECTOR.id]), ("director", []), ("operations", [])]


def test_above_the_executive_stands_only_the_director(world: World) -> None:
    submission = waiting_at(world, "executive")
    world.let_lie(submission, steps=ALL)
    assert told_of(world, submission) == [("superior", []), ("director", [DIRECTOR.id]), ("operations", [])]


def test_whoever_is_told_is_no_reviewer_and_decides_nothing(world: World) -> None:
    """Clause 3.3.1: the stages and who decides them stay as they are."""
    submission = waiting_at(world, "department_head", title="谁也不越级")
    handle = world.links(HEAD)[0]
    world.let_lie(submission, steps=MISSED)
    world.cloud.settle()
    assert world.open_link(handle, EXECUTIVE).status == 404
    (mail,) = [m for m in world.cloud.mails() if m.subject == "审核逾期，请督促：谁也不越级"]
    assert "/r#" not in mail.text + mail.html
    assert f"/submissions/{submission}" in mail.text
    assert HEAD.name in mail.text
    assert world.decide(HEAD, handle=handle).status == 200, "the first link works as well"


def test_of_a_confidential_text_the_title_is_not_told(world: World) -> None:
    """Clause 5.3.1."""
    secret = {"classification": "confidential", "channels": ["email"], "audience": ["marketing"]}
    submission = waiting_at(world, "department_head", title="秘密的题目", **secret)
    world.let_lie(submission, steps=MISSED)
    world.cloud.settle()
    (mail,) = [m for m in world.cloud.mails() if m.subject.startswith("审核逾期") and submission in m.text]
    assert "秘密的题目" not in mail.subject + mail.text + mail.html


def test_the_page_shows_each_reminder_each_missed_deadline_and_who_was_told(world: World) -> None:
    submission = waiting_at(world, "department_head")
    world.let_lie(submission, steps=ALL)
    shown = Browser(world, LIAISON).get(f"/submissions/{submission}").page.text
    assert shown.count("已于") == ALL - MISSED
    assert shown.count("已过，已再次提醒") == 3
    assert f"逾期后已告知{EXECUTIVE.name}、{DIRECTOR.name}。" in shown


@pytest.mark.parametrize("mode", list(Mode))
def test_whatever_fails_a_step_is_taken_once(world: World, mode: Mode) -> None:
    """The machine tries the same step again: every AWS call of the one that tells others goes wrong in every way."""
    for point in points_of_a_step(world):
        submission, work = overdue(world)
        AWS.begin(Fault(point=point, mode=mode))
        with suppress(CrashError):
            world.parts.rounds.remind(work)
        assert AWS.struck
        assert world.parts.rounds.remind(work)["reminded"] == MISSED
        assert len(world.events(submission, "ReviewOverdue")) == 1
        assert chain_faults(world.events(submission)) == []


def points_of_a_step(world: World) -> list[Point]:
    _, work = overdue(world)
    AWS.begin()
    world.parts.rounds.remind(work)
    return AWS.points()


def overdue(world: World) -> tuple[str, dict[str, Any]]:
    """A submission whose deadline is just being missed, and what the machine works on."""
    submission = waiting_at(world, "initial")
    world.let_lie(submission, steps=MISSED - 1)
    return submission, world.lying(submission)
