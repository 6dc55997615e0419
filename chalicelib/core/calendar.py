"""When people work: what is due in so many working hours is due at an instant of this calendar.

Days are those of the calendar's own time zone, however far its clock is put forward or back meanwhile.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_MOST_DAYS = 3660
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class CalendarError(ValueError):
    """A calendar that says two things at once, or nothing."""


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Working hours in a zone. `shifts` are a working day's spans in their order, `days_off` weekdays from Monday, 0.

    `holidays` are days off by name, `made_up` working days that a weekend would have off. Both are official up to the
    end of `last_year`; later years have their weekends only.
    """

    zone: ZoneInfo
    shifts: tuple[tuple[time, time], ...]
    days_off: frozenset[int]
    holidays: Mapping[date, str]
    made_up: frozenset[date]
    last_year: int

    def works(self, day: date) -> bool:
        """Whether people work on a day of the calendar's zone."""
        if day in self.made_up:
            return True
        return day not in self.holidays and day.weekday() not in self.days_off

    def after(self, start: datetime, term: timedelta) -> datetime:
        """The first instant, in UTC, by which so much working time has passed since another.

        Raises ValueError when that is not within ten years.
        """
        if term <= timedelta(0):
            return start.astimezone(UTC)
        for begin, end in self._shifts_from(start):
            if end - begin >= term:
                return begin + term
            term -= end - begin
        raise ValueError("nobody works that much in ten years")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The working time from one instant to another; none where the second is not later."""
        worked = timedelta(0)
        for begin, ends in self._shifts_from(start):
            if begin >= end:
                break
            worked += min(ends, end) - begin
        return worked

    def _shifts_from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """What is left of the shift that an instant falls into, and all that follow, in UTC."""
        first = start.astimezone(self.zone).date()
        for day in (first + n * _DAY for n in range(_MOST_DAYS)):
            if not self.works(day):
                continue
            for begin, end in self.shifts:
                begins, ends = self._instant(day, begin), self._instant(day, end)
                if ends > start:
                    yield max(begins, start.astimezone(UTC)), ends

    def _instant(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, self.zone).astimezone(UTC)


def read_calendar(folder: Path) -> Calendar:
    """The calendar of a policies folder. Raises OSError or CalendarError."""
    from yaml import CSafeLoader, load  # noqa: PLC0415 — heavy, and few events need it

    raw = load((folder / "calendar.yaml").read_text("utf-8"), CSafeLoader)
    try:
        calendar = _calendar(raw)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CalendarError(f"calendar.yaml: {error}") from error
    if not calendar.shifts or set(range(7)) <= calendar.days_off:
        raise CalendarError("calendar.yaml: nobody ever works")
    return calendar


def _calendar(raw: Mapping[str, Any]) -> Calendar:
    holidays: dict[date, str] = {}
    made_up: set[date] = set()
    days_off = frozenset(map(_WEEKDAYS.index, raw["days_off"]))
    for year, arranged in raw["years"].items():
        for name, (first, *last) in arranged["holidays"].items():
            for day in _days(first, *last):
                _ensure(day.year in {year - 1, year, year + 1}, f"{name}, {day}: not of {year}")
                holidays[day] = name
        for day in arranged["made_up"]:
            _ensure(day.year in {year - 1, year, year + 1}, f"made_up, {day}: not of {year}")
            _ensure(day.weekday() in days_off, f"made_up, {day}: a working day anyway")
            made_up.add(day)
    both = sorted(made_up & holidays.keys())
    _ensure(not both, f"{', '.join(map(str, both))}: a holiday and made up at once")
    shifts = tuple(_shift(text) for text in raw["hours"])
    ends = [clock for shift in shifts for clock in shift]
    _ensure(ends == sorted(set(ends)), "hours: not one after the other")
    return Calendar(
        zone=ZoneInfo(raw["time_zone"]),
        shifts=shifts,
        days_off=days_off,
        holidays=holidays,
        made_up=frozenset(made_up),
        last_year=max(raw["years"]),
    )


def _days(first: date, last: date | None = None) -> Iterator[date]:
    """The days from one to another, both included."""
    last = last or first
    _ensure(first <= last, f"{first} is after {last}")
    return (first + n * _DAY for n in range((last - first).days + 1))


def _shift(text: str) -> tuple[time, time]:
    begin, _, end = text.partition("-")
    return time.fromisoformat(begin), time.fromisoformat(end)


def _ensure(sound: bool, fault: str) -> None:  # noqa: FBT001 — the condition, as in assert
    if not sound:
        raise CalendarError(fault)
