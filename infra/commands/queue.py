"""`imprimatur queue list|redrive DEPARTMENT`: a department's dead letters, and their way back.

Received, sent, deleted, one by one: SQS's own redrive keeps no identity and is not everywhere. A redriven letter keeps
the id that its sender was given, so whatever breaks off in between, it never becomes two submissions.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core.clock import to_text
from chalicelib.people.model import is_department_id
from chalicelib.submission.letters import (
    Attribute,
    Letter,
    dead_letters_queue,
    letter,
    submissions_queue,
)

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

DONE, NOT_THERE, NO_QUEUE = 0, 1, 2
HELD = 120
"""Seconds for which a letter that is looked at is hidden from others."""
WAIT = 2
"""Seconds in which all of SQS's servers are asked: without a wait an answer may leave letters out."""
_REASON = re.compile(r"[A-Za-z_]{1,60}")
_UNSAID = "tried in vain; the log of take_in_submissions says why"


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A letter as it lies among the dead ones. `id` is that of the dead message, `since` when it was put there.

    A letter that SQS itself gave up has no reason of ours on it, but may have whatever its sender put there.
    """

    id: str
    handle: str
    since: datetime
    reason: str
    refused: bool
    letter: Letter

    def line(self) -> str:
        """The letter in one line."""
        more = [self.letter.refused_request] if self.refused else []
        more += [f"redriven {self.letter.redrives} times"] if self.letter.redrives else []
        return "  ".join((self.letter.message, to_text(self.since), self.reason, *more))


@dataclass(kw_only=True)
class Tray:
    """A department's dead letters. `wait` and `held` are in seconds."""

    parts: Parts
    department: str
    wait: int
    held: int
    _held: dict[str, str] = field(default_factory=dict)

    @property
    def _sqs(self) -> "SQSClient":
        return self.parts.aws.sqs()

    @property
    def _url(self) -> str:
        return self.parts.queues.url(dead_letters_queue(self.department))

    def letters(self) -> Iterator[DeadLetter]:
        """All of them, in no order. Each is hidden from others until it is redriven or `release` is called."""
        while True:
            messages = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=self.wait,
                VisibilityTimeout=self.held,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            fresh = [message for message in messages if message["MessageId"] not in self._held]
            self._held |= {message["MessageId"]: message["ReceiptHandle"] for message in messages}
            if not fresh:
                return
            yield from (self._read(message) for message in fresh)

    def redrive(self, dead: DeadLetter) -> None:
        """Send it back to be taken in again. A repeat, after whatever has broken off, ends the same."""
        self.parts.queues.send(submissions_queue(self.department), dead.letter.body, dead.letter.redriven())
        self.parts.refused_requests.redriven(dead.letter.refused_request)
        self.remove(dead)

    def remove(self, dead: DeadLetter) -> None:
        """Take it away for good."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=dead.handle)
        del self._held[dead.id]

    def release(self) -> None:
        """Let others see what was only looked at."""
        for handle in self._held.values():
            self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=handle, VisibilityTimeout=0)
        self._held.clear()

    def _read(self, message: Any) -> DeadLetter:  # noqa: ANN401 — SQS's own
        attributes = {
            name: attribute["StringValue"]
            for name, attribute in message.get("MessageAttributes", {}).items()
            if attribute["DataType"] == "String"
        }
        milliseconds = int(message["Attributes"]["SentTimestamp"])
        dead = letter(self.department, message["MessageId"], message["Body"], attributes)
        reason = attributes.get(Attribute.REASON, "")
        return DeadLetter(
            id=message["MessageId"],
            handle=message["ReceiptHandle"],
            since=datetime.fromtimestamp(milliseconds / 1000, UTC),
            reason=reason if _REASON.fullmatch(reason) else _UNSAID,
            refused=attributes.get(Attribute.REFUSED_REQUEST) == dead.refused_request,
            letter=dead,
        )


def run(
    action: str, department: str, *, message: str | None = None, wait: int = WAIT, held: int = HELD
) -> int:
    """`list` or `redrive` a department's dead letters, or only the one of a message id; answers the exit status."""
    tray = Tray(parts=bootstrap.parts(), department=department, wait=wait, held=held)
    if not is_department_id(department):
        return _no_queue(department)
    try:
        chosen = _chosen(tray, message)
        if action == "redrive":
            _redrive(tray, chosen)
        else:
            _list(chosen)
        tray.release()
    except tray.parts.aws.sqs().exceptions.QueueDoesNotExist:
        return _no_queue(department)
    if message is not None and not chosen:
        print(f"no dead letter of {department} has the message id {message}", file=sys.stderr)
        return NOT_THERE
    return DONE


def _chosen(tray: Tray, message: str | None) -> list[DeadLetter]:
    letters = sorted(tray.letters(), key=lambda dead: dead.since)
    return [dead for dead in letters if message in {None, dead.id, dead.letter.message}]


def _list(letters: Sequence[DeadLetter]) -> None:
    for dead in letters:
        print(dead.line())
    print(f"{len(letters)} dead letters")


def _redrive(tray: Tray, letters: Sequence[DeadLetter]) -> None:
    redriven = set[str]()
    for dead in letters:
        if dead.letter.refused_request in redriven:  # a copy, left by a step that was broken off
            tray.remove(dead)
            continue
        tray.redrive(dead)
        redriven.add(dead.letter.refused_request)
        print(dead.line())
    print(f"{len(redriven)} dead letters sent back")


def _no_queue(department: str) -> int:
    print(f"no system of a department {department} has queues here", file=sys.stderr)
    return NO_QUEUE
