"""E-mail as a channel: who gets it, who does not and why, and what is kept of it."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest

from chalicelib.core.errors import ChannelsFrozen, DeliveryUnfinished, MailboxBusy, MailRefused
from chalicelib.core.mail import UNKNOWN_MAILBOX, Mail, Stamp
from chalicelib.core.smtp import Security, SmtpMailer, SmtpServer
from chalicelib.people.model import Duty, Person, Role
from chalicelib.people.store import put_person
from chalicelib.publication.channels.email.adapter import MOST_TRIES, RUN
from chalicelib.publication.channels.email.mailing import RecipientState, recipient_key
from tests.core.mailboxes import Mailboxes, smtp_server
from tests.publication.mailings import announced, staff
from tests.world import (
    ARCHIVIST,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    LONG_AGO,
    OTHER_LIAISON,
    PEOPLE,
    World,
    a_person,
    a_roster,
    a_world,
)

NOT_ASCII = replace(a_person("not-ascii", (Role.EMPLOYEE, "research")), email="李@example.com")
SMUGGLER = replace(
    a_person("smuggler", (Role.EMPLOYEE, "research")), email="x@example.com\r\nBcc: y@example.com"
)
NOWHERE = replace(a_person("nowhere", (Role.EMPLOYEE, "research")), email="")
TWIN = replace(a_person("twin", (Role.EMPLOYEE, "research")), email=OTHER_LIAISON.email.upper())
GONE = Person(
    id="p-gone",
    name="Gone",
    email="gone@example.com",
    duties=(Duty(role=Role.EMPLOYEE, department="research", since=LONG_AGO, until=LONG_AGO),),
)
ODD = (NOT_ASCII, SMUGGLER, NOWHERE)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, *ODD, TWIN, GONE, wait_scale=100) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    world.cloud.settle()


def test_everybody_with_a_duty_gets_one_mail_and_who_cannot_be_written_to_holds_back_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Clause 4.4.3: recipients must be right; one message per person."""
    caplog.set_level(logging.INFO)
    text = announced(world)
    assert text.deliver()["recipients"] == {"sent": 6, "refused": 3}
    assert text.envelopes() == {
        person.email: 1 for person in (LIAISON, OTHER_LIAISON, EDITOR, HEAD, EXECUTIVE, ARCHIVIST)
    }
    assert {each.reason for each in text.mailing().recipients if each.state == "refused"} == {"bad_address"}
    assert not re.search(r"[\w.]+@[\w.]+", caplog.text)


def test_a_list_of_departments_is_who_has_a_duty_there_now(world: World) -> None:
    """Clause 4.4.1: to whom it concerns."""
    text = announced(world, audience=["marketing"], classification="confidential")
    assert text.deliver()["recipients"] == {"sent": 3}
    assert text.envelopes() == {}, "its subject bears a mark"
    subject = f"【保密】{text.title}"
    assert {mail.to for mail in world.cloud.mails() if mail.subject == subject} == {
        LIAISON.email,
        HEAD.email,
        EXECUTIVE.email,
    }


def test_nobody_is_mailed_what_policy_keeps_from_them(world: World) -> None:
    """Clause 5.3.1: an administrator's other duties open no confidential text, by mail neither."""
    (headed,) = HEAD.duties
    world.plain_table.put(
        put_person(replace(HEAD, duties=(headed, replace(headed, role=Role.ADMINISTRATOR))))
    )
    try:
        for classification, sent in (("confidential", 2), ("internal", 3)):
            text = announced(world, audience=["marketing"], classification=classification)
            assert text.deliver()["recipients"] == {"sent": sent}
    finally:
        world.plain_table.put(put_person(HEAD))


@pytest.mark.parametrize(
    ("audience", "who"),
    [
        (["role:department_head"], {HEAD}),
        (["role:department_head", "research"], {HEAD, OTHER_LIAISON}),
        (["list:publishing"], {LIAISON, EDITOR, ARCHIVIST, OTHER_LIAISON}),
        (["list:leadership"], {HEAD, EXECUTIVE}),
    ],
)
def test_roles_and_lists_reach_whoever_is_meant_now(
    world: World, audience: list[str], who: set[Person]
) -> None:
    """Clauses 4.4.1 and 4.4.3: those whom it concerns, and nobody else."""
    text = announced(world, audience=audience)
    text.deliver()
    sent = {person for person, state in text.states().items() if state == "sent"}
    assert sent == {person.id for person in who}
    assert text.envelopes() == {person.email: 1 for person in who}


def test_the_list_is_fixed_before_the_first_mail_and_who_leaves_gets_none(world: World) -> None:
    text = announced(world, audience=["marketing"])

    class Interrupted:
        def send(self, _mail: Mail) -> None:
            raise MailRefused(reason="SendingPausedException")

    usual = world.parts.mailer
    world.parts.__dict__["mailer"] = Interrupted()
    try:
        with pytest.raises(MailRefused):
            text.deliver()
    finally:
        world.parts.__dict__["mailer"] = usual
    newcomer = a_person("newcomer", (Role.EMPLOYEE, "marketing"))
    world.plain_table.put(put_person(newcomer))
    world.plain_table.put(put_person(replace(HEAD, duties=GONE.duties)))
    try:
        assert text.deliver()["recipients"] == {"sent": 2, "refused": 1}
    finally:
        world.plain_table.put(put_person(HEAD))
    assert newcomer.email not in text.envelopes()
    assert text.states()[HEAD.id] == "refused"


def test_a_paused_carrier_is_tried_again_and_nobody_is_lost(world: World) -> None:
    text = announced(world, audience=["marketing"])

    class Paused:
        tries = 0

        def send(self, _mail: Mail) -> None:
            self.tries += 1
            raise MailRefused(reason="SendingPausedException")

    usual, paused = world.parts.mailer, Paused()
    world.parts.__dict__["mailer"] = paused
    try:
        for _ in range(3):
            with pytest.raises(MailRefused):
                text.deliver()
    finally:
        world.parts.__dict__["mailer"] = usual
    assert paused.tries == 3, "the first refusal ends a run"
    assert set(text.states().values()) == {"pending"}
    assert text.deliver()["recipients"] == {"sent": 3}


def test_a_busy_mailbox_holds_back_no_other_and_counts_as_refused_in_the_end(world: World) -> None:
    text = announced(world, audience=["marketing"])
    usual = world.parts.mailer

    class Busy:
        def send(self, mail: Mail) -> None:
            if mail.to == HEAD.email:
                raise MailboxBusy(reason="smtp_450")
            usual.send(mail)

    world.parts.__dict__["mailer"] = Busy()
    try:
        for _ in range(MOST_TRIES):
            with pytest.raises(MailboxBusy):
                text.deliver()
            assert sum(text.envelopes().values()) == 2
        assert text.deliver()["recipients"] == {"sent": 2, "refused": 1}
    finally:
        world.parts.__dict__["mailer"] = usual


def test_what_an_smtp_server_knows_of_no_mailbox_for_gets_no_next_mail_and_what_it_refuses_otherwise_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clause 4.4.4: clean mailboxes, without a carrier that tells of bounces."""
    gone = replace(a_person("moved", (Role.EMPLOYEE, "marketing")), email="Moved@example.com")
    mailboxes = Mailboxes()
    world.parts.roster_keeper.apply(a_roster(*PEOPLE, *ODD, TWIN, GONE, gone), world.now())
    with smtp_server(mailboxes) as port:
        carrier = SmtpServer(host="127.0.0.1", port=port, security=Security.NONE)
        mailer = SmtpMailer(server=carrier, sender="Imprimatur <desk@example.com>")
        monkeypatch.setitem(world.parts.__dict__, "mailer", mailer)
        mailboxes.rcpt = {gone.email: "550 5.1.1 no such mailbox", HEAD.email: "550 not today"}
        first = announced(world, audience=["marketing"])
        assert first.deliver()["recipients"] == {"sent": 2, "refused": 2}
        reasons = {each.person: each.reason for each in first.mailing().recipients if each.reason}
        assert reasons == {gone.id: UNKNOWN_MAILBOX, HEAD.id: "smtp_550"}
        mailboxes.rcpt = {}
        second = announced(world, audience=["marketing"])
        assert second.deliver()["recipients"] == {"sent": 3, "suppressed": 1}
        assert second.states()[gone.id] == "suppressed"
        assert {each.reason for each in second.mailing().in_state(RecipientState.SUPPRESSED)} == {"bounce"}
    world.parts.roster_keeper.apply(a_roster(*PEOPLE, *ODD, TWIN, GONE), world.now())
    sent = [message_from_bytes(each.content) for each in mailboxes.taken if isinstance(each.content, bytes)]
    assert len({message["Message-ID"] for message in sent}) == len(sent) == 5


def test_a_mail_that_goes_out_again_is_the_same_mail_and_everybody_has_one_of_their_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = announced(world, audience=["marketing"])
    usual, stamps = world.parts.mailer, list[tuple[str, Stamp]]()

    class Lossy:
        def send(self, mail: Mail) -> None:
            stamps.append((mail.to, mail.stamp))
            if len(stamps) == 1:
                raise TimeoutError
            usual.send(mail)

    monkeypatch.setitem(world.parts.__dict__, "mailer", Lossy())
    text.deliver_until_done()
    world.passed += timedelta(days=2)
    text.answer(resend=True)
    text.hear()
    (first, *others, again) = stamps
    assert again == first
    assert len({stamp.id for _, stamp in stamps}) == len(others) + 1 == 3
    assert {stamp.at for _, stamp in stamps} == {text.mailing().fixed_at}


def test_a_run_ends_in_time_and_the_next_goes_on_where_it_stopped(world: World) -> None:
    text = announced(world)
    usual, sent = world.parts.mailer, list[str]()

    class Slow:
        def send(self, mail: Mail) -> None:
            sent.append(mail.to)
            world.passed += RUN / 4
            usual.send(mail)

    world.parts.__dict__["mailer"] = Slow()
    try:
        with pytest.raises(DeliveryUnfinished):
            text.deliver()
    finally:
        world.parts.__dict__["mailer"] = usual
    assert len(sent) == 4
    assert text.deliver()["recipients"] == {"sent": 6, "refused": 3}
    assert set(text.envelopes().values()) == {1}


def test_a_freeze_stops_a_mailing(world: World) -> None:
    """Clause 5.1.2: stopping when something happens."""
    text = announced(world)
    with world.frozen(), pytest.raises(ChannelsFrozen):
        text.deliver()
    assert text.envelopes() == {}


def test_delivering_again_what_is_done_sends_nothing_and_gives_the_same_receipt(world: World) -> None:
    text = announced(world)
    receipt, before = text.deliver(), len(world.cloud.mails())
    world.cloud.settle()
    assert text.deliver() == receipt
    assert len(world.cloud.mails()) == before


def test_the_key_of_a_recipient_tells_no_address() -> None:
    assert recipient_key("a" * 32, LIAISON) != recipient_key("b" * 32, LIAISON)
    assert len({recipient_key("a" * 32, person) for person in staff(50)}) == 50


def unknown_one(world: World, audience: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    """A mailing that ended with one recipient unknown, who has no mail."""
    text = announced(world, audience=audience)
    usual = world.parts.mailer

    class Lossy:
        lost = False

        def send(self, mail: Mail) -> None:
            if not self.lost:
                self.lost = True
                raise TimeoutError
            usual.send(mail)

    with monkeypatch.context() as patched:
        patched.setitem(world.parts.__dict__, "mailer", Lossy())
        counts = text.deliver_until_done()["recipients"]
    assert counts == {"sent": 2, "unknown": 1}
    return text


def test_a_person_of_the_center_lets_an_unknown_mail_go_out_again_and_all_see_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = unknown_one(world, ["marketing"], monkeypatch)
    assert text.answer(resend=True, as_=LIAISON).status == 403
    assert text.answer(resend=True, as_=OTHER_LIAISON).status == 404
    answer = text.answer(resend=True)
    assert (answer.status, answer.body["settled"], answer.body["left"]) == (200, 1, 0)
    text.hear()
    assert sorted(text.envelopes().values()) == [1, 1, 1]
    assert text.unknown() == 0
    changes = [event.payload["changes"] for event in world.events(text.submission, "RecipientsChanged")]
    assert [(c[0]["before"], c[0]["after"]) for c in changes] == [("unknown", "pending"), ("pending", "sent")]
    assert world.events(text.submission, "RecipientsChanged")[0].actor == EDITOR.id
    assert text.answer(resend=True).body["settled"] == 0, "a repeat changes nothing"


def test_a_person_lets_an_unknown_mail_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = unknown_one(world, ["marketing"], monkeypatch)
    assert text.answer(resend=False).body["settled"] == 1
    text.hear()
    assert sum(text.envelopes().values()) == 2
    assert sorted(text.states().values()) == ["abandoned", "sent", "sent"]


def test_nobody_answers_for_mails_that_are_still_going_out(world: World) -> None:
    text = announced(world)
    assert text.answer(resend=True).status == 404, "no list yet"
    with world.frozen(), pytest.raises(ChannelsFrozen):
        text.deliver()
    assert text.answer(resend=True).status == 409


def test_an_event_that_comes_twice_late_or_for_nobody_changes_nothing(world: World) -> None:
    text = announced(world, audience=["marketing"])
    text.deliver()
    text.hear()
    before = world.items()
    key = text.mailing().recipients[0].key
    tags = {"submission": [text.submission], "revision": ["1"], "recipient": [key]}
    for kind in ("Send", "Delivery", "Send", "Open", "Click", "DeliveryDelay"):
        world.parts.mailings.heard(
            {"eventType": kind, "mail": {"tags": tags, "timestamp": "2026-03-02T08:00:00Z"}}
        )
    strange = tags | {"recipient": ["0" * 32]}
    world.parts.mailings.heard(
        {"eventType": "Send", "mail": {"tags": strange, "timestamp": "2026-03-02T08:00:00Z"}}
    )
    world.parts.mailings.heard({"eventType": "Send", "mail": {}})
    assert world.items() == before
