"""The API's description (OpenAPI 3.1), put together from the schemas that the code itself obeys.

`schemas/api/routes.json` has one entry per JSON route, `schemas/api/openapi.json` what they share, `schemas/*.json`
the bodies, `schemas/answers/*.json` the answers. What every route has in common (languages, correlation id, the
refusals that follow from needing a session or a body) is added here, so that an entry says only what is its own.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.core.http import Exchange, document, endpoint
from chalicelib.core.validation import SCHEMAS

JSON = "application/json"
PROBLEM = "application/problem+json"
_API = SCHEMAS / "api"
_SURROGATES = r"\uD800-\uDFFF"

openapi_routes = Blueprint(__name__)


@openapi_routes.route("/openapi.json", methods=["GET"])
@endpoint(openapi_routes)
def describe_api(exchange: Exchange) -> Response:
    """Answer the description."""
    return document(exchange, _text())


@cache
def _text() -> str:
    return json.dumps(description(), ensure_ascii=False)


def description() -> dict[str, Any]:
    """The whole description as one self-contained document: nothing in it refers outside."""
    whole: dict[str, Any] = _read(_API / "openapi.json")
    routes: Mapping[str, Mapping[str, Any]] = _read(_API / "routes.json")
    whole["components"]["responses"] = {
        status: _refusal(status, refusal) for status, refusal in whole["components"]["responses"].items()
    }
    for name, route in routes.items():
        method, path = name.split()
        whole["paths"].setdefault(path, {})[method.lower()] = _operation(path, route)
    files: dict[str, Path] = {}
    schemas: dict[str, Any] = {}
    bundled: dict[str, Any] = _bundled(whole, _API / "openapi.json", files)
    while missing := files.keys() - schemas.keys():  # a schema that is taken in may refer to further ones
        for name in sorted(missing):
            schemas[name] = _bundled(_read(files[name]), files[name], files)
    bundled["components"]["schemas"] = dict(sorted(schemas.items()))
    return bundled


def _operation(path: str, route: Mapping[str, Any]) -> dict[str, Any]:
    in_path = re.findall(r"{(\w+)}", path)
    names = [*in_path, *route.get("parameters", ()), "Accept-Language", "X-Correlation-Id"]
    refusals = {415, 500, *route.get("refusals", ())}
    operation: dict[str, Any] = {
        "operationId": route["view"],
        "tags": [route["tag"]],
        "summary": route["summary"],
        "parameters": [_reference("parameters", name) for name in names],
    }
    if route.get("public"):
        operation["security"] = []
    else:
        refusals |= {401, 403}
    if "body" in route:
        refusals |= {400, 422}
        body = {"schema": {"$ref": f"../{route['body']}.json"}}
        operation["requestBody"] = {"required": True, "content": {JSON: body}}
    answers = {status: _answer(name) for status, name in route["answer"].items()}
    answers |= {str(status): _reference("responses", str(status)) for status in sorted(refusals)}
    return operation | {"responses": answers}


def _answer(name: str) -> dict[str, Any]:
    file = SCHEMAS / "answers" / f"{name}.json"
    return {
        "description": _read(file)["title"],
        "headers": _headers("X-Correlation-Id"),
        "content": {JSON: {"schema": {"$ref": f"../answers/{name}.json"}}},
    }


def _refusal(status: str, refusal: Mapping[str, Any]) -> dict[str, Any]:
    headers = ["X-Correlation-Id", "Content-Language", *(["Retry-After"] if status == "429" else [])]
    schema = {"$ref": "../answers/problem.json", "properties": {"status": {"const": int(status)}}}
    return {**refusal, "headers": _headers(*headers), "content": {PROBLEM: {"schema": schema}}}


def _headers(*names: str) -> dict[str, Any]:
    return {name: _reference("headers", name) for name in names}


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _bundled(part: Any, file: Path, files: dict[str, Path]) -> Any:  # noqa: ANN401 — any part of a file
    """A part of a file with its references led to `components.schemas`; the files they meant join `files`."""
    if isinstance(part, list):
        return [_bundled(each, file, files) for each in part]
    if not isinstance(part, dict):
        return part
    bundled = {key: _bundled(value, file, files) for key, value in part.items() if key != "$schema"}
    if isinstance(part.get("$ref"), str) and not part["$ref"].startswith("#/components/"):
        name, _, pointer = part["$ref"].partition("#")
        there = (file.parent / name).resolve() if name else file
        component = there.relative_to(SCHEMAS).with_suffix("").as_posix().replace("/", ".")
        files[component] = there
        bundled["$ref"] = f"#/components/schemas/{component}{pointer}"
    if isinstance(part.get("pattern"), str):
        # Few engines of regular expressions know surrogates. A lone one is refused as before.
        bundled["pattern"] = part["pattern"].replace(_SURROGATES, "")
    return bundled


def _read(file: Path) -> dict[str, Any]:
    contents: dict[str, Any] = json.loads(file.read_bytes())
    return contents
