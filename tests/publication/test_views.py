"""Views of the website's items: counted once a visitor and day, and nothing kept by which to find the visitor."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.core.errors import NotFound, RateLimited, Stale
from chalicelib.core.table import Key
from chalicelib.identity.store import CounterRecord, counter_partition
from chalicelib.publication.model import Item
from chalicelib.publication.service.views import VIEWS_PER_ADDRESS, Views, is_somebody
from chalicelib.publication.store import SALT_KEY, VIEW_SHARDS, deliveries_of, put_salt, views_of
from chalicelib.submission.model import Channel
from infra.simulation.table import MemoryTable
from tests.publication.website_builders import NOON
from tests.world import Answer, World, a_world

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"
)
DESKTOP = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36"
HERE, THERE = "203.0.113.7", "198.51.100.20"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


@pytest.fixture
def submission(world: World) -> str:
    return world.publish()


def items_of(world: World) -> list[Any]:
    assert world.memory is not None
    return world.memory.items()


def look(world: World, submission: str, *, agent: str = PHONE, address: str = HERE, **headers: str) -> None:
    given = {"user-agent": agent} | {name.replace("_", "-"): value for name, value in headers.items()}
    world.parts.views.seen(submission, address=address, headers=given)


def test_a_visitor_counts_once_a_day_and_item(world: World, submission: str) -> None:
    for _ in range(3):
        look(world, submission)
    assert world.parts.views.of(submission) == 1

    look(world, submission, agent=DESKTOP)
    look(world, submission, address=THERE)
    look(world, world.publish())
    assert world.parts.views.of(submission) == 3

    with world.later(days=1):
        look(world, submission)
    assert sorted(views_of(world.plain_table, submission).values()) == [1, 3]


def test_the_channel_tells_how_often_its_item_was_looked_at(world: World, submission: str) -> None:
    look(world, submission)
    head = world.plain_journal.head(submission)
    [delivery] = deliveries_of(world.plain_table, submission, head.revision)
    item = Item(
        head=head, revision=world.plain_journal.revision(submission, head.revision), delivery=delivery
    )

    assert world.parts.adapters[Channel.WEBSITE].effect(item) == {"views": 1}  # type: ignore[attr-defined] # not yet of all


def test_what_the_page_posts_is_counted_whoever_may_be_signed_in_and_whatever_is_in_it(
    world: World, submission: str
) -> None:
    path = f"/api/v1/submissions/{submission}/views"
    first: Answer = world.call("POST", path, headers={"user-agent": PHONE})
    assert first.status == 202
    assert set(first.body) == {"correlation_id"}
    assert (
        world.call("POST", path, headers={"user-agent": DESKTOP, "content-type": "text/plain"}).status == 202
    )

    assert world.parts.views.of(submission) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"user-agent": "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)"},
        {"user-agent": "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"},
        {
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/131.0.0.0 Safari/537.36"
        },
        {"user-agent": "curl/8.5.0"},
        {"user-agent": "python-requests/2.32"},
        {"user-agent": PHONE, "sec-purpose": "prefetch;prerender"},
        {"user-agent": PHONE, "purpose": "prefetch"},
        {"user-agent": PHONE, "x-moz": "prefetch"},
        {"user-agent": PHONE, "x-purpose": "preview"},
    ],
)
def test_robots_and_what_is_fetched_ahead_are_nobody(headers: dict[str, str]) -> None:
    assert not is_somebody(headers)


@pytest.mark.parametrize(
    "agent",
    [
        PHONE,
        DESKTOP,
        "Mozilla/5.0 (Linux; Android 14; HUAWEI) AppleWebKit/537.36 Chrome/120.0 MicroMessenger/8.0.49",
        "Mozilla/5.0 (Linux; Android 12; CUBOT X30) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
    ],
)
def test_people_are_somebody(agent: str) -> None:
    assert is_somebody({"user-agent": agent})


def test_robots_cost_nothing(world: World, submission: str) -> None:
    look(world, submission, agent="Googlebot/2.1")

    assert world.parts.views.of(submission) == 0


def test_nothing_is_counted_of_what_is_not_on_the_website(world: World) -> None:
    by_mail = world.publish(channels=["email"])
    waiting = world.submit()
    for submission in (waiting, by_mail, f"s-{'a' * 20}"):
        look(world, submission)
        assert world.parts.views.of(submission) == 0


@pytest.mark.parametrize("submission", ["s-\x00", "../s", ""])
def test_what_cannot_be_an_items_id_is_no_key_to_read_by(world: World, submission: str) -> None:
    with pytest.raises(NotFound):
        look(world, submission)


def test_beyond_the_limit_of_an_address_nothing_is_counted(world: World, submission: str) -> None:
    busy, window = "192.0.2.200", VIEWS_PER_ADDRESS.window(world.now())
    for each in (window, window + 1):
        key = Key(CounterRecord, counter_partition(VIEWS_PER_ADDRESS, busy), str(each))
        world.plain_table.add_to(key, number=("tries", VIEWS_PER_ADDRESS.tries))

    with pytest.raises(RateLimited):
        look(world, submission, address=busy)
    assert world.parts.views.of(submission) == 0


def test_views_of_what_everybody_opens_at_once_are_written_in_several_places(
    world: World, submission: str
) -> None:
    for number in range(40):
        look(world, submission, address=f"192.0.2.{number}")
    shards = {
        item["pk"]["S"] for item in items_of(world) if item["pk"]["S"].startswith(f"VIEWS#{submission}#")
    }

    assert world.parts.views.of(submission) == 40
    assert len(shards) == VIEW_SHARDS


def test_neither_address_nor_browser_is_kept_and_yesterdays_salt_is_gone(
    world: World, submission: str
) -> None:
    kept = []
    for day in (20, 21):

        def then(day: int = day) -> datetime:
            return world.now() + timedelta(days=day)

        counting = Views(
            table=world.plain_table,
            journal=world.plain_journal,
            limits=world.parts.limits,
            now=then,
        )
        counting.seen(submission, address=HERE, headers={"user-agent": PHONE})
        kept.append(world.plain_table.get(SALT_KEY))
    everything = json.dumps(items_of(world), default=str)

    first, second = kept
    assert first
    assert second
    assert first.day < second.day
    assert second.salt in everything
    assert not any(secret in everything for secret in (HERE, "iPhone", first.salt))


def test_whoever_comes_first_makes_the_days_salt_and_nobody_brings_yesterdays_back() -> None:
    table = MemoryTable()
    table.put(put_salt("2026-11-23", "first", NOON))
    for day in ("2026-11-23", "2026-11-22"):
        with pytest.raises(Stale):
            table.put(put_salt(day, "second", NOON))
    table.put(put_salt("2026-11-24", "third", NOON))

    record = table.get(SALT_KEY)
    assert record is not None
    assert (record.day, record.salt) == ("2026-11-24", "third")
