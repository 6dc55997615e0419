"""Whether a condition holds for an item: what DynamoDB says of PynamoDB's conditions, said in this process."""

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pynamodb.expressions.condition import (
    And,
    BeginsWith,
    Between,
    Comparison,
    Condition,
    Contains,
    Exists,
    In,
    Not,
    NotExists,
    Or,
)
from pynamodb.expressions.operand import Path, Value

Item = Mapping[str, Any]
"""An item's attributes, or a map's: `{"title": {"S": "…"}}`."""

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SETS = {"SS": str, "NS": Decimal, "BS": bytes}
_ORDERED = frozenset({"S", "N", "B"})
_SEGMENT = re.compile(r"([^\[\]]+)((?:\[\d+])*)")

Typed = tuple[str, Any]
"""A value as it compares: its type, and a number for a number, a set for a set."""


def holds(condition: Condition, item: Item | None) -> bool:
    """Whether the condition holds for the item, None being that there is none.

    Raises TypeError for a condition that nothing here uses yet: an answer that might be wrong helps nobody.
    """
    match condition:
        case And(values=(first, second)):
            return holds(first, item) and holds(second, item)
        case Or(values=(first, second)):
            return holds(first, item) or holds(second, item)
        case Not(values=(only,)):
            return not holds(only, item)
        case _:
            operands = [_value(operand, item) for operand in condition.values]
            return _says(condition, *operands)


def _says(condition: Condition, subject: Typed | None, *others: Typed | None) -> bool:
    match condition:
        case Exists() | NotExists():
            return (subject is not None) is isinstance(condition, Exists)
        case Comparison():
            return _compare(condition.operator, subject, others[0])
        case Between():
            return _compare(">=", subject, others[0]) and _compare("<=", subject, others[1])
        case In():
            return any(_compare("=", subject, other) for other in others)
        case BeginsWith():
            return _begins(subject, others[0])
        case Contains():
            return _contains(subject, others[0])
        case _:
            raise TypeError(f"nobody knows here what {type(condition).__name__} means")


def _compare(sign: str, left: Typed | None, right: Typed | None) -> bool:
    """What is not there equals nothing and has no order; values of two types are never equal nor in order."""
    if sign in {"=", "<>"}:
        return (left is not None and left == right) is (sign == "=")
    if left is None or right is None or left[0] != right[0] or left[0] not in _ORDERED:
        return False
    return _ORDER[sign](left[1], right[1])


def _begins(value: Typed | None, prefix: Typed | None) -> bool:
    if value is None or prefix is None or value[0] != prefix[0] or value[0] not in {"S", "B"}:
        return False
    return bool(value[1].startswith(prefix[1]))


def _contains(value: Typed | None, part: Typed | None) -> bool:
    """A text has a part, a set a member of its type, a list an element."""
    if value is None or part is None:
        return False
    kind, whole = value
    if kind == part[0] and kind in {"S", "B"}:
        return part[1] in whole
    if kind in _SETS:
        return part[0] == kind[0] and part[1] in whole
    return kind == "L" and part in whole


def _value(operand: object, item: Item | None) -> Typed | None:
    match operand:
        case Path():
            found = _found(operand.path, item)
            return None if found is None else typed(found)
        case Value():
            return typed(operand.value)
        case _:
            raise TypeError(f"nobody knows here what {type(operand).__name__} means")


def _found(path: list[str], item: Item | None) -> Item | None:
    """What lies at a path of names and list places, None where it leads nowhere."""
    here: Any = {"M": item or {}}
    for segment in path:
        parsed = _SEGMENT.fullmatch(segment)
        if parsed is None:
            raise ValueError(f"no path: {segment}")
        here = here.get("M", {}).get(parsed[1])
        for place in map(int, re.findall(r"\d+", parsed[2])):
            elements = (here or {}).get("L", [])
            here = elements[place] if place < len(elements) else None
        if here is None:
            return None
    return dict(here)


def typed(value: Item) -> Typed:
    """An attribute's value as it compares."""
    ((kind, raw),) = value.items()
    if kind == "N":
        return kind, Decimal(raw)
    if kind in _SETS:
        return kind, frozenset(map(_SETS[kind], raw))
    if kind == "L":
        return kind, tuple(map(typed, raw))
    if kind == "M":
        return kind, {name: typed(each) for name, each in raw.items()}
    return kind, raw
