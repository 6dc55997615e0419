"""The SMTP carrier, against a real server that refuses, delays and hangs up when it is told to."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from chalicelib.core.errors import MailboxBusy, MailRefused, RecipientRefused
from chalicelib.core.mail import UNKNOWN_MAILBOX, Mail, Stamp
from chalicelib.core.smtp import Security, SmtpMailer, SmtpServer
from tests.core.mailboxes import Mailboxes, free_port, smtp_server

SENDER = "Imprimatur <desk@example.com>"
CENTER = "center@example.com"
STAMP = Stamp(id="m-1", at=datetime(2026, 3, 2, 8, tzinfo=UTC))


@pytest.fixture
def mailboxes() -> Mailboxes:
    return Mailboxes()


@pytest.fixture
def port(mailboxes: Mailboxes) -> Iterator[int]:
    with smtp_server(mailboxes) as port:
        yield port


def send(port: int, to: str, *, username: str = "", security: Security = Security.NONE) -> None:
    server = SmtpServer(host="127.0.0.1", port=port, security=security, username=username, password="hunter2")
    mail = Mail(to=to, subject="题", text="文", html="<p>文</p>", stamp=STAMP)
    SmtpMailer(server=server, sender=SENDER, reply_to=CENTER).send(mail)


def test_a_mail_goes_into_one_envelope(port: int, mailboxes: Mailboxes) -> None:
    send(port, "a@b.example")
    (envelope,) = mailboxes.taken
    assert envelope.mail_from == "desk@example.com"
    assert envelope.rcpt_tos == ["a@b.example"]
    assert isinstance(envelope.content, bytes)
    message = message_from_bytes(envelope.content, policy=policy.default)
    assert message["Subject"] == "题"
    assert message["To"] == "a@b.example"
    assert message["Reply-To"] == CENTER
    assert message["Date"].datetime == STAMP.at
    assert message["Message-ID"] == "<m-1@example.com>"


def test_a_mail_that_is_handed_over_again_is_the_same_mail(port: int, mailboxes: Mailboxes) -> None:
    """Nobody knows whether the first was taken: with its id and date a mail program shows the two as one."""
    mailboxes.hang_up = True
    with pytest.raises(OSError):
        send(port, "a@b.example")
    mailboxes.hang_up = False
    send(port, "a@b.example")
    first, second = (
        message_from_bytes(each.content) for each in mailboxes.taken if isinstance(each.content, bytes)
    )
    assert (first["Message-ID"], first["Date"]) == (second["Message-ID"], second["Date"])
    assert first["Date"] is not None


def test_550_for_one_recipient_refuses_that_one_for_good_and_no_other(
    port: int, mailboxes: Mailboxes
) -> None:
    mailboxes.rcpt["gone@b.example"] = "550 5.1.1 <gone@b.example> no such mailbox"
    with pytest.raises(RecipientRefused) as refused:
        send(port, "gone@b.example")
    assert refused.value.params == {"reason": UNKNOWN_MAILBOX}, "the server's sentence names the mailbox"
    assert refused.value.__cause__ is None
    send(port, "a@b.example")
    assert [envelope.rcpt_tos for envelope in mailboxes.taken] == [["a@b.example"]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("550 5.1.2 no such domain", UNKNOWN_MAILBOX),
        ("553 5.1.3 no address", UNKNOWN_MAILBOX),
        ("551 5.1.6 moved", UNKNOWN_MAILBOX),
        ("550 5.1.10 recipient not found", UNKNOWN_MAILBOX),
        ("550-5.1.1 no such mailbox\r\n550 5.1.1 look again", UNKNOWN_MAILBOX),
        ("550 no such mailbox", "smtp_550"),
        ("550 5.7.1 not from you", "smtp_550"),
        ("550 5.1.8 bad sender", "smtp_550"),
        ("550 5.1.11 something else", "smtp_550"),
        ("550 try 5.1.1", "smtp_550"),
        ("552 5.2.2 full", "smtp_552"),
    ],
)
def test_only_a_server_that_says_so_knows_of_no_such_mailbox(
    port: int, mailboxes: Mailboxes, answer: str, reason: str
) -> None:
    """Clause 4.4.4: what is suppressed for good must be gone for certain."""
    mailboxes.rcpt["a@b.example"] = answer
    with pytest.raises(RecipientRefused) as refused:
        send(port, "a@b.example")
    assert refused.value.params == {"reason": reason}


@pytest.mark.parametrize(("answer", "kind"), [("450 busy", MailboxBusy), ("421 closing", MailRefused)])
def test_what_is_not_taken_now_may_be_taken_later(
    port: int, mailboxes: Mailboxes, answer: str, kind: type[MailRefused]
) -> None:
    mailboxes.rcpt["a@b.example"] = answer
    with pytest.raises(MailRefused) as refused:
        send(port, "a@b.example")
    assert type(refused.value) is kind
    assert mailboxes.taken == []


def test_a_mailbox_that_is_found_missing_only_with_the_text_is_missing(
    port: int, mailboxes: Mailboxes
) -> None:
    mailboxes.data = "550 5.1.1 no such mailbox"
    with pytest.raises(RecipientRefused) as refused:
        send(port, "a@b.example")
    assert refused.value.params == {"reason": UNKNOWN_MAILBOX}


@pytest.mark.parametrize(("answer", "kind"), [("554 spam", RecipientRefused), ("451 later", MailboxBusy)])
def test_a_refused_text_is_refused(
    port: int, mailboxes: Mailboxes, answer: str, kind: type[MailRefused]
) -> None:
    mailboxes.data = answer
    with pytest.raises(kind):
        send(port, "a@b.example")
    assert mailboxes.taken == []


def test_a_server_that_hangs_up_over_the_text_leaves_open_whether_it_took_it(
    port: int, mailboxes: Mailboxes
) -> None:
    mailboxes.hang_up = True
    with pytest.raises(OSError) as unknown:
        send(port, "a@b.example")
    assert not isinstance(unknown.value, MailRefused)
    assert len(mailboxes.taken) == 1


def test_where_nobody_answers_nothing_was_sent() -> None:
    with pytest.raises(MailRefused) as refused:
        send(free_port(), "a@b.example")
    assert refused.value.params == {"reason": "unreachable"}


def test_a_server_without_encryption_is_not_spoken_to_in_clear(port: int, mailboxes: Mailboxes) -> None:
    """Clause 1.3.4: no leak."""
    with pytest.raises(MailRefused):
        send(port, "a@b.example", security=Security.STARTTLS)
    assert mailboxes.taken == []


def test_a_wrong_password_is_a_refusal_that_does_not_show_it(mailboxes: Mailboxes) -> None:
    def authenticate(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False)

    with (
        smtp_server(mailboxes, authenticator=authenticate, auth_require_tls=False) as port,
        pytest.raises(MailRefused) as refused,
    ):
        send(port, "a@b.example", username="desk")
    assert refused.value.params == {"reason": "smtp_535"}
    assert "hunter2" not in repr(SmtpServer(host="h", port=1, security=Security.TLS, password="hunter2"))


def test_a_right_password_opens(mailboxes: Mailboxes) -> None:
    def authenticate(
        _server: object, _session: object, _envelope: object, _mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=data.password == b"hunter2")

    with smtp_server(mailboxes, authenticator=authenticate, auth_require_tls=False) as port:
        send(port, "a@b.example", username="desk")
    assert len(mailboxes.taken) == 1
