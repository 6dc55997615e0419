"""The SMTP carrier, against a real server that refuses, delays and hangs up when it is told to."""

import asyncio
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from chalicelib.core.errors import MailboxBusy, MailRefused, RecipientRefused
from chalicelib.core.mail import Mail
from chalicelib.core.smtp import Security, SmtpMailer, SmtpServer

SENDER = "Imprimatur <desk@example.com>"


class Mailboxes:
    """A server's mailboxes: what each answers to `RCPT`, and what the server answers to a text."""

    def __init__(self) -> None:
        self.rcpt: dict[str, str] = {}
        self.data = "250 ok"
        self.hang_up = False
        self.taken: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 — aiosmtpd's name
        self, _server: object, _session: object, envelope: Envelope, address: str, _options: object
    ) -> str:
        answer = self.rcpt.get(address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 — as above
        self, server: SMTP, _session: object, envelope: Envelope
    ) -> str:
        if not self.data.startswith("250"):
            return self.data
        self.taken.append(envelope)
        if self.hang_up:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return self.data


@pytest.fixture
def mailboxes() -> Mailboxes:
    return Mailboxes()


@pytest.fixture
def server(mailboxes: Mailboxes) -> Iterator[Controller]:
    controller = Controller(mailboxes, hostname="127.0.0.1", port=_free_port())
    controller.start()
    yield controller
    controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send(port: int, to: str, *, username: str = "", security: Security = Security.NONE) -> None:
    server = SmtpServer(host="127.0.0.1", port=port, security=security, username=username, password="hunter2")
    SmtpMailer(server=server, sender=SENDER).send(Mail(to=to, subject="题", text="文", html="<p>文</p>"))


def test_a_mail_goes_into_one_envelope(server: Controller, mailboxes: Mailboxes) -> None:
    send(server.port, "a@b.example")
    (envelope,) = mailboxes.taken
    assert envelope.mail_from == "desk@example.com"
    assert envelope.rcpt_tos == ["a@b.example"]
    assert isinstance(envelope.content, bytes)
    message = message_from_bytes(envelope.content, policy=policy.default)
    assert message["Subject"] == "题"
    assert message["To"] == "a@b.example"


def test_550_for_one_recipient_refuses_that_one_for_good_and_no_other(
    server: Controller, mailboxes: Mailboxes
) -> None:
    mailboxes.rcpt["gone@b.example"] = "550 5.1.1 <gone@b.example> no such mailbox"
    with pytest.raises(RecipientRefused) as refused:
        send(server.port, "gone@b.example")
    assert refused.value.params == {"reason": "smtp_550"}, "the server's sentence names the mailbox"
    assert refused.value.__cause__ is None
    send(server.port, "a@b.example")
    assert [envelope.rcpt_tos for envelope in mailboxes.taken] == [["a@b.example"]]


@pytest.mark.parametrize(("answer", "kind"), [("450 busy", MailboxBusy), ("421 closing", MailRefused)])
def test_what_is_not_taken_now_may_be_taken_later(
    server: Controller, mailboxes: Mailboxes, answer: str, kind: type[MailRefused]
) -> None:
    mailboxes.rcpt["a@b.example"] = answer
    with pytest.raises(MailRefused) as refused:
        send(server.port, "a@b.example")
    assert type(refused.value) is kind
    assert mailboxes.taken == []


@pytest.mark.parametrize(("answer", "kind"), [("554 spam", RecipientRefused), ("451 later", MailboxBusy)])
def test_a_refused_text_is_refused(
    server: Controller, mailboxes: Mailboxes, answer: str, kind: type[MailRefused]
) -> None:
    mailboxes.data = answer
    with pytest.raises(kind):
        send(server.port, "a@b.example")
    assert mailboxes.taken == []


def test_a_server_that_hangs_up_over_the_text_leaves_open_whether_it_took_it(
    server: Controller, mailboxes: Mailboxes
) -> None:
    mailboxes.hang_up = True
    with pytest.raises(OSError) as unknown:
        send(server.port, "a@b.example")
    assert not isinstance(unknown.value, MailRefused)
    assert len(mailboxes.taken) == 1


def test_where_nobody_answers_nothing_was_sent() -> None:
    with pytest.raises(MailRefused) as refused:
        send(_free_port(), "a@b.example")
    assert refused.value.params == {"reason": "unreachable"}


def test_a_server_without_encryption_is_not_spoken_to_in_clear(
    server: Controller, mailboxes: Mailboxes
) -> None:
    """Clause 1.3.4: no leak."""
    with pytest.raises(MailRefused):
        send(server.port, "a@b.example", security=Security.STARTTLS)
    assert mailboxes.taken == []


def test_a_wrong_password_is_a_refusal_that_does_not_show_it(mailboxes: Mailboxes) -> None:
    def authenticate(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False)

    controller = Controller(
        mailboxes,
        hostname="127.0.0.1",
        port=_free_port(),
        authenticator=authenticate,
        auth_require_tls=False,
    )
    controller.start()
    try:
        with pytest.raises(MailRefused) as refused:
            send(controller.port, "a@b.example", username="desk")
    finally:
        controller.stop()
    assert refused.value.params == {"reason": "smtp_535"}
    assert "hunter2" not in repr(SmtpServer(host="h", port=1, security=Security.TLS, password="hunter2"))


def test_a_right_password_opens(mailboxes: Mailboxes) -> None:
    def authenticate(
        _server: object, _session: object, _envelope: object, _mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data.password == b"hunter2")

    controller = Controller(
        mailboxes,
        hostname="127.0.0.1",
        port=_free_port(),
        authenticator=authenticate,
        auth_require_tls=False,
    )
    controller.start()
    try:
        send(controller.port, "a@b.example", username="desk")
    finally:
        controller.stop()
    assert len(mailboxes.taken) == 1
