"""Every mail the app sent through SES, read back from moto: what a person would find in the mailbox."""

import functools
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from moto.ses.models import RawMessage, ses_backends

from infra.local.resources import ACCOUNT

LINK = re.compile(r"https?://(?:(?![<>\"')\]])[!-~])+")
"""A web address in a text: ASCII, as addresses are, so that a Chinese full stop ends it."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A mail. `to` is an address; `links` are those of the text, in their order, each once.

    `one_click` is where a mail program unsubscribes (RFC 8058), from a header; empty where there is none.
    """

    to: str
    subject: str
    text: str
    html: str
    links: tuple[str, ...]
    one_click: str = ""
    message_id: str = ""


def mails(region: str) -> list[Sent]:
    """All mails, newest first."""
    messages = [sent for sent in ses_backends[ACCOUNT][region].sent_messages if isinstance(sent, RawMessage)]
    return [_read(sent.raw_data) for sent in reversed(messages)]


@functools.cache
def _read(raw: str) -> Sent:
    message = message_from_bytes(raw.encode(), EmailMessage, policy=policy.default)
    text, markup = _part(message, "plain"), _part(message, "html")
    return Sent(
        to=message["To"].addresses[0].addr_spec,
        subject=str(message["Subject"]),
        text=text,
        html=markup,
        links=tuple(dict.fromkeys(LINK.findall(text))),
        one_click=str(message["List-Unsubscribe"] or "").strip("<>"),
        message_id=str(message["Message-ID"] or ""),
    )


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    return "" if body is None else str(body.get_content())
