"""Builders and readers that the website's tests share."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.publication.channels.website.entry import PREFIXES, Entry, corrected, retracted
from chalicelib.publication.channels.website.site import Website
from chalicelib.submission.model import Category, Classification

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DESK = "https://desk.example"
VIEWS = f"{DESK}/api/v1/submissions/s-first/views"
URL = "https://site.example/s-first/1/index.html"
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def an_entry(
    submission: str = "s-first",
    *,
    title: str = "关于开展冬季消防安全自查的通知",
    summary: str = "各部门须在本月底前完成自查。",
    category: Category = Category.NOTICE,
    classification: Classification = Classification.PUBLIC,
    published_at: datetime = NOON,
    time_zone: str = "Asia/Shanghai",
    keywords: tuple[str, ...] = ("消防", "自查"),
) -> Entry:
    return Entry(
        submission=submission,
        revision=1,
        title=title,
        summary=summary,
        category=category,
        department_name="安全环保部",
        published_at=published_at,
        time_zone=time_zone,
        keywords=keywords,
        classification=classification,
    )


def a_correction(before: Entry, **changes: Any) -> Entry:  # noqa: ANN401 — an entry's
    """The item with the text of its next revision."""
    new: dict[str, Any] = {"revision": before.revision + 1, "title": "冬季消防安全自查（更正）"} | changes
    after = replace(before, **new)
    return corrected(before, after, at=NOON + timedelta(days=before.revision), note="截止日期写错了。")


def a_retraction(before: Entry, *, title_withheld: bool = False) -> Entry:
    """The item as taken back."""
    at = NOON + timedelta(days=9)
    return retracted(before, at=at, reason="数据尚未核实。", title_withheld=title_withheld)


def a_file(name: str = "示意图.png") -> Attachment:
    return Attachment(id=f"a-{name}", name=name, media_type=MediaType.PNG, size=1, sha256="0" * 64)


@dataclass(frozen=True, kw_only=True)
class Element:
    tag: str
    attributes: dict[str, str | None]


@dataclass
class _Reader(HTMLParser):
    elements: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag=tag, attributes=dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def elements_of(html: str | bytes) -> list[Element]:
    return _read(html).elements


def text_of(html: str | bytes) -> str:
    return "".join(_read(html).texts)


def links_of(html: str | bytes) -> list[str]:
    return [element.attributes["href"] or "" for element in elements_of(html) if element.tag == "a"]


def _read(html: str | bytes) -> _Reader:
    reader = _Reader()
    reader.feed(html.decode() if isinstance(html, bytes) else html)
    reader.close()
    return reader


BUCKET = "site"
BASES = {"public": "https://site.example", "internal": "https://intranet.example/"}
BODY = "## 一、范围\n\n消防通道。"


def attached(_entry: Entry, file: Attachment) -> bytes:
    """What a file of a test holds."""
    return file.name.encode()


Files = dict[str, tuple[bytes, str, str]]
Step = Callable[[], object]


class MemoryBucket:
    """A bucket that keeps conditions as S3 does, for as many writers at once as a test has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.objects: dict[str, dict[str, Any]] = {}

    def put_object(self, **request: Any) -> None:  # noqa: ANN401 — as S3's
        with self._lock:
            stands = self.objects.get(request["Key"])
            if request.get("IfNoneMatch") and stands:
                raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
            if "IfMatch" in request and (stands is None or stands["ETag"] != request["IfMatch"]):
                raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
            tag = hashlib.sha256(request["Body"]).hexdigest()
            self.objects[request["Key"]] = request | {"ETag": tag}

    def head_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803 — as S3's
        with self._lock:
            if Key not in self.objects:
                raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
            return self.objects[Key]

    def delete_object(self, *, Key: str, **_: str) -> None:  # noqa: N803 — as S3's
        with self._lock:
            self.objects.pop(Key, None)

    def bodies(self) -> dict[str, bytes]:
        return {key: bytes(each["Body"]) for key, each in self.objects.items()}


def a_website(bucket: MemoryBucket, entries: Callable[[str], list[Entry]]) -> Website:
    """The site in a bucket in memory."""
    return Website(
        s3=cast("S3Client", bucket),
        bucket=BUCKET,
        entries=entries,
        base_urls=BASES,
        attached=attached,
        desk_url=DESK,
    )


@dataclass
class Desk:
    """The database's part: what is recorded; `between` runs in the middle of the next listing."""

    s3: "S3Client"
    recorded: list[Entry] = field(default_factory=list)
    between: list[Step] = field(default_factory=list)

    @property
    def website(self) -> Website:
        return Website(
            s3=self.s3,
            bucket=BUCKET,
            entries=self.entries,
            base_urls=BASES,
            attached=attached,
            desk_url=DESK,
        )

    def entries(self, prefix: str) -> list[Entry]:
        listed = [entry for entry in self.recorded if prefix in PREFIXES[entry.classification]]
        if self.between:
            self.between.pop()()
        return listed

    def publish(self, entry: Entry) -> tuple[str, ...]:
        prefixes = PREFIXES[entry.classification]
        entry = self.website.write_item(entry, BODY, prefixes)
        if entry not in self.recorded:
            self.recorded.append(entry)
        return self.website.publish(entry, prefixes)

    def record(self, entry: Entry) -> None:
        """As the table does: one entry for each submission."""
        self.recorded = [each for each in self.recorded if each.submission != entry.submission] + [entry]

    def correct(self, entry: Entry) -> tuple[str, ...]:
        prefixes = PREFIXES[entry.classification]
        entry = self.website.write_item(entry, BODY, prefixes)
        self.record(entry)
        return self.website.correct(entry, prefixes)

    def retract(self, entry: Entry) -> tuple[str, ...]:
        self.record(entry)
        return self.website.retract(entry)

    def rebuilt(self) -> Files:
        """What stands in a bucket that was wiped and rendered again."""
        self.wipe()
        self.website.rebuild(lambda _: BODY)
        return self.files()

    def files(self) -> Files:
        found: Files = {}
        for listed in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            answer = self.s3.get_object(Bucket=BUCKET, Key=listed["Key"])
            found[listed["Key"]] = (answer["Body"].read(), answer["ContentType"], answer["CacheControl"])
        return found

    def wipe(self) -> None:
        for listed in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            self.s3.delete_object(Bucket=BUCKET, Key=listed["Key"])

    @contextmanager
    def on_call(self, act: Callable[[int, str], None], event: str = "before-call") -> Iterator[None]:
        """Meanwhile, have `act(number, operation)` run at each S3 call, counted from 0."""
        count = iter(range(10_000))

        def handle(model: Any, **_: object) -> None:  # noqa: ANN401 # botocore's operation model
            act(next(count), model.name)

        self.s3.meta.events.register(f"{event}.s3", handle)
        try:
            yield
        finally:
            self.s3.meta.events.unregister(f"{event}.s3", handle)
