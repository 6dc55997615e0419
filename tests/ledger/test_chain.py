"""The ledger: a chain that shows every tampering, and that names nobody."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.canonical import digest
from chalicelib.core.errors import Stale
from chalicelib.ledger.model import (
    GENESIS,
    Cause,
    Chain,
    Draft,
    Event,
    PolicyReference,
    chain_faults,
    event_from_document,
)
from chalicelib.ledger.store import PREFIX, put_event
from tests.world import ARCHIVIST, EDITOR, EXECUTIVE, HEAD, LIAISON, OTHER_LIAISON, World, a_world

AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
NAMES = ("尹相宜", "江予怀", "林知夏", "陆嘉树", "叶静姝", "祁素文")
PEOPLE = tuple(
    replace(person, name=name)
    for person, name in zip((LIAISON, OTHER_LIAISON, EDITOR, HEAD, EXECUTIVE, ARCHIVIST), NAMES, strict=True)
)


def a_chain(length: int = 4) -> list[Event]:
    chain, events = Chain(submission="s-chain"), []
    for number in range(1, length + 1):
        draft = Draft(
            type="Decided",
            cause=Cause(
                actor="p-somebody",
                correlation_id="c-chain",
                policy=PolicyReference(digest="d" * 64, line=14),
                causation_id="e-before",
                on_behalf_of="p-other",
            ),
            payload={"revision": number, "comment": "同意。"},
        )
        event, chain = chain.append(draft, event_id=f"e-{number}", at=AT + timedelta(seconds=number))
        events.append(event)
    return events


def test_a_chain_of_events_verifies() -> None:
    events = a_chain()
    assert chain_faults(events) == []
    assert chain_faults([]) == []
    assert events[0].prev_hash == GENESIS
    assert [event.seq for event in events] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "tamper",
    [
        lambda events: events[1:],
        lambda events: [events[0], *events[2:]],
        lambda events: [events[0], events[2], events[1], events[3]],
        lambda events: [*events, events[-1]],
        lambda events: [events[0], events[0], *events[1:]],
        lambda events: [replace(events[0], actor="p-another"), *events[1:]],
        lambda events: [events[0], replace(events[1], payload={"revision": 9}), *events[2:]],
        lambda events: [replace(events[0], at=AT), *events[1:]],
        lambda events: [replace(events[0], policy=None), *events[1:]],
        lambda events: [replace(events[0], type="Approved"), *events[1:]],
        lambda events: [events[0], replace(events[1], seq=7), *events[2:]],
        lambda events: [events[0], replace(events[2], seq=2, prev_hash=events[0].hash), *events[3:]],
    ],
)
def test_a_removed_moved_or_edited_event_is_found(tamper: Callable[[list[Event]], list[Event]]) -> None:
    """Clause 1.3.4: a tamper-evident ledger."""
    assert chain_faults(tamper(a_chain())) != []


def test_every_member_of_an_event_is_hashed() -> None:
    document = a_chain()[0].document()
    assert set(document) == {
        *("id", "submission", "seq", "prev_hash", "type", "schema_version", "at", "actor"),
        *("on_behalf_of", "policy", "correlation_id", "causation_id", "payload"),
    }
    whole = digest(document)
    for member in document:
        assert digest({**document, member: "altered"}) != whole


def test_an_event_is_read_back_as_it_was() -> None:
    event = a_chain()[2]
    stored = json.loads(json.dumps(event.document()))
    assert event_from_document(stored) == event
    assert event_from_document(stored).hash == event.hash


def test_the_frozen_format_hashes_as_it_always_did() -> None:
    """A verifier of later years relies on this very value."""
    assert a_chain(1)[0].hash == "0f4787a2a1b8ed9b90e7a9a16b84066a6de297a83de9956a9c251194b8bd2538"


def test_an_event_of_an_unknown_schema_version_is_not_read() -> None:
    with pytest.raises(ValueError, match="schema version 2"):
        event_from_document({**a_chain()[0].document(), "schema_version": 2})


@dataclass(frozen=True, kw_only=True)
class Lived:
    """A submission that was returned once and then lived to its end."""

    world: World
    submission: str

    @property
    def events(self) -> list[Event]:
        return self.world.events(self.submission)


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    with a_world(*PEOPLE) as world:
        submission = world.submit()
        world.cloud.settle()
        assert world.open_link(world.links(EDITOR)[0], HEAD).status == 404
        assert world.decide(EDITOR, "request_changes").status == 200
        assert world.resubmit(submission).status == 201
        world.approve()
        world.finish()
        assert world.state(submission) == "archived"
        yield Lived(world=world, submission=submission)


def test_a_whole_life_is_one_unbroken_chain(lived: Lived) -> None:
    assert chain_faults(lived.events) == []
    assert [event.type for event in lived.events] == [
        *("Submitted", "TaskOpened", "ReviewLinkRefused", "Decided", "Resubmitted"),
        *("TaskOpened", "Decided", "TaskOpened", "Decided", "TaskOpened", "Decided", "Scheduled"),
        *("PublishingStarted", "Delivered", "Published", "Archived"),
    ]
    head = lived.world.parts.journal.head(lived.submission)
    assert (head.seq, head.last_hash) == (len(lived.events), lived.events[-1].hash)


def test_the_api_shows_the_chain_as_it_is_stored(lived: Lived) -> None:
    shown = lived.world.record(lived.submission)["events"]
    hashes = [event.pop("hash") for event in shown]
    assert [event_from_document(document) for document in shown] == lived.events
    assert hashes == [event.hash for event in lived.events]


def test_what_needed_permission_carries_the_policy_line_that_gave_it(lived: Lived) -> None:
    """Clause 5.3.1: the matched line is stored with each decision."""
    lines = (POLICIES / "policy.csv").read_text("utf-8").split("\n")
    actions = {
        "Submitted": "submission.submit",
        "Resubmitted": "submission.revise",
        "Decided": "review.",
        "Scheduled": "publication.schedule",
        "PublishingStarted": "publication.publish",
        "Published": "archive.write",
    }
    permitted = [event for event in lived.events if event.type in actions]
    assert {event.type for event in permitted} == set(actions)
    for event in permitted:
        assert event.policy is not None, event.type
        assert lines[event.policy.line - 1].startswith(f"p, {actions[event.type]}"), event.type
        assert lines[event.policy.line - 1].endswith("allow")
    policies = [event.policy.digest for event in permitted if event.policy is not None]
    assert set(policies) == {policies[0]}
    assert len(policies[0]) == 64


def test_every_event_belongs_to_a_request_or_to_the_submissions_first(lived: Lived) -> None:
    first = lived.events[0].correlation_id
    of_services = {
        event.correlation_id for event in lived.events if event.type in {"TaskOpened", "Delivered"}
    }
    assert of_services == {first}
    of_persons = [event.correlation_id for event in lived.events if event.type == "Decided"]
    assert len(set(of_persons)) == len(of_persons)


def test_only_a_persons_own_record_names_the_person(lived: Lived) -> None:
    """Clause 5.3.1: names and contacts live in one erasable record per person."""
    items = lived.world.items()
    assert any(sk.startswith(PREFIX) for _, sk in items), "the ledger is looked at, too"
    named = {
        pk
        for (pk, _), item in items.items()
        for person in PEOPLE
        if any(word in json.dumps(item, ensure_ascii=False) for word in (person.name, person.email))
    }
    assert named == {f"PERSON#{person.id}" for person in PEOPLE}


def test_an_event_is_never_written_over(lived: Lived) -> None:
    first = lived.events[0]
    with pytest.raises(Stale):
        lived.world.plain_table.put(put_event(replace(first, actor="p-another")))
    assert lived.events[0] == first
