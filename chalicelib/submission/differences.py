"""What a resubmission changed, as a reader sees it: word by word, in Chinese character by character (clause 3.3.4)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Any

from chalicelib.submission.model import Form

MOST_LINES_COMPARED = 1500
"""Lines of a body beyond which it is said to differ and no more."""
_MOST_PAIRS, _MOST_PAIRS_IN_ALL = 250_000, 1_000_000
"""Pairs of characters that are compared at most, in one line and in a body; the rest is shown whole, before and after.

Whoever opens a review waits for it, and what is repeated often takes longest: comparing stays below a second.
"""
_CONTEXT = 2
_LEAST_ALIKE = 0.3
"""The share of the shorter text that must have stayed; else what is left of it would be read as a riddle."""
_WORD = re.compile(
    r"[0-9A-Za-z\u00c0-\u024f]+|\n|[^\S\n]+"
    r"|.(?:[\u0300-\u036f\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]|\u200d.)*",
    re.DOTALL,
)
"""A Latin word or number, white space, or one character with all that belongs to it."""
_TEXTS = frozenset({"title", "wechat_title", "summary"})
_COMPARED = (
    "title",
    "wechat_title",
    "summary",
    "category",
    "channels",
    "publish_at",
    "time_zone",
    "audience",
    "classification",
    "importance",
    "keywords",
)


class Change(StrEnum):
    """What became of a piece of text."""

    KEPT = "kept"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True)
class Piece:
    """Some text, and what became of it."""

    change: Change
    text: str


def difference(before: Form, after: Form) -> list[dict[str, Any]]:
    """What a resubmission changed, field by field; texts with their `pieces`, the body as `passages`.

    A passage is a list of lines, a line a list of pieces; lines far from any change are left out between passages.
    The body's are None when it is too long to compare.
    """
    changes = [
        _changed(name, before.document.get(name), after.document.get(name))
        for name in _COMPARED
        if before.document.get(name) != after.document.get(name)
    ]
    files = list(before.attachments), list(after.attachments)
    if files[0] != files[1]:
        changes.append({"field": "attachments", "before": files[0], "after": files[1]})
    if before.body != after.body:
        changes.append({"field": "body", "passages": _passages(before.body, after.body)})
    return changes


def compared(before: str, after: str) -> list[Piece]:
    """Both texts as one: without what was added it is the first, without what was removed the second."""
    if len(before) * len(after) > _MOST_PAIRS:
        return _replaced(before, after)
    old, new = _WORD.findall(before), _WORD.findall(after)
    pieces: list[Piece] = []
    for operation, a, b, c, d in SequenceMatcher(None, old, new).get_opcodes():
        removed, added = "".join(old[a:b]), "".join(new[c:d])
        if operation == "equal":
            pieces.append(Piece(Change.KEPT, removed))
        else:
            pieces += [Piece(Change.REMOVED, removed), Piece(Change.ADDED, added)]
    kept = sum(len(piece.text) for piece in pieces if piece.change is Change.KEPT)
    if kept < _LEAST_ALIKE * min(len(before), len(after)):
        return _replaced(before, after)
    return _joined(_without_crumbs(pieces))


def _replaced(before: str, after: str) -> list[Piece]:
    return _joined([Piece(Change.REMOVED, before), Piece(Change.ADDED, after)])


def _changed(name: str, before: Any, after: Any) -> dict[str, Any]:  # noqa: ANN401 — fields have many shapes
    change = {"field": name, "before": before, "after": after}
    if name in _TEXTS and before and after:
        change["pieces"] = _documents(compared(before, after))
    return change


def _passages(before: str, after: str) -> list[list[list[dict[str, str]]]] | None:
    """The passages of a text in which something has changed, or None where it would take seconds."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MOST_LINES_COMPARED:
        return None
    passages, left = [], _MOST_PAIRS_IN_ALL
    for passage in SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT):
        lines: list[list[Piece]] = []
        for operation, a, b, c, d in passage:
            for one, other in _pairs(operation, old[a:b], new[c:d]):
                left -= len(one) * len(other) if one != other else 0
                lines += _split(compared(one, other) if left > 0 else _replaced(one, other))
        passages.append([_documents(line) for line in lines])
    return passages


def _pairs(operation: str, old: Sequence[str], new: Sequence[str]) -> list[tuple[str, str]]:
    """What is compared with what: lines one by one, most often some words of each; else all as one text."""
    if operation == "equal" or len(old) == len(new):
        return list(zip(old, new, strict=True))
    return [("\n".join(old), "\n".join(new))]


def _split(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces line by line; where whole lines take the place of others, they begin one of their own."""
    lines: list[list[Piece]] = [[]]
    for before, piece in pairwise([Piece(Change.KEPT, ""), *pieces]):
        replaces = (before.change, piece.change) == (Change.REMOVED, Change.ADDED)
        if replaces and "\n" in before.text + piece.text:
            lines.append([])
        first, *others = piece.text.split("\n")
        lines[-1].append(Piece(piece.change, first))
        lines += [[Piece(piece.change, text)] for text in others]
    return [[piece for piece in line if piece.text] for line in lines]


def _without_crumbs(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """A single character that stayed by chance between two changes changes with them."""
    for number, piece in enumerate(pieces):
        inside = 0 < number < len(pieces) - 1
        if inside and piece.change is Change.KEPT and len(piece.text) == 1 and piece.text != "\n":
            yield Piece(Change.REMOVED, piece.text)
            yield Piece(Change.ADDED, piece.text)
        else:
            yield piece


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Neighbours of one kind as one piece; between two that stayed, what was removed before what was added."""
    joined: list[Piece] = []
    for stayed, run in groupby(pieces, key=lambda piece: piece.change is Change.KEPT):
        together = list(run)
        for change in (Change.KEPT,) if stayed else (Change.REMOVED, Change.ADDED):
            text = "".join(piece.text for piece in together if piece.change is change)
            joined += [Piece(change, text)] if text else []
    return joined


def _documents(pieces: Iterable[Piece]) -> list[dict[str, str]]:
    return [{"change": piece.change.value, "text": piece.text} for piece in pieces]
