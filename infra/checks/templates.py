"""What checks ask of a template."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.templates import Template

_SUBSTITUTED = re.compile(r"\$\{(?!!)([\w:.]+)}")
HANDED = re.compile(r"\{\{resolve:ssm:((?:[^}]|}(?!}))+)}}")
"""A dynamic reference to what another stack has handed over."""


def merged(over: Any, under: Any) -> Any:  # noqa: ANN401 — a template's values have any shape
    """As Chalice merges a template into its own: mappings one into the other, anything else in place of the other."""
    if not (isinstance(over, dict) and isinstance(under, dict)):
        return over
    return under | {key: merged(value, under.get(key)) for key, value in over.items()}


def without(template: Any, part: Any) -> Any:  # noqa: ANN401 — as above
    """The template without each leaf of `part`: what was there before it was merged in, but for replaced leaves."""
    if not (isinstance(template, dict) and isinstance(part, dict)):
        return None
    left = {key: value if key not in part else without(value, part[key]) for key, value in template.items()}
    return {key: value for key, value in left.items() if value is not None} or None


def of_type(template: Template, *types: str) -> dict[str, Any]:
    """The properties of the resources of these types, by logical name."""
    return {
        name: one.get("Properties", {}) for name, one in template["Resources"].items() if one["Type"] in types
    }


def walk(value: Any) -> Iterator[Any]:  # noqa: ANN401 — as above
    """The value and everything in it."""
    yield value
    if isinstance(value, dict):
        for each in value.values():
            yield from walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from walk(each)


def references(value: Any) -> set[str]:  # noqa: ANN401 — as above
    """The logical names of resources and parameters that a value refers to."""
    found: set[str] = set()
    for each in walk(value):
        match each:
            case {"Ref": str(name)}:
                found.add(name)
            case {"Fn::GetAtt": [str(name), *_]}:
                found.add(name)
            case {"Fn::Sub": str(text)}:
                found |= {name.partition(".")[0] for name in _SUBSTITUTED.findall(text)}
            case {"Fn::Sub": [str(text), dict(own)]}:
                found |= {name.partition(".")[0] for name in _SUBSTITUTED.findall(text)} - own.keys()
    return {name for name in found if not name.startswith("AWS::")}


def text_of(value: Any) -> str:  # noqa: ANN401 — as above
    """A value's text, with `${…}` where a name is put in; empty for what is no text."""
    match value:
        case str():
            return value
        case {"Fn::Sub": str(text)}:
            return text
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
    return ""


def statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A policy's statements, each once for every way that its conditions may turn out."""
    found: list[dict[str, Any]] = []
    for each in document["Statement"]:
        match each:
            case {"Fn::If": [_, yes, no]}:
                found += [one for one in (yes, no) if "Effect" in one]
            case _:
                found.append(each)
    return found


def listed(value: Any) -> list[Any]:  # noqa: ANN401 — as above
    """What may be one or several, as a list."""
    return value if isinstance(value, list) else [value]
