import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.clients import Clients
from infra.local.cloud import Cloud

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

CLIENTS = Clients()


def put(table: str, pk: str, *, once: bool = False, **attributes: str) -> "TransactWriteItemTypeDef":
    values = {"pk": pk, "sk": "x"} | attributes
    arguments: Any = {"TableName": table, "Item": {name: {"S": value} for name, value in values.items()}}
    if once:
        arguments["ConditionExpression"] = "attribute_not_exists(pk)"
    return {"Put": arguments}


def attributes_of(client: "DynamoDBClient", table: str, pk: str) -> dict[str, Any] | None:
    answer = client.get_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": "x"}}, ConsistentRead=True)
    return answer.get("Item")


def in_threads(number: int, work: Callable[[int], bool]) -> list[bool]:
    """All at once; did each succeed?"""
    barrier = threading.Barrier(number)

    def one(index: int) -> bool:
        barrier.wait()
        return work(index)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def stream(cloud: Cloud) -> list[Any]:
    client = CLIENTS("dynamodbstreams")
    (found,) = client.list_streams(TableName=cloud.environment["TABLE_NAME"])["Streams"]
    (shard,) = client.describe_stream(StreamArn=found["StreamArn"])["StreamDescription"]["Shards"]
    iterator = client.get_shard_iterator(
        StreamArn=found["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records: list[Any] = client.get_records(ShardIterator=iterator)["Records"]
    return records


def test_of_fifty_conflicting_transactions_one_stands_and_nothing_else_is_lost(cloud: Cloud) -> None:
    client, table = boto3.client("dynamodb"), cloud.environment["TABLE_NAME"]

    def decide(index: int) -> bool:
        client.put_item(TableName=table, Item=put(table, f"beside-{index}")["Put"]["Item"])
        try:
            client.transact_write_items(
                TransactItems=[put(table, f"mine-{index}"), put(table, "decision", once=True, by=str(index))]
            )
        except client.exceptions.TransactionCanceledException:
            return False
        return True

    won = in_threads(50, decide)
    assert won.count(True) == 1
    winner = won.index(True)
    decision = attributes_of(client, table, "decision")
    assert decision is not None
    assert decision["by"] == {"S": str(winner)}
    mine = [index for index in range(50) if attributes_of(client, table, f"mine-{index}")]
    assert mine == [winner]
    assert all(attributes_of(client, table, f"beside-{index}") for index in range(50))
    assert Counter(record["eventName"] for record in stream(cloud)) == {"INSERT": 52}


def test_refused_transaction_says_why_and_gives_the_old_item(cloud: Cloud) -> None:
    client, table = boto3.client("dynamodb"), cloud.environment["TABLE_NAME"]
    client.put_item(TableName=table, Item=put(table, "a", by="first")["Put"]["Item"])
    again = put(table, "a", once=True)
    again["Put"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    with pytest.raises(client.exceptions.TransactionCanceledException) as refused:
        client.transact_write_items(TransactItems=[put(table, "b"), again])
    reasons: Any = refused.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert reasons[1]["Item"]["by"] == {"S": "first"}
    assert attributes_of(client, table, "b") is None


def test_transaction_that_fails_for_another_reason_leaves_nothing_behind(cloud: Cloud) -> None:
    client, table = boto3.client("dynamodb"), cloud.environment["TABLE_NAME"]
    client.put_item(TableName=table, Item=put(table, "a", by="before")["Put"]["Item"])
    wrong: Any = {
        "Update": {
            "TableName": table,
            "Key": {"pk": {"S": "c"}, "sk": {"S": "x"}},
            "UpdateExpression": "SET n = missing + :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    deleted: Any = {"Delete": {"TableName": table, "Key": {"pk": {"S": "a"}, "sk": {"S": "x"}}}}
    with pytest.raises(ClientError):
        client.transact_write_items(TransactItems=[put(table, "b"), deleted, wrong])
    assert attributes_of(client, table, "b") is None
    assert attributes_of(client, table, "c") is None
    old = attributes_of(client, table, "a")
    assert old is not None
    assert old["by"] == {"S": "before"}
    assert len(stream(cloud)) == 1


def test_cost_of_a_transaction_does_not_grow_with_the_table(cloud: Cloud) -> None:
    client, table = boto3.client("dynamodb"), cloud.environment["TABLE_NAME"]

    def copies() -> int:
        """How many items one transaction copies."""
        count = 0

        def watch(frame: FrameType, event: str, _argument: object) -> None:
            nonlocal count
            count += event == "call" and frame.f_code.co_qualname == "Item.__deepcopy__"

        sys.setprofile(watch)
        try:
            client.transact_write_items(TransactItems=[put(table, "head"), put(table, "event")])
        finally:
            sys.setprofile(None)
        return count

    copies()
    small = copies()
    for index in range(200):
        client.put_item(TableName=table, Item=put(table, f"other-{index}")["Put"]["Item"])
    assert copies() == small <= 4


def test_update_that_creates_its_item_is_one_insert_with_the_whole_item(cloud: Cloud) -> None:
    client, table = boto3.client("dynamodb"), cloud.environment["TABLE_NAME"]
    for _ in range(2):
        client.update_item(
            TableName=table,
            Key={"pk": {"S": "counter"}, "sk": {"S": "x"}},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    records = stream(cloud)
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY"]
    assert [record["dynamodb"]["NewImage"]["n"] for record in records] == [{"N": "1"}, {"N": "2"}]
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert numbers[1] == numbers[0] + 1


@pytest.mark.parametrize("condition", ["IfMatch", "IfNoneMatch"])
def test_of_twenty_conditional_uploads_one_stands(cloud: Cloud, condition: str) -> None:
    s3, bucket = boto3.client("s3"), cloud.environment["SITE_BUCKET"]
    expected: Any = {"IfNoneMatch": "*"}
    if condition == "IfMatch":
        expected = {"IfMatch": s3.put_object(Bucket=bucket, Key="index.html", Body=b"old")["ETag"]}

    def upload(index: int) -> bool:
        try:
            s3.put_object(Bucket=bucket, Key="index.html", Body=str(index).encode(), **expected)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"  # noqa: PT017 - any other is a failure
            return False
        return True

    won = in_threads(20, upload)
    assert won.count(True) == 1
    assert s3.get_object(Bucket=bucket, Key="index.html")["Body"].read() == str(won.index(True)).encode()
