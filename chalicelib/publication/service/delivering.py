"""One delivery: claimed, prepared, called for once, and confirmed; what became of a call is found out, never guessed.

    PENDING ── claim ──> CLAIMED ── prepared, noted ──> CALLING ── answered ──> DONE, FAILED or NEEDS_PERSON
                                                           │  ▲
                                    nobody knows           ▼  │ it has not happened, for certain
                                                         UNKNOWN ── found out, or patience is over ──> as above

Each step is a conditional write. Whoever has claimed goes on only as long as nobody has claimed since, so of two runs
at once one makes the call. Exactly once does not exist without the channel's help; this is *effectively once*: a call
whose outcome nobody knows is never repeated, the channel is asked first. Only where delivering again ends the same
(`Adapter.repeatable`) a call that broke off is made again without asking.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.core import metrics
from chalicelib.core.errors import (
    ChannelBusy,
    ChannelRefusal,
    ChannelsFrozen,
    DeliveryParked,
    DeliveryRefused,
    OutcomeUnknown,
)
from chalicelib.core.events import report
from chalicelib.core.ids import new_id
from chalicelib.core.retry import again_when_stale
from chalicelib.ledger.model import Cause, Draft
from chalicelib.ledger.store import newest_events
from chalicelib.publication.model import (
    UNFINISHED,
    Adapter,
    Delivered,
    Delivery,
    DeliveryState,
    Item,
    NotDelivered,
    Retraction,
    Underway,
)
from chalicelib.publication.store import (
    FREEZES_KEY,
    delivery_key,
    put_delivery,
    put_last,
    put_parked,
    read_delivery,
    read_freezes,
)
from chalicelib.submission.model import Channel, Reason, State, Submission
from chalicelib.submission.service import Journal
from chalicelib.submission.store import head_key, read_head, read_revision, revision_key

ACTOR = "service:publication"
CALL_TERM = timedelta(minutes=6)
"""How long a call may be under way: longer than the function lives that makes it."""
OUTCOME_UNKNOWN = "outcome_unknown"
"""Why a person is asked when the channel's patience is over."""
TRIED_IN_VAIN = "tried_in_vain"
"""Why a person is asked when a delivery was begun again too often."""
_NOT_CALLED = frozenset({DeliveryState.PENDING, DeliveryState.CLAIMED})
SERVED = frozenset({State.PUBLISHING, State.PUBLISHED, State.ARCHIVED})
"""The states of a submission whose channels are served: after its publication, those that a person has answered for."""
EVENTS: Mapping[DeliveryState, str] = {
    DeliveryState.DONE: "Delivered",
    DeliveryState.FAILED: "DeliveryFailed",
    DeliveryState.NEEDS_PERSON: "DeliveryParked",
    DeliveryState.RETRACTED: "DeliveryRetracted",
}
"""How the ledger says that a delivery has ended so."""


@dataclass(frozen=True, kw_only=True)
class Delivering:
    """Delivers to one channel at a time. `scale` shortens every wait."""

    journal: Journal
    adapters: Mapping[Channel, Adapter]
    scale: float

    def deliver(self, work: Mapping[str, Any]) -> None:
        """Bring one delivery as far as it gets now. Does nothing when it has ended or it is not its turn.

        What is frozen, and whose turn it is, is read again after the step to the call was written: no call begins after
        a freeze was committed (clause 5.1.2). Raises ChannelsFrozen during a freeze; OutcomeUnknown while the channel
        may still tell; ChannelBusy; whatever else an adapter raises that may be called again.
        """
        item = self._item(work)
        if item is None:
            return None
        adapter = self.adapters[item.delivery.channel]
        if item.head.state is State.RETRACTED:
            return self._taken_back(adapter, item)
        try:
            if item.delivery.state in _NOT_CALLED or adapter.repeatable:
                _ensure_approved(item)
                delivered = self._called(adapter, self._prepared(adapter, item))
            else:
                delivered = self._found_out(adapter, item)
        except _NotItsTurn:
            return None
        except _Ended as ended:
            return self._end(ended.item, ended.state, reason=ended.reason, receipt=ended.receipt)
        return self._end(*delivered)

    def park(self, head: Submission, delivery: Delivery, reason: str) -> None:
        """Leave an unfinished delivery to a person: the machine has tried in vain."""
        parked = replace(delivery, state=DeliveryState.NEEDS_PERSON, reason=reason, receipt=delivery.facts)
        self._settle(head, delivery, parked)

    def _item(self, work: Mapping[str, Any]) -> Item | None:
        """What is to be delivered, None when there is nothing to do. Raises ChannelsFrozen for what was not called."""
        channel = Channel(work["channel"])
        submission, revision = work["submission"], work["revision"]
        keys = (
            head_key(submission),
            delivery_key(submission, revision, channel),
            revision_key(submission, revision),
        )
        found = self.journal.table.batch(*keys, FREEZES_KEY)
        head_record, record, text = found.get(keys[0]), found.get(keys[1]), found.get(keys[2])
        if head_record is None or record is None or text is None:
            return None
        head, delivery = read_head(head_record), read_delivery(record)
        if not is_turn(head, work):
            return None
        if head.state is State.RETRACTED:
            again = channel in head.again
            return Item(head=head, revision=read_revision(text), delivery=delivery) if again else None
        if delivery.state not in UNFINISHED:
            return None
        if delivery.state in _NOT_CALLED or self.adapters[channel].repeatable:
            read_freezes(found.get(FREEZES_KEY)).ensure_free(channel, self.journal.now())
        return Item(head=head, revision=read_revision(text), delivery=delivery)

    def _prepared(self, adapter: Adapter, item: Item) -> Item:
        """Claim it, let the channel prepare it, and note that the call is being made."""
        item = self._step(item, state=DeliveryState.CLAIMED, fence=item.delivery.fence + 1, claim=new_id("c"))
        try:
            facts = adapter.prepare(item)
        except ChannelRefusal as refusal:
            raise self._refused(adapter, item, refusal) from refusal
        return self._about_to_call(self._step(item, state=DeliveryState.CALLING, facts=facts))

    def _taken_back(self, adapter: Adapter, item: Item) -> None:
        """Take an item off the channel; what is only not possible now is tried again, for as long as it takes.

        Whatever was claimed once may have left something. A run that may still be under way can leave more: so it is
        taken off at once, and once more when none can be.
        """
        if item.delivery.fence == 0:
            after = replace(item.delivery, state=DeliveryState.RETRACTED, receipt={"left": []})
            return again_when_stale(lambda: self._settle(item.head, item.delivery, after))
        busy = item.delivery.state in {DeliveryState.CLAIMED, DeliveryState.CALLING}
        busy = busy and self.journal.now() < _called_at(item) + CALL_TERM / self.scale
        try:
            taken = adapter.retract(item, self._retraction(item.head))
        except (DeliveryRefused, DeliveryParked) as refusal:
            if busy:
                raise OutcomeUnknown from refusal
            return self._end(item, DeliveryState.NEEDS_PERSON, item.delivery.receipt or {}, refusal.reason)
        if busy:
            raise OutcomeUnknown
        receipt = {
            **(item.delivery.receipt or {}),
            "taken_back": dict(taken.receipt),
            "left": list(taken.left),
        }
        after = replace(item.delivery, state=DeliveryState.RETRACTED, reason=None, receipt=receipt)
        return again_when_stale(lambda: self._settle(item.head, item.delivery, after))

    def _retraction(self, head: Submission) -> Retraction:
        """When and why it is taken back, as the ledger says."""
        told = next(
            event for event in newest_events(self.journal.table, head.id) if event.type == "Retracted"
        )
        said = told.payload
        return Retraction(at=told.at, reason=said["reason"], title_withheld=said["title_withheld"])

    def _about_to_call(self, item: Item) -> Item:
        """Put back a call that has not been made yet when the channel has been frozen or its turn is over."""
        found = self.journal.table.batch(head_key(item.head.id), FREEZES_KEY)
        head_record = found.get(head_key(item.head.id))
        is_turn = head_record is not None and _same_turn(read_head(head_record), item.head)
        channel, now = item.delivery.channel, self.journal.now()
        is_frozen = bool(read_freezes(found.get(FREEZES_KEY)).over(channel, now))
        if is_turn and not is_frozen:
            return item
        self._step(item, state=DeliveryState.PENDING)
        raise ChannelsFrozen if is_turn else _NotItsTurn

    def _called(self, adapter: Adapter, item: Item) -> tuple[Item, DeliveryState, Mapping[str, Any]]:
        """Make the call."""
        try:
            outcome = adapter.deliver(item)
        except ChannelRefusal as refusal:
            raise self._refused(adapter, item, refusal) from refusal
        except Exception as error:
            if adapter.repeatable:
                raise
            report(error, "delivery")
            self._step(item, state=DeliveryState.UNKNOWN)
            raise OutcomeUnknown from None
        return self._answered(item, outcome)

    def _found_out(self, adapter: Adapter, item: Item) -> tuple[Item, DeliveryState, Mapping[str, Any]]:
        """Ask the channel what became of a call, and make it again if it has not happened, for certain."""
        if item.delivery.state is DeliveryState.CALLING:
            if self.journal.now() < _called_at(item) + CALL_TERM / self.scale:
                raise OutcomeUnknown  # its run may still be at it
            item = self._step(item, state=DeliveryState.UNKNOWN, claim=new_id("c"))
        try:
            outcome = adapter.reconcile(item)
        except ChannelRefusal as refusal:
            raise self._refused(adapter, item, refusal) from refusal
        except OutcomeUnknown:
            self._ensure_patience(adapter, item)
            raise
        if isinstance(outcome, NotDelivered):
            fence = item.delivery.fence + 1
            again = self._step(item, state=DeliveryState.CALLING, fence=fence, claim=new_id("c"))
            return self._called(adapter, self._about_to_call(again))
        if isinstance(outcome, Underway):
            self._ensure_patience(adapter, item)
        return self._answered(item, outcome)

    def _answered(
        self, item: Item, outcome: Delivered | Underway
    ) -> tuple[Item, DeliveryState, Mapping[str, Any]]:
        """How it has ended. Raises OutcomeUnknown, with what to ask by noted, when the channel will tell later."""
        if isinstance(outcome, Delivered):
            return item, DeliveryState.DONE, outcome.receipt
        if item.delivery.state is not DeliveryState.UNKNOWN or outcome.facts != item.facts:
            self._step(item, state=DeliveryState.UNKNOWN, facts=outcome.facts)
        raise OutcomeUnknown

    def _ensure_patience(self, adapter: Adapter, item: Item) -> None:
        """End what nobody has told anything about for too long: a person is asked."""
        if self.journal.now() >= _called_at(item) + adapter.patience / self.scale:
            raise _Ended(item, DeliveryState.NEEDS_PERSON, OUTCOME_UNKNOWN, item.facts)

    def _refused(self, adapter: Adapter, item: Item, refusal: ChannelRefusal) -> Exception:
        """What follows from a refusal: the end, or another try of what has not happened."""
        if isinstance(refusal, ChannelBusy):
            if item.delivery.state is DeliveryState.UNKNOWN:
                self._ensure_patience(adapter, item)
            else:
                facts = item.delivery.facts if refusal.facts is None else refusal.facts
                self._step(item, state=DeliveryState.PENDING, facts=facts)
            return refusal
        refused = isinstance(refusal, DeliveryRefused)
        state = DeliveryState.FAILED if refused else DeliveryState.NEEDS_PERSON
        return _Ended(item, state, refusal.reason, refusal.facts or item.facts)

    def _step(self, item: Item, **changes: Any) -> Item:  # noqa: ANN401 — as a delivery's fields
        """Take a step that only the desk itself sees. Raises Stale when another run has taken one."""
        after = replace(item.delivery, **changes)
        if after.state in {DeliveryState.CLAIMED, DeliveryState.CALLING}:
            after = replace(after, called_at=self.journal.now())
        self.journal.table.put(put_delivery(item.delivery, after))
        return replace(item, delivery=after)

    def _end(
        self, item: Item, state: DeliveryState, receipt: Mapping[str, Any], reason: str | None = None
    ) -> None:
        after = replace(item.delivery, state=state, reason=reason, receipt=receipt)
        again_when_stale(lambda: self._settle(item.head, item.delivery, after))

    def _settle(self, turn: Submission, before: Delivery, after: Delivery) -> None:
        """Write the end with its event; another channel's may come in between, a later claim ends this run's part."""
        where = delivery_key(after.submission, after.revision, after.channel)
        found = self.journal.table.batch(head_key(after.submission), where)
        head_record, record = found.get(head_key(after.submission)), found.get(where)
        if head_record is None or record is None:
            return
        head, present = read_head(head_record), read_delivery(record)
        if (present.fence, present.state) != (before.fence, before.state) or not _same_turn(head, turn):
            return
        said: dict[str, Any] = {
            "revision": after.revision,
            "channel": after.channel,
            "state": after.state,
            "receipt": dict(after.receipt or {}),
        }
        draft = Draft(
            type=EVENTS[after.state],
            cause=Cause(actor=ACTOR, correlation_id=head.correlation_id),
            payload=said if after.reason is None else {**said, "reason": after.reason},
        )
        again = tuple(channel for channel in head.again if channel is not after.channel)
        now, also = self.journal.now(), [put_delivery(before, after)]
        if after.state is DeliveryState.NEEDS_PERSON:
            also.append(put_parked(after, now))
        self.journal.commit(head, replace(head, again=again), [draft], also)
        metrics.count(metrics.DELIVERIES, after.channel, after.state)
        if after.state is DeliveryState.DONE:
            metrics.emit({metrics.DELIVERY_SECONDS: (now - after.started_at).total_seconds()}, after.channel)
            self.journal.table.put(put_last(after, now))


def is_turn(head: Submission, work: Mapping[str, Any]) -> bool:
    """Whether a machine's work is still of the attempt that counts."""
    states = {*SERVED, State.RETRACTED}
    return head.state in states and (head.revision, head.attempt) == (work["revision"], work["attempt"])


def _same_turn(head: Submission, before: Submission) -> bool:
    same = (head.revision, head.attempt) == (before.revision, before.attempt)
    return same and (head.state in SERVED or head.state is before.state)


def _ensure_approved(item: Item) -> None:
    """End what is not the text that was approved: what is stored may have been altered since the last check."""
    if item.revision.content_digest != item.head.content_digest:
        raise _Ended(item, DeliveryState.NEEDS_PERSON, Reason.CONTENT_CHANGED, {})


def _called_at(item: Item) -> datetime:
    return item.delivery.called_at or item.delivery.started_at


class _NotItsTurn(Exception):
    """Another attempt has begun, or nothing is to be published any more."""


class _Ended(Exception):
    """A delivery has ended otherwise than by being delivered."""

    def __init__(self, item: Item, state: DeliveryState, reason: str, receipt: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.item, self.state, self.reason, self.receipt = item, state, reason, receipt
