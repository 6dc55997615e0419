"""Builders and readers that the website's tests share."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser

from chalicelib.publication.channels.website.entry import Entry
from chalicelib.submission.model import Category, Classification

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
