"""The submission queue joins the crash matrix: every AWS call on a letter's way goes wrong in every way.

Whatever happens, each letter ends as one submission: two at once, one refused, kept, answered, buried, mended and sent
back by `imprimatur queue redrive`.
"""

import json
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.ledger.model import chain_faults
from chalicelib.people.model import Role
from chalicelib.people.store import put_person
from chalicelib.submission.letters import dead_letters_queue, submissions_queue
from infra.commands import queue
from tests.faults import CrashError, Fault, FaultyAws, Mode
from tests.senders import SQS, System, refused_requests_of, submissions_of
from tests.world import LIAISON, World, a_person, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
NEWCOMER = a_person("newcomer", (Role.EMPLOYEE, "marketing"))
APPOINTED = replace(a_person("newcomer", (Role.LIAISON, "marketing")), version=2)


def persist(command: Callable[[], int]) -> None:
    """Run a command again that broke off, as an operator does."""
    for _ in range(3):
        try:
            assert command() == queue.DONE
        except CrashError:
            continue
        return
    raise AssertionError("it breaks off again and again")


def in_queue(world: World, name: str) -> int:
    """How many messages are in a queue, hidden ones included."""
    attributes = SQS().get_queue_attributes(QueueUrl=world.parts.queues.url(name), AttributeNames=["All"])
    counts = attributes["Attributes"]
    return sum(int(counts[key]) for key in counts if key.startswith("ApproximateNumberOfMessages"))


def live(world: World, fault: Fault | None) -> dict[str, list[dict[str, Any]]]:
    """Send three letters, the second in the name of somebody who is not a liaison yet; answers by message id."""
    world.plain_table.put(put_person(NEWCOMER))
    system = System(world=world)
    AWS.begin(fault)
    good, bad, last = system.send(), system.send(drafter=NEWCOMER.id), system.send(title="第三份")
    world.cloud.settle()
    copies = system.dead()
    assert 1 <= len(copies) <= (1 if fault is None else 2)
    assert {copy.attributes["first_message_id"] for copy in copies} == {bad}
    assert {copy.reason for copy in copies} <= {"not_permitted"}
    assert len(submissions_of(world)) == 2

    world.plain_table.put(put_person(APPOINTED))
    while in_queue(world, dead_letters_queue("marketing")):
        persist(lambda: queue.run("redrive", "marketing", wait=0, held=0))
    world.cloud.settle()
    AWS.fault = None
    assert fault is None or AWS.struck, f"{fault} never came"
    answers = defaultdict(list)
    for answer in system.answers():
        answers[answer["message_id"]].append(answer)
    assert answers.keys() == {good, bad, last}
    return answers


def assert_all_is_well(world: World, answers: dict[str, list[dict[str, Any]]]) -> None:
    """Three submissions, each begun once; answers that came twice are the same; nothing is left lying."""
    made = {
        answer["submission"]["id"] for each in answers.values() for answer in each if answer["status"] == 201
    }
    assert sorted(made) == submissions_of(world)
    assert len(made) == 3
    for submission in made:
        events = world.events(submission)
        assert chain_faults(events) == []
        assert [event.type for event in events].count("Submitted") == 1
    for each in answers.values():
        said = {json.dumps(answer, sort_keys=True) for answer in each}
        assert len(said) == len({answer["status"] for answer in each})
    (request,) = refused_requests_of(world)
    kept = world.parts.refused_requests.read(LIAISON, request).request
    assert (kept.standing, kept.problem.code) == ("redriven", "not_permitted")
    for name in (dead_letters_queue("marketing"), submissions_queue("marketing")):
        assert in_queue(world, name) == 0


def end_well(part: slice, *, share: int, record_property: Record) -> None:
    """Live undisturbed, then with each fault of a share (one in so many) of all, or of a part of that share."""
    with a_world(aws=AWS, departments=("marketing",)) as world:
        world.cloud.pumps._streams.clear()  # what follows has a crash matrix of its own
        empty = world.items()
        smooth = live(world, None)
        faults = [Fault(point=point, mode=mode) for point in AWS.points() for mode in Mode]
        assert_all_is_well(world, smooth)
        assert sorted(len(each) for each in smooth.values()) == [1, 1, 2]
        assert len(faults) > 20 * len(Mode)
        chosen = random.Random(2026).sample(faults, len(faults) // share)  # noqa: S311 — a choice of tests
        record_property("figure", f"submission queue: {len(chosen)} of {len(faults)} crash points")
        for fault in chosen[part]:
            world.put_back(empty)
            try:
                assert_all_is_well(world, live(world, fault))
            except AssertionError as error:
                raise AssertionError(f"{fault}: {error}") from error


def test_whichever_call_fails_or_repeats_each_letter_ends_as_one_submission(record_property: Record) -> None:
    end_well(slice(None), share=10, record_property=record_property)


@pytest.mark.crash_full
@pytest.mark.parametrize("part", range(2))
def test_whatever_call_fails_or_repeats_each_letter_ends_as_one_submission(
    part: int, record_property: Record
) -> None:
    end_well(slice(part, None, 2), share=1, record_property=record_property)
