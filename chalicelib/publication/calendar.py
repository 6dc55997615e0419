"""What is asked of the publishing calendar: days, and months."""

from collections.abc import Mapping
from datetime import date, timedelta

from chalicelib.core.errors import FieldError, InvalidInput

_FIRST, _LAST = date(2000, 1, 1), date(2999, 12, 31)


def a_day(asked: Mapping[str, str], name: str, otherwise: date) -> date:
    """The day of a query's member of that name, as ISO 8601 writes it. Raises InvalidInput."""
    text = asked.get(name)
    return otherwise if text is None else _read(text, f"/{name}", "date")


def a_month(text: str | None, otherwise: date) -> tuple[date, date]:
    """First and last day of a month such as `2026-12`, or of the one that a day is in. Raises InvalidInput."""
    return month_of(otherwise if text is None else _read(f"{text}-01", "/month", "month"))


def month_of(day: date) -> tuple[date, date]:
    """First and last day of a day's month."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _read(text: str, pointer: str, kind: str) -> date:
    wrong = InvalidInput((FieldError(pointer=pointer, code="bad_format", params={"format": kind}),))
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise wrong from error
    if day.isoformat() != text or not _FIRST <= day <= _LAST:
        raise wrong
    return day
