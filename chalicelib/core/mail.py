"""Outgoing mail: a port, and SES behind it. One message per recipient: private, exact, a result for each.

`core.smtp` has the other carrier. Whatever the carrier, a mail that was refused for certain raises MailRefused or
RecipientRefused; any other exception leaves open whether it went out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any, Protocol, cast

from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

from chalicelib.core import metrics
from chalicelib.core.errors import MailRefused, RecipientRefused

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client


class _Verbatim(UnstructuredHeader):
    """A header of ASCII that stays as it is.

    Python would wrap a long address into encoded words, which no reader of `List-Unsubscribe` undoes, and put a long
    `Message-ID` on a line after its name.
    """

    name: str

    def fold(self, *, policy: Policy) -> str:
        """One line, whatever its length; RFC 5322 allows 998 characters."""
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
for _name in ("list-id", "list-unsubscribe", "message-id"):
    _HEADERS.map_to_type(_name, cast("Any", _Verbatim))
_POLICY = SMTP.clone(cte_type="7bit", header_factory=_HEADERS)

UNKNOWN_MAILBOX = "unknown_mailbox"
"""The reason of a RecipientRefused that says for certain: there is no such mailbox."""
_OF_THIS_MAIL = frozenset({"MessageRejected", "BadRequestException"})
_SERVER_ERROR = 500


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What a mail is known by, and when it was written (UTC).

    A mail that is handed over a second time, because nobody knows of the first, keeps its stamp: mail programs then
    show it once.
    """

    id: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A message to one person. `html` shows the same as `text`.

    `headers` come on top of the usual ones. `tags` come back with every event about the mail, from a carrier that
    has such events: ASCII letters, digits, `_` and `-`.
    """

    to: str
    subject: str
    text: str
    html: str
    stamp: Stamp
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


class Mailer(Protocol):
    """What sends a mail."""

    def send(self, mail: Mail) -> None:
        """Hand the mail over.

        Raises RecipientRefused when it will never be taken, MailRefused when it was not taken now. After any other
        exception it may have been sent.
        """


class CountedMailer:
    """Hands mails to a carrier and counts what it answered: `unknown` is that it answered nothing."""

    def __init__(self, carrier: Mailer) -> None:
        self._carrier = carrier

    def send(self, mail: Mail) -> None:
        """Send, and raise what the carrier raises."""
        outcome = "unknown"
        try:
            self._carrier.send(mail)
            outcome = "sent"
        except RecipientRefused:
            outcome = "refused"
            raise
        except MailRefused:
            outcome = "not_taken"
            raise
        finally:
            metrics.count(metrics.MAILS, outcome)


def as_message(mail: Mail, sender: str, reply_to: str = "") -> EmailMessage:
    """The MIME message. Raises RecipientRefused when an address, the subject or a header cannot stand in one.

    An address's local part must be ASCII: no carrier of ours speaks SMTPUTF8. SES puts a `Date` and a `Message-ID` of
    its own over ours. What people reply goes to `reply_to`, or to the sender where that is empty; programs that reply
    by themselves, as those of who is away do, are asked not to.
    """
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = sender
        if reply_to:
            message["Reply-To"] = reply_to
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "OOF, AutoReply"
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = mail.stamp.at
        message["Message-ID"] = f"<{mail.stamp.id}@{bare(sender).rpartition('@')[2]}>"
        for name, value in mail.headers.items():
            message[name] = value
        sound = message["To"].addresses[0].addr_spec == mail.to and mail.to.isascii()
    except (ValueError, IndexError):
        sound = False
    if not sound:
        raise RecipientRefused(reason="malformed") from None
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def bare(sender: str) -> str:
    """The address alone of a sender such as `Imprimatur <desk@example.com>`."""
    return parseaddr(sender)[1]


def _refusal(error: ClientError) -> MailRefused:
    """What SES's refusal means; a sender that is not verified yet refuses everybody and not this mail."""
    said = error.response["Error"]
    of_this_mail = said["Code"] in _OF_THIS_MAIL and "not verified" not in said.get("Message", "")
    return (RecipientRefused if of_this_mail else MailRefused)(reason=said["Code"])


class SesMailer:
    """SES v2 with raw MIME. It has no idempotency key: a repeat sends again.

    Mails with tags go out under the configuration set, whose events tell what became of them.
    """

    def __init__(
        self,
        *,
        client: "Callable[[], SESV2Client]",
        sender: str,
        configuration_set: str,
        reply_to: str = "",
    ) -> None:
        self._client = client
        self._sender = sender
        self._reply_to = reply_to
        self._configuration_set = configuration_set

    def send(self, mail: Mail) -> None:
        """Send through SES. A refusal tells SES's word for it: its sentence may name the mailbox."""
        message = as_message(mail, self._sender, self._reply_to).as_bytes()
        followed: dict[str, Any] = {}
        if mail.tags:
            followed = {
                "ConfigurationSetName": self._configuration_set,
                "EmailTags": [{"Name": name, "Value": value} for name, value in mail.tags.items()],
            }
        try:
            self._client().send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [mail.to]},
                Content={"Raw": {"Data": message}},
                **followed,
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_ERROR:
                raise
            raise _refusal(error) from None
        except (EndpointConnectionError, ConnectTimeoutError):
            raise MailRefused(reason="unreachable") from None
