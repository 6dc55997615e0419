"""Lists and look-ups: every row once, newest first, and nothing that policy keeps from the reader."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.core.table import Found
from chalicelib.people.model import Person, Role
from chalicelib.submission.model import Submission
from tests.world import (
    ARCHIVIST,
    EDITOR,
    HEAD,
    LIAISON,
    OTHER_LIAISON,
    PEOPLE,
    Answer,
    World,
    a_form,
    a_person,
    a_world,
)

PATH = "/api/v1/submissions"
MINE, THEIRS, WITHDRAWN, CONFIDENTIAL = 28, 19, 4, 3
ADMINISTRATOR = a_person("administrator", (Role.ADMINISTRATOR, "center"), (Role.LIAISON, "marketing"))
EMPLOYEE = a_person("employee", (Role.EMPLOYEE, "marketing"))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """47 submissions of two departments, a few of them withdrawn or confidential; none of them settled."""
    with a_world(*PEOPLE, ADMINISTRATOR, EMPLOYEE) as world:
        for number in range(max(MINE, THEIRS)):
            world.passed += timedelta(milliseconds=1)  # or what comes after might come at the same instant
            if number < MINE:
                submission = submit(world, LIAISON, "marketing", number)
                if number < WITHDRAWN:
                    world.parts.submission_desk.withdraw(LIAISON, submission.id, "", correlation_id="c-list")
            if number < THEIRS:
                submit(world, OTHER_LIAISON, "research", number)
        yield world


def submit(world: World, person: Person, department: str, number: int) -> Submission:
    changes: dict[str, Any] = {"title": f"第 {number} 号通知", "drafter": person.id, "department": department}
    if number < CONFIDENTIAL:
        changes |= {"classification": "confidential", "channels": ["email"], "audience": [department]}
    form = a_form(world.now(), **changes)
    return world.parts.submission_desk.submit(
        person, form, Found({}), idempotency_key=f"row-{number}", correlation_id="c-list"
    )


def get(world: World, as_: Person, **query: str) -> Answer:
    return world.call("GET", PATH, as_=as_, query=query)


def pages(world: World, as_: Person, **query: str) -> list[list[dict[str, Any]]]:
    """The rows of each page, from the first to the last."""
    found = []
    cursor = None
    while True:
        answer = get(world, as_, **query, **({} if cursor is None else {"cursor": cursor}))
        assert answer.status == 200, answer
        found.append(answer.body["items"])
        cursor = answer.body["cursor"]
        if cursor is None:
            return found
        assert len(found) < 10, "the cursor leads nowhere"


def rows(world: World, as_: Person, **query: str) -> list[dict[str, Any]]:
    return [row for page in pages(world, as_, **query) for row in page]


def test_pages_give_every_row_of_all_departments_once_newest_first(world: World) -> None:
    found = pages(world, EDITOR)
    assert [len(page) for page in found] == [20, 20, 7]
    listed = [row for page in found for row in page]
    assert len({row["id"] for row in listed}) == MINE + THEIRS
    assert all(newer["created_at"] >= older["created_at"] for newer, older in pairwise(listed))
    newest, others = listed[: MINE - THEIRS], listed[MINE - THEIRS :]
    assert {row["department"] for row in newest} == {"marketing"}, "one department's list was at its end"
    assert {row["department"] for row in others} == {"marketing", "research"}


def test_a_row_submitted_meanwhile_moves_no_other(world: World) -> None:
    first = get(world, HEAD)
    extra = submit(world, LIAISON, "marketing", 999)
    second = get(world, HEAD, cursor=first.body["cursor"])
    seen = [row["id"] for row in first.body["items"] + second.body["items"]]
    assert len(seen) == len(set(seen)) == MINE
    assert extra.id not in seen
    world.parts.submission_desk.withdraw(LIAISON, extra.id, "", correlation_id="c-list")


def test_a_row_shows_where_the_submission_stands(world: World) -> None:
    newest = rows(world, OTHER_LIAISON)[0]
    assert {
        name: newest[name] for name in ("title", "state", "stage", "revision", "drafter", "audience")
    } == {
        "title": f"第 {THEIRS - 1} 号通知",
        "state": "in_review",
        "stage": "initial",
        "revision": 1,
        "drafter": OTHER_LIAISON.id,
        "audience": "all",
    }
    assert "body" not in newest


def test_a_list_of_one_state_holds_that_state_only(world: World) -> None:
    withdrawn = rows(world, EDITOR, state="withdrawn")
    assert {row["state"] for row in withdrawn} == {"withdrawn"}
    assert {row["title"] for row in withdrawn} >= {f"第 {number} 号通知" for number in range(WITHDRAWN)}
    assert {row["state"] for row in rows(world, EDITOR, state="in_review")} == {"in_review"}
    assert rows(world, EDITOR, state="archived") == []


def test_a_list_of_one_department_holds_that_department_only(world: World) -> None:
    found = rows(world, EDITOR, department="research")
    assert len(found) == THEIRS
    assert {row["department"] for row in found} == {"research"}
    both = rows(world, EDITOR, department="marketing", state="in_review")
    assert {(row["department"], row["state"]) for row in both} == {("marketing", "in_review")}
    assert rows(world, EDITOR, department="nowhere") == []


@pytest.mark.parametrize("person", [LIAISON, HEAD])
def test_a_department_sees_its_own_submissions_only(world: World, person: Person) -> None:
    """Clause 5.3.1: different rights for different people."""
    assert {row["department"] for row in rows(world, person)} == {"marketing"}
    assert rows(world, person, department="research") == []


@pytest.mark.parametrize("person", [EDITOR, ARCHIVIST])
def test_the_center_sees_every_departments_confidential_submissions(world: World, person: Person) -> None:
    confidential = [row for row in rows(world, person) if row["classification"] == "confidential"]
    assert len(confidential) == CONFIDENTIAL * 2


def test_who_may_not_know_of_confidential_submissions_sees_the_others(world: World) -> None:
    """Clause 5.3.2: only authorised people reach a resource."""
    seen = rows(world, ADMINISTRATOR)
    assert len(seen) >= MINE - CONFIDENTIAL
    assert {row["classification"] for row in seen} == {"internal"}
    assert rows(world, EMPLOYEE) == []


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "!!!!", "游标", "\ud800", "AAAA", "a" * 5000),
        *(
            base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
            for text in ("#", "\x00#", "x#y", "9" * 2000 + "#", "2026-01-01T00:00:00.000Z#", "\U0010ffff#s")
        ),
        base64.urlsafe_b64encode(b"\xff\xfe#").decode(),
    ],
)
def test_a_garbled_cursor_is_refused(world: World, cursor: str) -> None:
    answer = get(world, EDITOR, cursor=cursor)
    assert (answer.status, answer.body["code"]) == (400, "bad_cursor")


def test_a_cursor_gives_no_rights(world: World) -> None:
    cursor = get(world, EDITOR).body["cursor"]
    others = get(world, LIAISON, cursor=cursor)
    assert {row["department"] for row in others.body["items"]} == {"marketing"}


def test_wrong_filters_are_all_named_at_once(world: World) -> None:
    answer = get(world, EDITOR, state="asleep", department="市场部")
    assert answer.status == 422
    assert {error["pointer"] for error in answer.body["errors"]} == {"/state", "/department"}


@pytest.mark.parametrize("department", ["", "d" * 41, "d" * 3000, "\ud800", "x\n", "X"])
def test_what_is_no_departments_id_is_refused(world: World, department: str) -> None:
    assert get(world, EDITOR, department=department).status == 422


def test_unknown_and_forbidden_submissions_get_the_same_answer(world: World) -> None:
    confidential = rows(world, EDITOR, department="marketing")[-1]
    assert confidential["classification"] == "confidential"
    asked = [
        world.call("GET", f"{PATH}/{confidential['id']}", as_=OTHER_LIAISON),
        world.call("GET", f"{PATH}/{confidential['id']}", as_=ADMINISTRATOR),
        world.call("GET", f"{PATH}/s-aaaaaaaaaaaaaaaaaaaa", as_=LIAISON),
        world.call("GET", f"{PATH}/{'s' * 3000}", as_=LIAISON),
        world.call("GET", f"{PATH}/{confidential['id'].upper()}", as_=LIAISON),
    ]
    answers = [{**answer.body, "correlation_id": ""} for answer in asked]
    headers = [{**answer.headers, "X-Correlation-Id": ""} for answer in asked]
    assert answers == [answers[0]] * len(asked)
    assert headers == [headers[0]] * len(asked)
    assert answers[0]["status"] == asked[0].status == 404


def test_a_submission_is_shown_with_text_chain_opinions_and_deliveries(world: World) -> None:
    shown = world.record(rows(world, LIAISON, state="in_review")[0]["id"])
    assert shown["form"]["body"]
    assert shown["opinions"] == shown["deliveries"] == []
    assert shown["catalog_number"] is None
    (event,) = shown["events"]
    assert event["hash"]
    assert event["policy"]["line"]
