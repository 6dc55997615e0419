"""What the website's indexes need to know of an item, and where an item may appear."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from chalicelib.attachment.model import Attachment
from chalicelib.submission.model import Category, Classification

PUBLIC = "public"
INTERNAL = "internal"

PREFIXES: Mapping[Classification, tuple[str, ...]] = MappingProxyType(
    {
        Classification.PUBLIC: (PUBLIC, INTERNAL),
        Classification.INTERNAL: (INTERNAL,),
        Classification.CONFIDENTIAL: (),
    },
)
"""Under which prefixes a classification may appear (clause 5.3.1); each holds a complete site of its own."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published item. `published_at` is UTC; `time_zone` is the IANA zone in which its date is shown."""

    submission: str
    revision: int
    title: str
    summary: str
    category: Category
    department_name: str
    published_at: datetime
    time_zone: str
    keywords: tuple[str, ...]
    classification: Classification
    attachments: tuple[Attachment, ...] = ()

    @property
    def local_time(self) -> datetime:
        """`published_at` as the item's own zone reads it."""
        return self.published_at.astimezone(ZoneInfo(self.time_zone))

    @property
    def year(self) -> int:
        """The year that its reader sees, and under which it is filed."""
        return self.local_time.year


def item_key(entry: Entry) -> str:
    """Where the item's page lives below a prefix."""
    return item_path(entry.submission, entry.revision)


def item_path(submission: str, revision: int) -> str:
    """As `item_key`, for who knows no more of the item than this."""
    return f"{submission}/{revision}/index.html"


def attached_files(entry: Entry) -> dict[str, Attachment]:
    """The item's files by where each lives beside its page, in their order.

    The names that people gave stay on the page: in an address they would only be in the way.
    """
    return {
        f"files/{number}.{file.extension}": file for number, file in enumerate(entry.attachments, start=1)
    }


def newest_first(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries in the one order that every index shows, whatever order they came in."""
    by_name = sorted(entries, key=lambda entry: (entry.submission, entry.revision))
    return tuple(sorted(by_name, key=lambda entry: entry.published_at, reverse=True))
