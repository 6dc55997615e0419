"""Attached pictures in the sizes that screens need, made from the approved file, which stays as it is beside them.

The same file gives the same bytes as long as Pillow is the same: a site that is rendered again with another differs
from its former self in these files alone.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.attachment.model import Attachment, MediaType

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTHS = (480, 960)
"""In pixels: a phone's column, and the page's column on a screen of twice as many dots."""

_FORMATS = {MediaType.JPEG: "JPEG", MediaType.PNG: "PNG", MediaType.WEBP: "WEBP"}
_OPTIONS: Mapping[MediaType, Mapping[str, int]] = {
    MediaType.JPEG: {"quality": 82},
    MediaType.PNG: {},
    MediaType.WEBP: {"quality": 82},
}
_PLAIN = {"1": "L", "P": "RGBA", "PA": "RGBA"}
"""Modes that cannot be made smaller as they are, and what they become."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture by its path beside the page: its size in pixels, and the smaller widths in which it lies there, too."""

    path: str
    width: int
    height: int
    widths: tuple[int, ...] = ()

    def sized(self, width: int) -> str:
        """Where the picture lies in one of its widths."""
        stem, _, extension = self.path.rpartition(".")
        return f"{stem}-{width}.{extension}"

    @property
    def srcset(self) -> str:
        """All that a browser may choose from, as HTML says it."""
        smaller = [f"{self.sized(width)} {width}w" for width in self.widths]
        return ", ".join((*smaller, f"{self.path} {self.width}w"))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"path": self.path, "width": self.width, "height": self.height, "widths": list(self.widths)}


def picture_from_document(document: Mapping[str, Any]) -> Picture:
    """What `Picture.document` wrote."""
    return Picture(
        path=document["path"],
        width=document["width"],
        height=document["height"],
        widths=tuple(document["widths"]),
    )


def measured(path: str, file: Attachment, content: bytes) -> Picture | None:
    """What the page says of an attached picture; None for what is no picture that can be read.

    A width in which it would be no smaller in bytes is of no use, and is left out.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 — heavy, and only pictures need it

    if not file.is_image:
        return None
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
        wanted = tuple(each for each in WIDTHS if each < width and file.media_type in _FORMATS)
        sizes = scaled(file, content, wanted)
    except (UnidentifiedImageError, OSError, ValueError):
        return None
    useful = tuple(each for each in wanted if len(sizes[each]) < len(content))
    return Picture(path=path, width=width, height=height, widths=useful)


def scaled(file: Attachment, content: bytes, widths: Sequence[int]) -> dict[int, bytes]:
    """The picture in each of these widths."""
    from PIL import Image  # noqa: PLC0415 — as above

    if not widths:
        return {}
    with Image.open(io.BytesIO(content)) as image:
        size = image.size
        image.draft(
            None, (2 * max(widths), 2 * max(widths))
        )  # a large JPEG is decoded at a fraction of its size
        plain = image.convert(_PLAIN[image.mode]) if image.mode in _PLAIN else image
        return {
            each: _scaled(plain, (each, max(1, round(size[1] * each / size[0]))), file) for each in widths
        }


def _scaled(image: "Image", size: tuple[int, int], file: Attachment) -> bytes:
    from PIL.Image import Resampling  # noqa: PLC0415 — as above

    written = io.BytesIO()
    result = image.resize(size, Resampling.LANCZOS, reducing_gap=3.0)
    result.save(written, _FORMATS[file.media_type], **_OPTIONS[file.media_type])
    return written.getvalue()
