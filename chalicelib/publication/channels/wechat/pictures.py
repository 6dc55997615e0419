"""Pictures as the platform takes them: an article's own, and its cover. The same picture gives the same bytes."""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

COVER = (900, 383)
"""The cover's pixels: 2.35 to 1."""
MOST_BYTES = 1_000_000
"""Of an article's picture; the platform takes less than 1 MB."""
_EDGES = (1600, 1280, 960, 640, 320)
"""The longest edge in pixels, as it is tried; phones show no more."""
_QUALITY = 85
_INK, _PAPER, _MARK = (168, 38, 28), (250, 246, 240), (222, 200, 190)


def for_article(content: bytes, *, most_bytes: int = MOST_BYTES) -> bytes:
    """A picture that may stand in an article: JPEG, smaller than the platform's limit."""
    picture = _opened(content)
    for edge in _EDGES:
        smaller = picture.copy()
        smaller.thumbnail((edge, edge))
        raw = _jpeg(smaller)
        if len(raw) < most_bytes:
            return raw
    raise AssertionError("320 by 320 pixels are less than a megabyte, however they are written")


def cover_of(content: bytes) -> bytes:
    """A cover: the picture's middle."""
    from PIL import ImageOps  # noqa: PLC0415 — heavy, and only pictures need it

    return _jpeg(ImageOps.fit(_opened(content), COVER))


@cache
def plain_cover() -> bytes:
    """The cover of what has no picture: a sheet with lines on it, which needs no letters."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 — as above

    sheet = Image.new("RGB", COVER, _INK)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((300, 60, 600, 383), fill=_PAPER)
    draw.rectangle((330, 100, 480, 116), fill=_INK)
    for top, end in _lines():
        draw.rectangle((330, top, end, top + 8), fill=_MARK)
    return _jpeg(sheet)


def _lines() -> Iterator[tuple[int, int]]:
    for number in range(8):
        yield 144 + 30 * number, 480 if number % 4 == 3 else 570  # noqa: PLR2004 — every fourth ends a paragraph


def _opened(content: bytes) -> "Image":
    """A picture without transparency: what shines through is white."""
    from PIL import Image  # noqa: PLC0415 — as above

    with Image.open(BytesIO(content)) as opened:
        seen = opened.convert("RGBA")
    paper = Image.new("RGBA", seen.size, (255, 255, 255, 255))
    return Image.alpha_composite(paper, seen).convert("RGB")


def _jpeg(picture: "Image") -> bytes:
    written = BytesIO()
    picture.save(written, "JPEG", quality=_QUALITY, optimize=True)
    return written.getvalue()
