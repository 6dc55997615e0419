import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from chalice.app import Chalice, Cron

from infra.local import subscriptions
from infra.local.cloud import Cloud
from infra.local.subscriptions import Queue, Schedule, Stream
from tests.local.tiny import Seen, tiny_app, tiny_files

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def insert(cloud: Cloud, *sort_keys: str) -> None:
    client = boto3.client("dynamodb")
    for sort_key in sort_keys:
        client.put_item(
            TableName=cloud.environment["TABLE_NAME"], Item={"pk": {"S": "s-1"}, "sk": {"S": sort_key}}
        )


def events(numbers: Iterable[int]) -> list[str]:
    return [f"EVENT#{number:03d}" for number in numbers]


def sqs() -> "SQSClient":
    return boto3.client("sqs")


def send(cloud: Cloud, *bodies: str) -> None:
    client = sqs()
    for body in bodies:
        client.send_message(QueueUrl=cloud.environment["SIGN_IN_QUEUE_URL"], MessageBody=body)


def waiting(cloud: Cloud, suffix: str) -> list[str]:
    """The bodies of what is in another queue of the stack."""
    url = cloud.environment["SIGN_IN_QUEUE_URL"].replace("sign-in", suffix)
    messages = sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [message["Body"] for message in messages]


def when(name: str, wrong: Callable[[Any], bool]) -> Callable[[str, Any], None]:
    """Let a handler fail for such values."""

    def on_call(called: str, value: object) -> None:
        if called == name and wrong(value):
            raise RuntimeError("refused")

    return on_call


def test_only_what_the_filter_lets_through_is_delivered(cloud: Cloud, seen: Seen) -> None:
    insert(cloud, "HEAD", "EVENT#001", "EVENT#001", "LINK#1", "EVENT#002")
    cloud.settle()
    assert seen.of("on_event") == [["EVENT#001", "EVENT#002"]]


def test_stream_is_delivered_in_order_in_batches_of_the_template(cloud: Cloud, seen: Seen) -> None:
    insert(cloud, *events(range(23)))
    cloud.settle()
    assert [len(batch) for batch in seen.of("on_event")] == [10, 10, 3]
    assert [key for batch in seen.of("on_event") for key in batch] == events(range(23))


def test_failing_batch_comes_again_and_nothing_overtakes_it(cloud: Cloud, seen: Seen) -> None:
    seen.on_call = when("on_event", lambda _batch: len(seen.calls) == 1)
    insert(cloud, *events(range(4)))
    cloud.settle()
    first, *again = seen.of("on_event")
    assert first == events(range(4))
    assert [key for batch in again for key in batch] == events(range(4))


def test_record_that_always_fails_is_isolated_and_reported(cloud: Cloud, seen: Seen) -> None:
    seen.on_call = when("on_event", lambda batch: "EVENT#002" in batch)
    insert(cloud, *events(range(6)))
    cloud.settle()
    alone = [batch for batch in seen.of("on_event") if batch == ["EVENT#002"]]
    assert len(alone) == 3, "one try and two retries"
    delivered = [key for batch in seen.of("on_event") if "EVENT#002" not in batch for key in batch]
    assert delivered == events([0, 1, 3, 4, 5])
    (report,) = waiting(cloud, "stream-failures")
    assert json.loads(report)["DDBStreamBatchInfo"]["batchSize"] == 1


def test_records_before_the_first_reported_failure_do_not_come_again(cloud: Cloud, seen: Seen) -> None:
    def second_fails(_name: str, batch: list[str]) -> object:
        return (
            {"batchItemFailures": [{"itemIdentifier": seen.numbers[batch[1]]}]} if len(batch) == 3 else None
        )

    insert(cloud, *events(range(3)))
    seen.on_call = second_fails
    cloud.settle()
    assert seen.of("on_event") == [events(range(3)), events([1, 2])]


def test_unkind_stream_delivers_every_record_twice_and_out_of_order(cloud: Cloud, seen: Seen) -> None:
    cloud.pumps.duplicate, cloud.pumps.shuffle = True, random.Random(4)  # noqa: S311 - no secret
    insert(cloud, *events(range(12)))
    cloud.settle()
    keys = [key for batch in seen.of("on_event") for key in batch]
    assert Counter(keys) == dict.fromkeys(events(range(12)), 2)
    assert keys != sorted(keys)
    assert len(seen.of("on_event")) > 3, "a part is held back"


def test_messages_are_delivered_once_and_deleted(cloud: Cloud, seen: Seen) -> None:
    send(cloud, "a", "b")
    cloud.settle()
    bodies = [record["body"] for batch in seen.of("on_sign_in") for record in batch]
    assert sorted(bodies) == ["a", "b"]
    assert not cloud.pumps.pending()


def test_only_the_messages_reported_as_failed_come_again(cloud: Cloud, seen: Seen) -> None:
    def once(_name: str, batch: list[dict[str, str]]) -> object:
        bad = [record for record in batch if record["body"] == "b"] if len(seen.calls) == 1 else []
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in bad]}

    seen.on_call = once
    send(cloud, "a", "b")
    cloud.settle()
    counted = Counter(record["body"] for batch in seen.of("on_sign_in") for record in batch)
    assert counted == {"a": 1, "b": 2}


def test_message_that_always_fails_goes_to_the_dead_letters_after_five_tries(
    cloud: Cloud, seen: Seen
) -> None:
    seen.on_call = when("on_sign_in", lambda _batch: True)
    send(cloud, "poison")
    cloud.settle()
    assert len(seen.of("on_sign_in")) == 5
    assert waiting(cloud, "sign-in-dead-letters") == ["poison"]


def test_unkind_queue_delivers_every_message_twice(cloud: Cloud, seen: Seen) -> None:
    cloud.pumps.duplicate = True
    send(cloud, "a", "b", "c")
    cloud.settle()
    counted = Counter(record["body"] for batch in seen.of("on_sign_in") for record in batch)
    assert counted == {"a": 2, "b": 2, "c": 2}


def test_schedules_come_when_fired_not_by_themselves_in_a_test(cloud: Cloud, seen: Seen) -> None:
    cloud.settle()
    assert seen.of("sweep") == []
    cloud.pumps.fire()
    cloud.pumps.fire("sweep")
    assert len(seen.of("sweep")) == 2


def test_subscriptions_come_from_the_app_and_its_merge_template(seen: Seen, tmp_path: Path) -> None:
    stream, queue, schedule = subscriptions.of(tiny_app(seen), tiny_files(tmp_path).app)
    assert isinstance(stream, Stream)
    assert (stream.handler, stream.batch_size, stream.max_retries, stream.partial) == (
        "on_event",
        10,
        2,
        True,
    )
    assert queue == Queue(handler="on_sign_in", queue="sign-in", batch_size=10, partial=True)
    assert schedule == Schedule(handler="sweep", every=timedelta(minutes=5))


def test_without_a_merge_template_nothing_is_filtered_and_no_partial_failure_heeded(seen: Seen) -> None:
    stream, queue, _ = subscriptions.of(tiny_app(seen))
    assert isinstance(stream, Stream)
    assert isinstance(queue, Queue)
    assert stream.wants({"eventName": "REMOVE"})
    assert (stream.partial, queue.partial) == (False, False)


def test_filter_that_the_laptop_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="numeric"):
        subscriptions.matches({"n": [{"numeric": [">", 1]}]}, {"n": 2})


def test_schedule_that_the_laptop_cannot_keep_is_refused() -> None:
    app = Chalice("tiny")
    app.schedule(Cron(0, 3, "*", "*", "?", "*"))(print)
    with pytest.raises(ValueError, match="cron"):
        subscriptions.of(app)
