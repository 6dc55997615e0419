"""What is on a sheet and a slide: the approved text as data for the renderers, which know nothing of ours."""

import base64
from collections.abc import Iterable
from datetime import datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.core.blocks import to_blocks
from chalicelib.core.markdown import legible
from chalicelib.publication.channels.notice_board.board import BoardRules, Section
from chalicelib.publication.channels.website.sections import the_plan
from chalicelib.submission.model import Form

FEW = 3
"""Pictures that are shown large."""
LARGE, SMALL = 1600, 1000
"""The longer side of a picture, in pixels: 24 cm at 170 points an inch; where there are many, they are small."""
LIGHT = 400_000
"""Bytes up to which a picture of no more than that size is sent as it is: drawings are sharper than photographs."""
_QUALITY = 82


def content_of(
    form: Form,
    *,
    section: Section,
    department: str,
    published_at: datetime,
    display_days: int,
    address: str | None,
) -> dict[str, Any]:
    """What both show. `department` is its name; `address` is where the item can be read on, if it can."""
    local = published_at.astimezone(ZoneInfo(form.time_zone))
    shown = {
        "section": section.name,
        "colour": section.colour,
        "house": f"{the_plan().name} · {the_plan().strapline}",
        "title": legible(form.title),
        "summary": legible(form.summary),
        "body": to_blocks(form.body),
        "department": legible(department),
        "foot": [
            f"{legible(department)}　{local.year}年{local.month}月{local.day}日",
            f"展示 {display_days} 天",
        ],
    }
    return shown if address is None else shown | {"address": address, "code_label": "扫码看全文"}


def poster_ask(
    content: dict[str, Any], pictures: list[dict[str, Any]], rules: BoardRules, at: datetime
) -> dict[str, Any]:
    """What the renderers are asked for: sheets to print."""
    return {
        "ask": "poster",
        "paper": rules.paper,
        "most_sheets": rules.most_sheets,
        "at": int(at.timestamp()),
        "content": content,
        "pictures": pictures,
    }


def slide_ask(content: dict[str, Any], pictures: list[dict[str, Any]], at: datetime) -> dict[str, Any]:
    """What the renderers are asked for: a screen. It shows one picture at most."""
    return {"ask": "slide", "at": int(at.timestamp()), "content": content, "pictures": pictures[:1]}


def pictures_of(files: Iterable[tuple[Attachment, bytes]]) -> list[dict[str, Any]]:
    """The attached pictures, small enough to be sent all together. The name without its ending says what it is."""
    images = [(file, raw) for file, raw in files if file.is_image]
    longest = LARGE if len(images) <= FEW else SMALL
    return [
        {"alt": legible(file.name.rpartition(".")[0]), **_fitting(file, raw, longest)} for file, raw in images
    ]


def _fitting(file: Attachment, raw: bytes, longest: int) -> dict[str, Any]:
    from PIL import Image  # noqa: PLC0415 — heavy, and needed for few items

    with Image.open(BytesIO(raw)) as image:
        kept = file.media_type in {MediaType.PNG, MediaType.JPEG} and len(raw) <= LIGHT
        if kept and max(image.size) <= longest:
            return {"png": file.media_type is MediaType.PNG, "data": base64.b64encode(raw).decode()}
        image.thumbnail((longest, longest))
        with_alpha = image.convert("RGBA")
        paper = Image.new("RGB", with_alpha.size, "white")
        paper.paste(with_alpha, mask=with_alpha.getchannel("A"))
        made = BytesIO()
        paper.save(made, "JPEG", quality=_QUALITY, optimize=True)
    return {"png": False, "data": base64.b64encode(made.getvalue()).decode()}
