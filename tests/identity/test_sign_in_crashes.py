"""Signing in joins the crash matrix: every AWS call on the way goes wrong in every way, and people still get in."""

import random
from datetime import timedelta

import pytest

from chalicelib.core.ids import fingerprint
from tests.faults import Fault, FaultyAws, Mode
from tests.world import LIAISON, Answer, World, a_world

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


def test_whatever_call_fails_or_repeats_a_person_gets_in_and_no_handle_works_twice() -> None:
    with a_world(aws=AWS) as world:
        AWS.begin()
        sign_in(world)
        faults = [Fault(point=point, mode=mode) for point in AWS.points() for mode in Mode]
        assert len(faults) >= 8 * len(Mode)
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
