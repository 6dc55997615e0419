"""Publication requests from the departments' own systems, by queue (clauses 1.3.3, 3.1.1).

What can never become right by itself is refused: kept, answered, and put among the department's dead letters with its
reason. What fails otherwise is tried again by the queue; the last try puts it there, too, so that no letter lies there
without a word. Every step may be repeated: the submission's id and the refused request's follow from the letter, and
each transaction makes sure that the letter has not become the other of the two.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core import logs, metrics
from chalicelib.core.errors import (
    BadRequest,
    ImprimaturError,
    InvalidSubmission,
    KeyReused,
    NotPermitted,
    Stale,
)
from chalicelib.core.events import Message, report
from chalicelib.core.problems import problem_of
from chalicelib.core.queues import Queues
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Found, Key, Write
from chalicelib.core.validation import read_json, schema
from chalicelib.people.model import Person
from chalicelib.people.store import person_key, read_person
from chalicelib.submission.form import sound_fields
from chalicelib.submission.letters import (
    TRIES,
    Letter,
    RefusedRequest,
    Standing,
    acceptance,
    dead_letters_queue,
    department_of,
    letter,
    refusal,
    refused,
    replies_queue,
)
from chalicelib.submission.model import Submission
from chalicelib.submission.service.desk import Sent, SubmissionDesk
from chalicelib.submission.service.journal import Journal
from chalicelib.submission.store import (
    not_refused,
    not_submitted,
    put_refused,
    put_refused_content,
    read_refused,
    refused_key,
)

REFUSALS = (BadRequest, InvalidSubmission, KeyReused, NotPermitted)
"""What trying again cannot mend."""
_LONGEST_ID = 64


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Takes letters in."""

    journal: Journal
    desk: SubmissionDesk
    queues: Queues

    def take_in(self, message: Message) -> None:
        """Make a submission of a message, or a refused request, and answer its sender.

        Raises whatever went wrong otherwise, so that the queue hands the message out again; but on the last try the
        message is left among the dead letters. Raises ValueError for a message of any other queue.
        """
        department = department_of(self.queues.own_name(message.queue))
        sent = letter(department, message.id, message.body, message.attributes)
        logs.note(correlation_id=sent.message)
        try:
            self._settle(sent)
        except Exception as error:
            if message.tries < TRIES:
                raise
            report(error, "queue message on its last try")
            self._bury(sent, type(error).__name__)

    def _settle(self, letter: Letter) -> None:
        outcome = again_when_stale(lambda: self._outcome(letter))
        if isinstance(outcome, Submission):
            self._reply(letter, acceptance(letter, outcome))
        elif outcome.standing is Standing.RECORDED:
            self._reply(letter, refusal(letter, outcome))
            self._bury(letter, outcome.problem.code, outcome.id)
            answered = replace(outcome, standing=Standing.ANSWERED)
            with suppress(
                Stale
            ):  # somebody was faster: another delivery of it, or whoever redrove it already
                self.journal.table.put(put_refused(answered, before=(Standing.RECORDED,)))

    def _outcome(self, letter: Letter) -> Submission | RefusedRequest:
        """What the letter has become, now or at an earlier delivery. Raises Stale when another one is at it."""
        document, unreadable = _read(letter.body)
        drafter_key = _drafter_key(document)
        key = refused_key(letter.refused_request)
        found = self.journal.table.batch(
            key, self.desk.procedure_key, *([drafter_key] if drafter_key else [])
        )
        earlier = found.get(key)
        if earlier is not None:
            return read_refused(earlier)
        person = found.get(drafter_key) if drafter_key else None
        try:
            if unreadable is not None:
                raise unreadable
            drafter = None if person is None else read_person(person)
            return self._submitted(letter, document, drafter, found)
        except REFUSALS as error:
            return self._refused(letter, document, error)

    def _submitted(
        self, letter: Letter, document: object, drafter: Person | None, found: Found
    ) -> Submission:
        sent = Sent(
            department=letter.department,
            sender=letter.sender,
            submission=letter.submission,
            correlation_id=letter.message,
            also=(not_refused(letter.refused_request),),
        )
        return self.desk.submit_sent(drafter, document, sent, found)

    def _refused(self, letter: Letter, document: object, error: ImprimaturError) -> RefusedRequest:
        """Keep the refusal, on condition that no other delivery of this letter made a submission meanwhile."""
        request = refused(
            letter,
            problem_of(error),
            sound=sound_fields(document, schema("submission").errors(document)),
            received_at=self.journal.now(),
        )
        also: list[Write] = []
        if not isinstance(
            error, BadRequest | KeyReused
        ):  # these never make one; a reused key has made another
            also.append(not_submitted(letter.submission))
        content = put_refused_content(request, letter.body)
        if content is not None:
            also.append(content)
        self.journal.table.transact(also, receipt=put_refused(request))
        metrics.count(metrics.REFUSED_REQUESTS)
        return request

    def _reply(self, letter: Letter, answer: Mapping[str, Any]) -> None:
        """Answer the sender, in ASCII: a queue takes fewer characters than JSON does."""
        self.queues.send(replies_queue(letter.department), json.dumps(answer), {})

    def _bury(self, letter: Letter, reason: str, refused_request: str | None = None) -> None:
        attributes = letter.dead(reason, refused_request)
        self.queues.send(dead_letters_queue(letter.department), letter.body, attributes)


def _read(body: str) -> tuple[object, BadRequest | None]:
    try:
        return read_json(body), None
    except BadRequest as error:
        return None, error


def _drafter_key(document: object) -> Key[Any] | None:
    """Where the drafter is whom a document names, if that can be an id at all."""
    named = document.get("drafter") if isinstance(document, dict) else None
    if not isinstance(named, str) or not named.isascii() or len(named) > _LONGEST_ID:
        return None
    return person_key(named)
