"""A person's answer for a delivery that only a person can go on with: it is there, it is not, or it is given up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from chalicelib.access.model import Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core import metrics
from chalicelib.core.errors import Conflict, NotFound
from chalicelib.core.ids import is_id
from chalicelib.core.retry import again_when_stale
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person
from chalicelib.people.store import unchanged
from chalicelib.publication.model import Delivery, DeliveryState
from chalicelib.publication.service.delivering import SERVED
from chalicelib.publication.store import delivery_key, put_delivery, read_delivery
from chalicelib.submission.model import Channel, State, Submission
from chalicelib.submission.service import Journal, reading, resource_of, restarted


class Answer(StrEnum):
    """What a person says of a delivery."""

    DELIVERED = "delivered"
    """It is on the channel: the person has looked."""
    AGAIN = "again"
    """It is not, so the desk may publish it there, again."""
    GIVEN_UP = "given_up"
    """It is not, and will not be."""


_OF_WHAT_IS_TAKEN_BACK = {
    Answer.AGAIN: DeliveryState.PENDING,
    Answer.GIVEN_UP: DeliveryState.RETRACTED,
}
"""Of what is taken back it is answered whether it is to be tried again, or has been taken off, as far as it can be."""
_STATES = {
    Answer.DELIVERED: DeliveryState.DONE,
    Answer.AGAIN: DeliveryState.PENDING,
    Answer.GIVEN_UP: DeliveryState.FAILED,
}


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a person answers, and why; `url` is where the person saw it, if it can be seen by an address."""

    answer: Answer
    comment: str
    url: str | None = None


def answered(said: Mapping[str, Any]) -> Answered:
    """Read an answer that `schemas/delivery_answer.json` has accepted."""
    return Answered(answer=Answer(said["answer"]), comment=said["comment"], url=said.get("url"))


def answers(head: Submission) -> Mapping[Answer, DeliveryState]:
    """What may be answered for a delivery of a submission as it stands, and what the delivery then is."""
    return _OF_WHAT_IS_TAKEN_BACK if head.state is State.RETRACTED else _STATES


def channel_named(name: str) -> Channel:
    """The channel of that name. Raises NotFound."""
    if name not in list(Channel):
        raise NotFound
    return Channel(name)


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Takes people's answers."""

    journal: Journal
    access: AccessControl

    def seen(self, person: Person, submission: str, channel: Channel) -> tuple[Submission, Delivery]:
        """A delivery of the present revision, for who may answer for it. Raises NotFound, NotPermitted."""
        if not is_id("s", submission):
            raise NotFound
        head = self.journal.head(submission)
        subject, resource = subject_of(person, self.journal.now()), resource_of(head)
        if not all(self.access.allows(subject, each, resource) for each in reading(head)):
            raise NotFound
        self.access.grant(subject, Action.SETTLE, resource)
        record = self.journal.table.get(delivery_key(submission, head.revision, channel))
        if record is None:
            raise NotFound
        return head, read_delivery(record)

    @staticmethod
    def waits(head: Submission, delivery: Delivery) -> bool:
        """Whether an answer is awaited."""
        return delivery.state is DeliveryState.NEEDS_PERSON and _may_go_on(head)

    def answer(
        self, person: Person, submission: str, channel: Channel, said: Answered, *, correlation_id: str
    ) -> DeliveryState:
        """Take an answer for a delivery that needs a person, and let go on what it lets go on.

        Raises NotFound and NotPermitted by policy, and Conflict `delivery_not_waiting` when it needs no person.
        """
        return again_when_stale(lambda: self._answered(person, submission, channel, said, correlation_id))

    def _answered(
        self, person: Person, submission: str, channel: Channel, said: Answered, correlation_id: str
    ) -> DeliveryState:
        head, before = self.seen(person, submission, channel)
        if not self.waits(head, before):
            raise Conflict("delivery_not_waiting")
        grant = self.access.grant(subject_of(person, self.journal.now()), Action.SETTLE, resource_of(head))
        if said.answer not in answers(head):
            raise Conflict("delivery_not_waiting")
        receipt: dict[str, Any] = dict(before.receipt or {})
        if said.answer is Answer.DELIVERED and said.url is not None:
            receipt["urls"] = [*receipt.get("urls", ()), said.url]
        after = replace(
            before,
            state=answers(head)[said.answer],
            reason=said.answer.value,
            receipt=before.receipt if head.state is State.RETRACTED else receipt or None,
            claim=None,
            called_at=None,
        )
        cause = Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id)
        payload = {
            "revision": before.revision,
            "channel": channel,
            "state": after.state,
            "receipt": receipt,
            "reason": said.answer,
            "comment": said.comment,
        }
        drafts, following = [Draft(type="DeliverySettled", cause=cause, payload=payload)], head
        if said.answer is Answer.AGAIN or head.state is State.PUBLISHING:
            following = _going_on(head, channel if said.answer is Answer.AGAIN else None)
            following, draft = restarted(following, cause)
            following = replace(following, first_attempt=following.attempt)
            drafts.append(draft)
        self.journal.commit(head, following, drafts, [put_delivery(before, after), unchanged(person)])
        metrics.count(metrics.DELIVERIES, channel, after.state)
        return after.state


def _may_go_on(head: Submission) -> bool:
    """Whether the revision is one whose channels are served, or that is taken off them."""
    return head.state in SERVED or head.state is State.RETRACTED


def _going_on(head: Submission, channel: Channel | None) -> Submission:
    """The head as the machine finds it: after its publication serving one channel more."""
    if head.state is State.PUBLISHING or channel is None:
        return head
    return replace(head, again=(*head.again, channel))
