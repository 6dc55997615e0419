"""What an announcement says."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.core.mail import Mail, Stamp, as_message
from chalicelib.core.messages import LANGUAGES
from chalicelib.publication.channels.email.announcement import MOST, addressed, announcement
from chalicelib.publication.channels.email.mailing import Announcement
from chalicelib.submission.model import Revision, form_from_document
from tests.browsing import Element, read_page
from tests.world import a_form
from tests.xss import VECTORS, harm_beyond, shapes

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SITE = "https://site.test/internal/s-1/1/index.html"
OF_MAILS = (
    "</div></body></html><script>alert(1)</script>",
    "<div style=display:none>",
    "![x](https://tracker.test/pixel.gif)",
    '<a title="<p onmouseover=alert(1)>">x</a>',
    '[x](https://a.test "\\" onmouseover=alert(1) x=\\"")',
)
"""What would harm in a mail above all: the end of its frame, what hides, what tells that it was read."""


def a_file(number: int, **changes: Any) -> Attachment:  # noqa: ANN401 — an attachment's fields have many shapes
    known: dict[str, Any] = {
        "name": f"附件{number}.pdf",
        "media_type": MediaType.PDF,
        "size": 1_540,
        "sha256": "0" * 64,
    }
    return Attachment(id=f"a-{number}", **(known | changes))


def said(*files: Attachment, **changes: Any) -> Announcement:  # noqa: ANN401 — as in a_form
    form = form_from_document(a_form(NOW, **{"channels": ["website", "email"]} | changes))
    revision = Revision(
        submission="s-1", number=1, form=form, salt="0" * 32, created_at=NOW, attachments=files
    )
    return announcement(
        revision,
        department_name="市场部",
        base_url="https://desk.test",
        site_url="https://site.test/internal",
    )


def to_somebody(text: Announcement, language: str = "zh-Hans") -> Mail:
    return addressed(
        text,
        to="a@b.example",
        language=language,
        stamp=Stamp(id="m-1", at=NOW),
        choose="https://desk.test/me",
        unsubscribe="https://desk.test/u/t",
        tags={"x": "y"},
    )


def read_html(text: Announcement) -> Element:
    return read_page(to_somebody(text).html)


def test_hostile_words_stay_words_in_a_mail() -> None:
    frame = shapes(read_html(said(a_file(1), title="题", summary="要", channels=["email"])))
    for vector in (*VECTORS, *OF_MAILS):
        text = said(a_file(1, name=vector), title=vector, summary=f"摘要 {vector}", channels=["email"])
        page = read_html(text)
        assert shapes(page) == frame, vector
        assert [page.all("h1")[0].text, page.all("title")[0].text] == [vector, vector]
        assert f"摘要 {vector}" in page.all("p", class_="lead")[0].text
        assert f"- {vector}（1.5 KB）" in text.text
        assert as_message(to_somebody(text), "a@b.example")["Subject"] == vector


def test_a_hostile_body_makes_nothing_in_a_mail_that_markdown_may_not_make() -> None:
    frame = read_html(said(body="", channels=["email"]))
    for vector in (*VECTORS, *OF_MAILS):
        for body in (vector, f"前\n\n- {vector}\n\n> {vector}\n"):
            assert harm_beyond(frame, read_html(said(body=body, channels=["email"]))) == [], body


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
    ("body", "kept"),
    [
        ("行" * 2000 + "\n" + "行" * 2000, "行" * 2000),
        ("短。\n\n" + "行" * 2000 + "\n" + "行" * 2000, "短。\n\n" + "行" * 2000),
        ("这是一句话，没有换行。" * 400, "这是一句话，没有换行。" * (MOST // 11)),
        ("A sentence. " * 400, ("A sentence. " * (MOST // 12)).strip()),
        ("word " * 1000, ("word " * (MOST // 5)).strip()),
        ("字" * 5000, "字" * MOST),
        ("短。" + "字" * 5000, "短。" + "字" * (MOST - 2)),
        ("字" * (MOST - 1) + "。" + "字" * 9, "字" * (MOST - 1) + "。"),
        ("段" * 2000 + "\r\n \r\n" + "段" * 2000, "段" * 2000),
    ],
    ids=["line", "short paragraph", "sentence", "English", "word", "none", "early", "edge", "CRLF"],
)
def test_a_text_without_paragraphs_is_cut_where_it_hurts_least_and_never_to_nothing(
    body: str, kept: str
) -> None:
    """Clause 4.4.2: short."""
    text = said(body=body)
    _, summary, rest = text.text.partition(a_form(NOW)["summary"])
    shown, more, _ = rest.partition("以上为部分内容")
    assert (bool(summary), bool(more)) == (True, True)
    assert shown.strip() == kept


@pytest.mark.parametrize("length", [1, MOST])
def test_what_fits_is_whole(length: int) -> None:
    text = said(body="字" * length)
    assert "字" * length in text.text
    assert "以上为部分内容" not in text.text


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
    assert mail.headers["List-Id"] == "<announcements.desk.test>", "one list, whatever is announced"
    assert mail.text.endswith("\nhttps://desk.test/me\n")
    assert f'<p lang="{language}">' in mail.html
    assert mail.html.count('href="https://desk.test/me"') == 1


@pytest.mark.parametrize("changes", [{}, {"channels": ["email"]}])
def test_no_address_that_a_mail_shows_ends_announcements(changes: dict[str, Any]) -> None:
    """Clause 4.4.2: mail scanners open every address, and press every button of its page."""
    mail = to_somebody(said(a_file(1), **changes))
    assert "/u/" not in mail.text + mail.html


def test_files_of_what_is_on_the_website_are_named_and_found_on_its_page() -> None:
    text = said(a_file(1), a_file(2, name="照片 <1>.jpg", size=2_000_000))
    assert "附件（请在上述页面下载）：\n- 附件1.pdf（1.5 KB）\n- 照片 <1>.jpg（2 MB）" in text.text
    assert text.text.index(SITE) < text.text.index("附件（")
    assert "<ul><li>附件1.pdf（1.5 KB）</li><li>照片 &lt;1&gt;.jpg（2 MB）</li></ul>" in text.html
    assert "/attachments/" not in text.text + text.html


@pytest.mark.parametrize(
    "changes", [{"channels": ["email"]}, {"classification": "confidential", "audience": ["marketing"]}]
)
def test_files_of_what_is_nowhere_else_are_named_each_with_its_address_on_the_desk(
    changes: dict[str, Any],
) -> None:
    """Clause 4.4.1: what is attached reaches its audience, too."""
    text = said(a_file(1), a_file(2), **changes)
    addresses = [f"https://desk.test/submissions/s-1/attachments/a-{number}" for number in (1, 2)]
    assert f"- 附件1.pdf（1.5 KB）\n  {addresses[0]}\n- 附件2.pdf（1.5 KB）\n  {addresses[1]}\n" in text.text
    assert re.findall(r'<li><a href="([^"]+)">附件.\.pdf</a>（1\.5 KB）</li>', text.html) == addresses


def test_a_mail_without_files_says_nothing_of_them() -> None:
    assert "附件" not in said().text + said(channels=["email"]).html


def test_the_name_of_a_file_makes_no_line_of_its_own() -> None:
    text = said(a_file(1, name="x.pdf\n\nhttps://evil.test\n.pdf"))
    assert "- x.pdf https://evil.test .pdf（1.5 KB）\n" in text.text


def test_the_text_for_everybody_holds_nothing_of_anybody() -> None:
    text = said(a_file(1))
    assert "https://desk.test" not in text.html + text.text
    assert to_somebody(text).html.replace("\n", "").startswith(text.top.replace("\n", ""))
