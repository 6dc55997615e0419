"""Instants as text."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.clock import from_text, to_second_text, to_text, utc_now

instants = st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 — bounds are naive
CALM = settings(deadline=None, database=None)
"""A busy machine is no failure."""


def test_now_is_utc() -> None:
    assert utc_now().tzinfo is UTC


@CALM
@given(instants)
def test_an_instant_is_read_back_to_the_millisecond(instant: datetime) -> None:
    assert timedelta(0) <= instant - from_text(to_text(instant)) < timedelta(milliseconds=1)


@CALM
@given(instants, instants)
def test_texts_sort_as_the_instants_do(one: datetime, other: datetime) -> None:
    assert one > other or to_text(one) <= to_text(other)


@CALM
@given(instants)
def test_a_wait_never_ends_early(instant: datetime) -> None:
    waited_for = from_text(to_second_text(instant))
    assert timedelta(0) <= waited_for - instant < timedelta(seconds=1)


def test_every_zone_becomes_utc() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert to_text(noon) == "2026-07-01T04:00:00.000Z"
    assert to_second_text(noon) == "2026-07-01T04:00:00Z"
    odd = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert from_text(odd.isoformat()) == odd
    assert from_text(odd.isoformat()).tzinfo is UTC


@pytest.mark.parametrize("text", ["2026-07-01T12:00:00", "2026-07-01", "noon", ""])
def test_a_text_without_an_offset_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text)
