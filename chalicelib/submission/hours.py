"""When channels may be used, and how often a day (`policies/channels.json`): rules for whoever chooses a time.

They bind a choice, never the machine: what was approved late goes out late
([decision 30](../../docs/decisions/0030-quiet-hours-and-quotas-bind-who-chooses-a-time.md)).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from chalicelib.core.errors import FieldError
from chalicelib.core.validation import schema
from chalicelib.submission.model import Channel, Importance

SOON = timedelta(minutes=10)
"""A form that asks for a time no further ahead asks for as soon as it is approved: when that is, nobody knows yet."""


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """Hours in which a channel is quiet, by the clocks of a zone: from one time of day on and before another."""

    since: time
    until: time
    zone: ZoneInfo
    unless: frozenset[Importance] = frozenset()

    def covers(self, at: datetime) -> bool:
        """Whether an instant is in them."""
        clock = at.astimezone(self.zone).time()
        if self.since <= self.until:
            return self.since <= clock < self.until
        return clock >= self.since or clock < self.until


@dataclass(frozen=True, kw_only=True)
class Daily:
    """How many publications a channel takes on a day of a zone."""

    most: int
    zone: ZoneInfo

    def day(self, at: datetime) -> date:
        """The day that an instant falls on."""
        return at.astimezone(self.zone).date()

    def span(self, day: date) -> tuple[datetime, datetime]:
        """When a day begins, and when the next one does."""
        following = day + timedelta(days=1)
        return datetime.combine(day, time(), self.zone), datetime.combine(following, time(), self.zone)


@dataclass(frozen=True, kw_only=True)
class ChannelHours:
    """The rules by channel; what is not in them is allowed at any time, as often as one likes."""

    quiet: Mapping[Channel, Quiet] = field(default_factory=dict)
    daily: Mapping[Channel, Daily] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file. Raises ValueError, naming the place, when it is not what `schemas/hours.json` accepts."""
        return cls.read(json.loads(path.read_bytes()))

    @classmethod
    def read(cls, document: object) -> Self:
        """The rules of a JSON document, as `load` reads them."""
        errors = schema("hours").errors(document)
        if errors or not isinstance(document, dict):
            raise ValueError("; ".join(f"{error.pointer}: {error.code}" for error in errors))
        quiet = {
            Channel(name): _quiet(rules["quiet"]) for name, rules in document.items() if "quiet" in rules
        }
        daily = {
            Channel(name): Daily(most=rules["daily"]["most"], zone=ZoneInfo(rules["daily"]["time_zone"]))
            for name, rules in document.items()
            if "daily" in rules
        }
        return cls(quiet=quiet, daily=daily)

    def quiet_faults(
        self, at: datetime, channels: Iterable[Channel], importance: Importance
    ) -> Iterator[FieldError]:
        """What is wrong with a time because channels are quiet then."""
        for channel in channels:
            quiet = self.quiet.get(channel)
            if quiet is not None and importance not in quiet.unless and quiet.covers(at):
                params = {
                    "channel": channel.value,
                    "since": f"{quiet.since:%H:%M}",
                    "until": f"{quiet.until:%H:%M}",
                    "time_zone": quiet.zone.key,
                }
                yield FieldError(pointer="/publish_at", code="quiet_hours", params=params)


def _quiet(said: Mapping[str, Any]) -> Quiet:
    return Quiet(
        since=time.fromisoformat(said["from"]),
        until=time.fromisoformat(said["until"]),
        zone=ZoneInfo(said["time_zone"]),
        unless=frozenset(map(Importance, said.get("unless", ()))),
    )
