"""Whether a time may be chosen for channels: quiet hours, and places of a day that are taken.

Places are counted from the publish times of all that is under way or published; there is no reservation. Two who choose
at the same moment may both get the last place: the channel itself refuses the second one's delivery for certain.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from chalicelib.core.errors import FieldError
from chalicelib.submission.hours import ChannelHours
from chalicelib.submission.model import PLANNED, Channel, Importance
from chalicelib.submission.service.journal import Journal
from chalicelib.submission.store import planned_between, read_head


@dataclass(frozen=True, kw_only=True)
class Slots:
    """Looks at times for channels."""

    journal: Journal
    rules: Callable[[], ChannelHours]

    @property
    def hours(self) -> ChannelHours:
        """The rules."""
        return self.rules()

    def faults(
        self,
        at: datetime,
        channels: Iterable[Channel],
        importance: Importance,
        *,
        own: str | None = None,
    ) -> Iterator[FieldError]:
        """What is wrong with a time for these channels; `own` is the submission that it is for, if there is one yet.

        Without a daily limit no call is made; with one as many as reading a day of the calendar takes.
        """
        hours, channels = self.hours, tuple(channels)
        yield from hours.quiet_faults(at, channels, importance)
        for channel in channels:
            daily = hours.daily.get(channel)
            if daily is None:
                continue
            day = daily.day(at)
            if self.taken(channel, *daily.span(day), own=own) >= daily.most:
                params = {"channel": channel.value, "date": day.isoformat(), "most": daily.most}
                yield FieldError(pointer="/publish_at", code="quota_full", params=params)

    def taken(self, channel: Channel, since: datetime, until: datetime, *, own: str | None = None) -> int:
        """How many others are planned for a channel from one instant on and before another."""
        records, _ = planned_between(self.journal.table, since, until)
        heads = map(read_head, records)
        return sum(
            channel in head.channels
            and head.state in PLANNED
            and since <= head.publish_at < until
            and head.id != own
            for head in heads
        )
