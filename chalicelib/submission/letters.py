"""What a department's own system sends, and what becomes of it when it is refused (clauses 1.3.3, 3.1.1).

A letter is a message of a department's submission queue. The queue says which department speaks, never the message.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from chalicelib.core import messages
from chalicelib.core.clock import to_text
from chalicelib.core.errors import BadRequest, NotPermitted
from chalicelib.core.ids import derived_id
from chalicelib.core.problems import Problem
from chalicelib.people.model import is_department_id
from chalicelib.submission.model import Classification, Submission

TRIES = 5
"""How often a message is tried that fails for an unforeseen reason: `maxReceiveCount` in the department's stack."""
KEPT_FOR = timedelta(days=180)
"""How long a refused request is kept."""
KEPT_BYTES = 300_000
"""The longest content, in bytes of UTF-8, that is kept with a refused request: more than a queue lets through."""
MOST_ERRORS = 100
"""Wrong fields that are told of one letter: the answer must fit into a message, whatever was sent."""
LONGEST_POINTER = 200

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_SUBMISSIONS = "submissions-"
_OF_THE_ROSTER = frozenset({"unknown_person", "unknown_department"})
"""Wrong fields that are right once the roster knows whom or what they name."""


class Attribute(StrEnum):
    """The message attributes that mean something to the desk, all of type String; others are ignored."""

    IDEMPOTENCY_KEY = "idempotency_key"
    """From the sender: two messages with the same key are one request."""
    LANGUAGE = "language"
    """From the sender, as in `Accept-Language`: the language of the answer."""
    FIRST_MESSAGE_ID = "first_message_id"
    """From the desk: the id that the sender was given, which a letter keeps on its way out of the dead letters."""
    REDRIVES = "redrives"
    """From the desk: how often it was sent back from there."""
    REASON = "reason"
    """From the desk, on a dead letter: the code of a refusal, or the class of an unforeseen error."""
    REFUSED_REQUEST = "refused_request"
    """From the desk, on a dead letter: the refused request that it became."""


SENDERS = (Attribute.IDEMPOTENCY_KEY, Attribute.LANGUAGE)


def submissions_queue(department: str) -> str:
    """The queue, without the environment's prefix, that the department's system sends to."""
    return f"{_SUBMISSIONS}{department}"


def replies_queue(department: str) -> str:
    """The queue that the department's system is answered on."""
    return f"submission-replies-{department}"


def dead_letters_queue(department: str) -> str:
    """The queue of what was refused or given up, each with its reason."""
    return f"submission-dead-letters-{department}"


def department_of(queue: str) -> str:
    """The department whose submission queue this is. Raises ValueError for any other queue."""
    department = queue.removeprefix(_SUBMISSIONS)
    if department == queue or not is_department_id(department):
        raise ValueError("not a department's submission queue")
    return department


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A message of a department's submission queue.

    `message` is the id that the sender was given when sending it, also after it was redriven; `redrives` says how
    often that was.
    """

    department: str
    message: str
    redrives: int
    body: str
    attributes: Mapping[str, str]

    @property
    def sender(self) -> str:
        """The department's system, as events name it."""
        return f"system:{self.department}"

    @property
    def language(self) -> str:
        """The language to answer in."""
        return messages.negotiate(self.attributes.get(Attribute.LANGUAGE))

    @property
    def idempotency_key(self) -> str | None:
        """The key as sent, which may be out of shape."""
        return self.attributes.get(Attribute.IDEMPOTENCY_KEY)

    @cached_property
    def sha256(self) -> str:
        """Of the body, in hexadecimal."""
        return hashlib.sha256(self.body.encode()).hexdigest()

    @property
    def submission(self) -> str:
        """The id of the submission that it makes: the same for every repeat. Raises BadRequest for a bad key."""
        key = self.idempotency_key
        if key is None:
            return derived_id("s", self.sender, "message", self.message)
        if not _KEY.fullmatch(key):
            raise BadRequest("bad_message_key")
        return derived_id("s", self.sender, "key", key)

    @property
    def refused_request(self) -> str:
        """The id of the refused request that it becomes, if it does: the same however often it is delivered.

        Redriving makes it another one, for by then its cause may have been mended.
        """
        return derived_id("f", self.sender, self.message, str(self.redrives), self.sha256)

    def redriven(self) -> dict[str, str]:
        """The attributes with which it goes back into the submission queue."""
        return {
            **{name: value for name, value in self.attributes.items() if name in SENDERS},
            Attribute.FIRST_MESSAGE_ID: self.message,
            Attribute.REDRIVES: str(self.redrives + 1),
        }

    def dead(self, reason: str, refused_request: str | None = None) -> dict[str, str]:
        """The attributes with which it goes to the dead letters."""
        attributes = {
            **{name: value for name, value in self.attributes.items() if name in SENDERS},
            Attribute.FIRST_MESSAGE_ID: self.message,
            Attribute.REDRIVES: str(self.redrives),
            Attribute.REASON: reason,
        }
        if refused_request is not None:
            attributes[Attribute.REFUSED_REQUEST] = refused_request
        return attributes


def letter(department: str, message: str, body: str, attributes: Mapping[str, str]) -> Letter:
    """Read a message. What the desk itself notes on letters counts only in the desk's own form.

    A sender who notes it instead can only make messages of the own department count as one, as a key does.
    """
    first, redrives = attributes.get(Attribute.FIRST_MESSAGE_ID, ""), attributes.get(Attribute.REDRIVES, "")
    again = _MESSAGE_ID.fullmatch(first) is not None
    return Letter(
        department=department,
        message=first if again else message,
        redrives=int(redrives) if again and re.fullmatch(r"[0-9]{1,6}", redrives) else 0,
        body=body,
        attributes=attributes,
    )


class Standing(StrEnum):
    """How far a refusal has come."""

    RECORDED = "recorded"
    """Decided; the sender may not have been told yet."""
    ANSWERED = "answered"
    """Answered, and among the dead letters."""
    REDRIVEN = "redriven"
    """Sent back into the submission queue."""


@dataclass(frozen=True, kw_only=True)
class RefusedRequest:
    """A letter that can never become right by itself, and why.

    `title` and `drafter` are those of the form where they are sound. `classification` is the strictest where the
    form does not soundly say it. `size` is the body's, in bytes of UTF-8.
    """

    id: str
    department: str
    message: str
    redrives: int
    standing: Standing
    received_at: datetime
    problem: Problem
    idempotency_key: str | None
    title: str | None
    drafter: str | None
    classification: Classification
    sha256: str
    size: int

    @property
    def expires_at(self) -> datetime:
        """When it is forgotten."""
        return self.received_at + KEPT_FOR

    @property
    def rests_on_the_roster(self) -> bool:
        """Whether the same letter might be taken in once the roster is another: nothing else is wrong with it."""
        wrong = self.problem.errors
        if not wrong:
            return self.problem.code == NotPermitted.code
        return all(each.code in _OF_THE_ROSTER for each in wrong)


def refused(
    letter: Letter, problem: Problem, *, sound: Mapping[str, Any], received_at: datetime
) -> RefusedRequest:
    """The refused request that a letter becomes; `sound` are the fields of its form that nothing is wrong with."""
    key = letter.idempotency_key
    return RefusedRequest(
        id=letter.refused_request,
        department=letter.department,
        message=letter.message,
        redrives=letter.redrives,
        standing=Standing.RECORDED,
        received_at=received_at,
        problem=_bounded(problem),
        idempotency_key=key if key is not None and _KEY.fullmatch(key) else None,
        title=sound.get("title"),
        drafter=sound.get("drafter"),
        classification=Classification(sound.get("classification", Classification.CONFIDENTIAL)),
        sha256=letter.sha256,
        size=len(letter.body.encode()),
    )


def _bounded(problem: Problem) -> Problem:
    """The problem with no more wrong fields, and no longer pointers, than a message and an item can hold."""
    if problem.errors is None:
        return problem
    errors = [
        wrong
        if len(wrong.pointer) <= LONGEST_POINTER
        else replace(wrong, pointer=f"{wrong.pointer[: LONGEST_POINTER - 1]}…")
        for wrong in problem.errors[:MOST_ERRORS]
    ]
    return replace(problem, errors=tuple(errors))


def acceptance(letter: Letter, head: Submission) -> dict[str, Any]:
    """The answer to a letter that became a submission."""
    submission = {"id": head.id, "revision": head.revision, "state": head.state}
    return _to_whom(letter) | {"status": 201, "submission": submission}


def refusal(letter: Letter, request: RefusedRequest) -> dict[str, Any]:
    """The answer to a letter that was refused, in the sender's language."""
    return _to_whom(letter) | {
        "status": request.problem.status,
        "refused_request": request.id,
        "received_at": to_text(request.received_at),
        "problem": request.problem.document(letter.language, letter.message),
    }


def _to_whom(letter: Letter) -> dict[str, Any]:
    key = letter.idempotency_key
    return {
        "message_id": letter.message,
        "redrives": letter.redrives,
        "idempotency_key": key if key is not None and _KEY.fullmatch(key) else None,
    }
