"""Is a file what it says, and harmless enough to hand on? Bytes in, the bytes to keep or a refusal out.

Images are decoded and written anew: nothing but pixels survives, so no place, camera or thumbnail. Other files stay
byte for byte. These are cheap checks against mistakes and simple tricks, no virus scan: what is hidden in a PDF's
compressed objects is not looked for.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.attachment.model import IMAGES, TEXTS, Attachment, MediaType, Refusal

if TYPE_CHECKING:
    from PIL.Image import Image

_OFFICE_PARTS = {
    MediaType.DOCX: "word/document.xml",
    MediaType.XLSX: "xl/workbook.xml",
    MediaType.PPTX: "ppt/presentation.xml",
}
_OFFICE_TYPES = {
    MediaType.DOCX: b"wordprocessingml.document.main+xml",
    MediaType.XLSX: b"spreadsheetml.sheet.main+xml",
    MediaType.PPTX: b"presentationml.presentation.main+xml",
}
_TYPES_PART = "[Content_Types].xml"
_ACTIVE_PART = re.compile(r"vba|macrosheets/|activex/|\.bin$|embeddings/", re.IGNORECASE)
_HARMLESS_PART = re.compile(r"printersettings/", re.IGNORECASE)
_ACTIVE_PDF = (b"/JavaScript", b"/Launch", b"/EmbeddedFile")
_TAIL = 2048
_MOST_PARTS = 5_000
_MOST_UNPACKED = 300_000_000
_TYPES_LIMIT = 1_000_000
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MARKUP = re.compile(r"\s*<(?:!doctype|html|svg|script|\?xml)", re.IGNORECASE)
_FORMATS = {MediaType.PNG: "PNG", MediaType.JPEG: "JPEG", MediaType.GIF: "GIF", MediaType.WEBP: "WEBP"}
_OPTIONS: Mapping[MediaType, Mapping[str, int]] = {
    MediaType.PNG: {},
    MediaType.GIF: {},
    MediaType.JPEG: {"quality": 90},
    MediaType.WEBP: {"quality": 90},
}


def inspect(raw: bytes, declared: Attachment, max_pixels: int) -> bytes | Refusal:
    """The bytes to keep, or why there are none. Never raises, whatever the bytes are."""
    if len(raw) != declared.size:
        return Refusal.OTHER_SIZE
    if hashlib.sha256(raw).hexdigest() != declared.sha256:
        return Refusal.OTHER_DIGEST
    kind = declared.media_type
    if kind not in TEXTS and kind.value not in _sniffed(raw):
        return Refusal.OTHER_TYPE
    if kind in IMAGES:
        return _rewritten(raw, kind, max_pixels)
    return _refusal(raw, kind) or raw


def _refusal(raw: bytes, kind: MediaType) -> Refusal | None:
    if kind in TEXTS:
        return _text_refusal(raw)
    return _pdf_refusal(raw) if kind is MediaType.PDF else _office_refusal(raw, kind)


def _sniffed(raw: bytes) -> set[str]:
    """What the first bytes say it is, by media type: every kind that begins so."""
    import puremagic  # noqa: PLC0415 — reads a large table when imported

    try:
        return {match.mime_type for match in puremagic.magic_string(raw)}
    except (puremagic.PureError, ValueError):
        return set()


def _text_refusal(raw: bytes) -> Refusal | None:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Refusal.NOT_UTF8
    if _CONTROL.search(text):
        return Refusal.NOT_UTF8
    return Refusal.OTHER_TYPE if _MARKUP.match(text) or raw.startswith(b"%PDF-") else None


def _pdf_refusal(raw: bytes) -> Refusal | None:
    if not raw.startswith(b"%PDF-") or b"%%EOF" not in raw[-_TAIL:]:
        return Refusal.UNREADABLE
    if b"/Encrypt" in raw:
        return Refusal.ENCRYPTED
    return Refusal.ACTIVE_CONTENT if any(sign in raw for sign in _ACTIVE_PDF) else None


def _office_refusal(raw: bytes, kind: MediaType) -> Refusal | None:
    """Word, Excel and PowerPoint files are ZIP files of parts; whoever runs code has a part for it."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as parts:
            members = parts.infolist()
            names = {member.filename for member in members}
            unpacked = sum(member.file_size for member in members)
            if len(members) > _MOST_PARTS or unpacked > _MOST_UNPACKED or len(names) != len(members):
                return Refusal.UNREADABLE
            if any(member.flag_bits & 1 for member in members):
                return Refusal.ENCRYPTED
            if not raw.startswith(b"PK\x03\x04") or not {_TYPES_PART, _OFFICE_PARTS[kind]} <= names:
                return Refusal.OTHER_TYPE
            with parts.open(_TYPES_PART) as part:
                types = part.read(_TYPES_LIMIT)
    except Exception:  # noqa: BLE001 — the reader raises many kinds of things for what somebody has forged
        return Refusal.UNREADABLE
    active = any(_ACTIVE_PART.search(name) and not _HARMLESS_PART.search(name) for name in names)
    if active or b"macroEnabled" in types:
        return Refusal.ACTIVE_CONTENT
    return None if _OFFICE_TYPES[kind] in types else Refusal.OTHER_TYPE


def _rewritten(raw: bytes, kind: MediaType, max_pixels: int) -> bytes | Refusal:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 — heavy, and only images need it

    try:
        with Image.open(io.BytesIO(raw), formats=[_FORMATS[kind]]) as image:
            if image.width * image.height > max_pixels:
                return Refusal.TOO_MANY_PIXELS
            if getattr(image, "n_frames", 1) > 1:
                return Refusal.ANIMATED
            image.load()
            written = io.BytesIO()
            _upright(image).save(written, _FORMATS[kind], **_OPTIONS[kind])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Refusal.TOO_MANY_PIXELS
    except UnidentifiedImageError:
        return Refusal.OTHER_TYPE
    except Exception:  # noqa: BLE001 — decoders and encoders raise whatever a broken file leads them to
        return Refusal.UNREADABLE
    return written.getvalue()


def _upright(image: "Image") -> "Image":
    """The pixels as a viewer would have shown them, turned upright, in sRGB, and with nothing beside them."""
    from PIL import ImageOps  # noqa: PLC0415 — as above

    plain = ImageOps.exif_transpose(image)
    profile = plain.info.get("icc_profile")
    if "transparency" in plain.info and plain.mode != "RGBA":
        plain = plain.convert("LA" if plain.mode == "L" else "RGBA")
    elif plain.mode == "CMYK":
        plain = plain.convert("RGB")
    if profile and plain.mode in {"RGB", "RGBA"}:
        plain = _in_srgb(plain, profile)
    plain.info = {}
    return plain


def _in_srgb(image: "Image", profile: bytes) -> "Image":
    from PIL import ImageCms  # noqa: PLC0415 — as above

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a profile that means nothing: the colours are taken as they are
    return converted or image
