"""What a resubmission changed, shown as a reader of Chinese sees it (clause 3.3.4)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.submission.differences import MOST_LINES_COMPARED, Change, Piece, compared, difference
from chalicelib.submission.model import Form, form_from_document
from tests.world import a_form

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
KEPT, REMOVED, ADDED = Change.KEPT, Change.REMOVED, Change.ADDED
TEXTS = st.text(alphabet="停电检修通知的了 ab1\n👨\u200d👩é", max_size=60)


def form(**changes: object) -> Form:
    return form_from_document(a_form(NOW, **changes))


def marked(before: str, after: str) -> str:
    """Both texts as one, what was removed in [-…-], what was added in [+…+]."""
    signs = {KEPT: "{}", REMOVED: "[-{}-]", ADDED: "[+{}+]"}
    return "".join(signs[piece.change].format(piece.text) for piece in compared(before, after))


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("五月一日停电检修", "五月二日停电检修", "五月[-一-][+二+]日停电检修"),
        ("请于上午八时前到场", "请于上午八时三十分前到场", "请于上午八时[+三十分+]前到场"),
        ("A 座停电检修，请保存数据", "A 座、B 座停电检修，请保存数据", "A[+ 座、B+] 座停电检修，请保存数据"),
        ("使用 Windows 10 系统", "使用 Windows 11 系统", "使用 Windows [-10-][+11+] 系统"),
        ("全家👨\u200d👩\u200d👧都来", "全家👨\u200d👩都来", "全家[-👨\u200d👩\u200d👧-][+👨\u200d👩+]都来"),
        ("𠮷野家的通知", "吉野家的通知", "[-𠮷-][+吉+]野家的通知"),
        ("按时参加", "按时参加", "按时参加"),
    ],
)
def test_words_and_characters_that_changed_are_shown_where_they_stand(
    before: str, after: str, shown: str
) -> None:
    assert marked(before, after) == shown


def test_a_sentence_that_is_another_is_shown_whole() -> None:
    """What two sentences have in common by chance would make a riddle of them."""
    assert (
        marked("请各部门于周五前上报", "食堂本周的菜单是这样")
        == "[-请各部门于周五前上报-][+食堂本周的菜单是这样+]"
    )


def test_a_character_between_two_changes_changes_with_them() -> None:
    assert marked("会议定于三楼东侧大会议室", "会议定于五楼西侧大会议室") == (
        "会议定于[-三楼东-][+五楼西+]侧大会议室"
    )


@given(before=TEXTS, after=TEXTS)
def test_nothing_is_lost_and_nothing_made_up(before: str, after: str) -> None:
    pieces = compared(before, after)
    assert "".join(piece.text for piece in pieces if piece.change is not ADDED) == before
    assert "".join(piece.text for piece in pieces if piece.change is not REMOVED) == after
    assert all(piece.text for piece in pieces)


@given(text=TEXTS)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert compared(text, text) == ([Piece(KEPT, text)] if text else [])


def test_a_resubmission_shows_what_it_changed_and_nothing_else() -> None:
    before = form(body="一\n二\n三\n四\n五\n六楼停电", keywords=["停电"])
    after = form(body="一\n二\n三\n四\n五\n七楼停电", keywords=[], title="另一个题目")
    assert difference(before, before) == []
    title, keywords, body = difference(before, after)
    assert (title["field"], title["before"], title["after"]) == ("title", before.title, "另一个题目")
    assert keywords == {"field": "keywords", "before": ["停电"], "after": []}
    kept = [[{"change": "kept", "text": text}] for text in ("四", "五")]
    changed = [
        {"change": "removed", "text": "六"},
        {"change": "added", "text": "七"},
        {"change": "kept", "text": "楼停电"},
    ]
    assert body == {"field": "body", "passages": [[*kept, changed]]}


def test_paragraphs_that_were_joined_or_split_are_compared_as_one() -> None:
    before = form(body="上午检修一楼和二楼。\n下午检修三楼和四楼。")
    after = form(body="上午检修一楼和二楼。下午检修三楼和四楼。")
    (body,) = difference(before, after)
    (passage,) = body["passages"]
    texts = [piece["text"] for line in passage for piece in line]
    assert texts == ["上午检修一楼和二楼。", "下午检修三楼和四楼。"]


def test_changes_far_apart_are_passages_of_their_own() -> None:
    lines = [f"第{n}条" for n in range(30)]
    after = ["开头", *lines, "结尾"]
    (body,) = difference(form(body="\n".join(lines)), form(body="\n".join(after)))
    first, last = body["passages"]
    assert [len(first), len(last)] == [3, 3]


def test_a_body_of_very_many_lines_is_said_to_differ_without_a_comparison() -> None:
    lines = ["一"] * (MOST_LINES_COMPARED + 1)
    (change,) = difference(form(body="\n".join(lines)), form(body="\n".join(["二", *lines])))
    assert change == {"field": "body", "passages": None}


def test_a_long_paragraph_that_is_another_is_not_compared_word_by_word() -> None:
    """It would take minutes."""
    old, new = "一二" * 5000, "二一三" * 5000
    assert compared(old, new) == [Piece(REMOVED, old), Piece(ADDED, new)]


def test_what_repeats_itself_often_costs_no_more_than_a_text_may() -> None:
    """Whoever opens a review waits for it: after so many comparisons the rest is shown whole."""
    old, new = ("\n".join(line for _ in range(200)) for line in ("的了" * 99, "了" * 99 + "的" * 99))
    (body,) = difference(form(body=old), form(body=new))
    (passage,) = body["passages"]
    alike = ["kept" in {piece["change"] for piece in line} for line in passage]
    assert alike[0]
    assert not any(alike[len(alike) // 2 :])


def test_of_many_paragraphs_each_shows_its_own_change() -> None:
    """The empty lines between them are all alike."""
    paragraphs = [f"第{n}段，这里有二十个字左右的内容" for n in range(700)]
    after = [f"{paragraph}。" for paragraph in paragraphs]
    (body,) = difference(form(body="\n\n".join(paragraphs)), form(body="\n\n".join(after)))
    (passage,) = body["passages"]
    shown = [[(piece["change"], piece["text"]) for piece in line] for line in passage if line != []]
    assert [("kept", paragraphs[7]), ("added", "。")] in shown
