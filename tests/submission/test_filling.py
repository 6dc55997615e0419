"""The form as it is filled in on a page: what was typed and the document that it says (clause 3.1.2)."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.clock import from_text
from chalicelib.submission.filling import Filled, choices_of, document, instants, keywords_in
from chalicelib.submission.model import form_from_document
from tests.world import LIAISON, LONG_AGO, a_form

VERSION = "2026-1"


def said(**typed: Any) -> dict[str, Any]:  # noqa: ANN401 — fields of two shapes
    return document(Filled(**typed), drafter=LIAISON.id, declaration=VERSION)[0]


def codes(**typed: Any) -> list[tuple[str, str]]:  # noqa: ANN401 — as above
    faults = document(Filled(**typed), drafter=LIAISON.id, declaration=VERSION)[1]
    return [(fault.pointer, fault.code) for fault in faults]


def at(day: str, clock: str, zone: str, fold: str = "") -> dict[str, str]:
    return {"publish_date": day, "publish_time": clock, "time_zone": zone, "fold": fold}


def test_an_empty_form_says_only_what_nobody_types() -> None:
    assert said() == {
        "drafter": LIAISON.id,
        "keywords": [],
        "declaration": {"accepted": False, "version": VERSION},
    }


@pytest.mark.parametrize(
    ("line", "keywords"),
    [
        ("", []),
        ("停电", ["停电"]),
        ("停电、检修", ["停电", "检修"]),
        ("停电，检修, A 座；通知;", ["停电", "检修", "A 座", "通知"]),
        ("停电 检修　通知", ["停电", "检修", "通知"]),
        ("power outage, repair", ["power outage", "repair"]),
        ("power outage、", ["power outage"]),
        ("停电、停电", ["停电", "停电"]),
    ],
)
def test_keywords_are_set_apart_by_commas_or_else_by_spaces(line: str, keywords: list[str]) -> None:
    assert keywords_in(line) == keywords


@pytest.mark.parametrize(
    ("zone", "local", "offsets"),
    [
        ("Asia/Shanghai", "2026-05-01T08:00", ["+08:00"]),
        ("Europe/Berlin", "2026-03-29T02:30", []),
        ("Europe/Berlin", "2026-03-29T03:00", ["+02:00"]),
        ("Europe/Berlin", "2026-10-25T02:30", ["+02:00", "+01:00"]),
        ("Australia/Lord_Howe", "2026-10-04T02:15", []),
        ("America/New_York", "2026-11-01T01:00", ["-04:00", "-05:00"]),
        ("Etc/UTC", "2026-03-29T02:30", ["+00:00"]),
    ],
)
def test_a_clock_shows_a_time_once_or_twice_or_never(zone: str, local: str, offsets: list[str]) -> None:
    found = instants(datetime.fromisoformat(local), ZoneInfo(zone))
    assert [instant.isoformat()[-6:] for instant in found] == offsets
    assert list(found) == sorted(found)


def test_a_local_time_becomes_rfc_3339_with_the_offset_of_its_zone() -> None:
    assert said(**at("2026-05-01", "08:00", "Asia/Shanghai"))["publish_at"] == "2026-05-01T08:00:00+08:00"
    assert said(**at("2026-05-01", "08:00", "Etc/UTC"))["publish_at"] == "2026-05-01T08:00:00+00:00"


def test_a_skipped_time_is_told_and_a_repeated_one_asks_which() -> None:
    assert codes(**at("2026-03-29", "02:30", "Europe/Berlin")) == [("/publish_at", "skipped_local_time")]
    twice = at("2026-10-25", "02:30", "Europe/Berlin")
    assert codes(**twice) == [("/publish_at", "repeated_local_time")]
    assert len(choices_of(Filled(**twice))) == 2  # type: ignore[arg-type]  # texts only
    for fold, offset in (("0", "+02:00"), ("1", "+01:00")):
        assert said(**(twice | {"fold": fold}))["publish_at"] == f"2026-10-25T02:30:00{offset}"


@pytest.mark.parametrize(
    ("day", "clock"),
    [
        ("2026-02-30", "08:00"),
        ("2026-05-01", ""),
        ("", "08:00"),
        ("five", "08:00"),
        ("2026-05-01", "25:00"),
        ("0202-05-01", "08:00"),
        ("9999-12-31", "23:59"),
        ("2026-05-01", "08:00+08:00"),
    ],
)
def test_half_a_time_and_what_is_none_is_told_at_the_publish_time(day: str, clock: str) -> None:
    assert codes(**at(day, clock, "Asia/Shanghai")) == [("/publish_at", "bad_local_time")]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "/etc/localtime", "\0", "亚洲/上海"])
def test_a_zone_that_is_none_is_left_to_the_schema(zone: str) -> None:
    assert codes(**at("2026-05-01", "08:00", zone)) == []
    assert said(**at("2026-05-01", "08:00", zone))["publish_at"] == "2026-05-01T08:00:00+00:00"


def test_a_wechat_title_counts_only_where_wechat_is_chosen() -> None:
    assert "wechat_title" not in said(wechat_title="短标题", channels=("website",))
    assert said(wechat_title="短标题", channels=("wechat",))["wechat_title"] == "短标题"


def test_an_audience_without_departments_is_not_the_same_as_none_chosen() -> None:
    assert said(reach="departments")["audience"] == []
    assert "audience" not in said(reach="")
    assert said(reach="all", audience=("center",))["audience"] == "all"


_KEYWORD = st.text(alphabet="停电ab 1", min_size=1, max_size=8).filter(lambda text: text == text.strip())


@given(
    keywords=st.lists(_KEYWORD, max_size=10, unique=True),
    minutes=st.integers(min_value=0, max_value=525_600),
    seconds=st.sampled_from([0, 30]),
    zone=st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Etc/UTC"]),
    audience=st.sampled_from(["all", ["center"], ["marketing", "research"]]),
)
def test_a_form_that_is_filled_in_from_a_text_says_the_same_again(
    keywords: list[str], minutes: int, seconds: int, zone: str, audience: object
) -> None:
    instant = datetime.fromtimestamp(1_767_225_600 + minutes * 60 + seconds, ZoneInfo(zone))
    sent = a_form(
        LONG_AGO,
        keywords=keywords,
        publish_at=instant.isoformat(timespec="seconds"),
        time_zone=zone,
        audience=audience,
    )
    filled = Filled.from_form(form_from_document(sent))
    again, faults = document(filled, drafter=LIAISON.id, declaration=VERSION)
    assert faults == ()
    assert filled.declaration == "", "a declaration is made anew"
    assert from_text(again["publish_at"]) == from_text(sent["publish_at"])
    expected = {name: value for name, value in sent.items() if name not in {"attachments", "declaration"}}
    assert {name: again[name] for name in expected} == expected
