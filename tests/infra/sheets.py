"""Sheets and slides to render, and what they say."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

from PIL import Image
from pypdf import PdfReader

from chalicelib.core.blocks import to_blocks
from infra.renderers import handler

AT = 1_777_600_000
SUMMARY = "五月一日八时至十八时，A 座停电检修，请提前保存数据。"
_BAND = "通知公告澄江精密集团"
_FOOT = re.compile(r"市场部2026年5月1日展示14天(?:[0-9]+/[0-9]+)?$")
BODY = """\
# 时间

五月一日 8:00—18:00，**届时全楼停电**，*电梯停用*，详见[通知](https://example.com/)。

### 注意事项

1. 提前保存数据；
2. 关闭电脑：
   - 显示器
   - 打印机

> 安全第一，预防为主。

| 楼层 | 时间 | 人数 |
|:--|:-:|--:|
| 一楼 | 8:00—12:00 | 12 |

`git push` ~~作废~~

    第一行
    第二行
"""


def an_ask(ask: str = "poster", *, body: str = BODY, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 — JSON
    content = {
        "section": "通知公告",
        "colour": "#b3261e",
        "house": "澄江精密集团",
        "title": "关于五一期间办公区停电检修的通知",
        "summary": SUMMARY,
        "body": to_blocks(body),
        "department": "市场部",
        "foot": ["市场部　2026年5月1日", "展示 14 天"],
    }
    event = {"ask": ask, "paper": "a4", "most_sheets": 4, "at": AT, "content": content, "pictures": []}
    for name, value in changes.items():
        (content if name in {*content, "address", "code_label"} else event)[name] = value
    return event


def a_picture(width: int = 800, height: int = 600) -> dict[str, Any]:
    made = BytesIO()
    Image.new("RGB", (width, height), "#88aacc").save(made, "JPEG")
    return {"png": False, "alt": "示意图", "data": base64.b64encode(made.getvalue()).decode()}


def pdf_of(event: Mapping[str, Any]) -> bytes:
    return base64.b64decode(handler.answer(event, None)["pdf"])


def text_of_pdf(pdf: bytes) -> str:
    """What its sheets say between band and foot, in order, without white space: a line's end says nothing."""
    said = [squeezed(page.extract_text()) for page in PdfReader(BytesIO(pdf)).pages]
    for sheet in said:
        assert sheet.startswith(_BAND)
    return "".join(_FOOT.sub("", sheet.removeprefix(_BAND)) for sheet in said)


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]+", "", text)


def words_of(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What blocks say, in the order in which they are read, with the marks of lists."""
    for block in blocks:
        yield block.get("text", "")
        yield from words_of(block.get("of", ()))
        for number, item in enumerate(block.get("items", ()), start=block.get("start", 1)):
            yield f"{number}." if block["ordered"] else "■"
            yield from words_of(item)
        for row in (block.get("head", ()), *block.get("rows", ())):
            for cell in row:
                yield from words_of(cell)
