"""The table in memory: what `Table` does by DynamoDB, done in this process, with the same answers.

One suite proves both (`tests/core/test_table.py`). Items are DynamoDB's attribute maps, so records are written and read
as they really are; a write comes out of the stream as it would there. What it does not do: items do not expire
(DynamoDB is late by days, too), reads of indexes are never behind, and no other transaction is ever in the way.
"""

import threading
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from botocore.exceptions import ClientError

from chalicelib.core.clock import Now, utc_now
from chalicelib.core.errors import Stale
from chalicelib.core.table import Check, Found, Key, Put, R, Record, Table, Write
from infra.simulation.conditions import holds
from infra.templates import load

DATA = Path(__file__).parents[1] / "stacks" / "data.yaml"
MOST_BYTES = 400 * 1024
"""An item's size, by DynamoDB's own reckoning."""
MOST_WRITES = 100
"""What a transaction may hold, receipt and checks included."""
MOST_PUT_AT_ONCE = 25
"""What one call of BatchWriteItem takes."""
MOST_TRANSACTION_BYTES = 4 * 1024 * 1024
_MOST_KEY_BYTES = {"pk": 2048, "sk": 1024}

T = TypeVar("T")
Item = dict[str, Any]
Place = tuple[str, str]
"""Partition key and sort key."""
Ask = Callable[[str, str | None, str | None], None]
"""Is told of each operation by IAM's name for it, with the partition key that it writes and the index that it reads."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """A secondary index: the attributes that it is looked up and sorted by, and those that its rows show."""

    name: str
    hash: str
    sort: str
    shown: frozenset[str]

    def place(self, item: Item) -> tuple[str, str] | None:
        """Where an item stands in it; None for one without both attributes, which is not in it."""
        if self.hash in item and self.sort in item:
            return item[self.hash]["S"], item[self.sort]["S"]
        return None


class MemoryTable(Table):
    """A table of that name with the indexes of the stack's one, empty. For use by any number of threads.

    `ask` may raise to refuse an operation.
    """

    def __init__(self, *, name: str = "records", now: Now = utc_now, ask: Ask | None = None) -> None:
        super().__init__(client=_nobody, name=name)
        self._now = now
        self._ask = ask or (lambda _operation, _pk, _index: None)
        self._turn = threading.RLock()
        self._items: dict[Place, Item] = {}
        self._partitions: dict[str, list[str]] = {}
        self._indexes = {index.name: index for index in _indexes()}
        self._rows: dict[str, dict[str, list[tuple[str, str, str]]]] = {
            name: defaultdict(list) for name in self._indexes
        }
        self._changes: list[tuple[str, Place, Item | None]] = []
        self._numbered = 0

    def batch(self, *keys: Key[Any]) -> Found:
        """As the base says."""
        places = {(key.pk, key.sk) for key in keys}
        if places:
            self._ask("BatchGetItem", None, None)
        for place in places:
            _check_key("BatchGetItem", *place)
        with self._turn:
            return Found({place: self._items[place] for place in places if place in self._items})

    def raw_partition(
        self, pk: str, prefix: str = "", *, newest_first: bool = False
    ) -> Iterator[dict[str, Any]]:
        """As the base says, as it stands when the first is asked for."""
        self._ask("Query", None, None)
        with self._turn:
            names = self._partitions.get(pk, [])
            within = takewhile(lambda sk: sk.startswith(prefix), names[bisect_left(names, prefix) :])
            items = [dict(self._items[pk, sk]) for sk in within]
        yield from reversed(items) if newest_first else items

    def between(
        self, kind: type[R], pk: str, *, above: str, below: str, page_size: int | None = None
    ) -> Iterator[R]:
        """As the base says, as it stands when the first is asked for."""
        del page_size  # there are no pages
        self._ask("Query", None, None)
        for bound in (above, below):
            _check_key("Query", pk, bound)
        if above > below:
            _refuse(
                "Query",
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound",
            )
        with self._turn:
            names = self._partitions.get(pk, [])
            within = names[bisect_right(names, above) : bisect_left(names, below)]
            items = [self._items[pk, sk] for sk in within]
        yield from map(kind.from_raw_data, reversed(items))

    def index_page(
        self, index: str, where: tuple[str, str], below: tuple[str, str | None], *, limit: int
    ) -> list[dict[str, Any]]:
        """As the base says."""
        self._ask("Query", None, index)
        described = self._indexes.get(index)
        if described is None or (described.hash, described.sort) != (where[0], below[0]) or limit < 1:
            _refuse("Query", f"no index {index} by {where[0]} and {below[0]}, or no rows asked for")
        with self._turn:
            rows = self._rows[index].get(where[1], [])
            end = len(rows) if below[1] is None else bisect_left(rows, (below[1],))
            found = [self._items[pk, sk] for _, pk, sk in rows[max(0, end - limit) : end]]
        return [{name: item[name] for name in item.keys() & described.shown} for item in reversed(found)]

    def index_range(
        self, index: str, where: tuple[str, str], sort: str, span: tuple[str, str], *, limit: int
    ) -> list[dict[str, Any]]:
        """As the base says."""
        self._ask("Query", None, index)
        described = self._indexes.get(index)
        if described is None or (described.hash, described.sort) != (where[0], sort) or limit < 1:
            _refuse("Query", f"no index {index} by {where[0]} and {sort}, or no rows asked for")
        if span[0] > span[1]:
            _refuse(
                "Query",
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound",
            )
        with self._turn:
            rows = self._rows[index].get(where[1], [])
            within = takewhile(lambda row: row[0] <= span[1], rows[bisect_left(rows, (span[0],)) :])
            found = [self._items[pk, sk] for _, pk, sk in islice(within, limit)]
        return [{name: item[name] for name in item.keys() & described.shown} for item in found]

    def scan(self, kind: type[R], prefix: str) -> Iterator[R]:
        """As the base says, in no order."""
        self._ask("Scan", None, None)
        with self._turn:
            found = [
                self._items[pk, sk]
                for pk, names in self._partitions.items()
                if pk.startswith(prefix)
                for sk in names
            ]
        yield from map(kind.from_raw_data, found)

    def items(self) -> list[Item]:
        """Everything, raw."""
        with self._turn:
            return [dict(item) for item in self._items.values()]

    def delete(self, key: Key[Any]) -> None:
        """As the base says."""
        self._ask("DeleteItem", key.pk, None)
        _check_key("DeleteItem", key.pk, key.sk)
        with self._turn:
            self._keep((key.pk, key.sk), None)

    def put(self, write: Put) -> None:
        """As the base says."""
        item = write.record.serialize()
        place = (item["pk"]["S"], item["sk"]["S"])
        self._ask("PutItem", place[0], None)
        self._check_item("PutItem", item)
        with self._turn:
            if write.condition is not None and not holds(write.condition, self._items.get(place)):
                raise Stale
            self._keep(place, item)

    def put_side_by_side(self, *records: Record) -> None:
        """As the base says."""
        items = [record.serialize() for record in records]
        for item in items:
            self._ask("BatchWriteItem", item["pk"]["S"], None)
            self._check_item("BatchWriteItem", item)
        while items:
            chunk, items = items[:MOST_PUT_AT_ONCE], items[MOST_PUT_AT_ONCE:]
            places = [(item["pk"]["S"], item["sk"]["S"]) for item in chunk]
            if len(set(places)) < len(places):
                _refuse("BatchWriteItem", "Provided list of item keys contains duplicates")
            with self._turn:
                for place, item in zip(places, chunk, strict=True):
                    self._keep(place, item)

    def put_raw(self, item: Item) -> None:
        """Put an item as it is, as an operator might."""
        self._check_item("PutItem", item)
        with self._turn:
            self._keep((item["pk"]["S"], item["sk"]["S"]), item)

    def add_to(
        self,
        key: Key[Any],
        *,
        number: tuple[str, int] | None = None,
        member: tuple[str, str] | None = None,
        expires_at: int | None = None,
    ) -> dict[str, Any]:
        """As the base says."""
        self._ask("UpdateItem", key.pk, None)
        if number is None and member is None:
            _refuse("UpdateItem", "nothing is added")
        with self._turn:
            item = dict(self._items.get((key.pk, key.sk), {"pk": {"S": key.pk}, "sk": {"S": key.sk}}))
            if number is not None:
                present = _of_type("N", item.get(number[0], {"N": "0"}))
                item[number[0]] = {"N": str(Decimal(present) + number[1])}
            if member is not None:
                members = _of_type("SS", item.get(member[0], {"SS": []}))
                item[member[0]] = {"SS": members if member[1] in members else [*members, member[1]]}
            if expires_at is not None:
                item.setdefault("expires_at", {"N": str(expires_at)})
            self._check_item("UpdateItem", item)
            self._keep((key.pk, key.sk), item)
            return deepcopy(item)

    def transact(self, writes: Sequence[Write], *, receipt: Put) -> None:
        """As the base says."""
        described = [_described(write) for write in (receipt, *writes)]
        for write, (place, _) in zip((receipt, *writes), described, strict=True):
            self._ask("PutItem" if isinstance(write, Put) else "ConditionCheckItem", place[0], None)
        self._check_transaction(described)
        with self._turn:
            (receipt_place, receipt_item), *_ = described
            refused = [
                place
                for write, (place, _) in zip((receipt, *writes), described, strict=True)
                if write.condition is not None and not holds(write.condition, self._items.get(place))
            ]
            if receipt_place in refused and self._items.get(receipt_place) == receipt_item:
                return
            if refused:
                raise Stale
            for place, item in described:
                if item is not None:
                    self._keep(place, item)

    def read_stream(self) -> list[dict[str, Any]]:
        """What has changed since this was last asked, in order, as records of the table's stream.

        A write that changes nothing is not among it, as with DynamoDB.
        """
        with self._turn:
            changes, self._changes = self._changes, []
            first = self._numbered
            self._numbered += len(changes)
        about = {"ApproximateCreationDateTime": int(self._now().timestamp()), "StreamViewType": "NEW_IMAGE"}
        return [_record(self.name, about, first + place, *change) for place, change in enumerate(changes)]

    def _keep(self, place: Place, item: Item | None) -> None:
        """Put the item in its place, None being that nothing is there any more; under the lock only."""
        before = self._items.get(place)
        if item == before:
            return
        if item is None:
            del self._items[place]
            _take_out(self._partitions[place[0]], place[1])
        else:
            self._items[place] = item
            if before is None:
                insort(self._partitions.setdefault(place[0], []), place[1])
        for name, index in self._indexes.items():
            old, new = (None if each is None else index.place(each) for each in (before, item))
            if old != new:
                if old is not None:
                    _take_out(self._rows[name][old[0]], (old[1], *place))
                if new is not None:
                    insort(self._rows[name][new[0]], (new[1], *place))
        kind = "INSERT" if before is None else "REMOVE" if item is None else "MODIFY"
        self._changes.append((kind, place, item))

    def _check_item(self, operation: str, item: Item) -> int:
        """Refuse what DynamoDB takes in no item; answers its size."""
        _check_key(operation, item["pk"]["S"], item["sk"]["S"])
        for index in self._indexes.values():
            for name in (index.hash, index.sort):
                if name in item and not item[name].get("S"):
                    _refuse(operation, f"{name} is the key of an index: a text that is not empty")
        size = _item_size(item)
        if size > MOST_BYTES:
            _refuse(operation, "Item size has exceeded the maximum allowed size")
        return size

    def _check_transaction(self, described: Sequence[tuple[Place, Item | None]]) -> None:
        if len(described) > MOST_WRITES:
            _refuse("TransactWriteItems", f"a transaction has at most {MOST_WRITES} members")
        if len({place for place, _ in described}) < len(described):
            _refuse("TransactWriteItems", "a transaction cannot include multiple operations on one item")
        size = 0
        for place, item in described:
            _check_key("TransactWriteItems", *place)
            size += 0 if item is None else self._check_item("TransactWriteItems", item)
        if size > MOST_TRANSACTION_BYTES:
            _refuse("TransactWriteItems", "a transaction has at most 4 MB")


def _take_out(ordered: list[T], member: T) -> None:
    del ordered[bisect_left(cast("Any", ordered), member)]


def _nobody() -> NoReturn:
    raise RuntimeError("a table in memory has no client")


def _indexes() -> Iterator[Index]:
    """Those of the table in the data stack."""
    tables = [each for each in load(DATA)["Resources"].values() if each["Type"] == "AWS::DynamoDB::Table"]
    for described in tables[0]["Properties"]["GlobalSecondaryIndexes"]:
        keys = {key["KeyType"]: key["AttributeName"] for key in described["KeySchema"]}
        more = described["Projection"].get("NonKeyAttributes", [])
        yield Index(
            name=described["IndexName"],
            hash=keys["HASH"],
            sort=keys["RANGE"],
            shown=frozenset({"pk", "sk", *keys.values(), *more}),
        )


def _described(write: Write) -> tuple[Place, Item | None]:
    """Where a member of a transaction acts, and what it puts there."""
    if isinstance(write, Check):
        return (write.key.pk, write.key.sk), None
    item = write.record.serialize()
    return (item["pk"]["S"], item["sk"]["S"]), item


def _check_key(operation: str, *place: str) -> None:
    for (name, most), value in zip(_MOST_KEY_BYTES.items(), place, strict=True):
        if not 0 < _bytes(value) <= most:
            _refuse(operation, f"{name} has 1 to {most} bytes")


def _of_type(kind: str, value: Mapping[str, Any]) -> Any:  # noqa: ANN401 — a text, or a list of them
    if kind not in value:
        _refuse("UpdateItem", "An operand in the update expression has an incorrect data type")
    return value[kind]


def _refuse(operation: str, why: str) -> NoReturn:
    raise ClientError({"Error": {"Code": "ValidationException", "Message": why}}, operation)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _item_size(item: Item) -> int:
    return sum(_bytes(name) + _size(value) for name, value in item.items())


def _size(value: Mapping[str, Any]) -> int:
    """What an attribute's value counts for, as the developer guide reckons item sizes."""
    ((kind, raw),) = value.items()
    if kind == "S":
        return _bytes(raw)
    if kind == "N":
        return len(raw.strip("-0.")) // 2 + 2
    if kind == "SS":
        return sum(map(_bytes, raw))
    if kind == "L":
        return 3 + sum(1 + _size(each) for each in raw)
    if kind == "M":
        return 3 + sum(1 + _bytes(name) + _size(each) for name, each in raw.items())
    return len(raw) if isinstance(raw, bytes) else 1


def _record(
    table: str, about: Mapping[str, Any], number: int, kind: str, place: Place, item: Item | None
) -> dict[str, Any]:
    keys: Item = {"pk": {"S": place[0]}, "sk": {"S": place[1]}}
    return {
        "eventID": f"{number:032x}",
        "eventName": kind,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "local",
        "eventSourceARN": f"arn:aws:dynamodb:local:000000000000:table/{table}/stream/memory",
        "dynamodb": {
            **about,
            "Keys": keys,
            "SequenceNumber": f"{number:021d}",
            "SizeBytes": _item_size(keys) + _item_size(item or {}),
            **({} if item is None else {"NewImage": item}),
        },
    }
