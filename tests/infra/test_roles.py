"""Each function's role allows what its function asks for, and nothing else.

Whatever any test lets a function do is held against its role (tests/roles.py), the crash matrices included. A walk
through every route and job, with every function under its assumed role, asks for all that the roles allow, but for what
only a repeated step asks for: that, some crashes show. Taking a grant away makes its step fail.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from tests.browsing import Browser
from tests.faults import Fault, Mode, Point
from tests.overreaching import ensure_refused
from tests.roles import (
    ANY,
    FILES,
    HTTP,
    NOBODY,
    Grant,
    Need,
    enforced,
    grants,
    noted,
    of_lambda,
    policy,
    refused,
    unused,
)
from tests.test_crash_matrix import live, straight
from tests.walk import SENDING_DEPARTMENT, WALKERS, Walk, every_route
from tests.world import LIAISON, OWN_ROLES, World, a_world

Asked = Mapping[str, set[Need]]
WITHOUT_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "dynamodb:ListStreams"}
"""Actions that IAM knows no resource for."""


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """A grant that is asked for only when a step is repeated, and a crash that makes it so."""

    function: str
    action: str
    crash: Fault


REPEATED = (
    Repeated(
        function="last_check",
        action="dynamodb:Query",
        crash=Fault(point=Point(label="TransactWriteItems PublishingStarted", nth=1), mode=Mode.AFTER),
    ),
    Repeated(
        function="archive",
        action="s3:GetObject",
        crash=Fault(point=Point(label="TransactWriteItems Archived", nth=1), mode=Mode.BEFORE),
    ),
)
"""Crashes of the matrix."""


def asked_on_a_walk() -> Asked:
    """What every function asks for on a walk, each under its assumed role."""
    with (
        a_world(*WALKERS, aws=OWN_ROLES, departments=(SENDING_DEPARTMENT,)) as world,
        enforced(),
        noted() as asked,
    ):
        walk = Walk(world)
        walk.everywhere()
    assert walk.walked == every_route(), "a route that is not walked is a route whose calls nobody has seen"
    return asked


def asked_after_crashes() -> Asked:
    """What they ask for in lives of the crash matrix in which a step is repeated."""
    with noted() as asked:
        for repeated in REPEATED:
            live(straight, repeated.crash)
    return asked


@pytest.fixture(scope="module")
def asked() -> dict[str, set[Need]]:
    walked, crashed = asked_on_a_walk(), asked_after_crashes()
    assert NOBODY not in walked, f"under no function: {walked[NOBODY]}"
    return {function: walked[function] | crashed[function] for function in FILES}


@pytest.mark.parametrize("function", sorted(FILES))
def test_a_role_allows_what_its_function_asks_for_and_what_lambda_does_for_it_and_nothing_else(
    function: str, asked: Asked
) -> None:
    """That nothing is missing, the walk has shown by coming to its end: under that very role."""
    assert unused(function, asked[function]) == of_lambda(function)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=OWN_ROLES) as world:
        yield world


def grant(function: str, action: str, resource: str = "", partition: str | None = None) -> tuple[str, Grant]:
    """The one grant of a function with that action, on a resource that is called so, under a partition key."""
    (found,) = [
        each
        for each in grants(function)
        if each.action == action
        and resource in each.resource
        and (partition is None or partition in (each.partitions or ()))
    ]
    return function, found


def sign_out(world: World) -> None:
    browser = Browser(world, LIAISON)
    assert browser.submit(browser.get("/"), "/sign-out").status == 500
    assert browser.get("/").status == 200, "the session goes on"
    world.cloud.settle()


def begin_a_round(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    assert world.stage_open(submission) is None
    assert world.events(submission, "TaskOpened") == []


def mail_a_review(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    assert len(world.events(submission, "TaskOpened")) == 1
    assert world.stage_open(submission) is None, "nobody was mailed"


def publish(world: World) -> None:
    assert world.state(world.publish()) == "publishing"


def archive(world: World) -> None:
    assert world.state(world.publish()) == "published"


@pytest.mark.parametrize(
    ("taken", "step"),
    [
        (grant(HTTP, "dynamodb:DeleteItem"), sign_out),
        (grant("review_events", "states:StartExecution"), begin_a_round),
        (grant("open_stage", "ses:SendRawEmail"), mail_a_review),
        (grant("deliver", "dynamodb:PutItem", partition="SITE#*"), publish),
        (grant("archive", "s3:PutObject"), archive),
    ],
    ids=lambda value: value.__name__ if callable(value) else "-".join((value[0], value[1].action)),
)
def test_without_a_grant_its_step_fails(
    world: World, taken: tuple[str, Grant], step: Callable[[World], None]
) -> None:
    function, gone = taken
    with enforced(without=taken):
        step(world)
    told = refused()
    assert told
    assert all(who == function and gone.covers(need) for who, need in told), told


def test_in_every_test_a_function_is_refused_what_its_role_does_not_allow(world: World) -> None:
    ensure_refused(world)


@pytest.mark.parametrize("function", sorted(FILES))
def test_no_action_and_no_resource_is_a_wildcard(function: str) -> None:
    """A star only ends a name that is ours already: a log's stream, an object's key, a department's queue.

    Alone it stands only for actions that know no resource.
    """
    for statement in policy(function)["Statement"]:
        assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Allow"
        assert all(re.fullmatch(r"[a-z0-9]+:[A-Z][A-Za-z]+", action) for action in statement["Action"])
        if statement["Resource"] == ANY:
            assert set(statement["Action"]) <= WITHOUT_RESOURCE
            continue
        named, star, rest = statement["Resource"].partition("*")
        assert re.match(r"arn:aws:[a-z0-9]+:(us-east-1:123456789012|:):.*imprimatur", named), named
        assert rest == ""
        assert not star or named[-1] in "/-:"


def test_a_write_outside_a_roles_partition_keys_is_no_part_of_it() -> None:
    _, put = grant("sweep", "dynamodb:PutItem")
    need = Need(action=put.action, resource=put.resource, partition="SUBMISSION#")
    assert put.covers(need)
    assert not put.covers(replace(need, partition="PERSON#"))
    assert not put.covers(replace(need, partition="FREEZE"))
    assert not put.covers(replace(need, resource=f"{put.resource}-other"))
    assert not put.covers(replace(need, action="dynamodb:DeleteItem"))


@pytest.mark.parametrize("function", sorted(FILES))
def test_no_function_that_strangers_reach_can_change_duties_the_archive_or_the_site(function: str) -> None:
    """Clause 5.3.1: what a compromised page could write is what pages write anyway."""
    keys = [key for each in grants(function) for key in each.partitions or ()]
    writes = [
        each for each in grants(function) if each.action.endswith(("PutItem", "UpdateItem", "DeleteItem"))
    ]
    assert all(each.partitions for each in writes), "a role that may write anywhere"
    assert not {"PERSON#*", "EMAIL#*", "DEPARTMENTS*"} & set(keys)
    assert function == "archive" or not {"ARCHIVE#*", "SERIES#*"} & set(keys)
    assert function == "deliver" or "SITE#*" not in keys
