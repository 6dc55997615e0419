"""Working time between instants, of a whole calendar at once: it is asked for thousands of times."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta

from chalicelib.core.calendar import Calendar

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


class Hours:
    """The working hours of the days from `first` to `last`, both included."""

    def __init__(self, calendar: Calendar, first: date, last: date) -> None:
        self.calendar = calendar
        self._begins: list[datetime] = []
        self._ends: list[datetime] = []
        self._before: list[float] = []
        worked = 0.0
        for day in (first + number * _DAY for number in range((last - first).days + 1)):
            for begin, end in calendar.shifts if calendar.works(day) else ():
                begins, ends = (
                    datetime.combine(day, clock, calendar.zone).astimezone(UTC) for clock in (begin, end)
                )
                self._begins.append(begins)
                self._ends.append(ends)
                self._before.append(worked)
                worked += (ends - begins) / _HOUR
        self.total = worked

    def between(self, start: datetime, end: datetime) -> float:
        """How many hours were worked between two instants."""
        return self._worked(end) - self._worked(start)

    def after(self, start: datetime, hours: float) -> datetime:
        """The instant by which so many hours have been worked since another; at least the next working moment."""
        return self.at(self._worked(start) + max(hours, 1 / 60))

    def at(self, worked: float) -> datetime:
        """The instant by which so many hours have been worked since the first day."""
        place = bisect_right(self._before, min(worked, self.total - 1 / 60)) - 1
        return self._begins[place] + (min(worked, self.total) - self._before[place]) * _HOUR

    def _worked(self, instant: datetime) -> float:
        place = bisect_right(self._begins, instant) - 1
        if place < 0:
            return 0.0
        return self._before[place] + (min(instant, self._ends[place]) - self._begins[place]) / _HOUR
