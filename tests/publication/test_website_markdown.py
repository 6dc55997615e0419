"""What an author writes in Markdown can inform readers and do nothing else to them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.publication.channels.markdown import ATTRIBUTES, CLASSES, TAGS, legible, to_html
from tests.publication.website_builders import elements_of, links_of, text_of

MALICE = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<svg><style><img src=x onerror=alert(1)></style></svg>",
        "<iframe srcdoc='<script>alert(1)</script>'>",
        "<p style='width:expression(alert(1))'>",
        "<a href='javascript:alert(1)'>x</a>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](java&#1;script:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:msgbox)",
        "[x](//evil.example)",
        "[x](/internal)",
        "![x](javascript:alert(1))",
        "![x](https://evil.example/pixel.gif)",
        "[![x](https://a.example/a)](https://b.example/b)",
        "<javascript:alert(1)>",
        '[x](https://a.example "onmouseover=alert(1)")',
        '[x](https://a.example/"onmouseover="alert(1))',
        "[x]\n\n[x]: javascript:alert(1)",
        "```html onload=alert(1)\n<script>alert(1)</script>\n```",
        "| a |\n|:-:|\n| <b onclick=x> |",
        "&lt;script&gt;",
        "<!--",
        "]]>",
        "**",
        "\n\n",
        "> ",
        "- ",
        "\x00",
        "\x1b",
        "\ufffe",
    ],
)
BODIES = st.lists(MALICE | st.text(max_size=12), max_size=10).map("".join)


@settings(deadline=None)
@given(BODIES)
def test_no_body_can_make_more_than_the_allow_list(body: str) -> None:
    for element in elements_of(to_html(body)):
        assert element.tag in TAGS
        allowed = ATTRIBUTES.get(element.tag, set()) | {"class", "rel"}
        assert set(element.attributes) <= allowed
        assert element.attributes.get("class") in CLASSES.get(element.tag, set()) | {None}
        href = element.attributes.get("href")
        assert href is None or re.match(r"(https?|mailto):", href, re.IGNORECASE)


@settings(deadline=None)
@given(BODIES)
def test_no_body_leaves_a_character_that_xml_forbids(body: str) -> None:
    html = to_html(body)

    assert html == legible(html)


def test_html_in_a_body_is_shown_as_it_was_typed() -> None:
    assert text_of(to_html("<script>alert(1)</script>")).strip() == "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/x", "ftp://x"]
)
def test_a_link_of_another_scheme_stays_text(address: str) -> None:
    html = to_html(f"[此处]({address})")

    assert links_of(html) == []
    assert address in text_of(html)


def test_links_to_outside_tell_nothing_about_the_reader() -> None:
    [link] = [element for element in elements_of(to_html("[官网](https://a.example)")) if element.tag == "a"]

    assert link.attributes == {"href": "https://a.example", "rel": "noopener noreferrer"}


@pytest.mark.parametrize(
    ("body", "levels"),
    [
        ("# 一\n## 二\n# 三", ["h2", "h3", "h2"]),
        ("### 一\n#### 二", ["h2", "h3"]),
        ("# 1\n## 2\n### 3\n#### 4\n##### 5\n###### 6", ["h2", "h3", "h4", "h5", "h6", "h6"]),
    ],
)
def test_headings_start_below_the_title(body: str, levels: list[str]) -> None:
    assert [element.tag for element in elements_of(to_html(body))] == levels


@pytest.mark.parametrize(
    ("body", "strong"),
    [
        ("**注意：**请勿遮挡", "<strong>注意：</strong>请勿"),
        ("请看**《规定》**第五条", "请看<strong>《规定》</strong>第五条"),
        ("共**95%**合格", "共<strong>95%</strong>合格"),
        ("他说**“好”**。", "他说<strong>“好”</strong>。"),
    ],
)
def test_emphasis_works_beside_chinese_characters(body: str, strong: str) -> None:
    assert strong in to_html(body)


@pytest.mark.parametrize("body", ["2 * 3 * 4", "a ** b ** c", "snake_case_name", "共 * 项"])
def test_what_is_no_emphasis_stays_as_typed(body: str) -> None:
    assert to_html(body).strip() == f"<p>{body}</p>"


@pytest.mark.parametrize(
    ("body", "text"),
    [("第一行，\n第二行", "第一行，第二行"), ("one\ntwo", "one\ntwo"), ("版本\nA", "版本\nA")],
)
def test_a_line_end_between_chinese_characters_is_no_space(body: str, text: str) -> None:
    assert text_of(to_html(body)).strip() == text


def test_a_table_keeps_its_alignment_without_inline_styles() -> None:
    html = to_html("| 区域 | 率 |\n|---|---:|\n| 一 | 98% |")

    assert '<div class="scroll"><table>' in html
    assert '<td class="right">98%</td>' in html
    assert "style" not in html


def test_a_picture_becomes_a_link_so_that_reading_loads_nothing() -> None:
    html = to_html("![示意图](https://a.example/a.png)")

    assert links_of(html) == ["https://a.example/a.png"]
    assert text_of(html).strip() == "示意图"
