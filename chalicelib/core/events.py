"""What Lambda hands to jobs: a machine's work, and batches of queue messages and stream records, failing one by one.

This is also where the log learns what a job works on, and where what fails is told without what it says.
"""

import functools
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from chalicelib.core import logs, metrics
from chalicelib.core.errors import ImprimaturError, MailRefused

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class UnforeseenError(Exception):
    """A job failed for the reason of that class; the log says where.

    It stands for the error itself, whose message Lambda would log and a state machine would keep in its history.
    """


def job(handler: Callable[P, R]) -> Callable[P, R]:
    """Wrap what Lambda calls under the handler's name.

    Meanwhile every line says so, and whose submission a state machine's step works on. What a state machine matches
    on is raised as it is, anything else as UnforeseenError.
    """

    @functools.wraps(handler)
    def called(*arguments: P.args, **named: P.kwargs) -> R:
        event, *rest = arguments
        context = rest[0] if rest else getattr(event, "context", None)
        began = time.perf_counter()
        with logs.invocation(
            handler.__name__, request_id=getattr(context, "aws_request_id", None), **_work_of(event)
        ):
            try:
                answer = handler(*arguments, **named)
            except ImprimaturError as error:
                report(error, "job")
                raise
            except Exception as error:  # noqa: BLE001 — whatever it is, Lambda must not log what it says
                report(error, "job")
                raise UnforeseenError(type(error).__name__) from None
            log.info("ended", extra=logs.facts(ms=logs.milliseconds_since(began)))
            return answer

    return called


def _work_of(event: object) -> dict[str, str | None]:
    """Whose submission a state machine's step is about, and which request led to it."""
    if not isinstance(event, dict):
        return {}
    work = event.get("work", event)
    return {"submission": work.get("submission"), "led_by": work.get("correlation_id")}


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
        with logs.about(message_id=record["messageId"]):
            try:
                handle(message(record))
                log.info("handled")
            except Exception as error:  # noqa: BLE001 — as in failed_messages
                report(error, "queue message")
                failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def failed_messages(event: Iterable[Any], handle: Callable[[str], None]) -> dict[str, Any]:
    """Handle each SQS message on its own and answer which ones must come again (partial batch response)."""
    failures = []
    for record in event:
        name = record.to_dict()["messageId"]
        with logs.about(message_id=name):
            try:
                handle(record.body)
                log.info("handled")
            except Exception as error:  # noqa: BLE001 — one bad message must not take the others with it
                report(error, "queue message")
                failures.append({"itemIdentifier": name})
    return {"batchItemFailures": failures}


def failed_records(event: Iterable[Any], handle: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Handle each inserted ledger event of a stream batch, given as the event's document.

    Every failed record is answered; the stream comes again from the first of them, so handling is idempotent.
    """
    failures = []
    for record in event:
        with logs.about():
            try:
                image = record.new_image or {}
                if record.event_name == "INSERT" and "document" in image:
                    document = json.loads(image["document"]["S"])
                    logs.note(
                        event_id=document.get("id"),
                        submission=document.get("submission"),
                        correlation_id=document.get("correlation_id"),
                    )
                    handle(document)
                    log.info("handled", extra=logs.facts(event=document.get("type")))
            except Exception as error:  # noqa: BLE001 — the others of the batch must still have their turn
                report(error, "stream record")
                failures.append({"itemIdentifier": record.sequence_number})
    return {"batchItemFailures": failures}


def report(error: Exception, where: str) -> None:
    """Log what failed and where in the code, without the message: it may hold what must stay home.

    What is foreseen, such as a mailbox that takes no mail, is a warning with its code; anything else is an error that
    counts.
    """
    kind = type(error).__name__
    if isinstance(error, ImprimaturError):
        reason = str(error.params["reason"]) if isinstance(error, MailRefused) else None
        log.warning("%s in a %s", kind, where, extra=logs.facts(error=kind, code=error.code, reason=reason))
        return
    trace = logs.where(error.__traceback__)
    log.error("%s in a %s", kind, where, extra=logs.facts(error=kind, trace=trace))
    if logs.present_function():
        metrics.count(metrics.UNFORESEEN_ERRORS, logs.present_function())
