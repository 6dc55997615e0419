"""An audience of 120: exactly 120 envelopes, in a smooth life and through a storm."""

import random
from collections.abc import Callable

import pytest

from tests.faults import CrashError, FaultyAws
from tests.publication.mailings import announced, staff
from tests.world import PEOPLE, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
NUMBER = 120


@pytest.mark.crash_full
def test_120_recipients_get_exactly_120_envelopes_through_a_storm() -> None:
    """Clause 4.4.1: e-mail to an audience. Every fourth run or so is broken off somewhere."""
    chance = random.Random(2026)  # noqa: S311 - an order of mishaps for a test

    def strike(operation: str, _params: object) -> None:
        if operation != "SendEmail" and chance.random() < 1 / 60:
            raise CrashError(operation)

    people = staff(NUMBER - len(PEOPLE))
    with a_world(*PEOPLE, *people, aws=AWS, wait_scale=100) as world:
        text = announced(world)
        AWS.watch = strike
        try:
            for _ in range(200):
                try:
                    text.deliver()
                    break
                except Exception:  # noqa: BLE001 - whatever asks to come again
                    AWS.watch = None
                    text.hear()
                    AWS.watch = strike
        finally:
            AWS.watch = None
        text.deliver_until_done()
        text.hear()
        while text.unknown():
            text.answer(resend=True)
            text.hear()
        assert text.envelopes() == {person.email: 1 for person in (*PEOPLE, *people)}


def test_120_recipients_of_a_whole_life_get_exactly_120_envelopes(record_property: Record) -> None:
    """Clause 4.4.1: e-mail to an audience."""
    people = staff(NUMBER - len(PEOPLE))
    with a_world(*PEOPLE, *people, aws=AWS) as world:
        AWS.begin()
        submission = world.publish(channels=["email"], title="全员通知")
        sent = [mail.to for mail in world.cloud.mails() if mail.subject == "全员通知"]
        assert sorted(sent) == sorted(person.email for person in (*PEOPLE, *people))
        assert world.state(submission) == "archived"
        (delivery,) = world.record(submission)["deliveries"]
        assert delivery["receipt"]["recipients"] == {"sent": NUMBER}
        mails = sum(label.startswith("SendEmail") for label in AWS.calls)
        claims, ends = (
            AWS.calls.count("TransactWriteItems MAILING RECIPIENT"),
            AWS.calls.count("PutItem MAILING RECIPIENT"),
        )
        record_property("figure", f"mailing: {mails} mails in one life, {len(AWS.calls)} AWS calls")
        assert (claims, ends) == (NUMBER, NUMBER)
