"""The schemas' examples: valid ones pass, invalid ones are refused for their stated reasons only."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.validation import CODES, SCHEMAS, schema

EXAMPLES = SCHEMAS / "examples"
BODIES = (
    "attachment",
    "submission",
    "sign_in",
    "session",
    "withdrawal",
    "amendment",
    "confirmation",
    "review_link",
    "task",
    "decision",
    "delegation",
    "reassignment",
    "subscription",
    "unknown_mails",
    "audience_preview",
    "freeze",
    "unfreeze",
    "proof",
    "new_passkey",
    "passkey_options",
)


def examples(kind: str) -> list[Path]:
    return sorted((EXAMPLES / kind).glob("*.json"))


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", examples("valid"), ids=name_of)
def test_valid_example_is_accepted(path: Path) -> None:
    example = load(path)
    assert schema(example["schema"]).errors(example["document"]) == ()


@pytest.mark.parametrize("path", examples("invalid"), ids=name_of)
def test_invalid_example_is_refused_for_exactly_its_reasons(path: Path) -> None:
    """Clause 3.1.2: all errors at once, by field."""
    example = load(path)
    errors = [(error.pointer, error.code) for error in schema(example["schema"]).errors(example["document"])]
    assert sorted(errors) == sorted((each["pointer"], each["code"]) for each in example["errors"])


@pytest.mark.parametrize("kind", ["valid", "invalid"])
@pytest.mark.parametrize("name", BODIES)
def test_every_body_has_examples_of_both_kinds(name: str, kind: str) -> None:
    assert [path for path in examples(kind) if load(path)["schema"] == name]


@pytest.mark.parametrize("name", BODIES)
def test_each_way_a_body_can_be_wrong_has_an_example(name: str) -> None:
    shown = {
        each["code"]
        for path in examples("invalid")
        if (example := load(path))["schema"] == name
        for each in example["errors"]
    }
    assert set(codes_of(schema(name)._validator.schema)) <= shown


def codes_of(rules: object) -> Iterator[str]:
    """Codes that a compiled schema's keywords can give, conditions (`if`, `not`) left out."""
    if isinstance(rules, list):
        for each in rules:
            yield from codes_of(each)
    if isinstance(rules, dict):
        own = rules.get("x-codes", {})
        for keyword, value in rules.items():
            if keyword in own:
                yield own[keyword]
            elif keyword in CODES:
                yield CODES[keyword][0]
            if keyword == "properties":
                yield from codes_of(list(value.values()))
            elif keyword not in {"if", "not"}:
                yield from codes_of(value)
