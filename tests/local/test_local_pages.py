"""The laptop's pages: they read anybody's mail to one person, and what is written in it stays text."""

import re

import pytest
from werkzeug.test import Client, TestResponse

from app import app
from chalicelib.people.model import Role
from chalicelib.people.roster import Roster
from infra.local.front import Front
from infra.local.mailbox import LINK, Sent
from infra.local.pages import MOST_SHOWN, ROLES, mail_name
from tests.browsing import Element, read_page
from tests.world import EDITOR, HEAD, LIAISON, a_person, a_roster

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
IDLE = a_person("idle")


def a_mail(
    number: int = 1, *, to: str = "li@example.cn", subject: str = "", text: str = "", html: str = ""
) -> Sent:
    text = text or f"请打开\n\nhttp://127.0.0.1:8000/s#{number}\n\n谢谢。"
    links = tuple(LINK.findall(text))
    return Sent(to=to, subject=subject or f"第 {number} 封", text=text, html=html, links=links)


ACCOUNT = "http://127.0.0.1:9/"


@pytest.fixture
def mails() -> list[Sent]:
    """What was sent, newest first."""
    return [a_mail(2), a_mail(1, to="wang@example.cn")]


@pytest.fixture
def http(mails: list[Sent]) -> Client:
    roster = a_roster(LIAISON, HEAD, EDITOR, IDLE)
    return Client(Front(app=app, mails=lambda: mails, people=lambda: roster, site=nowhere, wechat=ACCOUNT))


def nowhere(_key: str) -> None:
    """A website without pages."""


def seen(http: Client, path: str) -> Element:
    answer = http.get(path, headers=BROWSER)
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    return read_page(answer.text)


def letters(page: Element) -> list[str]:
    (rows,) = page.all("ul", class_="rows letters")
    return [heading.text for heading in rows.all("h2")]


def policy(answer: TestResponse) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("path", ["/_local/mail", "/_local/people"])
@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_programs_get_json_and_browsers_pages(http: Client, path: str, accept: str) -> None:
    program, browser = http.get(path, headers={"accept": accept}), http.get(path, headers=BROWSER)
    assert program.content_type == "application/json; charset=utf-8"
    assert browser.content_type == "text/html; charset=utf-8"
    for answer in (program, browser):
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Accept", "no-store")


def test_mails_are_shown_newest_first_with_links_to_click(http: Client) -> None:
    page = seen(http, "/_local/mail")
    assert letters(page) == ["第 2 封", "第 1 封"]
    (first, _) = page.all("div", class_="mail")
    (link,) = first.all("a")
    assert link.attributes == {"href": "http://127.0.0.1:8000/s#2"}
    assert link.text == "http://127.0.0.1:8000/s#2"
    assert "谢谢。" in first.text


@pytest.mark.parametrize("to", ["wang@example.cn", "Wang@Example.cn", " wang@example.cn "])
def test_the_mailbox_of_one_person_is_found_by_address(http: Client, to: str) -> None:
    query = {"to": to}
    page = read_page(http.get("/_local/mail", headers=BROWSER, query_string=query).text)
    assert letters(page) == ["第 1 封"]
    answer = http.get("/_local/mail", query_string=query).json
    assert answer is not None
    assert [mail["to"] for mail in answer] == ["wang@example.cn"]


def test_the_mailbox_names_everybody_who_has_mail_and_whom_one_asked_for(http: Client) -> None:
    page = seen(http, "/_local/mail?to=nobody@example.cn")
    options = [(option.text, "selected" in option.attributes) for option in page.all("option")]
    assert options[1:] == [("li@example.cn", False), ("nobody@example.cn", True), ("wang@example.cn", False)]
    assert "还没有邮件" in page.text


def test_a_full_mailbox_shows_the_newest_and_says_so(http: Client, mails: list[Sent]) -> None:
    mails[:] = [a_mail(number) for number in range(MOST_SHOWN + 20, 0, -1)]
    page = seen(http, "/_local/mail")
    assert letters(page) == [f"第 {number} 封" for number in range(MOST_SHOWN + 20, 20, -1)]
    assert f"共 {MOST_SHOWN + 20} 封" in page.text


def test_what_is_written_in_a_mail_stays_text(http: Client, mails: list[Sent]) -> None:
    mails[:] = [
        a_mail(subject=ATTACK, text=f"{ATTACK} javascript:alert(1) http://x.test/{ATTACK}", to=ATTACK)
    ]
    answer = http.get("/_local/mail", headers=BROWSER)
    page = read_page(answer.text)
    assert letters(page) == [ATTACK]
    assert not page.all("script")
    assert [image.attributes["src"] for image in page.all("img")] == [
        image.attributes["src"] for image in seen(http, "/_local/").all("img")
    ]
    assert [link.attributes["href"] for link in page.all("div", class_="mail")[0].all("a")] == [
        "http://x.test/"
    ]
    assert policy(answer)["default-src"] == "'none'"
    assert "script-src" not in policy(answer)


def test_html_in_a_mail_is_shown_in_a_frame_that_can_do_nothing(http: Client, mails: list[Sent]) -> None:
    mails[:] = [a_mail(html=f"<p>好</p>{ATTACK}")]
    page = seen(http, "/_local/mail")
    (frame,) = page.all("iframe")
    assert frame.attributes["sandbox"] == ""
    answer = http.get(frame.attributes["src"])
    assert answer.text == f"<p>好</p>{ATTACK}"
    allowed = policy(answer)
    assert allowed["sandbox"] == ""
    assert allowed["default-src"] == "'none'"
    assert "script-src" not in allowed
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_frame_is_there_for_mails_with_html_only(http: Client, mails: list[Sent]) -> None:
    assert not seen(http, "/_local/mail").all("iframe")
    assert http.get(f"/_local/mail/{mail_name(mails[0])}").status_code == 404
    assert http.get("/_local/mail/other").status_code == 404


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("见 https://x.test/a?b=c&d=1#e。", "https://x.test/a?b=c&d=1#e"),
        ("（https://x.test/）", "https://x.test/"),
        ("(https://x.test/)", "https://x.test/"),
        ("<https://x.test/>，", "https://x.test/"),
    ],
)
def test_a_link_ends_where_the_text_goes_on(text: str, link: str) -> None:
    assert LINK.findall(text) == [link]


def test_people_stand_by_department_with_their_duties(http: Client) -> None:
    page = seen(http, "/_local/people")
    told = {
        re.sub(r"\s+", " ", section.all("h2")[0].text).strip(): [
            (row.all("h3")[0].text, row.all("p")[0].text) for row in section.all("li")
        ]
        for section in page.all("section")
    }
    assert list(told) == ["Center", "Marketing", "没有职责 Without a duty"]
    assert [name for name, _ in told["Marketing"]] == [LIAISON.name, HEAD.name]
    assert "部门专人" in told["Marketing"][0][1]
    assert [name for name, _ in told["没有职责 Without a duty"]] == [IDLE.name]


def test_a_person_is_one_press_away_from_a_sign_in_mail_and_one_from_the_mailbox(http: Client) -> None:
    page = seen(http, "/_local/people")
    forms = page.all("form", action="/sign-in", method="post")
    assert [form.all("input")[0].attributes["value"] for form in forms] == [
        person.email for person in (EDITOR, LIAISON, HEAD, IDLE)
    ]
    links = [link.attributes["href"] for link in page.all("a", class_="button")]
    assert links[0] == f"/_local/mail?to={EDITOR.email.replace('@', '%40')}"


def test_every_role_has_its_words() -> None:
    assert set(ROLES) == set(Role)


@pytest.mark.parametrize("path", ["/_local", "/_local/"])
def test_the_beginning_leads_everywhere_and_its_own_links_lead_somewhere(http: Client, path: str) -> None:
    links = {link.attributes["href"] for link in seen(http, path).all("a")}
    assert {"/_local/people", "/_local/mail", "/archive", "/_local/site/internal/index.html"} <= links
    for link in sorted(links):
        if link.startswith("/_local") and "site" not in link:
            answer = http.get(link)
            assert answer.status_code == 200 or answer.location == ACCOUNT, link


def test_pages_find_their_stylesheet(http: Client) -> None:
    (sheet,) = seen(http, "/_local/").all("link", rel="stylesheet")
    assert http.get(sheet.attributes["href"]).content_type == "text/css; charset=utf-8"


@pytest.mark.parametrize("path", ["/_local", "/_local/", "/_local/mail", "/_local/people", "/_local/mail/x"])
def test_the_laptops_pages_are_only_read(http: Client, path: str) -> None:
    assert http.post(path).status_code == 405
    assert http.head(path).data == b""


def test_an_empty_roster_has_nobody(mails: list[Sent]) -> None:
    http = Client(Front(app=app, mails=lambda: mails, people=Roster, site=nowhere))
    assert http.get("/_local/people").json == []
    assert not seen(http, "/_local/people").all("li")
