"""Calendars as files that calendar programs read (RFC 5545): just what is needed, all instants in UTC."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

MEDIA_TYPE = "text/calendar; charset=utf-8"
_LINE = 75
"""Octets of a line at most, its end left out (3.1)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry. `at` is an instant, or a day of no zone.

    `uid` is the same in every file and `sequence` grows with every change, so that a program that reads a newer file
    changes what it has.
    """

    uid: str
    at: datetime | date
    stamp: datetime
    summary: str
    sequence: int = 0
    status: str = "CONFIRMED"
    classification: str = "PUBLIC"
    description: str = ""
    url: str = ""


def calendar_file(name: str, entries: Iterable[Entry]) -> str:
    """A file of entries, under the name that programs show for it."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Imprimatur//Publishing calendar//ZH",
        "METHOD:PUBLISH",
    ]
    lines.append(f"X-WR-CALNAME:{_escaped(name)}")
    for entry in entries:
        lines += _entry_lines(entry)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _entry_lines(entry: Entry) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{_escaped(entry.uid)}"
    yield f"DTSTAMP:{_instant(entry.stamp)}"
    if isinstance(entry.at, datetime):
        yield f"DTSTART:{_instant(entry.at)}"
    else:
        yield f"DTSTART;VALUE=DATE:{entry.at:%Y%m%d}"
    yield f"SEQUENCE:{entry.sequence}"
    yield f"STATUS:{entry.status}"
    yield f"CLASS:{entry.classification}"
    yield "TRANSP:TRANSPARENT"
    yield f"SUMMARY:{_escaped(entry.summary)}"
    if entry.description:
        yield f"DESCRIPTION:{_escaped(entry.description)}"
    if entry.url:
        yield f"URL:{''.join(entry.url.split())}"
    yield "END:VEVENT"


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    """As a TEXT value (3.3.11); whatever else ends a line, or controls, is a space."""
    text = text.replace("\r\n", "\n").replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return _CONTROL.sub(" ", text.replace("\n", "\\n"))


def _folded(line: str) -> Iterator[str]:
    """The lines that a long one is folded into, none of which splits a character."""
    begun = ""
    for letter in line:
        if len((begun + letter).encode()) > _LINE:
            yield begun
            begun = " "
        begun += letter
    yield begun
