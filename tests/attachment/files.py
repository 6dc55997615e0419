"""Files to attach, sound and otherwise, and the way by which a person attaches one."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import requests
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from chalicelib.attachment.model import Attachment, MediaType, Upload, UploadState
from chalicelib.attachment.store import put_new_upload
from chalicelib.bootstrap import Parts
from chalicelib.people.model import Person
from tests.world import LIAISON, Answer, World

ORIENTATION, MAKER, GPS = 0x0112, 0x010F, 0x8825
PDF = b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
CSV = "部门,时间\n市场部,8:00\n".encode()
MACRO_TYPE = "application/vnd.ms-word.document.macroEnabled.main+xml"
OFFICE = {
    MediaType.DOCX: ("word/document.xml", "wordprocessingml.document"),
    MediaType.XLSX: ("xl/workbook.xml", "spreadsheetml.sheet"),
    MediaType.PPTX: ("ppt/presentation.xml", "presentationml.presentation"),
}
NAMES = {
    MediaType.PDF: "通知.pdf",
    MediaType.PNG: "示意图.png",
    MediaType.JPEG: "现场.jpg",
    MediaType.GIF: "标志.gif",
    MediaType.WEBP: "海报.webp",
    MediaType.DOCX: "说明.docx",
    MediaType.XLSX: "检查表.xlsx",
    MediaType.PPTX: "汇报.pptx",
    MediaType.TEXT: "名单.txt",
    MediaType.CSV: "时间表.csv",
}


def a_picture(kind: str = "PNG", size: tuple[int, int] = (8, 6), mode: str = "RGB", **options: Any) -> bytes:  # noqa: ANN401 — Pillow's
    """A picture whose left half is red, or light."""
    picture = Image.new(mode, size)
    picture.paste(Image.new(mode, (size[0] // 2, size[1]), "red" if mode == "RGB" else 1))
    return written(picture, kind, **options)


def written(picture: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401 — Pillow's
    """The picture as a file."""
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def a_photo(kind: str = "JPEG") -> bytes:
    """A picture by a camera that was held upright and knew where it was."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = 6, "SECRET-CAMERA"
    exif.get_ifd(GPS)[1] = "N"
    return a_picture(kind, exif=exif.tobytes())


def a_commented_png() -> bytes:
    """A PNG file with a text beside its pixels."""
    notes = PngInfo()
    notes.add_text("Author", "SECRET-AUTHOR")
    return a_picture(pnginfo=notes)


def an_animation(kind: str) -> bytes:
    """Two frames."""
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    return written(frames[0], kind, save_all=True, append_images=frames[1:])


def an_office_file(kind: MediaType, *more: str, content_type: str | None = None) -> bytes:
    """A file of Word, Excel or PowerPoint, with more parts."""
    part, family = OFFICE[kind]
    said = content_type or f"application/vnd.openxmlformats-officedocument.{family}.main+xml"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("[Content_Types].xml", f'<Types><Override ContentType="{said}"/></Types>')
        for name in (part, *more):
            parts.writestr(name, "<x/>")
    return target.getvalue()


SAMPLES = {
    MediaType.PDF: PDF,
    MediaType.PNG: a_picture("PNG"),
    MediaType.JPEG: a_picture("JPEG"),
    MediaType.GIF: a_picture("GIF"),
    MediaType.WEBP: a_picture("WEBP"),
    MediaType.DOCX: an_office_file(MediaType.DOCX),
    MediaType.XLSX: an_office_file(MediaType.XLSX, "xl/printerSettings/printerSettings1.bin"),
    MediaType.PPTX: an_office_file(MediaType.PPTX),
    MediaType.TEXT: b"\xef\xbb\xbf" + "张三\t李四\r\n".encode(),
    MediaType.CSV: CSV,
}
"""A sound file of each kind."""


def declared(content: bytes, media_type: str = MediaType.CSV, **changes: object) -> dict[str, Any]:
    """What a person says of a file before uploading it."""
    form = {
        "department": "marketing",
        "name": NAMES.get(MediaType(media_type)) if media_type in set(MediaType) else "x",
        "media_type": media_type,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return form | changes


def as_declared(content: bytes, media_type: MediaType) -> Attachment:
    """The attachment that `declared` describes."""
    form = declared(content, media_type)
    del form["department"]
    return Attachment(id=f"a-{'a' * 20}", **form | {"media_type": media_type})


def begin(
    world: World,
    content: bytes,
    media_type: str = MediaType.CSV,
    as_: Person = LIAISON,
    **changes: str,
) -> Answer:
    """Ask for an upload."""
    return world.call("POST", "/api/v1/attachments", declared(content, media_type, **changes), as_=as_)


def post_form(
    upload: dict[str, Any],
    content: bytes,
    headers: Mapping[str, str] | None = None,
    **fields: Any,  # noqa: ANN401 — texts
) -> requests.Response:
    """Post a file to S3 as a browser does, with some form fields changed."""
    return requests.post(
        upload["url"],
        data=upload["fields"] | fields,
        files={"file": ("blob", content)},
        headers=headers,
        timeout=30,
    )


def attach(
    world: World,
    content: bytes = CSV,
    media_type: MediaType = MediaType.CSV,
    as_: Person = LIAISON,
    **changes: str,
) -> str:
    """Upload a file, have it checked, and answer its id."""
    asked = begin(world, content, media_type, as_, **changes)
    assert asked.status == 201, asked
    sent = post_form(asked.body["upload"], content)
    assert sent.status_code == 204, sent.text
    world.cloud.settle()
    return str(asked.body["id"])


def shown(world: World, attachment: str, as_: Person = LIAISON) -> dict[str, Any]:
    """An upload as its uploader sees it."""
    answer = world.call("GET", f"/api/v1/attachments/{attachment}", as_=as_)
    assert answer.status == 200, answer
    return answer.body


def stored(world: World, key: str) -> bytes:
    """An object of the bucket of attachments."""
    bucket = world.parts.settings.uploads_bucket
    return world.plain_s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def keys(world: World, prefix: str = "") -> list[str]:
    """What the bucket of attachments holds."""
    bucket = world.parts.settings.uploads_bucket
    listed = world.plain_s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [found["Key"] for found in listed]


def put_ready(parts: Parts, attachment: str, *, department: str, uploader: str, now: datetime) -> None:
    """An upload that has been checked, without its way there."""
    file = Attachment(
        id=attachment,
        name="时间表.csv",
        media_type=MediaType.CSV,
        size=len(CSV),
        sha256=hashlib.sha256(CSV).hexdigest(),
    )
    upload = Upload(
        file=file,
        department=department,
        uploader=uploader,
        state=UploadState.READY,
        expires_at=now + timedelta(hours=48),
    )
    parts.files.put_checked(file, CSV)
    parts.table.put(put_new_upload(upload))


def base64_of(sha256: str) -> str:
    """A digest as S3 says it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()
