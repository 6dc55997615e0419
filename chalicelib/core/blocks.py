"""Markdown as a tree of blocks, for what is no HTML: sheets and slides. The same parser and rules as for pages.

    blocks   heading (level, of) · paragraph (of) · list (ordered, start, items) · quote (of) · code (text) · rule
             table (columns, head, rows)
    inlines  text (text) · strong, emphasis, struck (of) · code (text) · link (to, of) · break

Each is a JSON object that says what it `is`. Raw HTML is text; a picture is a link to it.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from markdown_it.tree import SyntaxTreeNode

from chalicelib.core.markdown import parsed

Node = dict[str, Any]


def to_blocks(text: str) -> list[Node]:
    """Read a body. Headings start at level 2, as on pages; what shows nothing is left out."""
    return _blocks(SyntaxTreeNode(parsed(text)).children)


def _blocks(nodes: Iterable[SyntaxTreeNode]) -> list[Node]:
    made = (_BLOCKS[node.type](node) for node in nodes)
    return [each for each in made if each.get("of", " ")]


def _inlines(node: SyntaxTreeNode) -> list[Node]:
    """What stands in a line, but for what shows nothing; `node` holds it, or is a block that holds it."""
    if len(node.children) == 1 and node.children[0].type == "inline":
        node = node.children[0]
    made = (_INLINES[child.type](child) for child in node.children)
    return [each for each in made if each.get("of", each.get("text", " "))]


def _list(node: SyntaxTreeNode) -> Node:
    return {
        "is": "list",
        "ordered": node.type == "ordered_list",
        "start": int(node.attrs.get("start", 1)),
        "items": [_blocks(item.children) for item in node.children],
    }


def _table(node: SyntaxTreeNode) -> Node:
    head, *bodies = node.children
    (titles,) = head.children
    return {
        "is": "table",
        "columns": [str(cell.attrs.get("style", "")).removeprefix("text-align:") for cell in titles.children],
        "head": [_inlines(cell) for cell in titles.children],
        "rows": [[_inlines(cell) for cell in row.children] for body in bodies for row in body.children],
    }


def _picture(node: SyntaxTreeNode) -> Node:
    address = str(node.attrs["src"])
    return {"is": "link", "to": address, "of": _inlines(node) or [{"is": "text", "text": address}]}


def _code(node: SyntaxTreeNode) -> Node:
    return {"is": "code", "text": node.content.removesuffix("\n")}


def _around(kind: str) -> Callable[[SyntaxTreeNode], Node]:
    return lambda node: {"is": kind, "of": _inlines(node)}


_BLOCKS: Mapping[str, Callable[[SyntaxTreeNode], Node]] = MappingProxyType(
    {
        "heading": lambda node: {"is": "heading", "level": int(node.tag[1]), "of": _inlines(node)},
        "paragraph": _around("paragraph"),
        "ordered_list": _list,
        "bullet_list": _list,
        "blockquote": lambda node: {"is": "quote", "of": _blocks(node.children)},
        "fence": _code,
        "code_block": _code,
        "hr": lambda _: {"is": "rule"},
        "table": _table,
    }
)
_INLINES: Mapping[str, Callable[[SyntaxTreeNode], Node]] = MappingProxyType(
    {
        "text": lambda node: {"is": "text", "text": node.content},
        "softbreak": lambda _: {"is": "text", "text": " "},
        "hardbreak": lambda _: {"is": "break"},
        "code_inline": _code,
        "strong": _around("strong"),
        "em": _around("emphasis"),
        "s": _around("struck"),
        "link": lambda node: {"is": "link", "to": str(node.attrs["href"]), "of": _inlines(node)},
        "image": _picture,
    }
)
