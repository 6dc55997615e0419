"""The one table: PynamoDB describes items and conditions, this module sends them.

A store describes its conditional writes (`Put`, `Check`); `Table.transact` commits them together or not at all.
Reads are strongly consistent and batched across kinds of item. Vendor errors end here.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from chalicelib.core.errors import Stale

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH_LIMIT = 100
_PUT_LIMIT = 25
_LOST_RACES = frozenset({"ConditionalCheckFailed", "TransactionConflict"})


class DocumentAttribute(Attribute[Any]):
    """JSON as text, as short as it can be: Chinese stays as it is, and nothing is put between the parts."""

    attr_type = "S"

    def serialize(self, value: Any) -> str:  # noqa: ANN401 — any JSON value
        """Write the value."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def deserialize(self, value: str) -> Any:  # noqa: ANN401 — as above
        """Read it back."""
        return json.loads(value)


class Record(Model):
    """An item. `pk` and `sk` are its key, `v` the version of its shape: reading upgrades older ones."""

    class Meta:
        """The real name of the table is put in when a write is sent."""

        table_name = "records"
        region = "unset"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    v = NumberAttribute(default=1)
    expires_at = NumberAttribute(null=True)
    """Seconds since 1970; the table's TTL. Late by up to days, so readers compare it themselves."""


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Key(Generic[R]):
    """Where an item is, and as what it is read."""

    kind: type[R]
    pk: str
    sk: str


@dataclass(frozen=True, kw_only=True)
class Put:
    """Write the whole item if the condition holds for what is there now."""

    record: Record
    condition: Condition | None = None

    def describe(self) -> dict[str, Any]:
        """As a member of `TransactItems`, but for the table's name."""
        arguments = self.record.get_save_kwargs_from_instance(condition=self.condition)
        return {"Put": arguments}


@dataclass(frozen=True, kw_only=True)
class Check:
    """Write nothing, but let the transaction fail unless the condition holds."""

    key: Key[Any]
    condition: Condition

    def describe(self) -> dict[str, Any]:
        """As a member of `TransactItems`, but for the table's name."""
        arguments = self.key.kind.get_operation_kwargs_from_class(
            self.key.pk, range_key=self.key.sk, condition=self.condition
        )
        return {"ConditionCheck": arguments}


Write = Put | Check


class Found:
    """The items a batch read brought, asked for by the key they were read with."""

    def __init__(self, items: dict[tuple[str, str], dict[str, Any]]) -> None:
        self._items = items

    def has(self, key: Key[Any]) -> bool:
        """Whether there was an item."""
        return (key.pk, key.sk) in self._items

    def get(self, key: Key[R]) -> R | None:
        """The item, or None where there was none."""
        raw = self._items.get((key.pk, key.sk))
        return None if raw is None else key.kind.from_raw_data(raw)


class Table:
    """The table. `client` is asked for at each call, so that importing and building need no AWS."""

    def __init__(self, *, client: "Callable[[], DynamoDBClient]", name: str) -> None:
        self._client = client
        self.name = name

    def get(self, key: Key[R]) -> R | None:
        """Read one item, strongly consistent."""
        return self.batch(key).get(key)

    def batch(self, *keys: Key[Any]) -> Found:
        """Read items of any kinds, strongly consistent, in as few calls as their number allows."""
        wanted = list(dict.fromkeys((key.pk, key.sk) for key in keys))
        items: dict[tuple[str, str], dict[str, Any]] = {}
        while wanted:
            chunk, wanted = wanted[:_BATCH_LIMIT], wanted[_BATCH_LIMIT:]
            answer = self._client().batch_get_item(
                RequestItems={
                    self.name: {
                        "Keys": [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in chunk],
                        "ConsistentRead": True,
                    }
                }
            )
            for raw in answer["Responses"].get(self.name, []):
                items[raw["pk"]["S"], raw["sk"]["S"]] = raw
            unread = cast("dict[str, Any]", answer["UnprocessedKeys"]).get(self.name, {"Keys": []})["Keys"]
            wanted += [(key["pk"]["S"], key["sk"]["S"]) for key in unread]
        return Found(items)

    def raw_partition(
        self, pk: str, prefix: str = "", *, newest_first: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Every item under a partition key whose sort key starts with the prefix, in order, consistent."""
        names: dict[str, Any] = {":pk": {"S": pk}}
        condition = "pk = :pk"
        if prefix:
            condition += " AND begins_with(sk, :prefix)"
            names[":prefix"] = {"S": prefix}
        pages = (
            self._client()
            .get_paginator("query")
            .paginate(
                TableName=self.name,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=names,
                ConsistentRead=True,
                ScanIndexForward=not newest_first,
            )
        )
        for page in pages:
            yield from page["Items"]

    def partition(
        self, kind: type[R], pk: str, prefix: str = "", *, newest_first: bool = False
    ) -> Iterator[R]:
        """As `raw_partition`, read as one kind of item."""
        for raw in self.raw_partition(pk, prefix, newest_first=newest_first):
            yield kind.from_raw_data(raw)

    def between(
        self, kind: type[R], pk: str, *, above: str, below: str, page_size: int | None = None
    ) -> Iterator[R]:
        """What lies under a partition key between two sort keys, both left out, the highest first; consistent.

        Read as it is asked for, `page_size` items a call, or as many as a call gives.
        """
        pages = (
            self._client()
            .get_paginator("query")
            .paginate(
                TableName=self.name,
                KeyConditionExpression="pk = :pk AND sk BETWEEN :above AND :below",
                ExpressionAttributeValues={":pk": {"S": pk}, ":above": {"S": above}, ":below": {"S": below}},
                ConsistentRead=True,
                ScanIndexForward=False,
                PaginationConfig={} if page_size is None else {"PageSize": page_size},
            )
        )
        for page in pages:
            for raw in page["Items"]:
                if raw["sk"]["S"] not in {above, below}:
                    yield kind.from_raw_data(cast("dict[str, Any]", raw))

    def index_page(
        self, index: str, where: tuple[str, str], below: tuple[str, str | None], *, limit: int
    ) -> list[dict[str, Any]]:
        """The highest rows of an index where attribute `where[0]` equals `where[1]`: raw, eventually consistent.

        `below` names the index's sort attribute and the value that the rows lie below, None for the top.
        """
        condition, names, values = "#k = :k", {"#k": where[0]}, dict[str, Any]({":k": {"S": where[1]}})
        if below[1] is not None:
            condition += " AND #s < :s"
            names["#s"], values[":s"] = below[0], {"S": below[1]}
        answer = self._client().query(
            TableName=self.name,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            Limit=limit,
        )
        return list(answer["Items"])

    def index_range(
        self, index: str, where: tuple[str, str], sort: str, span: tuple[str, str], *, limit: int
    ) -> list[dict[str, Any]]:
        """The lowest rows of an index where attribute `where[0]` equals `where[1]`: raw, eventually consistent.

        Of those whose attribute `sort` lies between the two values of `span`, both included.
        """
        answer = self._client().query(
            TableName=self.name,
            IndexName=index,
            KeyConditionExpression="#k = :k AND #s BETWEEN :low AND :high",
            ExpressionAttributeNames={"#k": where[0], "#s": sort},
            ExpressionAttributeValues={
                ":k": {"S": where[1]},
                ":low": {"S": span[0]},
                ":high": {"S": span[1]},
            },
            Limit=limit,
        )
        return list(answer["Items"])

    def scan(self, kind: type[R], prefix: str) -> Iterator[R]:
        """Every item whose partition key starts with the prefix, by reading the whole table: for operations only."""
        pages = (
            self._client()
            .get_paginator("scan")
            .paginate(
                TableName=self.name,
                FilterExpression="begins_with(pk, :prefix)",
                ExpressionAttributeValues={":prefix": {"S": prefix}},
                ConsistentRead=True,
            )
        )
        for page in pages:
            for raw in page["Items"]:
                yield kind.from_raw_data(cast("dict[str, Any]", raw))

    def delete(self, key: Key[Any]) -> None:
        """Remove one item, if it is there."""
        self._client().delete_item(TableName=self.name, Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}})

    def put(self, write: Put) -> None:
        """Write one item. Raises Stale when the condition does not hold, or a transaction is in the way."""
        arguments = write.describe()["Put"] | {"TableName": self.name}
        with self._races_lost():
            self._client().put_item(**arguments)

    def put_side_by_side(self, *records: Record) -> None:
        """Write whole items over whatever was there, in as few calls as their number allows.

        Each for itself, not all or nothing: for what may be written again when the call's answer is lost.
        """
        left: list[Any] = [
            {"PutRequest": {"Item": Put(record=record).describe()["Put"]["Item"]}} for record in records
        ]
        while left:
            chunk, left = left[:_PUT_LIMIT], left[_PUT_LIMIT:]
            answer = self._client().batch_write_item(RequestItems={self.name: chunk})
            left += answer["UnprocessedItems"].get(self.name, [])

    def add_to(
        self,
        key: Key[Any],
        *,
        number: tuple[str, int] | None = None,
        member: tuple[str, str] | None = None,
        expires_at: int | None = None,
    ) -> dict[str, Any]:
        """Add to a counter or to a set without reading it; the item comes to be if need be. Answers the new item.

        Raises Stale when a transaction is in the way.
        """
        added, names, values = [], {}, dict[str, Any]()
        if number is not None:
            added.append("#n :n")
            names["#n"], values[":n"] = number[0], {"N": str(number[1])}
        if member is not None:
            added.append("#m :m")
            names["#m"], values[":m"] = member[0], {"SS": [member[1]]}
        expression = f"ADD {', '.join(added)}"
        if expires_at is not None:
            expression += " SET expires_at = if_not_exists(expires_at, :e)"
            values[":e"] = {"N": str(expires_at)}
        with self._races_lost():
            answer = self._client().update_item(
                TableName=self.name,
                Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}},
                UpdateExpression=expression,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        return cast("dict[str, Any]", answer["Attributes"])

    @contextmanager
    def _races_lost(self) -> Iterator[None]:
        """Say Stale for what another writer was faster at."""
        known = self._client().exceptions
        try:
            yield
        except (known.ConditionalCheckFailedException, known.TransactionConflictException) as error:
            raise Stale from error

    def transact(self, writes: Sequence[Write], *, receipt: Put) -> None:
        """Commit all writes and the receipt together, or nothing.

        `receipt` puts an item that only this very call can have made (an event with its fresh id, say). When the
        transaction is refused and the receipt's item is already there, this call took effect before and its answer
        was lost: that is success. Raises Stale when a condition failed or another transaction was in the way.
        """
        receipt_item = receipt.describe()
        receipt_item["Put"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        items = [receipt_item, *(write.describe() for write in writes)]
        for item in items:
            for arguments in item.values():
                arguments["TableName"] = self.name
        try:
            self._client().transact_write_items(TransactItems=cast("Any", items))
        except self._client().exceptions.TransactionCanceledException as error:
            reasons = error.response.get("CancellationReasons", [])
            if reasons and reasons[0].get("Item") == receipt_item["Put"]["Item"]:
                return
            if {str(reason.get("Code")) for reason in reasons} & _LOST_RACES:
                raise Stale from error
            raise
