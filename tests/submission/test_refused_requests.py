"""What was refused is seen by the center and by the department itself, and by nobody else (clauses 3.1.1, 5.3.1)."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.events import Message
from chalicelib.core.listing import PAGE
from chalicelib.people.model import Role
from chalicelib.submission.letters import KEPT_BYTES, KEPT_FOR
from tests.senders import System, refused_requests_of
from tests.world import (
    ARCHIVIST,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    OTHER_LIAISON,
    PEOPLE,
    Answer,
    World,
    a_form,
    a_person,
    a_world,
)

DIRECTOR = a_person("director", (Role.CENTER_DIRECTOR, "center"))
ADMINISTRATOR = a_person("administrator", (Role.ADMINISTRATOR, "center"), (Role.CENTER_DIRECTOR, "center"))
CONFIDENTIAL = {
    "classification": "confidential",
    "audience": ["research"],
    "channels": ["email"],
    "title": "并购方案",
}


@pytest.fixture
def world() -> Iterator[World]:
    people = (*PEOPLE, DIRECTOR, ADMINISTRATOR)
    with a_world(*people, departments=("marketing", "research")) as world:
        world.cloud.pumps._streams.clear()
        yield world


def listed(world: World, as_: Any, **query: str) -> Answer:  # noqa: ANN401
    return world.call("GET", "/api/v1/refused-requests", as_=as_, query=query or None)


def read(world: World, request: str, as_: Any) -> Answer:  # noqa: ANN401
    return world.call("GET", f"/api/v1/refused-requests/{request}", as_=as_)


def refuse(world: World, **changes: Any) -> str:  # noqa: ANN401
    """Send marketing's letter, which is refused; answers the refused request's id."""
    before = set(refused_requests_of(world))
    System(world=world).send(**{"drafter": HEAD.id, **changes})
    world.cloud.settle()
    (request,) = set(refused_requests_of(world)) - before
    return request


def test_center_and_department_see_what_was_refused_why_and_when(world: World) -> None:
    """Clause 3.1.1."""
    request = refuse(world, title="", drafter=LIAISON.id)
    for person in (EDITOR, DIRECTOR, LIAISON):
        (item,) = listed(world, person).body["items"]
        assert (item["id"], item["department"], item["state"]) == (request, "marketing", "answered")
        assert item["problem"]["code"] == "invalid_submission"
        assert [error["pointer"] for error in item["problem"]["errors"]] == ["/title"]
        assert item["received_at"] < item["expires_at"]
        assert json.loads(read(world, request, person).body["content"])["title"] == ""


def test_nobody_else_sees_that_there_is_one(world: World) -> None:
    """Clause 5.3.1."""
    request = refuse(world)
    for person in (OTHER_LIAISON, HEAD, EXECUTIVE, ARCHIVIST):
        assert listed(world, person).body["items"] == []
        assert listed(world, person, department="marketing").body["items"] == []
        assert read(world, request, person).status == 404
    assert world.call("GET", "/api/v1/refused-requests").status == 401


@pytest.mark.parametrize("person", [EDITOR, ADMINISTRATOR])
def test_a_confidential_text_shows_neither_title_nor_drafter_nor_content_to_who_may_not_read_it(
    world: World,
    person: Any,  # noqa: ANN401
) -> None:
    """Clause 5.3.1."""
    request = refuse(world, **CONFIDENTIAL)
    answers = listed(world, person), read(world, request, person)
    for shown in (answers[0].body["items"][0], answers[1].body):
        assert (shown["readable"], shown["title"], shown["drafter"]) == (False, None, None)
        assert shown["problem"]["code"] == "not_permitted"
    assert answers[1].body["content"] is None
    everything = json.dumps([answer.body for answer in answers], ensure_ascii=False)
    assert "并购方案" not in everything
    assert HEAD.id not in everything


@pytest.mark.parametrize("person", [LIAISON, DIRECTOR])
def test_department_and_director_read_a_confidential_text(world: World, person: Any) -> None:  # noqa: ANN401
    request = refuse(world, **CONFIDENTIAL)
    shown = read(world, request, person).body
    assert (shown["readable"], shown["title"], shown["drafter"]) == (True, "并购方案", HEAD.id)
    assert json.loads(shown["content"])["title"] == "并购方案"


@pytest.mark.parametrize("body", ["绝密：{", "[1]", '{"classification": "none", "title": "绝密"}'])
def test_what_does_not_soundly_say_its_classification_counts_as_confidential(world: World, body: str) -> None:
    request = refuse(world, body=body)
    assert read(world, request, EDITOR).body["content"] is None
    assert read(world, request, DIRECTOR).body["content"] == body
    assert "绝密" not in json.dumps(listed(world, EDITOR).body, ensure_ascii=False)


def test_list_is_newest_first_page_by_page_and_of_one_department_if_asked(world: World) -> None:
    sent = [System(world=world).send(body=f"第 {number} 条") for number in range(PAGE + 3)]
    research = System(world=world, department="research").send(body="研究")
    world.cloud.settle()
    first = listed(world, DIRECTOR).body
    second = listed(world, DIRECTOR, cursor=first["cursor"]).body
    items = [*first["items"], *second["items"]]
    assert (len(first["items"]), second["cursor"]) == (PAGE, None)
    assert {item["message_id"] for item in items} == {*sent, research}
    instants = [item["received_at"] for item in items]
    assert instants == sorted(instants, reverse=True)
    only = listed(world, DIRECTOR, department="research").body["items"]
    assert [item["message_id"] for item in only] == [research]


@pytest.mark.parametrize("query", [{"department": "No!"}, {"cursor": "x"}])
def test_a_list_of_what_cannot_be_is_refused(world: World, query: dict[str, str]) -> None:
    assert listed(world, EDITOR, **query).status in {400, 422}


@pytest.mark.parametrize("request_id", ["f-1", "s-aaaaaaaaaaaaaaaaaaaa", "f-aaaaaaaaaaaaaaaaaaaa"])
def test_what_is_not_there_is_not_found(world: World, request_id: str) -> None:
    assert read(world, request_id, DIRECTOR).status == 404


def test_it_is_gone_after_its_time_even_before_the_table_forgets_it(world: World) -> None:
    request = refuse(world)
    (expiry,) = {int(item["expires_at"]["N"]) for (pk, _), item in world.items().items() if request in pk}
    assert expiry == pytest.approx((world.now() + KEPT_FOR).timestamp(), abs=60)
    world.passed += KEPT_FOR - timedelta(minutes=1)
    assert read(world, request, LIAISON).status == 200
    world.passed += timedelta(minutes=2)
    assert listed(world, LIAISON).body["items"] == []
    assert read(world, request, LIAISON).status == 404


def test_of_what_is_too_long_to_be_kept_digest_and_size_are(world: World) -> None:
    """A queue lets nothing so long through: this is what holds if somebody changes the queue."""
    body = "长" * (KEPT_BYTES // 3 + 1)
    queue = f"{world.parts.settings.queue_url_prefix.rpartition('/')[2]}submissions-marketing"
    world.parts.intake.take_in(Message(id="m-12345678", queue=queue, body=body, attributes={}, tries=1))
    (request,) = refused_requests_of(world)
    shown = read(world, request, LIAISON).body
    assert (shown["content"], shown["size"]) == (None, len(body.encode()))
    assert len(shown["sha256"]) == 64
    (dead,) = System(world=world).dead()
    assert dead.body == body


def test_the_longest_letter_that_a_queue_takes_is_kept_whole(world: World) -> None:
    body = json.dumps(a_form(world.now(), title="", body="长" * 70_000), ensure_ascii=False)
    request = refuse(world, body=body)
    assert read(world, request, LIAISON).body["content"] == body
