"""What is handed to the renderers: the approved text as data, and pictures that fit into one call."""

import base64
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.core.blocks import to_blocks
from chalicelib.core.renderers import MOST_BYTES
from chalicelib.publication.channels.notice_board.sheet import (
    FEW,
    LARGE,
    SMALL,
    content_of,
    pictures_of,
    poster_ask,
    slide_ask,
)
from chalicelib.submission.model import Category, form_from_document
from infra.renderers import handler
from tests.publication.test_board import RULES
from tests.world import a_form

NIGHT = datetime(2026, 4, 30, 17, tzinfo=UTC)


def a_file(made: Image.Image, media_type: MediaType = MediaType.JPEG, **how: Any) -> tuple[Attachment, bytes]:  # noqa: ANN401
    written = BytesIO()
    made.save(written, media_type.rpartition("/")[2], **how)
    raw = written.getvalue()
    file = Attachment(id="a-1", name="春游.合影.jpg", media_type=media_type, size=len(raw), sha256="")
    return file, raw


def size_of(picture: dict[str, Any]) -> tuple[int, int]:
    with Image.open(BytesIO(base64.b64decode(picture["data"]))) as image:
        width, height = image.size
        return width, height


def a_content(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 — as a form's fields
    form = form_from_document(a_form(NIGHT, time_zone="Asia/Shanghai", **changes))
    return content_of(
        form,
        section=RULES.section_of(form.category),
        department="市场部",
        published_at=NIGHT,
        display_days=14,
        address=None,
    )


def test_sheet_says_section_department_day_in_the_forms_zone_and_for_how_long() -> None:
    content = a_content(category=Category.STAFF)
    assert (content["section"], content["colour"]) == ("优秀员工", "#8a5a00")
    assert content["foot"] == ["市场部　2026年5月1日", "展示 14 天"]
    assert "address" not in content


@pytest.mark.parametrize(("number", "longest"), [(1, LARGE), (FEW, LARGE), (FEW + 1, SMALL)])
def test_large_pictures_are_made_smaller_and_more_so_where_there_are_many(number: int, longest: int) -> None:
    file = a_file(Image.new("RGB", (2000, 500), "#336699"))
    pictures = pictures_of([file] * number)
    assert {size_of(each) for each in pictures} == {(longest, longest // 4)}
    assert {each["alt"] for each in pictures} == {"春游.合影"}


def test_small_drawing_stays_as_it_is_and_what_is_transparent_becomes_paper() -> None:
    file, raw = a_file(Image.new("RGBA", (300, 200), (0, 0, 0, 0)), MediaType.PNG)
    (kept,) = pictures_of([(file, raw)])
    assert (kept["png"], base64.b64decode(kept["data"])) == (True, raw)
    (flat,) = pictures_of([a_file(Image.new("RGBA", (2000, 200), (0, 0, 0, 0)), MediaType.PNG)])
    with Image.open(BytesIO(base64.b64decode(flat["data"]))) as image:
        assert image.getpixel((5, 5)) == (255, 255, 255)


def test_files_that_are_no_pictures_are_left_to_the_website() -> None:
    file = Attachment(id="a-1", name="表.csv", media_type=MediaType.CSV, size=1, sha256="")
    assert pictures_of([(file, b"1")]) == []


def test_ten_photographs_fit_into_one_call() -> None:
    """The most that may be attached, and as hard to compress as pictures can be."""
    noise = Image.effect_noise((1100, 800), 60).convert("RGB")
    one, *_ = pictures_of([a_file(noise, quality=95)] * (FEW + 1))
    assert 10 * len(one["data"]) < MOST_BYTES


def test_renderers_take_what_they_are_asked_for() -> None:
    content = a_content(body="## 甲\n\n- 乙\n\n**丙**")
    assert content["body"] == to_blocks("## 甲\n\n- 乙\n\n**丙**")
    pictures = pictures_of([a_file(Image.new("RGB", (400, 300), "red"))] * 2)
    assert handler.answer(poster_ask(content, pictures, RULES, NIGHT), None)["sheets"] == 1
    asked = slide_ask(content, pictures, NIGHT)
    assert len(asked["pictures"]) == 1
    assert handler.answer(asked, None)["png"]
