"""One publication as the catalogue lists it."""

from dataclasses import dataclass
from datetime import datetime

from chalicelib.submission.model import Category, Classification

DOWNLOAD_LIFE = 60
"""Seconds for which a download's address works."""


@dataclass(frozen=True, kw_only=True)
class ArchiveRecord:
    """What is archived under a catalogue number.

    `sha256` and `size` (bytes) are those of the package, `version_id` names its one locked version in the bucket.
    `audience` is None for everybody; `published_at` is UTC.
    """

    catalog_number: str
    submission: str
    revision: int
    title: str
    category: Category
    department: str
    drafter: str
    classification: Classification
    audience: tuple[str, ...] | None
    published_at: datetime
    sha256: str
    size: int
    version_id: str
