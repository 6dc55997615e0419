"""The sample publication requests: files that people can read, as forms that can be posted now.

A file holds `name` (in Chinese), `why` (what it shows, by language), `form` without its publish time,
`publish_in` (an ISO 8601 duration), `files` to attach (with `text` or `base64`) if there are any, `story` (what
people do, in order) and `ends` (where all comes to rest).
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.submission.model import State

SAMPLES = Path(__file__).parent / "samples"

_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)


@dataclass(frozen=True, kw_only=True)
class Decide:
    """A reviewer decides; `failed` names the checklist items that are not met."""

    stage: str
    decision: str
    comment: str
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Resubmit:
    """The drafter hands in a new revision: the form with some fields changed."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Withdraw:
    """The drafter takes the request back."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that the drafter attaches."""

    name: str
    media_type: str
    content: bytes


Step = Decide | Resubmit | Withdraw


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample request. `key` is the file's stem; `form` is valid for `schemas/submission.json`."""

    key: str
    name: str
    why: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, Any]
    files: tuple[File, ...] = ()
    story: tuple[Step, ...]
    ends: State


def load(folder: Path, now: datetime) -> tuple[Sample, ...]:
    """Read all samples of a folder, by name of file.

    `publish_at` becomes now plus `publish_in`, to the second, with the offset that the form's zone has then; days ahead
    it is at ten in the morning, when every channel may be used.
    Raises KeyError or ValueError when a file is not a sample.
    """
    return tuple(_sample(path, now) for path in sorted(folder.glob("*.json")))


def _sample(path: Path, now: datetime) -> Sample:
    document = json.loads(path.read_text("utf-8"))
    form = document["form"]
    ahead = duration(document["publish_in"])
    publish_at = (now + ahead).astimezone(ZoneInfo(form["time_zone"]))
    if ahead >= timedelta(days=1):
        publish_at = publish_at.replace(hour=10, minute=0, second=0, microsecond=0)
    return Sample(
        key=path.stem,
        name=document["name"],
        why=document["why"],
        form={**form, "publish_at": publish_at.isoformat(timespec="seconds")},
        files=tuple(map(_file, document.get("files", ()))),
        story=tuple(map(_step, document["story"])),
        ends=State(document["ends"]),
    )


def duration(text: str) -> timedelta:
    """Read an ISO 8601 duration of days, hours, minutes and seconds, such as `P1DT2H` or `PT30S`.

    Raises ValueError on anything else: months and years have no fixed length.
    """
    match = _DURATION.fullmatch(text)
    parts = {unit: int(number) for unit, number in match.groupdict().items() if number} if match else {}
    if not parts:
        raise ValueError(f"not a duration: {text}")
    return timedelta(**parts)


def _file(entry: Mapping[str, str]) -> File:
    content = entry["text"].encode() if "text" in entry else base64.b64decode(entry["base64"])
    return File(name=entry["name"], media_type=entry["media_type"], content=content)


def _step(entry: Mapping[str, Any]) -> Step:
    match entry:
        case {"stage": stage, "decision": decision, "comment": comment}:
            return Decide(
                stage=stage,
                decision=decision,
                comment=comment,
                failed=frozenset(entry.get("failed", ())),
            )
        case {"action": "resubmit", "changes": changes}:
            return Resubmit(changes=changes)
        case {"action": "withdraw", "reason": reason}:
            return Withdraw(reason=reason)
    raise ValueError(f"not a step: {entry}")
