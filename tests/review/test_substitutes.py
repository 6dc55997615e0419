"""Who is absent has a substitute: who decides instead of the absent, as policy allows and the record says."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.people.model import Duty, Person, Role
from chalicelib.people.store import put_person
from chalicelib.review.model import Decision, Opinion
from chalicelib.review.store import put_open_task
from tests.browsing import Browser
from tests.world import EDITOR, HEAD, LIAISON, LONG_AGO, PEOPLE, World, a_person, a_world

DEPUTY = a_person("deputy", (Role.EMPLOYEE, "research"))
FORM_OF_HEAD = "department_head"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, instead_of(DEPUTY, HEAD)) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    world.cloud.settle()


def instead_of(substitute: Person, absent: Person, until: datetime | None = None) -> Person:
    """The substitute with the absent person's duties."""
    taken_over = tuple(
        Duty(role=d.role, department=d.department, since=LONG_AGO, until=until, instead_of=absent.id)
        for d in absent.duties
    )
    return replace(substitute, duties=(*substitute.duties, *taken_over))


def at_the_head(world: World) -> str:
    submission = world.submit()
    world.approve("initial")
    world.cloud.settle()
    assert world.stage_open(submission) == FORM_OF_HEAD
    return submission


def test_the_substitute_is_mailed_and_decides_and_the_record_says_for_whom(world: World) -> None:
    """Clause 3.3.4: opinions are signed, with whose they are."""
    before = len(world.links(HEAD))
    submission = at_the_head(world)
    assert len(world.links(HEAD)) == before, "the absent is left in peace"
    answer = world.decide(DEPUTY)
    assert (answer.status, answer.body["state"]) == (200, "in_review")
    decided = world.events(submission, "Decided")[-1]
    assert (decided.actor, decided.payload["instead_of"]) == (DEPUTY.id, HEAD.id)
    opinion = world.record(submission)["opinions"][-1]
    assert (opinion["reviewer"], opinion["instead_of"]) == (DEPUTY.id, HEAD.id)
    assert "instead_of" not in world.record(submission)["opinions"][0]
    shown = Browser(world, LIAISON).get(f"/submissions/{submission}").page.text
    assert f"{DEPUTY.name}（代{HEAD.name}）" in shown
    seen = world.open_link(world.links(DEPUTY)[0], DEPUTY).body["decision"]
    assert (seen["reviewer"], seen["instead_of"]) == (DEPUTY.id, HEAD.id)


def test_whose_absence_has_ended_decides_again_and_the_substitute_no_more(world: World) -> None:
    at_the_head(world)
    handle = world.links(DEPUTY)[0]
    ended = instead_of(DEPUTY, HEAD, until=world.now() - timedelta(seconds=1))
    world.plain_table.put(put_person(replace(ended, version=2)))
    try:
        assert world.open_link(handle, DEPUTY).status == 403, "yesterday's duty opens nothing"
        before = len(world.links(HEAD))
        at_the_head(world)
        assert len(world.links(HEAD)) == before + 1
        assert world.decide(HEAD).status == 200
    finally:
        world.plain_table.put(put_person(replace(instead_of(DEPUTY, HEAD), version=3)))


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.DEPARTMENT_HEAD])
def test_a_substitute_whom_policy_forbids_is_none_and_one_who_may_anyway_decides_in_the_own_name(
    world: World, role: Role
) -> None:
    """Clause 3.3.1: who decides is policy's word, substitute or not."""
    other = replace(DEPUTY, duties=(Duty(role=role, department="marketing", since=LONG_AGO),))
    world.plain_table.put(put_person(replace(instead_of(other, HEAD), version=4)))
    try:
        submission = at_the_head(world)
        if role is Role.ADMINISTRATOR:
            assert world.decide(HEAD).status == 200, "nobody stands in: the head is asked"
        else:
            assert world.decide(DEPUTY).status == 200
        assert "instead_of" not in world.events(submission, "Decided")[-1].payload
    finally:
        world.plain_table.put(put_person(replace(instead_of(DEPUTY, HEAD), version=5)))


def test_a_substitute_who_drafted_the_text_never_decides_it(world: World) -> None:
    drafter = instead_of(LIAISON, EDITOR)
    world.plain_table.put(put_person(replace(drafter, version=2)))
    try:
        before = len(world.links(LIAISON))
        world.submit()
        world.cloud.settle()
        assert len(world.links(LIAISON)) == before
        assert world.decide(EDITOR).status == 200
    finally:
        world.plain_table.put(put_person(replace(LIAISON, version=3)))


def test_the_absent_and_the_substitute_have_one_opinion_between_them(world: World) -> None:
    """Clause 2.2.1: where two must approve, two persons' opinions are needed."""
    submission = at_the_head(world)
    opinion = world.opinion(DEPUTY)
    (task,) = (each for each in world.tasks(submission) if each.stage == FORM_OF_HEAD)
    given = Opinion(
        reviewer=HEAD.id,
        decision=Decision.APPROVE,
        comment="",
        checklist=opinion["checklist"],
        content_digest=task.content_digest,
        at=world.now(),
    )
    world.plain_table.put(replace(put_open_task(replace(task, needed=2, opinions=(given,))), condition=None))
    again = world.call("POST", "/api/v1/review-links/decision", opinion, as_=DEPUTY)
    assert (again.status, again.body["code"]) == (409, "already_decided")
    world.withdraw(submission)
