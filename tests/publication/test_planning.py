"""The publishing calendar: all that is planned and one may read, nothing else, in few calls (clauses 1.3.4, 3.4.1)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chalicelib.people.model import Person, Role
from chalicelib.submission.model import State, Submission
from chalicelib.submission.store import MOST_PLANNED, PLANNED_SHARDS, planned_between, put_head
from infra.simulation.table import MemoryTable
from tests.browsing import Browser
from tests.world import EDITOR, LIAISON, OTHER_LIAISON, PEOPLE, Answer, World, a_person, a_world

EMPLOYEE = a_person("employee", (Role.EMPLOYEE, "research"))


class CountingTable(MemoryTable):
    """A table in memory that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(ask=lambda operation, _pk, _index: self.asked.append(operation))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, EMPLOYEE) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    world.cloud.settle()


def in_december(world: World, day: int, **changes: Any) -> str:  # noqa: ANN401 — as in a_form
    year = world.now().year + (world.now().month == 12)
    when = f"{year}-12-{day:02d}T09:30:00+08:00"
    return world.submit(publish_at=when, time_zone="Asia/Shanghai", **changes)


def december(world: World, as_: Person = LIAISON, asked: Mapping[str, str] | None = None) -> Answer:
    """All of December, or what is asked instead."""
    year = world.now().year + (world.now().month == 12)
    query = {"from": f"{year}-12-01", "to": f"{year}-12-31", **(asked or {})}
    return world.call("GET", "/api/v1/calendar", as_=as_, query=query)


def shown(answer: Answer) -> list[str]:
    return [item["submission"] for item in answer.body["items"]]


def test_what_is_planned_stands_in_the_order_of_its_time_from_the_first_review_on(world: World) -> None:
    later, sooner = in_december(world, 20), in_december(world, 10)
    answer = december(world)
    assert (answer.status, shown(answer), answer.body["rest"]) == (200, [sooner, later], None)
    assert answer.body["items"][0]["state"] == "in_review"
    world.withdraw(sooner)
    assert shown(december(world)) == [later], "what is withdrawn has no place"
    world.withdraw(later)


def test_what_is_moved_stands_at_its_new_time_and_a_later_month_shows_it(world: World) -> None:
    submission = in_december(world, 12)
    world.approve()
    day = date(world.now().year + (world.now().month == 12) + 1, 1, 15)
    moved = {"publish_at": f"{day}T10:00:00+08:00", "time_zone": "Asia/Shanghai", "reason": "改期。"}
    path = f"/api/v1/submissions/{submission}/schedule"
    assert world.call("POST", path, moved, as_=LIAISON).status == 200
    assert shown(december(world)) == []
    assert shown(december(world, asked={"from": "2027-01-15", "to": "2027-01-15"})) == [submission]
    world.withdraw(submission)
    world.kill(submission)


def test_each_sees_what_policy_lets_read_and_no_title_of_anything_else(world: World) -> None:
    """Clause 1.3.4: no leak."""
    hidden = {"classification": "confidential", "channels": ["email"], "audience": ["marketing"]}
    secret, plain = in_december(world, 3, title="收购蓝鲸公司", **hidden), in_december(world, 4)
    assert shown(december(world, LIAISON)) == shown(december(world, EDITOR)) == [secret, plain]
    for person in (OTHER_LIAISON, EMPLOYEE):
        answer = december(world, person)
        assert shown(answer) == []
        assert "蓝鲸" not in str(answer.body)
        page = Browser(world, person).get(f"/calendar?month={answer.body['from'][:7]}")
        assert "蓝鲸" not in page.html
    for submission in (secret, plain):
        world.withdraw(submission)


def test_what_is_published_is_read_by_whom_the_archive_is_open_to(world: World) -> None:
    published = world.publish()
    today = world.now().astimezone(world.parts.planning.zone).date().isoformat()
    assert shown(december(world, EMPLOYEE, {"from": today, "to": today})) == [published]
    assert f"/submissions/{published}" not in Browser(world, EMPLOYEE).get("/calendar").html
    assert "/archive/" in Browser(world, EMPLOYEE).get("/calendar").html


def test_holidays_and_made_up_days_are_those_of_the_official_calendar(world: World) -> None:
    answer = december(world, asked={"from": "2026-09-20", "to": "2026-10-10"})
    days = {day["date"]: day for day in answer.body["days"]}
    assert len(days) == 21
    assert days["2026-10-01"] == {"date": "2026-10-01", "works": False, "holiday": "国庆节", "made_up": False}
    assert days["2026-10-10"] == {"date": "2026-10-10", "works": True, "holiday": None, "made_up": True}
    assert days["2026-09-26"]["holiday"] == "中秋节"


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"from": "2026-12-1"}, ("/from", "bad_format")),
        ({"from": "20261201"}, ("/from", "bad_format")),
        ({"to": "soon"}, ("/to", "bad_format")),
        ({"from": "9999-01-01", "to": "9999-01-02"}, ("/from", "bad_format")),
        ({"from": "2026-12-02", "to": "2026-12-01"}, ("/to", "bad_span")),
        ({"from": "2026-01-01", "to": "2026-03-04"}, ("/to", "bad_span")),
    ],
)
def test_a_span_that_is_none_or_too_long_is_told(
    world: World, asked: dict[str, str], fault: tuple[str, str]
) -> None:
    answer = december(world, asked=asked)
    assert answer.status == 422
    assert [(each["pointer"], each["code"]) for each in answer.body["errors"]] == [fault]


def test_a_file_for_calendar_programs_has_the_same_and_asks_who_is_there(world: World) -> None:
    submission = in_december(world, 24)
    span = december(world).body
    path = f"/calendar.ics?from={span['from']}&to={span['to']}"
    file = Browser(world, LIAISON).get(path)
    assert file.headers["content-type"] == "text/calendar; charset=utf-8"
    assert f"UID:{submission}@desk.test" in file.html
    assert f"DTSTART:{span['from'][:4]}1224T013000Z" in file.html
    assert "STATUS:TENTATIVE" in file.html
    assert submission not in Browser(world, OTHER_LIAISON).get(path).html
    assert Browser(world).get(path).path == "/sign-in"
    world.withdraw(submission)


def test_its_page_shows_a_month_and_a_list_and_turns_to_the_next(world: World) -> None:
    submission = in_december(world, 18, title="冬季供暖安排")
    month = december(world).body["from"][:7]
    browser = Browser(world, LIAISON)
    grid = browser.get(f"/calendar?month={month}")
    assert len(grid.page.all("table", class_="month")) == 1
    assert [link.text for link in grid.page.all("a", href=f"/submissions/{submission}")] == [
        "冬季供暖安排"
    ] * 2
    agenda = browser.get(f"/calendar?month={month}&view=agenda")
    assert agenda.page.all("table") == []
    assert [link.text for link in agenda.page.all("a", href=f"/submissions/{submission}")] == ["冬季供暖安排"]
    (following,) = grid.page.all("a", rel="next")
    assert browser.get(following.attributes["href"]).status == 200
    assert browser.get("/calendar?month=2026-13").status == 422
    world.withdraw(submission)


def test_a_month_is_read_in_few_calls_and_more_than_that_is_cut_off_and_told(world: World) -> None:
    table, start = CountingTable(), datetime(2026, 12, 1, tzinfo=UTC)
    template = world.plain_journal.head(world.submit())
    many = PLANNED_SHARDS * MOST_PLANNED + 200
    for number in range(many):
        head = a_copy(template, number, start + number * timedelta(seconds=1))
        table.put(put_head(head, expected_seq=0))
    table.asked.clear()
    records, rest = planned_between(table, start, start + timedelta(days=31))
    assert table.asked.count("Query") == PLANNED_SHARDS
    assert table.asked.count("BatchGetItem") == 1, "for each hundred, on AWS"
    assert rest is not None
    more, none = planned_between(table, rest, start + timedelta(days=31))
    assert none is None
    ids = [record.pk for record in (*records, *more)]
    assert len(ids) == len(set(ids)) == many
    world.withdraw(template.id)


def a_copy(head: Submission, number: int, at: datetime) -> Submission:
    """One of many, whose id decides which key of the index it lies under."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    tail = "".join(letters[number // 32**place % 32] for place in (3, 2, 1, 0))
    return replace(head, id=f"s-{'a' * 16}{tail}", publish_at=at, state=State.SCHEDULED)
