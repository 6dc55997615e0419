"""Submitting: who may, once or again, and what is kept of it."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.clock import from_text
from chalicelib.core.table import Found
from chalicelib.ledger.store import events_of
from chalicelib.people.model import Duty, Person, Role
from chalicelib.people.store import put_person
from tests.faults import FaultyAws
from tests.world import (
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    LONG_AGO,
    PEOPLE,
    Answer,
    World,
    a_form,
    a_person,
    a_world,
)

AWS = FaultyAws()
PATH = "/api/v1/submissions"
SECOND = a_person("second", (Role.LIAISON, "marketing"))
EXPIRED = Person(
    id="p-expired",
    name="Expired",
    email="expired@example.com",
    duties=(
        Duty(role=Role.EMPLOYEE, department="marketing", since=LONG_AGO),
        Duty(role=Role.LIAISON, department="marketing", since=LONG_AGO, until=LONG_AGO + timedelta(days=9)),
    ),
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, SECOND, EXPIRED, aws=AWS) as world:
        yield world


def post(world: World, form: object, *, as_: Person = LIAISON, key: str | None = None) -> Answer:
    return world.call("POST", PATH, form, as_=as_, headers={} if key is None else {"idempotency-key": key})


def receipt(answer: Answer) -> Mapping[str, Any]:
    assert answer.status == 201, answer
    return {name: value for name, value in answer.body.items() if name != "correlation_id"}


def codes(answer: Answer) -> dict[str, str]:
    """The code of each pointer that the refusal names."""
    assert answer.status == 422, answer
    return {error["pointer"]: error["code"] for error in answer.body["errors"]}


def test_a_liaisons_form_goes_into_review(world: World) -> None:
    """Clause 3.1.1: each department names a person who fills in the form."""
    form = a_form(world.now())
    answer = post(world, form)
    submission = receipt(answer)["id"]
    assert receipt(answer) == {"id": submission, "revision": 1, "state": "in_review"}
    shown = world.record(submission)
    assert shown["form"] == form
    assert shown["stage"] == "initial"
    assert [event["type"] for event in shown["events"]] == ["Submitted"]


def test_the_declaration_is_recorded_with_person_and_time(world: World) -> None:
    """Clause 3.1.3: the submitter answers for truth, accuracy, completeness, legality."""
    before = world.now()
    (event,) = world.record(world.submit())["events"]
    assert event["payload"]["declaration"] == {"accepted": True, "version": "2026-1"}
    assert event["actor"] == LIAISON.id
    assert before - timedelta(milliseconds=1) <= from_text(event["at"]) <= world.now()


def test_every_fault_is_told_at_once_by_field(world: World) -> None:
    """Clause 3.1.2: all of these are required and validated, all errors at once, by field."""
    answer = post(world, {"title": "", "category": "gossip", "channels": ["fax"], "unknown": 1})
    assert codes(answer) == {
        "/title": "blank",
        "/category": "not_one_of",
        "/channels/0": "not_one_of",
        "/unknown": "unknown_field",
        **dict.fromkeys(
            [
                *("/summary", "/body", "/department", "/drafter", "/publish_at", "/time_zone", "/audience"),
                *("/classification", "/importance", "/declaration"),
            ],
            "required",
        ),
    }
    assert all(error["message"] for error in answer.body["errors"])


def test_the_drafter_is_the_caller(world: World) -> None:
    assert codes(post(world, a_form(world.now(), drafter=SECOND.id))) == {"/drafter": "drafter_is_not_you"}


def test_an_unknown_role_and_list_of_the_audience_are_named(world: World) -> None:
    form = a_form(world.now(), audience=["role:king", "list:leadership", "role:employee", "list:of-old"])
    assert codes(post(world, form)) == {
        "/audience/0": "unknown_role",
        "/audience/2": "unknown_role",
        "/audience/3": "unknown_list",
    }


def test_an_unknown_department_of_the_audience_is_named(world: World) -> None:
    form = a_form(world.now(), audience=["nowhere", "research", "elsewhere"])
    assert codes(post(world, form)) == {
        "/audience/0": "unknown_department",
        "/audience/2": "unknown_department",
    }


@pytest.mark.parametrize(
    ("person", "department"),
    [
        (HEAD, "marketing"),
        (EXECUTIVE, "marketing"),
        (EXPIRED, "marketing"),
        (LIAISON, "research"),
        (LIAISON, "nowhere"),
    ],
)
def test_only_a_liaison_of_the_department_now_submits_for_it(
    world: World, person: Person, department: str
) -> None:
    """Clause 3.1.1: only a department's liaisons submit for it."""
    answer = post(world, a_form(world.now(), drafter=person.id, department=department), as_=person)
    assert answer.status == 403
    assert answer.body["code"] == "not_permitted"


def test_a_duty_that_ends_while_the_form_is_read_stops_it(world: World) -> None:
    """Clause 5.3.2: what a decision rests on is conditioned again inside the transaction."""
    ended = tuple(replace(duty, until=LONG_AGO + timedelta(days=1)) for duty in SECOND.duties)

    def end_the_duty(operation: str, _: Mapping[str, Any]) -> None:
        if operation == "TransactWriteItems":
            world.plain_table.put(put_person(replace(SECOND, duties=ended, version=2)))

    world.token(SECOND)
    AWS.watch = end_the_duty
    answer = post(world, a_form(world.now(), drafter=SECOND.id), as_=SECOND, key="ends")
    AWS.watch = None
    again = post(world, a_form(world.now(), drafter=SECOND.id), as_=SECOND, key="ends")
    world.plain_table.put(put_person(replace(SECOND, version=3)))
    assert (answer.status, answer.body["code"]) == (409, "stale")
    assert again.status == 403


def test_without_a_key_the_same_form_twice_is_two_submissions(world: World) -> None:
    form = a_form(world.now())
    assert receipt(post(world, form))["id"] != receipt(post(world, form))["id"]


def test_the_same_key_and_form_are_the_same_submission(world: World) -> None:
    form = a_form(world.now())
    first = receipt(post(world, form, key="same"))
    shuffled = dict(reversed(form.items()))
    assert receipt(post(world, shuffled, key="same")) == first
    assert len(list(events_of(world.plain_table, first["id"]))) == 1


def test_the_same_key_and_form_get_the_first_answer_after_the_submission_moved_on(world: World) -> None:
    world.cloud.settle()
    form = a_form(world.now())
    first = receipt(post(world, form, key="moving"))
    world.cloud.settle()
    assert world.decide(EDITOR, "request_changes").status == 200
    assert world.state(first["id"]) == "changes_requested"
    assert receipt(post(world, form, key="moving")) == first
    changed = {**form, "title": "关于停电检修的补充通知"}
    assert world.call("POST", f"{PATH}/{first['id']}/revisions", changed, as_=LIAISON).status == 201
    assert receipt(post(world, form, key="moving")) == first
    assert post(world, changed, key="moving").body["code"] == "idempotency_key_reused"
    with world.later(hours=1):
        assert receipt(post(world, form, key="moving")) == first, "although its publish time is past by now"


@pytest.mark.parametrize(
    "other",
    [
        lambda form: {**form, "title": "另一个标题"},
        lambda form: {**form, "unknown": 1},
        lambda _: {},
        lambda _: [],
        lambda _: "\ud800",
        lambda _: {"title": "\ud800"},
        lambda _: nested(900),
        lambda _: 2**200,
    ],
)
def test_the_same_key_with_another_body_is_a_conflict(world: World, other: Callable[[Any], object]) -> None:
    form = a_form(world.now())
    post(world, form, key="other")
    answer = post(world, other(form), key="other")
    assert answer.status == 409
    assert answer.body["code"] == "idempotency_key_reused"


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def test_a_refused_form_uses_up_no_key(world: World) -> None:
    assert post(world, a_form(world.now(), title=""), key="refused").status == 422
    assert post(world, a_form(world.now()), key="refused").status == 201


def test_the_same_key_of_two_persons_makes_two_submissions(world: World) -> None:
    mine = receipt(post(world, a_form(world.now()), key="shared"))
    theirs = receipt(post(world, a_form(world.now(), drafter=SECOND.id), as_=SECOND, key="shared"))
    assert mine["id"] != theirs["id"]


@pytest.mark.parametrize("key", ["", " ", "two words", "k" * 201, "钥匙", "k\n", "k\x00"])
def test_a_malformed_key_is_refused(world: World, key: str) -> None:
    answer = post(world, a_form(world.now()), key=key)
    assert answer.status == 400
    assert answer.body["code"] == "bad_idempotency_key"


def test_twenty_at_once_with_the_same_key_make_one_submission(world: World) -> None:
    form = a_form(world.now())

    def submit(number: int) -> tuple[str, int, str]:
        head = world.parts.submission_desk.submit(
            LIAISON, form, Found({}), idempotency_key="twenty", correlation_id=f"c-{number}"
        )
        return head.id, head.revision, head.state

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(submit, range(20)))
    ((submission, revision, state),) = answers
    assert (revision, state) == (1, "in_review")
    assert [event.type for event in events_of(world.plain_table, submission)] == ["Submitted"]
    assert world.parts.journal.revision(submission, 1).form.document == form


def test_a_submissions_digest_is_salted(world: World) -> None:
    """Clause 1.3.4: the ledger's digest of a short text tells nothing of it."""
    form = a_form(world.now())
    digests = {world.record(receipt(post(world, form))["id"])["content_digest"] for _ in range(2)}
    assert len(digests) == 2


def test_what_only_the_roster_can_tell_is_told_with_everything_else_that_is_wrong(world: World) -> None:
    """Clause 3.1.2: all errors at once, by field."""
    form = a_form(world.now(), title="", drafter=EDITOR.id, audience=["marketing", "nowhere"])
    answer = world.call("POST", "/api/v1/submissions", form, as_=LIAISON)
    assert answer.status == 422
    told = {error["pointer"]: error["code"] for error in answer.body["errors"]}
    assert told == {"/title": "blank", "/drafter": "drafter_is_not_you", "/audience/1": "unknown_department"}
