"""What Lambda hands to jobs: batches of queue messages and stream records, failing one by one."""

import json
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A queue's message. `queue` is the name of the queue that it came from, which no sender can make up.

    `attributes` are those of type String; `tries` says how often the queue has handed it out, this time included.
    """

    id: str
    queue: str
    body: str
    attributes: Mapping[str, str]
    tries: int


def message(record: Mapping[str, Any]) -> Message:
    """Read one record of Lambda's SQS event."""
    return Message(
        id=record["messageId"],
        queue=str(record["eventSourceARN"]).rpartition(":")[2],
        body=record["body"],
        attributes={
            name: attribute["stringValue"]
            for name, attribute in record["messageAttributes"].items()
            if attribute["dataType"] == "String"
        },
        tries=int(record["attributes"]["ApproximateReceiveCount"]),
    )


def unhandled(event: Mapping[str, Any], handle: Callable[[Message], None]) -> dict[str, Any]:
    """As `failed_messages`, for a function that no decorator ties to one queue: it is told where each came from."""
    failures = []
    for record in event["Records"]:
        try:
            handle(message(record))
        except Exception as error:  # noqa: BLE001 — as in failed_messages
            report(error, "queue message")
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def failed_messages(event: Iterable[Any], handle: Callable[[str], None]) -> dict[str, Any]:
    """Handle each SQS message on its own and answer which ones must come again (partial batch response)."""
    failures = []
    for record in event:
        try:
            handle(record.body)
        except Exception as error:  # noqa: BLE001 — one bad message must not take the others with it
            report(error, "queue message")
            failures.append({"itemIdentifier": record.to_dict()["messageId"]})
    return {"batchItemFailures": failures}


def failed_records(event: Iterable[Any], handle: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Handle each inserted ledger event of a stream batch, given as the event's document.

    Every failed record is answered; the stream comes again from the first of them, so handling is idempotent.
    """
    failures = []
    for record in event:
        try:
            image = record.new_image or {}
            if record.event_name == "INSERT" and "document" in image:
                handle(json.loads(image["document"]["S"]))
        except Exception as error:  # noqa: BLE001 — the others of the batch must still have their turn
            report(error, "stream record")
            failures.append({"itemIdentifier": record.sequence_number})
    return {"batchItemFailures": failures}


def report(error: Exception, where: str) -> None:
    """Log what failed and where in the code, without the message: it may hold what must stay home."""
    log.error(
        "%s in a %s\n%s", type(error).__name__, where, "".join(traceback.format_tb(error.__traceback__))
    )
