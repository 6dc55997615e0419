"""Attachments: what may be attached, and how far an upload has come (clauses 3.1.2, 3.5.2)."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from chalicelib.core.errors import FieldError

UPLOADS = "uploads/"
"""Where files arrive in the bucket; the rest of the key is the upload's id."""
UPLOAD_LIFE = 600
"""Seconds for which the address of an upload works."""
DOWNLOAD_LIFE = 60
"""Seconds for which a download's address works."""
MOST = 10
"""Attachments of one submission at most; `schemas/submission.json` says the same, policy may say less."""
MEGABYTE = 1_000_000
MOST_TOTAL = 50 * MEGABYTE
"""Bytes of all attachments of a submission at most: what the memory of `archive` has room for, several times over."""
LONGEST_KEEP = timedelta(hours=48)
"""How long an upload may be usable at most: the bucket forgets it after three days."""

_UNSAFE = re.compile(r'[/\\:*?"<>|]|^[ .]|[ .]$')


class MediaType(StrEnum):
    """The kinds of files that can be checked; `policies/attachments.json` says which of them may be attached."""

    PDF = "application/pdf"
    PNG = "image/png"
    JPEG = "image/jpeg"
    GIF = "image/gif"
    WEBP = "image/webp"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    TEXT = "text/plain"
    CSV = "text/csv"


IMAGES = frozenset({MediaType.PNG, MediaType.JPEG, MediaType.GIF, MediaType.WEBP})
"""Decoded and written anew, without what a camera hides in them; pages show them."""
TEXTS = frozenset({MediaType.TEXT, MediaType.CSV})
"""UTF-8."""


class UploadState(StrEnum):
    """How far an upload has come."""

    AWAITING_UPLOAD = "awaiting_upload"
    READY = "ready"
    REFUSED = "refused"


class Refusal(StrEnum):
    """Why a file may not be used."""

    OTHER_SIZE = "other_size"
    OTHER_DIGEST = "other_digest"
    OTHER_TYPE = "other_type"
    UNREADABLE = "unreadable"
    TOO_MANY_PIXELS = "too_many_pixels"
    ANIMATED = "animated"
    NOT_UTF8 = "not_utf8"
    ENCRYPTED = "encrypted"
    ACTIVE_CONTENT = "active_content"


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A checked file as a revision names it. `size` is in bytes, `sha256` in hexadecimal: of what is kept and shown."""

    id: str
    name: str
    media_type: MediaType
    size: int
    sha256: str

    @property
    def extension(self) -> str:
        """What follows the name's last dot, in small letters."""
        return self.name.rpartition(".")[2].lower()

    @property
    def is_image(self) -> bool:
        """Whether pages show it; anything else is a link."""
        return self.media_type in IMAGES

    def document(self) -> dict[str, Any]:
        """As JSON: in a revision's content document, so that the approved digest covers the file's bytes."""
        return {
            "id": self.id,
            "name": self.name,
            "media_type": self.media_type.value,
            "size": self.size,
            "sha256": self.sha256,
        }


def attachment_from_document(document: Mapping[str, Any]) -> Attachment:
    """What `Attachment.document` wrote."""
    return Attachment(
        id=document["id"],
        name=document["name"],
        media_type=MediaType(document["media_type"]),
        size=document["size"],
        sha256=document["sha256"],
    )


def disposition(file: Attachment) -> str:
    """`Content-Disposition` that saves a file under its name instead of opening it (RFC 6266)."""
    return (
        f"attachment; filename=\"{file.id}.{file.extension}\"; filename*=UTF-8''{quote(file.name, safe='')}"
    )


def content_type(file: Attachment) -> str:
    """`Content-Type` of a file; texts are UTF-8, or they would not have passed the check."""
    return (
        f"{file.media_type}; charset=utf-8" if file.media_type.startswith("text/") else file.media_type.value
    )


@dataclass(frozen=True, kw_only=True)
class KeptCopy:
    """One copy of a file that was made to be kept. Each request makes its own: `version` names it among the file's.

    `made_at` is UTC. Whether the submission ever came to be, or names the file, is for its revisions to say.
    """

    submission: str
    attachment: str
    version: str
    made_at: datetime


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that somebody means to attach.

    `file` says what was declared, and once ready what was kept. `expires_at` (UTC) is the instant from which it may
    no longer be used by a submission that has not used it before.
    """

    file: Attachment
    department: str
    uploader: str
    state: UploadState
    expires_at: datetime
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True)
class AttachmentRules:
    """What may be attached. Sizes are in bytes; `types` has the extensions of each media type, the usual one first."""

    max_size: int
    max_count: int
    max_total: int
    max_pixels: int
    keep: timedelta
    types: Mapping[MediaType, tuple[str, ...]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the rules. Raises ValueError or KeyError when they cannot be kept."""
        document = json.loads(path.read_bytes())
        rules = cls(
            max_size=document["max_size"],
            max_count=document["max_count"],
            max_total=document["max_total"],
            max_pixels=document["max_pixels"],
            keep=timedelta(hours=document["keep_hours"]),
            types={MediaType(name): tuple(known) for name, known in document["types"].items()},
        )
        if not 0 <= rules.max_count <= MOST or not 0 < rules.max_size <= rules.max_total <= MOST_TOTAL:
            raise ValueError(
                f"{path.name}: at most {MOST} attachments, of at most {MOST_TOTAL} bytes together"
            )
        if not timedelta(0) < rules.keep <= LONGEST_KEEP:
            raise ValueError(f"{path.name}: an upload is kept for {LONGEST_KEEP} at most")
        return rules

    def faults(self, form: Mapping[str, Any]) -> Iterator[FieldError]:
        """What is wrong with an upload's form that its schema has accepted."""
        if form["size"] > self.max_size:
            megabytes = self.max_size / MEGABYTE
            yield FieldError(pointer="/size", code="file_too_large", params={"megabytes": f"{megabytes:g}"})
        if _UNSAFE.search(form["name"]):
            yield FieldError(pointer="/name", code="bad_file_name")
        known = {str(name): extensions for name, extensions in self.types.items()}
        if form["media_type"] not in known:
            yield FieldError(pointer="/media_type", code="not_one_of", params={"allowed": sorted(known)})
            return
        allowed = known[form["media_type"]]
        stem, dot, extension = form["name"].rpartition(".")
        if not stem or not dot or extension.lower() not in allowed:
            params = {"allowed": [f".{one}" for one in allowed]}
            yield FieldError(pointer="/name", code="extension_contradicts_type", params=params)
