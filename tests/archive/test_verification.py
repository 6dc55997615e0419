"""The offline verifier, against accidents, forgers and nonsense."""

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.archive.model import Code, Report, build, verify
from chalicelib.archive.model.findings import TEXTS
from chalicelib.core.canonical import canonical
from infra.commands.verify import run
from tests.archive.dossiers import (
    DRAFTER,
    EDITOR,
    EXECUTIVE,
    FOLDER,
    HEAD,
    NUMBER,
    PUBLISHED_AT,
    Files,
    a_dossier,
    edited,
    event_names,
    files_of,
    rechained,
    repacked,
    with_swapped,
)

PACKAGE = build(a_dossier())
FILES = files_of(PACKAGE)

TASK, RETURNED, RESUBMITTED, REFUSED, EXECUTIVE_DECIDED, STARTED, PUBLISHED = (
    f"data/events/{seq:06d}.json" for seq in (2, 4, 5, 7, 9, 10, 12)
)
EXECUTIVE_OPINION = "data/opinions/0005-executive.json"


def found(report: Report) -> set[tuple[str, Code]]:
    return {(finding.where, finding.code) for finding in report.findings}


def test_a_package_that_nobody_touched_passes_and_tells_what_it_holds() -> None:
    """Clauses 1.3.4 and 3.5.2."""
    report = verify(PACKAGE, expected_sha256=hashlib.sha256(PACKAGE).hexdigest())
    assert report.ok
    assert report.catalog_number == NUMBER
    facts = report.facts
    assert facts is not None
    assert facts.title == "关于三号车间行车检修的安全提示"
    assert [(each.stage, each.reviewer) for each in facts.approvals] == [
        ("initial", EDITOR),
        ("department_head", HEAD),
        ("executive", EXECUTIVE),
    ]
    assert (facts.revision, facts.published_at, facts.event_count) == (2, PUBLISHED_AT, 12)
    assert facts.last_event_hash == hashlib.sha256(FILES[PUBLISHED]).hexdigest()


def test_every_single_changed_byte_is_found() -> None:
    """Clause 1.3.4: tampering shows, container metadata included."""
    changed = bytearray(PACKAGE)
    for offset in range(len(changed)):
        kept = changed[offset]
        changed[offset] = kept ^ (1 << offset % 8)
        assert not verify(bytes(changed)).ok, offset
        changed[offset] = kept


def test_every_removed_or_added_byte_is_found() -> None:
    for offset in range(0, len(PACKAGE), 23):
        head, tail = PACKAGE[:offset], PACKAGE[offset:]
        assert not verify(head).ok, offset
        assert not verify(head + tail[1:]).ok, offset
        assert not verify(head + b"\x00" + tail).ok, offset
    for appended in (b"\x00", b"\n", PACKAGE):
        assert not verify(PACKAGE + appended).ok


def test_a_changed_byte_is_named_by_its_file() -> None:
    offset = PACKAGE.index("检修期间".encode())
    report = verify(PACKAGE[:offset] + b"\xff" + PACKAGE[offset + 1 :])
    assert found(report) == {
        ("data/catalog.json", Code.CHECKSUM),
        ("data/catalog.json", Code.DIGEST),
    }
    assert report.catalog_number == NUMBER


def test_changed_metadata_is_named_by_its_entry_and_place() -> None:
    offset = PACKAGE.index(b"PK\x03\x04", 1) + 10
    report = verify(PACKAGE[:offset] + b"\x01" + PACKAGE[offset + 1 :])
    (finding,) = report.findings
    assert (finding.where, finding.code) == ("bagit.txt", Code.CONTAINER)
    assert finding.params == {"offset": offset}


def test_another_package_than_the_expected_one_is_found_though_it_is_sound() -> None:
    report = verify(PACKAGE, expected_sha256="00" * 32)
    assert found(report) == {("", Code.SHA256)}
    assert report.facts is not None


def test_an_expected_digest_may_be_in_capitals() -> None:
    assert verify(PACKAGE, expected_sha256=f" {hashlib.sha256(PACKAGE).hexdigest().upper()}\n").ok


# Accidents and attacks on the container


def zipped(names: list[str], *, method: int = zipfile.ZIP_STORED, size: int = 10) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as container:
        for name in names:
            container.writestr(zipfile.ZipInfo(name), b"0" * size, method)
    return target.getvalue()


def duplicated() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped(["top/a", "top/a"])


CONTAINERS: dict[str, tuple[bytes, Code]] = {
    "nothing": (b"", Code.NOT_A_PACKAGE),
    "text": (b"hello", Code.NOT_A_PACKAGE),
    "an empty ZIP": (zipped([]), Code.NOT_A_PACKAGE),
    "a ZIP by another tool": (zipped(["top/a"]), Code.CONTAINER),
    "a bomb": (zipped(["top/a"], method=zipfile.ZIP_DEFLATED, size=50_000_000), Code.COMPRESSED),
    "a way out": (zipped(["../../etc/passwd"]), Code.BAD_NAME),
    "an absolute path": (zipped(["/etc/passwd"]), Code.BAD_NAME),
    "a name with a control character": (zipped(["top/\x1b[2J"]), Code.BAD_NAME),
    "a Chinese name": (zipped(["顶/正文"]), Code.BAD_NAME),
    "a very long name": (zipped(["a" * 65_000]), Code.BAD_NAME),
    "a folder entry": (zipped(["top/"]), Code.BAD_NAME),
    "two top folders": (repacked(FILES | {"x": b""}), Code.FOLDER),
    "a huge declared size": (struct.pack("<4s5H3I2H", b"PK\3\4", 10, 0, 0, 0, 33, 0, *[2**32 - 1] * 2, 1, 0), Code.CUT_SHORT),
    "a header cut short": (PACKAGE[:20], Code.CUT_SHORT),
    "contents cut short": (PACKAGE[:150], Code.CUT_SHORT),
}
