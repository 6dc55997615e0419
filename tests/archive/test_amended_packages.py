"""Packages of texts that editors amended, format version 4, against forgers."""

from collections.abc import Callable

import pytest

from chalicelib.archive.model.findings import Code
from chalicelib.archive.model.package import build
from chalicelib.archive.model.verification import verify
from tests.archive.dossiers import (
    DRAFTER,
    EDITOR,
    OTHER_EDITOR,
    Files,
    an_amended_dossier,
    edited,
    files_of,
    rechained,
    repacked,
    with_swapped,
)

PACKAGE = build(an_amended_dossier())
FILES = files_of(PACKAGE)
RESTORED, CONFIRMED, DECIDED = (f"data/events/{number:06d}.json" for number in (4, 6, 7))
OPINION = "data/opinions/0001-initial.json"


def says(name: str, **members: object) -> Callable[[Files], None]:
    """Change what an event says, and the chain after it."""

    def forge(files: Files) -> None:
        edited(files, name, lambda event: event["payload"].update(members))
        rechained(files)

    return forge


def is_by(name: str, actor: str) -> Callable[[Files], None]:
    def forge(files: Files) -> None:
        edited(files, name, lambda event: event.update(actor=actor))
        if name == DECIDED:
            edited(files, OPINION, lambda opinion: opinion.update(reviewer=actor))
        rechained(files)

    return forge


def confirmed_after_the_decision(files: Files) -> None:
    with_swapped(files, CONFIRMED, DECIDED)
    rechained(files)


def test_a_package_says_who_amended_and_who_confirmed_each_text() -> None:
    """Clauses 2.1.3, 3.1.3 and 3.5.2: an edited text is archived with who edited it and who answers for it."""
    report = verify(PACKAGE)
    assert report.ok, report.findings
    assert report.facts is not None
    assert (report.facts.format_version, report.facts.revision) == (4, 4)
    assert b"Imprimatur-Format: 4\n" in FILES["bag-info.txt"]
    assert b'"declaration"' not in FILES["data/form.json"], "the event has it"


@pytest.mark.parametrize(
    ("forge", "where", "code"),
    [
        (confirmed_after_the_decision, CONFIRMED, Code.UNCONFIRMED),
        (is_by(CONFIRMED, OTHER_EDITOR), DECIDED, Code.UNCONFIRMED),
        (is_by(CONFIRMED, "service:review"), DECIDED, Code.UNCONFIRMED),
        (says(CONFIRMED, declaration={"accepted": False}), DECIDED, Code.UNCONFIRMED),
        (says(CONFIRMED, revision=2), CONFIRMED, Code.CONTENT_DIGEST),
        (is_by(DECIDED, OTHER_EDITOR), DECIDED, Code.OWN_TEXT),
        (is_by(DECIDED, EDITOR), DECIDED, Code.OWN_TEXT),
        (is_by(DECIDED, DRAFTER), DECIDED, Code.OWN_TEXT),
        (says(RESTORED, restores=2), RESTORED, Code.CONTENT_DIGEST),
        (says(RESTORED, restores=[1]), RESTORED, Code.CONTENT_DIGEST),
    ],
)
def test_a_forger_of_an_amendment_is_found(forge: Callable[[Files], None], where: str, code: Code) -> None:
    files = dict(FILES)
    forge(files)
    assert (where, code) in {(each.where, each.code) for each in verify(repacked(files)).findings}
