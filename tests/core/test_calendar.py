"""The working calendar: what counts as working time, over nights, weekends, holidays and changes of the clock."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bootstrap import POLICIES
from chalicelib.core.calendar import Calendar, CalendarError, read_calendar

CALENDAR = read_calendar(POLICIES)
SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAYS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=330))
KNOWN = DAYS.map(lambda passed: NOON + passed)
TERMS = st.integers(min_value=0, max_value=200 * 3600).map(lambda seconds: timedelta(seconds=seconds))


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-26 09:00", 2, "2026-11-26 11:00"),
        ("2026-11-26 11:00", 2, "2026-11-26 14:30"),  # over lunch
        ("2026-11-26 17:00", 2, "2026-11-27 09:30"),  # over night
        ("2026-11-27 17:00", 2, "2026-11-30 09:30"),  # over a weekend
        ("2026-11-28 10:00", 8, "2026-11-30 18:00"),  # from a weekend
        ("2026-11-26 03:00", 8, "2026-11-26 18:00"),  # a whole day ends with the day
        ("2026-02-13 17:00", 2, "2026-02-14 09:30"),  # a made-up Saturday before the Spring Festival
        ("2026-02-14 17:00", 2, "2026-02-24 09:30"),  # over the Spring Festival
        ("2026-09-30 17:00", 9, "2026-10-08 18:00"),  # over the National Day
        ("2026-10-09 17:00", 2, "2026-10-10 09:30"),  # the made-up Saturday after it
    ],
)
def test_a_term_ends_after_so_many_working_hours(start: str, hours: int, due: str) -> None:
    """Clause 3.3.4: the set time."""
    assert CALENDAR.after(shanghai(start), hours * HOUR) == shanghai(due)


@given(start=KNOWN, term=TERMS)
def test_between_an_instant_and_what_is_after_it_lies_the_term(start: datetime, term: timedelta) -> None:
    due = CALENDAR.after(start, term)
    assert due.tzinfo is UTC
    assert CALENDAR.between(start, due) == term


@given(start=KNOWN, first=TERMS, second=TERMS)
def test_a_term_is_the_sum_of_its_parts(start: datetime, first: timedelta, second: timedelta) -> None:
    assert CALENDAR.after(CALENDAR.after(start, first), second) == CALENDAR.after(start, first + second)


@given(one=KNOWN, other=KNOWN)
def test_working_time_is_never_more_than_time(one: datetime, other: datetime) -> None:
    start, end = sorted((one, other))
    assert timedelta(0) <= CALENDAR.between(start, end) <= end - start
    assert CALENDAR.between(end, start) == timedelta(0)


def test_the_years_are_as_the_state_council_arranged_them() -> None:
    """Held against a package that others keep."""
    first, last = date(2025, 1, 1), date(CALENDAR.last_year, 12, 31)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    assert [day for day in days if CALENDAR.works(day) != chinese_calendar.is_workday(day)] == []
    assert CALENDAR.holidays[date(2026, 2, 17)] == "春节"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@given(start=KNOWN)
def test_where_clocks_change_a_shift_lasts_as_long_as_it_does(zone: str, start: datetime) -> None:
    night = Calendar(
        zone=ZoneInfo(zone),
        shifts=((time(0), time(8)), (time(9), time(23))),
        days_off=frozenset(),
        holidays={},
        made_up=frozenset(),
        last_year=2026,
    )
    due = night.after(start, 100 * HOUR)
    assert night.between(start, due) == 100 * HOUR


def test_the_night_in_which_clocks_are_put_forward_has_an_hour_less() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = Calendar(
        zone=berlin,
        shifts=((time(0), time(8)),),
        days_off=frozenset(),
        holidays={},
        made_up=frozenset(),
        last_year=2026,
    )
    midnight = datetime(2026, 3, 29, tzinfo=berlin)
    assert night.between(midnight, datetime(2026, 3, 29, 8, tzinfo=berlin)) == 7 * HOUR
    assert night.after(midnight, 8 * HOUR) == datetime(2026, 3, 30, 1, tzinfo=berlin)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("2026-02-14, ", "2026-02-15, ", "2026-02-15: a holiday and made up at once"),
        ("[2026-01-01, 2026-01-03]", "[2026-01-03, 2026-01-01]", "2026-01-03 is after 2026-01-01"),
        ("[2026-01-01, 2026-01-03]", "[2029-01-01]", "not of 2026"),
        ("2026-02-14, ", "'2026-02-14', ", "calendar.yaml"),
        ("2026-02-14, ", "2026-02-13, ", "2026-02-13: a working day anyway"),
        ("2026-02-14, ", "2029-02-17, ", "2029-02-17: not of 2026"),
        ("08:30-12:00", "08:30-14:00", "not one after the other"),
        ("08:30-12:00", "morning", "calendar.yaml"),
        ("[saturday, sunday]", "[saturday, sonntag]", "calendar.yaml"),
        (
            "[saturday, sunday]",
            "[saturday, sunday, monday, tuesday, wednesday, thursday, friday]",
            "nobody ever",
        ),
        ("Asia/Shanghai", "Asia/Nowhere", "calendar.yaml"),
        ("years:", "yeers:", "years"),
    ],
)
def test_a_calendar_that_contradicts_itself_is_none(tmp_path: Path, old: str, new: str, fault: str) -> None:
    text = (POLICIES / "calendar.yaml").read_text("utf-8")
    assert old in text
    (tmp_path / "calendar.yaml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(CalendarError, match=fault):
        read_calendar(tmp_path)


def test_where_nobody_ever_works_nothing_is_ever_due() -> None:
    never = Calendar(
        zone=SHANGHAI,
        shifts=((time(9), time(17)),),
        days_off=frozenset(range(7)),
        holidays={},
        made_up=frozenset(),
        last_year=2026,
    )
    with pytest.raises(ValueError, match="ten years"):
        never.after(datetime(2026, 1, 1, tzinfo=UTC), HOUR)
