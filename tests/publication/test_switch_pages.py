"""The brake with a browser: freezing, letting go at a second look, and what waits meanwhile (clause 5.1.2)."""

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from chalicelib.core import messages
from chalicelib.ledger.store import events_of
from chalicelib.people.model import Person
from chalicelib.publication.freeze import CHAIN, SCOPES, Outcome
from chalicelib.submission.model import Channel
from chalicelib.web.pages import moment
from tests.browsing import Browser, Shown
from tests.submission.desk_visits import faults_at, rows_of, told_in, unlabelled, words_of
from tests.world import ARCHIVIST, DIRECTOR, EDITOR, HEAD, LIAISON, PEOPLE, World, a_world
from tests.xss import VECTORS, harm_in

SWITCH, LIFT = "/publishing", "/publishing/lift"
ZONE = "Asia/Shanghai"
REASON = "首页误发未审核的价格表，先停下来核实。"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, DIRECTOR) as world:
        assert "发布从未暂停过" in Browser(world, EDITOR).get(SWITCH).html
        yield world


@pytest.fixture(autouse=True)
def free(world: World) -> Iterator[None]:
    """No test's freeze is left to the next one."""
    yield
    for scope in frozen_now(world):
        world.unfreeze(scope)
    world.finish()


def text_of(shown: Shown) -> str:
    (main,) = shown.page.all("main")
    return words_of(main)


def frozen_now(world: World) -> list[str]:
    return [freeze.scope for freeze in world.parts.freezing.present().at(world.now())]


def frozen(world: World, as_: Person = EDITOR, **typed: str) -> Shown:
    """Freeze with a browser."""
    browser = Browser(world, as_)
    return browser.submit(browser.get(SWITCH), SWITCH, **({"scope": "all", "reason": REASON} | typed))


def lifted(world: World, scope: str = "all", **typed: str) -> Shown:
    browser = Browser(world, DIRECTOR)
    look = browser.get(f"{LIFT}?scope={scope}")
    return browser.submit(look, LIFT, **({"reason": "已核实，没有问题。"} | typed))


def test_one_page_freezes_and_says_who_why_and_since_when(world: World) -> None:
    """Clause 5.1.2: one page switch stops all channels."""
    before = Browser(world, EDITOR).get(SWITCH)
    assert words_of(before.page.all("section", aria_labelledby="state")[0]).count("照常发布") == len(
        world.parts.adapters
    )
    shown = frozen(world)
    assert (shown.status, shown.path) == (200, SWITCH)
    assert frozen_now(world) == ["all"]
    (notice,) = shown.page.all("section", class_="notice")
    for said in ("全部渠道已暂停发布", REASON, EDITOR.name, "直到有人恢复"):
        assert said in words_of(notice)
    *_, event = events_of(world.plain_table, CHAIN)
    assert moment(event.at, ZONE) in words_of(notice)
    assert words_of(shown.page.all("section", aria_labelledby="state")[0]).count("已暂停") == 1 + len(Channel)
    assert not notice.all("a"), "an editor does not let go"
    assert "恢复发布由中心主任进行" in shown.html


def test_it_is_found_in_the_navigation_by_whoever_may_freeze_and_by_nobody_else(world: World) -> None:
    for person in (EDITOR, DIRECTOR):
        browser = Browser(world, person)
        assert browser.get("/").page.all("a", href=SWITCH)
        assert browser.get(SWITCH).status == 200
    for person in (LIAISON, HEAD, ARCHIVIST):
        browser = Browser(world, person)
        assert not browser.get("/").page.all("a", href=SWITCH)
        assert browser.get(SWITCH).status == 403
        assert browser.get(f"{LIFT}?scope=all").status == 403
        form = {**browser.get("/me").form("/me/announcements"), "scope": "all", "reason": REASON}
        assert browser.post(SWITCH, form).status == 403
        assert browser.post(LIFT, form).status == 403
    assert Browser(world).get(SWITCH).path == "/sign-in"
    assert frozen_now(world) == []


def test_an_end_is_typed_by_the_centers_clocks_and_shown_by_them(world: World) -> None:
    until = (world.now() + timedelta(days=1)).astimezone(ZoneInfo(ZONE)).replace(second=0, microsecond=0)
    shown = frozen(world, scope="email", until_date=f"{until:%Y-%m-%d}", until_time=f"{until:%H:%M}")
    (freeze,) = world.parts.freezing.present().at(world.now())
    assert freeze.until == until
    assert f"{until:%Y-%m-%d %H:%M}" in words_of(shown.page.all("section", class_="notice")[0])
    assert ZONE in words_of(shown.page.all("span", id="until-hint")[0])


def test_what_is_wrong_is_told_at_its_field_and_nothing_typed_is_lost(world: World) -> None:
    browser = Browser(world, EDITOR)
    form = browser.get(SWITCH)
    typed = {"reason": " \n ", "until_date": "2026-13-01", "until_time": "25:00"}
    shown = browser.submit(form, SWITCH, **typed)
    assert shown.status == 422
    assert {field for field, _ in told_in(shown)} == {"scope", "reason", "until"}
    for field in ("scope", "reason", "until"):
        assert faults_at(shown, field), field
    assert {name: shown.form(SWITCH)[name] for name in typed} == {
        name: [text] for name, text in typed.items()
    }
    past = browser.submit(
        form, SWITCH, scope="email", reason="甲", until_date="2020-01-01", until_time="08:00"
    )
    assert (past.status, {field for field, _ in told_in(past)}) == (422, {"until"})
    assert past.form(SWITCH)["scope"] == ["email"]
    long = browser.submit(form, SWITCH, scope="all", reason="长" * 501)
    assert {field for field, _ in told_in(long)} == {"reason"}
    assert long.form(SWITCH)["reason"] == ["长" * 501]
    assert frozen_now(world) == []


def test_an_editor_cannot_end_it_sooner_by_freezing_again(world: World) -> None:
    frozen(world)
    soon = (world.now() + timedelta(hours=1)).astimezone(ZoneInfo(ZONE))
    shown = frozen(world, until_date=f"{soon:%Y-%m-%d}", until_time=f"{soon:%H:%M}")
    assert (shown.status, {field for field, _ in told_in(shown)}) == (422, {"until"})
    assert "中心主任" in faults_at(shown, "until")[0]


def test_letting_go_takes_a_second_look_that_lists_what_waits_and_what_becomes_of_it(world: World) -> None:
    """Clause 5.1.2: what was due meanwhile is listed when the freeze ends."""
    frozen(world)
    submission = world.publish(title="等候的通知")
    browser = Browser(world, DIRECTOR)
    switch = browser.get(SWITCH)
    assert "等候的通知" in words_of(switch.page.all("section", aria_labelledby="waits")[0])
    (link,) = switch.page.all("a", href=f"{LIFT}?scope=all")
    look = browser.get(link.attributes["href"])
    assert rows_of(look) == [submission]
    assert messages.text("word.outcome.goes_on", "zh-Hans", {}) in text_of(look)
    assert frozen_now(world) == ["all"], "looking lets nothing go"
    done = browser.submit(look, LIFT, reason="已核实，没有问题。")
    assert (done.status, done.path) == (200, SWITCH)
    assert frozen_now(world) == []
    (history,) = done.page.all("section", aria_labelledby="history")
    for said in ("已核实，没有问题。", DIRECTOR.name, "等候过的申请：1 份", "等候的通知", "自动继续发布"):
        assert said in words_of(history)
    assert history.all("a", href=f"/submissions/{submission}")
    world.finish()
    assert world.state(submission) == "archived"


def test_letting_go_without_a_reason_is_told_and_lets_nothing_go(world: World) -> None:
    frozen(world)
    shown = lifted(world, reason="  ")
    assert (shown.status, shown.path) == (422, LIFT)
    assert faults_at(shown, "reason")
    assert frozen_now(world) == ["all"]


def test_a_freeze_that_changed_since_the_second_look_is_looked_at_again(world: World) -> None:
    frozen(world)
    browser = Browser(world, DIRECTOR)
    look = browser.get(f"{LIFT}?scope=all")
    frozen(world, reason="又发现一处误发。")
    late = browser.submit(look, LIFT, reason="已核实第一处。")
    assert late.status == 409
    assert "又发现一处误发。" in text_of(late)
    assert late.form(LIFT)["reason"] == ["已核实第一处。"]
    assert frozen_now(world) == ["all"]
    assert browser.submit(late, LIFT).status == 200, "now it has been seen"
    assert frozen_now(world) == []


def test_what_is_not_frozen_any_more_is_told(world: World) -> None:
    frozen(world)
    browser = Browser(world, DIRECTOR)
    look = browser.get(f"{LIFT}?scope=all")
    lifted(world)
    late = browser.submit(look, LIFT, reason="来迟")
    assert late.status == 409
    assert "没有暂停" in text_of(late)
    for scope in ("email", "nonsense", ""):
        assert "没有暂停" in text_of(browser.get(f"{LIFT}?scope={scope}"))


def test_a_foreign_page_and_a_stale_form_change_nothing(world: World) -> None:
    browser = Browser(world, DIRECTOR)
    form = {**browser.get(SWITCH).form(SWITCH), "scope": "all", "reason": REASON}
    assert browser.post(SWITCH, form, sec_fetch_site="cross-site").status == 403
    assert browser.post(SWITCH, {**form, "csrf": "x"}).status == 403
    assert Browser(world).post(SWITCH, form).status == 401
    assert frozen_now(world) == []
    frozen(world)
    form = {**browser.get(f"{LIFT}?scope=all").form(LIFT), "reason": "放行"}
    assert browser.post(LIFT, form, sec_fetch_site="cross-site").status == 403
    again = browser.post(LIFT, {**form, "csrf": "x"})
    assert again.status == 403
    assert "放行" in again.html, "what was typed is kept"
    assert frozen_now(world) == ["all"]


def test_the_requests_own_page_and_the_list_say_that_it_waits_and_why_to_who_may_know(world: World) -> None:
    """Clause 5.1.2: what was due meanwhile waits."""
    frozen(world, scope="website")
    submission = world.publish(channels=["website", "email"])
    path = f"/submissions/{submission}"
    for person, told in ((LIAISON, False), (HEAD, False), (EDITOR, True), (DIRECTOR, True)):
        browser = Browser(world, person)
        page, listed = browser.get(path), browser.get("/")
        for shown in (page, listed):
            assert "内网网站已暂停发布" in text_of(shown)
            assert "电子邮件已暂停发布" not in text_of(shown)
        assert (REASON in page.html) is told
    lifted(world, "website")
    assert "暂停发布" not in text_of(Browser(world, LIAISON).get(path))


def test_a_request_that_does_not_use_a_frozen_channel_says_nothing_of_it(world: World) -> None:
    frozen(world, scope="email")
    submission = world.submit()
    world.cloud.settle()
    assert "暂停发布" not in text_of(Browser(world, LIAISON).get(f"/submissions/{submission}"))
    world.approve()
    assert "暂停发布" not in text_of(Browser(world, LIAISON).get(f"/submissions/{submission}"))


def test_a_freeze_by_command_and_one_that_ended_by_itself_are_told_as_such(world: World) -> None:
    world.freeze("email", until=world.now() + timedelta(minutes=1))
    with world.later(minutes=2):
        world.parts.sweeper.sweep()
        history = words_of(
            Browser(world, EDITOR).get(SWITCH).page.all("section", aria_labelledby="history")[0]
        )
        assert "到期自动恢复：电子邮件" in history
        assert "没有申请因此等候" in history


@pytest.mark.parametrize(
    ("language", "heading"), [("zh-CN", "发布开关"), ("zh-TW", "發布開關"), ("en", "Publishing switch")]
)
def test_it_speaks_the_readers_language_and_every_control_has_a_label(
    world: World, language: str, heading: str
) -> None:
    world.freeze()
    browser = Browser(world, DIRECTOR, language=language)
    assert browser.get(SWITCH).page.all("h1")[0].text == heading
    for path in (SWITCH, f"{LIFT}?scope=all"):
        assert unlabelled(browser.get(path).page) == []


def test_a_reason_that_would_be_more_stays_text(world: World) -> None:
    part = len(VECTORS) // 9
    browser = Browser(world, DIRECTOR)
    for start in range(0, len(VECTORS), part):
        reason = "\n".join(VECTORS[start : start + part])[:500]
        shown = browser.submit(browser.get(SWITCH), SWITCH, scope="all", reason=reason)
        assert shown.status == 200, reason
        notice = shown.page.all("section", class_="notice")[0]
        assert notice.all("dd", class_="said")[0].text == reason.strip()
        assert harm_in(shown.page) == []
        assert harm_in(browser.get(f"{LIFT}?scope=all").page) == []


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_scope_and_outcome_has_a_name(language: str) -> None:
    for kind, words in (("scope", SCOPES), ("outcome", tuple(Outcome))):
        assert len({messages.text(f"word.{kind}.{word}", language, {}) for word in words}) == len(words)
    for scope in SCOPES[1:]:
        named = [messages.text(f"word.{kind}.{scope}", language, {}) for kind in ("scope", "channel")]
        assert named[0] == named[1]
