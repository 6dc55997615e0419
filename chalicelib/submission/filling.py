"""A publication request as a page's form: what was typed into it, and the document that this says.

What was typed is kept as it came, choices that do not exist included, so that a form can always be shown again. The
page asks a little differently from the schema: a time by the clocks of a place, keywords in one line.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.core.errors import FieldError
from chalicelib.submission.model import Channel, Form

ALL = "all"
SOME = "departments"
"""What `reach` may be: everybody, or the departments that are ticked."""
COMMON_ZONES = (
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Etc/UTC",
)
"""Offered first, after the center's own."""
FIRST_YEAR, LAST_YEAR = 2000, 9998
"""Of a publish time: beyond them some zones have offsets that RFC 3339 cannot say."""

_BETWEEN_KEYWORDS = re.compile(r"[、,，;；\n]")


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The fields of the page's form, by their names there.

    `channels` and `audience` are what was ticked, `attachments` the ids of the files that go with it.
    `publish_date` and `publish_time` are by the clocks of `time_zone`; `fold` says which of two is meant where these
    clocks show a time twice: `0` the earlier, `1` the later.
    `declaration` is the version of the declaration that was accepted.
    """

    title: str = ""
    wechat_title: str = ""
    summary: str = ""
    body: str = ""
    keywords: str = ""
    attachments: tuple[str, ...] = ()
    category: str = ""
    department: str = ""
    classification: str = ""
    importance: str = ""
    channels: tuple[str, ...] = ()
    publish_date: str = ""
    publish_time: str = ""
    fold: str = ""
    time_zone: str = ""
    reach: str = ""
    audience: tuple[str, ...] = ()
    declaration: str = ""

    @classmethod
    def from_fields(cls, posted: Mapping[str, Sequence[str]]) -> Self:
        """Read a posted form; whatever is not there is empty."""
        several = ("attachments", "channels", "audience")
        lists: dict[str, Any] = {name: tuple(posted.get(name, ())) for name in several}
        texts = {field.name: next(iter(posted.get(field.name, ())), "") for field in fields(cls)}
        return cls(**{**texts, **lists})

    @classmethod
    def from_form(cls, form: Form) -> Self:
        """What would have to be typed to say this again; a declaration is made anew each time."""
        local = form.publish_at.astimezone(ZoneInfo(form.time_zone))
        shown_twice = len(instants(local.replace(tzinfo=None, fold=0), ZoneInfo(form.time_zone))) > 1
        return cls(
            title=form.title,
            wechat_title=form.wechat_title or "",
            summary=form.summary,
            body=form.body,
            keywords=_line_of(form.keywords),
            attachments=form.attachments,
            category=form.category,
            department=form.department,
            classification=form.classification,
            importance=form.importance,
            channels=form.channels,
            publish_date=f"{local:%Y-%m-%d}",
            publish_time=f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}",
            fold=str(local.fold) if shown_twice else "",
            time_zone=form.time_zone,
            reach=ALL if form.audience is None else SOME,
            audience=form.audience or (),
        )


def document(
    filled: Filled, *, drafter: str, declaration: str
) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
    """The publication request that a filled-in form says, and what cannot be said of its publish time.

    A field that was left open is not in it. `declaration` is the version that is asked for now. A WeChat title counts
    only where WeChat is chosen. The zone decides the offset; a time without a known zone is taken as UTC, since it is
    the zone that is wrong then.
    """
    said: dict[str, Any] = {
        "title": filled.title.strip(),
        "wechat_title": filled.wechat_title.strip() if Channel.WECHAT in filled.channels else "",
        "summary": filled.summary.strip(),
        "body": filled.body if filled.body.strip() else "",
        "category": filled.category,
        "department": filled.department,
        "classification": filled.classification,
        "importance": filled.importance,
        "attachments": list(filled.attachments),
        "channels": list(filled.channels),
        "time_zone": filled.time_zone,
        "audience": list(filled.audience) if filled.reach == SOME else filled.reach,
    }
    said = {
        name: value for name, value in said.items() if value or (name, filled.reach) == ("audience", SOME)
    }
    said["drafter"] = drafter
    said["keywords"] = keywords_in(filled.keywords)
    accepted = filled.declaration != ""
    said["declaration"] = {"accepted": accepted, "version": filled.declaration or declaration}
    publish_at, faults = publish_time(filled)
    return said | publish_at, faults


def publish_time(filled: Filled) -> tuple[dict[str, str], tuple[FieldError, ...]]:
    """The publish time of a filled-in form as a field of a document, and what cannot be said of it."""
    found = _publish_times(filled)
    if isinstance(found, FieldError):
        return {}, (found,)
    return ({} if found is None else {"publish_at": found.isoformat(timespec="seconds")}), ()


def offered_zones(own: str) -> tuple[str, ...]:
    """The zones that a form offers first, the center's own before all."""
    return tuple(dict.fromkeys((own, *COMMON_ZONES)))


def keywords_in(line: str) -> list[str]:
    """The keywords of a line: set apart by commas and their like, or by spaces where there is nothing else."""
    parts = _BETWEEN_KEYWORDS.split(line) if _BETWEEN_KEYWORDS.search(line) else line.split()
    return [keyword for keyword in map(str.strip, parts) if keyword]


def instants(local: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """When the clocks of a zone show that time: never where they skip it, twice where they are put back."""
    shown = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    real = {
        at.utcoffset(): at
        for at in shown
        if at.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local
    }
    return tuple(real.values())


def local_time(typed_date: str, typed_time: str) -> datetime | None:
    """A date and a time as a browser's fields give them, None for what is no whole one."""
    try:
        day, clock = date.fromisoformat(typed_date), time.fromisoformat(typed_time)
    except ValueError:
        return None
    sound = FIRST_YEAR <= day.year <= LAST_YEAR and clock.tzinfo is None
    return datetime.combine(day, clock.replace(microsecond=0)) if sound else None


def choices_of(filled: Filled) -> tuple[datetime, ...]:
    """The two instants that a publish time may mean, earlier first; empty where it means one or none."""
    local, zone = _local(filled), _zone(filled.time_zone)
    found = () if local is None or zone is None else instants(local, zone)
    return found if len(found) > 1 else ()


def _publish_times(filled: Filled) -> datetime | FieldError | None:
    """The publish time with its offset; what is wrong with it; or None when nothing was typed."""
    if not filled.publish_date and not filled.publish_time:
        return None
    local = _local(filled)
    if local is None:
        return FieldError(pointer="/publish_at", code="bad_local_time")
    zone = _zone(filled.time_zone)
    if zone is None:
        return local.replace(tzinfo=UTC)
    found = instants(local, zone)
    if not found:
        return FieldError(
            pointer="/publish_at", code="skipped_local_time", params={"time_zone": filled.time_zone}
        )
    if len(found) > 1 and filled.fold not in {"0", "1"}:
        return FieldError(
            pointer="/publish_at", code="repeated_local_time", params={"time_zone": filled.time_zone}
        )
    return found[-1] if filled.fold == "1" else found[0]


def _local(filled: Filled) -> datetime | None:
    return local_time(filled.publish_date, filled.publish_time)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


def _line_of(keywords: Iterable[str]) -> str:
    """A line that is read as these keywords again."""
    line = "、".join(keywords)
    return line if keywords_in(line) == list(keywords) else f"{line}、"
