"""Posters and slides (clause 4.3.4): what is approved is shown whole, exactly, or refused with what is wrong."""

import base64
from io import BytesIO
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader

from infra.renderers import handler
from tests.infra.sheets import AT, SUMMARY, a_picture, an_ask, pdf_of, squeezed, text_of_pdf, words_of
from tests.xss import VECTORS

HAN = "关于开展冬季消防安全自查的通知各部门须在本月底前完成并将结果报送信息发布中心"
"""Some of what the font has."""
_WORDS = st.text(HAN + "abcXYZ019，。：；（）—-#*_`|>[]", min_size=1, max_size=40)
_BODIES = st.lists(
    st.one_of(
        _WORDS,
        _WORDS.map("## {}".format),
        _WORDS.map("> {}".format),
        st.lists(_WORDS, min_size=1, max_size=4).map(lambda items: "\n".join(f"- {each}" for each in items)),
        st.tuples(_WORDS, _WORDS).map(
            lambda cells: f"| {cells[0]} | {cells[1]} |\n|-|-:|\n| {cells[1]} | x |"
        ),
    ),
    max_size=6,
).map("\n\n".join)


@settings(max_examples=20, deadline=None)
@given(body=_BODIES, title=st.text(HAN + "AB-12", min_size=1, max_size=64))
def test_text_read_back_from_a_sheet_is_the_approved_text(body: str, title: str) -> None:
    event = an_ask(body=body, title=title)
    approved = squeezed("".join((title, SUMMARY, *words_of(event["content"]["body"]))))
    assert text_of_pdf(pdf_of(event)) == approved


def test_hostile_text_is_shown_as_text() -> None:
    code = ('#eval("1+1")', "#panic()", '#read("/etc/passwd")', "$x$", "@label", "\\u{41}")
    body = "\n\n".join((*(each for each in VECTORS if each.isascii() and "&#1;" not in each), *code))
    pdf = pdf_of(an_ask(title="#panic()", summary='#read("poster.typ")', body=body, most_sheets=20))
    said = text_of_pdf(pdf)
    assert squeezed('#panic()#read("poster.typ")') in said
    assert squeezed('#eval("1+1")#panic()#read("/etc/passwd")$x$@label') in said
    for page in PdfReader(BytesIO(pdf)).pages:
        for link in cast("list[Any]", page.get("/Annots", [])):
            assert link.get_object()["/A"]["/URI"].startswith(("https:", "http:", "mailto:"))


def test_same_ask_gives_the_same_bytes() -> None:
    event = an_ask(
        pictures=[a_picture()], address="https://site.test/s-a/1/index.html", code_label="扫码看全文"
    )
    assert pdf_of(event) == pdf_of(event)
    assert pdf_of(event) != pdf_of({**event, "at": AT + 1})


def test_sheet_can_be_kept_and_read_aloud() -> None:
    pdf = PdfReader(BytesIO(pdf_of(an_ask(pictures=[a_picture()]))))
    assert pdf.metadata is not None
    assert pdf.metadata.title == "关于五一期间办公区停电检修的通知"
    root = cast("dict[str, Any]", pdf.trailer["/Root"])
    assert root["/Lang"] == "zh-CN"
    assert root["/MarkInfo"]["/Marked"]
    metadata = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata
    assert "<pdfaid:part>2</pdfaid:part>" in metadata


def test_character_that_the_font_has_not_is_refused_by_name() -> None:
    refused = handler.answer(an_ask(title="节日快乐🎉", body="甲\u1234乙🎉"), None)
    assert refused == {"refused": "characters_missing", "characters": "\u1234🎉"}
    assert handler.answer(an_ask("slide", title="节日快乐👩\u200d🚀"), None)["characters"] == "\u200d👩🚀"


def test_long_text_goes_on_to_further_sheets_and_is_refused_beyond_them_with_by_how_much() -> None:
    long = "\n\n".join([HAN * 6] * 14)
    event = an_ask(body=long)
    sheets = handler.answer(event, None)["sheets"]
    assert 1 < sheets <= 4
    assert text_of_pdf(pdf_of(event)).count(HAN) == 6 * 14
    assert handler.answer(an_ask(body=long, most_sheets=1), None) == {
        "refused": "too_long",
        "sheets": sheets,
        "most": 1,
    }


@pytest.mark.parametrize(
    "body",
    [
        "字" + "x" * 300,
        "https://example.com/" + "abcdefghij/" * 30,
        "    " + "code" * 90,
        "|" + "Temperature|" * 8 + "\n|" + "-|" * 8 + "\n|" + "Shanghai-Pudong|" * 8,
        "> - 1. " + "y" * 200,
    ],
    ids=["word", "address", "code", "table", "nested"],
)
def test_nothing_runs_off_a_sheet(body: str) -> None:
    """Left and right of the text, below the band and above the foot, a sheet is white."""
    from infra.renderers import typesetting  # noqa: PLC0415 — as pixels it is asked for by nobody else

    with typesetting._workshop(an_ask(body=body)) as (folder, content):
        shapes = [{"paper": "a4", **typesetting.POSTERS[-1]}]
        typesetter, _ = typesetting._first_that_fits(folder, "poster", content, shapes)
        (sheet,) = typesetting._pages(typesetter.compile(format="png", ppi=72))
    with Image.open(BytesIO(sheet)) as pixels:
        width, height = pixels.size
        grey = pixels.convert("L")
        for left, right in ((0, 54), (width - 54, width)):
            assert grey.crop((left, 75, right, height)).getextrema() == (255, 255)


def test_table_with_more_columns_than_a_sheet_has_room_for_is_refused() -> None:
    row = "|" + "字|" * 13
    refused = handler.answer(an_ask(body=f"{row}\n|{'-|' * 13}\n{row}"), None)
    assert refused == {"refused": "table_too_wide", "columns": 13, "most": 12}


def test_slide_has_the_size_of_a_screen_and_leaves_out_a_body_that_does_not_fit_whole() -> None:
    longest = {"title": HAN + HAN[:26], "summary": (HAN * 8)[:300]}
    for changes in ({"body": "短。"}, {"body": HAN * 100}, longest, {**longest, "pictures": [a_picture()]}):
        answer = handler.answer(an_ask("slide", **changes), None)
        with Image.open(BytesIO(base64.b64decode(answer["png"]))) as slide:
            assert slide.size == (1920, 1080)
            for edge in ((0, 122, 1920, 172), (0, 122, 105, 1060), (1815, 122, 1920, 1060)):
                assert slide.convert("L").crop(edge).getextrema() == (255, 255)


def test_answer_that_lambda_would_not_give_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.renderers.typesetting.MOST_BYTES", 10_000)
    assert handler.answer(an_ask(), None)["refused"] == "too_large"


def test_paper_of_another_size_is_refused() -> None:
    assert handler.answer(an_ask(paper="a0"), None) == {"refused": "unknown_paper", "paper": "a0"}
