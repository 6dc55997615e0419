"""Mails: what a message holds, and what cannot be smuggled into it."""

import base64
import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from chalicelib.core.aws import Aws
from chalicelib.core.errors import MailRefused, RecipientRefused
from chalicelib.core.mail import Mail, SesMailer, Stamp, as_message

SENDER = "Imprimatur <desk@example.com>"
LONG = "<https://desk.a-company-with-a-rather-long-name.example/u/" + "h" * 43 + ">"


STAMP = Stamp(id="m-" + "a" * 20, at=datetime(2026, 3, 2, 8, 0, 59, 123456, tzinfo=UTC))


def a_mail(**changes: Any) -> Mail:  # noqa: ANN401 — a mail's fields have many shapes
    known: dict[str, Any] = {"to": "a@b.example", "subject": "题", "text": "文", "html": "<p>文</p>"}
    return Mail(**(known | {"stamp": STAMP} | changes))


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "a@b.example\nBcc: c@d.example"},
        {"to": "a@b.example\r\nBcc: c@d.example"},
        {"to": "李@b.example"},
        {"to": "a@b.example, c@d.example"},
        {"to": "A <a@b.example>"},
        {"to": ""},
        {"subject": "题\nBcc: c@d.example"},
        {"subject": "题\r\n\r\n文"},
        {"headers": {"List-Unsubscribe": "<https://a>\nBcc: c@d.example"}},
    ],
    ids=str,
)
def test_what_cannot_stand_in_a_message_is_refused_for_good(wrong: dict[str, Any]) -> None:
    """Clause 4.4.2: a clear subject, a standard format."""
    with pytest.raises(RecipientRefused) as refused:
        as_message(a_mail(**wrong), SENDER)
    assert "@" not in str(refused.value)


def test_a_message_is_for_one_person_in_two_forms() -> None:
    message = as_message(a_mail(subject="关于停电检修的通知", text="正文 𠮷"), SENDER)
    assert message["To"] == "a@b.example"
    assert message["From"] == SENDER
    assert message["Subject"] == "关于停电检修的通知"
    plain, markup = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert plain.get_content().strip() == "正文 𠮷"
    assert markup is not None
    assert markup.get_content().strip() == "<p>文</p>"
    assert message.as_bytes().isascii()


@pytest.mark.parametrize(
    "sender", [SENDER, "desk@example.com", "Desk <desk@mail.a-company-with-a-rather-long-name.example.com>"]
)
def test_a_message_bears_the_date_and_the_id_of_its_stamp(sender: str) -> None:
    raw = as_message(a_mail(), sender).as_bytes()
    host = sender.rpartition("@")[2].rstrip(">")
    assert b"\r\nDate: Mon, 02 Mar 2026 08:00:59 +0000\r\n" in raw
    assert f"\r\nMessage-ID: <{STAMP.id}@{host}>\r\n".encode() in raw


def test_the_address_that_unsubscribes_stays_readable_however_long() -> None:
    """Clause 4.4.2: a mail program finds the way out (RFC 8058)."""
    raw = as_message(a_mail(headers={"List-Unsubscribe": LONG}), SENDER).as_bytes()
    assert f"\r\nList-Unsubscribe: {LONG}\r\n".encode() in raw


def test_replies_go_to_the_center_and_programs_that_reply_by_themselves_are_asked_not_to() -> None:
    """Clause 4.4.4: what people reply is read."""
    message = as_message(
        a_mail(headers={"List-Id": "<announcements.desk.example>"}), SENDER, "center@example.com"
    )
    assert message["Reply-To"] == "center@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert b"\r\nList-Id: <announcements.desk.example>\r\n" in message.as_bytes()
    assert as_message(a_mail(), SENDER)["Reply-To"] is None, "then they go to the sender"


class Ses:
    """SES's client, which answers with what it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[dict[str, Any]] = []

    def send_email(self, **request: Any) -> None:  # noqa: ANN401 — as SES's own
        self.asked.append(request)
        if self.error is not None:
            raise self.error


def send(ses: Ses, mail: Mail) -> None:
    client: Any = ses
    SesMailer(client=lambda: client, sender=SENDER, configuration_set="announcements").send(mail)


def said_by_ses(code: str, status: int, sentence: str = "a@b.example is unwanted") -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": sentence},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "SendEmail")


@pytest.mark.parametrize(
    "code",
    [
        *(
            "TooManyRequestsException",
            "LimitExceededException",
            "SendingPausedException",
            "NotFoundException",
        ),
        *("AccountSuspendedException", "MailFromDomainNotVerifiedException", "AccessDeniedException"),
    ],
)
def test_what_ses_does_not_take_now_it_may_take_later(code: str) -> None:
    with pytest.raises(MailRefused) as refused:
        send(Ses(said_by_ses(code, 429)), a_mail())
    assert type(refused.value) is MailRefused
    assert refused.value.params == {"reason": code}
    assert refused.value.__cause__ is None, "SES's own sentence names the mailbox"


@pytest.mark.parametrize("code", ["MessageRejected", "BadRequestException"])
def test_what_ses_never_takes_is_refused_for_good(code: str) -> None:
    with pytest.raises(RecipientRefused):
        send(Ses(said_by_ses(code, 400)), a_mail())


def test_a_sender_that_is_not_verified_refuses_no_recipient_for_good() -> None:
    sentence = "Email address is not verified. The following identities failed the check: desk@example.com"
    with pytest.raises(MailRefused) as refused:
        send(Ses(said_by_ses("MessageRejected", 400, sentence)), a_mail())
    assert type(refused.value) is MailRefused


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://email.test"),
        ConnectTimeoutError(endpoint_url="https://email.test"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_mail_that_never_left_is_refused_and_not_unknown(error: Exception) -> None:
    with pytest.raises(MailRefused):
        send(Ses(error), a_mail())


@pytest.mark.parametrize(
    "error",
    [said_by_ses("InternalFailure", 500), ReadTimeoutError(endpoint_url="https://email.test")],
    ids=lambda error: type(error).__name__,
)
def test_a_call_without_a_clear_answer_leaves_open_whether_the_mail_went_out(error: Exception) -> None:
    with pytest.raises(type(error)):
        send(Ses(error), a_mail())


def test_ses_is_asked_once_only() -> None:
    """A second try of the client's own, after an answer that was lost, would be a second mail."""
    client = Aws(region="us-east-1").make("sesv2")
    assert client.meta.config.retries["total_max_attempts"] == 1


def test_a_mail_with_tags_goes_out_under_the_configuration_set() -> None:
    ses = Ses()
    send(ses, a_mail(tags={"submission": "s-1"}))
    send(ses, a_mail())
    with_tags, without = ses.asked
    assert with_tags["EmailTags"] == [{"Name": "submission", "Value": "s-1"}]
    assert with_tags["ConfigurationSetName"] == "announcements"
    assert with_tags["Destination"] == {"ToAddresses": ["a@b.example"]}
    raw = with_tags["Content"]["Raw"]["Data"]
    assert email.message_from_bytes(raw, EmailMessage, policy=email.policy.default)["Subject"] == "题"
    assert base64.b64encode(raw).isascii()
    assert not {"EmailTags", "ConfigurationSetName"} & without.keys()
