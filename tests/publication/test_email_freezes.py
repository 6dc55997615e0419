"""A freeze stops a mailing between two mails, and nobody is lost or written to twice by it (clause 5.1.2)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.core.errors import ChannelsFrozen, DeliveryUnfinished
from chalicelib.core.mail import Mail
from chalicelib.ledger.model import Cause, Draft
from chalicelib.publication.channels.email.adapter import FEW, SOON
from chalicelib.publication.channels.email.mailing import RecipientState
from chalicelib.submission.model import State
from tests.faults import CrashError, Fault, FaultyAws, Mode, Point
from tests.publication.mailings import Announced, announced, staff
from tests.world import EDITOR, PEOPLE, World, a_world

AWS = FaultyAws()
EVERYBODY = (*PEOPLE, *staff(20))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*EVERYBODY, aws=AWS, wait_scale=100) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    AWS.begin()
    world.cloud.settle()


@contextmanager
def before_each_mail(world: World, step: Callable[[int], None]) -> Iterator[list[Mail]]:
    """Let something happen before each mail goes out, which is told its number from 1; yields those that do."""
    usual, sent = world.parts.mailer, list[Mail]()

    class Watched:
        def send(self, mail: Mail) -> None:
            sent.append(mail)
            step(len(sent))
            usual.send(mail)

    world.parts.__dict__["mailer"] = Watched()
    try:
        yield sent
    finally:
        world.parts.__dict__["mailer"] = usual


def once_each(text: Announced) -> bool:
    return text.envelopes() == {person.email: 1 for person in EVERYBODY}


@pytest.mark.parametrize("scope", ["all", "email"])
def test_a_freeze_stops_a_mailing_after_a_few_mails_and_it_goes_on_where_it_stopped(
    world: World, scope: str
) -> None:
    """Clause 5.1.2: stops all channels."""
    text = announced(world)

    def freeze_at(number: int) -> None:
        if number == 3:
            world.freeze(scope)

    with before_each_mail(world, freeze_at) as sent, pytest.raises(ChannelsFrozen):
        text.deliver()
    assert 3 <= len(sent) < 3 + FEW
    world.unfreeze(scope)
    assert text.deliver()["recipients"] == {"sent": len(EVERYBODY)}
    assert once_each(text)


@pytest.mark.parametrize("seconds", [2, 20, 50])
def test_however_slow_the_carrier_is_a_mailing_stops_within_a_minute(world: World, seconds: int) -> None:
    """Clause 5.1.2: within a minute."""
    text = announced(world)
    frozen_at = []

    def slowly(number: int) -> None:
        if number == 2:
            frozen_at.append(world.now())
            world.freeze()
        world.passed += timedelta(seconds=seconds)

    with before_each_mail(world, slowly) as sent, pytest.raises(ChannelsFrozen):
        text.deliver()
    assert world.now() - frozen_at[0] < timedelta(minutes=1)
    assert len(sent) <= 2 + SOON.total_seconds() / seconds + 1
    world.unfreeze()


def test_what_is_taken_back_on_its_way_goes_to_nobody_more(world: World) -> None:
    """Clause 3.4.4: what cannot be recalled at least stops."""
    text = announced(world)

    def take_back_at(number: int) -> None:
        if number == 3:
            head = world.plain_journal.head(text.submission)
            draft = Draft(type="Retracted", cause=Cause(actor="p-director", correlation_id="c-test"))
            publishing = world.plain_journal.commit(head, replace(head, state=State.PUBLISHING), [draft])
            world.plain_journal.commit(publishing, replace(publishing, state=State.RETRACTED), [draft])

    with before_each_mail(world, take_back_at) as sent, pytest.raises(DeliveryUnfinished):
        text.deliver()
    assert 3 <= len(sent) < 3 + FEW


def test_a_freeze_of_another_channel_does_not_concern_it(world: World) -> None:
    text = announced(world, audience=["marketing"])
    with world.frozen("website"):
        assert text.deliver()["recipients"] == {"sent": 3}


def test_a_mailing_that_is_stopped_on_its_way_ends_its_machine_and_is_begun_again_when_it_may(
    world: World,
) -> None:
    def freeze_at(number: int) -> None:
        if number == 5:
            world.freeze("email")

    submission = world.submit(channels=["email", "website"], title="停在半路")
    world.approve()
    with before_each_mail(world, freeze_at):
        world.finish()
    assert world.state(submission) == "publishing"
    assert [d["state"] for d in world.record(submission)["deliveries"]] == ["pending", "done"]
    ended = [ran.status for ran in world.cloud.executions() if ran.name == f"{submission}-1-1"]
    assert ended == ["SUCCEEDED", "SUCCEEDED"], "review and publication"
    world.unfreeze("email")
    world.finish()
    assert world.state(submission) == "archived"
    sent = [mail.to for mail in world.cloud.mails() if mail.subject == "停在半路"]
    assert sorted(sent) == sorted(person.email for person in EVERYBODY)


def lost(world: World) -> Announced:
    """A published text; of one of its mails nobody knows whether it went out."""
    submission = world.publish(channels=["email"], audience=["marketing"], title="下落不明")
    text = Announced(world=world, submission=submission, title="下落不明")
    before = text.mailing().recipients[0]
    after = replace(before, state=RecipientState.UNKNOWN)
    world.plain_table.put(world.parts.email_channel.put(submission, 1, before, after))
    return text


def test_during_a_freeze_nobody_lets_a_mail_go_out_again_but_may_let_it_be(world: World) -> None:
    text = lost(world)
    with world.frozen("email"):
        answer = text.answer(resend=True)
        assert (answer.status, answer.body["code"]) == (409, "email_frozen")
        assert text.unknown() == 1
        assert text.answer(resend=False).body["settled"] == 1


def test_a_mail_that_a_freeze_overtakes_is_the_persons_question_again(world: World) -> None:
    text = lost(world)
    before = sum(text.envelopes().values())
    assert text.answer(resend=True, as_=EDITOR).body["settled"] == 1
    with world.frozen():
        text.hear()
        assert (text.unknown(), sum(text.envelopes().values())) == (1, before)
    changes = [event.payload["changes"] for event in world.events(text.submission, "RecipientsChanged")]
    assert [(c[0]["before"], c[0]["after"]) for c in changes] == [
        ("unknown", "pending"),
        ("pending", "unknown"),
    ]
    assert text.answer(resend=True).body["settled"] == 1
    text.hear()
    assert text.unknown() == 0


@pytest.mark.parametrize("mode", [Mode.BEFORE, Mode.AFTER])
def test_a_look_that_fails_ends_the_run_and_nobody_is_lost_or_written_to_twice(
    world: World, mode: Mode
) -> None:
    text = announced(world)
    AWS.begin(Fault(point=Point(label="BatchGetItem ALL HEAD", nth=2), mode=mode))
    with pytest.raises(CrashError):
        text.deliver()
    assert text.deliver_until_done()["recipients"] == {"sent": len(EVERYBODY)}
    assert once_each(text)


def test_a_question_that_is_put_again_is_put_once_whatever_fails(world: World) -> None:
    text = lost(world)
    before = sum(text.envelopes().values())
    for times, mode in enumerate(Mode, start=1):
        assert text.answer(resend=True).body["settled"] == 1
        AWS.begin(Fault(point=Point(label="TransactWriteItems RecipientsChanged", nth=1), mode=mode))
        with world.frozen():
            text.hear()
            assert AWS.struck, mode
            assert (text.unknown(), sum(text.envelopes().values())) == (1, before), mode
        assert len(world.events(text.submission, "RecipientsChanged")) == 2 * times, mode
