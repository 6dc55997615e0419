"""Letters: their words in three languages, and what cannot be smuggled into them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from chalicelib.core import letters
from chalicelib.core.letters import Block, Button, Points, Quotation
from chalicelib.core.mail import Mail, Stamp
from chalicelib.core.messages import LANGUAGES

LINK = "https://desk.test/s#" + "h" * 43
BLOCKS: dict[str, Block] = {"link": Button(label="sign_in", address=LINK)}
RETURNED = {"name": "A", "title": "T", "stage": "initial"}
STAMP = Stamp(id="m-1", at=datetime(2026, 3, 2, 8, tzinfo=UTC))


def letter(
    to: str, code: str, language: str, params: Mapping[str, object], blocks: Mapping[str, Block]
) -> Mail:
    return letters.letter(to, code, language, params, blocks, stamp=STAMP)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_holds_its_link_once_to_read_and_once_to_press(language: str) -> None:
    mail = letter("a@b.example", "sign_in", language, {"name": "尹相宜"}, BLOCKS)
    assert mail.text.count(LINK) == 1
    assert mail.html.count(f'href="{LINK}"') == 1
    assert f'lang="{language}"' in mail.html
    assert "尹相宜" in mail.text
    assert "尹相宜" in mail.html
    assert LINK not in mail.subject


def test_a_letters_languages_differ() -> None:
    subjects = {letter("a@b.example", "sign_in", each, {"name": "A"}, BLOCKS).subject for each in LANGUAGES}
    assert len(subjects) == len(LANGUAGES)


def test_a_title_cannot_bring_markup_into_a_letter() -> None:
    params = {"name": "<b>A</b>", "title": "<img src=x onerror=1>", "stage": "initial", "deadline": "&"}
    mail = letter("a@b.example", "review", "en", params, BLOCKS)
    assert "<img" not in mail.html
    assert "<b>" not in mail.html
    assert "&lt;img" in mail.html
    assert "<img src=x onerror=1>" in mail.text


@pytest.mark.parametrize("title", ["[link]", "A\n\n[link]\n\nB", "[link]\r\n\r\n[link]"])
def test_a_title_cannot_bring_a_link_or_a_line_of_its_own(title: str) -> None:
    params = {"name": "A", "title": title, "stage": "initial", "deadline": ""}
    mail = letter("a@b.example", "review", "en", params, BLOCKS)
    assert mail.text.count(LINK) == 1
    assert mail.html.count(f'href="{LINK}"') == 1
    assert "\n" not in mail.subject


def test_what_a_person_wrote_is_quoted_line_by_line_and_cannot_bring_markup() -> None:
    blocks: dict[str, Block] = {"comment": Quotation(text="第一行\n<script>1</script>")}
    mail = letter("a@b.example", "returned", "zh-Hans", RETURNED, blocks)
    assert "> 第一行\n> <script>1</script>" in mail.text
    assert "第一行<br>&lt;script&gt;" in mail.html


def test_what_there_is_nothing_to_say_of_is_left_out_with_its_introduction() -> None:
    blocks: dict[str, Block] = {"items": Points(items=["要素齐全", "语言通顺"])}
    mail = letter("a@b.example", "returned", "zh-Hans", RETURNED, blocks)
    assert "审核意见" not in mail.text
    assert "- 要素齐全\n- 语言通顺" in mail.text
    assert "[" not in mail.text


def test_a_letter_loads_nothing_and_has_no_tables() -> None:
    mail = letter("a@b.example", "sign_in", "en", {"name": "A"}, BLOCKS)
    assert not [tag for tag in ("<img", "<table", "<link", "<script", "url(", "src=") if tag in mail.html]
