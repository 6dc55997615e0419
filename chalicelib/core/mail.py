"""Outgoing mail: a port, and SES behind it. One message per recipient: private, exact, a result for each."""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from chalicelib.core import messages
from chalicelib.core.errors import MailRefused

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A message to one person. `html` shows the same as `text`."""

    to: str
    subject: str
    text: str
    html: str


def letter(to: str, code: str, language: str, params: Mapping[str, str], link: str) -> Mail:
    """A short letter around one link, from the texts `mail.<code>.subject` and `mail.<code>.text`."""
    before, _, after = messages.text(f"mail.{code}.text", language, params).partition("[link]")
    paragraphs = "".join(
        f"<p>{html.escape(part.strip()).replace(chr(10), '<br>')}</p>"
        if part != link
        else f'<p><a href="{html.escape(link)}">{html.escape(link)}</a></p>'
        for part in (before, link, after)
    )
    return Mail(
        to=to,
        subject=messages.text(f"mail.{code}.subject", language, params),
        text=f"{before}{link}{after}",
        html=f'<!doctype html><html lang="{language}"><body>{paragraphs}</body></html>',
    )


class Mailer(Protocol):
    """What sends a mail."""

    def send(self, mail: Mail) -> None:
        """Hand the mail over; raises whatever the carrier raises, and the caller may try again."""


def as_message(mail: Mail, sender: str) -> EmailMessage:
    """The MIME message. Raises ValueError when an address or the subject holds a line break."""
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


class SesMailer:
    """SES v2 with raw MIME. It has no idempotency key: a repeat sends again."""

    def __init__(self, *, client: "Callable[[], SESV2Client]", sender: str) -> None:
        self._client = client
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Send through SES. Raises MailRefused with SES's word for it: its sentence may name the mailbox."""
        try:
            self._client().send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [mail.to]},
                Content={"Raw": {"Data": as_message(mail, self._sender).as_bytes()}},
            )
        except ClientError as error:
            raise MailRefused(reason=error.response["Error"]["Code"]) from None
