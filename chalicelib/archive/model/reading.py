"""Reading a package's payload: which files are there, and whether each is what its name says."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.archive.model.findings import Code, Finding
from chalicelib.archive.model.layout import (
    ATTACHMENTS,
    FIXED,
    PROCEDURE,
    RENDERED,
    event_name,
    revision_name,
)
from chalicelib.core.canonical import canonical
from chalicelib.ledger.model import Event, event_from_document

OPINION_NAME = re.compile(r"data/opinions/[0-9]{4,9}-[a-z][a-z0-9_]*\.json", re.ASCII)
_REVISION_NAME = re.compile(r"data/revisions/[0-9]{4,9}\.json", re.ASCII)
_EVENT_NAME = re.compile(r"data/events/[0-9]{6,9}\.json", re.ASCII)
_EXTENSION = re.compile(r"[a-z0-9]{1,8}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FORM_TEXTS = (
    "body",
    "category",
    "classification",
    "department",
    "drafter",
    "importance",
    "summary",
    "title",
)
_DEEPEST = 32


@dataclass(frozen=True, kw_only=True)
class Payload:
    """The files by path, the events in order, the content documents of the revisions by number, and the procedure."""

    files: Mapping[str, bytes]
    events: Sequence[Event]
    contents: Mapping[int, Mapping[str, Any]]
    procedure: Mapping[str, Any] | None = None


def read(files: Mapping[str, bytes]) -> tuple[Payload, list[Finding]]:
    """Read the files under `data/`, by path inside the top folder; whole when nothing is found."""
    findings = list(_name_findings(files))
    events, contents = _events(files, findings), _contents(files, findings)
    procedure = read_document(files[PROCEDURE]) if PROCEDURE in files else None
    if PROCEDURE in files and procedure is None:
        findings.append(Finding(where=PROCEDURE, code=Code.NOT_CANONICAL))
    return Payload(files=files, events=events, contents=contents, procedure=procedure), findings


def read_document(raw: bytes) -> dict[str, Any] | None:
    """The JSON object that these bytes are the canonical form of, None when they are not."""
    try:
        document = json.loads(raw.decode("utf-8"))
        sound = isinstance(document, dict) and _shallow(document, _DEEPEST) and canonical(document) == raw
    except (ValueError, RecursionError):
        return None
    return document if sound else None


def _shallow(value: object, levels: int) -> bool:
    if isinstance(value, dict | list):
        members = value.values() if isinstance(value, dict) else value
        return levels > 0 and all(_shallow(member, levels - 1) for member in members)
    return True


def _name_findings(files: Mapping[str, bytes]) -> Iterator[Finding]:
    for name in FIXED:
        if name not in files:
            yield Finding(where=name, code=Code.MISSING_FILE)
    patterns = (_REVISION_NAME, OPINION_NAME, _EVENT_NAME)
    for name in sorted(files):
        known = name in {*FIXED, PROCEDURE} or name.startswith((RENDERED, ATTACHMENTS))
        if not known and not any(pattern.fullmatch(name) for pattern in patterns):
            yield Finding(where=name, code=Code.UNEXPECTED_FILE)
    for pattern, name_of in ((_REVISION_NAME, revision_name), (_EVENT_NAME, event_name)):
        there = sum(pattern.fullmatch(name) is not None for name in files)
        for number in range(1, max(there, 1) + 1):
            if name_of(number) not in files:
                yield Finding(where=name_of(number), code=Code.MISSING_FILE)
                break


def _documents(
    files: Mapping[str, bytes], pattern: re.Pattern[str], findings: list[Finding]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in sorted(filter(pattern.fullmatch, files), key=lambda name: (len(name), name)):
        document = read_document(files[name])
        if document is None:
            findings.append(Finding(where=name, code=Code.NOT_CANONICAL))
        else:
            yield name, document


def _events(files: Mapping[str, bytes], findings: list[Finding]) -> list[Event]:
    events = []
    for name, document in _documents(files, _EVENT_NAME, findings):
        event = _event(document, files[name])
        if event is None:
            findings.append(Finding(where=name, code=Code.NOT_AN_EVENT))
        else:
            events.append(event)
    return events


def _event(document: Mapping[str, Any], raw: bytes) -> Event | None:
    """The event, None unless it is whole: written again it gives the same bytes."""
    try:
        event = event_from_document(document)
        texts = (event.id, event.submission, event.prev_hash, event.type, event.actor)
        whole = all(isinstance(text, str) for text in texts) and canonical(event.document()) == raw
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    return event if whole else None


def _contents(files: Mapping[str, bytes], findings: list[Finding]) -> dict[int, Mapping[str, Any]]:
    contents: dict[int, Mapping[str, Any]] = {}
    for number, (name, document) in enumerate(_documents(files, _REVISION_NAME, findings), start=1):
        if not _is_revision(document, number):
            findings.append(Finding(where=name, code=Code.NOT_A_REVISION))
        elif not _are_attachments(document["content"]):
            findings.append(Finding(where=name, code=Code.ATTACHMENTS))
        else:
            contents[number] = document["content"]
    return contents


def _are_attachments(content: Mapping[str, Any]) -> bool:
    """Whether the list says all that is needed of each attachment, and names those of the form in their order."""
    listed = content["attachments"]
    return all(map(_is_attachment, listed)) and content["form"].get("attachments", []) == [
        each["id"] for each in listed
    ]


def _is_attachment(said: object) -> bool:
    if not isinstance(said, dict) or said.keys() != {"id", "media_type", "name", "sha256", "size"}:
        return False
    size = said["size"]
    texts = all(isinstance(said[member], str) for member in ("id", "media_type", "name", "sha256"))
    return (
        texts
        and type(size) is int
        and size >= 0
        and _SHA256.fullmatch(said["sha256"]) is not None
        and _EXTENSION.fullmatch(said["name"].rpartition(".")[2].lower()) is not None
    )


def _is_revision(document: Mapping[str, Any], number: int) -> bool:
    content = document.get("content")
    if document.keys() != {"content", "number", "submitted_at"} or document["number"] != number:
        return False
    if not isinstance(content, dict) or content.keys() != {"attachments", "form", "salt"}:
        return False
    form = content["form"]
    texts = isinstance(form, dict) and all(isinstance(form.get(member), str) for member in _FORM_TEXTS)
    return texts and isinstance(content["attachments"], list)
