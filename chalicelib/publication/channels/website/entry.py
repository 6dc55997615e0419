"""What the website's indexes need to know of an item, and where an item may appear."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from chalicelib.attachment.model import Attachment
from chalicelib.publication.channels.website.pictures import Picture
from chalicelib.publication.model import Retraction
from chalicelib.submission.model import Category, Classification

HOME = "index.html"
"""Where a part of the site begins, below its prefix."""
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
class Correction:
    """That revision `replaces` has given way to `revision`, when (UTC), and what readers are told of it.

    `files` are the paths of what stood beside the replaced page and is gone with it.
    """

    revision: int
    replaces: int
    at: datetime
    note: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published item. `published_at` is UTC; `time_zone` is the IANA zone in which its date is shown.

    `pictures` tells of the attached ones, as they were when the item was written; there are none of older items.
    A correction changes the text and keeps the place: submission, time, category and classification stay.
    """

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
    pictures: tuple[Picture, ...] = ()
    corrections: tuple[Correction, ...] = ()
    retraction: Retraction | None = None

    @property
    def local_time(self) -> datetime:
        """`published_at` as the item's own zone reads it."""
        return self.local(self.published_at)

    def local(self, instant: datetime) -> datetime:
        """An instant as the item's own zone reads it."""
        return instant.astimezone(ZoneInfo(self.time_zone))

    @property
    def first_revision(self) -> int:
        """The revision that was published first: what the item is called in feeds, whatever follows."""
        return self.corrections[0].replaces if self.corrections else self.revision

    @property
    def updated_at(self) -> datetime:
        """When it was last published, corrected or taken back."""
        if self.retraction:
            return self.retraction.at
        return self.corrections[-1].at if self.corrections else self.published_at

    @property
    def step(self) -> int:
        """How often it has changed since it was published; it only grows."""
        return len(self.corrections) + (self.retraction is not None)

    @property
    def year(self) -> int:
        """The year that its reader sees, and under which it is filed."""
        return self.local_time.year

    @property
    def month(self) -> str:
        """The month that its reader sees, such as 2026-11."""
        return f"{self.local_time:%Y-%m}"

    def is_or_precedes(self, other: "Entry") -> bool:
        """Whether the other is this very entry, or what the item has become since."""
        return other == self or (other.submission == self.submission and other.step > self.step)


def day(instant: datetime) -> str:
    """A date as the site writes it; `instant` is already in the zone to show."""
    return f"{instant.year}年{instant.month}月{instant.day}日"


def marks(entry: Entry) -> tuple[str, ...]:
    """What must be said of an item wherever it is listed, beside its facts."""
    internal = ("内部",) if entry.classification is Classification.INTERNAL else ()
    if entry.corrections and not entry.retraction:
        return (*internal, f"{day(entry.local(entry.updated_at))}更正")
    return internal


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


def corrected(before: Entry, after: Entry, *, at: datetime, note: str) -> Entry:
    """The item with the text of a later revision, `after`, at the place that it has.

    Corrected to that revision already, it is as it is. Raises ValueError when the item was taken back or has a later
    revision, and when `after` belongs elsewhere: that is a retraction and a new publication.
    """
    if before.revision == after.revision:
        return before
    if before.retraction or before.revision > after.revision:
        raise ValueError(f"{before.submission} can no longer be corrected to revision {after.revision}")
    place = replace(
        after, published_at=before.published_at, time_zone=before.time_zone, corrections=before.corrections
    )
    if (place.submission, place.category, place.classification) != (
        before.submission,
        before.category,
        before.classification,
    ):
        raise ValueError(f"revision {after.revision} of {before.submission} does not belong where it stands")
    correction = Correction(
        revision=after.revision, replaces=before.revision, at=at, note=note, files=tuple(files_beside(before))
    )
    return replace(place, corrections=(*before.corrections, correction))


def retracted(before: Entry, *, at: datetime, reason: str, title_withheld: bool = False) -> Entry:
    """The item as taken back. Taken back already, it is as it is."""
    if before.retraction:
        return before
    return replace(before, retraction=Retraction(at=at, reason=reason, title_withheld=title_withheld))


def files_beside(entry: Entry) -> tuple[str, ...]:
    """The path of every file that lies beside the item's page."""
    sizes = (picture.sized(width) for picture in entry.pictures for width in picture.widths)
    return (*attached_files(entry), *sizes)


def gone_files(entry: Entry) -> tuple[str, ...]:
    """Where files lay, below a prefix, that must be there no more."""
    gone = [(correction.replaces, path) for correction in entry.corrections for path in correction.files]
    if entry.retraction:
        gone += [(entry.revision, path) for path in files_beside(entry)]
    return tuple(f"{entry.submission}/{revision}/{path}" for revision, path in gone)


def standing(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Those that were not taken back."""
    return tuple(entry for entry in entries if not entry.retraction)


def newest_first(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries in the one order that every index shows, whatever order they came in."""
    by_name = sorted(entries, key=lambda entry: (entry.submission, entry.revision))
    return tuple(sorted(by_name, key=lambda entry: entry.published_at, reverse=True))
