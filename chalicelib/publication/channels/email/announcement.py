"""What an announcement says: subject, HTML and text, made from the approved form and from nothing else (clause 4.4.2).

The HTML's body is the website's sanitised Markdown. A long text that the website shows, too, is cut where a paragraph
ends, or at least a line, a sentence, a word, and says so with the address of the whole; what is nowhere else to read is
never cut. Attached files are named, and where to get them: no mail carries them.

No address that a mail shows does anything when it is opened, by whomever: mail scanners open all of them, and press
what they find there. The one that ends announcements is in a header only.
"""

import html
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from chalicelib.attachment.model import Attachment
from chalicelib.core import messages
from chalicelib.core.letters import page_around
from chalicelib.core.mail import Mail, Stamp
from chalicelib.core.markdown import legible, to_html
from chalicelib.core.sizes import bytes_in_words
from chalicelib.publication.channels.email.mailing import Announcement
from chalicelib.publication.channels.website.entry import INTERNAL, PREFIXES, item_path
from chalicelib.submission.model import Channel, Classification, Form, Importance, Revision

MOST = 3000
"""Characters of a body that a mail carries when the website has the whole."""
_LEAST = MOST // 2
"""Characters of it that a cut leaves: rather than less, a mail ends in the midst of a paragraph."""
_ENDS = tuple(map(re.compile, (r"\n[ \t\r]*\n", r"\n", r"[。！？；…]|[.!?](?=\s)", r"\s")))
"""Where a body is best cut, from the best: the end of a paragraph, a line, a sentence, a word."""
_LANGUAGE = messages.DEFAULT
"""The frame's: the text itself is in whatever language its author chose. A reader's footer is in the reader's own."""
_STYLE = (
    "<style>.t{overflow-wrap:break-word}.t h1{font-size:22px;line-height:1.4;margin:0 0 8px}"
    ".t h2,.t h3,.t h4,.t h5,.t h6{font-size:17px;margin:22px 0 8px}.t p,.t ul,.t ol{margin:0 0 14px}"
    ".t ul,.t ol{padding-left:24px}.t a{color:#a8261c}.t blockquote{margin:0 0 14px;padding-left:14px;"
    "border-left:3px solid #d9dde3}.t pre{white-space:pre-wrap;background:#f3f4f6;padding:10px}"
    ".t .scroll{overflow-x:auto;margin:0 0 14px}.t table{border-collapse:collapse}"
    ".t th,.t td{border:1px solid #d9dde3;padding:5px 9px;text-align:left}"
    ".t .right{text-align:right}.t .center{text-align:center}.t .from{color:#5b6470;font-size:14px}"
    ".t .lead{font-weight:600}</style>"
)


def announcement(revision: Revision, *, department_name: str, base_url: str, site_url: str) -> Announcement:
    """What goes to everybody of the audience alike."""
    form, item = revision.form, item_path(revision.submission, revision.number)
    address = f"{site_url}/{item}" if _is_on_site(form) else None
    body, is_cut = (form.body, False) if address is None else _beginning(form.body)
    subject = f"{_mark(form)}{legible(form.title)}"
    origin = messages.text("mail.announcement.from", _LANGUAGE, {"department": department_name})
    more = messages.text("mail.announcement.more" if is_cut else "mail.announcement.site", _LANGUAGE, {})
    text = [legible(form.title), origin, legible(form.summary), legible(body).strip()]
    content = (
        f'{_STYLE}<div class="t"><h1>{_shown(form.title)}</h1><p class="from">{_shown(origin)}</p>'
        f'<p class="lead">{_shown(form.summary)}</p>{to_html(body)}'
    )
    if address is not None:
        text.append(f"{more}\n{address}")
        content += f'<p>{_shown(more)}<br><a href="{_shown(address)}">{_shown(address)}</a></p>'
    if revision.attachments:
        offered = None if address is not None else f"{base_url}/submissions/{revision.submission}/attachments"
        files_text, files_html = _files(revision.attachments, offered)
        text.append(files_text)
        content += files_html
    before, (between, after) = page_around(subject, _LANGUAGE)
    return Announcement(
        subject=subject,
        text="\n\n".join(filter(None, text)) + "\n",
        top=f"{before}{content}</div>{between}",
        end=after,
    )


def addressed(
    said: Announcement,
    *,
    to: str,
    language: str,
    stamp: Stamp,
    choose: str,
    unsubscribe: str,
    tags: Mapping[str, str],
) -> Mail:
    """The announcement as one person gets it, with that person's ways out of the next ones.

    `choose` is where a person who signs in ends them; at `unsubscribe` a mail program does (RFC 8058), which reads it
    in the header and posts to it. The text shows the former only. The list's id (RFC 2919) is the same for all of them.
    """
    why = messages.text("mail.announcement.footer", language, {})
    words = messages.text("mail.announcement.unsubscribe", language, {})
    return Mail(
        to=to,
        subject=said.subject,
        text=f"{said.text}\n-- \n{why}\n{words}\n{choose}\n",
        html=f'{said.top}<p lang="{language}">{_shown(why)}<br>'
        f'<a href="{_shown(choose)}" style="color:#5b6470">{_shown(words)}</a></p>{said.end}',
        stamp=stamp,
        headers={
            "List-Unsubscribe": f"<{unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": f"<announcements.{urlsplit(choose).hostname}>",
        },
        tags=tags,
    )


def _is_on_site(form: Form) -> bool:
    return Channel.WEBSITE in form.channels and INTERNAL in PREFIXES[form.classification]


def _mark(form: Form) -> str:
    """What a reader must see before opening: how it is to be handled, or how fast."""
    if form.classification is Classification.CONFIDENTIAL:
        return messages.text("mail.mark.confidential", _LANGUAGE, {})
    if form.importance is not Importance.ROUTINE:
        return messages.text(f"mail.mark.{form.importance}", _LANGUAGE, {})
    return ""


def _files(files: Sequence[Attachment], offered: str | None) -> tuple[str, str]:
    """The names of attached files as text and as HTML, each with its address below `offered`, if it has one there."""
    words = messages.text(f"mail.announcement.{'files' if offered else 'files_on_site'}", _LANGUAGE, {})
    lines, points = [words], []
    for file in files:
        name = " ".join(legible(file.name).split())
        said, size = html.escape(name), f"（{bytes_in_words(file.size)}）"
        lines.append(f"- {name}{size}")
        if offered is not None:
            address = f"{offered}/{file.id}"
            lines.append(f"  {address}")
            said = f'<a href="{_shown(address)}">{said}</a>'
        points.append(f"<li>{said}{size}</li>")
    return "\n".join(lines), f"<p>{_shown(words)}</p><ul>{''.join(points)}</ul>"


def _beginning(body: str) -> tuple[str, bool]:
    """So much of a body as a mail carries, and whether that is not all."""
    if len(body) <= MOST:
        return body, False
    for end in _ENDS:
        cut = max((found.end() for found in end.finditer(body, 0, MOST)), default=0)
        if cut >= _LEAST:
            return body[:cut], True
    return body[:MOST], True


def _shown(text: str) -> str:
    return html.escape(legible(text))
