"""The notice board's plan (clauses 4.3.1, 4.3.2, 4.3.3): who hangs when, from the items alone."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bootstrap import POLICIES
from chalicelib.publication.channels.notice_board.board import (
    BoardItem,
    BoardRules,
    next_place,
    planned,
    playlist,
)
from chalicelib.submission.model import Category

RULES = BoardRules.load(POLICIES / "board.json")
NOON = datetime(2026, 5, 1, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def an_item(
    number: int = 1,
    *,
    since: datetime = NOON,
    department: str = "marketing",
    days: int = 14,
    priority: int = 0,
    removed_at: datetime | None = None,
) -> BoardItem:
    return BoardItem(
        submission=f"s-{number:03d}",
        revision=1,
        department=department,
        since=since,
        display=days * DAY,
        duration=timedelta(seconds=15),
        priority=priority,
        sha256=f"{number:064x}",
        removed_at=removed_at,
    )


@st.composite
def _items(draw: st.DrawFn) -> list[BoardItem]:
    made = []
    for number in range(draw(st.integers(0, 12))):
        since = NOON + draw(st.integers(0, 40)) * DAY
        removed = draw(st.none() | st.integers(0, 60))
        made.append(
            an_item(
                number,
                since=since,
                department=draw(st.sampled_from(["a", "b"])),
                days=draw(st.integers(1, 20)),
                removed_at=None if removed is None else since + removed * DAY,
            )
        )
    return made


def test_sections_of_the_board_are_the_four_of_clause_4_3_2() -> None:
    assert [section.name for section in RULES.sections] == ["公司新闻", "通知公告", "优秀员工", "文化活动"]
    assert RULES.section_of(Category.STAFF).id == "staff"
    assert RULES.section_of(Category.RULES).id == "notices"


def test_rules_that_leave_a_category_without_a_section_are_refused(tmp_path: Path) -> None:
    document = json.loads((POLICIES / "board.json").read_bytes())
    document["sections"].pop()
    path = tmp_path / "board.json"
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(ValueError, match="exactly one section"):
        BoardRules.load(path)


def test_item_is_shown_for_its_days_and_leaves_by_itself() -> None:
    """Clause 4.3.1: nothing has to happen for an item to leave."""
    (showing,) = planned([an_item()], 3)
    assert (showing.start, showing.end) == (NOON, NOON + 14 * DAY)
    assert playlist([an_item()], RULES, NOON + 14 * DAY)["items"] == []
    assert playlist([an_item()], RULES, NOON + 14 * DAY - timedelta(seconds=1))["items"]


def test_surplus_of_a_department_waits_in_order_and_enters_when_a_place_gets_free() -> None:
    """Clause 4.3.3: a department has so many places, and its own items alone wait for them."""
    items = [an_item(number, since=NOON + number * DAY) for number in (1, 2, 3, 4)]
    other = an_item(9, since=NOON + 4 * DAY, department="research")
    starts = {each.item.submission: each.start - NOON for each in planned([*items, other], 2)}
    assert starts == {"s-001": DAY, "s-002": 2 * DAY, "s-003": 15 * DAY, "s-004": 16 * DAY, "s-009": 4 * DAY}


def test_item_that_is_taken_off_gives_its_place_away_at_once() -> None:
    items = [an_item(1), an_item(2, since=NOON + DAY)]
    removed = [replace(items[0], removed_at=NOON + 3 * DAY), items[1]]
    assert [each.start for each in planned(items, 1)] == [NOON, NOON + 14 * DAY]
    assert [each.start for each in planned(removed, 1)] == [NOON, NOON + 3 * DAY]
    assert [each["id"] for each in playlist(removed, RULES, NOON + 3 * DAY)["items"]] == ["s-002"]


@given(items=_items(), slots=st.integers(1, 3))
def test_no_department_has_more_places_than_it_has_and_nobody_is_cut_short(
    items: list[BoardItem], slots: int
) -> None:
    showings = planned(items, slots)
    for showing in showings:
        at_once = [
            each
            for each in showings
            if each.item.department == showing.item.department and each.at(showing.start)
        ]
        assert len(at_once) <= slots
        assert showing.start >= showing.item.since
        if showing.item.removed_at is None:
            assert showing.end - showing.start == showing.item.display
        else:
            assert showing.end <= max(showing.start, showing.item.removed_at)


@given(items=_items(), slots=st.integers(1, 3), later=st.integers(0, 90))
def test_place_that_is_foretold_is_the_one_that_is_given(
    items: list[BoardItem], slots: int, later: int
) -> None:
    """What is shown when the board is chosen, before anybody else publishes."""
    instant = max([NOON + later * DAY, *(item.since for item in items)])
    foretold = next_place(items, slots, "a", instant)
    new = an_item(99, since=instant, department="a")
    (given_,) = (each for each in planned([*items, new], slots) if each.item == new)
    assert foretold == given_.start


def test_playlist_keeps_its_contract() -> None:
    items = [an_item(1), an_item(2, priority=2), an_item(3, since=NOON + DAY)]
    document = playlist(items, replace(RULES, slots=2), NOON + DAY)
    assert document == {
        "version": 1,
        "generated_at": "2026-05-02T04:00:00.000Z",
        "valid_until": "2026-05-09T04:00:00.000Z",
        "items": [
            {
                "id": "s-002",
                "revision": 1,
                "url": "s-002/1/slide.png",
                "sha256": f"{2:064x}",
                "start": "2026-05-01T04:00:00.000Z",
                "end": "2026-05-15T04:00:00.000Z",
                "duration_s": 15,
                "priority": 2,
            },
            *(
                {
                    "id": f"s-{number:03d}",
                    "revision": 1,
                    "url": f"s-{number:03d}/1/slide.png",
                    "sha256": f"{number:064x}",
                    "start": start,
                    "end": end,
                    "duration_s": 15,
                    "priority": 0,
                }
                for number, start, end in (
                    (1, "2026-05-01T04:00:00.000Z", "2026-05-15T04:00:00.000Z"),
                    (3, "2026-05-15T04:00:00.000Z", "2026-05-29T04:00:00.000Z"),
                )
            ),
        ],
    }
    assert playlist(reversed(items), replace(RULES, slots=2), NOON + DAY) == document
