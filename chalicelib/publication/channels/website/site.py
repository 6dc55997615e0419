"""How the website is put on S3: nothing lost when two publish at once, the same end after any repeat.

Each prefix holds a complete site. An item's page is written first, and once. The pages that items share are
never edited but rendered anew from all entries: note the page's version, *then* list the entries, render, and
write on the condition that the version still stands. Whoever loses the race starts over, with a listing that
is newer than what won; so no page ever goes back. The home page is written last: where it exists, every other
shared page does too.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from chalicelib.attachment.model import Attachment, content_type, disposition
from chalicelib.core.errors import Stale
from chalicelib.publication.channels.website.entry import (
    HOME,
    INTERNAL,
    PREFIXES,
    PUBLIC,
    Entry,
    attached_files,
    gone_files,
    item_key,
    newest_first,
    standing,
)
from chalicelib.publication.channels.website.feeds import SITEMAP, atom_feed, sitemap
from chalicelib.publication.channels.website.pictures import Picture, measured, scaled
from chalicelib.publication.channels.website.render import (
    ENTER,
    FEED,
    enter_page,
    home_page,
    item_page,
    search_page,
    section_page,
    standing_pages,
    year_page,
)
from chalicelib.publication.channels.website.search import SEARCH, index_path, month_index, months
from chalicelib.publication.channels.website.sections import the_plan

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

TRIES = 20
"""How often a race may be lost before the caller is told."""

CONTENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "html": "text/html; charset=utf-8",
        "json": "application/json",
        "atom": "application/atom+xml; charset=utf-8",
        "xml": "application/xml; charset=utf-8",
    },
)
CACHE_CONTROL: Mapping[str, str] = MappingProxyType(
    {PUBLIC: "public, max-age=60", INTERNAL: "private, max-age=60"},
)
"""Short, because a retracted item must be gone soon; internal pages stay out of shared caches."""

LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""What S3 answers to a conditional write that came second: 412, 409, or 404 when the page has just gone."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A page as it stands in the bucket: S3's ETag, and the SHA-256 of its bytes in hexadecimal."""

    etag: str
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Website:
    """The site in one bucket.

    `entries(prefix)` lists everything published under a prefix, strongly consistent. `base_urls` are the absolute
    URLs at which each prefix's keys are served, without the prefix: the public must not see that there is more.
    `attached` gives a file's approved bytes. `desk_url` is the desk's own address, which is told of views.
    """

    s3: "S3Client"
    bucket: str
    entries: Callable[[str], Sequence[Entry]]
    base_urls: Mapping[str, str]
    attached: Callable[[Entry, Attachment], bytes]
    desk_url: str

    def __post_init__(self) -> None:
        """Raise ValueError for an address that could not stand in a feed or a policy."""
        for base_url in (*self.base_urls.values(), self.desk_url):
            if not urlsplit(base_url).hostname:
                raise ValueError(f"not an absolute URL: {base_url}")

    def write_item(self, entry: Entry, body: str, prefixes: tuple[str, ...]) -> Entry:
        """Write the item's files and its own page, which nothing refers to yet; what is there already stays.

        Answers the entry to record: the item with what is now known of its pictures. Written before it is recorded, the
        page is never missing where an index points. Raises ValueError when the prefixes contradict the classification.
        """
        if not prefixes or set(prefixes) != set(PREFIXES[entry.classification]):
            raise ValueError(f"{entry.classification} information does not belong under {prefixes}")
        pictures: list[Picture] = []
        for path, file in attached_files(entry).items():
            content = self.attached(entry, file)
            if picture := measured(path, file, content):
                pictures.append(picture)
            contents = _in_sizes(path, file, content, picture)
            for request in self._file_requests(entry, file, contents, prefixes):
                self._once(request)
        entry = replace(entry, pictures=tuple(pictures))
        page = self.item_page(entry, body)
        for prefix in prefixes:
            self._once(self._request(prefix, item_key(entry), page))
        return entry

    def item_page(self, entry: Entry, body: str) -> bytes:
        """The item's page, the same under every prefix."""
        url = f"{self._root(PREFIXES[entry.classification][0])}/{item_key(entry)}"
        views = f"{self.desk_url.rstrip('/')}/api/v1/submissions/{entry.submission}/views"
        return item_page(entry, body, url, views)

    def publish(self, entry: Entry, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        """Put an item that was written on the site and answer the URL of its page under each prefix (clause 4.1.1).

        Repeating it at any point ends the same, for which the very same entry must already be recorded: in
        what `entries` lists. Raises ValueError when it is not, and Stale when too many publish at once.
        """
        for prefix in prefixes:
            self._refresh(prefix, self._touched(entry), recorded=entry)
        return self._urls(entry, prefixes)

    def correct(self, entry: Entry, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        """Put a later revision that was written where the item stands, and answer as `publish` (clause 3.4.4).

        The pages of earlier revisions lead there; what lay beside them is gone. As `publish`, it may be repeated, for
        which the corrected entry (`corrected`) must already be recorded.
        """
        self._change(entry, prefixes)
        return self._urls(entry, prefixes)

    def retract(self, entry: Entry) -> tuple[str, ...]:
        """Take an item off the site and answer the URLs where that is said (clause 3.4.4).

        Every page that it had says when and why; its files are gone, and no index knows it any more but the list of
        what was taken back. It may be repeated; the retracted entry (`retracted`) must already be recorded.
        """
        prefixes = PREFIXES[entry.classification]
        self._change(entry, prefixes)
        return self._urls(entry, prefixes)

    def delivered_page(self, entry: Entry) -> bytes:
        """The item's page as it was written, byte for byte."""
        key = f"{PREFIXES[entry.classification][0]}/{item_key(entry)}"
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def rebuild(self, bodies: Callable[[Entry], str]) -> int:
        """Write every page again from the records alone, and answer how many items there are.

        `bodies` gives an entry's Markdown. A wiped bucket gets the bytes it had; a changed design gets
        everywhere.
        """
        entries = newest_first({*self._listed(PUBLIC), *self._listed(INTERNAL)})
        for entry in standing(entries):
            pictures = {picture.path: picture for picture in entry.pictures}
            for path, file in attached_files(entry).items():
                contents = _in_sizes(path, file, self.attached(entry, file), pictures.get(path))
                for request in self._file_requests(entry, file, contents, PREFIXES[entry.classification]):
                    self._put(request)
            page = self.item_page(entry, bodies(entry))
            for prefix in PREFIXES[entry.classification]:
                self._put(self._request(prefix, item_key(entry), page))
        for prefix in (PUBLIC, INTERNAL):
            listed = self._listed(prefix)
            self._refresh(prefix, tuple(self._pages(prefix, listed)))
            for entry in listed:
                self._remove_files(prefix, entry)
        return len(entries)

    @staticmethod
    def _touched(entry: Entry) -> tuple[str, ...]:
        """The shared pages that tell of the item, whatever its revision says."""
        section = the_plan().section_of(entry.category)
        return (section.path, section.year_path(entry.year), index_path(entry), SEARCH, FEED, SITEMAP, HOME)

    def _change(self, entry: Entry, prefixes: tuple[str, ...]) -> None:
        for prefix in prefixes:
            self._refresh(prefix, (*standing_pages(entry), *self._touched(entry)), recorded=entry)
            self._remove_files(prefix, entry)

    def _remove_files(self, prefix: str, entry: Entry) -> None:
        for path in gone_files(entry):
            self.s3.delete_object(Bucket=self.bucket, Key=f"{prefix}/{path}")

    def _urls(self, entry: Entry, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{self._root(prefix)}/{item_key(entry)}" for prefix in prefixes)

    def _root(self, prefix: str) -> str:
        return self.base_urls[prefix].rstrip("/")

    @property
    def _authority(self) -> str:
        """The host in whose name the feeds give their ids: one for both, since they tell of the same items."""
        return str(urlsplit(self.base_urls[PUBLIC]).hostname)

    def _listed(self, prefix: str) -> tuple[Entry, ...]:
        entries = newest_first(self.entries(prefix))
        for entry in entries:
            if prefix not in PREFIXES[entry.classification]:
                raise ValueError(f"{entry.classification} {entry.submission} is listed under {prefix}")
        return entries

    def _pages(self, prefix: str, entries: tuple[Entry, ...]) -> dict[str, Callable[[], bytes]]:
        """Every page that the entries alone tell, by its path, rendered when called; the home page is last."""
        pages: dict[str, Callable[[], bytes]] = {}
        for entry in entries:
            pages |= standing_pages(entry)
        for section in the_plan().sections:
            own = tuple(entry for entry in entries if entry.category in section.categories)
            pages[section.path] = partial(section_page, section, own)
            for year in sorted({entry.year for entry in own}):
                of_year = tuple(entry for entry in own if entry.year == year)
                pages[section.year_path(year)] = partial(year_page, section, year, of_year)
        indexed: dict[str, list[Entry]] = {}
        for entry in entries:
            indexed.setdefault(index_path(entry), []).append(entry)
        for path, of_month in indexed.items():
            pages[path] = partial(month_index, standing(of_month))
        pages[SEARCH] = partial(search_page, months(entries))
        if prefix == INTERNAL:
            pages[ENTER] = partial(enter_page, self.desk_url.rstrip("/"))
        pages[FEED] = partial(atom_feed, entries, self._root(prefix), name=prefix, authority=self._authority)
        pages[SITEMAP] = partial(sitemap, entries, self._root(prefix))
        pages[HOME] = partial(home_page, entries)
        return pages

    def _refresh(self, prefix: str, paths: tuple[str, ...], recorded: Entry | None = None) -> None:
        """Bring these pages up to date; all of them where there is no home page yet."""
        for _ in range(TRIES):
            seen = {path: self._version(prefix, path) for path in paths}
            entries = self._listed(prefix)
            if recorded and not any(map(recorded.is_or_precedes, entries)):
                raise ValueError(f"{recorded.submission} is not recorded under {prefix}")
            pages = self._pages(prefix, entries)
            due = tuple(pages) if HOME in seen and seen[HOME] is None else paths
            paths = tuple(
                path for path in due if not self._replace(prefix, path, pages[path](), seen.get(path))
            )
            if not paths:
                return
        raise Stale(prefix=prefix)

    def _replace(self, prefix: str, path: str, page: bytes, seen: Version | None) -> bool:
        """Write the page unless it already reads so; False when it has changed since it was seen."""
        request = self._request(prefix, path, page)
        if seen is None:
            request["IfNoneMatch"] = "*"
        elif seen.sha256 == request["Metadata"]["sha256"]:
            return True
        else:
            request["IfMatch"] = seen.etag
        return self._put(request) not in LOST

    def _once(self, request: "PutObjectRequestTypeDef") -> None:
        request["IfNoneMatch"] = "*"
        for _ in range(TRIES):
            if self._put(request) != "ConditionalRequestConflict":
                return
        raise Stale(key=request["Key"])

    def _file_requests(
        self, entry: Entry, file: Attachment, contents: Mapping[str, bytes], prefixes: tuple[str, ...]
    ) -> "Iterator[PutObjectRequestTypeDef]":
        """What writes a file, by path in each of its sizes, under each prefix.

        Images are shown; anything else is saved, never opened as a page of the site.
        """
        folder = item_key(entry).rpartition("/")[0]
        for path, content in contents.items():
            for prefix in prefixes:
                yield {
                    "Bucket": self.bucket,
                    "Key": f"{prefix}/{folder}/{path}",
                    "Body": content,
                    "ContentType": content_type(file),
                    "ContentDisposition": "inline" if file.is_image else disposition(file),
                    "CacheControl": CACHE_CONTROL[prefix],
                    "Metadata": {"sha256": hashlib.sha256(content).hexdigest()},
                }

    def _request(self, prefix: str, path: str, page: bytes) -> "PutObjectRequestTypeDef":
        return {
            "Bucket": self.bucket,
            "Key": f"{prefix}/{path}",
            "Body": page,
            "ContentType": CONTENT_TYPES[path.rpartition(".")[2]],
            "CacheControl": CACHE_CONTROL[prefix],
            "Metadata": {"sha256": hashlib.sha256(page).hexdigest()},
        }

    def _put(self, request: "PutObjectRequestTypeDef") -> str | None:
        """Write; the answer is the code in `LOST` when the request's condition was not met."""
        try:
            self.s3.put_object(**request)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in LOST:
                raise
            return code
        return None

    def _version(self, prefix: str, path: str) -> Version | None:
        try:
            head = self.s3.head_object(Bucket=self.bucket, Key=f"{prefix}/{path}")
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return None
            raise
        return Version(etag=head["ETag"], sha256=head["Metadata"].get("sha256"))


def _in_sizes(path: str, file: Attachment, content: bytes, picture: Picture | None) -> dict[str, bytes]:
    """By path, a file as it was approved and whatever the page shows of it."""
    if picture is None:
        return {path: content}
    return {path: content} | {
        picture.sized(width): smaller for width, smaller in scaled(file, content, picture.widths).items()
    }
