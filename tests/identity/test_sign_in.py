"""Signing in by a mailed handle: what it tells strangers, what it stores, and how often it works."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.errors import NotFound
from chalicelib.core.ids import fingerprint
from chalicelib.identity.model import SIGN_IN_LIFE, Session
from chalicelib.people.model import Duty, Person, Role
from tests.faults import FaultyAws
from tests.world import EDITOR, LIAISON, LONG_AGO, PEOPLE, Answer, World, a_person, a_world

AWS = FaultyAws()
FORMER = Person(
    id="p-former",
    name="Former",
    email="former@example.com",
    duties=(
        Duty(
            role=Role.LIAISON,
            department="marketing",
            since=LONG_AGO,
            until=LONG_AGO + timedelta(days=365),
        ),
    ),
)
ENGLISH = a_person("english", (Role.LIAISON, "research"), language="en")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, FORMER, ENGLISH, aws=AWS) as world:
        yield world


def ask(world: World, email: str) -> Answer:
    return world.call("POST", "/api/v1/sign-in", {"email": email})


def handle_for(world: World, person: Person) -> str:
    """The handle of a fresh sign-in mail."""
    assert ask(world, person.email).status == 202
    world.cloud.settle()
    return world.links(person, "s")[0]


def offer(world: World, handle: str) -> Answer:
    return world.call("POST", "/api/v1/sessions", {"handle": handle, "bearer": True})


def told(answer: Answer) -> tuple[int, dict[str, Any], dict[str, str]]:
    """An answer without what differs from request to request."""
    body = {name: value for name, value in answer.body.items() if name != "correlation_id"}
    headers = {name: value for name, value in answer.headers.items() if name != "X-Correlation-Id"}
    return answer.status, body, headers


def stored_items(world: World) -> list[str]:
    """Every item of the table as text."""
    return [json.dumps(item, ensure_ascii=False, default=list) for item in world.all_items()]


def test_the_answer_and_the_work_are_the_same_for_known_and_unknown_mailboxes(world: World) -> None:
    seen = []
    for email in (LIAISON.email, FORMER.email, "stranger@example.com"):
        AWS.begin()
        seen.append((told(ask(world, email)), list(AWS.calls)))
    (status, body, _), calls = seen[0]
    assert (status, body) == (202, {})
    assert len(calls) == 3
    assert seen == [seen[0]] * 3


def test_only_somebody_on_duty_is_mailed(world: World) -> None:
    world.cloud.settle()
    before = len(world.cloud.mails())
    for email in (FORMER.email, "nobody@example.com"):
        ask(world, email)
    world.cloud.settle()
    assert len(world.cloud.mails()) == before
    handle_for(world, EDITOR)
    assert [mail.to for mail in world.cloud.mails()][: -before or None] == [EDITOR.email]


def test_the_mailbox_is_known_in_any_case(world: World) -> None:
    before = len(world.links(LIAISON, "s"))
    assert ask(world, LIAISON.email.upper()).status == 202
    world.cloud.settle()
    assert len(world.links(LIAISON, "s")) == before + 1


def test_the_handle_travels_in_the_fragment_of_the_one_link(world: World) -> None:
    handle = handle_for(world, LIAISON)
    mail = world.cloud.mails()[0]
    assert mail.links == (f"https://desk.test/s#{handle}",)
    assert mail.html.count(handle) == 2, "as the link's address and as its text"
    assert len(handle) == 43, "256 bits"


def test_the_mail_speaks_the_persons_language(world: World) -> None:
    handle_for(world, ENGLISH)
    assert world.cloud.mails()[0].text.isascii()
    handle_for(world, LIAISON)
    assert not world.cloud.mails()[0].text.isascii()


def test_a_handle_opens_one_session(world: World) -> None:
    handle = handle_for(world, LIAISON)
    first = offer(world, handle)
    assert first.status == 201
    assert first.body["person"] == {
        "id": LIAISON.id,
        "name": LIAISON.name,
        "email": LIAISON.email,
        "language": "zh-Hans",
        "duties": [{"role": "liaison", "department": "marketing"}],
    }
    assert offer(world, handle).status == 404


def test_a_handle_offered_by_twenty_at_once_opens_one_session(world: World) -> None:
    handle = handle_for(world, LIAISON)

    def open_session(_: int) -> Session | None:
        try:
            return world.parts.sign_in.open(handle, address="192.0.2.20")
        except NotFound:
            return None

    with ThreadPoolExecutor(20) as pool:
        sessions = [session for session in pool.map(open_session, range(20)) if session is not None]
    (session,) = sessions
    assert world.parts.sessions.person(session.token)[0].id == LIAISON.id


def test_a_handle_counts_for_fifteen_minutes(world: World) -> None:
    in_time, late = handle_for(world, LIAISON), handle_for(world, LIAISON)
    assert timedelta(minutes=15) == SIGN_IN_LIFE
    world.passed += SIGN_IN_LIFE - timedelta(minutes=1)
    assert offer(world, in_time).status == 201
    world.passed += timedelta(minutes=1)
    assert offer(world, late).status == 404


@pytest.mark.parametrize("handle", ["x", "A" * 43, "\ud800", "句柄", "p-liaison.x", "\x00"])
def test_an_unknown_handle_gets_the_answer_of_a_used_one(world: World, handle: str) -> None:
    used = handle_for(world, EDITOR)
    offer(world, used)
    world.passed += timedelta(minutes=10)
    unknown = offer(world, handle)
    assert unknown.status == 404
    assert told(unknown) == told(offer(world, used))


def test_handles_and_tokens_are_stored_as_hashes_only(world: World) -> None:
    unused, handle = handle_for(world, LIAISON), handle_for(world, LIAISON)
    token = offer(world, handle).body["token"]
    items = stored_items(world)
    for secret in (unused, handle, token, token.partition(".")[2]):
        assert not [item for item in items if secret in item]
    for pk in (f"SIGNIN#{fingerprint(unused)}", f"SESSION#{fingerprint(token)}"):
        (item,) = [json.loads(item) for item in items if pk in item]
        assert int(item["expires_at"]["N"]) > world.now().timestamp()


def test_no_handle_or_token_reaches_a_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "chalicelib")
    handle = handle_for(world, LIAISON)
    token = offer(world, handle).body["token"]
    offer(world, handle)
    for bearer in (token, f"{token}x"):
        for path in ("/api/v1/me", "/api/v1/submissions"):
            world.call("GET", path, headers={"authorization": f"Bearer {bearer}"})
        world.call("POST", "/api/v1/submissions", {}, headers={"authorization": f"Bearer {bearer}"})
        headers = {"authorization": f"Bearer {bearer}"}
        world.call("POST", "/api/v1/review-links", {"handle": handle}, headers=headers)
    logging.getLogger("chalicelib.test").debug("the log is listened to")
    written = caplog.text + repr([record.args for record in caplog.records])
    assert "the log is listened to" in written
    for secret in (handle, token, token.partition(".")[2]):
        assert secret not in written


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/email"),
        ({"email": None}, "/email"),
        ({"email": "liaison"}, "/email"),
        ({"email": "a@b.example\nBcc: c@d.example"}, "/email"),
        ({"email": "a@b.example", "name": ""}, "/name"),
        ([], ""),
    ],
)
def test_what_is_no_address_is_refused_by_field(world: World, body: object, pointer: str) -> None:
    answer = world.call("POST", "/api/v1/sign-in", body)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
