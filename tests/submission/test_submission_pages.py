"""The form of the liaison's desk (clauses 3.1.1, 3.1.2, 3.1.3): every fault at its field, and nothing lost."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from urllib.parse import unquote

import pytest

from app import app
from chalicelib.core import messages
from chalicelib.core.validation import schema, time_zones
from chalicelib.people.model import Person, Role
from chalicelib.publication.model import DeliveryState
from chalicelib.submission.filling import COMMON_ZONES
from chalicelib.submission.model import Reason, State
from chalicelib.submission.pages.requests import FIELDS
from tests.browsing import Browser
from tests.faults import FaultyAws
from tests.submission.desk_visits import (
    BODY,
    NEW,
    TITLE,
    Fields,
    faults_at,
    fill_in,
    handed_in,
    submissions,
    told_in,
    typed,
    unlabelled,
    words_of,
)
from tests.world import EDITOR, EXECUTIVE, HEAD, LIAISON, OTHER_LIAISON, PEOPLE, World, a_person, a_world
from tests.xss import VECTORS, harm_in, harm_in_body, skeleton

TWICE = a_person("twice", (Role.LIAISON, "marketing"), (Role.LIAISON, "research"))
EMPLOYEE = a_person("employee", (Role.EMPLOYEE, "marketing"))
ENGLISH = a_person("english", (Role.LIAISON, "marketing"), language="en")
AWS = FaultyAws()
RULES = schema("submission").rules["properties"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, TWICE, EMPLOYEE, ENGLISH, aws=AWS) as world:
        yield world


# The form


def test_a_request_is_handed_in_with_a_browser(world: World) -> None:
    """Clauses 2.1.1, 3.1.1 and 3.1.2; clause 3.1.3: the declaration is recorded with person and time."""
    shown = fill_in(world, Browser(world, LIAISON), channels=["website", "email"])
    assert shown.status == 200
    assert "已提交" in shown.html
    submission = shown.path.rpartition("/")[2]
    form = world.record(submission)["form"]
    assert form.pop("publish_at").endswith("+00:00")
    assert form == {
        "title": TITLE,
        "summary": "五月一日八时至十八时，A 座停电检修，请提前保存数据。",
        "body": BODY,
        "keywords": ["停电", "检修"],
        "category": "notice",
        "department": "marketing",
        "drafter": LIAISON.id,
        "classification": "internal",
        "importance": "routine",
        "channels": ["website", "email"],
        "time_zone": "Etc/UTC",
        "audience": "all",
        "declaration": {"accepted": True, "version": "2026-1"},
    }
    (event,) = world.events(submission, "Submitted")
    assert (event.actor, event.payload["declaration"]["version"]) == (LIAISON.id, "2026-1")


def test_the_form_offers_what_the_schema_allows(world: World) -> None:
    """Clause 1.3.3: one standard, whoever fills it in."""
    page = Browser(world, LIAISON).get(NEW).page
    for field in ("category", "classification", "importance"):
        offered = [element.attributes["value"] for element in page.all("input", name=field)]
        assert offered == RULES[field]["enum"]
    channels = [element.attributes["value"] for element in page.all("input", name="channels")]
    assert channels == RULES["channels"]["items"]["enum"]
    (zones,) = page.all("select", name="time_zone")
    assert sorted(option.attributes["value"] for option in zones.all("option")) == sorted(time_zones())
    limits = {
        e.attributes["id"]: e.attributes["data-limit"] for e in page.walk() if "data-limit" in e.attributes
    }
    assert limits == {
        name: str(RULES[name]["maxLength"]) for name in ("title", "summary", "body", "wechat_title")
    }
    assert f"最多 {RULES['keywords']['maxItems']} 个" in page.text
    assert set(FIELDS) | {"drafter"} == set(RULES), "a field of the schema is missing from the page"


def test_the_form_says_which_classification_may_go_where(world: World) -> None:
    page = Browser(world, LIAISON).get(NEW).page
    told = {
        label.all("input")[0].attributes["value"]: words_of(label)
        for label in page.all("label")
        if label.all("input", name="classification")
    }
    assert "微信公众号" in told["public"]
    assert "微信公众号" not in told["internal"]
    assert "内网网站" not in told["confidential"]
    assert "电子邮件" in told["confidential"]


def test_nothing_weighty_is_chosen_beforehand_and_the_declaration_never_is(world: World) -> None:
    """Clause 3.1.3: whoever submits declares it, each time anew."""
    browser = Browser(world, LIAISON)
    shown = browser.get(NEW)
    chosen = set(shown.form(NEW))
    assert not chosen & {"category", "classification", "channels", "reach", "audience", "declaration"}
    assert "真实、准确、完整、合法" in shown.page.text
    for intent in ("preview", "submit"):
        again = browser.submit(shown, NEW, **typed(world, title="", intent=intent))
        assert again.status == 422
        assert "declaration" not in again.form(NEW)
        assert "再次勾选" in again.html


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_the_declaration_that_the_schema_asks_for_is_written_in_every_language(language: str) -> None:
    version = RULES["declaration"]["properties"]["version"]["const"]
    assert messages.text(f"word.declaration.{version}", language, {}) != f"word.declaration.{version}"


def test_an_empty_form_tells_every_fault_at_its_field_and_in_a_summary(world: World) -> None:
    """Clause 3.1.2: every fault at once, by field."""
    before = submissions(world)
    browser = Browser(world, LIAISON)
    shown = browser.submit(browser.get(NEW), NEW, intent="submit", importance=[], time_zone="")
    assert shown.status == 422
    wrong = ["title", "summary", "body", "category", "classification", "importance", "channels", "publish_at"]
    wrong += ["time_zone", "audience", "declaration"]
    assert [field for field, _ in told_in(shown)] == wrong
    elements = list(shown.page.walk())
    for field, text in told_in(shown):
        assert any(e.attributes.get("id") == field for e in elements), "the summary leads to the field"
        (fault,) = faults_at(shown, field)
        assert text.endswith(fault)
        described = [
            e for e in elements if f"{field}-fault" in e.attributes.get("aria-describedby", "").split()
        ]
        assert described, f"{field} does not say what is wrong with it"
        assert all(element.attributes["aria-invalid"] == "true" for element in described)
    (summary,) = shown.page.all("div", id="errors")
    assert summary.attributes.keys() >= {"autofocus", "tabindex", "role"}
    assert shown.page.all("title")[0].text.startswith("有误")
    assert submissions(world) == before


def test_everything_typed_is_kept_choices_that_do_not_exist_included(world: World) -> None:
    wrong: Fields = {
        "title": f"  {TITLE * 5} ",
        "wechat_title": "太长" * 20,
        "summary": "两行\n摘要",
        "body": "\n\n  缩进的正文\n\n",
        "keywords": "停电、停电、" + "长" * 21,
        "category": "gossip",
        "classification": "confidential",
        "importance": "vital",
        "channels": ["website", "wechat", "fax"],
        "publish_date": "2020-05-01",
        "publish_time": "08:00",
        "time_zone": "Mars/Olympus",
        "reach": "departments",
        "audience": ["marketing", "mars"],
    }
    shown = fill_in(world, Browser(world, LIAISON), **wrong)
    assert shown.status == 422
    again = shown.form(NEW)
    kept = {name: again[name] for name in wrong}
    assert kept == {name: [value] if isinstance(value, str) else value for name, value in wrong.items()}
    assert len(faults_at(shown, "channels")) == 1
    assert set(faults_at(shown, "keywords")) == {
        "停电 · 与前面的一项重复。",
        f"{'长' * 21} · 不得超过 20 个字符。",
    }
    assert faults_at(shown, "summary") == [
        "含有不允许的字符：控制字符、文字方向控制符、残缺的字符，或单行文字中的换行。"
    ]
    for field in ("title", "wechat_title", "category", "importance", "time_zone"):
        assert faults_at(shown, field), field


def test_a_fault_of_one_department_of_the_audience_is_told_at_the_audience(world: World) -> None:
    shown = fill_in(
        world,
        Browser(world, LIAISON),
        reach="departments",
        audience=["marketing", "mars"],
        channels=["email"],
    )
    assert faults_at(shown, "audience") == ["没有编号为 mars 的部门。"]
    assert ("audience", "受众：没有编号为 mars 的部门。") in told_in(shown)


def test_a_confidential_item_needs_departments_by_name(world: World) -> None:
    browser = Browser(world, LIAISON)
    shown = fill_in(world, browser, classification="confidential", channels=["email"])
    assert [field for field, _ in told_in(shown)] == ["audience"]
    submission = handed_in(
        world,
        browser,
        classification="confidential",
        channels=["email"],
        reach="departments",
        audience=["marketing", "center"],
    )
    assert world.record(submission)["audience"] == ["marketing", "center"]


def test_a_local_time_that_comes_twice_is_asked_for_and_one_that_is_skipped_is_told(world: World) -> None:
    """Clauses 3.1.2: the publish time is one instant, told in the zone that was chosen."""
    year = world.now().year + (world.now().month > 3)
    browser = Browser(world, LIAISON)
    autumn = last_sunday(year if world.now().month < 10 else world.now().year + 1, 10)
    spring = last_sunday(year, 3)
    zone = {"time_zone": "Europe/Berlin"}
    shown = fill_in(world, browser, publish_date=spring, publish_time="02:30", **zone)
    assert ["拨快时钟" in text for text in faults_at(shown, "publish_at")] == [True]
    shown = fill_in(world, browser, publish_date=autumn, publish_time="02:30", **zone)
    assert "拨慢时钟" in faults_at(shown, "publish_at")[0]
    choices = shown.page.all("input", name="fold")
    assert [choice.attributes["value"] for choice in choices] == ["0", "1"]
    assert not any("checked" in choice.attributes for choice in choices)
    preview = browser.submit(shown, NEW, fold="1", intent="preview", declaration=[])
    assert not any("拨慢" in text for text in faults_at(preview, "publish_at"))
    assert preview.form(NEW)["fold"] == ["1"]


def last_sunday(year: int, month: int) -> str:
    """The day on which Europe changes its clocks."""
    day = date(year, month, 31)
    return (day - timedelta(days=(day.weekday() + 1) % 7)).isoformat()


def test_the_wechat_title_is_asked_for_when_wechat_is_chosen_and_the_title_is_long(world: World) -> None:
    browser = Browser(world, LIAISON)
    long: Fields = {"title": "长" * 40, "classification": "public", "channels": ["wechat"]}
    assert [field for field, _ in told_in(fill_in(world, browser, **long))] == ["wechat_title"]
    submission = handed_in(world, browser, **long, wechat_title="短标题")
    assert world.record(submission)["form"]["wechat_title"] == "短标题"


def test_who_is_liaison_of_two_departments_chooses_and_who_is_of_one_need_not(world: World) -> None:
    (only,) = Browser(world, LIAISON).get(NEW).form(NEW)["department"]
    assert only == "marketing"
    shown = fill_in(world, Browser(world, TWICE))
    assert [field for field, _ in told_in(shown)] == ["department"]
    submission = handed_in(world, Browser(world, TWICE), department="research")
    assert world.record(submission, as_=TWICE)["department"] == "research"


# Preview


def test_a_preview_shows_the_text_as_readers_will_see_it_and_saves_nothing(world: World) -> None:
    browser = Browser(world, LIAISON)
    before = world.items()
    shown = fill_in(world, browser, intent="preview", declaration=[])
    assert shown.status == 200
    (paper,) = shown.page.all("article", class_="paper")
    assert [heading.text for heading in paper.all("h2")] == [TITLE, "时间"]
    assert paper.all("strong")[0].text == "五月一日"
    assert world.items() == before
    kept = shown.form(NEW)
    assert kept["body"] == [BODY]
    handed = browser.submit(shown, NEW, declaration="2026-1", intent="submit")
    submission = handed.path.rpartition("/")[2]
    (same,) = Browser(world, LIAISON).get(f"/submissions/{submission}").page.all("article", class_="paper")
    assert skeleton(same) == skeleton(paper)
    assert same.text == paper.text


def test_a_preview_tells_what_is_wrong_by_then_but_does_not_ask_for_the_declaration(world: World) -> None:
    shown = fill_in(world, Browser(world, LIAISON), intent="preview", declaration=[], summary="")
    assert shown.status == 422
    assert told_in(shown) == [("summary", "摘要：此项必填。")]
    assert shown.page.all("article", class_="paper")


def test_a_text_that_is_too_long_is_not_rendered_and_not_lost(world: World) -> None:
    body = "长" * 50_001
    shown = fill_in(world, Browser(world, LIAISON), body=body, intent="preview")
    assert not shown.page.all("article")
    assert shown.form(NEW)["body"] == [body]


def test_enter_in_a_field_previews_and_does_not_submit(world: World) -> None:
    (form,) = Browser(world, LIAISON).get(NEW).page.all("form", action=NEW)
    assert form.all("button")[0].attributes["value"] == "preview"


# Once, and nothing lost


def test_the_same_form_sent_again_is_the_same_request(world: World) -> None:
    browser = Browser(world, LIAISON)
    form = browser.get(NEW)
    fields = typed(world)
    before = submissions(world)
    first, second = (browser.submit(form, NEW, **fields) for _ in range(2))
    assert first.path == second.path
    assert len(submissions(world) - before) == 1


def test_another_text_from_the_same_page_is_asked_about_and_can_be_handed_in(world: World) -> None:
    browser = Browser(world, LIAISON)
    form = browser.get(NEW)
    first = browser.submit(form, NEW, **typed(world))
    before = submissions(world)
    shown = browser.submit(form, NEW, **typed(world, title="另一份通知"))
    assert shown.status == 409
    assert submissions(world) == before
    assert shown.form(NEW)["title"] == ["另一份通知"]
    assert shown.page.all("a", href=first.path)
    again = browser.submit(shown, NEW, declaration="2026-1", intent="submit")
    assert again.status == 200
    assert again.path != first.path


def test_a_session_that_ends_while_typing_loses_nothing(world: World) -> None:
    """50,000 characters, lists and the key come back with one more press of a button."""
    browser = Browser(world, LIAISON)
    form = browser.get(NEW)
    fields = typed(
        world,
        body="\n" + "长正文\n" * 12_499 + "完",
        channels=["website", "email", "notice_board"],
        reach="departments",
        audience=["marketing", "research"],
    )
    assert len(str(fields["body"])) == 49_998
    browser.cookies["__Host-imprimatur"] = f"{LIAISON.id}.{'A' * 43}"
    ended = browser.submit(form, NEW, **fields)
    assert ended.status == 401
    browser.cookies = Browser(world, LIAISON).cookies
    shown = browser.post(NEW, ended.form(NEW))
    assert shown.status == 403, "a form from before this session is asked for once more"
    handed = browser.post(NEW, shown.form(NEW))
    assert handed.status == 200
    form_kept = world.record(handed.path.rpartition("/")[2])["form"]
    assert form_kept["body"] == fields["body"]
    assert form_kept["channels"] == fields["channels"]
    assert form_kept["audience"] == fields["audience"]
    repeated = browser.post(NEW, shown.form(NEW))
    assert repeated.path == handed.path, "the key was kept as well"


@pytest.mark.parametrize("path", [NEW, "revise", "withdraw"])
def test_a_form_without_its_mark_or_from_another_site_changes_nothing(world: World, path: str) -> None:
    submission = handed_in(world, Browser(world, LIAISON))
    where = path if path == NEW else f"/submissions/{submission}/{path}"
    before = world.items()
    fields = typed(world)
    browser = Browser(world, LIAISON)
    assert browser.post(where, fields).status == 403
    assert browser.post(where, {**fields, "csrf": "0" * 64}).status == 403
    csrf = browser.get(NEW).form(NEW)["csrf"]
    assert browser.post(where, {**fields, "csrf": csrf}, sec_fetch_site="cross-site").status == 403
    assert Browser(world).post(where, fields).status == 401
    assert world.items() == before


# Who may


@pytest.mark.parametrize("person", [EDITOR, HEAD, EXECUTIVE, EMPLOYEE], ids=lambda person: person.id)
def test_who_is_no_liaison_is_offered_no_form_and_gets_none(world: World, person: Person) -> None:
    browser = Browser(world, person)
    assert not browser.get("/").page.all("a", href=NEW)
    assert browser.get(NEW).status == 403
    fields = typed(
        world,
        department="marketing",
        csrf=browser.get("/").page.all("input", name="csrf")[0].attributes["value"],
    )
    before = submissions(world)
    shown = browser.post(NEW, fields)
    assert shown.status == 403
    assert shown.form(NEW)["body"] == [BODY], "what was typed is kept"
    assert submissions(world) == before


def test_a_liaison_of_another_department_cannot_hand_in_for_this_one(world: World) -> None:
    """Clause 3.1.1: only a liaison of the department, now."""
    before = submissions(world)
    shown = fill_in(world, Browser(world, OTHER_LIAISON), department="marketing")
    assert shown.status == 403
    assert submissions(world) == before


@pytest.mark.parametrize("person", [OTHER_LIAISON, EMPLOYEE], ids=lambda person: person.id)
def test_a_stranger_finds_nothing_at_a_request_s_address(world: World, person: Person) -> None:
    submission = handed_in(world, Browser(world, LIAISON))
    browser = Browser(world, person)
    unknown = browser.get("/submissions/s-aaaaaaaaaaaaaaaaaaaa")
    for tail in ("", "/revise", "/withdraw"):
        shown = browser.get(f"/submissions/{submission}{tail}")
        assert shown.status == 404
        assert shown.html == unknown.html or tail
        assert TITLE not in shown.html
    csrf = browser.get("/").page.all("input", name="csrf")[0].attributes["value"]
    for tail in ("/revise", "/withdraw"):
        fields = typed(world, csrf=csrf, reason="x")
        assert browser.post(f"/submissions/{submission}{tail}", fields).status == 404
    assert world.state(submission) == "in_review"


@pytest.mark.parametrize("path", ["s-x", "S-AAAAAAAAAAAAAAAAAAAA", "s-aaaaaaaaaaaaaaaaaaaa%2F", "new;x"])
def test_an_address_that_names_no_request_is_not_found(world: World, path: str) -> None:
    assert Browser(world, LIAISON).get(f"/submissions/{path}").status == 404


@pytest.mark.parametrize("path", ["/", NEW, "/submissions/s-aaaaaaaaaaaaaaaaaaaa"])
def test_who_is_not_signed_in_is_sent_to_sign_in_and_comes_back(world: World, path: str) -> None:
    browser = Browser(world)
    assert browser.get(path).path == "/sign-in"
    assert unquote(browser.cookies["__Host-imprimatur-return"]) == path


# My requests


def test_who_may_read_nothing_is_told_so(world: World) -> None:
    shown = Browser(world, EMPLOYEE).get("/")
    assert "您目前的职责不涉及提交或查看申请" in shown.html
    assert not shown.page.all("ul", class_="rows")


# Where a request is


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_value_that_progress_tells_has_a_word(language: str) -> None:
    for kind, values in (
        ("reason", Reason),
        ("remedy", Reason),
        ("delivery", DeliveryState),
        ("state", State),
    ):
        for value in values:
            assert messages.text(f"word.{kind}.{value}", language, {}) != f"word.{kind}.{value}"


# What every page is


def test_every_page_is_well_formed_and_every_control_has_its_label(world: World) -> None:
    submission = handed_in(world, Browser(world, LIAISON))
    browser = Browser(world, LIAISON)
    pages = [
        browser.get(path)
        for path in ("/", NEW, f"/submissions/{submission}", f"/submissions/{submission}/withdraw")
    ]
    pages.append(fill_in(world, browser, title="", intent="preview"))
    pages.append(browser.submit(browser.get(NEW), NEW, intent="submit"))
    for shown in pages:
        page = shown.page
        assert unlabelled(page) == []
        assert len(page.all("h1")) == 1
        levels = [int(e.tag[1]) for e in page.walk() if re.fullmatch(r"h[1-6]", e.tag)]
        assert all(after - before <= 1 for before, after in pairwise(levels)), levels
        ids = {element.attributes["id"] for element in page.walk() if "id" in element.attributes}
        for element in page.walk():
            for name in ("aria-describedby", "aria-labelledby", "for"):
                assert set(element.attributes.get(name, "").split()) <= ids, element.attributes
        assert harm_in(page) == []
        assert "word." not in page.text


def test_pages_speak_the_reader_s_language(world: World) -> None:
    for language, heading in (("en", "New request"), ("zh-TW", "新建申請"), ("zh-CN", "新建申请")):
        shown = Browser(world, ENGLISH, language=language).get(NEW)
        assert shown.page.all("h1")[0].text == heading
    shown = Browser(world, ENGLISH, language="en").get("/")
    assert "My requests" in shown.html
    form = fill_in(world, Browser(world, ENGLISH, language="en"), title="")
    assert told_in(form) == [("title", "title: This field is required.")]


def test_the_common_zones_exist_and_the_center_s_own_is_chosen(world: World) -> None:
    assert set(COMMON_ZONES) <= set(time_zones())
    assert Browser(world, LIAISON).get(NEW).form(NEW)["time_zone"] == ["Asia/Shanghai"]


def test_pages_make_few_aws_calls(world: World) -> None:
    submission = handed_in(world, Browser(world, LIAISON))
    for _ in range(3):
        handed_in(world, Browser(world, LIAISON))
    world.cloud.settle()
    browser = Browser(world, LIAISON)
    form, fields = browser.get(NEW), typed(world)
    for path, most in (
        ("/", 6),
        (NEW, 3),
        (f"/submissions/{submission}", 4),
        (f"/submissions/{submission}/withdraw", 1),
    ):
        AWS.begin()
        assert browser.get(path).status == 200
        assert len(AWS.calls) <= most, (path, AWS.calls)
    AWS.begin()
    assert browser.send("POST", NEW, {**form.form(NEW), **fields}).status == 303
    assert len(AWS.calls) <= 2, AWS.calls


def test_the_routes_of_the_desk_take_no_json() -> None:
    posts = [
        methods["POST"]
        for route, methods in app.routes.items()
        if route.startswith("/submissions") and "POST" in methods
    ]
    assert len(posts) >= 3
    assert all(entry.content_types == ["application/x-www-form-urlencoded"] for entry in posts)


# Text stays text


def test_there_are_many_vectors_and_each_fits_into_a_line() -> None:
    assert len(set(VECTORS)) == len(VECTORS) >= 60
    assert all(vector.isprintable() and len(vector) <= 300 for vector in VECTORS)


def test_text_that_would_be_more_stays_text_on_form_and_preview(world: World) -> None:
    """The OWASP set does nothing in title, summary and body, wherever they are shown."""
    browser = Browser(world, LIAISON)
    form = browser.get(NEW).form(NEW)
    fields = {**form, **typed(world, intent="preview", declaration=[])}
    plain = skeleton(browser.post(NEW, fields).page)
    for vector in VECTORS:
        shown = browser.post(NEW, {**fields, "title": vector[:64], "summary": vector, "body": vector})
        assert shown.status == 200, vector
        page = shown.page
        assert harm_in(page) == [], vector
        assert harm_in_body(page) == [], vector
        assert skeleton(page) == plain, vector
        kept = [page.all("input", id="title")[0].attributes["value"]]
        kept += [page.all("textarea", id=name)[0].text.removeprefix("\n") for name in ("summary", "body")]
        assert kept == [vector[:64], vector, vector]


def test_text_that_would_be_more_stays_text_in_fields_with_faults(world: World) -> None:
    browser = Browser(world, LIAISON)
    names = ("wechat_title", "keywords", "category", "classification", "importance", "time_zone", "reach")
    more = ("publish_date", "publish_time", "fold", "department", "declaration", "key")
    form = browser.get(NEW).form(NEW)
    for vector in VECTORS:
        wrong = dict.fromkeys((*names, *more), vector)
        lists = {"channels": [vector], "audience": [vector]}
        shown = browser.post(NEW, {**form, **typed(world), **wrong, **lists, "title": vector * 5})
        assert shown.status == 422
        page = shown.page
        assert harm_in(page) == [], vector
        assert page.all("input", id="keywords")[0].attributes["value"] == vector
