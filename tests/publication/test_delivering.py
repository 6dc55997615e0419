"""A delivery on a channel whose calls cannot be taken back: called for once, whatever happens, and ended for sure."""

from contextlib import suppress
from datetime import timedelta

import pytest

from chalicelib.core.errors import (
    ChannelsFrozen,
    DeliveryParked,
    DeliveryRefused,
    OutcomeUnknown,
    Unready,
)
from chalicelib.publication.freeze import WHOLE, Freeze, Freezes
from chalicelib.publication.model import Delivered, DeliveryState, Item, Underway
from chalicelib.publication.service.delivering import CALL_TERM
from chalicelib.publication.store import put_freezes
from tests.faults import CrashError, Mode
from tests.publication.deliveries import Account, Due, busy


def a_freeze(due: Due) -> None:
    freeze = Freeze(scope=WHOLE, reason="演练", by="p-editor", actor="p-editor", since=due.now(), seq=1)
    due.table.put(put_freezes(Freezes().with_freeze(freeze), None))


def test_it_is_prepared_called_for_and_confirmed_once() -> None:
    """Clause 3.4.1: by the planned channels."""
    due = Due(account=Account())
    due.run()
    due.run()
    assert due.delivery.state is DeliveryState.DONE
    assert due.account.published == {due.submission: 1}
    assert [(event.type, event.payload["receipt"]) for event in due.told] == [
        ("Delivered", {"url": "draft-1"})
    ]


@pytest.mark.parametrize(
    "answers",
    [
        (),
        (CrashError(),),
        (TimeoutError(),),
        (Underway(facts={"job": "7"}),),
        (busy(), busy()),
        (DeliveryRefused("too_long"),),
        (DeliveryParked("press_publish"),),
    ],
    ids=["answered", "answer lost", "never arrived", "told later", "busy", "refused", "parked"],
)
def test_wherever_a_run_breaks_off_it_is_published_at_most_once_and_ends(
    answers: tuple[Delivered | Underway | Exception, ...],
) -> None:
    """Clause 3.4.1: each call of the table before it, after it and twice, for all that a channel may answer."""
    calm = Due(account=Account(*answers))
    expected = calm.run_until_ended()
    for number in range(1, calm.table.calls + 1):
        for mode in Mode:
            due = Due(account=Account(*answers))
            due.table.breaks_at = (number, mode)
            assert due.run_until_ended() is expected, (number, mode)
            published = due.account.published[due.submission]
            assert published == (1 if expected is DeliveryState.DONE else 0), (number, mode)
            assert len(due.told) == 1, (number, mode)


def test_a_call_whose_outcome_nobody_knows_is_asked_about_and_never_repeated() -> None:
    due = Due(account=Account(CrashError()))
    due.account.silent = 2
    with pytest.raises(OutcomeUnknown):
        due.run()
    assert due.delivery.state is DeliveryState.UNKNOWN
    assert due.run_until_ended() is DeliveryState.DONE
    assert (due.account.published[due.submission], due.account.asked) == (1, 3)
    assert due.delivery.receipt == {"url": "found"}


def test_what_has_not_happened_for_certain_is_called_for_again_with_what_was_prepared() -> None:
    due = Due(account=Account(TimeoutError()))
    assert due.run_until_ended() is DeliveryState.DONE
    assert (due.account.prepared, due.delivery.receipt) == (1, {"url": "draft-1"})


def test_a_run_that_died_in_its_call_is_left_alone_as_long_as_it_may_still_be_at_it() -> None:
    due = Due(account=Account())
    due.table.breaks_at = (4, Mode.AFTER)  # the look before the call
    with suppress(CrashError):
        due.run()
    assert due.delivery.state is DeliveryState.CALLING
    due.passed += CALL_TERM - timedelta(seconds=1)
    with pytest.raises(OutcomeUnknown):
        due.run()
    assert due.account.asked == 0
    due.passed += timedelta(seconds=1)
    due.run()
    assert (due.delivery.state, due.account.asked) == (DeliveryState.DONE, 1)


def test_a_person_is_asked_when_the_channel_never_tells() -> None:
    """Each delivery ends: done, failed, or with a person."""
    due = Due(account=Account(CrashError()))
    due.account.silent = 1000
    assert due.run_until_ended() is DeliveryState.NEEDS_PERSON
    assert due.passed >= Account.patience
    (parked,) = due.told
    assert (parked.type, parked.payload["reason"]) == ("DeliveryParked", "outcome_unknown")
    assert parked.payload["receipt"] == {"draft": "draft-1"}, "what is known is kept"


def test_of_two_runs_at_once_one_makes_the_call() -> None:
    class Overtaken(Account):
        """While it prepares for the first run, a second one comes and ends it all."""

        def prepare(self, item: Item) -> dict[str, str]:
            facts = dict(super().prepare(item))
            if self.prepared == 1:
                due.run()
            return facts

    due = Due(account=Overtaken())
    due.run_until_ended()
    assert due.account.published == {due.submission: 1}
    assert len(due.told) == 1


def test_a_freeze_during_preparation_holds_the_call_back_and_afterwards_it_is_made_once() -> None:
    """Clause 5.1.2: no call begins after a freeze."""

    class Frozen(Account):
        def prepare(self, item: Item) -> dict[str, str]:
            if self.prepared == 0:
                a_freeze(due)
            return dict(super().prepare(item))

    due = Due(account=Frozen())
    with pytest.raises(ChannelsFrozen):
        due.run()
    assert due.delivery.state is DeliveryState.PENDING
    assert due.account.published == {}


def test_what_is_begun_again_meanwhile_is_not_called_for_by_the_older_attempt() -> None:
    class Restarted(Account):
        def prepare(self, item: Item) -> dict[str, str]:
            if self.prepared == 0:
                due.journal.restart(due.journal.head(due.submission), "service:test")
            return dict(super().prepare(item))

    due = Due(account=Restarted())
    due.run()
    assert (due.delivery.state, due.account.published) == (DeliveryState.PENDING, {})
    due.run()
    assert (due.delivery.state, due.account.published) == (DeliveryState.DONE, {due.submission: 1})


def test_one_delivery_on_a_channel_makes_seven_calls_to_the_table() -> None:
    """Read, claim, note, look once more, read, confirm, say when: one more is a decision."""
    due = Due(account=Account())
    due.run()
    head_read_by_the_test = 1
    assert due.table.calls - head_read_by_the_test == 7


def test_a_busy_channel_is_tried_again_and_a_refusal_ends_it() -> None:
    due = Due(account=Account(busy(), DeliveryRefused("too_long")))
    with pytest.raises(Unready):
        due.run()
    assert due.delivery.state is DeliveryState.PENDING
    due.run()
    (failed,) = due.told
    assert (failed.type, failed.payload["state"], failed.payload["reason"]) == (
        "DeliveryFailed",
        "failed",
        "too_long",
    )
