"""Announcements with a browser: who wants them, and those of unknown outcome (clauses 4.4.2, 4.4.3)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core import messages
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Duty, Person, Role
from chalicelib.publication.channels.email.mailing import Mailing, RecipientState
from chalicelib.publication.store import read_mailing
from tests.browsing import Browser, Shown
from tests.world import ARCHIVIST, EDITOR, HEAD, LIAISON, PEOPLE, World, a_person, a_world
from tests.xss import harm_in

CHOOSE = "/me/announcements"
WILD = replace(a_person("wild", (Role.EMPLOYEE, "marketing")), name="<script>alert(1)</script>")


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(*PEOPLE, WILD) as world:
        yield world


def text_of(shown: Shown) -> str:
    (main,) = shown.page.all("main")
    return main.text


def is_subscribed(world: World, person: Person) -> bool:
    return bool(world.call("GET", "/api/v1/me/announcements", as_=person).body["subscribed"])


def test_the_name_at_the_top_leads_to_what_the_desk_knows_of_oneself(world: World) -> None:
    browser = Browser(world, LIAISON)
    (name,) = browser.get("/").page.all("a", href="/me")
    assert name.text == LIAISON.name
    shown = browser.get("/me")
    assert shown.status == 200
    for known in (LIAISON.name, LIAISON.email, "简体中文", messages.text("word.role.liaison", "zh-Hans", {})):
        assert known in text_of(shown)
    assert HEAD.email not in shown.html


def test_only_duties_that_count_now_are_shown() -> None:
    now = datetime.now(UTC)
    duties = (
        Duty(
            role=Role.ARCHIVIST,
            department="marketing",
            since=now - timedelta(days=2),
            until=now - timedelta(1),
        ),
        Duty(role=Role.SITE_ADMIN, department="marketing", since=now + timedelta(days=1)),
        Duty(
            role=Role.EMPLOYEE,
            department="marketing",
            since=now - timedelta(1),
            until=now + timedelta(days=9),
        ),
    )
    changing = replace(WILD, duties=duties)
    with a_world(*PEOPLE, changing) as world:
        shown = Browser(world, changing).get("/me")
        (listed,) = shown.page.all("ul", class_="duties")
        (item,) = listed.all("li")
        assert messages.text("word.role.employee", "zh-Hans", {}) in item.text
        assert f"{now + timedelta(days=9):%Y-%m}" in item.text


def test_one_button_stops_announcements_and_the_same_one_resumes_them(world: World) -> None:
    """Clause 4.4.2."""
    browser = Browser(world, LIAISON)
    stopped = browser.submit(browser.get("/me"), CHOOSE)
    assert (stopped.path, stopped.status) == ("/me", 200)
    assert "群发邮件已停止" in text_of(stopped)
    assert not is_subscribed(world, LIAISON)
    assert is_subscribed(world, HEAD), "nobody else is concerned"
    resumed = browser.submit(stopped, CHOOSE)
    assert "群发邮件已恢复" in text_of(resumed)
    assert is_subscribed(world, LIAISON)


def test_a_foreign_page_a_stale_form_and_nonsense_change_nothing(world: World) -> None:
    browser = Browser(world, LIAISON)
    form = browser.get("/me").form(CHOOSE)
    assert browser.post(CHOOSE, form, sec_fetch_site="cross-site").status == 403
    assert browser.post(CHOOSE, {**form, "csrf": "x"}).status == 403
    assert browser.post(CHOOSE, {**form, "subscribed": "maybe"}).status == 422
    assert Browser(world).post(CHOOSE, form).status == 401
    assert is_subscribed(world, LIAISON)


def test_who_is_not_signed_in_is_asked_to(world: World) -> None:
    assert Browser(world).get("/me").path == "/sign-in"


def test_a_page_that_a_mail_leads_to_leads_on_to_oneself(world: World) -> None:
    shown = Browser(world).get(f"/u/{'A' * 43}")
    assert shown.page.all("a", href="/me")


@pytest.mark.parametrize(
    ("language", "heading"), [("zh-CN", "现任职责"), ("zh-TW", "現任職責"), ("en", "Present duties")]
)
def test_it_speaks_the_readers_language_and_a_name_stays_text(
    world: World, language: str, heading: str
) -> None:
    shown = Browser(world, WILD, language=language).get("/me")
    assert heading in text_of(shown)
    assert WILD.name in text_of(shown)
    assert harm_in(shown.page) == []


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_role_has_a_name(language: str) -> None:
    names = {messages.text(f"word.role.{role}", language, {}) for role in Role}
    assert len(names) == len(Role)


# Mails of unknown outcome


def mailing_of(world: World, submission: str) -> Mailing:
    mailing = read_mailing(world.plain_table, submission, 1)
    assert mailing is not None
    return mailing


def one_lost(world: World) -> str:
    """A published request, one of whose mails nobody knows of."""
    submission = world.publish(channels=["email"], audience=["marketing"])
    before = mailing_of(world, submission).recipients[0]
    after = replace(before, state=RecipientState.UNKNOWN)
    change = {"person": before.person, "before": before.state, "after": after.state}
    draft = Draft(
        type="RecipientsChanged",
        cause=Cause(actor="service:publication", correlation_id="c-test"),
        payload={"revision": 1, "channel": "email", "changes": [change]},
    )
    head = world.plain_journal.head(submission)
    put = world.parts.email_channel.put(submission, 1, before, after)
    world.plain_journal.commit(head, head, [draft], [put])
    return submission


def settling(submission: str) -> str:
    return f"/submissions/{submission}/unknown-mails"


@pytest.mark.parametrize(("answer", "becomes"), [("yes", "sent"), ("no", "abandoned")])
def test_an_editor_lets_mails_of_unknown_outcome_go_out_again_or_be(
    world: World, answer: str, becomes: str
) -> None:
    """Clause 4.4.3."""
    submission = one_lost(world)
    browser, page = Browser(world, EDITOR), f"/submissions/{submission}"
    shown = browser.get(page)
    assert "1 位收件人的邮件结果不明" in text_of(shown)
    assert "会收到两次" in text_of(shown)
    done = browser.submit(shown, settling(submission), resend=answer)
    assert (done.status, done.path) == (200, page)
    assert not done.page.all("form", action=settling(submission))
    world.finish()
    states = [each.state for each in mailing_of(world, submission).recipients]
    assert states.count(RecipientState(becomes)) == (len(states) if becomes == "sent" else 1)
    assert messages.text(f"word.recipient.{becomes}", "zh-Hans", {}) in text_of(browser.get(page))


def test_others_only_read_how_many_there_are(world: World) -> None:
    """Clause 5.3.1."""
    submission = one_lost(world)
    for person in (LIAISON, HEAD, ARCHIVIST):
        browser = Browser(world, person)
        shown = browser.get(f"/submissions/{submission}")
        assert "结果不明 1" in text_of(shown)
        assert not shown.page.all("form", action=settling(submission))
        form = {**browser.get("/me").form(CHOOSE), "resend": "yes"}
        assert browser.post(settling(submission), form).status == 403
    stranger = Browser(world, WILD)
    form = {**stranger.get("/me").form(CHOOSE), "resend": "yes"}
    assert stranger.post(settling(submission), form).status == 404
    assert len(mailing_of(world, submission).in_state(RecipientState.UNKNOWN)) == 1


def test_an_answer_that_is_none_or_comes_from_elsewhere_settles_nothing(world: World) -> None:
    submission = one_lost(world)
    browser = Browser(world, EDITOR)
    form = browser.get(f"/submissions/{submission}").form(settling(submission))
    assert browser.post(settling(submission), form).status == 422
    assert browser.post(settling(submission), {"resend": "yes"}).status == 403
    foreign = browser.post(settling(submission), {**form, "resend": "yes"}, sec_fetch_site="cross-site")
    assert foreign.status == 403
    assert len(mailing_of(world, submission).in_state(RecipientState.UNKNOWN)) == 1


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_state_of_a_recipient_has_a_name(language: str) -> None:
    names = {messages.text(f"word.recipient.{state}", language, {}) for state in RecipientState}
    assert len(names) == len(RecipientState)
