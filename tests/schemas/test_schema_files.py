"""The schema files themselves: sound, bilingual, closed, and read by any other validator as by ours."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from chalicelib.core.keywords import FORMATS
from chalicelib.core.validation import CODES, SCHEMAS

FILES = sorted(SCHEMAS.glob("*.json"))
EXAMPLES = [
    path
    for path in sorted((SCHEMAS / "examples").glob("*/*.json"))
    if not path.stem.endswith(
        "with-a-line-feed"
    )  # Python's `$` stops before one; JSON Schema's (ECMA-262) not
]
CONDITIONS = {"if", "then", "else"}
APPLICATORS = CONDITIONS | {
    "allOf",
    "additionalProperties",
    "items",
    "contains",
    "properties",
    "propertyNames",
    "$defs",
}
TAKEN_AS_READ = {
    "$schema",
    "$ref",
    "title",
    "description",
    "default",
    "x-codes",
    "x-max-values",
}
BILINGUAL = re.compile(r"[一-鿿].* / \w")


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


def parts(rules: object, *, skip: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """A schema and every schema in it, but not what stands under the keywords to skip."""
    if isinstance(rules, list):
        for each in rules:
            yield from parts(each, skip=skip)
    if isinstance(rules, dict):
        yield rules
        for keyword in (APPLICATORS & rules.keys()) - {*skip}:
            inner = rules[keyword]
            yield from parts(list(inner.values()) if keyword in {"properties", "$defs"} else inner, skip=skip)


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def rules(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(request.param)


def test_schema_obeys_the_draft_that_it_names(rules: dict[str, Any]) -> None:
    assert rules["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(rules)


def test_schema_is_titled_and_described_in_chinese_and_english(rules: dict[str, Any]) -> None:
    assert BILINGUAL.search(rules["title"])
    assert BILINGUAL.search(rules["description"])


def test_every_field_has_a_title_in_chinese_and_english(rules: dict[str, Any]) -> None:
    for part in parts(rules, skip=CONDITIONS):
        for name, field in part.get("properties", {}).items():
            assert "$ref" in field or BILINGUAL.search(field["title"]), name


def test_every_object_refuses_what_it_does_not_know(rules: dict[str, Any]) -> None:
    for part in parts(rules, skip=CONDITIONS):
        if "properties" in part:
            assert part["unevaluatedProperties"] is False


def test_schema_uses_only_keywords_whose_failure_has_a_code(rules: dict[str, Any]) -> None:
    for part in parts(rules):
        named = part.get("x-codes", {}).keys()
        assert named <= part.keys()
        assert part.keys() <= APPLICATORS | TAKEN_AS_READ | CODES.keys() | named


def test_schema_uses_only_formats_that_are_asserted(rules: dict[str, Any]) -> None:
    assert {part["format"] for part in parts(rules) if "format" in part} <= FORMATS.keys()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_another_validator_judges_the_example_alike(path: Path) -> None:
    formats = FormatChecker(formats=())
    for name, is_right in FORMATS.items():
        formats.checks(name)(lambda value, is_right=is_right: not isinstance(value, str) or is_right(value))
    registry = Registry().with_resources((file.name, Resource.from_contents(load(file))) for file in FILES)
    example = load(path)
    stock = Draft202012Validator(
        {"$ref": f"{example['schema']}.json"}, registry=registry, format_checker=formats
    )
    assert stock.is_valid(example["document"]) == (path.parent.name == "valid")
