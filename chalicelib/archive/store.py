"""The archive's shelves: counters and catalogue entries in the table, packages in the versioned, locked bucket."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.archive.model.catalog import Series, ascii_name, parse
from chalicelib.archive.model.record import ArchiveRecord
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.table import DocumentAttribute, Key, Put, Record
from chalicelib.submission.model import Category, Classification

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class SeriesRecord(Record):
    """The last serial number that was given out in a series."""

    last = NumberAttribute()


class CatalogRecord(Record):
    """One catalogue entry. `state` is there for the index it shares with submissions."""

    listing_key = UnicodeAttribute()
    listing_sort = UnicodeAttribute()
    state = UnicodeAttribute(default="archived")
    facts = DocumentAttribute()


def series_key(series: Series) -> Key[SeriesRecord]:
    """Where a series is counted."""
    return Key(SeriesRecord, f"SERIES#{series.key}", "SERIES")


def put_serial(series: Series, last: int) -> Put:
    """Describe taking the serial number after `last`: fails when somebody else took it."""
    key = series_key(series)
    condition = SeriesRecord.pk.does_not_exist() if last == 0 else SeriesRecord.last == last
    return Put(record=SeriesRecord(pk=key.pk, sk=key.sk, last=last + 1), condition=condition)


def catalog_key(number: str) -> Key[CatalogRecord]:
    """Where a catalogue entry is."""
    return Key(CatalogRecord, f"ARCHIVE#{number}", "ENTRY")


def listing_key(department: str) -> str:
    """What a department's archive is listed under."""
    return f"ARCHIVE#{department}"


def put_archived(entry: ArchiveRecord) -> Put:
    """Describe a catalogue entry's only write."""
    key = catalog_key(entry.catalog_number)
    record = CatalogRecord(
        pk=key.pk,
        sk=key.sk,
        listing_key=listing_key(entry.department),
        listing_sort=f"{to_text(entry.published_at)}#{entry.catalog_number}",
        facts={
            "submission": entry.submission,
            "revision": entry.revision,
            "title": entry.title,
            "category": entry.category,
            "department": entry.department,
            "drafter": entry.drafter,
            "classification": entry.classification,
            "audience": None if entry.audience is None else list(entry.audience),
            "published_at": to_text(entry.published_at),
            "sha256": entry.sha256,
            "size": entry.size,
            "version_id": entry.version_id,
        },
    )
    return Put(record=record, condition=CatalogRecord.pk.does_not_exist())


def read_archived(record: CatalogRecord) -> ArchiveRecord:
    """The catalogue entry that a record holds."""
    facts = record.facts
    return ArchiveRecord(
        catalog_number=record.pk.removeprefix("ARCHIVE#"),
        submission=facts["submission"],
        revision=facts["revision"],
        title=facts["title"],
        category=Category(facts["category"]),
        department=facts["department"],
        drafter=facts["drafter"],
        classification=Classification(facts["classification"]),
        audience=None if facts["audience"] is None else tuple(facts["audience"]),
        published_at=from_text(facts["published_at"]),
        sha256=facts["sha256"],
        size=facts["size"],
        version_id=facts["version_id"],
    )


@dataclass(frozen=True, kw_only=True)
class PackageStore:
    """Packages in the bucket: put once, read by version."""

    client: "Callable[[], S3Client]"
    bucket: str

    def keep(self, number: str, package: bytes) -> str:
        """Store a package and answer its version id; the same bytes again answer the version that is there.

        Raises RuntimeError when another package already bears the number: that must never be papered over.
        """
        key = object_key(number)
        try:
            answer = self.client().put_object(
                Bucket=self.bucket,
                Key=key,
                Body=package,
                ContentType="application/zip",
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(hashlib.sha256(package).digest()).decode(),
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
        else:
            return answer["VersionId"]
        there = self.client().get_object(Bucket=self.bucket, Key=key)
        if there["Body"].read() != package:
            raise RuntimeError(f"{number} already stands in the archive with other bytes")
        return there["VersionId"]

    def download_url(self, number: str, version_id: str, seconds: int) -> str:
        """An address at which anyone can download the package for so many seconds."""
        return self.client().generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": object_key(number),
                "VersionId": version_id,
                "ResponseContentDisposition": f'attachment; filename="{ascii_name(number)}.zip"',
            },
            ExpiresIn=seconds,
        )


def object_key(number: str) -> str:
    """Where a package is in the bucket: by year and series."""
    series, _ = parse(number)
    return f"packages/{series.year}/{ascii_name(number)}.zip"
