"""The pages themselves: what they show, what they refuse to carry, and that they never differ by chance."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.publication.channels.website import render
from chalicelib.publication.channels.website.entry import newest_first
from chalicelib.publication.channels.website.policy import style
from chalicelib.publication.channels.website.render import (
    home_page,
    item_page,
    search_page,
    section_page,
    year_page,
)
from chalicelib.publication.channels.website.sections import PLAN, read_plan, the_plan
from chalicelib.submission.model import Category, Classification
from tests.browsing import Element, read_page
from tests.publication.website_builders import NOON, URL, VIEWS, an_entry, elements_of, links_of, text_of
from tests.xss import VECTORS, harm_in, harm_in_body, skeleton

NEWS = the_plan().section_of(Category.NEWS)


def test_the_site_has_the_five_sections_of_the_regulation() -> None:
    """Proves clause 4.1.2."""
    assert [section.name for section in the_plan().sections] == [
        "公司简介",
        "新闻动态",
        "业务领域",
        "企业文化",
        "规章制度",
    ]


def test_the_company_profile_stands_on_its_section_page() -> None:
    """Proves clause 4.1.2."""
    page = text_of(section_page(the_plan().sections[0], []))

    assert "我们做什么" in page
    assert "暂无内容" not in page


@pytest.mark.parametrize(
    "change",
    [
        {"sections": []},
        {"categories": {"news": "新闻"}},
        {"sections": [{"id": "S-1", "name": "全部", "categories": list(Category), "text": []}]},
        {"sections": [{"id": "all", "name": "全部", "categories": [*Category, "news"], "text": []}]},
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    plan = tmp_path / "sections.json"
    plan.write_text(json.dumps(json.loads(PLAN.read_text()) | change))

    with pytest.raises(ValueError):
        read_plan(plan)


def test_sections_can_be_changed_as_data(tmp_path: Path) -> None:
    """Proves clause 4.1.2."""
    plan = tmp_path / "sections.json"
    one = {"id": "all", "name": "全部", "categories": list(Category), "text": []}
    plan.write_text(json.dumps(json.loads(PLAN.read_text()) | {"sections": [one]}))

    assert read_plan(plan).section_of(Category.RULES).name == "全部"


def test_an_item_shows_what_was_approved() -> None:
    """Proves clause 4.1.1."""
    page = text_of(item_page(an_entry(), "## 一、范围\n\n消防通道", URL, VIEWS))

    for part in (
        "关于开展冬季消防安全自查的通知",
        "各部门须在本月底前完成自查。",
        "一、范围",
        "消防通道",
        "安全环保部",
        "通知公告",
        "消防、自查",
    ):
        assert part in page


def test_a_printed_item_says_where_it_is_from() -> None:
    [printed] = read_page(item_page(an_entry(), "", URL, VIEWS).decode()).all("div", class_="printed")

    for part in ("澄江精密集团", URL, "编号 s-first，第 1 版", "消防、自查"):
        assert part in printed.text
    assert ".printed { display: none; }" in style()


def test_an_item_shows_its_date_in_its_own_zone_with_the_zones_name() -> None:
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    page = item_page(an_entry(published_at=late, time_zone="Asia/Shanghai"), "", URL, VIEWS)

    assert "2026年11月24日 07:30（Asia/Shanghai）" in text_of(page)
    assert 'datetime="2026-11-24T07:30:00+08:00"' in page.decode()


@pytest.mark.parametrize(
    ("classification", "marked"), [(Classification.INTERNAL, True), (Classification.PUBLIC, False)]
)
def test_internal_items_say_so(classification: Classification, *, marked: bool) -> None:
    entry = an_entry(classification=classification)

    assert all(
        ("内部" in text_of(page)) is marked for page in (item_page(entry, "", URL, VIEWS), home_page([entry]))
    )


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=10))
def test_no_title_summary_or_keyword_can_add_an_element(title: str, summary: str, keyword: str) -> None:
    plain = an_entry(title="x", summary="x", keywords=("x",))
    wild = an_entry(
        title=f"<b>{title}", summary=f'"><script>{summary}', keywords=(f"<svg onload=1>{keyword}",)
    )

    def skeleton(page: bytes) -> list[tuple[str, set[str]]]:
        return [(element.tag, set(element.attributes)) for element in elements_of(page)]

    assert skeleton(item_page(wild, "x", URL, VIEWS)) == skeleton(item_page(plain, "x", URL, VIEWS))
    assert skeleton(home_page([wild])) == skeleton(home_page([plain]))


def test_text_that_would_be_more_stays_text_on_every_page_of_the_site() -> None:
    """The OWASP set does nothing in titles, summaries, bodies, keywords, names of departments and of files."""
    plain = pages_with("x")
    known = [harm_in(page) for page in plain]  # the pages' own style and icon
    for vector in VECTORS:
        pages = pages_with(vector)
        assert [harm_in(page) for page in pages] == known, vector
        assert [skeleton(page) for page in pages] == [skeleton(page) for page in plain], vector
        item, home, section, year = pages
        assert harm_in_body(item) == [], vector
        assert item.all("h1")[0].text == vector
        assert item.all("img")[0].attributes["alt"] == vector
        for listing in (home, section, year):
            assert vector in [link.text for link in listing.all("a")]


def pages_with(text: str) -> list[Element]:
    """An item's page and those that list it, with this text wherever people write one."""
    file = Attachment(id="a-1", name=text, media_type=MediaType.PNG, size=1, sha256="0" * 64)
    entry = replace(
        an_entry(title=text, summary=text, category=Category.NEWS, keywords=(text,)),
        department_name=text,
        attachments=(file,),
    )
    pages = (
        item_page(entry, text, URL, VIEWS),
        home_page([entry]),
        section_page(NEWS, [entry]),
        year_page(NEWS, entry.year, [entry]),
    )
    return [read_page(page.decode()) for page in pages]


def test_characters_that_xml_forbids_are_dropped_even_lone_surrogates() -> None:
    page = item_page(an_entry(title="安\x00全\x1b自\ud800查𠮷"), "\ud800正文", URL, VIEWS)

    assert "安全自查𠮷" in page.decode()


def test_pages_load_nothing_and_only_an_items_runs_a_script() -> None:
    item, home = item_page(an_entry(), "![图](https://a.example/a.png)", URL, VIEWS), home_page([an_entry()])
    for page in (item, home):
        tags = {element.tag for element in elements_of(page)}
        loaded = [
            element.attributes["href"]
            for element in elements_of(page)
            if element.tag == "link" and element.attributes["rel"] == "icon"
        ]

        assert tags.isdisjoint({"img", "iframe", "object", "embed", "form"})
        assert all(str(address).startswith("data:image/svg+xml,") for address in loaded)
    assert "script" not in {element.tag for element in elements_of(home)}
    assert [each.attributes for each in elements_of(item) if each.tag == "script"] == [{"data-views": VIEWS}]


def test_an_items_page_tells_nobody_but_the_desk_that_it_is_looked_at() -> None:
    [policy] = [
        str(element.attributes["content"])
        for element in elements_of(item_page(an_entry(), "", URL, VIEWS))
        if "Policy" in str(element.attributes.get("http-equiv"))
    ]

    assert policy.endswith("; connect-src https://desk.example")
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy


def test_the_content_policy_allows_the_pages_own_style_and_nothing_more() -> None:
    page = home_page([]).decode()
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    [policy] = [
        element.attributes["content"]
        for element in elements_of(page)
        if "Policy" in str(element.attributes.get("http-equiv"))
    ]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}'" in str(policy)
    assert "default-src 'none'" in str(policy)
    assert "unsafe" not in str(policy)
    assert not any("style" in element.attributes for element in elements_of(page))


def test_pages_are_marked_as_simplified_chinese() -> None:
    assert elements_of(home_page([]))[0].attributes == {"lang": "zh-Hans"}


def test_the_home_page_shows_the_latest_items_newest_first() -> None:
    entries = [
        an_entry(f"s-{n:02}", title=f"第{n:02}号", published_at=NOON + timedelta(hours=n)) for n in range(25)
    ]
    shown = re.findall(r"第\d\d号", text_of(home_page(newest_first(entries))))

    assert shown == [f"第{n:02}号" for n in range(24, 4, -1)]


def test_pages_are_light() -> None:
    """An item of 3,000 characters, lists with the longest titles and summaries, a year of two hundred usual items."""
    long = [
        an_entry(f"s-{n:020}", title="题" * 64, summary="摘" * 300, keywords=("关键词",) * 10)
        for n in range(200)
    ]
    usual = [an_entry(f"s-{n:020}") for n in range(200)]
    paragraphs = "\n\n".join(["各部门须在本月底前完成自查，并将结果报送安全环保部。" * 4] * 30)

    for page in (
        item_page(long[0], paragraphs, URL, VIEWS),
        home_page(long),
        section_page(NEWS, long),
        year_page(NEWS, 2026, usual),
        search_page([f"{year}-{month:02}" for year in range(2000, 2030) for month in range(1, 13)]),
    ):
        assert len(page) < 60_000


def test_items_of_one_instant_have_a_fixed_order() -> None:
    entries = [an_entry("s-b"), an_entry("s-a"), an_entry("s-c")]

    assert newest_first(entries) == newest_first(entries[::-1])


def test_every_item_of_thousands_is_reached_from_its_section() -> None:
    entries = newest_first(
        [an_entry(f"s-{n:04}", published_at=NOON - timedelta(hours=8 * n)) for n in range(2000)]
    )
    years = sorted({entry.year for entry in entries})
    index = links_of(section_page(NEWS, entries))
    reached = [
        link
        for year in years
        for link in links_of(year_page(NEWS, year, [entry for entry in entries if entry.year == year]))
    ]

    assert {f"../news/{year}.html" for year in years} <= set(index)
    assert {f"../{entry.submission}/1/index.html" for entry in entries} <= set(reached)


def test_an_item_is_filed_under_the_year_its_reader_sees() -> None:
    new_years_eve = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)

    assert an_entry(published_at=new_years_eve, time_zone="Asia/Shanghai").year == 2027
    assert an_entry(published_at=new_years_eve, time_zone="Europe/Berlin").year == 2026


def test_an_empty_section_says_so() -> None:
    assert "本栏目暂无内容" in text_of(section_page(NEWS, []))


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_has_enough_contrast_in_light_and_dark(scheme: int) -> None:
    """Proves clause 4.1.4, WCAG 2.2 criterion 1.4.3."""
    style = (Path(render.__file__).parent / "style.css").read_text()
    tokens = {
        name: re.findall(rf"--{name}: (#\w{{6}});", style)[scheme]
        for name in ("paper", "raised", "ink", "muted", "seal")
    }

    for text, ground in product(("ink", "muted", "seal"), ("paper", "raised")):
        lighter, darker = sorted((luminance(tokens[text]), luminance(tokens[ground])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)


def luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
