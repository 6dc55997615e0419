"""`/openapi.json`: a sound document that has every JSON route, and judges as the product does.

That it has every *answer* is asked of each answer that any test gets (`tests/api_description.py`) and of many
made-up requests (`tests/core/test_api_fuzz.py`).
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from app import app
from chalicelib import bootstrap
from chalicelib.attachment.model import Refusal, UploadState
from chalicelib.core.openapi import JSON
from chalicelib.core.validation import SCHEMAS
from chalicelib.identity.model import COOKIE
from chalicelib.people.model import Role
from chalicelib.publication.model import DeliveryState
from chalicelib.submission.model import Channel, Reason, State
from tests.api_description import HOW, compiled, document, ensure_described, operations, resolved
from tests.world import ARCHIVIST, EDITOR, LIAISON, World, a_world, call_app

ANSWERS = sorted((SCHEMAS / "answers").glob("*.json"))
EXAMPLES = [
    path
    for path in sorted((SCHEMAS / "examples").glob("*/*.json"))
    if not any(
        f'"schema": "{other}"' in path.read_text("utf-8") for other in ("roster", "new_passkey")
    )  # no bodies of the API
    and "\\ud8"
    not in path.read_text("utf-8").lower()  # a lone surrogate: the description leaves it to the product
]
BILINGUAL = re.compile(r"[一-鿿].* / \S")
OPEN = {"checklist", "payload", "receipt", "form"}
"""Objects whose keys are data, and the form, which its own schema closes."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


def test_the_description_is_sound_openapi_3_1() -> None:
    assert document()["openapi"].startswith("3.1.")
    validate(document())


def test_the_description_is_served_without_aws_settings_or_session() -> None:
    bootstrap.use(None)
    answer = call_app("GET", "/openapi.json", "", {})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == JSON
    assert answer.body == document()


def test_every_json_route_is_described_and_nothing_else_is() -> None:
    routes = {(method, route) for route, methods in app.routes.items() for method in methods}
    described = operations().keys()
    forgotten = {each for each in routes - described if each[1].startswith("/api/")}
    assert not forgotten, f"/openapi.json does not know {sorted(forgotten)}. {HOW}"
    gone = described - routes
    assert not gone, f"no route of the app: {sorted(gone)}. Remove it from schemas/api/routes.json."


@pytest.mark.parametrize(("method", "route"), operations(), ids=" ".join)
def test_an_operation_is_named_after_its_view_and_told_in_chinese_and_english(
    method: str, route: str
) -> None:
    operation = operations()[method, route]
    assert operation["operationId"] == app.routes[route][method].view_function.__name__
    assert BILINGUAL.search(operation["summary"])
    assert {each["name"] for each in document()["tags"]} >= set(operation["tags"])


def test_all_that_operations_share_is_told_in_chinese_and_english() -> None:
    components = document()["components"]
    for kind in ("parameters", "headers", "responses", "securitySchemes"):
        for name, part in components[kind].items():
            assert BILINGUAL.search(part["description"]), name
    assert components["securitySchemes"]["cookie"]["name"] == COOKIE


@pytest.mark.parametrize(("method", "route"), operations(), ids=" ".join)
def test_an_operation_wants_a_session_exactly_if_the_description_says_so(
    world: World, method: str, route: str
) -> None:
    path = route.replace("{submission}", f"s-{'a' * 20}").replace("{catalog_number}", "Z109")
    wanted = operations()[method, route].get("security", document()["security"]) != []
    assert (world.call(method, path, {}).status == 401) is wanted


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_a_schema_of_an_answer_is_sound_used_and_told_in_chinese_and_english(path: Path) -> None:
    rules = load(path)
    assert rules["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(rules)
    assert f"answers.{path.stem}" in document()["components"]["schemas"]
    assert BILINGUAL.search(rules["title"])
    assert BILINGUAL.search(rules["description"])
    for name, field in fields_in(rules):
        assert "$ref" in field or BILINGUAL.search(field["title"]), name


def fields_in(rules: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every described field, by name; conditions left out."""
    if isinstance(rules, list):
        for each in rules:
            yield from fields_in(each)
    if isinstance(rules, dict):
        yield from rules.get("properties", {}).items()
        yield from (
            each
            for key, value in rules.items()
            if key not in {"if", "then", "else"}
            for each in fields_in(value)
        )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("state", State),
        ("reason", Reason),
        ("role", Role),
        ("delivery_state", DeliveryState),
        ("upload_state", UploadState),
        ("refusal", Refusal),
    ],
)
def test_words_of_answers_are_those_of_the_code(name: str, words: type[Any]) -> None:
    assert load(SCHEMAS / "answers" / "words.json")["$defs"][name]["enum"] == [word.value for word in words]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_described_body_is_judged_as_the_product_judges_it(path: Path) -> None:
    example = load(path)
    judge = compiled(json.dumps({"$ref": f"#/components/schemas/{example['schema']}"}))
    assert judge.is_valid(example["document"]) == (path.parent.name == "valid")


def test_no_answer_may_have_a_field_that_is_not_described(world: World) -> None:
    archived = world.record(world.publish(), as_=LIAISON)
    submission = world.submit()
    world.approve("initial")
    world.cloud.settle()
    number = archived["catalog_number"]
    asked: list[tuple[str, str, str, Any, Any]] = [
        ("GET", "/api/v1/me", "/api/v1/me", None, LIAISON),
        ("GET", "/api/v1/submissions", "/api/v1/submissions", None, LIAISON),
        ("GET", "/api/v1/submissions/{submission}", f"/api/v1/submissions/{submission}", None, LIAISON),
        ("POST", "/api/v1/review-links", "/api/v1/review-links", {"handle": world.links(EDITOR)[0]}, EDITOR),
        ("POST", "/api/v1/submissions", "/api/v1/submissions", {}, LIAISON),
        ("GET", "/api/v1/archive", "/api/v1/archive", None, ARCHIVIST),
        ("GET", "/api/v1/archive/{catalog_number}", f"/api/v1/archive/{number}", None, ARCHIVIST),
    ]
    for method, route, path, body, person in asked:
        answer = world.call(method, path, body, as_=person)
        changed = 0
        for more in with_one_more_field(answer.body):
            changed += 1
            with pytest.raises(AssertionError, match="does not describe"):
                ensure_described(method, route, answer.status, answer.headers, more)
        assert changed > 0


def with_one_more_field(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Copies of an answer, each with one unknown field in one of its objects."""
    for place in objects_in(body, ()):
        more = copy.deepcopy(body)
        part: Any = more
        for step in place:
            part = part[step]
        part["not_described"] = 1
        yield more


def objects_in(part: Any, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 — JSON
    if isinstance(part, dict):
        yield place
        for name, value in part.items():
            if name not in OPEN:
                yield from objects_in(value, (*place, name))
    if isinstance(part, list):
        for index, value in enumerate(part):
            yield from objects_in(value, (*place, index))


@pytest.mark.parametrize(
    ("route", "status", "content_type", "told"),
    [
        ("/api/v1/unheard-of", 200, JSON, "does not know"),
        ("/unheard-of", 200, JSON, "does not know"),
        ("/healthz", 404, JSON, "does not list"),
        ("/healthz", 200, "text/html", "not 'application/json'"),
        ("/healthz", 500, "application/problem+json", "in its body"),
    ],
)
def test_an_answer_that_is_not_described_is_told(
    route: str, status: int, content_type: str, told: str
) -> None:
    headers = {"Content-Type": content_type, "X-Correlation-Id": "c", "Content-Language": "en"}
    with pytest.raises(AssertionError, match=told):
        ensure_described("GET", route, status, headers, {"status": "ok"})


def test_a_page_needs_no_description() -> None:
    ensure_described("GET", "/requests", 200, {"Content-Type": "text/html; charset=utf-8"}, "<!doctype html>")


def test_every_refusal_is_problem_details() -> None:
    for operation in operations().values():
        refusals: Mapping[str, Any] = {s: a for s, a in operation["responses"].items() if s >= "400"}
        assert {"415", "500"} <= refusals.keys()
        assert all([*resolved(each)["content"]] == ["application/problem+json"] for each in refusals.values())


def test_no_route_of_a_channel_is_hidden_by_one_of_a_channels_own() -> None:
    """API Gateway takes the fixed part where there is one, and does not look for the rest beside it."""
    of_channels = [route for route in app.routes if "/deliveries/" in route]
    fixed = [route for route in of_channels if set(route.split("/")) & set(Channel)]
    assert of_channels
    assert fixed == []
