"""Signing in and out join the crash matrix: every AWS call goes wrong in every way; people still get in, and out."""

import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.core.ids import fingerprint, new_secret
from chalicelib.identity.store import put_session, session_key
from tests.browsing import Browser
from tests.faults import Fault, FaultyAws, Mode, Point
from tests.world import LIAISON, Answer, World, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
MOST_MAILS_ASKED_FOR = 2


def persist(world: World, path: str, body: dict[str, object]) -> Answer:
    """Send a request again while there is an error page."""
    answers = (world.call("POST", path, body) for _ in range(3))
    return next(answer for answer in answers if answer.status < 500)


def sign_in(world: World) -> str:
    """The token of a session, got as a person gets it; a handle that does not work is asked for once more."""
    for _ in range(MOST_MAILS_ASKED_FOR):
        assert persist(world, "/api/v1/sign-in", {"email": LIAISON.email}).status == 202
        world.cloud.settle()
        for handle in world.links(LIAISON, "s")[:2]:
            answer = persist(world, "/api/v1/sessions", {"handle": handle, "bearer": True})
            if answer.status == 201:
                return str(answer.body["token"])
    raise AssertionError("no handle worked")


def test_whatever_call_fails_or_repeats_a_person_gets_in_and_no_handle_works_twice(
    record_property: Record,
) -> None:
    with a_world(aws=AWS) as world:
        AWS.begin()
        sign_in(world)
        faults = [Fault(point=point, mode=mode) for point in AWS.points() for mode in Mode]
        assert len(faults) >= 8 * len(Mode)
        record_property("figure", f"signing in: all {len(faults)} crash points")
        for fault in faults:
            world.passed += timedelta(hours=1)  # past the rate limit, and past every older handle
            AWS.begin(fault)
            token = sign_in(world)
            AWS.fault = None
            assert AWS.struck, f"{fault} never came"
            me = world.call("GET", "/api/v1/me", headers={"authorization": f"Bearer {token}"})
            assert me.body["person"]["id"] == LIAISON.id, fault
            items = world.items()
            sessions = [pk.removeprefix("SESSION#") for pk, _ in items if pk.startswith("SESSION#")]
            uses = [item["session"]["S"] for (pk, _), item in items.items() if "session" in item]
            assert sorted(uses) == sorted(sessions), fault
            assert fingerprint(token) in uses, fault


@pytest.mark.parametrize("seed", range(3))
def test_a_request_for_a_link_that_comes_twice_sends_two_links_that_each_work_once(seed: int) -> None:
    with a_world() as world:
        world.cloud.pumps.duplicate = True
        world.cloud.pumps.shuffle = random.Random(seed)  # noqa: S311 — an order for a test
        assert world.call("POST", "/api/v1/sign-in", {"email": LIAISON.email}).status == 202
        world.cloud.settle()
        handles = world.links(LIAISON, "s")
        assert len(set(handles)) == 2
        for handle in handles:
            answers = [world.call("POST", "/api/v1/sessions", {"handle": handle}).status for _ in range(2)]
            assert answers == [201, 404]


def sign_out(world: World, fault: Fault | None) -> list[Point]:
    """Sign out as a person does who presses the button again on an error page; the calls that this takes.

    Nothing is left of the session.
    """
    browser, token = Browser(world), f"{LIAISON.id}.{new_secret()}"
    world.plain_table.put(put_session(token, LIAISON.id, world.now() + timedelta(hours=1)))
    browser.cookies["__Host-imprimatur"] = token
    page = browser.get("/me")
    AWS.begin(fault)
    answers = (browser.submit(page, "/sign-out") for _ in range(3))
    assert next(answer.status for answer in answers if answer.status < 500) in {200, 401}, fault
    AWS.fault, points = None, AWS.points()
    assert fault is None or AWS.struck, f"{fault} never came"
    assert world.plain_table.get(session_key(token)) is None, fault
    me = world.call("GET", "/api/v1/me", headers={"authorization": f"Bearer {token}"})
    assert me.status == 401, fault
    return points


def test_whatever_call_fails_or_repeats_who_signs_out_is_out(record_property: Record) -> None:
    with a_world(aws=AWS) as world:
        faults = [Fault(point=point, mode=mode) for point in sign_out(world, None) for mode in Mode]
        assert len(faults) == 2 * len(Mode), faults
        record_property("figure", f"signing out: all {len(faults)} crash points")
        for fault in faults:
            sign_out(world, fault)
