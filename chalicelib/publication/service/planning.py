"""The publishing calendar: what is planned and published in a span of days, for whom policy lets read it.

Of what somebody may not read only that a channel's places of a day are taken is told: neither title nor department.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chalicelib.access.model import Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.calendar import Calendar
from chalicelib.core.errors import FieldError, InvalidInput
from chalicelib.people.model import Person
from chalicelib.submission.hours import ChannelHours
from chalicelib.submission.model import PLANNED, Channel, State, Submission
from chalicelib.submission.service import Journal, SubmissionDesk, resource_of
from chalicelib.submission.store import planned_between, read_head

MOST_DAYS = 62
"""Of one reading: two months."""
_DAY = timedelta(days=1)
_OUT = frozenset({State.PUBLISHING, State.PUBLISHED, State.ARCHIVED})
"""The states in which it is read by the archive's rule, too."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """A day of the calendar's zone. `holiday` is its official name, `made_up` says that a weekend is worked."""

    day: date
    works: bool
    holiday: str | None
    made_up: bool


@dataclass(frozen=True, kw_only=True)
class Load:
    """How many of a channel's places of a day are taken, whoever may read by what."""

    channel: Channel
    day: date
    taken: int
    most: int

    @property
    def is_full(self) -> bool:
        """Whether no other fits in."""
        return self.taken >= self.most


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A span of days, both ends included, and what is planned in it, by time.

    `openable` are the ids of what has a page for this person, `loads` tell of the days on which a channel with a daily
    limit is used. `rest` is the instant from which there is more than was
    read, None when this is all.
    """

    days: tuple[Day, ...]
    items: tuple[Submission, ...]
    openable: frozenset[str]
    loads: tuple[Load, ...]
    rest: datetime | None

    def full(self, day: date) -> tuple[Load, ...]:
        """The channels that take no more on a day."""
        return tuple(load for load in self.loads if load.day == day and load.is_full)

    def on(self, day: date, zone: ZoneInfo) -> tuple[Submission, ...]:
        """What is planned for a day of a zone."""
        return tuple(head for head in self.items if head.publish_at.astimezone(zone).date() == day)


@dataclass(frozen=True, kw_only=True)
class Planning:
    """Reads the publishing calendar, whose days are those of `zone`."""

    journal: Journal
    access: AccessControl
    desk: SubmissionDesk
    calendar: Callable[[], Calendar]
    hours: Callable[[], ChannelHours]
    zone: ZoneInfo

    def today(self) -> date:
        """The present day."""
        return self.journal.now().astimezone(self.zone).date()

    def plan(self, person: Person, first: date, last: date) -> Plan:
        """What is planned from one day to another. Raises InvalidInput for too many days, or none."""
        if not timedelta(0) <= last - first < MOST_DAYS * _DAY:
            raise InvalidInput((FieldError(pointer="/to", code="bad_span", params={"days": MOST_DAYS}),))
        since, until = (datetime.combine(day, time(), self.zone) for day in (first, last + _DAY))
        heads, rest = self._between(since, until)
        openable = frozenset(head.id for head in heads if self.desk.may_read(person, head))
        items = tuple(head for head in heads if head.id in openable or self._is_open(person, head))
        return Plan(
            days=tuple(self._days(first, last)),
            items=items,
            openable=openable,
            loads=tuple(self._loads(heads)),
            rest=rest,
        )

    def _between(self, since: datetime, until: datetime) -> tuple[list[Submission], datetime | None]:
        records, rest = planned_between(self.journal.table, since, until)
        heads = map(read_head, records)
        there = [head for head in heads if head.state in PLANNED and since <= head.publish_at < until]
        return there, rest

    def _loads(self, heads: Iterable[Submission]) -> Iterator[Load]:
        for channel, daily in self.hours().daily.items():
            taken = Counter(daily.day(head.publish_at) for head in heads if channel in head.channels)
            for day in sorted(taken):
                yield Load(channel=channel, day=day, taken=taken[day], most=daily.most)

    def _is_open(self, person: Person, head: Submission) -> bool:
        """Whether it is published to the person, as the archive's rule says."""
        subject = subject_of(person, self.journal.now())
        return head.state in _OUT and self.access.allows(subject, Action.ARCHIVE_READ, resource_of(head))

    def _days(self, first: date, last: date) -> Iterator[Day]:
        calendar = self.calendar()
        for day in (first + number * _DAY for number in range((last - first).days + 1)):
            yield Day(
                day=day,
                works=calendar.works(day),
                holiday=calendar.holidays.get(day),
                made_up=day in calendar.made_up,
            )
