"""`imprimatur queue`: dead letters are shown and sent back, and become submissions once their cause is mended."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.people.model import Role
from chalicelib.people.store import put_person
from infra import cli
from infra.commands import queue
from tests.faults import CrashError, Fault, FaultyAws, Mode, Point
from tests.senders import System, refused_requests_of, submissions_of
from tests.world import LIAISON, PEOPLE, World, a_person, a_world

AWS = FaultyAws()
NEWCOMER = a_person("newcomer", (Role.EMPLOYEE, "marketing"))
APPOINTED = replace(a_person("newcomer", (Role.LIAISON, "marketing")), version=2)


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(*PEOPLE, NEWCOMER, aws=AWS, departments=("marketing",)) as world:
        world.cloud.pumps._streams.clear()
        AWS.begin()
        yield world


@pytest.fixture
def system(world: World) -> System:
    return System(world=world)


def run(action: str, message: str | None = None, department: str = "marketing") -> int:
    return queue.run(action, department, message=message, wait=0, held=1)


def test_a_redriven_letter_becomes_a_submission_once_its_cause_is_mended(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    world, message = system.world, system.send(drafter=NEWCOMER.id)
    world.cloud.settle()
    (request,) = refused_requests_of(world)
    assert run("list") == queue.DONE
    shown = capsys.readouterr().out
    assert all(word in shown for word in (message, "not_permitted", request, "1 dead letters"))
    world.plain_table.put(put_person(APPOINTED))
    assert run("redrive") == queue.DONE
    world.cloud.settle()
    refusal, acceptance = system.answers()
    assert (refusal["status"], acceptance["status"]) == (403, 201)
    assert (acceptance["message_id"], acceptance["redrives"]) == (message, 1)
    assert submissions_of(world) == [acceptance["submission"]["id"]]
    assert system.dead() == []
    assert world.parts.refused_requests.read(LIAISON, request).request.standing == "redriven"


def test_a_letter_whose_cause_is_not_mended_comes_back_as_another_refused_request(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    message = system.send(drafter=NEWCOMER.id, attributes={"idempotency_key": "k", "language": "en"})
    for times in range(1, 3):
        system.world.cloud.settle()
        assert len(refused_requests_of(system.world)) == times
        run("redrive")
    system.world.cloud.settle()
    answers = system.answers()
    assert [answer["redrives"] for answer in answers] == [0, 1, 2]
    assert {(answer["message_id"], answer["idempotency_key"]) for answer in answers} == {(message, "k")}
    assert {answer["problem"]["title"] for answer in answers} == {"Not permitted"}
    run("list")
    assert "redriven 2 times" in capsys.readouterr().out


def test_one_letter_alone_is_sent_back_by_either_of_its_ids(system: System) -> None:
    sent = [system.send(body=f"{number}") for number in range(3)]
    system.world.cloud.settle()
    assert run("redrive", sent[1]) == queue.DONE
    system.world.cloud.settle()
    redriven = [answer["message_id"] for answer in system.answers() if answer["redrives"]]
    assert redriven == [sent[1]]
    assert run("redrive", "unknown-id") == queue.NOT_THERE
    assert len(system.dead()) == 3


def test_listing_leaves_the_letters_to_the_next_who_looks(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    system.send(body="1")
    system.world.cloud.settle()
    run("list")
    run("list")
    assert capsys.readouterr().out.count("1 dead letters") == 2


@pytest.mark.parametrize("operation", ["DeleteMessage", "BatchGetItem"])
def test_broken_off_between_sending_and_deleting_it_makes_no_second_submission(
    system: System, operation: str
) -> None:
    world = system.world
    system.send(drafter=NEWCOMER.id)
    world.cloud.settle()
    world.plain_table.put(put_person(APPOINTED))
    label = "DeleteMessage" if operation == "DeleteMessage" else "BatchGetItem REQUEST"
    AWS.begin(Fault(point=Point(label=label, nth=1), mode=Mode.BEFORE))
    with pytest.raises(CrashError):
        queue.run("redrive", "marketing", wait=0, held=0)
    AWS.begin()
    queue.run("redrive", "marketing", wait=0, held=0)
    world.cloud.settle()
    accepted = [answer for answer in system.answers() if answer["status"] == 201]
    assert len(accepted) == 2
    assert {answer["submission"]["id"] for answer in accepted} == set(submissions_of(world))
    assert len(submissions_of(world)) == 1
    assert system.dead() == []


def test_a_letter_that_the_queue_itself_gave_up_can_be_sent_back(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing_works(operation: str, _params: object) -> None:
        if operation in {"TransactWriteItems", "SendMessage"}:
            raise ConnectionError

    AWS.watch = nothing_works
    forged = {"reason": "\x9b2J all is well", "refused_request": "f-aaaaaaaaaaaaaaaaaaaa"}
    message = system.send(attributes=forged)
    system.world.cloud.settle()
    AWS.watch = None
    run("list")
    shown = capsys.readouterr().out
    assert message in shown
    assert not any(value in shown for value in forged.values())
    assert "the log of take_in_submissions says why" in shown
    run("redrive")
    system.world.cloud.settle()
    (answer,) = system.answers()
    assert (answer["status"], answer["message_id"]) == (201, message)


@pytest.mark.parametrize("department", ["research", "No!", ""])
def test_a_department_without_a_system_is_told(
    world: World, capsys: pytest.CaptureFixture[str], department: str
) -> None:
    assert cli.main(["queue", "redrive", department]) == queue.NO_QUEUE
    assert "no system of a department" in capsys.readouterr().err
