"""Applying a roster: what it writes, that again writes nothing, and that nobody loses the way in by it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core.errors import InvalidInput, Stale
from chalicelib.people.model import Duty, Person, Role
from chalicelib.people.roster import Change
from chalicelib.people.store import put_email, unchanged
from tests.faults import CrashError, Fault, FaultyAws, Mode
from tests.world import EDITOR, EXECUTIVE, HEAD, LIAISON, LONG_AGO, World, a_roster, a_world

AWS = FaultyAws()
NOW = datetime(2026, 5, 1, tzinfo=UTC)
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(LIAISON, HEAD, EDITOR, aws=AWS) as world:
        AWS.begin()
        yield world


def apply(world: World, *persons: Person, now: datetime = NOW) -> list[Change]:
    return world.parts.roster_keeper.apply(a_roster(*persons), now)


def person_of(world: World, email: str) -> Person | None:
    return world.parts.people.by_email(email)


def stored(world: World, person: Person) -> Person:
    (found,) = world.parts.people.persons((person.id,))
    return found


def lines(changes: list[Change]) -> list[str]:
    return [str(change) for change in changes]


def test_a_roster_is_stored_as_it_is_given(world: World) -> None:
    """Clause 5.1.1: who answers for what."""
    roster = a_roster(LIAISON, HEAD, EDITOR)
    assert stored(world, LIAISON) == LIAISON
    assert world.parts.people.persons((HEAD.id, "p-nobody", EDITOR.id)) == (HEAD, EDITOR)
    assert {d.id: d for d in world.parts.people.all_departments()} == {d.id: d for d in roster.departments}
    assert person_of(world, LIAISON.email.upper()) == LIAISON
    assert person_of(world, "nobody@example.com") is None


def test_the_same_roster_again_is_no_change_and_raises_no_version(world: World) -> None:
    assert apply(world, LIAISON, HEAD, EDITOR) == []
    assert stored(world, LIAISON).version == 1


def test_a_dry_run_tells_the_changes_and_writes_nothing(world: World) -> None:
    wanted = a_roster(LIAISON, EXECUTIVE)
    told = world.parts.roster_keeper.changes(wanted)
    assert {change.id for change in told} == {HEAD.id, EDITOR.id, EXECUTIVE.id}
    assert not [call for call in AWS.calls if call.split()[0] in WRITES]
    assert lines(world.parts.roster_keeper.apply(wanted, NOW)) == lines(told)


def test_the_duties_of_who_is_not_in_the_file_end_now(world: World) -> None:
    """Clause 5.3.3: rights are adjusted, and who leaves has none."""
    apply(world, HEAD, EDITOR)
    gone = stored(world, LIAISON)
    assert gone.name == LIAISON.name, "the record stays"
    assert [duty.until for duty in gone.duties] == [NOW]
    assert gone.duties_at(NOW) == ()
    assert gone.version == 2


def test_a_duty_that_has_ended_before_keeps_its_end(world: World) -> None:
    ended = Duty(role=Role.LIAISON, department="research", since=LONG_AGO, until=LONG_AGO + timedelta(days=1))
    coming = Duty(role=Role.LIAISON, department="center", since=NOW + timedelta(days=9))
    busy = replace(LIAISON, duties=(*LIAISON.duties, ended, coming))
    apply(world, busy, HEAD, EDITOR)
    apply(world, HEAD, EDITOR)
    assert [duty.until for duty in stored(world, LIAISON).duties] == [NOW, ended.until, coming.since]


def test_who_has_left_is_told_once(world: World) -> None:
    assert f"- person {LIAISON.id}: Liaison: not in file: duties end now" in lines(apply(world, HEAD, EDITOR))
    assert apply(world, HEAD, EDITOR, now=NOW + timedelta(days=1)) == []
    assert stored(world, LIAISON).version == 2


def test_who_comes_back_has_a_higher_version(world: World) -> None:
    apply(world, HEAD, EDITOR)
    apply(world, LIAISON, HEAD, EDITOR)
    back = stored(world, LIAISON)
    assert back.duties == LIAISON.duties
    assert back.version == 3


def test_a_decision_that_rests_on_old_duties_fails(world: World) -> None:
    before = stored(world, LIAISON)
    receipt = put_email("receipt@example.com", LIAISON.id)
    world.parts.table.transact([unchanged(before)], receipt=receipt)
    apply(world, HEAD, EDITOR)
    with pytest.raises(Stale):
        world.parts.table.transact([unchanged(before)], receipt=receipt)


def test_a_new_address_replaces_the_old_one(world: World) -> None:
    apply(world, replace(LIAISON, email="new@example.com"), HEAD, EDITOR)
    assert person_of(world, LIAISON.email) is None
    found = person_of(world, "new@example.com")
    assert found is not None
    assert found.id == LIAISON.id


@pytest.mark.parametrize("turned", [False, True])
def test_addresses_may_be_exchanged(world: World, turned: bool) -> None:  # noqa: FBT001 — a parameter
    liaison, head = replace(LIAISON, email=HEAD.email), replace(HEAD, email=LIAISON.email)
    apply(world, *((head, liaison) if turned else (liaison, head)), EDITOR)
    for person in (liaison, head):
        found = person_of(world, person.email)
        assert found is not None
        assert found.id == person.id


@pytest.mark.parametrize("turned", [False, True])
def test_an_address_may_pass_to_somebody_else(world: World, turned: bool) -> None:  # noqa: FBT001 — as above
    liaison, head = replace(LIAISON, email="new@example.com"), replace(HEAD, email=LIAISON.email)
    apply(world, *((head, liaison) if turned else (liaison, head)), EDITOR)
    found = person_of(world, LIAISON.email)
    assert found is not None
    assert found.id == HEAD.id


def test_a_changed_department_code_changes_nothing_at_all(world: World) -> None:
    """Clause 3.5.3: catalogue numbers hold the code for good."""
    wanted = a_roster(replace(LIAISON, name="Another"), EXECUTIVE)
    recoded = replace(
        wanted, departments=tuple(replace(department, code="NEU") for department in wanted.departments)
    )
    with pytest.raises(InvalidInput):
        world.parts.roster_keeper.apply(recoded, NOW)
    assert not [call for call in AWS.calls if call.split()[0] in WRITES]


def test_a_department_remembers_who_held_its_duties(world: World) -> None:
    apply(world, EDITOR, EXECUTIVE)
    marketing = world.parts.people.departments(("marketing",))["marketing"]
    assert set(marketing.duty_holders) == {LIAISON.id, HEAD.id, EXECUTIVE.id}


def people_items(world: World) -> dict[tuple[str, str], object]:
    """Every person, address and department; versions count writes, so they are left out."""
    return {
        key: {name: value for name, value in item.items() if name != "version"}
        for key, item in world.items().items()
        if key[0].startswith(("PERSON#", "EMAIL#", "DEPARTMENTS"))
    }


def test_applying_again_finishes_what_was_broken_off(world: World) -> None:
    wanted = (replace(LIAISON, email=HEAD.email), replace(HEAD, email="new@example.com"), EXECUTIVE)
    apply(world, *wanted)
    points, whole = AWS.points(), people_items(world)
    assert len(points) > 10
    for point in points:
        AWS.begin()
        apply(world, LIAISON, HEAD, EDITOR)
        AWS.begin(Fault(point=point, mode=Mode.BEFORE))
        with pytest.raises(CrashError):
            apply(world, *wanted)
        apply(world, *wanted)
        assert people_items(world) == whole, point


def test_an_address_of_who_has_left_may_pass_to_somebody_else(world: World) -> None:
    heir = replace(EXECUTIVE, email=LIAISON.email)
    for _ in range(2):
        apply(world, heir, HEAD, EDITOR)
        found = person_of(world, LIAISON.email)
        assert found is not None
        assert found.id == heir.id
