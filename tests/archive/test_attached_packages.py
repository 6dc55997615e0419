"""Packages with attachments, format version 2, against accidents and forgers; and version 1 beside it."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.archive.model.findings import Code
from chalicelib.archive.model.package import build
from chalicelib.archive.model.verification import verify
from tests.archive.dossiers import (
    ATTACHED,
    Files,
    a_dossier,
    a_short_dossier,
    an_attached_dossier,
    edited,
    files_of,
    repacked,
    with_swapped,
)

DOSSIER = an_attached_dossier()
PACKAGE = build(DOSSIER)
FILES = files_of(PACKAGE)
TABLE, PICTURE = "data/attachments/0001.csv", "data/attachments/0002.png"
REVISION = "data/revisions/0001.json"
Edit = Callable[[list[dict[str, Any]]], object]


def test_a_package_holds_the_files_as_they_were_approved() -> None:
    """Clause 3.5.2: attachments are archived with the form."""
    report = verify(PACKAGE)
    assert report.ok
    assert report.facts is not None
    assert (report.facts.format_version, report.facts.attachment_count) == (2, 2)
    assert [FILES[TABLE], FILES[PICTURE]] == list(ATTACHED.values())
    assert b"Imprimatur-Format: 2\n" in FILES["bag-info.txt"]


def test_the_same_dossier_gives_the_same_bytes() -> None:
    assert build(an_attached_dossier()) == PACKAGE


@pytest.mark.parametrize(
    ("dossier", "sha256"),
    [
        (a_dossier(), "155fd04884d2d7ae85ab0cfe18286159aae5c7a48252d59b81e3b0be926711ac"),
        (a_short_dossier(), "fca411c2f69c9e4f95b8b23f1ede536d2b4d42a268ca43b450a6acf2c8f9a554"),
    ],
)
def test_a_package_without_files_is_still_the_very_one_of_version_1(dossier: Any, sha256: str) -> None:  # noqa: ANN401
    package = build(dossier)
    assert hashlib.sha256(package).hexdigest() == sha256
    report = verify(package)
    assert report.ok
    assert report.facts is not None
    assert report.facts.format_version == 1


def test_every_single_changed_byte_is_found() -> None:
    """Clause 1.3.4: tampering shows, attachments included."""
    changed = bytearray(PACKAGE)
    for offset in range(len(changed)):
        kept = changed[offset]
        changed[offset] = kept ^ (1 << offset % 8)
        assert not verify(bytes(changed)).ok, offset
        changed[offset] = kept


def test_a_file_that_is_missing_from_the_dossier_or_another_stops_the_building() -> None:
    table = DOSSIER.revisions[0].attachments[0].id
    with pytest.raises(ValueError, match=r"0001\.csv"):
        build(replace(DOSSIER, attachments={k: v for k, v in DOSSIER.attachments.items() if k != table}))
    with pytest.raises(ValueError, match=r"0001\.csv"):
        build(replace(DOSSIER, attachments={**DOSSIER.attachments, table: b"other"}))


def listed(change: Edit) -> Callable[[Files], None]:
    """The list of attachments changed in the revision and in the form."""

    def forge(files: Files) -> None:
        edited(files, REVISION, lambda document: change(document["content"]["attachments"]))
        edited(files, "data/form.json", lambda content: change(content["attachments"]))

    return forge


def digest_of_another_file(attachments: list[dict[str, Any]]) -> None:
    attachments[0]["sha256"] = hashlib.sha256(b"other").hexdigest()
    attachments[0]["size"] = len(b"other")


def replaced_with_its_digest(files: Files) -> None:
    files[TABLE] = b"other"
    listed(digest_of_another_file)(files)


def renamed_to_climb(attachments: list[dict[str, Any]]) -> None:
    attachments[0]["name"] = "x.../../etc"


FORGERIES: dict[str, tuple[Callable[[Files], None], str, Code]] = {
    "changed": (lambda files: files.update({TABLE: b"x"}), TABLE, Code.ATTACHED),
    "missing": (lambda files: files.__delitem__(TABLE), TABLE, Code.MISSING_FILE),
    "one more": (
        lambda files: files.update({"data/attachments/0003.csv": b"x"}),
        "data/attachments/0003.csv",
        Code.UNEXPECTED_FILE,
    ),
    "of another name": (
        lambda files: files.update({"data/attachments/x/0001.csv": files.pop(TABLE)}),
        "data/attachments/x/0001.csv",
        Code.UNEXPECTED_FILE,
    ),
    "swapped": (lambda files: with_swapped(files, TABLE, PICTURE), TABLE, Code.ATTACHED),
    "replaced, and the lists with it": (
        replaced_with_its_digest,
        "data/events/000001.json",
        Code.CONTENT_DIGEST,
    ),
    "left out of the list": (listed(lambda attachments: attachments.pop()), REVISION, Code.ATTACHMENTS),
    "listed in another order": (
        listed(lambda attachments: attachments.reverse()),
        REVISION,
        Code.ATTACHMENTS,
    ),
    "listed with a digest that is none": (
        listed(lambda attachments: attachments[0].update(sha256="x")),
        REVISION,
        Code.ATTACHMENTS,
    ),
    "listed with a size that is none": (
        listed(lambda attachments: attachments[0].update(size=True)),
        REVISION,
        Code.ATTACHMENTS,
    ),
    "listed with a member of its own": (
        listed(lambda attachments: attachments[0].update(note="")),
        REVISION,
        Code.ATTACHMENTS,
    ),
    "listed as a text": (
        listed(lambda attachments: attachments.insert(0, "x")),  # type: ignore[arg-type] # that is the forgery
        REVISION,
        Code.ATTACHMENTS,
    ),
    "named so that its file would lie elsewhere": (listed(renamed_to_climb), REVISION, Code.ATTACHMENTS),
    "called version 1": (
        lambda files: files.update(
            {"bag-info.txt": files["bag-info.txt"].replace(b"Format: 2", b"Format: 1")}
        ),
        "bag-info.txt",
        Code.TAG_FILE,
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forger_who_rewrites_the_manifests_too_is_found(forgery: str) -> None:
    """Clauses 1.3.4 and 3.5.2."""
    forge, where, code = FORGERIES[forgery]
    files = dict(FILES)
    forge(files)
    assert (where, code) in {(each.where, each.code) for each in verify(repacked(files)).findings}


def test_the_forgers_tools_make_a_sound_package_of_a_sound_package() -> None:
    assert repacked(FILES) == PACKAGE
