"""How often an address or a mailbox may try, and what is kept of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core.errors import RateLimited
from chalicelib.core.http import VIEWER_ADDRESS
from chalicelib.core.ids import fingerprint
from chalicelib.core.table import Key
from chalicelib.identity.model import (
    HANDLES_PER_ADDRESS,
    SIGN_IN_PER_ADDRESS,
    SIGN_IN_PER_MAILBOX,
    Limit,
)
from chalicelib.identity.store import CounterRecord
from tests.world import LIAISON, Answer, World, a_world


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with a_world() as world:
        yield world


@pytest.fixture
def world(shared: World) -> World:
    """The world at the beginning of a window that nothing was counted in yet."""
    shared.passed += timedelta(seconds=SIGN_IN_PER_ADDRESS.retry_after(shared.now()))
    return shared


def ask(world: World, email: str, address: str) -> Answer:
    return world.call("POST", "/api/v1/sign-in", {"email": email}, address=address)


def use_up(world: World, limit: Limit, who: str) -> None:
    """Count as many tries as the limit allows, in one step."""
    world.parts.limits.count(limit, who)
    pk = f"RATE#{limit.name}#{fingerprint(who)}"
    counter = next(world.plain_table.partition(CounterRecord, pk, newest_first=True))
    rest = limit.tries - int(counter.tries)
    world.plain_table.add_to(Key(CounterRecord, pk, counter.sk), number=("tries", rest))


def assert_limited(answer: Answer, limit: Limit) -> None:
    assert answer.status == 429
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert limit.seconds - 60 < int(answer.headers["Retry-After"]) <= limit.seconds


def test_a_mailbox_is_mailed_only_so_often_from_wherever_it_is_asked(world: World) -> None:
    tries = SIGN_IN_PER_MAILBOX.tries
    for number in range(tries):
        assert ask(world, "Stranger@example.com", f"198.51.100.{number}").status == 202
    assert_limited(ask(world, "stranger@EXAMPLE.com", "198.51.100.99"), SIGN_IN_PER_MAILBOX)
    assert ask(world, LIAISON.email, "198.51.100.99").status == 202
    world.passed += timedelta(seconds=SIGN_IN_PER_MAILBOX.seconds)
    assert ask(world, "stranger@example.com", "198.51.100.99").status == 202


def test_known_and_unknown_mailboxes_are_limited_alike(world: World) -> None:
    for email in (LIAISON.email, "unknown@example.com"):
        use_up(world, SIGN_IN_PER_MAILBOX, email)
        assert_limited(ask(world, email, "198.51.100.1"), SIGN_IN_PER_MAILBOX)


def test_an_address_asks_only_so_often_for_whomever_it_asks(world: World) -> None:
    use_up(world, SIGN_IN_PER_ADDRESS, "203.0.113.7")
    assert_limited(ask(world, "somebody@example.com", "203.0.113.7"), SIGN_IN_PER_ADDRESS)
    assert ask(world, "somebody@example.com", "203.0.113.8").status == 202


@pytest.mark.parametrize(
    "path", ["/api/v1/sessions", "/api/v1/review-links", "/api/v1/review-links/decision"]
)
def test_an_address_offers_only_so_many_handles(world: World, path: str) -> None:
    use_up(world, HANDLES_PER_ADDRESS, "203.0.113.9")
    limited = world.call("POST", path, {"handle": "x"}, as_=LIAISON, address="203.0.113.9")
    assert_limited(limited, HANDLES_PER_ADDRESS)
    other = world.call("POST", path, {"handle": "x"}, as_=LIAISON, address="203.0.113.10")
    assert other.status in {404, 422}


@pytest.fixture
def behind_edge(world: World) -> Iterator[World]:
    """The world as it is when CloudFront asks for everybody, and says for whom."""
    before = world.parts.settings
    world.parts.settings = replace(before, behind_edge="yes")
    yield world
    world.parts.settings = before


def test_behind_the_edge_visitors_are_counted_and_not_cloudfront(behind_edge: World) -> None:
    """Clause 5.2.1."""
    use_up(behind_edge, SIGN_IN_PER_ADDRESS, "203.0.113.20")

    def ask_through(edge: str, viewer: str) -> Answer:
        headers = {VIEWER_ADDRESS: viewer}
        body = {"email": "somebody@example.com"}
        return behind_edge.call("POST", "/api/v1/sign-in", body, headers=headers, address=edge)

    assert_limited(ask_through("130.176.0.1", "203.0.113.20"), SIGN_IN_PER_ADDRESS)
    assert_limited(ask_through("130.176.0.2", "203.0.113.20"), SIGN_IN_PER_ADDRESS)
    assert ask_through("130.176.0.1", "203.0.113.21").status == 202


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/sessions", {"handle": "x"}),
        ("POST", "/api/v1/review-links", {"handle": "x"}),
        ("POST", "/api/v1/review-links/decision", {"handle": "x"}),
    ],
)
def test_behind_the_edge_handles_are_counted_by_visitor(
    behind_edge: World, method: str, path: str, body: dict[str, str]
) -> None:
    use_up(behind_edge, HANDLES_PER_ADDRESS, "2001:db8::20")
    answers = [
        behind_edge.call(
            method, path, body, as_=LIAISON, headers={VIEWER_ADDRESS: viewer}, address="130.176.0.1"
        )
        for viewer in ("2001:0DB8:0::20", "2001:db8::21")
    ]
    assert_limited(answers[0], HANDLES_PER_ADDRESS)
    assert answers[1].status in {404, 422}


def test_without_an_edge_nobody_chooses_the_address_to_be_counted_under(world: World) -> None:
    use_up(world, SIGN_IN_PER_ADDRESS, "203.0.113.22")
    for claimed in ("198.51.100.1", "198.51.100.2"):
        headers = {VIEWER_ADDRESS: claimed}
        body = {"email": "somebody@example.com"}
        answer = world.call("POST", "/api/v1/sign-in", body, headers=headers, address="203.0.113.22")
        assert_limited(answer, SIGN_IN_PER_ADDRESS)


def test_tries_at_once_are_all_counted(world: World) -> None:
    limit = Limit(name="test", tries=15, seconds=600)

    def passes(_: int) -> bool:
        try:
            world.parts.limits.count(limit, "somebody")
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(passes, range(25))) == limit.tries


def test_neither_address_nor_mailbox_is_stored_in_clear(world: World) -> None:
    ask(world, "private@example.com", "198.51.100.200")
    counters = [item for item in world.all_items() if str(item["pk"]["S"]).startswith("RATE#")]
    assert counters
    assert all("expires_at" in item for item in counters)
    assert "private@" not in str(counters)
    assert "198.51.100.200" not in str(counters)


def test_a_limit_tells_the_seconds_until_its_next_window() -> None:
    limit = Limit(name="test", tries=1, seconds=600)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert limit.retry_after(start) == 600
    assert limit.retry_after(start + timedelta(seconds=599, milliseconds=900)) == 1
    assert limit.window(start + timedelta(seconds=599)) == limit.window(start)
    assert limit.window(start + timedelta(seconds=600)) == limit.window(start) + 1
