"""What one more item costs a website that has many: its shared pages are made from all of them."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from chalicelib.core.aws import Aws
from chalicelib.core.ids import derived_id
from chalicelib.core.table import Table
from chalicelib.publication.channels.website.entry import INTERNAL, PUBLIC, Entry
from chalicelib.publication.channels.website.site import Website
from chalicelib.publication.store import entries_under, put_entry
from chalicelib.submission.model import Category, Classification

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_FIRST = datetime(2020, 1, 1, tzinfo=UTC)


class _Bucket:
    """A bucket that holds any page and takes any: what is measured is what comes before."""

    @staticmethod
    def head_object(**_: Any) -> dict[str, Any]:  # noqa: ANN401 — as S3's
        return {"ETag": "1", "Metadata": {}}

    @staticmethod
    def put_object(**_: Any) -> dict[str, Any]:  # noqa: ANN401 — as S3's
        return {}


class _Shelf(Table):
    """A table with so many entries of the website."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__(client=Aws().dynamodb, name="records")
        self._raw = [put_entry(INTERNAL, entry).describe()["Put"]["Item"] for entry in entries]

    def raw_partition(self, *_: object, **__: object) -> Iterator[dict[str, Any]]:
        """All of them."""
        yield from self._raw


def publication_seconds(number: int) -> float:
    """Seconds of CPU that putting one more item on a website of so many takes, AWS's calls left out."""
    entries = [_entry(place) for place in range(number)]
    shelf = _Shelf(entries)
    website = Website(
        s3=cast("S3Client", _Bucket()),
        bucket="site",
        entries=partial(entries_under, shelf),
        base_urls={prefix: f"https://site.test/{prefix}" for prefix in (PUBLIC, INTERNAL)},
        attached=lambda _entry, _file: b"",
        desk_url="https://desk.test",
    )
    before = time.process_time()
    website.write_item(entries[0], "正文。", (INTERNAL,))
    website.publish(entries[0], (INTERNAL,))
    return time.process_time() - before


def _entry(place: int) -> Entry:
    return Entry(
        submission=derived_id("s", str(place)),
        revision=1,
        title="关于五一期间办公区停电检修的通知",
        summary="五月一日八时至十八时，A 座停电检修，请提前保存数据。",
        category=tuple(Category)[place % len(Category)],
        department_name="市场部",
        published_at=_FIRST + timedelta(minutes=place),
        time_zone="Asia/Shanghai",
        keywords=("停电",),
        classification=Classification.INTERNAL,
    )
