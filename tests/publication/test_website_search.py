"""Searching the site: what the indexes hold, how the page's own script looks things up, and that both split alike."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.publication.channels.website.entry import Entry, newest_first
from chalicelib.publication.channels.website.policy import SEARCH_SCRIPT, text_of
from chalicelib.publication.channels.website.render import search_page
from chalicelib.publication.channels.website.search import index_path, month_index, months, terms
from chalicelib.submission.model import Category, Classification
from tests.publication.website_builders import NOON, a_correction, an_entry, elements_of
from tests.xss import VECTORS

NODE = shutil.which("node")
SMALL_BROWSER = (Path(__file__).parent / "small_browser.js").read_text(encoding="utf-8")


def searches(
    typed: Sequence[str], entries: Sequence[Entry], *, clicks: int = 0, lost: bool = False
) -> list[dict[str, Any]]:
    """What the search page shows for each that was typed: what it says, its results, and which indexes it read.

    The script runs in Node, in as much of a browser as it uses. `lost` are the indexes.
    """
    if NODE is None:
        pytest.skip("make check asks for Node")
    newest = newest_first(entries)
    indexes = {
        f"{month}.json": json.loads(month_index([entry for entry in newest if entry.month == month]))
        for month in months(newest)
        if not lost
    }
    given = {"typed": typed, "months": " ".join(months(newest)), "indexes": indexes, "clicks": clicks}
    code = SMALL_BROWSER.replace("/* given */", json.dumps(given))
    code = code.replace("/* script */", text_of(SEARCH_SCRIPT))
    ran = subprocess.run([NODE, "-"], input=code, check=True, capture_output=True, text=True)  # noqa: S603 — ours
    shown: list[dict[str, Any]] = json.loads(ran.stdout)
    return shown


def titles(entries: Sequence[Entry], *typed: str) -> list[list[str]]:
    """Of the results, for each that was typed."""
    return [[result["title"] for result in shown["results"]] for shown in searches(typed, entries)]


def test_chinese_is_indexed_in_pairs_and_other_scripts_in_words() -> None:
    assert terms("消防检查 Open-Day 2026") == {"消防", "防检", "检查", "open", "day", "2026"}
    assert terms("、。！") == frozenset()
    assert terms("𠮷野 火") == {"𠮷野", "火"}


def test_width_and_case_make_no_difference_and_the_script_that_was_chosen_does() -> None:
    assert terms("ＩＳＯ９００１　ｶﾞｽ") == terms("iso9001 ガス")
    assert terms("檢查") != terms("检查")


def test_an_index_has_what_a_result_shows_and_the_numbers_of_the_items_under_each_term() -> None:
    entry = an_entry(classification=Classification.INTERNAL)
    index = json.loads(
        month_index([entry, an_entry("s-other", title="食堂菜单", summary="本周", keywords=())])
    )

    assert index["items"][0] == [
        "s-first/1/index.html",
        "关于开展冬季消防安全自查的通知",
        "2026-11-23",
        "各部门须在本月底前完成自查。",
        "通知公告",
        "安全环保部",
        "消防 自查",
        ["内部"],
    ]
    assert index["terms"]["消防"] == [0]
    assert index["terms"]["安全"] == [0, 1], "of the department's name"
    assert list(index["terms"]) == sorted(index["terms"])


def test_an_item_is_indexed_under_the_month_its_reader_sees() -> None:
    assert index_path(an_entry(published_at=datetime(2026, 11, 30, 17, tzinfo=UTC))) == "search/2026-12.json"


def test_what_was_typed_finds_items_by_title_summary_keyword_category_and_department() -> None:
    entry = replace(an_entry(category=Category.CULTURE, keywords=("应急演练",)), department_name="人力资源部")
    other = an_entry("s-other", title="食堂菜单", summary="本周菜谱", keywords=())

    found = titles([entry, other], "消防安全", "本月底", "应急演练", "文化活动", "人力", "消防 人力")
    assert found == [[entry.title]] * 6
    assert titles([entry, other], "消防菜单", "消防 菜单", "不存在") == [[], [], []]


def test_results_are_whole_phrases_beginnings_of_words_and_single_characters() -> None:
    people, north = an_entry("s-a", title="人民北京"), an_entry("s-b", title="北京人民 ISO9001")

    assert titles([people, north], "北京人", "iso", "so9001", "京", "ＩＳＯ９００１") == [
        [north.title],
        [north.title],
        [],
        [people.title, north.title],
        [north.title],
    ]


def test_a_result_shows_title_date_summary_and_marks_and_leads_to_the_item() -> None:
    entry = a_correction(an_entry(classification=Classification.INTERNAL))

    [shown] = searches(["更正"], [entry])
    assert shown["results"][0] == {
        "title": "冬季消防安全自查（更正）",
        "href": "../s-first/2/index.html",
        "facts": ["2026年11月23日", "通知公告", "安全环保部", "内部", "2026年11月24日更正"],
        "summary": "各部门须在本月底前完成自查。",
    }


def test_nothing_is_read_before_something_is_typed_and_then_a_year_at_a_time() -> None:
    entries = [
        an_entry(f"s-{n}", title="消防", published_at=NOON - timedelta(days=31 * n)) for n in range(30)
    ]
    nothing, once = searches(["", "消防"], entries)
    [twice] = searches(["消防"], entries, clicks=1)

    assert nothing == {"said": "", "results": [], "more": False, "read": []}
    assert (len(once["read"]), len(once["results"]), once["more"]) == (12, 12, True)
    assert once["said"] == "找到 12 条（2025 年 12 月以来）。"
    assert (len(twice["read"]), len(twice["results"])) == (24, 24)


def test_what_is_only_in_the_distant_past_is_found_without_asking_again() -> None:
    entries = [
        an_entry(f"s-{n}", title="消防", published_at=NOON - timedelta(days=31 * n)) for n in range(29)
    ]
    old = an_entry("s-old", title="校庆纪念", published_at=NOON - timedelta(days=31 * 29))

    found, nothing = searches(["校庆", "无此词"], [*entries, old])
    assert [result["title"] for result in found["results"]] == ["校庆纪念"]
    assert found["said"] == "找到 1 条。"
    assert nothing["said"] == "没有找到相关信息，请换一个词。"


def test_an_index_that_cannot_be_read_is_told() -> None:
    [shown] = searches(["消防"], [an_entry()], lost=True)

    assert shown["said"] == "检索暂时不可用，请稍后再试。"


def test_text_that_would_be_more_stays_text_in_the_index_and_among_results() -> None:
    """The OWASP set does nothing when it is found, nor when it is looked for."""
    entries = [
        an_entry(f"s-{n:03}", title=f"{vector}消防", summary=vector, keywords=(vector,))
        for n, vector in enumerate(VECTORS)
    ]
    shown, looked_for = searches(["消防", " ".join(VECTORS[:9])], entries)

    assert [result["title"] for result in shown["results"]] == [f"{vector}消防" for vector in VECTORS]
    assert all(result["href"].startswith("../s-") for result in shown["results"])
    assert looked_for["results"] == []
    script = text_of(SEARCH_SCRIPT)
    assert not any(sink in script for sink in ("innerHTML", "outerHTML", "insertAdjacent", "write(", "eval"))


def test_typing_the_name_of_something_every_object_has_finds_nothing() -> None:
    assert titles([an_entry()], "constructor", "__proto__", "toString") == [[], [], []]


@pytest.mark.skipif(NODE is None, reason="make check asks for Node")
@settings(max_examples=5, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("消防检查々ーガｶﾞ한글Ａa0９é_ -，。𠮷火"), min_size=1, max_size=12),
        min_size=9,
        max_size=9,
    )
)
def test_each_text_finds_itself_however_it_is_written(texts: list[str]) -> None:
    """Indexes are made in Python and read in JavaScript: they must split alike."""
    texts = [text for text in texts if terms(text)]
    entries = [an_entry(f"s-{n}", title=text, summary="", keywords=()) for n, text in enumerate(texts)]
    for text, found in zip(texts, titles(entries, *texts), strict=True):
        assert text in found


def test_the_search_page_runs_its_own_script_and_reads_from_its_own_site_only() -> None:
    page = search_page(("2026-11",))
    [policy] = [
        str(element.attributes["content"])
        for element in elements_of(page)
        if "Policy" in str(element.attributes.get("http-equiv"))
    ]

    assert "connect-src 'self'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert [element.attributes for element in elements_of(page) if element.tag == "script"] == [{}]


def test_a_month_of_a_hundred_items_is_a_small_file() -> None:
    entries = [
        an_entry(
            f"s-{n:018}",
            title=f"关于第{n}次{'安全生产标准化检查' * 2}的通知",
            summary=f"{n}各部门须自查。" * 6,
        )
        for n in range(100)
    ]

    assert len(month_index(entries)) < 150_000
