"""Entries to the two lists that programs read: Atom feed (RFC 4287) and sitemap (sitemaps.org, 0.9)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from chalicelib.core.markdown import legible
from chalicelib.publication.channels.website.entry import HOME, Entry, day, item_key, standing
from chalicelib.publication.channels.website.render import FEED
from chalicelib.publication.channels.website.sections import the_plan

SITEMAP = "sitemap.xml"
FEED_LENGTH = 50
SITEMAP_LENGTH = 50_000
"""What the protocol allows in one file."""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def atom_feed(entries: Sequence[Entry], base_url: str, *, name: str, authority: str) -> bytes:
    """The items that were published or corrected last, whose ids are the same wherever they are listed.

    What was taken back is not there. `entries` come newest first; `base_url` is where this part of the site begins,
    without a slash at the end, and `name` its name. `authority` is the host in whose name ids are given (RFC 4151).
    """
    plan = the_plan()
    latest = sorted(standing(entries), key=lambda entry: entry.updated_at, reverse=True)[:FEED_LENGTH]
    feed = ET.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom", _LANGUAGE: "zh-Hans"})
    _add(feed, "id", f"tag:{authority},2026:/{name}/feed")
    _add(feed, "title", f"{plan.name}{plan.strapline}")
    _add(feed, "updated", _instant(latest[0].updated_at if latest else _NEVER))
    _add(_add(feed, "author"), "name", f"{plan.name}{plan.strapline}")
    _add(feed, "link", rel="self", type="application/atom+xml", href=f"{base_url}/{FEED}")
    _add(feed, "link", rel="alternate", type="text/html", href=f"{base_url}/{HOME}")
    for entry in latest:
        item = _add(feed, "entry")
        day = f"{entry.published_at:%Y-%m-%d}"
        _add(item, "id", f"tag:{authority},{day}:{entry.submission}/{entry.first_revision}")
        _add(item, "title", entry.title)
        _add(item, "published", _instant(entry.published_at))
        _add(item, "updated", _instant(entry.updated_at))
        _add(_add(item, "author"), "name", entry.department_name)
        _add(item, "link", rel="alternate", type="text/html", href=f"{base_url}/{item_key(entry)}")
        _add(item, "category", term=entry.category.value, label=plan.category_names[entry.category])
        _add(item, "summary", _told(entry))
    return _document(feed)


def sitemap(entries: Sequence[Entry], base_url: str) -> bytes:
    """Every page of the site, the newest items where there are too many. Arguments as for `atom_feed`."""
    urls = ET.Element("urlset", {"xmlns": "http://www.sitemaps.org/schemas/sitemap/0.9"})
    shared = [HOME, *(section.path for section in the_plan().sections)]
    for path in shared:
        _add(_add(urls, "url"), "loc", f"{base_url}/{path}")
    for entry in standing(entries)[: SITEMAP_LENGTH - len(shared)]:
        url = _add(urls, "url")
        _add(url, "loc", f"{base_url}/{item_key(entry)}")
        _add(url, "lastmod", _instant(entry.updated_at))
    return _document(urls)


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _told(entry: Entry) -> str:
    """The summary, and before it what was corrected last."""
    if not entry.corrections:
        return entry.summary
    last = entry.corrections[-1]
    return f"【更正 {day(entry.local(last.at))}】{last.note} {entry.summary}"


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _document(root: ET.Element) -> bytes:
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{legible(text)}\n'.encode()
