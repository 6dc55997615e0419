"""Packages of what was published at a time that somebody had moved, format version 6, against forgers."""

from collections.abc import Callable

import pytest

from chalicelib.archive.model.findings import Code
from chalicelib.archive.model.package import build
from chalicelib.archive.model.verification import verify
from tests.archive.dossiers import (
    Files,
    a_rescheduled_dossier,
    edited,
    files_of,
    rechained,
    repacked,
    with_swapped,
)

PACKAGE = build(a_rescheduled_dossier())
FILES = files_of(PACKAGE)
SCHEDULED, FIRST, SECOND, STARTED = (f"data/events/{number:06d}.json" for number in (5, 6, 7, 8))


def says(name: str, **members: object) -> Callable[[Files], None]:
    """Change what an event says, and the chain after it."""

    def forge(files: Files) -> None:
        edited(files, name, lambda event: event["payload"].update(members))
        rechained(files)

    return forge


def is_by_a_service(files: Files) -> None:
    edited(files, SECOND, lambda event: event.update(actor="service:publication"))
    rechained(files)


def swapped(one: str, other: str) -> Callable[[Files], None]:
    def forge(files: Files) -> None:
        with_swapped(files, one, other)
        rechained(files)

    return forge


def began_sooner(files: Files) -> None:
    edited(files, STARTED, lambda event: event.update(at="2026-03-02T01:36:59.999Z"))
    rechained(files)


def test_a_package_says_who_moved_the_time_from_when_to_when_and_why() -> None:
    """Clause 3.4.1: the planned time, whoever moved it; the approved form stays as it was."""
    report = verify(PACKAGE)
    assert report.ok, report.findings
    assert report.facts is not None
    assert report.facts.format_version == 6
    assert b"Imprimatur-Format: 6\n" in FILES["bag-info.txt"]
    assert b'"publish_at":"2026-03-04T08:00:00+08:00"' in FILES["data/form.json"]


@pytest.mark.parametrize(
    ("forge", "where", "code"),
    [
        (says(FIRST, **{"from": "2026-03-04T01:00:00.000Z"}), FIRST, Code.RESCHEDULED),
        (says(FIRST, to="2026-03-02T01:36:00.000Z"), SECOND, Code.RESCHEDULED),
        (says(SECOND, to="at noon"), SECOND, Code.RESCHEDULED),
        (says(SECOND, due_at=None), SECOND, Code.RESCHEDULED),
        (says(SECOND, reason=""), SECOND, Code.RESCHEDULED),
        (says(SECOND, time_zone=8), SECOND, Code.RESCHEDULED),
        (says(SECOND, due_at="2026-03-03T01:30:00.000Z"), STARTED, Code.TOO_EARLY),
        (is_by_a_service, SECOND, Code.RESCHEDULED),
        (began_sooner, STARTED, Code.TOO_EARLY),
        (swapped(SCHEDULED, FIRST), SCHEDULED, Code.RESCHEDULED),
        (swapped(SECOND, STARTED), STARTED, Code.RESCHEDULED),
    ],
)
def test_a_forger_of_a_moved_time_is_found(forge: Callable[[Files], None], where: str, code: Code) -> None:
    files = dict(FILES)
    forge(files)
    assert (where, code) in {(each.where, each.code) for each in verify(repacked(files)).findings}
