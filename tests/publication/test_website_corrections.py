"""Corrected and retracted items on the site: what stands where, whoever comes when, and after a rebuild."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.core.errors import Stale
from chalicelib.publication.channels.website.entry import Entry, corrected
from chalicelib.publication.channels.website.feeds import atom_feed
from chalicelib.publication.channels.website.render import home_page, item_page, section_page, year_page
from chalicelib.publication.channels.website.sections import the_plan
from chalicelib.publication.store import entries_under, put_entry
from chalicelib.submission.model import Category, Classification
from infra.simulation.table import MemoryTable
from tests.publication.website_builders import (
    NOON,
    URL,
    VIEWS,
    Desk,
    a_correction,
    a_file,
    a_retraction,
    an_entry,
    links_of,
    text_of,
)

WITH_FILES = replace(
    an_entry(classification=Classification.INTERNAL), attachments=(a_file(), a_file("表.png"))
)
CORRECTED = a_correction(WITH_FILES)
TWICE = a_correction(CORRECTED, title="再次更正", attachments=(a_file("新.png"),))
OWN = "internal/s-first"


def test_a_corrected_item_says_so_on_top_and_wherever_it_is_listed() -> None:
    section = the_plan().section_of(Category.NOTICE)
    page = text_of(item_page(CORRECTED, "正文。", URL, VIEWS))

    assert page.index("截止日期写错了。") < page.index(CORRECTED.summary)
    assert "第 2 版替代第 1 版" in page
    for listing in (
        home_page([CORRECTED]),
        section_page(section, [CORRECTED]),
        year_page(section, CORRECTED.year, [CORRECTED]),
    ):
        assert "2026年11月24日更正" in text_of(listing)


def test_readers_of_the_feed_meet_the_correction_as_news_of_the_item_they_know() -> None:
    newer = an_entry("s-newer", published_at=NOON + timedelta(hours=1))
    before, after = (
        atom_feed(entries, "https://site.example", name="public", authority="site.example").decode()
        for entries in ([newer, WITH_FILES], [newer, CORRECTED])
    )

    assert "2026-11-23:s-first/1</id>" in before
    assert "2026-11-23:s-first/1</id>" in after
    assert "<updated>2026-11-24T04:00:00Z</updated>" in after
    assert "【更正 2026年11月24日】截止日期写错了。" in after
    assert after.index("s-first") < after.index("s-newer")


def test_the_earlier_revisions_page_leads_to_the_newer_one_and_its_files_are_gone(desk: Desk) -> None:
    desk.publish(WITH_FILES)
    assert f"{OWN}/1/files/1.png" in desk.files()
    assert desk.correct(CORRECTED) == ("https://intranet.example/s-first/2/index.html",)
    desk.correct(TWICE)
    files = desk.files()

    for earlier in (1, 2):
        page = files[f"{OWN}/{earlier}/index.html"][0]
        assert "../../s-first/3/index.html" in links_of(page)
        assert "消防通道" not in text_of(page)
        assert b"noindex" in page
    assert sorted(key for key in files if "/files/" in key) == [f"{OWN}/3/files/1.png"]
    for index in ("index.html", "news/index.html", "news/2026.html", "feed.atom", "sitemap.xml"):
        page = files[f"internal/{index}"][0]
        assert b"s-first/3/index.html" in page
        assert b"s-first/2/" not in page


@pytest.mark.parametrize("title_withheld", [True, False])
def test_a_retracted_item_leaves_its_reason_and_nothing_of_its_text(
    desk: Desk, *, title_withheld: bool
) -> None:
    desk.publish(WITH_FILES)
    desk.correct(CORRECTED)
    desk.retract(a_retraction(CORRECTED, title_withheld=title_withheld))
    files = desk.files()

    for revision in (1, 2):
        page = files[f"{OWN}/{revision}/index.html"][0]
        assert "2026年12月2日 12:00（Asia/Shanghai）" in text_of(page)
        assert "数据尚未核实。" in text_of(page)
        assert not any(text in page.decode() for text in (CORRECTED.summary, "消防通道", "截止日期"))
    assert not any("/files/" in key for key in files)
    for index in ("index.html", "news/index.html", "feed.atom", "sitemap.xml"):
        assert b"s-first" not in files[f"internal/{index}"][0]
    assert "s-first/2/index.html" in str(links_of(files["internal/news/2026.html"][0]))
    told = any(
        title in page.decode() for page, *_ in files.values() for title in (CORRECTED.title, WITH_FILES.title)
    )
    assert told is not title_withheld


def test_a_public_item_is_taken_back_from_both_sites(desk: Desk) -> None:
    entry = an_entry()
    desk.publish(entry)
    desk.retract(a_retraction(entry))

    for prefix in ("public", "internal"):
        assert "数据尚未核实。" in text_of(desk.files()[f"{prefix}/s-first/1/index.html"][0])


@pytest.fixture
def changed(desk: Desk) -> Desk:
    """Items as they were published, corrected once and twice, and taken back at once and after a correction."""
    entries = [replace(WITH_FILES, submission=f"s-{n}") for n in range(5)]
    for entry in (an_entry(), *entries):
        desk.publish(entry)
    desk.correct(a_correction(entries[1]))
    desk.correct(a_correction(entries[2]))
    desk.correct(a_correction(a_correction(entries[2])))
    desk.retract(a_retraction(entries[3]))
    desk.correct(a_correction(entries[4]))
    desk.retract(a_retraction(a_correction(entries[4]), title_withheld=True))
    return desk


def test_wiping_and_rendering_again_gives_the_same_bytes_of_corrected_and_retracted_items(
    changed: Desk,
) -> None:
    """Proves clause 4.1.1."""
    before = changed.files()

    assert changed.rebuilt() == before


def test_rebuilding_over_what_stands_brings_nothing_back(changed: Desk) -> None:
    before = changed.files()
    changed.website.rebuild(lambda _: "正文。")
    changed.website.rebuild(lambda _: "## 一、范围\n\n消防通道。")

    assert changed.files() == before


def assert_repeats(desk: Desk, change: Entry, every: int) -> None:
    """Broken off after every so manieth call, and made again, the change ends the same."""

    def begin() -> None:
        desk.wipe()
        desk.recorded = []
        desk.publish(WITH_FILES)
        if change.retraction:
            desk.correct(CORRECTED)

    def make() -> tuple[str, ...]:
        return desk.retract(change) if change.retraction else desk.correct(change)

    begin()
    numbers: list[int] = []
    with desk.on_call(lambda number, _: numbers.append(number)):
        make()
    expected = desk.files()

    for point in numbers[::every]:
        begin()

        def fail(number: int, _: str, point: int = point) -> None:
            if number == point:
                raise ConnectionError

        with desk.on_call(fail, "after-call"), pytest.raises(ConnectionError):
            make()
        make()

        assert desk.files() == expected, point


@pytest.mark.parametrize("change", [CORRECTED, a_retraction(CORRECTED)], ids=["corrected", "retracted"])
def test_a_change_broken_off_and_repeated_ends_the_same(desk: Desk, change: Entry) -> None:
    assert_repeats(desk, change, every=6)


@pytest.mark.crash_full
@pytest.mark.parametrize("change", [CORRECTED, a_retraction(CORRECTED)], ids=["corrected", "retracted"])
def test_a_change_broken_off_after_any_call_and_repeated_ends_the_same(desk: Desk, change: Entry) -> None:
    assert_repeats(desk, change, every=1)


def test_a_correction_that_is_outpaced_by_a_retraction_brings_nothing_back(desk: Desk) -> None:
    desk.publish(an_entry("s-public"))
    desk.publish(WITH_FILES)
    gone = a_retraction(CORRECTED)
    desk.between.append(lambda: desk.retract(gone))
    desk.correct(CORRECTED)
    desk.retract(gone)

    assert desk.files() == desk.rebuilt()


def test_a_correction_keeps_the_items_place_and_its_own_repeat_changes_nothing() -> None:
    later = replace(WITH_FILES, revision=2, published_at=NOON + timedelta(days=3), time_zone="Europe/Berlin")
    once = corrected(WITH_FILES, later, at=NOON, note="更正。")

    assert (once.published_at, once.time_zone) == (NOON, "Asia/Shanghai")
    assert corrected(once, later, at=NOON + timedelta(days=1), note="又一次。") is once
    assert once.corrections[0].files == ("files/1.png", "files/2.png")
    gone = a_retraction(once)
    assert a_retraction(gone, title_withheld=True) is gone


@pytest.mark.parametrize(
    "after",
    [
        replace(WITH_FILES, revision=2, category=Category.NEWS),
        replace(WITH_FILES, revision=2, classification=Classification.PUBLIC),
        replace(WITH_FILES, revision=2, submission="s-other"),
        replace(WITH_FILES, revision=0),
    ],
)
def test_what_belongs_elsewhere_is_no_correction(after: Entry) -> None:
    with pytest.raises(ValueError, match="s-first"):
        corrected(WITH_FILES, after, at=NOON, note="更正。")


def test_what_was_taken_back_is_corrected_no_more() -> None:
    with pytest.raises(ValueError, match="no longer"):
        a_correction(a_retraction(WITH_FILES))


@pytest.mark.parametrize("entry", [an_entry(), CORRECTED, TWICE, a_retraction(TWICE, title_withheld=True)])
def test_an_entry_is_read_as_it_was_written(entry: Entry) -> None:
    table = MemoryTable()
    table.put(put_entry("public", entry))

    assert list(entries_under(table, "public")) == [entry]


def test_a_late_delivery_does_not_undo_what_followed() -> None:
    table, gone = MemoryTable(), a_retraction(CORRECTED)
    for entry in (WITH_FILES, WITH_FILES, CORRECTED, CORRECTED, gone, gone):
        table.put(put_entry("internal", entry))
    for late in (WITH_FILES, CORRECTED):
        with pytest.raises(Stale):
            table.put(put_entry("internal", late))

    assert list(entries_under(table, "internal")) == [gone]


def test_an_entry_without_corrections_is_kept_as_ever() -> None:
    item = put_entry("public", an_entry()).describe()["Put"]["Item"]

    assert sorted(item) == ["facts", "pk", "sk", "v"]
    assert not {"corrections", "retraction"} & set(json.loads(item["facts"]["S"]))
