"""One stage handed over to somebody, or given to others by the center: who decides then, and what the record says."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.people.model import Person, Role
from chalicelib.people.store import put_person
from tests.browsing import Browser
from tests.review.test_substitutes import instead_of
from tests.world import (
    DIRECTOR,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    PEOPLE,
    Answer,
    World,
    a_person,
    a_procedure,
    a_world,
)

SECOND = a_person("second", (Role.CENTER_EDITOR, "center"))
OTHER_HEAD = a_person("other-head", (Role.DEPARTMENT_HEAD, "research"))
AWAY = a_person("away-executive", (Role.SUPERVISING_EXECUTIVE, "marketing"))
DEPUTY = instead_of(a_person("deputy", (Role.EMPLOYEE, "research")), AWAY)
PATH = "/api/v1/review-links/delegation"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, DIRECTOR, SECOND, OTHER_HEAD, AWAY, DEPUTY) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    world.cloud.settle()


def at_the_head(world: World) -> str:
    submission = world.submit()
    world.approve("initial")
    world.cloud.settle()
    return submission


def hand_over(world: World, by: Person, to: str | None, handle: str | None = None) -> Answer:
    body = {"handle": handle or world.links(by)[0], "to": to}
    answer = world.call("POST", PATH, body, as_=by)
    world.cloud.settle()
    return answer


def codes(answer: Answer) -> list[tuple[str, str]]:
    return [(error["pointer"], error["code"]) for error in answer.body["errors"]]


def test_whom_a_stage_was_handed_over_to_is_mailed_and_decides_for_the_reviewer(world: World) -> None:
    """Clause 3.3.4: opinions are signed, with whose they are."""
    before = len(world.links(DIRECTOR))
    submission = at_the_head(world)
    mine = world.opinion(HEAD)
    assert hand_over(world, HEAD, DIRECTOR.id).body["reviewers"] == [DIRECTOR.id]
    assert hand_over(world, HEAD, DIRECTOR.id).status == 200, "again changes nothing"
    assert len(world.links(DIRECTOR)) == before + 1
    assert world.call("POST", "/api/v1/review-links/decision", mine, as_=HEAD).status == 403
    progress = Browser(world, LIAISON).get(f"/submissions/{submission}").page.text
    assert f"等待{DIRECTOR.name}提出意见" in progress
    assert world.decide(DIRECTOR).status == 200
    decided = world.events(submission, "Decided")[-1]
    assert (decided.actor, decided.payload["instead_of"]) == (DIRECTOR.id, HEAD.id)
    world.cloud.settle()
    assert world.stage_open(submission) == "executive"
    assert len(world.events(submission, "TaskDelegated")) == 1


def test_it_is_handed_over_and_taken_back_on_the_page(world: World) -> None:
    submission = at_the_head(world)
    handle = world.links(HEAD)[0]
    browser = Browser(world, HEAD)
    shown = browser.post("/r", {"handle": handle})
    offered = [option.text for option in shown.page.all("select", id="to")[0].all("option")]
    assert DIRECTOR.name in offered
    assert {LIAISON.name, EXECUTIVE.name, EDITOR.name}.isdisjoint(offered), "nobody has a say in two stages"
    shown = browser.submit(shown, "/r/delegation", to=DIRECTOR.id)
    assert f"您已将这一项审核委托给{DIRECTOR.name}" in shown.page.text
    assert not shown.page.all("select", id="to")
    world.cloud.settle()
    delegated = world.opinion(DIRECTOR)
    shown = browser.submit(shown, "/r/delegation")
    assert "委托他人" in shown.page.text
    late = world.call("POST", "/api/v1/review-links/decision", delegated, as_=DIRECTOR)
    assert late.status == 403, "what was taken back is nobody else's to decide"
    assert world.decide(HEAD).status == 200
    assert "instead_of" not in world.events(submission, "Decided")[-1].payload


def test_only_who_is_asked_hands_over_and_only_to_whom_policy_lets_stand_in(world: World) -> None:
    """No chain, no circle, nobody who wrote the text (clause 3.3.1)."""
    at_the_head(world)
    assert codes(hand_over(world, HEAD, LIAISON.id)) == [("/to", "cannot_stand_in")]
    for other in ("p-nobody", OTHER_HEAD.id, AWAY.id, EDITOR.id, EXECUTIVE.id):
        refused = codes(hand_over(world, HEAD, other))
        assert refused == [("/to", "cannot_stand_in")], (
            "of no other department, away, or with a say in another stage"
        )
    assert codes(hand_over(world, HEAD, HEAD.id)) == [("/to", "is_asked_already")]
    assert hand_over(world, EXECUTIVE, DIRECTOR.id, world.links(HEAD)[0]).status == 404
    assert hand_over(world, HEAD, DIRECTOR.id).status == 200
    assert hand_over(world, DIRECTOR, LIAISON.id).status == 403, "no chain"
    assert hand_over(world, DIRECTOR, HEAD.id).status == 403, "no circle"
    assert world.decide(DIRECTOR).status == 200
    assert hand_over(world, HEAD, LIAISON.id, world.links(HEAD)[0]).status == 409


def test_where_several_are_asked_nobody_decides_for_two(world: World) -> None:
    world.submit()
    world.cloud.settle()
    assert codes(hand_over(world, EDITOR, SECOND.id)) == [("/to", "is_asked_already")]
    assert hand_over(world, EDITOR, DIRECTOR.id).status == 200
    assert codes(hand_over(world, SECOND, EDITOR.id)) == [("/to", "is_asked_already")], "no circle"
    assert world.decide(SECOND).status == 200


@pytest.mark.parametrize("who", [HEAD, DIRECTOR], ids=["who handed it over", "who it was handed over to"])
def test_once_either_duty_has_ended_the_other_decides_nothing_by_it(world: World, who: Person) -> None:
    """Clause 5.3.2."""
    submission = at_the_head(world)
    assert hand_over(world, HEAD, DIRECTOR.id).status == 200
    opinion = world.opinion(DIRECTOR)
    gone = replace(who, duties=(), version=2)
    world.plain_table.put(replace(put_person(gone), condition=None))
    try:
        refused = world.call("POST", "/api/v1/review-links/decision", opinion, as_=DIRECTOR)
        assert refused.status == 403
        if who is DIRECTOR:
            world.let_lie(submission, steps=1)
            world.cloud.settle()
            assert world.tasks(submission)[-1].waits_for == (HEAD.id,), "it is the reviewer's again"
            assert world.decide(HEAD).status == 200
    finally:
        world.plain_table.put(replace(put_person(replace(who, version=3)), condition=None))
    world.withdraw(submission)


def test_a_substitute_hands_nothing_over(world: World) -> None:
    """No chain: the absent, the substitute, and somebody else (clause 3.3.4)."""
    submission = at_the_head(world)
    assert world.decide(HEAD).status == 200
    world.cloud.settle()
    assert hand_over(world, DEPUTY, DIRECTOR.id).status == 403
    assert world.decide(DEPUTY).status == 200
    assert world.events(submission, "Decided")[-1].payload["instead_of"] == AWAY.id


def test_where_all_must_approve_nobody_is_left_out(world: World) -> None:
    """Clause 2.2.1: whom the procedure asks, it asks."""
    with world.under(a_procedure(initial={"quorum": "all"})):
        submission = world.submit()
        world.cloud.settle()
        path = f"/api/v1/submissions/{submission}/reviewers"
        given = {"reviewers": [SECOND.id], "reason": "编辑甲休假。"}
        assert codes(world.call("POST", path, given, as_=DIRECTOR)) == [("/reviewers", "too_few_reviewers")]
        world.withdraw(submission)


def test_the_director_gives_a_review_to_one_of_those_who_could_do_it(world: World) -> None:
    """Clause 6.1.1: duties are clear, also for a single text."""
    submission = world.submit()
    world.cloud.settle()
    path = f"/api/v1/submissions/{submission}/reviewers"
    given = {"reviewers": [SECOND.id], "reason": "编辑甲休假。"}
    assert world.call("POST", path, given, as_=EDITOR).status == 403
    wrong = world.call("POST", path, given | {"reviewers": [HEAD.id, "p-nobody"]}, as_=DIRECTOR)
    assert codes(wrong) == [("/reviewers/0", "cannot_review"), ("/reviewers/1", "cannot_review")]
    answer = world.call("POST", path, given, as_=DIRECTOR)
    assert (answer.status, answer.body["reviewers"]) == (200, [SECOND.id])
    world.let_lie(submission, steps=1)
    assert world.tasks(submission)[0].waits_for == (SECOND.id,), "reminders ask whom it was given to"
    (event,) = world.events(submission, "TaskReassigned")
    assert (event.actor, event.payload["reason"]) == (DIRECTOR.id, "编辑甲休假。")
    assert world.decide(SECOND).status == 200
    again = world.call("POST", path, given, as_=DIRECTOR)
    assert again.status in {404, 409}, "no stage waits, or the next one is not open yet"


def test_the_director_gives_a_review_to_others_on_a_page(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    browser = Browser(world, DIRECTOR)
    assert f"/submissions/{submission}/reviewers" in browser.get(f"/submissions/{submission}").html
    shown = browser.get(f"/submissions/{submission}/reviewers")
    refused = browser.submit(shown, f"/submissions/{submission}/reviewers", reviewers=[SECOND.id], reason=" ")
    assert refused.status == 422
    assert refused.page.all("input", id=f"reviewer-{SECOND.id}", checked="")
    done = browser.submit(
        shown, f"/submissions/{submission}/reviewers", reviewers=[SECOND.id], reason="休假。"
    )
    assert f"等待{SECOND.name}提出意见" in done.page.text
    assert Browser(world, LIAISON).get(f"/submissions/{submission}/reviewers").status == 403
    assert world.decide(SECOND).status == 200


def test_whom_a_review_was_taken_from_decides_it_no_more(world: World) -> None:
    """Clause 5.3.2."""
    submission = world.submit()
    world.cloud.settle()
    opinion = world.opinion(EDITOR)
    given = {"reviewers": [SECOND.id], "reason": "回避。"}
    path = f"/api/v1/submissions/{submission}/reviewers"
    assert world.call("POST", path, given, as_=DIRECTOR).status == 200
    assert world.call("POST", "/api/v1/review-links/decision", opinion, as_=EDITOR).status == 403
    assert world.open_link(opinion["handle"], EDITOR).status == 403
    assert world.decide(SECOND).status == 200
