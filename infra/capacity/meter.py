"""What calls of AWS consume, as AWS counts it, from the requests that a life makes and the answers it gets.

DynamoDB: an item's size is the bytes of its names and values. Each begun kilobyte written is a unit, two in a
transaction; an index costs a unit more when what it projects changes, two when its key does. Each begun 4 KB read is a
unit, half of one where the read need not be consistent; what is not there costs one.
"""

import json
import math
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from infra.deployment.stacks import TEMPLATES
from infra.templates import load

Item = Mapping[str, Mapping[str, Any]]

TABLE = "table"
_RECORDS = load(TEMPLATES / "data.yaml")["Resources"]["Records"]["Properties"]
_KEY = [key["AttributeName"] for key in _RECORDS["KeySchema"]]
INDEXES = {
    index["IndexName"]: (
        *(key["AttributeName"] for key in index["KeySchema"] if key["AttributeName"] not in _KEY),
        *index["Projection"].get("NonKeyAttributes", ()),
    )
    for index in _RECORDS["GlobalSecondaryIndexes"]
}
"""What each index holds beside the table's own key, the attribute first that it is partitioned by."""
WRITES = frozenset({"PutItem", "BatchWriteItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})
READS = frozenset({"BatchGetItem", "GetItem", "Query", "Scan"})
READ_UNIT = 4096


def size(item: Item) -> int:
    """Bytes of an item, by the rules of the developer guide."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(value: Mapping[str, Any]) -> int:
    ((kind, raw),) = value.items()
    if kind == "S":
        return len(raw.encode())
    if kind == "N":
        return len(raw.lstrip("-0.")) // 2 + 2
    if kind == "B":
        return len(raw) if isinstance(raw, bytes) else len(raw) * 3 // 4  # on the wire it is Base64
    if kind == "SS":
        return sum(len(member.encode()) for member in raw)
    if kind in {"BOOL", "NULL"}:
        return 1
    raise ValueError(kind)


def units(item: Item) -> int:
    """Write units of an item outside a transaction."""
    return max(1, math.ceil(size(item) / 1024))


@dataclass(frozen=True, kw_only=True)
class Touch:
    """One write to, or read of, a partition: `where` is the table or one of its indexes."""

    where: str
    key: str
    writes: float = 0
    reads: float = 0


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
        """Take a request's units into account, in the form in which it goes over the wire."""
        if operation in WRITES:
            for touch, kind in self.written(operation, json.loads(params["body"])):
                if not touch.key.startswith("RATE#"):
                    self.by_kind[kind] = self.by_kind.get(kind, 0) + int(touch.writes)

    def written(self, operation: str, request: Mapping[str, Any]) -> Iterator[tuple[Touch, str]]:
        """What a request writes where, each with a name for its kind of item or index."""
        match operation:
            case "PutItem":
                yield from self._put(request["Item"], 1)
            case "BatchWriteItem":
                for table in request["RequestItems"].values():
                    for each in table:
                        yield from self._put(each["PutRequest"]["Item"], 1)
            case "UpdateItem":
                yield self._keyed(request["Key"], 1)
            case "DeleteItem":
                yield self._keyed(request["Key"], 1)
                self._items.pop(_place(request["Key"]), None)
            case "TransactWriteItems":
                for member in request["TransactItems"]:
                    if "Put" in member:
                        yield from self._put(member["Put"]["Item"], 2)
                    else:
                        touch, _ = self._keyed(member["ConditionCheck"]["Key"], 2)
                        yield touch, "check"
            case _:
                raise ValueError(operation)

    def kept(self) -> Iterator[Item]:
        """Every item that was written and never goes by itself, as it stands."""
        return (item for item in self._items.values() if "expires_at" not in item)

    def _keyed(self, key: Item, factor: int) -> tuple[Touch, str]:
        known = self._items.get(_place(key), key)
        return Touch(where=TABLE, key=key["pk"]["S"], writes=factor * units(known)), _kind(key)

    def _put(self, item: Item, factor: int) -> Iterator[tuple[Touch, str]]:
        before = self._items.get(_place(item), {})
        written = factor * max(units(item), units(before) if before else 1)
        yield Touch(where=TABLE, key=item["pk"]["S"], writes=written), _kind(item)
        for index, attributes in INDEXES.items():
            old, new = ([other.get(name) for name in attributes] for other in (before, item))
            shown = [other[0]["S"] for other in (old, new) if other[0] is not None]
            if shown and old != new:
                for key in dict.fromkeys(shown):  # a changed key is taken away here and put there
                    yield Touch(where=index, key=key, writes=1), f"index {index}"
        self._items[_place(item)] = item


def read(operation: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Touch]:
    """What a call has read where."""
    if operation == "BatchGetItem":
        for table, wanted in request["RequestItems"].items():
            found = {_place(item): item for item in answer.get("Responses", {}).get(table, [])}
            for key in wanted["Keys"]:
                item = found.get(_place(key), {})
                yield Touch(where=TABLE, key=key["pk"]["S"], reads=_read_units([item], consistent=True))
        return
    index = request.get("IndexName")
    consistent = bool(request.get("ConsistentRead"))
    units_read = _read_units(answer.get("Items", []), consistent=consistent)
    values = request.get("ExpressionAttributeValues", {})
    key = values.get(":pk") or values.get(":k") or {"S": ""}
    yield Touch(where=index or TABLE, key=key["S"], reads=units_read)


def _read_units(items: Iterable[Item], *, consistent: bool) -> float:
    read_units = max(1, math.ceil(sum(map(size, items)) / READ_UNIT))
    return read_units if consistent else read_units / 2


def _place(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _kind(item: Item) -> str:
    return f"{item['pk']['S'].partition('#')[0]} {item['sk']['S'].partition('#')[0]}".lower()


@dataclass
class Count:
    """What has been consumed. Functions are named as their handlers are."""

    calls: Counter[str] = field(default_factory=Counter)
    """Calls of AWS, by function."""
    invocations: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    """Messages that a function got from a queue, by function."""
    touches: list[tuple[str, Touch]] = field(default_factory=list)
    """Each with the phase in which it happened."""
    stored: Counter[str] = field(default_factory=Counter)
    """Bytes put into a bucket."""


class Meter:
    """Listens to clients and functions."""

    def __init__(self, phases: Mapping[str, str] | None = None) -> None:
        """`phases` names functions that belong to a phase of their own, whatever `phase` is at the time."""
        self._guard = threading.Lock()
        self._thread = threading.local()
        self._writes = WriteMeter()
        self._phases = phases or {}
        self.phase = ""
        self.count = Count()
        self.log = StringIO()

    def begin(self) -> None:
        """Count from nothing; what lies in the table stays known."""
        self.count = Count()
        self.log.seek(0)
        self.log.truncate()

    def logged(self) -> int:
        """Bytes of the log."""
        return len(self.log.getvalue().encode())

    def figures(self) -> set[str]:
        """The metrics that CloudWatch makes of the log, with the values of their dimensions."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return {
            " ".join(
                (metric["Name"], *(str(line[dimension]) for dimension in dimensions if dimension != "Desk"))
            )
            for line in lines
            if "_aws" in line
            for directive in line["_aws"]["CloudWatchMetrics"]
            for dimensions in directive["Dimensions"]
            for metric in directive["Metrics"]
        }

    def kept(self) -> list[Item]:
        """Items in the table that stay, as they stand."""
        return list(self._writes.kept())

    @contextmanager
    def within(self, function: str, event: Mapping[str, Any]) -> Iterator[None]:
        """An invocation of a function."""
        before, self._thread.function = getattr(self._thread, "function", None), function
        records = event.get("Records", ())
        with self._guard:
            self.count.invocations[function] += 1
            self.count.messages[function] += sum(r.get("eventSource") == "aws:sqs" for r in records)
        try:
            yield
        finally:
            self._thread.function = before

    def listen_to(self, client: Any) -> None:  # noqa: ANN401 — botocore's
        """Count this client's calls from now on."""
        client.meta.events.register("before-parameter-build", self._asked)
        client.meta.events.register("after-call", self._answered)

    def _asked(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:  # noqa: ANN401
        context["metered"] = params

    def _answered(self, context: dict[str, Any], parsed: Mapping[str, Any], model: Any, **_: Any) -> None:  # noqa: ANN401
        function = getattr(self._thread, "function", None)
        if function is None or "metered" not in context:
            self._remember(model.name, context.get("metered", {}))
            return
        request = context["metered"]
        with self._guard:
            self.count.calls[function] += 1
            self.count.operations[model.name] += 1
            touches = [touch for touch, _ in self._written(model.name, request)]
            if model.name in READS:
                touches += read(model.name, request, parsed)
            phase = self._phases.get(function, self.phase)
            self.count.touches += [(phase, touch) for touch in touches]
            if model.name == "PutObject":
                self.count.stored[request["Bucket"]] += len(request["Body"].getbuffer())  # as botocore has it

    def _remember(self, operation: str, request: Mapping[str, Any]) -> None:
        with self._guard:
            list(self._written(operation, request))

    def _written(self, operation: str, request: Mapping[str, Any]) -> Iterator[tuple[Touch, str]]:
        return self._writes.written(operation, request) if operation in WRITES else iter(())
