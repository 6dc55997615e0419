"""The site in its bucket: what stands there after publications that race, break off, repeat or start over."""

import posixpath
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from chalicelib.core.errors import Stale
from chalicelib.publication.channels.website.entry import PREFIXES, Entry
from chalicelib.publication.channels.website.sections import the_plan
from chalicelib.publication.channels.website.site import Website
from chalicelib.submission.model import Category, Classification
from tests.publication.website_builders import (
    BASES,
    BODY,
    BUCKET,
    DESK,
    NOON,
    Desk,
    Files,
    MemoryBucket,
    a_website,
    an_entry,
    attached,
    links_of,
)

INTERNAL = Classification.INTERNAL


def assert_lists(files: Files, prefix: str, *entries: Entry) -> None:
    """Every index under the prefix that must show these items does."""
    for entry in entries:
        own = f"{entry.submission}/{entry.revision}/index.html"
        section = the_plan().section_of(entry.category)
        indexes = (
            "index.html",
            section.path,
            section.year_path(entry.year),
            "search/2026-11.json",
            "feed.atom",
            "sitemap.xml",
        )
        assert f"{prefix}/{own}" in files
        for index in indexes:
            assert own.encode() in files[f"{prefix}/{index}"][0], (index, own)


def test_a_public_item_appears_on_both_sites(desk: Desk) -> None:
    """Proves clause 4.1.1."""
    entry = an_entry()

    assert desk.publish(entry) == (
        "https://site.example/s-first/1/index.html",
        "https://intranet.example/s-first/1/index.html",
    )
    for prefix in ("public", "internal"):
        assert_lists(desk.files(), prefix, entry)


def test_on_paper_an_item_leads_to_where_all_its_readers_can_go(desk: Desk) -> None:
    desk.publish(an_entry())
    desk.publish(an_entry("s-secret", classification=INTERNAL))
    files = desk.files()

    assert files["public/s-first/1/index.html"][0] == files["internal/s-first/1/index.html"][0]
    assert b"<p>https://site.example/s-first/1/index.html</p>" in files["internal/s-first/1/index.html"][0]
    assert (
        b"<p>https://intranet.example/s-secret/1/index.html</p>" in files["internal/s-secret/1/index.html"][0]
    )


def test_all_five_sections_exist_and_no_link_is_dead_from_the_first_publication_on(desk: Desk) -> None:
    """Proves clause 4.1.2."""
    for number, category in enumerate(Category):
        desk.publish(
            an_entry(f"s-{number}", category=category, published_at=NOON - timedelta(days=200 * number))
        )
        files = desk.files()

        assert {
            f"{prefix}/{section.path}"
            for prefix in PREFIXES[Classification.PUBLIC]
            for section in the_plan().sections
        } <= set(files)
        for key, (page, kind, _) in files.items():
            for link in links_of(page) if kind.startswith("text/html") else ():
                assert (
                    link in {"#main", f"{DESK}/me"}
                    or posixpath.normpath(posixpath.join(posixpath.dirname(key), link)) in files
                )


def test_nothing_internal_is_ever_rendered_under_the_public_prefix(desk: Desk) -> None:
    """Proves clause 5.3.1."""
    secret = an_entry(
        "s-secret", title="内部薪酬调整说明", summary="仅供内部", keywords=("薪酬",), classification=INTERNAL
    )
    desk.publish(an_entry())
    desk.publish(secret)
    desk.publish(an_entry("s-third"))
    desk.website.rebuild(lambda _: BODY)

    for key, (content, _, _) in desk.files().items():
        if key.startswith("public/"):
            assert not any(word.encode() in content for word in ("薪酬", "s-secret", "仅供内部")), key
    assert_lists(desk.files(), "internal", secret)


@pytest.mark.parametrize(
    ("classification", "prefixes"),
    [
        (Classification.INTERNAL, ("public", "internal")),
        (Classification.INTERNAL, ("public",)),
        (Classification.INTERNAL, ()),
        (Classification.CONFIDENTIAL, ("internal",)),
        (Classification.CONFIDENTIAL, ()),
        (Classification.PUBLIC, ("internal",)),
        (Classification.PUBLIC, ("public", "internal", "elsewhere")),
    ],
)
def test_prefixes_that_contradict_the_classification_are_refused(
    desk: Desk,
    classification: Classification,
    prefixes: tuple[str, ...],
) -> None:
    entry = an_entry(classification=classification)
    desk.recorded.append(entry)

    with pytest.raises(ValueError, match="does not belong"):
        desk.website.write_item(entry, BODY, prefixes)
    assert desk.files() == {}


def test_a_listing_that_mixes_internal_items_into_the_public_site_is_refused(desk: Desk) -> None:
    public, secret = an_entry(), an_entry("s-secret", classification=INTERNAL)
    website = Website(
        s3=desk.s3,
        bucket=BUCKET,
        entries=lambda _: [public, secret],
        base_urls=BASES,
        attached=attached,
        desk_url=DESK,
    )

    with pytest.raises(ValueError, match="s-secret is listed under public"):
        website.publish(public, ("public", "internal"))
    with pytest.raises(ValueError, match="s-secret is listed under public"):
        website.rebuild(lambda _: BODY)
    assert not any(b"s-secret" in content for content, _, _ in desk.files().values())


def test_an_item_that_is_not_recorded_is_not_quietly_left_out(desk: Desk) -> None:
    with pytest.raises(ValueError, match="not recorded"):
        desk.website.publish(an_entry(), ("public", "internal"))


def test_an_items_page_can_be_written_before_anything_points_at_it(desk: Desk) -> None:
    entry = an_entry(classification=INTERNAL)
    desk.website.write_item(entry, BODY, ("internal",))
    before = desk.files()
    desk.publish(entry)

    assert list(before) == ["internal/s-first/1/index.html"]
    assert before.items() <= desk.files().items()


@pytest.mark.parametrize("earlier", [(), ("s-earlier",)])
def test_two_publications_at_once_both_appear_wherever_the_second_comes_in_between(
    desk: Desk,
    earlier: tuple[str, ...],
) -> None:
    """Proves clause 4.1.1."""
    before = [an_entry(name, classification=INTERNAL) for name in earlier]
    first, second = (an_entry(name, classification=INTERNAL) for name in ("s-first", "s-second"))
    for entry in before:
        desk.publish(entry)
    points = calls_of(desk, first)
    desk.wipe()
    desk.recorded = [*before, first, second]
    desk.website.rebuild(lambda _: BODY)
    expected = {key: file for key, file in desk.files().items() if key.startswith("internal/")}

    for point in range(points):
        desk.wipe()
        desk.recorded = []
        for entry in before:
            desk.publish(entry)

        def interrupt(number: int, _: str, point: int = point) -> None:
            if number == point:
                desk.publish(second)

        with desk.on_call(interrupt):
            desk.publish(first)

        assert desk.files() == expected, point


def test_twenty_publications_at_once_all_appear_wherever_something_is_listed() -> None:
    """Proves clause 4.1.1."""
    bucket, all_have_listed = MemoryBucket(), threading.Barrier(20)
    recorded = [
        an_entry(f"s-{number:02}", title=f"第{number}号", classification=INTERNAL) for number in range(20)
    ]
    late = threading.local()

    def entries(prefix: str) -> list[Entry]:
        listed = [entry for entry in list(recorded) if prefix in PREFIXES[entry.classification]]
        if not hasattr(late, "listed"):
            late.listed = True
            all_have_listed.wait(timeout=20)
        return listed

    website = a_website(bucket, entries)
    for entry in recorded:
        website.write_item(entry, BODY, ("internal",))
    with ThreadPoolExecutor(20) as pool:
        urls = list(pool.map(lambda entry: website.publish(entry, ("internal",)), recorded))
    standing = {key: (body, "", "") for key, body in bucket.bodies().items()}

    assert len(set(urls)) == 20
    assert_lists(standing, "internal", *recorded)


def test_a_publication_in_the_middle_of_a_listing_is_not_lost(desk: Desk) -> None:
    first, second, third = (an_entry(name) for name in ("s-first", "s-second", "s-third"))
    desk.publish(first)
    desk.between.append(lambda: desk.publish(third))
    desk.publish(second)

    for prefix in ("public", "internal"):
        assert_lists(desk.files(), prefix, first, second, third)


def calls_of(desk: Desk, entry: Entry) -> int:
    """How many S3 calls this publication makes now."""
    numbers: list[int] = []
    with desk.on_call(lambda number, _: numbers.append(number)):
        desk.publish(entry)
    return len(numbers)


def test_a_publication_broken_off_after_any_call_and_repeated_ends_the_same(desk: Desk) -> None:
    entry = an_entry(classification=INTERNAL)
    points = calls_of(desk, entry)
    expected = desk.files()

    for point in range(points):
        desk.wipe()

        def fail(number: int, _: str, point: int = point) -> None:
            if number == point:
                raise ConnectionError

        with desk.on_call(fail, "after-call"), pytest.raises(ConnectionError):
            desk.publish(entry)
        desk.publish(entry)

        assert desk.files() == expected, point


@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "PreconditionFailed", "NoSuchKey"])
def test_a_lost_race_at_any_shared_page_is_run_again(desk: Desk, code: str) -> None:
    desk.publish(an_entry("s-before", classification=INTERNAL))
    lost: list[int] = []

    def lose_each_once(number: int, operation: str) -> None:
        if operation == "PutObject" and number > 0 and len(lost) < 5:
            lost.append(number)
            raise ClientError({"Error": {"Code": code}}, operation)

    with desk.on_call(lose_each_once):
        desk.publish(an_entry(classification=INTERNAL))

    assert len(lost) == 5
    assert_lists(desk.files(), "internal", *desk.recorded)


def test_an_items_page_is_written_although_another_write_was_under_way(desk: Desk) -> None:
    def conflict_first(number: int, operation: str) -> None:
        if number == 0:
            raise ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, operation)

    with desk.on_call(conflict_first):
        desk.website.write_item(an_entry(classification=INTERNAL), BODY, ("internal",))

    assert list(desk.files()) == ["internal/s-first/1/index.html"]


def test_who_loses_every_race_is_told(desk: Desk) -> None:
    entry = an_entry(classification=INTERNAL)
    desk.publish(entry)

    races: list[str] = []

    def outpaced(prefix: str) -> list[Entry]:
        races.append(prefix)
        desk.s3.put_object(Bucket=BUCKET, Key="internal/index.html", Body=str(len(races)).encode())
        return [entry]

    outpaced("internal")
    website = Website(
        s3=desk.s3, bucket=BUCKET, entries=outpaced, base_urls=BASES, attached=attached, desk_url=DESK
    )

    with pytest.raises(Stale):
        website.publish(entry, ("internal",))
    assert len(races) == 1 + 20


def test_a_refusal_that_is_no_race_is_passed_on(desk: Desk) -> None:
    def deny(_: int, operation: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, operation)

    with desk.on_call(deny), pytest.raises(ClientError, match="AccessDenied"):
        desk.publish(an_entry())
    assert desk.files() == {}


def test_wiping_the_bucket_and_rendering_again_gives_the_same_bytes(desk: Desk) -> None:
    """Proves clause 4.1.1."""
    for number, category in enumerate(Category):
        when = NOON - timedelta(days=200 * number)
        desk.publish(an_entry(f"s-{number}", category=category, published_at=when))
        desk.publish(an_entry(f"s-{number}i", category=category, published_at=when, classification=INTERNAL))
    before = desk.files()
    desk.wipe()

    assert desk.website.rebuild(lambda _: BODY) == 12
    assert desk.files() == before


def test_rebuilding_brings_a_new_design_to_old_pages(desk: Desk) -> None:
    desk.publish(an_entry())
    before = desk.files()
    for key in before:
        desk.s3.put_object(Bucket=BUCKET, Key=key, Body=b"the old design")
    desk.website.rebuild(lambda _: BODY)

    assert desk.files() == before


def test_an_empty_site_has_its_pages_too(desk: Desk) -> None:
    """Proves clause 4.1.2."""
    assert desk.website.rebuild(lambda _: BODY) == 0
    assert len(desk.files()) == 2 * (5 + 4) + 1, "and the page that leads into the intranet"


def test_browsers_learn_what_a_file_is_and_how_long_to_keep_it(desk: Desk) -> None:
    desk.publish(an_entry())
    headers = {key: file[1:] for key, file in desk.files().items()}

    assert headers["public/index.html"] == ("text/html; charset=utf-8", "public, max-age=60")
    assert headers["internal/s-first/1/index.html"] == ("text/html; charset=utf-8", "private, max-age=60")
    assert headers["public/feed.atom"][0] == "application/atom+xml; charset=utf-8"
    assert headers["public/sitemap.xml"][0] == "application/xml; charset=utf-8"


def test_a_publication_costs_fourteen_calls_for_each_prefix_and_its_repeat_eight(desk: Desk) -> None:
    desk.publish(an_entry("s-before"))
    entry = an_entry(classification=INTERNAL)

    assert calls_of(desk, entry) == 14
    assert calls_of(desk, entry) == 8


def test_a_base_url_that_could_not_stand_in_a_feed_is_refused(desk: Desk) -> None:
    bases = BASES | {"internal": "/site"}
    with pytest.raises(ValueError, match="absolute"):
        Website(
            s3=desk.s3, bucket=BUCKET, entries=desk.entries, base_urls=bases, attached=attached, desk_url=DESK
        )
