"""The Atom feed and the sitemap, read back as the programs out there read them."""

from datetime import timedelta
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.clock import from_text
from chalicelib.publication.channels.website.entry import Entry
from chalicelib.publication.channels.website.feeds import FEED_LENGTH, atom_feed, sitemap
from chalicelib.publication.channels.website.sections import the_plan
from tests.publication.website_builders import NOON, an_entry

BASE = "https://site.example:8443/public"
ATOM = "{http://www.w3.org/2005/Atom}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


def parsed(document: bytes) -> ET.Element:
    return ET.fromstring(document)  # noqa: S314 # our own bytes


def a_feed(entries: list[Entry]) -> bytes:
    return atom_feed(entries, BASE, name="public", authority="site.example")


def test_the_feed_has_what_rfc_4287_requires() -> None:
    feed = parsed(a_feed([an_entry("s-b"), an_entry("s-a", published_at=NOON - timedelta(days=1))]))
    entries = feed.findall(f"{ATOM}entry")

    for element in (feed, *entries):
        for name in ("id", "title", "updated", "author"):
            assert len(element.findall(f"{ATOM}{name}")) == 1, name
        assert element.findtext(f"{ATOM}author/{ATOM}name")
    assert feed.findtext(f"{ATOM}updated") == "2026-11-23T04:00:00Z"
    assert [entry.findtext(f"{ATOM}updated") for entry in entries] == [
        "2026-11-23T04:00:00Z",
        "2026-11-22T04:00:00Z",
    ]
    assert {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")} == {
        "self": f"{BASE}/feed.atom",
        "alternate": f"{BASE}/index.html",
    }
    alternate = entries[0].find(f"{ATOM}link")
    assert alternate is not None
    assert alternate.get("href") == f"{BASE}/s-b/1/index.html"


def test_ids_are_tag_uris_all_different_and_the_same_under_every_prefix() -> None:
    items = [an_entry("s-b"), an_entry("s-a")]
    public, internal = (
        [
            element.text
            for element in parsed(
                atom_feed(items, f"https://{host}", name=name, authority="site.example")
            ).iter(f"{ATOM}id")
        ]
        for name, host in (("public", "site.example"), ("internal", "intranet.example"))
    )

    assert public == [
        "tag:site.example,2026:/public/feed",
        "tag:site.example,2026-11-23:s-b/1",
        "tag:site.example,2026-11-23:s-a/1",
    ]
    assert internal[1:] == public[1:]
    assert internal[0] != public[0]


def test_an_empty_feed_is_a_feed_too() -> None:
    assert from_text(parsed(a_feed([])).findtext(f"{ATOM}updated") or "").year == 1970


def test_the_feed_is_kept_short() -> None:
    feed = parsed(a_feed([an_entry(f"s-{n}") for n in range(FEED_LENGTH + 1)]))

    assert len(feed.findall(f"{ATOM}entry")) == FEED_LENGTH


@settings(deadline=None)
@given(st.text(), st.text())
def test_whatever_a_title_holds_the_feed_can_be_read(title: str, summary: str) -> None:
    feed = parsed(a_feed([an_entry(title=f"<b>&\x00\ud800{title}", summary=summary)]))

    assert (feed.findtext(f"{ATOM}entry/{ATOM}title") or "").startswith("<b>&")


def test_the_sitemap_lists_home_sections_and_items() -> None:
    urls = parsed(sitemap([an_entry("s-a")], BASE)).findall(f"{MAP}url")

    assert [url.findtext(f"{MAP}loc") for url in urls] == [
        f"{BASE}/index.html",
        *(f"{BASE}/{section.id}/index.html" for section in the_plan().sections),
        f"{BASE}/s-a/1/index.html",
    ]
    assert urls[-1].findtext(f"{MAP}lastmod") == "2026-11-23T04:00:00Z"


def test_the_sitemap_stays_within_the_protocols_limit() -> None:
    urls = parsed(sitemap([an_entry()] * 50_001, BASE)).findall(f"{MAP}url")

    assert len(urls) == 50_000
