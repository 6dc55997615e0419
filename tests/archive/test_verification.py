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
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.archive.model.container import write
from chalicelib.archive.model.findings import TEXTS, Code
from chalicelib.archive.model.package import build
from chalicelib.archive.model.verification import Report, verify
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
    a_short_dossier,
    edited,
    event_names,
    files_of,
    rechained,
    repacked,
    with_swapped,
)

PACKAGE = build(a_dossier())
FILES = files_of(PACKAGE)
SHORT = build(a_short_dossier())

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
    changed = bytearray(SHORT)
    for offset in range(len(changed)):
        kept = changed[offset]
        changed[offset] = kept ^ (1 << offset % 8)
        assert not verify(bytes(changed)).ok, offset
        changed[offset] = kept


def test_every_removed_or_added_byte_is_found() -> None:
    for offset in range(0, len(SHORT), 23):
        head, tail = SHORT[:offset], SHORT[offset:]
        assert not verify(head).ok, offset
        assert not verify(head + tail[1:]).ok, offset
        assert not verify(head + b"\x00" + tail).ok, offset
    for appended in (b"\x00", b"\n", SHORT):
        assert not verify(SHORT + appended).ok


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


def with_declared_size(size: int) -> bytes:
    return PACKAGE[:18] + struct.pack("<2I", size, size) + PACKAGE[26:]


SECOND_ENTRY = PACKAGE.index(b"PK\x03\x04", 1)
CONTAINERS: dict[str, tuple[bytes, Code]] = {
    "nothing": (b"", Code.NOT_A_PACKAGE),
    "text": (b"hello", Code.NOT_A_PACKAGE),
    "an empty ZIP": (zipped([]), Code.NOT_A_PACKAGE),
    "a ZIP by another tool": (zipped(["top/a"]), Code.CONTAINER),
    "a bomb": (zipped(["top/a"], method=zipfile.ZIP_DEFLATED, size=5_000_000), Code.COMPRESSED),
    "a way out": (zipped(["../../etc/passwd"]), Code.BAD_NAME),
    "an absolute path": (zipped(["/etc/passwd"]), Code.BAD_NAME),
    "a control character in a name": (zipped(["top/\x1b[2J"]), Code.BAD_NAME),
    "a Chinese name": (zipped(["顶/正文"]), Code.BAD_NAME),
    "a very long name": (zipped(["a" * 65_000]), Code.BAD_NAME),
    "a folder entry": (zipped(["top/"]), Code.BAD_NAME),
    "an entry twice": (PACKAGE[:SECOND_ENTRY] + PACKAGE, Code.DUPLICATE_NAME),
    "a file outside the folder": (write({"x": b"", f"{FOLDER}/x": b""}), Code.FOLDER),
    "more entries than there can be": (
        write({"a/x": b""})[:33] + write({f"b/{number}": b"" for number in range(65_534)}),
        Code.CONTAINER,
    ),
    "a huge declared size": (with_declared_size(2**32 - 1), Code.CUT_SHORT),
    "two declared sizes": (PACKAGE[:22] + b"\xff" + PACKAGE[23:], Code.COMPRESSED),
    "a header cut short": (PACKAGE[:20], Code.CUT_SHORT),
    "contents cut short": (PACKAGE[:150], Code.CUT_SHORT),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_container_that_is_not_ours_is_a_finding_and_never_a_crash(container: str) -> None:
    package, code = CONTAINERS[container]
    report = verify(package)
    assert code in {finding.code for finding in report.findings}
    assert report.facts is None


@given(st.binary() | st.binary().map(lambda raw: PACKAGE[:1000] + raw))
def test_any_bytes_at_all_are_answered(raw: bytes) -> None:
    assert not verify(raw).ok


# A forger who makes manifests and container right again


def body_changed_everywhere(files: Files) -> None:
    def change(content: dict[str, Any]) -> None:
        content["form"]["body"] = "东门照常开放。"

    edited(files, "data/form.json", change)
    edited(files, "data/revisions/0002.json", lambda document: change(document["content"]))
    files["data/content.md"] = "东门照常开放。".encode()


def approved_by(person: str) -> Callable[[Files], None]:
    def forge(files: Files) -> None:
        edited(files, EXECUTIVE_DECIDED, lambda event: event.update(actor=person))
        edited(files, EXECUTIVE_OPINION, lambda opinion: opinion.update(reviewer=person))
        rechained(files)

    return forge


def event_says(name: str, **payload: object) -> Callable[[Files], None]:
    """The event's payload changed and the whole chain after it made right again."""

    def forge(files: Files) -> None:
        edited(files, name, lambda event: event["payload"].update(payload))
        rechained(files)

    return forge


def event_is(name: str, **members: object) -> Callable[[Files], None]:
    return lambda files: edited(files, name, lambda event: event.update(members))


def document_says(name: str, **members: object) -> Callable[[Files], None]:
    return lambda files: edited(files, name, lambda document: document.update(members))


def executive_skipped(files: Files) -> None:
    del files[EXECUTIVE_DECIDED], files[EXECUTIVE_OPINION]
    rechained(files)


def event_removed(files: Files) -> None:
    later = event_names(files)[6:]
    for name, following in pairwise(later):
        files[name] = files[following]
    del files[later[-1]]


def approvals_swapped(files: Files) -> None:
    with_swapped(files, "data/events/000008.json", EXECUTIVE_DECIDED)
    head, executive = files.pop("data/opinions/0004-department_head.json"), files.pop(EXECUTIVE_OPINION)
    files |= {"data/opinions/0004-executive.json": executive, "data/opinions/0005-department_head.json": head}
    rechained(files)


def approved_before_handed_in(files: Files) -> None:
    with_swapped(files, RESUBMITTED, "data/events/000006.json")
    rechained(files)


def published_at_another_time(files: Files) -> None:
    event_says(PUBLISHED, published_at="2026-02-04T00:00:05.120Z")(files)
    document_says("data/catalog.json", published_at="2026-02-04T00:00:05.120Z")(files)


def another_number(files: Files) -> None:
    event_says(PUBLISHED, catalog_number="Z109-WS·2026-D10-AQB-0008")(files)
    document_says("data/catalog.json", catalog_number="Z109-WS·2026-D10-AQB-0008")(files)


def no_number(files: Files) -> None:
    event_says(PUBLISHED, catalog_number="0008")(files)
    document_says("data/catalog.json", catalog_number="0008")(files)


def attachment_added(files: Files) -> None:
    edited(files, "data/revisions/0002.json", lambda document: document["content"]["attachments"].append({}))


def form_without_title(files: Files) -> None:
    edited(files, "data/revisions/0001.json", lambda document: document["content"]["form"].pop("title"))


def stored(name: str, raw: bytes) -> Callable[[Files], None]:
    return lambda files: files.update({name: raw})


def removed(name: str) -> Callable[[Files], None]:
    return lambda files: files.__delitem__(name)


FORGERIES: dict[str, tuple[Callable[[Files], None], str, Code]] = {
    "text changed in form, revision and content": (body_changed_everywhere, PUBLISHED, Code.CONTENT_DIGEST),
    "form replaced by an older revision": (
        lambda files: edited(files, "data/form.json", lambda form: form.update(salt="00")),
        "data/form.json",
        Code.FORM,
    ),
    "content changed": (stored("data/content.md", b"..."), "data/content.md", Code.CONTENT),
    "comment changed in the opinion": (
        document_says(EXECUTIVE_OPINION, comment="不同意"),
        EXECUTIVE_OPINION,
        Code.OPINION,
    ),
    "opinion made unreadable": (stored(EXECUTIVE_OPINION, b"{"), EXECUTIVE_OPINION, Code.OPINION),
    "opinion spelt otherwise": (
        stored(EXECUTIVE_OPINION, FILES[EXECUTIVE_OPINION] + b"\n"),
        EXECUTIVE_OPINION,
        Code.OPINION,
    ),
    "opinion removed": (removed(EXECUTIVE_OPINION), EXECUTIVE_OPINION, Code.MISSING_FILE),
    "opinion invented": (
        stored("data/opinions/0006-executive.json", FILES[EXECUTIVE_OPINION]),
        "data/opinions/0006-executive.json",
        Code.UNEXPECTED_FILE,
    ),
    "event changed": (event_is(RETURNED, actor=EDITOR), RESUBMITTED, Code.CHAIN),
    "event removed": (event_removed, REFUSED, Code.SEQUENCE),
    "events swapped": (lambda files: with_swapped(files, TASK, REFUSED), TASK, Code.SEQUENCE),
    "event file missing": (removed(REFUSED), REFUSED, Code.MISSING_FILE),
    "event of another submission": (event_is(TASK, submission="s-x"), TASK, Code.OTHER_SUBMISSION),
    "event of another version": (event_is(TASK, schema_version=2), TASK, Code.NOT_AN_EVENT),
    "event with a member of its own": (event_is(TASK, remark=""), TASK, Code.NOT_AN_EVENT),
    "event of a type that is no text": (event_is(TASK, type=["Decided"]), TASK, Code.NOT_AN_EVENT),
    "event that is no JSON": (stored(TASK, b"{"), TASK, Code.NOT_CANONICAL),
    "event spelt otherwise": (stored(TASK, b" " + FILES[TASK]), TASK, Code.NOT_CANONICAL),
    "event without an end": (stored(TASK, b'{"a":' * 100_000), TASK, Code.NOT_CANONICAL),
    "event too deep": (stored(TASK, b'{"a":' * 99 + b"1" + b"}" * 99), TASK, Code.NOT_CANONICAL),
    "event with a number JSON lacks": (stored(TASK, b'{"a":NaN}'), TASK, Code.NOT_CANONICAL),
    "digest of another text in an event": (
        event_says(STARTED, content_digest="00" * 32),
        STARTED,
        Code.CONTENT_DIGEST,
    ),
    "decision on a revision that is not there": (
        event_says(EXECUTIVE_DECIDED, revision=3),
        EXECUTIVE_DECIDED,
        Code.CONTENT_DIGEST,
    ),
    "executive left out, chain made anew": (executive_skipped, "data/opinions", Code.APPROVALS),
    "rejection made an approval of another stage": (
        event_says(EXECUTIVE_DECIDED, stage="initial"),
        "data/opinions",
        Code.APPROVALS,
    ),
    "published though the executive refused": (
        event_says(EXECUTIVE_DECIDED, decision="reject"),
        "data/opinions",
        Code.APPROVALS,
    ),
    "stages in another order": (approvals_swapped, "data/opinions", Code.APPROVALS),
    "approved by the drafter": (approved_by(DRAFTER), EXECUTIVE_DECIDED, Code.OWN_TEXT),
    "approved by a machine": (approved_by("service:review"), EXECUTIVE_DECIDED, Code.NOT_A_PERSON),
    "approved before it was handed in": (
        approved_before_handed_in,
        RESUBMITTED,
        Code.APPROVED_BEFORE_SUBMITTED,
    ),
    "publication removed": (removed(PUBLISHED), "data/events/000011.json", Code.NOT_PUBLISHED),
    "publication without a time": (event_says(PUBLISHED, published_at=None), PUBLISHED, Code.NOT_PUBLISHED),
    "publication at no instant": (
        event_says(PUBLISHED, published_at="2026-03-04T00:00:05Z"),
        PUBLISHED,
        Code.NOT_PUBLISHED,
    ),
    "publication of no revision": (event_says(PUBLISHED, revision=True), PUBLISHED, Code.NOT_PUBLISHED),
    "publication without a number": (event_says(PUBLISHED, catalog_number=7), PUBLISHED, Code.NOT_PUBLISHED),
    "publication before the last event": (event_is(TASK, type="Published"), TASK, Code.AFTER_PUBLICATION),
    "publication under no catalogue number": (no_number, PUBLISHED, Code.CATALOG_NUMBER),
    "another catalogue number": (another_number, "", Code.FOLDER),
    "published at another time": (published_at_another_time, "bag-info.txt", Code.TAG_FILE),
    "catalogue entry changed": (
        document_says("data/catalog.json", title="x"),
        "data/catalog.json",
        Code.CATALOG,
    ),
    "catalogue entry removed": (removed("data/catalog.json"), "data/catalog.json", Code.MISSING_FILE),
    "delivery changed": (
        stored("data/deliveries.json", b'{"deliveries":[]}'),
        "data/deliveries.json",
        Code.DELIVERIES,
    ),
    "page changed": (
        stored("data/rendered/website/index.html", b"x"),
        "data/rendered/website/index.html",
        Code.RENDERED,
    ),
    "page removed": (
        removed("data/rendered/website/item.json"),
        "data/rendered/website/item.json",
        Code.RENDERED,
    ),
    "page of a channel that was not used": (
        stored("data/rendered/email/mail.txt", b"x"),
        "data/rendered/email/mail.txt",
        Code.UNEXPECTED_FILE,
    ),
    "file added": (stored("data/notes.txt", b"x"), "data/notes.txt", Code.UNEXPECTED_FILE),
    "tag file changed": (stored("bagit.txt", b"BagIt-Version: 0.97\n"), "bagit.txt", Code.TAG_FILE),
    "revision removed": (
        removed("data/revisions/0001.json"),
        "data/revisions/0001.json",
        Code.MISSING_FILE,
    ),
    "last revision removed": (
        removed("data/revisions/0002.json"),
        "data/revisions",
        Code.ROUNDS,
    ),
    "revision handed in at another time": (
        document_says("data/revisions/0001.json", submitted_at="2026-03-02T01:31:00.008Z"),
        "data/revisions/0001.json",
        Code.SUBMITTED_AT,
    ),
    "revision without a title": (form_without_title, "data/revisions/0001.json", Code.NOT_A_REVISION),
    "revision without content": (
        document_says("data/revisions/0001.json", content=[]),
        "data/revisions/0001.json",
        Code.NOT_A_REVISION,
    ),
    "revision of another number": (
        document_says("data/revisions/0001.json", number=2),
        "data/revisions/0001.json",
        Code.NOT_A_REVISION,
    ),
    "attachment added": (attachment_added, "data/revisions/0002.json", Code.ATTACHMENTS),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forger_who_rewrites_the_manifests_too_is_found(forgery: str) -> None:
    """Clauses 1.3.1, 1.3.4, 3.3.1 and 3.5.2."""
    forge, where, code = FORGERIES[forgery]
    files = dict(FILES)
    forge(files)
    assert (where, code) in found(verify(repacked(files)))


def test_the_forgers_tools_make_a_sound_package_of_a_sound_package() -> None:
    files = dict(FILES)
    rechained(files)
    assert repacked(files) == PACKAGE


def test_a_folder_of_another_name_is_found() -> None:
    assert found(verify(repacked(FILES, folder="Z109-WS_2026-D10-AQB-0001"))) == {("", Code.FOLDER)}


@pytest.mark.parametrize(
    ("name", "raw", "finding"),
    [
        ("manifest-sha256.txt", b"", ("data/form.json", Code.UNEXPECTED_FILE)),
        ("manifest-sha256.txt", FILES["manifest-sha256.txt"] + b"\n", ("manifest-sha256.txt", Code.TAG_FILE)),
        (
            "manifest-sha256.txt",
            FILES["manifest-sha256.txt"] + b"00  data/x\x1b\n",
            ("data/x\\x1b", Code.MISSING_FILE),
        ),
        ("bagit.txt", b"", ("bagit.txt", Code.DIGEST)),
        ("fetch.txt", b"", ("fetch.txt", Code.UNEXPECTED_FILE)),
    ],
)
def test_a_forger_who_forgets_a_manifest_is_found(name: str, raw: bytes, finding: tuple[str, Code]) -> None:
    entries = FILES | {name: raw}
    assert finding in found(verify(write({f"{FOLDER}/{name}": raw for name, raw in entries.items()})))


def test_a_package_without_its_tag_files_is_found() -> None:
    payload = {f"{FOLDER}/{name}": raw for name, raw in FILES.items() if name.startswith("data/")}
    assert {("bagit.txt", Code.MISSING_FILE), ("tagmanifest-sha256.txt", Code.MISSING_FILE)} <= found(
        verify(write(payload))
    )


def test_events_of_types_yet_unknown_are_accepted() -> None:
    files = dict(FILES)
    edited(files, TASK, lambda event: event.update(type="SomethingNew", payload={"revision": [1], "x": None}))
    rechained(files)
    assert verify(repacked(files)).ok


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 20) | st.floats(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150)
@given(data=st.data(), value=json_values)
def test_nonsense_in_any_document_is_a_finding_and_never_a_crash(data: st.DataObject, value: object) -> None:
    files = dict(FILES)
    name = data.draw(st.sampled_from(sorted(name for name in FILES if name.endswith(".json"))))
    document = place = json.loads(files[name])
    key = data.draw(st.sampled_from(sorted(place)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)))
    same = canonical({key: place[key]}) == canonical({key: value})
    place[key] = value
    files[name] = canonical(document)
    if name in event_names(files):
        rechained(files)
        verify(repacked(files))
    elif "rendered" not in name:
        assert same or not verify(repacked(files)).ok


# What a person reads


def test_every_finding_has_words_in_chinese_and_in_english() -> None:
    assert set(TEXTS) == set(Code)
    assert all(chinese != english and english.isascii() for chinese, english in TEXTS.values())


def test_the_format_description_lists_every_finding() -> None:
    text = (Path(__file__).parents[2] / "docs" / "archive-format.md").read_text(encoding="utf-8")
    assert {code for code in Code if f"`{code}`" not in text.partition("## Findings")[2]} == set()


def test_the_command_says_in_chinese_that_a_package_is_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(PACKAGE)
    assert run(path, sha256=hashlib.sha256(PACKAGE).hexdigest(), language="zh-Hans") == 0
    said = capsys.readouterr().out
    assert f"档号：{NUMBER}\n标题：关于三号车间行车检修的安全提示\n" in said
    assert said.endswith("通过：档案包完整，未被改动。\n")


def test_the_command_claims_no_more_than_it_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(PACKAGE)
    assert run(path, sha256=None, language="en") == 0
    assert "agrees with itself" in capsys.readouterr().out


def test_the_command_names_what_is_wrong_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = dict(FILES)
    document_says(EXECUTIVE_OPINION, comment="不同意")(files)
    path = tmp_path / "package.zip"
    path.write_bytes(repacked(files))
    assert run(path, sha256=None, language="en") == 1
    said = capsys.readouterr().out
    assert f"{EXECUTIVE_OPINION}: The opinion differs" in said
    assert said.endswith("(data/events/000009.json): comment.\nFailed: problems found: 1.\n")


def test_the_command_writes_no_control_characters_of_a_forged_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = dict(FILES)
    event_says(PUBLISHED, catalog_number="\x1b[2J")(files)
    path = tmp_path / "package.zip"
    path.write_bytes(repacked(files))
    assert run(path, sha256=None, language="en") == 1
    assert "\x1b" not in capsys.readouterr().out


def test_the_command_tells_a_missing_file_from_a_wrong_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "none.zip", sha256=None, language="zh-Hans") == 2
    assert capsys.readouterr().err.startswith("无法读取文件：")
