"""Requests from departments' own systems: one standard whoever sends (clause 1.3.3), one department each (3.1.1)."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app import app
from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import object_key
from chalicelib.core.events import Message
from chalicelib.people.model import Duty, Role
from chalicelib.people.roster import Roster
from chalicelib.submission.letters import LONGEST_POINTER, MOST_ERRORS, TRIES
from chalicelib.submission.service.intake import Intake
from tests.faults import FaultyAws
from tests.senders import Dead, System, refused_requests_of, submissions_of
from tests.world import (
    EDITOR,
    HEAD,
    LIAISON,
    LONG_AGO,
    OTHER_LIAISON,
    PEOPLE,
    World,
    a_form,
    a_roster,
    a_world,
)

AWS = FaultyAws()
DEPARTMENTS = ("marketing", "research")


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(aws=AWS, departments=DEPARTMENTS) as world:
        AWS.begin()
        yield world
        AWS.watch = None


@pytest.fixture
def system(world: World) -> System:
    return System(world=world)


def without(*people: object) -> Roster:
    """The roster without these persons."""
    return a_roster(*(person for person in PEOPLE if person not in people))


def only(answers: list[dict[str, Any]]) -> dict[str, Any]:
    (answer,) = answers
    return answer


def refused(system: System) -> tuple[dict[str, Any], Dead]:
    """The one answer and the one dead letter that there are once all is at rest; no submission is."""
    system.world.cloud.settle()
    (dead,) = system.dead()
    assert submissions_of(system.world) == []
    return only(system.answers()), dead


def invocations(monkeypatch: pytest.MonkeyPatch, handler: str) -> list[list[str]]:
    """The ids of the messages of each call of a handler from now on."""
    usual, batches = app.handler_map[handler], list[list[str]]()

    def noted(event: dict[str, Any], context: object) -> Any:  # noqa: ANN401 — whatever it answers
        batches.append([record["messageId"] for record in event["Records"]])
        return usual(event, context)

    monkeypatch.setitem(app.handler_map, handler, noted)
    return batches


def test_one_bad_message_of_a_batch_becomes_a_reasoned_dead_letter_and_two_good_ones_submissions(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clause 1.3.3."""
    batches = invocations(monkeypatch, "take_in_submissions")
    sent = [system.send(title="一"), system.send(title=""), system.send(title="三")]
    system.world.cloud.settle()
    assert batches == [sent], "one invocation, the bad one in the middle, and none comes again"
    answers = {answer["message_id"]: answer for answer in system.answers()}
    assert [answers[message]["status"] for message in sent] == [201, 422, 201]
    taken = sorted(answers[message]["submission"]["id"] for message in (sent[0], sent[2]))
    assert submissions_of(system.world) == taken
    (dead,) = system.dead()
    assert dead.reason == "invalid_submission"
    assert json.loads(dead.body)["title"] == ""
    assert dead.attributes["first_message_id"] == sent[1]
    assert [dead.attributes["refused_request"]] == refused_requests_of(system.world)


def test_submission_names_system_drafter_policy_line_and_declaration(system: System) -> None:
    """Clauses 3.1.1 and 3.1.3: the department's system speaks, on behalf of a liaison who answers for it."""
    message = system.send()
    system.world.cloud.settle()
    submission = only(system.answers())["submission"]
    assert (submission["revision"], submission["state"]) == (1, "in_review")
    (event,) = system.world.events(submission["id"], "Submitted")
    assert (event.actor, event.on_behalf_of) == ("system:marketing", LIAISON.id)
    assert event.correlation_id == message
    assert event.policy is not None
    assert event.payload["declaration"] == {"accepted": True, "version": "2026-1"}
    system.world.approve()
    system.world.finish()
    number = system.world.plain_journal.head(submission["id"]).catalog_number
    assert number is not None
    package = system.world.plain_s3.get_object(
        Bucket=system.world.parts.settings.archive_bucket, Key=object_key(number)
    )["Body"].read()
    assert verify(package).findings == ()


@pytest.mark.parametrize(
    ("changes", "most"), [({}, 3), ({"title": ""}, 6), ({"drafter": HEAD.id}, 6), ({"body": "{"}, 5)]
)
def test_a_letter_costs_few_calls(world: World, changes: dict[str, Any], most: int) -> None:
    message = a_message(world, changes.get("body") or json.dumps(a_form(world.now(), **changes)))
    AWS.begin()
    world.parts.intake.take_in(message)
    assert len(AWS.calls) <= most, AWS.calls
    AWS.begin()
    world.parts.intake.take_in(message)
    assert len(AWS.calls) <= (4 if not changes else 1), AWS.calls


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"department": "research"}, {("/department", "department_is_not_the_queues")}),
        ({"drafter": "p-nobody"}, {("/drafter", "unknown_person")}),
        ({"drafter": 4, "title": ""}, {("/drafter", "wrong_type"), ("/title", "blank")}),
        ({"audience": ["nowhere"]}, {("/audience/0", "unknown_department")}),
        (
            {"department": "research", "drafter": "p-nobody", "publish_at": "2020-01-01T00:00:00+00:00"},
            {
                ("/department", "department_is_not_the_queues"),
                ("/drafter", "unknown_person"),
                ("/publish_at", "in_the_past"),
            },
        ),
    ],
)
def test_every_wrong_field_is_answered_at_once(
    system: System, changes: dict[str, Any], wrong: set[tuple[str, str]]
) -> None:
    system.send(**changes)
    answer, dead = refused(system)
    assert answer["status"] == answer["problem"]["status"] == 422
    assert {(each["pointer"], each["code"]) for each in answer["problem"]["errors"]} >= wrong
    assert dead.reason == "invalid_submission"


@pytest.mark.parametrize("drafter", [HEAD, EDITOR, OTHER_LIAISON])
def test_drafter_must_be_a_liaison_of_the_queues_department_now(system: System, drafter: Any) -> None:  # noqa: ANN401
    """Clause 3.1.1."""
    system.send(drafter=drafter.id)
    answer, dead = refused(system)
    assert (answer["status"], answer["problem"]["code"]) == (403, "not_permitted")
    assert dead.reason == "not_permitted"


def test_a_departments_system_speaks_for_its_own_department_only(world: World) -> None:
    """Clause 3.1.1: the queue says who speaks, whatever the message claims."""
    research = System(world=world, department="research")
    research.send(attributes={"department": "marketing"})
    answer, dead = refused(research)
    assert {each["code"] for each in answer["problem"]["errors"]} == {"department_is_not_the_queues"}
    assert System(world=world).answers() == []
    assert dead.reason == "invalid_submission"


@pytest.mark.parametrize(
    "body", ["没有 JSON", "{", "NaN", "[" * 100_000, "\ufeff{}", '{"a": ' + "9" * 5000 + "}"]
)
def test_what_is_not_json_is_refused(system: System, body: str) -> None:
    system.send(body=body)
    answer, dead = refused(system)
    assert (answer["status"], answer["problem"]["code"]) == (400, "not_json")
    assert "submission" not in answer
    assert dead.reason == "not_json"


@pytest.mark.parametrize("body", ["null", "[]", '"\\ud800"', '{"title": "\\ud800", "\\ud800": 1}', "{}"])
def test_json_that_is_no_form_is_refused(system: System, body: str) -> None:
    system.send(body=body)
    answer, dead = refused(system)
    assert (answer["status"], dead.body) == (422, body)


def test_however_much_is_wrong_the_answer_fits_into_a_message(system: System) -> None:
    names = {f"{number:04d}" + "\U0001f600" * 25: number for number in range(1900)}
    system.send(body=json.dumps(names, ensure_ascii=False))
    long = system.send(body=json.dumps({"长" * 60_000: 1}, ensure_ascii=False))
    system.world.cloud.settle()
    answers = {answer["message_id"]: answer["problem"]["errors"] for answer in system.answers()}
    assert max(map(len, answers.values())) == MOST_ERRORS
    assert max(len(error["pointer"]) for error in answers[long]) == LONGEST_POINTER
    assert len(system.dead()) == len(answers) == 2


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("en", "The publication request has wrong fields"),
        ("zh-Hant", "資訊發布申請表填寫有誤"),
        ("tlh", "信息发布申请表填写有误"),
        (None, "信息发布申请表填写有误"),
    ],
)
def test_answer_comes_in_the_language_that_the_sender_asks_for(
    system: System, language: str | None, title: str
) -> None:
    system.send(title="", attributes={"language": language} if language else {})
    answer, _ = refused(system)
    assert answer["problem"]["title"] == title


def test_same_key_and_body_make_one_submission_and_another_body_is_refused(system: System) -> None:
    form = json.dumps(a_form(system.world.now()))
    key = {"idempotency_key": "2026/17"}
    system.send(body=form, attributes=key)
    system.send(body=form, attributes=key)
    system.world.cloud.settle()
    first, second = system.answers()
    assert first["submission"] == second["submission"]
    assert first["idempotency_key"] == "2026/17"
    system.send(title="另一份", attributes=key)
    system.world.cloud.settle()
    answer = only(system.answers())
    assert (answer["status"], answer["problem"]["code"]) == (409, "idempotency_key_reused")
    assert submissions_of(system.world) == [first["submission"]["id"]]
    assert [dead.reason for dead in system.dead()] == ["idempotency_key_reused"]


def test_keys_of_two_departments_and_of_persons_do_not_meet(world: World) -> None:
    key = {"idempotency_key": "1"}
    System(world=world).send(attributes=key)
    System(world=world, department="research").send(
        department="research", drafter=OTHER_LIAISON.id, attributes=key
    )
    world.submit(key="1")
    world.cloud.settle()
    assert len(submissions_of(world)) == 3


@pytest.mark.parametrize("key", ["with space", "钥", "x" * 201])
def test_a_key_out_of_shape_is_refused(system: System, key: str) -> None:
    system.send(attributes={"idempotency_key": key})
    answer, dead = refused(system)
    assert (answer["status"], answer["problem"]["code"]) == (400, "bad_message_key")
    assert answer["idempotency_key"] is None
    assert dead.reason == "bad_message_key"


@pytest.mark.parametrize("seed", range(4))
def test_messages_that_come_twice_and_out_of_order_have_one_outcome_each(world: World, seed: int) -> None:
    world.cloud.pumps.duplicate = True
    world.cloud.pumps.shuffle = random.Random(seed)  # noqa: S311 — an order for a test
    system = System(world=world)
    good = {system.send(title=f"第{number}号") for number in range(3)}
    bad = {system.send(drafter=HEAD.id), system.send(body="{")}
    world.cloud.settle()
    answers = system.answers()
    assert {answer["message_id"] for answer in answers if answer["status"] == 201} == good
    assert {answer["message_id"] for answer in answers if answer["status"] != 201} == bad
    assert len(submissions_of(world)) == len(good)
    assert len(refused_requests_of(world)) == len(system.dead()) == len(bad)


def a_message(world: World, body: str, *, identity: str = "0d3b1c9e-first", tries: int = 1) -> Message:
    queue = f"{world.parts.settings.queue_url_prefix.rpartition('/')[2]}submissions-marketing"
    return Message(id=identity, queue=queue, body=body, attributes={}, tries=tries)


def test_a_message_that_comes_again_after_the_drafter_has_left_gets_its_first_answer(world: World) -> None:
    message = a_message(world, json.dumps(a_form(world.now())))
    world.parts.intake.take_in(message)
    world.parts.roster_keeper.apply(without(LIAISON), world.now())
    world.passed += timedelta(days=1)
    world.parts.intake.take_in(message)
    first, second = System(world=world).answers()
    assert first == second
    assert first["status"] == 201
    assert System(world=world).dead() == []


def test_a_refused_message_that_comes_again_stays_refused_and_is_answered_once(world: World) -> None:
    message = a_message(world, json.dumps(a_form(world.now())))
    world.parts.roster_keeper.apply(without(LIAISON), world.now())
    world.parts.intake.take_in(message)
    world.parts.roster_keeper.apply(a_roster(*PEOPLE), world.now())
    world.parts.intake.take_in(message)
    system = System(world=world)
    assert only(system.answers())["status"] == 403
    assert submissions_of(world) == []
    assert len(system.dead()) == 1


class Interrupted(Intake):
    """Another delivery of the same message comes in between, once it is decided what the first one becomes."""

    def _submitted(self, *arguments: Any) -> Any:  # noqa: ANN401 — whatever its base takes
        MEANWHILE.pop("submitted", lambda: None)()
        return super()._submitted(*arguments)

    def _refused(self, *arguments: Any) -> Any:  # noqa: ANN401 — as above
        MEANWHILE.pop("refused", lambda: None)()
        return super()._refused(*arguments)


MEANWHILE: dict[str, Callable[[], None]] = {}


@pytest.mark.parametrize("first_would_be", ["submitted", "refused"])
def test_of_two_deliveries_at_once_only_one_decides(world: World, first_would_be: str) -> None:
    """The drafter's duty begins or ends between the two: never a submission and a refusal of the same message."""
    soon = world.now() + timedelta(minutes=5)
    begins, ends = (soon, None) if first_would_be == "refused" else (LONG_AGO, soon)
    duty = Duty(role=Role.LIAISON, department="marketing", since=begins, until=ends)
    world.parts.roster_keeper.apply(a_roster(replace(LIAISON, duties=(duty,))), world.now())
    message = a_message(world, json.dumps(a_form(world.now())))

    def other_delivery() -> None:
        with world.later(minutes=6):
            world.parts.intake.take_in(message)

    MEANWHILE[first_would_be] = other_delivery
    parts = world.parts
    Interrupted(journal=parts.journal, desk=parts.submission_desk, queues=parts.queues).take_in(message)
    assert MEANWHILE == {}
    outcome = (len(submissions_of(world)), len(refused_requests_of(world)))
    assert outcome == ((1, 0) if first_would_be == "refused" else (0, 1))
    statuses = {answer["status"] for answer in System(world=world).answers()}
    assert statuses == ({201} if first_would_be == "refused" else {403})


def fails_for(title: str) -> Any:  # noqa: ANN401 — a FaultyAws.watch
    """DynamoDB is out of order for whatever holds this title."""

    def watch(operation: str, params: Mapping[str, Any]) -> None:
        if (
            operation == "TransactWriteItems"
            and title.encode() in json.dumps(json.loads(params["body"]), ensure_ascii=False).encode()
        ):
            raise ConnectionError(title)

    return watch


def test_what_fails_unforeseen_fails_alone_is_tried_again_and_ends_with_its_reason(system: System) -> None:
    AWS.watch = fails_for("倒霉的")
    unlucky = system.send(title="倒霉的")
    lucky = system.send(title="幸运的")
    system.world.cloud.settle()
    assert only(system.answers())["message_id"] == lucky
    (dead,) = system.dead()
    assert dead.reason == "ConnectionError"
    assert dead.attributes["first_message_id"] == unlucky
    assert refused_requests_of(system.world) == []


def test_it_is_tried_as_often_as_the_stack_says(world: World) -> None:
    AWS.watch = fails_for("倒霉的")
    body = json.dumps(a_form(world.now(), title="倒霉的"))
    for tries in range(1, TRIES):
        with pytest.raises(ConnectionError):
            world.parts.intake.take_in(a_message(world, body, tries=tries))
    assert System(world=world).dead() == []
    world.parts.intake.take_in(a_message(world, body, tries=TRIES))
    assert [dead.reason for dead in System(world=world).dead()] == ["ConnectionError"]


def test_what_cannot_even_be_buried_is_moved_by_the_queue_itself(system: System) -> None:
    def watch(operation: str, _params: Mapping[str, Any]) -> None:
        if operation in {"TransactWriteItems", "SendMessage"}:
            raise ConnectionError

    AWS.watch = watch
    system.send()
    system.world.cloud.settle()
    AWS.watch = None
    assert [dead.reason for dead in system.dead()] == [None]


def test_a_message_of_another_queue_is_not_taken_in(world: World) -> None:
    for queue in ("imprimatur-sign-in", "other-submissions-marketing", "imprimatur-submissions-", ""):
        message = Message(id="12345678", queue=queue, body="{}", attributes={}, tries=1)
        with pytest.raises(ValueError, match="queue"):
            world.parts.intake.take_in(message)
    assert refused_requests_of(world) == []
