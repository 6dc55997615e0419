"""Markdown to HTML that can do no harm: raw HTML is text, and only an allow-list survives.

Two layers, each enough alone: the parser makes no HTML but its own, and nh3 drops whatever it does not know.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline, emphasis
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

HEADINGS = ("h2", "h3", "h4", "h5", "h6")
TAGS = frozenset(
    {*HEADINGS, "p", "br", "hr", "ul", "ol", "li", "blockquote", "pre", "code", "strong", "em", "s", "a"}
    | {"div", "table", "thead", "tbody", "tr", "th", "td"},
)
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
CLASSES = {"div": {"scroll"}, "th": {"center", "right"}, "td": {"center", "right"}}
SCHEMES = frozenset({"https", "http", "mailto"})

_ALLOWED_LINK = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legible(text: str) -> str:
    """The text without the characters that XML 1.0 does not allow."""
    return _ILLEGAL.sub("", text)


def to_html(text: str) -> str:
    """Render a body. Its headings start at `h2`, whichever level the author began with.

    A picture becomes a link to it: the pages load nothing from elsewhere.
    """
    parser = _parser()
    tokens = parsed(text)
    for token in tokens:
        _align_by_class(token)
    html = parser.renderer.render(tokens, parser.options, {})
    return nh3.clean(
        html,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        allowed_classes=CLASSES,
        url_schemes=set(SCHEMES),
        url_relative="deny",
        link_rel="noopener noreferrer",
    )


def parsed(text: str) -> list[Token]:
    """A body as the parser's tokens: what every rendering of it begins with."""
    tokens = _parser().parse(legible(text))
    _settle_headings(tokens)
    for token in tokens:
        _join_chinese_lines(token.children or [])
    return tokens


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.inline.ruler.at("emphasis", _emphasis)
    parser.validateLink = lambda url: bool(_ALLOWED_LINK.match(url))  # type: ignore[method-assign] # its documented hook
    parser.add_render_rule("image", _image)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    return parser


def _settle_headings(tokens: Sequence[Token]) -> None:
    headings = [token for token in tokens if token.type in {"heading_open", "heading_close"}]
    top = min((int(token.tag[1]) for token in headings), default=1)
    for token in headings:
        token.tag = HEADINGS[min(int(token.tag[1]) - top, len(HEADINGS) - 1)]


def _align_by_class(token: Token) -> None:
    """A column's alignment as a class: the pages' policy forbids inline styles."""
    side = str(token.attrs.pop("style", "")).removeprefix("text-align:")
    if side in {"center", "right"}:
        token.attrSet("class", side)


def _wide(character: str) -> bool:
    return character != "" and unicodedata.east_asian_width(character) in "WF"


def _join_chinese_lines(inline: Sequence[Token]) -> None:
    """Between two Chinese characters a line's end is nothing, not a space."""
    for before, line_end, after in zip(inline, inline[1:], inline[2:], strict=False):
        if line_end.type == "softbreak" and _wide(before.content[-1:]) and _wide(after.content[:1]):
            line_end.type = "text"


def _emphasis(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 # the parser's signature
    """Emphasis that also works beside Chinese characters.

    CommonMark finds words by spaces, so in `**注意：**请` it would leave the asterisks standing.
    """
    start = state.pos
    if not emphasis.tokenize(state, silent):
        return False
    before, after = state.src[start - 1 : start], state.src[state.pos : state.pos + 1]
    if state.src[start] == "*":
        for delimiter in state.delimiters[start - state.pos :]:
            delimiter.open = delimiter.open or (_wide(before) and after.strip() != "")
            delimiter.close = delimiter.close or (_wide(after) and before.strip() != "")
    return True


def _image(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    environment: EnvType,
) -> str:
    address = str(tokens[index].attrGet("src"))
    caption = renderer.renderInlineAsText(tokens[index].children, options, environment)
    return f'<a href="{escapeHtml(address)}">{escapeHtml(caption or address)}</a>'


def _table_open(*_: object) -> str:
    return '<div class="scroll"><table>\n'


def _table_close(*_: object) -> str:
    return "</table></div>\n"
