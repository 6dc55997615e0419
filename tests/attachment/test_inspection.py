"""What passes the check and what is left of it (clauses 1.3.4, 3.1.2)."""

import hashlib
import io
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chalicelib.attachment.inspection import inspect
from chalicelib.attachment.model import IMAGES, MediaType, Refusal
from tests.attachment.files import (
    MACRO_TYPE,
    PDF,
    SAMPLES,
    a_commented_png,
    a_photo,
    a_picture,
    an_animation,
    an_office_file,
    as_declared,
    written,
)

PIXELS = 1_000_000
FORMATS = {MediaType.PNG: "PNG", MediaType.JPEG: "JPEG", MediaType.GIF: "GIF", MediaType.WEBP: "WEBP"}


def outcome(raw: bytes, kind: MediaType, max_pixels: int = PIXELS) -> bytes | Refusal:
    return inspect(raw, as_declared(raw, kind), max_pixels)


def opened(raw: bytes | Refusal) -> Image.Image:
    assert isinstance(raw, bytes), raw
    return Image.open(io.BytesIO(raw))


@pytest.mark.parametrize("kind", MediaType)
def test_a_sound_file_of_each_kind_passes(kind: MediaType) -> None:
    kept = outcome(SAMPLES[kind], kind)
    assert isinstance(kept, bytes), kept
    if kind not in IMAGES:
        assert kept == SAMPLES[kind]


@pytest.mark.parametrize("kind", [MediaType.JPEG, MediaType.PNG, MediaType.WEBP])
def test_a_photo_is_turned_upright_and_forgets_camera_and_place(kind: MediaType) -> None:
    """Clause 1.3.4: what a camera hides in a picture is not published with it."""
    raw = a_photo(FORMATS[kind])
    assert b"SECRET-CAMERA" in raw
    kept = outcome(raw, kind)
    picture = opened(kept)
    assert picture.size == (6, 8)
    assert isinstance(kept, bytes)
    assert b"SECRET" not in kept
    assert dict(picture.getexif()) == {}
    red, _, blue = picture.convert("RGB").getpixel((3, 1))  # type: ignore[misc] # an RGB picture's pixel
    assert (red > 200, blue < 80) == (True, True)


def test_texts_in_a_png_are_forgotten() -> None:
    raw = a_commented_png()
    assert b"SECRET-AUTHOR" in raw
    kept = outcome(raw, MediaType.PNG)
    assert isinstance(kept, bytes)
    assert b"SECRET" not in kept
    assert opened(kept).size == (8, 6)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (MediaType.PNG, "1"),
        (MediaType.PNG, "L"),
        (MediaType.PNG, "RGBA"),
        (MediaType.PNG, "I;16"),
        (MediaType.JPEG, "CMYK"),
        (MediaType.JPEG, "L"),
        (MediaType.WEBP, "RGBA"),
        (MediaType.GIF, "L"),
    ],
)
def test_pictures_of_every_depth_pass(kind: MediaType, mode: str) -> None:
    assert opened(outcome(a_picture(FORMATS[kind], mode=mode), kind)).size == (8, 6)


@pytest.mark.parametrize("kind", [MediaType.PNG, MediaType.GIF])
def test_transparency_stays(kind: MediaType) -> None:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((0, 0), 1)
    kept = opened(outcome(written(picture, FORMATS[kind], transparency=1), kind)).convert("RGBA")
    assert kept.getpixel((0, 0))[3] == 0  # type: ignore[index] # an RGBA picture's pixel
    assert kept.getpixel((2, 2)) == (255, 0, 0, 255)


def test_checking_twice_gives_the_same_bytes() -> None:
    assert outcome(a_photo(), MediaType.JPEG) == outcome(a_photo(), MediaType.JPEG)


def bomb(width: int, height: int) -> bytes:
    """A PNG of one colour that says it has so many pixels."""
    return a_picture("PNG", size=(width, height), mode="1")


def encrypted_zip() -> bytes:
    raw = bytearray(an_office_file(MediaType.DOCX))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = raw.index(signature)
        raw[place + offset] |= 1
    return bytes(raw)


def unpacking_to_much() -> bytes:
    target = io.BytesIO(an_office_file(MediaType.XLSX))
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", b"0" * 300_000_001)
    return target.getvalue()


REFUSED: dict[str, tuple[bytes, MediaType, Refusal]] = {
    "a PDF called a picture": (PDF, MediaType.PNG, Refusal.OTHER_TYPE),
    "a picture called a PDF": (SAMPLES[MediaType.PNG], MediaType.PDF, Refusal.OTHER_TYPE),
    "a PNG called a JPEG": (SAMPLES[MediaType.PNG], MediaType.JPEG, Refusal.OTHER_TYPE),
    "a program called a document": (b"MZ\x90\x00" + b"\x00" * 200, MediaType.DOCX, Refusal.OTHER_TYPE),
    "a spreadsheet called a document": (SAMPLES[MediaType.XLSX], MediaType.DOCX, Refusal.OTHER_TYPE),
    "a web page called a text": (b"\n<!DOCTYPE html><script>1</script>", MediaType.TEXT, Refusal.OTHER_TYPE),
    "a drawing called a text": (b"<svg onload='x()'/>", MediaType.CSV, Refusal.OTHER_TYPE),
    "a PDF called a text": (PDF, MediaType.TEXT, Refusal.OTHER_TYPE),
    "half a picture": (SAMPLES[MediaType.PNG][:45], MediaType.PNG, Refusal.UNREADABLE),
    "half a photo": (a_picture("JPEG", size=(400, 300))[:700], MediaType.JPEG, Refusal.UNREADABLE),
    "half a PDF": (PDF[:30], MediaType.PDF, Refusal.UNREADABLE),
    "half a document": (SAMPLES[MediaType.DOCX][:80], MediaType.DOCX, Refusal.UNREADABLE),
    "a picture of too many pixels": (bomb(1001, 1000), MediaType.PNG, Refusal.TOO_MANY_PIXELS),
    "an animated GIF": (an_animation("GIF"), MediaType.GIF, Refusal.ANIMATED),
    "an animated WebP": (an_animation("WEBP"), MediaType.WEBP, Refusal.ANIMATED),
    "an animated PNG": (an_animation("PNG"), MediaType.PNG, Refusal.ANIMATED),
    "a text of another encoding": ("部门，时间".encode("gb18030"), MediaType.CSV, Refusal.NOT_UTF8),
    "a text with a NUL": (b"a\x00b", MediaType.TEXT, Refusal.NOT_UTF8),
    "a text with an escape sequence": (b"a\x1b[2Jb", MediaType.TEXT, Refusal.NOT_UTF8),
    "a PDF with a password": (
        PDF.replace(b"/Root", b"/Encrypt 2 0 R /Root"),
        MediaType.PDF,
        Refusal.ENCRYPTED,
    ),
    "a document with a password": (encrypted_zip(), MediaType.DOCX, Refusal.ENCRYPTED),
    "a PDF that runs a script": (
        PDF.replace(b"/Type", b"/OpenAction << /S /JavaScript >> /Type"),
        MediaType.PDF,
        Refusal.ACTIVE_CONTENT,
    ),
    "a document with macros": (
        an_office_file(MediaType.DOCX, "word/vbaProject.bin"),
        MediaType.DOCX,
        Refusal.ACTIVE_CONTENT,
    ),
    "a document that says it has macros": (
        an_office_file(MediaType.DOCX, content_type=MACRO_TYPE),
        MediaType.DOCX,
        Refusal.ACTIVE_CONTENT,
    ),
    "a document with a program in it": (
        an_office_file(MediaType.DOCX, "word/embeddings/oleObject1.bin"),
        MediaType.DOCX,
        Refusal.ACTIVE_CONTENT,
    ),
    "a document of another kind": (
        an_office_file(MediaType.DOCX, content_type="application/x"),
        MediaType.DOCX,
        Refusal.OTHER_TYPE,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_sound_is_refused_with_its_reason(what: str) -> None:
    """Clause 3.1.2: what is attached is what it says."""
    raw, kind, refusal = REFUSED[what]
    assert outcome(raw, kind) is refusal


def test_what_would_fill_the_memory_is_refused() -> None:
    assert outcome(bomb(16_000, 16_000), MediaType.PNG) is Refusal.TOO_MANY_PIXELS
    assert outcome(unpacking_to_much(), MediaType.XLSX) is Refusal.UNREADABLE


def test_every_reason_for_a_refusal_has_been_seen() -> None:
    others = {Refusal.OTHER_SIZE, Refusal.OTHER_DIGEST}
    assert {refusal for _, _, refusal in REFUSED.values()} | others == set(Refusal)


def test_other_bytes_than_were_declared_are_refused() -> None:
    file = as_declared(PDF, MediaType.PDF)
    assert inspect(PDF + b"\n", file, PIXELS) is Refusal.OTHER_SIZE
    assert inspect(PDF[:-1] + b" ", file, PIXELS) is Refusal.OTHER_DIGEST
    longer = replace(file, sha256=hashlib.sha256(PDF + b"\n").hexdigest())
    assert inspect(PDF + b"\n", longer, PIXELS) is Refusal.OTHER_SIZE


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(kind=st.sampled_from(MediaType), data=st.data())
def test_a_damaged_file_is_answered_and_never_a_crash(kind: MediaType, data: st.DataObject) -> None:
    raw = bytearray(SAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(outcome(bytes(raw), kind), bytes | Refusal)
