"""JSON Schemas (draft 2020-12) as the whole product sees them: all faults at once, one clear error for each.

A schema may name the code of a keyword's failure beside it: `"x-codes": {"pattern": "bad_id"}`. Formats are
asserted. All properties of an object stand in the `properties` beside its `unevaluatedProperties: false`; a
branch (`then`) only narrows them.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import BadRequest, FieldError, InvalidInput

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMAS = Path(__file__).parents[2] / "schemas"

MAX_VALUES = 2_000
"""In one document: several times what the largest honest form holds. A schema may say `"x-max-values"`."""
MAX_DEPTH = 16
MAX_BITS = 64
"""Of a whole number."""

CODES: Mapping[str, tuple[str, str | None]] = {
    "type": ("wrong_type", "expected"),
    "required": ("required", None),
    "unevaluatedProperties": ("unknown_field", None),
    "enum": ("not_one_of", "allowed"),
    "const": ("not_one_of", "allowed"),
    "maxLength": ("too_long", "limit"),
    "minLength": ("too_short", "limit"),
    "maxItems": ("too_many", "limit"),
    "maxProperties": ("too_many", "limit"),
    "minItems": ("too_few", "limit"),
    "uniqueItems": ("duplicate", None),
    "format": ("bad_format", "format"),
}
"""Keyword → code, and the parameter that carries the keyword's value. Any other's failure is `bad_value`."""


class Schema:
    """One schema, compiled once. `name` is its file's without `.json`; references reach the same folder.

    `defaults` are those of its top-level properties; `rules` is the whole schema with its references filled in, for
    pages that show a field's limits and choices.
    """

    def __init__(self, name: str, folder: Path = SCHEMAS) -> None:
        from chalicelib.core.keywords import Validator  # noqa: PLC0415 — heavy, and few events need it

        file = folder / f"{name}.json"
        self.rules: Mapping[str, Any] = _inlined(_read(file), file)
        rules = self.rules
        self._validator = Validator(rules)
        self._max_values = int(rules.get("x-max-values", MAX_VALUES))
        self.defaults: Mapping[str, Any] = {
            name: each["default"] for name, each in rules.get("properties", {}).items() if "default" in each
        }

    def errors(self, document: Any) -> tuple[FieldError, ...]:  # noqa: ANN401 — any JSON value, from anybody
        """All faults of a JSON value, at most one error per pointer and code; empty if there is none."""
        if _too_complex(document, self._max_values):
            return (FieldError(pointer="", code="too_complex"),)
        found = map(_field_error, self._validator.iter_errors(document))
        return tuple({(error.pointer, error.code): error for error in found}.values())


def time_zones() -> tuple[str, ...]:
    """The names that the format `time-zone` accepts, sorted."""
    from chalicelib.core.keywords import known_time_zones  # noqa: PLC0415 — as above

    return tuple(sorted(known_time_zones()))


def read_json(text: str | bytes) -> object:
    """The JSON value that a text holds. Raises BadRequest when it is not JSON, NaN and infinities included."""
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest("not_json") from error
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


@cache
def schema(name: str) -> Schema:
    """The product's own schema of that name."""
    return Schema(name)


def checked(name: str, document: object) -> dict[str, Any]:
    """A request's body with the defaults of absent fields. Raises InvalidInput with every fault at once."""
    rules = schema(name)
    errors = rules.errors(document)
    if errors or not isinstance(document, dict):
        raise InvalidInput(errors)
    return {**rules.defaults, **document}


def _too_complex(document: object, max_values: int) -> bool:
    """Whether a value is too deep, too large or too big a number to be worth examining. Does not recurse."""
    level, values = [document], 0
    for _ in range(MAX_DEPTH):
        values += len(level)
        if values > max_values or any(isinstance(n, int) and n.bit_length() > MAX_BITS for n in level):
            return True
        level = [child for node in level for child in _children(node)]
    return bool(level)


def _children(node: object) -> Sequence[object]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else ()


def _field_error(error: "ValidationError") -> FieldError:
    pointer = "".join(f"/{_token(part)}" for part in error.absolute_path)
    keyword, value, rules = str(error.validator), error.validator_value, error.schema
    own = rules.get("x-codes", {}) if isinstance(rules, Mapping) else {}
    if keyword in own:
        return FieldError(pointer=pointer, code=own[keyword])
    code, parameter = CODES.get(keyword, ("bad_value", None))
    shown = [value] if keyword == "const" else value
    return FieldError(pointer=pointer, code=code, params={parameter: shown} if parameter else {})


def _token(part: str | int) -> str:
    """A reference token (RFC 6901). Lone surrogates, which no answer can carry, become question marks."""
    return str(part).replace("~", "~0").replace("/", "~1").encode("utf-8", "replace").decode()


def _inlined(rules: Any, file: Path) -> Any:  # noqa: ANN401 — any part of a schema
    """Rules with each `$ref` replaced by what it refers to: to look one up costs more than to obey it."""
    if isinstance(rules, list):
        return [_inlined(each, file) for each in rules]
    if not isinstance(rules, dict):
        return rules
    plain = {
        key: _inlined(value, file) for key, value in rules.items() if key not in {"$ref", "$defs", "$schema"}
    }
    if "$ref" in rules:
        name, _, pointer = rules["$ref"].partition("#")
        there = file.with_name(name) if name else file
        referred = reduce(getitem, pointer.split("/")[1:], _read(there))
        plain["allOf"] = [_inlined(referred, there), *plain.get("allOf", [])]
    return plain


@cache
def _read(file: Path) -> dict[str, Any]:
    contents: dict[str, Any] = json.loads(file.read_bytes())
    return contents
