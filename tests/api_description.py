"""Whether an answer is one that `/openapi.json` describes: asked of every answer that any test gets."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from chalicelib.core.keywords import FORMATS
from chalicelib.core.openapi import JSON, PROBLEM, description

HOW = "Describe it in schemas/api/routes.json, its answer in schemas/answers/."


def ensure_described(
    method: str,
    route: str,
    status: int,
    headers: Mapping[str, str],
    body: Any,  # noqa: ANN401 — any JSON value
) -> None:
    """Raise AssertionError, saying what to do, unless the description has this answer of this route in this shape.

    Pages, which answer HTML, need no description; anything under `/api/` does.
    """
    operation = operations().get((method, route))
    content_type = headers.get("Content-Type", "").partition(";")[0]
    if operation is None:
        is_page = not route.startswith("/api/") and content_type != JSON
        assert is_page, f"/openapi.json does not know {method} {route}. {HOW}"
        return
    where = f"{method} {route} answered {status}"
    answer = operation["responses"].get(str(status))
    assert answer is not None, f"{where}, which /openapi.json does not list. {HOW}"
    (described,) = resolved(answer)["content"]
    assert content_type == described, f"{where} as {content_type!r}, not {described!r}"
    missing = resolved(answer).get("headers", {}).keys() - headers.keys()
    assert not missing, f"{where} without {missing}"
    assert described != PROBLEM or body["status"] == status, f"{where}, and {body['status']} in its body"
    faults = [
        f"{'/'.join(map(str, error.instance_path)) or 'body'}: {error.message[:300]}"
        for error in validator(method, route, str(status)).iter_errors(body)
    ]
    assert not faults, f"{where} with a body that /openapi.json does not describe: {faults[:5]}. {HOW}"


@cache
def document() -> dict[str, Any]:
    """The description, as whoever asks for it reads it."""
    read: dict[str, Any] = json.loads(json.dumps(description()))
    return read


@cache
def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation by method and route."""
    return {
        (method.upper(), route): operation
        for route, methods in document()["paths"].items()
        for method, operation in methods.items()
    }


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the description, or what it refers to."""
    if "$ref" not in part:
        return part
    found = document()
    for token in part["$ref"].removeprefix("#/").split("/"):
        found = found[token]
    return found


@cache
def validator(method: str, route: str, status: str) -> jsonschema_rs.Draft202012Validator:
    """What judges the body of that answer."""
    answer = resolved(operations()[method, route]["responses"][status])
    (content,) = answer["content"].values()
    return compiled(json.dumps(content["schema"]))


@cache
def compiled(schema: str) -> jsonschema_rs.Draft202012Validator:
    """A schema of the description, as JSON text; the same text is compiled once."""
    rules = {**json.loads(schema), "components": {"schemas": document()["components"]["schemas"]}}
    return jsonschema_rs.Draft202012Validator(rules, formats=dict(FORMATS), validate_formats=True)
