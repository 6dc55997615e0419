"""Batches of queue messages and stream records: one that fails holds back no other, and no message is logged."""

import json
from typing import Any

import pytest
from chalice.app import DynamoDBEvent, SQSEvent

from chalicelib.core.events import Message, failed_messages, failed_records, message, unhandled
from tests.lines import written

SECRET = "handle-4711-of-somebody"


def messages(*bodies: str) -> SQSEvent:
    records = [
        {"body": body, "receiptHandle": "-", "messageId": f"m-{number}"} for number, body in enumerate(bodies)
    ]
    return SQSEvent({"Records": records}, None)


def record(number: int, *, name: str = "INSERT", image: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "eventName": name,
        "eventID": f"e-{number}",
        "eventVersion": "1.1",
        "awsRegion": "local",
        "eventSourceARN": "arn:aws:dynamodb:local:1:table/records/stream/1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1.0,
            "Keys": {},
            "NewImage": image,
            "SequenceNumber": str(number),
            "SizeBytes": 1,
            "StreamViewType": "NEW_IMAGE",
        },
    }


def an_event(number: int) -> dict[str, Any]:
    return {"document": {"S": json.dumps({"seq": number})}, "event_type": {"S": "Submitted"}}


class Handler:
    """Notes what it is given, and fails on what is bad."""

    def __init__(self, *bad: object) -> None:
        self.given: list[object] = []
        self._bad = bad

    def __call__(self, document: object) -> None:
        self.given.append(document)
        if document in self._bad:
            raise RuntimeError(SECRET)


def test_each_failed_message_comes_again_alone() -> None:
    handler = Handler("b", "d")
    answer = failed_messages(messages("a", "b", "c", "d"), handler)
    assert handler.given == ["a", "b", "c", "d"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-3"}]}


def test_a_batch_that_went_well_comes_no_more() -> None:
    assert failed_messages(messages("a"), Handler()) == {"batchItemFailures": []}


def test_every_failed_record_is_answered_and_the_others_have_their_turn() -> None:
    handler = Handler({"seq": 2})
    batch = {"Records": [record(number, image=an_event(number)) for number in (1, 2, 3)]}
    answer = failed_records(DynamoDBEvent(batch, None), handler)
    assert handler.given == [{"seq": 1}, {"seq": 2}, {"seq": 3}]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}


def test_only_inserted_events_are_handled() -> None:
    handler = Handler()
    batch = [
        record(1, name="MODIFY", image=an_event(1)),
        record(2, name="REMOVE"),
        record(3, image={"text": {"S": "no event"}}),
        record(4, image=an_event(4)),
    ]
    assert failed_records(DynamoDBEvent({"Records": batch}, None), handler) == {"batchItemFailures": []}
    assert handler.given == [{"seq": 4}]


def test_a_record_that_cannot_be_read_fails_alone() -> None:
    handler = Handler()
    batch = [record(1, image={"document": {"S": "{"}}), record(2, image=an_event(2))]
    answer = failed_records(DynamoDBEvent({"Records": batch}, None), handler)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert handler.given == [{"seq": 2}]


def test_a_failure_is_logged_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    with written() as log:
        failed_messages(messages("bad"), Handler("bad"))
    (told,) = log.lines(level="ERROR")
    assert told["error"] == "RuntimeError"
    assert "test_events.py" in told["trace"], "where it happened"
    assert SECRET not in caplog.text + "".join(log.text)


def a_queue_record(body: str, number: int = 0) -> dict[str, Any]:
    return {
        "messageId": f"m-{number}",
        "receiptHandle": "-",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "3"},
        "messageAttributes": {
            "language": {"stringValue": "en", "stringListValues": [], "dataType": "String"},
            "picture": {"binaryValue": "AAA=", "binaryListValues": [], "dataType": "Binary"},
        },
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:imprimatur-submissions-it",
    }


def test_a_message_knows_its_queue_its_texts_and_how_often_it_was_tried() -> None:
    assert message(a_queue_record("{}")) == Message(
        id="m-0", queue="imprimatur-submissions-it", body="{}", attributes={"language": "en"}, tries=3
    )


def test_each_message_of_an_untied_queue_comes_again_alone(caplog: pytest.LogCaptureFixture) -> None:
    given: list[str] = []

    def handle(message: Message) -> None:
        given.append(message.body)
        if message.body == "bad":
            raise RuntimeError(SECRET)

    records = [a_queue_record(body, number) for number, body in enumerate(("a", "bad", "c"))]
    unreadable = {"messageId": "m-3"}
    answer = unhandled({"Records": [*records, unreadable]}, handle)
    assert given == ["a", "bad", "c"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-3"}]}
    assert SECRET not in caplog.text
