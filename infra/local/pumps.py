"""Deliver what AWS would: the table's stream, queues and schedules to the app's handlers, by public APIs.

Only what a queue is like, and whether it is empty, is looked up in moto itself: nearly always it is, and asking by
API took a sixth of a test's whole life.

One step delivers what is pending once. For tests the pumps can be unkind in the ways AWS may be: every
delivery twice, late and out of order.
"""

import base64
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from moto.sqs.models import sqs_backends

from chalicelib.core.clock import to_second_text, utc_now
from chalicelib.core.events import report
from chalicelib.core.ids import new_id
from infra.local.clients import REGION, Clients
from infra.local.functions import Answer, Functions
from infra.local.resources import ACCOUNT, Feed, Resources
from infra.local.subscriptions import Queue, Schedule, Stream, Subscription

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Record = Mapping[str, Any]
ReadStream = Callable[[], Sequence[Record]]
"""Answers what has changed since it was asked before."""
Invoke = Callable[[str, Mapping[str, Any]], Answer]

_PAGE = 1000
"""Stream records that one call answers at most: fewer mean that there are no more."""


class Pumps:
    """The event sources of one cloud. Not for use by two threads at a time.

    `duplicate` delivers everything twice; `shuffle`, seeded by the caller, delivers it out of order and holds
    a part back for a later step. Both may be changed at any time. `read_stream` answers the table's changes since it
    was asked before, where the table is not the emulated DynamoDB's.
    """

    def __init__(
        self,
        *,
        clients: Clients,
        resources: Resources,
        functions: Functions,
        subscriptions: Iterable[Subscription],
        feeds: Iterable[Feed] = (),
        wait_scale: float = 1,
        read_stream: ReadStream | None = None,
    ) -> None:
        self.duplicate = False
        self.shuffle: random.Random | None = None
        self._functions = functions
        self._wait_scale = wait_scale
        queues, sqs = resources.queues, cast("SQSClient", clients("sqs"))
        self._read = read_stream or _StreamReader(clients, resources.handed["table-stream-arn"]).read
        self._streams: list[_StreamPump] = []
        self._queues: list[_QueuePump] = []
        self._schedules: dict[str, _Timer] = {}
        self._feeds = [
            _QueuePump(
                Queue(
                    handler=functions.handler(feed.function),
                    queue=feed.url.rpartition("/")[2],
                    batch_size=feed.batch_size,
                    partial=feed.partial,
                ),
                sqs,
                feed.url,
                wait_scale,
            )
            for feed in feeds
        ]
        for each in subscriptions:
            match each:
                case Stream():
                    self._streams.append(_StreamPump(each, self._failed(sqs, queues["stream-failures"])))
                case Queue():
                    self._queues.append(_QueuePump(each, sqs, _url(each.queue, queues), wait_scale))
                case Schedule():
                    self._schedules[each.handler] = _Timer(each.every.total_seconds() / wait_scale)

    def step(self, *, feeds: bool = True) -> int:
        """Deliver what is pending in stream and queues, each once; answers the number of calls made.

        What a handler refuses stays pending for the next step. Without `feeds`, the queues of departments wait.
        """
        records = list(self._read())
        for stream in self._streams:
            stream.add(records * 2 if self.duplicate else records)
        queues = [*self._queues, *self._feeds] if feeds else self._queues
        return sum(stream.step(self._invoke, self.shuffle) for stream in self._streams) + sum(
            queue.step(self._invoke, self.shuffle, twice=self.duplicate) for queue in queues
        )

    def pending(self) -> bool:
        """Is anything still to be delivered, now or when its visibility time-out has passed?"""
        return any(stream.backlog for stream in self._streams) or any(
            queue.pending() for queue in (*self._queues, *self._feeds)
        )

    def fire(self, handler: str | None = None) -> None:
        """Call a scheduled handler now, or all of them."""
        for name in [handler] if handler else list(self._schedules):
            self._schedules[name].start()
            self._invoke(name, _scheduled_event())

    def run(self, stop: threading.Event, interval: float = 0.2) -> None:
        """Deliver until told to stop, looking every `interval` seconds; schedules come at their rate.

        The departments' queues are many and mostly empty: they are looked into once a second.
        """
        feeds = _Timer(1)
        while not stop.is_set():
            delivered = 0
            try:
                for name in [name for name, timer in self._schedules.items() if timer.due()]:
                    self.fire(name)
                looking = feeds.due()
                if looking:
                    feeds.start()
                delivered = self.step(feeds=looking)
            except Exception as error:  # noqa: BLE001 - the next look may go well
                if not stop.is_set():
                    report(error, "pump, which goes on")
            if not delivered:
                stop.wait(interval)

    def _invoke(self, handler: str, event: Mapping[str, Any]) -> Answer:
        return self._functions.invoke(
            self._functions.name(handler), json.dumps(event, default=_as_json).encode()
        )

    def _failed(self, sqs: "SQSClient", url: str) -> Callable[[str, Record], None]:
        def tell(handler: str, record: Record) -> None:
            number = record["dynamodb"]["SequenceNumber"]
            batch = {"batchSize": 1, "startSequenceNumber": number, "endSequenceNumber": number}
            report = {
                "requestContext": {"functionArn": self._functions.name(handler)},
                "DDBStreamBatchInfo": batch,
            }
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(report))

        return tell


class _StreamReader:
    """Reads a stream from its beginning, each record once."""

    def __init__(self, clients: Clients, arn: str) -> None:
        self._client = clients("dynamodbstreams")
        self._arn = arn
        (shard,) = self._client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        self._iterator = self._client.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]

    def read(self) -> list[Record]:
        records: list[Record] = []
        while True:
            answer = self._client.get_records(ShardIterator=self._iterator, Limit=_PAGE)
            self._iterator = answer["NextShardIterator"]
            records += [{**record, "eventSourceARN": self._arn} for record in answer["Records"]]
            if len(answer["Records"]) < _PAGE:
                return records


class _StreamPump:
    """Feeds one handler. A batch that fails is halved until the record that fails is found."""

    def __init__(self, source: Stream, failed: Callable[[str, Record], None]) -> None:
        self._source = source
        self._failed = failed
        self._size = source.batch_size
        self._failures = Counter[str]()
        self.backlog: list[Record] = []

    def add(self, records: Iterable[Record]) -> None:
        self.backlog += [record for record in records if self._source.wants(record)]

    def step(self, invoke: Invoke, shuffle: random.Random | None) -> int:
        """Deliver batch after batch until one fails."""
        calls, left = 0, len(self.backlog)
        if shuffle is not None and left:
            shuffle.shuffle(self.backlog)
            left = shuffle.randint(1, left)
        while left:
            batch = self.backlog[: min(self._size, left)]
            calls += 1
            done = self._delivered(batch, invoke(self._source.handler, {"Records": batch}))
            del self.backlog[:done]
            left -= done
            if done < len(batch):
                self._make_smaller(self.backlog[0], alone=len(batch) == 1)
                break
            self._size = self._source.batch_size
        return calls

    def _delivered(self, batch: list[Record], answer: Answer) -> int:
        """How many records from the batch's beginning need not come again."""
        if answer.failed:
            return 0
        failed = _reported(answer) if self._source.partial else set()
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        return next((index for index, number in enumerate(numbers) if number in failed), len(batch))

    def _make_smaller(self, record: Record, *, alone: bool) -> None:
        self._size = max(1, self._size // 2)
        if not alone:
            return
        self._failures[record["eventID"]] += 1
        if self._failures[record["eventID"]] > self._source.max_retries:
            self._failed(self._source.handler, record)
            self.backlog.remove(record)


class _QueuePump:
    """Feeds one handler from one queue; the queue itself moves what failed too often to its dead letters."""

    def __init__(self, source: Queue, client: "SQSClient", url: str, wait_scale: float) -> None:
        self._source = source
        self._client = client
        self._url = url
        self._queue = sqs_backends[ACCOUNT][REGION].queues[url.rpartition("/")[2]]
        self._arn = self._queue.queue_arn
        self._visibility = int(int(self._queue.attributes["VisibilityTimeout"]) / wait_scale)

    def step(self, invoke: Invoke, shuffle: random.Random | None, *, twice: bool) -> int:
        """Receive once and deliver; what failed comes again when its visibility time-out has passed."""
        if not self.pending():
            return 0
        messages = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(10, self._source.batch_size),
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
            VisibilityTimeout=max(1, self._visibility),
        ).get("Messages", [])
        if not messages:
            return 0
        failed = set[str]()
        calls = 2 if twice else 1
        for _ in range(calls):
            if shuffle is not None:
                shuffle.shuffle(messages)
            failed |= self._refused(messages, invoke)
        for message in messages:
            handle = message["ReceiptHandle"]
            if message["MessageId"] not in failed:
                self._client.delete_message(QueueUrl=self._url, ReceiptHandle=handle)
            elif self._visibility == 0:
                self._client.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0
                )
        return calls

    def pending(self) -> bool:
        """Is there any message, even one that is hidden?"""
        return bool(self._queue._messages)  # noqa: SLF001 - see above

    def _refused(self, messages: Iterable[Mapping[str, Any]], invoke: Invoke) -> set[str]:
        answer = invoke(self._source.handler, {"Records": [self._record(message) for message in messages]})
        if answer.failed:
            return {message["MessageId"] for message in messages}
        return _reported(answer) if self._source.partial else set()

    def _record(self, message: Mapping[str, Any]) -> Record:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: {key[0].lower() + key[1:]: value for key, value in attribute.items()}
                for name, attribute in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": self._arn.split(":")[3],
        }


class _Timer:
    """Due every so many seconds, first after that time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.start()

    def start(self) -> None:
        self._next = time.monotonic() + self._seconds

    def due(self) -> bool:
        return time.monotonic() >= self._next


def _url(queue: str, queues: Mapping[str, str]) -> str:
    """The URL of the queue of that name, with or without the prefix."""
    for name, url in queues.items():
        if f"-{queue}".endswith(f"-{name}"):
            return url
    raise ValueError(f"the data stack has no queue called {queue}")


def _reported(answer: Answer) -> set[str]:
    value = answer.value()
    failures = value.get("batchItemFailures", []) if isinstance(value, dict) else []
    return {failure["itemIdentifier"] for failure in failures}


def _scheduled_event() -> dict[str, Any]:
    return {
        "version": "0",
        "id": new_id("e"),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": to_second_text(utc_now()),
        "region": "local",
        "resources": [],
        "detail": {},
    }


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} in an event")
