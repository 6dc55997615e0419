"""Mails that the product writes itself: their words from the catalogues, in HTML and as text.

One column without tables, with its styles inline, because mail programs drop everything else; readable on a phone and
with pictures off, because there are none. Nothing in it is loaded from anywhere, and nothing tells that it was read.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.core import messages
from chalicelib.core.mail import Mail, Stamp

_INK, _QUIET, _LINE, _PAPER, _GROUND, _ACCENT = (
    "#1f2328",
    "#5b6470",
    "#d9dde3",
    "#ffffff",
    "#f3f4f6",
    "#a8261c",
)
_LATIN = "-apple-system,'Segoe UI',Roboto"
_CHINESE = "'PingFang SC','Microsoft YaHei','Noto Sans CJK SC'"
_SLOT = re.compile(r"\[(\w+)]")


@dataclass(frozen=True, kw_only=True)
class Button:
    """The one address that a letter leads to, under words of `mail.button.<label>`."""

    label: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Quotation:
    """What a person wrote, line breaks kept."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Points:
    """Several things, one under the other."""

    items: Sequence[str]


Block = Button | Quotation | Points


def letter(
    to: str,
    code: str,
    language: str,
    params: Mapping[str, object],
    blocks: Mapping[str, Block],
    *,
    stamp: Stamp,
) -> Mail:
    """The letter `mail.<code>.subject` and `mail.<code>.text` in one of our languages.

    A paragraph of the text that is nothing but `[name]` stands for the block of that name. Where there is no such
    block it is left out, together with the paragraph that introduces it with a colon. No parameter can make a
    paragraph of its own: line breaks in one become spaces.
    """
    told = {name: _one_line(value) for name, value in params.items()}
    paragraphs: list[str | Block] = []
    for paragraph in messages.text(f"mail.{code}.text", language, told).split("\n\n"):
        slot = _SLOT.fullmatch(paragraph)
        if slot is None:
            paragraphs.append(paragraph)
        elif slot[1] in blocks:
            paragraphs.append(blocks[slot[1]])
        elif _introduces(paragraphs[-1:]):
            paragraphs.pop()
    subject = messages.text(f"mail.{code}.subject", language, told)
    return Mail(
        to=to,
        subject=subject,
        text="\n\n".join(_as_text(each) for each in paragraphs) + "\n",
        html=page(subject, language, "".join(_as_html(each, language) for each in paragraphs)),
        stamp=stamp,
    )


def page(title: str, language: str, content: str, footer: str = "") -> str:
    """The HTML document around a letter's content; `content` and `footer` are HTML already."""
    before, after = page_around(title, language)
    return f"{before}{content}{after[0]}{footer}{after[1]}"


def page_around(title: str, language: str) -> tuple[str, tuple[str, str]]:
    """What stands before the content, between content and footer, and after the footer."""
    name = html.escape(messages.text("mail.desk", language, {}))
    # Quotation marks are as wide as the font that is asked first.
    fonts = f"{_LATIN},{_CHINESE}" if language == "en" else f"{_CHINESE},{_LATIN}"
    before = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light">'
        f"<title>{html.escape(title)}</title></head>"
        f'<body style="margin:0;padding:16px 8px;background:{_GROUND};color:{_INK};font:16px/1.7 {fonts},sans-serif">'
        f'<div style="max-width:600px;margin:0 auto;background:{_PAPER};border:1px solid {_LINE};'
        f'border-top:3px solid {_ACCENT};border-radius:6px;padding:20px 24px;overflow-wrap:break-word">'
        f'<p style="margin:0 0 16px;color:{_QUIET};font-size:14px">{name}</p>'
    )
    footer = (
        f'</div><div style="max-width:600px;margin:0 auto;padding:12px 24px;color:{_QUIET};'
        'font-size:13px;line-height:1.6">'
    )
    return before, (footer, "</div></body></html>\n")


def _introduces(last: Sequence[str | Block]) -> bool:
    return any(isinstance(each, str) and each.endswith((":", "：")) for each in last)


def _one_line(value: object) -> object:
    return " ".join(value.split()) if isinstance(value, str) else value


def _as_text(block: str | Block) -> str:
    match block:
        case Button(address=address):
            return address
        case Quotation(text=text):
            return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())
        case Points(items=items):
            return "\n".join(f"- {item}" for item in items)
        case _:
            return block


def _as_html(block: str | Block, language: str) -> str:
    match block:
        case Button(label=label, address=address):
            words = messages.text(f"mail.button.{label}", language, {})
            by_hand = messages.text("mail.by_hand", language, {})
            shown = html.escape(address)
            return (
                f'<p style="margin:24px 0 12px"><a href="{shown}" style="display:inline-block;'
                f"padding:10px 20px;border-radius:4px;background:{_ACCENT};color:#ffffff;"
                f'text-decoration:none;font-weight:600">{html.escape(words)}</a></p>'
                f'<p style="margin:0 0 16px;color:{_QUIET};font-size:13px;line-height:1.5;overflow-wrap:anywhere">'
                f"{html.escape(by_hand)}<br>{shown}</p>"
            )
        case Quotation(text=text):
            lines = html.escape(text.strip()).replace("\n", "<br>")
            return (
                f'<blockquote style="margin:0 0 16px;padding:4px 0 4px 14px;border-left:3px solid {_LINE}">'
                f"{lines}</blockquote>"
            )
        case Points(items=items):
            points = "".join(f'<li style="margin:0 0 4px">{html.escape(item)}</li>' for item in items)
            return f'<ul style="margin:0 0 16px;padding-left:22px">{points}</ul>'
        case _:
            lines = html.escape(block).replace("\n", "<br>")
            return f'<p style="margin:0 0 16px">{lines}</p>'
