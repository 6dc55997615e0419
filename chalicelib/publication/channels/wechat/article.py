"""An approved text as the platform's article: the same words, with their looks in the elements themselves.

The platform loses classes and style sheets and shows pictures of its own only. So each element carries its style, and
pictures are shown from where they were uploaded to.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from chalicelib.core.errors import DeliveryRefused
from chalicelib.core.markdown import legible, to_html
from chalicelib.submission.model import Revision

TITLE, AUTHOR, DIGEST = 32, 16, 128
"""Characters at most."""
ADDRESS = 1024
"""Bytes at most of where the article says it comes from."""
MARKER = "pub"
"""The parameter of that address that says whose article it is: nothing else of ours comes back with it."""
_VOID = frozenset({"br", "hr", "img"})
WHOLE = "line-height:1.8;font-size:16px;color:#222"
_CELL = "border:1px solid #d9dde3;padding:5px 9px"
STYLES: Mapping[str, str] = {
    "h2": "font-size:20px;margin:1.4em 0 .6em",
    "h3": "font-size:18px;margin:1.2em 0 .5em",
    "h4": "font-size:17px;margin:1em 0 .4em",
    "h5": "font-size:16px;margin:1em 0 .4em",
    "h6": "font-size:16px;margin:1em 0 .4em",
    "p": "margin:0 0 1em",
    "ul": "margin:0 0 1em;padding-left:1.6em",
    "ol": "margin:0 0 1em;padding-left:1.6em",
    "blockquote": "margin:0 0 1em;padding-left:1em;border-left:3px solid #d9dde3",
    "pre": "white-space:pre-wrap;background:#f3f4f6;padding:10px",
    "a": "color:#a8261c",
    "table": "border-collapse:collapse",
    "th": _CELL,
    "td": _CELL,
    "img": "max-width:100%",
}
BY_CLASS: Mapping[str, str] = {
    "center": "text-align:center",
    "right": "text-align:right",
    "scroll": "overflow-x:auto;margin:0 0 1em",
}
_BLOCKS = frozenset(
    {"h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "div", "hr"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an article's content must stay below, in characters and in bytes; the platform documents two pairs."""

    characters: int = 20_000
    bytes: int = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture where the platform shows it from, and what it shows, in words."""

    url: str
    name: str


def marker_of(submission: str, revision: int) -> str:
    """What tells an article of ours from every other."""
    return f"{MARKER}={submission}.{revision}"


def is_marked(address: str, submission: str, revision: int) -> bool:
    """Whether an article that says it comes from that address is this revision's."""
    return marker_of(submission, revision) in address.partition("#")[0].partition("?")[2].split("&")


def article_of(
    revision: Revision,
    *,
    author: str,
    address: str,
    cover: str,
    pictures: Sequence[Picture] = (),
    limits: Limits | None = None,
) -> dict[str, Any]:
    """The article as the platform's draft takes it; `cover` is the cover's media id, `address` where it comes from.

    Raises DeliveryRefused for what the platform would not take. Only the digest is shortened: it repeats what the text
    says.
    """
    form, most = revision.form, limits or Limits()
    title = legible(form.wechat_title or form.title)
    source = f"{address}?{marker_of(revision.submission, revision.number)}"
    for text, longest, fault in ((title, TITLE, "wechat_title"), (author, AUTHOR, "wechat_author")):
        if len(text) > longest:
            raise DeliveryRefused(fault, {"characters": len(text), "most": longest})
    if len(source.encode()) > ADDRESS:
        raise DeliveryRefused(reason="wechat_address", facts={"bytes": len(source.encode()), "most": ADDRESS})
    return {
        "article_type": "news",
        "title": title,
        "author": author,
        "digest": shortened(legible(form.summary), DIGEST),
        "content": _content(form.body, pictures, most),
        "content_source_url": source,
        "thumb_media_id": cover,
        "need_open_comment": 0,
        "only_fans_can_comment": 0,
    }


def shortened(text: str, most: int) -> str:
    """A text of so many characters at most; an ellipsis says that there is more."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _content(body: str, pictures: Sequence[Picture], limits: Limits) -> str:
    """The content: with its looks, or without where these alone make it too long."""
    for styled in (True, False):
        writer = _Writer(styled=styled)
        writer.feed(to_html(body) + "".join(map(_shown, pictures)))
        writer.close()
        content = "".join(writer.written)
        if styled:
            content = f'<section style="{WHOLE}">{content}</section>'
        if len(content) < limits.characters and len(content.encode()) < limits.bytes:
            return content
    raise DeliveryRefused(
        reason="wechat_too_long", facts={"characters": len(content), "most": limits.characters}
    )


def _shown(picture: Picture) -> str:
    url, name = (html.escape(legible(text)) for text in (picture.url, picture.name))
    return f'<p><img src="{url}" alt="{name}"></p>'


class _Writer(HTMLParser):
    """Writes sanitised HTML anew with styles for classes, and without the white space between blocks.

    In the platform's lists such white space becomes empty points.
    """

    def __init__(self, *, styled: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self._styled = styled
        self._between_blocks = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Write an element's beginning."""
        kept = [(name, value or "") for name, value in attrs if name not in {"class", "style"}]
        style = [STYLES.get(tag, ""), BY_CLASS.get(dict(attrs).get("class") or "", "")]
        if self._styled and any(style):
            kept.append(("style", ";".join(filter(None, style))))
        said = "".join(f' {name}="{html.escape(value)}"' for name, value in kept)
        self.written.append(f"<{tag}{said}>")
        self._between_blocks = tag in _BLOCKS

    def handle_endtag(self, tag: str) -> None:
        """Write its end."""
        if tag not in _VOID:
            self.written.append(f"</{tag}>")
        self._between_blocks = tag in _BLOCKS or tag == "pre"

    def handle_data(self, data: str) -> None:
        """Write what it says."""
        if not (self._between_blocks and data.isspace()):
            self.written.append(html.escape(data, quote=False))
        self._between_blocks = False
