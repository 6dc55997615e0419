"""An audience of 120: exactly 120 envelopes, in a smooth life and through a storm."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults import FaultyAws, Mode
from tests.publication.mailings import announced, staff
from tests.world import PEOPLE, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
NUMBER = 120


@pytest.mark.crash_full
def test_120_recipients_get_exactly_120_envelopes_through_a_storm() -> None:
    """Clause 4.4.1: e-mail to an audience. Any call may fail before it takes effect or after, `SendEmail` too."""
    chance = random.Random(2026)  # noqa: S311 - an order of mishaps for a test
    strikes = Counter[tuple[bool, Mode]]()

    def strike(operation: str, _params: object) -> Mode | None:
        mails = operation == "SendEmail"
        if chance.random() >= (1 / 12 if mails else 1 / 30):
            return None
        mode = chance.choice([Mode.BEFORE, Mode.AFTER])
        strikes[mails, mode] += 1
        return mode

    people = staff(NUMBER - len(PEOPLE))
    everybody = {person.email: 1 for person in (*PEOPLE, *people)}
    with a_world(*PEOPLE, *people, aws=AWS, wait_scale=100) as world:
        text = announced(world)
        for _ in range(200):
            AWS.watch = strike
            try:
                text.deliver()
            except Exception:  # noqa: BLE001, S110 - whatever asks to come again
                pass
            finally:
                AWS.watch = None
            text.hear()
            if text.is_tried():
                break
        assert all(strikes[mails, mode] for mails in (True, False) for mode in (Mode.BEFORE, Mode.AFTER)), (
            strikes
        )
        text.deliver_until_done()
        text.hear()
        unknown, envelopes = text.unknown(), text.envelopes()
        assert unknown >= strikes[True, Mode.BEFORE], "of those nobody can know"
        assert max(envelopes.values()) == 1
        assert sum(envelopes.values()) == NUMBER - unknown, "and none of them was sent again"
        while text.unknown():
            text.answer(resend=True)
            text.hear()
        assert text.envelopes() == everybody


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
