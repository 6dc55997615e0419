"""Fifty decisions at once: exactly one stands, whoever makes them and whatever they say."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice

import pytest

from chalicelib.ledger.model import chain_faults
from chalicelib.people.model import Person, Role
from tests.faults import FaultyAws
from tests.world import EDITOR, OTHER_LIAISON, PEOPLE, Answer, Gate, World, a_person, a_world

AWS = FaultyAws()
CROWD = 50
SECOND_EDITOR = a_person("second-editor", (Role.CENTER_EDITOR, "center"))
LEADS_TO = {"approve": ("in_review", "department_head"), "reject": ("rejected", None)}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, SECOND_EDITOR, aws=AWS) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    """No test's mails come in among the next one's."""
    yield
    world.cloud.settle()


@pytest.fixture
def submission(world: World) -> str:
    """A submission that waits for its initial review."""
    submission = world.submit()
    world.cloud.settle()
    return submission


def at_once(requests: Sequence[Callable[[], Answer]], event_type: str, *, racing: int) -> list[Answer]:
    """Send all requests from as many threads; none commits such an event before `racing` of them have read."""
    AWS.watch = Gate(event_type, racing)
    try:
        with ThreadPoolExecutor(len(requests)) as crowd:
            return list(crowd.map(lambda request: request(), requests))
    finally:
        AWS.watch = None


def opposite_decisions(world: World, *reviewers: Person) -> list[Callable[[], Answer]]:
    """As many approvals as refusals, in turn, by these reviewers in turn."""
    opinions = [
        partial(
            world.call,
            "POST",
            "/api/v1/review-links/decision",
            world.opinion(reviewer, decision),
            as_=reviewer,
        )
        for reviewer, decision in zip(reviewers, ("approve", "reject"), strict=True)
    ]
    return list(islice(cycle(opinions), CROWD))


@pytest.mark.parametrize(
    "reviewers", [(EDITOR, EDITOR), (EDITOR, SECOND_EDITOR)], ids=["by one link", "by a link each"]
)
def test_of_fifty_opposite_decisions_exactly_one_stands(
    world: World, submission: str, reviewers: tuple[Person, Person]
) -> None:
    answers = at_once(opposite_decisions(world, *reviewers), "Decided", racing=CROWD)
    (decided,) = world.events(submission, "Decided")
    state, stage = LEADS_TO[decided.payload["decision"]]
    head = world.plain_journal.head(submission)
    assert (head.state, head.stage) == (state, stage)
    assert chain_faults(world.events(submission)) == []

    stood = [answer for answer in answers if answer.status == 200]
    assert len(stood) == CROWD // 2, "those that say what was decided are told so"
    assert {answer.body["state"] for answer in stood} == {state}
    assert {answer.body["code"] for answer in answers if answer.status != 200} == {"already_decided"}
    world.cloud.settle()


def test_a_decision_and_a_withdrawal_at_once_leave_a_whole_chain(world: World, submission: str) -> None:
    decide, _ = opposite_decisions(world, EDITOR, SECOND_EDITOR)[:2]
    decided, withdrawn = at_once([decide, partial(world.withdraw, submission)], "Decided", racing=1)
    assert (decided.status, withdrawn.status) in {(200, 200), (409, 200)}
    assert world.state(submission) == "withdrawn"
    assert chain_faults(world.events(submission)) == []


def test_a_link_forwarded_to_everybody_is_told_once(world: World, submission: str) -> None:
    handle = world.links(EDITOR)[0]
    world.token(OTHER_LIAISON)
    tries = [partial(world.open_link, handle, OTHER_LIAISON)] * 10
    answers = at_once(tries, "ReviewLinkRefused", racing=len(tries))
    assert {answer.status for answer in answers} == {404}
    assert len(world.events(submission, "ReviewLinkRefused")) == 1
    assert chain_faults(world.events(submission)) == []
