"""Deliveries without the rest of a life: a text that is due, a channel that may do anything, a table that fails."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from chalicelib.core.errors import (
    ChannelBusy,
    DeliveryParked,
    DeliveryRefused,
    OutcomeUnknown,
    Stale,
    Unready,
)
from chalicelib.core.ids import new_id, new_salt
from chalicelib.core.table import Found, Key, Put, Table, Write
from chalicelib.ledger.model import Cause, Draft, Event
from chalicelib.ledger.store import events_of
from chalicelib.publication.model import (
    Adapter,
    Delivered,
    Delivery,
    DeliveryState,
    Item,
    NotDelivered,
    Retraction,
    TakenBack,
    Underway,
)
from chalicelib.publication.service.delivering import Delivering
from chalicelib.publication.store import (
    deliveries_of,
    delivery_key,
    put_delivery,
    put_new_delivery,
    put_parked,
    read_delivery,
)
from chalicelib.submission.model import (
    Channel,
    Revision,
    State,
    form_from_document,
    opened,
    with_revision,
)
from chalicelib.submission.service import Journal
from chalicelib.submission.store import put_revision
from infra.simulation.table import MemoryTable
from tests.faults import CrashError, Mode
from tests.world import PROCEDURE, World, a_form

TAKEN_BACK = Retraction(at=datetime(2026, 3, 2, 8, tzinfo=UTC), reason="内容有误。")
T = TypeVar("T")
MOST_RUNS = 40


class BreakingTable(MemoryTable):
    """A table in memory whose calls are counted; the one at `breaks_at` goes wrong, once."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now=now)
        self.calls = 0
        self.breaks_at: tuple[int, Mode] | None = None

    def batch(self, *keys: Key[Any]) -> Found:
        return self._going(lambda: super(BreakingTable, self).batch(*keys))

    def put(self, write: Put) -> None:
        self._going(lambda: super(BreakingTable, self).put(write))

    def transact(self, writes: Any, *, receipt: Put) -> None:  # noqa: ANN401 — as the base's
        self._going(lambda: super(BreakingTable, self).transact(writes, receipt=receipt))

    def _going(self, call: Callable[[], T]) -> T:
        self.calls += 1
        mode = self.breaks_at[1] if self.breaks_at and self.breaks_at[0] == self.calls else None
        if mode is Mode.BEFORE:
            raise CrashError
        answer = call()
        if mode is Mode.AFTER:
            raise CrashError
        return call() if mode is Mode.TWICE else answer


class Account:
    """A channel that publishes whatever it takes, and says what it is told to say about that.

    `answers` are what its calls answer or raise, in their order, a refusal for ever; a CrashError comes after what was
    asked for was done, a TimeoutError before.
    """

    repeatable = False
    patience = timedelta(minutes=30)

    def __init__(self, *answers: Delivered | Underway | Exception) -> None:
        self.answers = list(answers)
        self.published = Counter[str]()
        self.prepared = 0
        self.asked = 0
        self.refusals: list[Exception] = []
        """What it raises, one after the other, when it is to take something back."""
        self.silent = 0
        """How often it does not know when it is asked."""

    def prepare(self, item: Item) -> Mapping[str, Any]:
        self.prepared += 1
        return {"draft": f"draft-{item.delivery.fence}"}

    def deliver(self, item: Item) -> Delivered | Underway:
        answer = self.answers[0] if self.answers else Delivered(receipt={"url": item.facts["draft"]})
        if not isinstance(answer, (DeliveryRefused, DeliveryParked)):
            self.answers = self.answers[1:]
        if isinstance(answer, (Delivered, Underway, CrashError)):
            self.published[item.head.id] += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def reconcile(self, item: Item) -> Delivered | NotDelivered:
        self.asked += 1
        if self.silent:
            self.silent -= 1
            raise OutcomeUnknown
        if self.published[item.head.id]:
            return Delivered(receipt={"url": "found"})
        return NotDelivered()

    def retract(self, item: Item, _retraction: Retraction) -> TakenBack:
        if self.refusals:
            raise self.refusals.pop()
        was_there = self.published.pop(item.head.id, 0)
        return TakenBack(receipt={"was_there": was_there})

    @staticmethod
    def rendered(_item: Item) -> Mapping[str, bytes]:
        return {}


@dataclass(kw_only=True)
class Due:
    """One delivery that is due. Time passes only when a run could not go on."""

    account: Account
    channel: Channel = Channel.WECHAT
    passed: timedelta = timedelta(0)
    submission: str = field(default_factory=lambda: new_id("s"))

    def __post_init__(self) -> None:
        self.table = BreakingTable(self.now)
        self.journal = Journal(table=self.table, now=self.now)
        adapters = {self.channel: self.adapter()}
        self.delivering = Delivering(journal=self.journal, adapters=adapters, scale=1.0)
        form = form_from_document(self.form())
        revision = Revision(
            submission=self.submission, number=1, form=form, salt=new_salt(), created_at=self.now()
        )
        head = opened(submission=self.submission, revision=revision, request_digest="", correlation_id="c")
        head = replace(with_revision(head, revision, "", PROCEDURE), state=State.SCHEDULED, stage=None)
        before = replace(head, seq=0)
        delivery = Delivery(
            submission=self.submission,
            revision=1,
            channel=self.channel,
            state=DeliveryState.PENDING,
            started_at=self.now(),
        )
        draft = Draft(type="Prepared", cause=Cause(actor="service:test", correlation_id="c"))
        writes: list[Write] = [put_revision(revision), put_new_delivery(delivery)]
        self.journal.commit(before, replace(head, state=State.PUBLISHING), [draft], writes)
        self.table.calls = 0

    def adapter(self) -> Adapter:
        """The channel, once there is a table."""
        return self.account

    def form(self) -> dict[str, Any]:
        """What is delivered."""
        return a_form(self.now(), channels=[self.channel], classification="public")

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 8, tzinfo=UTC) + self.passed

    def run(self) -> None:
        """One run of the machine's step."""
        head = self.journal.head(self.submission)
        work = {"submission": head.id, "revision": 1, "attempt": head.attempt, "channel": self.channel}
        self.delivering.deliver(work)

    def run_until_ended(self) -> DeliveryState:
        """Runs as the machine and the sweeper make them, until it has ended."""
        for _ in range(MOST_RUNS):
            with suppress(CrashError, Unready, Stale):
                self.run()
            if self.delivery.state in {
                DeliveryState.DONE,
                DeliveryState.FAILED,
                DeliveryState.NEEDS_PERSON,
            }:
                return self.delivery.state
            self.passed += timedelta(minutes=2)
        raise AssertionError(self.delivery)

    @property
    def delivery(self) -> Delivery:
        """The delivery as it stands."""
        calls, self.table.breaks_at = self.table.calls, None
        record = self.table.get(delivery_key(self.submission, 1, self.channel))
        self.table.calls = calls
        assert record is not None
        return read_delivery(record)

    @property
    def told(self) -> list[Event]:
        """What the ledger says of it."""
        plain: Table = self.table
        return [event for event in events_of(plain, self.submission) if event.type != "Prepared"]


def busy() -> ChannelBusy:
    """The channel takes nothing just now."""
    return ChannelBusy("vendor_busy")


def leave_to_a_person(world: World, submission: str, channel: Channel = Channel.WEBSITE) -> None:
    """As if nobody could tell what became of a delivery that has ended."""
    head = world.plain_journal.head(submission)
    deliveries = deliveries_of(world.plain_table, submission, head.revision)
    (ended,) = (each for each in deliveries if each.channel is channel)
    parked = replace(ended, state=DeliveryState.NEEDS_PERSON, reason="outcome_unknown", claim=None)
    world.plain_table.put(put_delivery(ended, parked))
    world.plain_table.put(put_parked(parked, world.now()))
