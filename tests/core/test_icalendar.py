"""Files for calendar programs: whatever people write, a program reads exactly that back (RFC 5545)."""

import re
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.icalendar import Entry, calendar_file

AT = datetime(2026, 12, 1, 1, 30, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def unfolded(file: str) -> list[str]:
    """The content lines as a reader sees them (3.1)."""
    assert file.endswith("\r\n")
    return file.replace("\r\n ", "").removesuffix("\r\n").split("\r\n")


def value_of(lines: list[str], name: str) -> str:
    (found,) = (line for line in lines if line.startswith(f"{name}:"))
    return found.removeprefix(f"{name}:")


def read(value: str) -> str:
    """A TEXT value without its escapes (3.3.11)."""
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], value, flags=re.DOTALL)


def printable(text: str) -> str:
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", " ", text.replace("\r\n", "\n"))


@given(title=TEXTS, more=TEXTS)
def test_any_text_comes_back_as_it_was_but_for_control_characters(title: str, more: str) -> None:
    file = calendar_file(
        "发布日历", [Entry(uid="s-1@desk", at=AT, stamp=AT, summary=title, description=more)]
    )
    lines = unfolded(file)
    assert read(value_of(lines, "SUMMARY")) == printable(title)
    if more:
        assert read(value_of(lines, "DESCRIPTION")) == printable(more)


@given(title=TEXTS)
def test_no_line_is_longer_than_75_octets_and_no_character_is_split(title: str) -> None:
    file = calendar_file("发布日历", [Entry(uid="s-1@desk", at=AT, stamp=AT, summary=title)])
    for line in file.encode().split(b"\r\n"):
        assert len(line) <= 75
        assert line.decode() is not None
        assert b"\n" not in line


@given(title=TEXTS)
def test_no_text_begins_a_line_of_its_own(title: str) -> None:
    """Nobody writes another entry into the file by a title."""
    calm = calendar_file("c", [Entry(uid="s-1@desk", at=AT, stamp=AT, summary="x")])
    wild = calendar_file(
        "c", [Entry(uid="s-1@desk", at=AT, stamp=AT, summary=f"{title}\r\nEND:VEVENT\r\nX:y")]
    )
    names = [line.partition(":")[0] for line in unfolded(calm)]
    assert [line.partition(":")[0] for line in unfolded(wild)] == names


def test_an_entry_is_an_instant_or_a_day_and_keeps_its_id() -> None:
    planned = Entry(uid="s-1@desk", at=AT, stamp=AT, summary="检修，停电", sequence=7, status="TENTATIVE")
    holiday = Entry(uid="2026-10-01@desk", at=date(2026, 10, 1), stamp=AT, summary="国庆节")
    file = calendar_file("发布日历", [planned, holiday])
    assert file.split("\r\n")[:3] == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Imprimatur//Publishing calendar//ZH",
    ]
    for line in (
        "UID:s-1@desk",
        "DTSTAMP:20261201T013000Z",
        "DTSTART:20261201T013000Z",
        "SEQUENCE:7",
        "STATUS:TENTATIVE",
        "SUMMARY:检修，停电",
        "DTSTART;VALUE=DATE:20261001",
    ):
        assert f"\r\n{line}\r\n" in file
    assert file.count("BEGIN:VEVENT") == file.count("END:VEVENT") == 2
