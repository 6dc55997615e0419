"""The SMTP carrier: where there is no SES, or none that may be used.

A connection per mail: a mail's outcome is its own, and nothing has to be kept alive between invocations of a function.
Up to the moment at which the text is handed over every failure is a certain refusal; from then on only the server's
answer is.
"""

import re
import smtplib
import ssl
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.core.errors import MailboxBusy, MailRefused, RecipientRefused
from chalicelib.core.mail import UNKNOWN_MAILBOX, Mail, as_message, bare

SECONDS = 20
"""How long the server may take for each answer."""
_ACCEPTED = range(200, 300)
_FOR_GOOD = range(500, 600)
_CLOSING = 421
_NO_MAILBOX = re.compile(rb"5\.1\.(?:1|2|3|6|10)\b")
"""RFC 3463 and 7505: no such mailbox, no such domain, no address at all, moved away, takes no mail.

`5.1.7` and `5.1.8` are about the sender. A 550 that does not say which may be a rule of the server as well.
"""


class Security(StrEnum):
    """How the connection is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class SmtpServer:
    """Where to hand mails over. Without a user name the server asks for none."""

    host: str
    port: int
    security: Security
    username: str = ""
    password: str = field(default="", repr=False)


class SmtpMailer:
    """Hands each mail to one server, over a connection of its own."""

    def __init__(self, *, server: SmtpServer, sender: str, reply_to: str = "") -> None:
        self._server = server
        self._sender = sender
        self._reply_to = reply_to

    def send(self, mail: Mail) -> None:
        """Send through SMTP.

        A refusal tells the server's three digits, or that there is no such mailbox; never its sentence, which names it.
        """
        message = as_message(mail, self._sender, self._reply_to).as_bytes()
        connection = self._at_the_text(mail.to)
        try:
            code, said = connection.data(message)
        except smtplib.SMTPDataError as error:  # it did not want the text, so it has none
            raise _refusal(error.smtp_code, error.smtp_error) from None
        finally:
            connection.close()
        if code not in _ACCEPTED:
            raise _refusal(code, said)

    def _at_the_text(self, to: str) -> smtplib.SMTP:
        """A connection on which everything is said but the text. Raises MailRefused, or one of its kinds."""
        with ExitStack() as stack:
            try:
                connection = self._connected()
                stack.callback(connection.close)
                sender, _ = connection.mail(bare(self._sender))
                recipient, said = connection.rcpt(to) if sender in _ACCEPTED else (sender, b"")
            except (OSError, smtplib.SMTPException) as error:
                code = getattr(error, "smtp_code", None)
                raise MailRefused(reason=f"smtp_{code}" if code else "unreachable") from None
            if sender not in _ACCEPTED:
                raise MailRefused(reason=f"smtp_{sender}")  # whoever the recipient
            if recipient not in _ACCEPTED:
                raise _refusal(recipient, said)
            stack.pop_all()
        return connection

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        trust = ssl.create_default_context()
        connection: smtplib.SMTP
        if server.security is Security.TLS:
            connection = smtplib.SMTP_SSL(server.host, server.port, timeout=SECONDS, context=trust)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=SECONDS)
        try:
            connection.ehlo_or_helo_if_needed()
            if server.security is Security.STARTTLS:
                connection.starttls(context=trust)
                connection.ehlo()
            if server.username:
                connection.login(server.username, server.password)
        except (OSError, smtplib.SMTPException):
            connection.close()
            raise
        return connection


def _refusal(code: int, said: bytes | str) -> MailRefused:
    """What an answer to the recipient or to the text means; 421 says that the server is about to close.

    Of what the server said only its enhanced status code is looked at: a permanent one that says there is no mailbox.
    """
    if code in _FOR_GOOD:
        status = said.encode("ascii", "replace") if isinstance(said, str) else said
        return RecipientRefused(reason=UNKNOWN_MAILBOX if _NO_MAILBOX.match(status) else f"smtp_{code}")
    return (MailRefused if code == _CLOSING else MailboxBusy)(reason=f"smtp_{code}")
