"""Letters: what they carry, and what cannot be smuggled into them."""

import pytest

from chalicelib.core.mail import Mail, as_message, letter
from chalicelib.core.messages import LANGUAGES

LINK = "https://desk.test/s#" + "h" * 43
SENDER = "Imprimatur <desk@example.com>"


def a_mail(**changes: str) -> Mail:
    return Mail(**({"to": "a@b.example", "subject": "题", "text": "文", "html": "<p>文</p>"} | changes))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_holds_its_link_once_to_read_and_once_to_press(language: str) -> None:
    mail = letter("a@b.example", "sign_in", language, {"name": "尹相宜"}, LINK)
    assert mail.text.count(LINK) == 1
    assert f'<a href="{LINK}">{LINK}</a>' in mail.html
    assert f'lang="{language}"' in mail.html
    assert "尹相宜" in mail.text
    assert "尹相宜" in mail.html
    assert LINK not in mail.subject


def test_a_letters_languages_differ() -> None:
    subjects = {letter("a@b.example", "sign_in", each, {"name": "A"}, LINK).subject for each in LANGUAGES}
    assert len(subjects) == len(LANGUAGES)


def test_a_title_cannot_bring_markup_into_a_letter() -> None:
    params = {"name": "<b>A</b>", "title": "<img src=x onerror=1>", "stage": "initial", "deadline": "&"}
    mail = letter("a@b.example", "review", "en", params, LINK)
    assert "<img" not in mail.html
    assert "<b>" not in mail.html
    assert "&lt;img" in mail.html
    assert "<img src=x onerror=1>" in mail.text


def test_a_title_cannot_bring_a_link_of_its_own_place() -> None:
    params = {"name": "A", "title": "[link]", "stage": "initial", "deadline": ""}
    mail = letter("a@b.example", "review", "en", params, LINK)
    assert mail.text.count(LINK) == 1
    assert mail.html.count(f'href="{LINK}"') == 1


@pytest.mark.parametrize("field", ["to", "subject"])
def test_a_line_break_cannot_add_a_header(field: str) -> None:
    mail = a_mail(**{field: "a@b.example\nBcc: c@d.example"})
    with pytest.raises(ValueError, match=r"(?i)linefeed|newline|line"):
        as_message(mail, SENDER)


def test_a_message_is_for_one_person_in_two_forms() -> None:
    message = as_message(a_mail(subject="关于停电检修的通知", text="正文 𠮷"), SENDER)
    assert message["To"] == "a@b.example"
    assert message["From"] == SENDER
    assert message["Subject"] == "关于停电检修的通知"
    plain, markup = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert plain.get_content().strip() == "正文 𠮷"
    assert markup is not None
    assert markup.get_content().strip() == "<p>文</p>"
    assert message.as_bytes().isascii()
