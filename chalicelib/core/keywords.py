"""How JSON Schema keywords are obeyed: jsonschema's way, but for those whose errors must point at one fault.

Apart from `validation` because importing jsonschema costs more than most events do. Only the formats below
exist: without optional libraries jsonschema would accept anything, and some of those take a second to import.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files

from jsonschema.exceptions import ValidationError
from jsonschema.validators import Draft202012Validator, create

from chalicelib.core.addresses import is_email
from chalicelib.core.clock import from_text

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:[0-5]\d)", re.ASCII)


def _is_date_time(text: str) -> bool:
    """RFC 3339 with a capital T and Z and no leap second, in a year that every zone can show."""
    try:
        return _DATE_TIME.fullmatch(text) is not None and 1900 <= from_text(text).year < 9999  # noqa: PLR2004
    except (ValueError, OverflowError):
        return False


@cache
def known_time_zones() -> frozenset[str]:
    """The names of the IANA database, but for the one that stands for no zone at all."""
    return frozenset(files("tzdata").joinpath("zones").read_text("ascii").split()) - {"Factory"}


def _is_time_zone(text: str) -> bool:
    """A name of the IANA database in its own spelling, whatever else this machine's disk would find."""
    return text in known_time_zones()


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": _is_date_time,
    "time-zone": _is_time_zone,
    "email": is_email,
}


def _format(_: object, name: str, node: object, __: object) -> Iterator[ValidationError]:
    if isinstance(node, str) and not FORMATS[name](node):
        yield ValidationError("not of this format")


def _pattern(_: object, expression: str, node: object, __: object) -> Iterator[ValidationError]:
    """As ECMA-262 reads it: a final `$` is the very end, never the place before a line feed."""
    exact = expression[:-1] + r"\Z" if expression.endswith("$") else expression
    if isinstance(node, str) and not re.search(exact, node):
        yield ValidationError("no match")


def _required(_: object, names: list[str], node: object, __: object) -> Iterator[ValidationError]:
    if isinstance(node, dict):
        yield from (ValidationError("missing", path=[name]) for name in names if name not in node)


def _unevaluated(
    _: object, __: object, node: object, rules: Mapping[str, Mapping[str, object]]
) -> Iterator[ValidationError]:
    if isinstance(node, dict):
        known = rules["properties"]
        yield from (ValidationError("unknown", path=[name]) for name in node if name not in known)


def _unique(_: object, __: object, node: object, ___: object) -> Iterator[ValidationError]:
    """Compares texts; whatever else stands in our lists is an error of its own."""
    seen = set()
    for index, item in enumerate(node if isinstance(node, list) else ()):
        if isinstance(item, str):
            if item in seen:
                yield ValidationError("repeated", path=[index])
            seen.add(item)


Validator = create(
    meta_schema=Draft202012Validator.META_SCHEMA,
    validators=Draft202012Validator.VALIDATORS
    | {
        "format": _format,
        "pattern": _pattern,
        "required": _required,
        "unevaluatedProperties": _unevaluated,
        "uniqueItems": _unique,
    },
    type_checker=Draft202012Validator.TYPE_CHECKER,
)
