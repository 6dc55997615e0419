"""Schemathesis against `/openapi.json`: no 5xx and no answer that it does not describe, whatever is sent.

Requests come in by the laptop's front door, so that paths, headers and bodies are read as they would be. Each
operation is asked with made-up ids and handles and with real ones, with a session. `make test` sends a few of each
kind, `make test-fuzz` many; every run sends the same.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app import app
from infra.local.front import Front
from tests.api_description import document, operations, resolved
from tests.attachment.files import attach
from tests.senders import System, refused_requests_of
from tests.world import ARCHIVIST, EDITOR, LIAISON, World, a_roster, a_world

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

FEW, MANY = 9, 40
"""Requests of each kind, mode and operation."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
"""Left out: `unsupported_method` wants 405 where API Gateway says 404, and `positive_data_acceptance` does not know
that a sound form may still be refused for what only roster, clock and policy can tell. That no operation forgets the
session is shown in `tests/schemas/test_openapi.py`."""
CALLERS = {"reviews": EDITOR, "archive": ARCHIVIST}
"""Who calls the operations of a tag; the liaison calls the others."""
SCHEMA = schemathesis.openapi.from_dict(
    document(),
    config=schemathesis.Config(
        projects=ProjectsConfig(
            default=ProjectConfig(generation=GenerationConfig(with_security_parameters=False))
        )
    ),
)


def asked(*, real: bool) -> list[Any]:
    """Every operation in every mode; of those with nothing to be wrong, only the positive."""
    return [
        pytest.param(method, route, mode, id=f"{method} {route} {mode.value}")
        for (method, route), operation in operations().items()
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or "requestBody" in operation or _own(operation, path=not real)
    ]


def _own(operation: dict[str, Any], *, path: bool) -> bool:
    """Whether an operation has parameters beside those that every operation has, which may be any text."""
    places = {"query", "path"} if path else {"query"}
    named = [resolved(each) for each in operation["parameters"]]
    return any(each["in"] in places or "pattern" in each["schema"] for each in named)


made_up = pytest.mark.parametrize(("method", "route", "mode"), asked(real=False))
real = pytest.mark.parametrize(("method", "route", "mode"), asked(real=True))


class ManyAddresses:
    """The front door as callers from ever other addresses see it, so that rate limits are not all they see.

    Werkzeug's client leaves the query out of `RAW_URI`, which a server puts in and the front door reads.
    """

    def __init__(self, front: Front) -> None:
        self._front = front
        self._numbers = itertools.count()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        high, low = divmod(next(self._numbers) // 100, 256)
        environ["REMOTE_ADDR"] = f"198.51.{high}.{low}"
        path = environ["RAW_URI"].partition("?")[0]
        environ["RAW_URI"] = f"{path}?{environ['QUERY_STRING']}"
        return self._front(environ, start_response)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A desk with something in it. `real` are path parameters that lead somewhere, `handle` a review link's."""

    world: World
    door: ManyAddresses
    real: dict[str, str]
    handle: str

    def ask(self, case: schemathesis.Case[Any]) -> None:
        """Send the request as whom it is for, and hold the answer against the description."""
        (tag,) = operations()[case.method, case.path]["tags"]
        token = self.world.token(CALLERS.get(tag, LIAISON))
        case.call_and_validate(app=self.door, headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with a_world(departments=("marketing",)) as world:
        archived = world.record(world.publish())["catalog_number"]
        attachment = attach(world)
        submission = world.submit(attachments=[attachment])
        System(world=world).send(title="")
        world.cloud.settle()
        (refused_request,) = refused_requests_of(world)
        yield Desk(
            world=world,
            door=ManyAddresses(Front(app=app, mails=list, people=a_roster, site=lambda _: None)),
            real={
                "submission": submission,
                "attachment": attachment,
                "refused_request": refused_request,
                "catalog_number": archived,
            },
            handle=world.links(EDITOR)[0],
        )


def cases(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],  # a failing request is shown as it was: to make it smaller takes a minute
        suppress_health_check=list(HealthCheck),
    )


def ask_made_up(desk: Desk, method: str, route: str, mode: GenerationMode, number: int) -> None:
    """Ask with whatever the description allows, or does not allow."""

    @cases(number)
    @given(case=SCHEMA[route][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        desk.ask(case)

    ask()


def ask_for_real(desk: Desk, method: str, route: str, mode: GenerationMode, number: int) -> None:
    """Ask for what there is, so that more than its absence is answered."""
    in_path = {name: value for name, value in desk.real.items() if f"{{{name}}}" in route}

    @cases(number)
    @given(case=SCHEMA[route][method].as_strategy(generation_mode=mode, path_parameters=in_path or None))
    def ask(case: schemathesis.Case[Any]) -> None:
        if isinstance(case.body, dict) and isinstance(case.body.get("handle"), str):
            case.body = {**case.body, "handle": desk.handle}
        desk.ask(case)

    ask()


@made_up
def test_an_answer_is_one_that_is_described(
    desk: Desk, method: str, route: str, mode: GenerationMode
) -> None:
    ask_made_up(desk, method, route, mode, FEW)


@real
def test_an_answer_about_what_there_is_is_one_that_is_described(
    desk: Desk, method: str, route: str, mode: GenerationMode
) -> None:
    ask_for_real(desk, method, route, mode, FEW)


def test_there_is_something_at_every_address_that_is_asked_for(desk: Desk) -> None:
    looked_up = {route for method, route in operations() if method == "GET" and "{" in route}
    assert {name for route in looked_up for name in re.findall(r"{(\w+)}", route)} == desk.real.keys()
    for route in looked_up:
        path = re.sub(r"{(\w+)}", lambda found: quote(desk.real[found[1]]), route)
        (tag,) = operations()["GET", route]["tags"]
        answer = desk.world.call("GET", path, as_=CALLERS.get(tag, LIAISON))
        assert answer.status == 200, (path, answer)


@pytest.mark.fuzz_full
@made_up
def test_every_answer_is_one_that_is_described(
    desk: Desk, method: str, route: str, mode: GenerationMode
) -> None:
    ask_made_up(desk, method, route, mode, MANY)


@pytest.mark.fuzz_full
@real
def test_every_answer_about_what_there_is_is_one_that_is_described(
    desk: Desk, method: str, route: str, mode: GenerationMode
) -> None:
    ask_for_real(desk, method, route, mode, MANY)
