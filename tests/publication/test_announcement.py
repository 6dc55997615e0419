"""What an announcement says."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from chalicelib.core.mail import Mail, Stamp, as_message
from chalicelib.core.messages import LANGUAGES
from chalicelib.publication.channels.email.announcement import MOST, addressed, announcement
from chalicelib.publication.channels.email.mailing import Announcement
from chalicelib.submission.model import form_from_document
from tests.world import a_form

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SITE = "https://site.test/internal/s-1/1/index.html"
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](javascript:alert(1))",
    "![x](https://tracker.test/pixel.gif)",
    '"><script>alert(1)</script>',
    "<style>@import 'https://evil.test/x.css';</style>",
    "<body onload=alert(1)>",
    '<meta http-equiv="refresh" content="0;url=https://evil.test">',
    "<base href=https://evil.test/>",
    "<form action=https://evil.test><input name=password></form>",
    "</div></body></html><script>alert(1)</script>",
    "<IMG SRC=&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)>",
    '<a title="<p onmouseover=alert(1)>">x</a>',
    '[x](https://a.test "\\" onmouseover=alert(1) x=\\"")',
)
ELEMENTS = frozenset(
    {"html", "head", "meta", "title", "style", "body", "div", "h1", "h2", "p", "br", "a"}
    | {"ul", "ol", "li", "blockquote", "em", "strong", "code", "pre"}
)
ATTRIBUTES = frozenset({"lang", "charset", "name", "content", "style", "class", "href", "title", "rel"})


class Elements(HTMLParser):
    """What a mail program makes of a document: every element with its attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def said(**changes: Any) -> Announcement:  # noqa: ANN401 — as in a_form
    form = form_from_document(a_form(NOW, **{"channels": ["website", "email"]} | changes))
    return announcement(
        form, submission="s-1", revision=1, department_name="市场部", site_url="https://site.test"
    )


def to_somebody(text: Announcement, language: str = "zh-Hans") -> Mail:
    return addressed(
        text,
        to="a@b.example",
        language=language,
        stamp=Stamp(id="m-1", at=NOW),
        unsubscribe="https://desk.test/u/t",
        tags={"x": "y"},
    )


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["title", "summary", "body"])
def test_hostile_text_is_inert_in_a_mail(field: str, text: str) -> None:
    found = Elements(to_somebody(said(**{field: text})).html).found
    assert {tag for tag, _ in found} <= ELEMENTS
    assert {name for _, attributes in found for name in attributes} <= ATTRIBUTES
    assert [tag for tag, _ in found].count("style") == 1
    hrefs = [str(attributes["href"]) for _, attributes in found if "href" in attributes]
    assert [href for href in hrefs if not href.startswith("https://")] == []
    assert {tag for tag, attributes in found if "http-equiv" in attributes} == set()


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({}, "题"),
        ({"importance": "urgent"}, "【紧急】题"),
        ({"importance": "important"}, "【重要】题"),
        ({"classification": "confidential", "importance": "urgent"}, "【保密】题"),
    ],
)
def test_the_subject_is_the_title_marked_with_what_must_be_seen_first(
    changes: dict[str, str], subject: str
) -> None:
    """Clause 4.4.2: a clear subject."""
    assert said(title="题", **changes).subject == subject


def test_the_longest_title_makes_a_sound_subject() -> None:
    text = said(title="长" * 64, importance="urgent")
    assert as_message(to_somebody(text), "a@b.example")["Subject"] == "【紧急】" + "长" * 64


def test_a_short_text_is_whole_and_names_its_page() -> None:
    text = said(body="第一段。\n\n第二段。")
    assert "第一段。" in text.text
    assert "第二段。" in text.text
    assert SITE in text.text
    assert f'href="{SITE}"' in text.html


def test_a_long_text_is_cut_where_a_paragraph_ends_and_says_where_the_whole_is() -> None:
    """Clause 4.4.2: short."""
    paragraphs = [f"第{n}段" + "字" * 200 for n in range(40)]
    text = said(body="\n\n".join(paragraphs))
    kept = [paragraph for paragraph in paragraphs if paragraph in text.text]
    assert kept == paragraphs[: len(kept)]
    assert 0 < sum(map(len, kept)) <= MOST
    assert f"以上为部分内容，全文请见内网网站：\n{SITE}" in text.text
    assert paragraphs[len(kept)][:50] not in text.text, "no half of a paragraph"


@pytest.mark.parametrize(
    "changes", [{"channels": ["email"]}, {"channels": ["email"], "classification": "confidential"}]
)
def test_what_is_nowhere_else_to_read_is_never_cut(changes: dict[str, Any]) -> None:
    body = "\n\n".join(f"第{n}段" + "字" * 200 for n in range(200))
    text = said(body=body, **changes)
    assert body in text.text
    assert "第199段" in text.html
    assert "site.test" not in text.text + text.html


@pytest.mark.parametrize("language", LANGUAGES)
def test_everybody_gets_the_way_out_in_their_own_language(language: str) -> None:
    """Clause 4.4.2: no spam."""
    mail = to_somebody(said(), language)
    assert mail.headers["List-Unsubscribe"] == "<https://desk.test/u/t>"
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.text.endswith("\nhttps://desk.test/u/t\n")
    assert f'<p lang="{language}">' in mail.html
    assert mail.html.count("https://desk.test/u/t") == 1


def test_the_text_for_everybody_holds_nothing_of_anybody() -> None:
    text = said()
    assert "https://desk.test" not in text.html + text.text
    assert to_somebody(text).html.replace("\n", "").startswith(text.top.replace("\n", ""))
