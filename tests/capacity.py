"""Write units as DynamoDB counts them, from the requests a life has made.

An item's size is the bytes of its names and values; 1 KB, rounded up, is a unit, twice that in a transaction. An
index costs a unit more for each kilobyte of what it projects when that changes, two when its key does.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

Item = Mapping[str, Mapping[str, Any]]

INDEXES = {"listing": ("listing_key", "listing_sort", "state"), "in_flight": ("in_flight",)}


def size(item: Item) -> int:
    """Bytes of an item, by the rules of the developer guide."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(value: Mapping[str, Any]) -> int:
    ((kind, raw),) = value.items()
    if kind == "S":
        return len(raw.encode())
    if kind == "N":
        return len(raw.lstrip("-0.")) // 2 + 2
    if kind == "SS":
        return sum(len(member.encode()) for member in raw)
    if kind in {"BOOL", "NULL"}:
        return 1
    raise ValueError(kind)


def units(item: Item) -> int:
    """Write units of an item outside a transaction."""
    return max(1, math.ceil(size(item) / 1024))


class WriteMeter:
    """Counts the write units of the requests it is shown, rate limits left out."""

    def __init__(self) -> None:
        self.by_kind: dict[str, int] = {}
        self._items: dict[tuple[str, str], Item] = {}

    @property
    def total(self) -> int:
        """All units so far."""
        return sum(self.by_kind.values())

    def see(self, operation: str, params: Mapping[str, Any]) -> None:
        """Take a request's units into account."""
        if operation not in {"PutItem", "UpdateItem", "TransactWriteItems", "DeleteItem"}:
            return
        request = json.loads(params["body"])
        if operation == "PutItem":
            self._put(request["Item"], 1)
        elif operation == "UpdateItem":
            self._update(request)
        elif operation == "TransactWriteItems":
            for member in request["TransactItems"]:
                if "Put" in member:
                    self._put(member["Put"]["Item"], 2)
                else:
                    key = member["ConditionCheck"]["Key"]
                    self._add("check", 2 * units(self._items.get((key["pk"]["S"], key["sk"]["S"]), key)))
        else:
            raise AssertionError(operation)

    def _update(self, request: Mapping[str, Any]) -> None:
        key = request["Key"]
        if key["pk"]["S"].startswith("RATE#"):
            return
        self._add(_kind(key), units(self._items.get((key["pk"]["S"], key["sk"]["S"]), key)))

    def _put(self, item: Item, factor: int) -> None:
        place = item["pk"]["S"], item["sk"]["S"]
        before = self._items.get(place, {})
        self._add(_kind(item), factor * max(units(item), units(before) if before else 1))
        for index, attributes in INDEXES.items():
            old, new = ([other.get(name) for name in attributes] for other in (before, item))
            shown_before, shown_now = attributes[0] in before, attributes[0] in item
            if (shown_before or shown_now) and old != new:
                self._add(f"index {index}", 1)
        self._items[place] = item

    def _add(self, kind: str, number: int) -> None:
        self.by_kind[kind] = self.by_kind.get(kind, 0) + number


def _kind(item: Item) -> str:
    return f"{item['pk']['S'].partition('#')[0]} {item['sk']['S'].partition('#')[0]}".lower()
