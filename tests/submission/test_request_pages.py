"""My requests, where a request is, revising and withdrawing, with a browser (clause 3.2.3)."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

import pytest

from chalicelib.core import messages
from chalicelib.core.clock import from_text
from chalicelib.core.ids import new_secret
from chalicelib.core.listing import PAGE
from chalicelib.people.model import Department, Role
from chalicelib.web.pages import moment
from tests.browsing import Browser
from tests.submission.desk_visits import (
    NEW,
    Fields,
    faults_at,
    handed_in,
    rows_of,
    steps_of,
    told_in,
    typed,
    words_of,
)
from tests.world import (
    EDITOR,
    HEAD,
    LIAISON,
    MISSED,
    OTHER_LIAISON,
    PEOPLE,
    PROCEDURE,
    World,
    a_person,
    a_roster,
    a_world,
)
from tests.xss import VECTORS, harm_in, harm_in_body, skeleton

SECOND = a_person("second", (Role.LIAISON, "marketing"))


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(*PEOPLE, SECOND) as world:
        yield world


# The form


def test_an_audience_of_two_hundred_departments_fits_into_the_form() -> None:
    roster = a_roster(*PEOPLE)
    more = tuple(Department(id=f"d-{number}", name=f"第 {number} 部", code="BMX") for number in range(200))
    with a_world(roster=replace(roster, departments=(*roster.departments, *more))) as world:
        submission = handed_in(
            world, Browser(world, LIAISON), reach="departments", audience=[each.id for each in more]
        )
        assert len(world.record(submission)["audience"]) == 200


# My requests


def test_requests_are_listed_newest_first_and_page_by_page(world: World) -> None:
    browser = Browser(world, LIAISON)
    made = [handed_in(world, browser, title=f"第 {number} 号") for number in range(PAGE + 3)]
    first = browser.get("/")
    assert rows_of(first) == made[: -PAGE - 1 : -1]
    (onward,) = first.page.all("a", rel="next")
    second = browser.get(onward.attributes["href"])
    assert rows_of(second) == made[2::-1]
    assert not second.page.all("a", rel="next")


def test_requests_are_filtered_by_state_and_department(world: World) -> None:
    browser = Browser(world, LIAISON)
    mine, withdrawn = handed_in(world, browser), handed_in(world, browser)
    theirs = world.submit(as_=OTHER_LIAISON, department="research")
    assert world.withdraw(withdrawn).status == 200
    assert rows_of(browser.get("/?state=withdrawn&department=")) == [withdrawn]
    assert rows_of(Browser(world, EDITOR).get("/?state=&department=research")) == [theirs]
    assert rows_of(Browser(world, EDITOR).get("/?state=in_review")) == [theirs, mine]
    assert rows_of(browser.get("/")) == [withdrawn, mine]
    none = browser.get("/?state=archived")
    assert none.status == 200
    assert "没有符合条件的申请" in none.html
    assert browser.get("/?state=nonsense").status == 422
    assert browser.get("/?cursor=nonsense").status == 400


def test_a_row_says_where_it_is_with_whom_until_when_and_what_is_next(world: World) -> None:
    submission = handed_in(world, Browser(world, LIAISON))
    assert "初审：正在通知审核人。" in words_of(Browser(world, LIAISON).get("/").page)
    world.cloud.settle()
    (task,) = world.events(submission, "TaskOpened")
    text = words_of(Browser(world, LIAISON).get("/").page.all("ul", class_="rows")[0])
    assert "审核中" in text
    assert "初审：等待Editor提出意见，期限" in text
    assert "通过后进入部门负责人审核。" in text
    assert moment(from_text(task.payload["deadline"]), "Asia/Shanghai") in text
    assert "等待您审核" not in text
    assert "等待您审核" in words_of(Browser(world, EDITOR).get("/").page)
    with world.later(days=10):
        assert "已逾期" in words_of(Browser(world, LIAISON).get("/").page)


def test_an_empty_list_says_what_to_do_next(world: World) -> None:
    assert "新建申请" in Browser(world, LIAISON).get("/").page.all("div", class_="empty")[0].text
    reviewer = Browser(world, HEAD).get("/")
    (where,) = reviewer.page.all("p", class_="notice")
    assert where.all("a", href="/tasks"), "what waits for a reviewer is on the own desk"
    assert not reviewer.page.all("a", href=NEW)


# Where a request is


def test_progress_tells_every_step_up_to_the_archive_and_leads_to_what_was_published(world: World) -> None:
    submission = handed_in(world, Browser(world, LIAISON), channels=["website", "notice_board"])
    path = f"/submissions/{submission}"
    browser = Browser(world, LIAISON)
    marks = [mark for mark, _ in steps_of(browser.get(path))]
    assert marks == ["done", "now", "to_come", "to_come", "to_come", "to_come"]
    world.approve("initial")
    world.cloud.settle()
    steps = steps_of(browser.get(path))
    assert [mark for mark, _ in steps] == ["done", "done", "now", "to_come", "to_come", "to_come"]
    assert "初审：通过Editor" in steps[1][1]
    assert "同意。" in steps[1][1]
    assert "等待Head提出意见，期限" in steps[2][1]
    world.approve("department_head", "executive")
    shown = browser.get(path)
    assert [mark for mark, _ in steps_of(shown)][-3:] == ["now", "to_come", "to_come"]
    assert "审核已全部通过，将于" in words_of(shown.page)
    world.finish()
    shown = browser.get(path)
    assert {mark for mark, _ in steps_of(shown)} == {"done"}
    text = words_of(shown.page)
    assert "内网网站：已发布" in text
    assert "宣传栏：已发布" in text
    record = world.record(submission)
    for delivery in record["deliveries"]:
        (url,) = delivery["receipt"]["urls"]
        assert shown.page.all("a", href=url)
    links = {unquote(link.attributes["href"]) for link in shown.page.all("a")}
    assert f"/archive/{record['catalog_number']}" in links
    assert not shown.page.all("a", href=f"{path}/withdraw")


def test_a_return_is_shown_with_reasons_and_leads_to_a_revision(world: World) -> None:
    """Clause 3.2.3: the submitter is told why, and asked for changes."""
    submission = handed_in(world, Browser(world, LIAISON))
    world.cloud.settle()
    world.decide(EDITOR, "request_changes")
    shown = Browser(world, LIAISON).get(f"/submissions/{submission}")
    (failed,) = [
        item
        for item in PROCEDURE.checklist("initial")
        if not world.record(submission)["opinions"][0]["checklist"][item.id]
    ]
    assert steps_of(shown)[-1][0] == "stopped"
    assert "初审：退回修改Editor" in steps_of(shown)[-1][1]
    assert f"✗ {failed.text['zh-Hans']}" in steps_of(shown)[-1][1]
    assert "请补充联系电话。" in steps_of(shown)[-1][1]
    assert shown.page.all("a", href=f"/submissions/{submission}/revise")
    reader = Browser(world, HEAD).get(f"/submissions/{submission}")
    assert reader.status == 200
    assert not reader.page.all("a", href=f"/submissions/{submission}/revise")
    assert Browser(world, HEAD).get(f"/submissions/{submission}/revise").status == 403


def test_a_missed_deadline_and_a_refusal_are_told(world: World) -> None:
    submission = handed_in(world, Browser(world, LIAISON))
    world.cloud.settle()
    world.let_lie(submission)
    browser = Browser(world, LIAISON)
    step = steps_of(browser.get(f"/submissions/{submission}"))[1][1]
    assert step.count("提醒。") == MISSED
    assert "已过，已再次提醒" in step
    world.decide(EDITOR, "reject")
    shown = browser.get(f"/submissions/{submission}")
    assert [mark for mark, _ in steps_of(shown)] == ["done", "stopped"]
    assert "此申请到此为止" in shown.html
    assert not shown.page.all("a", href=f"/submissions/{submission}/revise")


def test_who_needs_a_person_is_told_why_and_what_to_do() -> None:
    with a_world(LIAISON) as world:
        submission = handed_in(world, Browser(world, LIAISON))
        world.cloud.settle()
        assert world.state(submission) == "needs_person"
        browser = Browser(world, LIAISON)
        shown = browser.get(f"/submissions/{submission}")
        text = words_of(shown.page)
        assert messages.text("word.reason.no_reviewer", "zh-Hans", {}) in text
        assert messages.text("word.remedy.no_reviewer", "zh-Hans", {}) in text
        assert [mark for mark, _ in steps_of(shown)] == ["done", "stopped"]
        again = browser.get(f"/submissions/{submission}/revise")
        assert messages.text("word.reason.no_reviewer", "zh-Hans", {}) in words_of(again.page)


# Revising


@pytest.fixture
def returned(world: World) -> str:
    submission = handed_in(
        world, Browser(world, LIAISON), channels=["website", "email"], keywords="power outage、"
    )
    world.cloud.settle()
    opinion = world.opinion(EDITOR, "request_changes")
    opinion["checklist"] |= {"basic_requirements": False}
    assert world.call("POST", "/api/v1/review-links/decision", opinion, as_=EDITOR).status == 200
    return submission


def test_a_revision_begins_with_the_present_text_and_the_reasons_of_its_return(
    world: World, returned: str
) -> None:
    """Clause 3.2.3: what is asked for stands on top, and at the fields that it is about."""
    path = f"/submissions/{returned}/revise"
    shown = Browser(world, LIAISON).get(path)
    assert shown.status == 200
    form = shown.form(path)
    sent = world.record(returned)["form"]
    assert {name: form[name] for name in ("title", "body", "channels")} == {
        "title": [sent["title"]],
        "body": [sent["body"]],
        "channels": sent["channels"],
    }
    assert "declaration" not in form
    (reasons,) = shown.page.all("section", aria_labelledby="returned")
    assert "请补充联系电话。" in reasons.text
    item = {each.id: each for each in PROCEDURE.checklist("initial")}["basic_requirements"]
    assert item.text["zh-Hans"] in reasons.text
    assert item.fields
    for field in item.fields:
        (hint,) = shown.page.all("span", id=f"{field}-hint")
        assert item.text["zh-Hans"] in hint.text, field


def test_a_revision_is_handed_in_and_may_be_sent_twice(world: World, returned: str) -> None:
    path = f"/submissions/{returned}/revise"
    browser = Browser(world, LIAISON)
    form = browser.get(path)
    now = {"publish_date": f"{world.now():%Y-%m-%d}", "publish_time": f"{world.now():%H:%M}"}
    fields: Fields = {"title": "补充通知", "declaration": "2026-1", "intent": "submit", **now}
    for _ in range(2):
        shown = browser.submit(form, path, **fields)
        assert shown.path == f"/submissions/{returned}"
        assert "已提交" in shown.html
    record = world.record(returned)
    assert (record["revision"], record["title"], record["state"]) == (2, "补充通知", "in_review")
    assert record["form"]["keywords"] == ["power outage"]
    assert [mark for mark, _ in steps_of(shown)][:4] == ["done", "stopped", "done", "now"]


def test_a_wrong_revision_is_told_at_its_fields_and_previews(world: World, returned: str) -> None:
    path = f"/submissions/{returned}/revise"
    browser = Browser(world, SECOND)
    form = browser.get(path)
    shown = browser.submit(form, path, title="", department="research", declaration="2026-1", intent="submit")
    assert shown.status == 422
    assert {field for field, _ in told_in(shown)} >= {"title", "department"}
    preview = browser.submit(form, path, title="预览的标题", intent="preview")
    assert preview.page.all("article")[0].all("h2")[0].text == "预览的标题"
    assert world.record(returned)["revision"] == 1


def test_a_text_that_reviewers_look_at_cannot_be_revised_and_nothing_typed_is_lost(
    world: World, returned: str
) -> None:
    path = f"/submissions/{returned}/revise"
    late, quick = Browser(world, LIAISON), Browser(world, SECOND)
    form = late.get(path)
    fields = typed(world)
    assert quick.submit(quick.get(path), path, **fields).status == 200
    shown = late.submit(form, path, **(fields | {"title": "来迟的修改"}))
    assert shown.status == 409
    assert "审核中" in shown.html
    assert shown.form(path)["title"] == ["来迟的修改"]
    assert late.get(path).status == 409


def test_a_planned_time_that_has_passed_is_pointed_out(world: World, returned: str) -> None:
    with world.later(hours=1):
        assert "原定的时间已过" in Browser(world, LIAISON).get(f"/submissions/{returned}/revise").html


# Withdrawing


def test_a_request_is_withdrawn_after_a_second_look(world: World) -> None:
    submission = handed_in(world, Browser(world, LIAISON))
    browser = Browser(world, LIAISON)
    (link,) = browser.get(f"/submissions/{submission}").page.all(
        "a", href=f"/submissions/{submission}/withdraw"
    )
    path = link.attributes["href"]
    shown = browser.get(path)
    assert world.state(submission) == "in_review", "looking withdraws nothing"
    done = browser.submit(shown, path, reason="内容\n有误。")
    assert done.path == f"/submissions/{submission}"
    assert "已撤回" in done.html
    assert world.events(submission, "Withdrawn")[0].payload["reason"] == "内容\n有误。"
    assert "有误。" in steps_of(done)[-1][1]
    assert browser.submit(shown, path, reason="再来").status == 200, "a repeat changes nothing"
    assert len(world.events(submission, "Withdrawn")) == 1
    assert browser.get(path).status == 409


def test_a_reason_that_is_too_long_is_told_and_kept(world: World) -> None:
    submission = handed_in(world, Browser(world, LIAISON))
    path = f"/submissions/{submission}/withdraw"
    browser = Browser(world, LIAISON)
    shown = browser.submit(browser.get(path), path, reason="长" * 2001)
    assert shown.status == 422
    assert shown.form(path)["reason"] == ["长" * 2001]
    assert faults_at(shown, "reason")
    assert world.state(submission) == "in_review"


def test_what_is_rejected_meanwhile_is_told_when_it_is_to_be_withdrawn(world: World) -> None:
    submission = handed_in(world, Browser(world, LIAISON))
    path = f"/submissions/{submission}/withdraw"
    browser = Browser(world, LIAISON)
    form = browser.get(path)
    world.cloud.settle()
    world.decide(EDITOR, "reject")
    shown = browser.submit(form, path, reason="来迟")
    assert shown.status == 409
    assert shown.form(path)["reason"] == ["来迟"]


# Text stays text


def test_text_that_would_be_more_stays_text_in_lists_and_records(world: World) -> None:
    browser = Browser(world, LIAISON)
    form = {**browser.get(NEW).form(NEW), **typed(world, keywords="停电")}
    plain = skeleton(browser.post(NEW, form).page)
    for vector in VECTORS:
        text: Fields = {"title": vector[:64], "summary": vector, "body": vector, "key": new_secret()}
        text["keywords"] = re.sub(r"[、,，;；\s]", "", vector)[:20]
        shown = browser.post(NEW, {**form, **text})
        assert shown.status == 200, vector
        page = shown.page
        assert harm_in(page) == [], vector
        assert harm_in_body(page) == [], vector
        assert skeleton(page) == plain, vector
        assert page.all("h1")[0].text == vector[:64]
    listed = browser.get("/")
    assert harm_in(listed.page) == []
    assert "<script>alert" not in listed.html


def test_text_that_would_be_more_stays_text_in_comments_and_reasons(world: World) -> None:
    half = len(VECTORS) // 2
    for comment in ("\n".join(VECTORS[:half]), "\n".join(VECTORS[half:])):
        assert len(comment) <= 2000
        submission = handed_in(world, Browser(world, LIAISON))
        world.cloud.settle()
        assert world.decide(EDITOR, "request_changes", comment=comment).status == 200
        browser = Browser(world, LIAISON)
        for path in (f"/submissions/{submission}", f"/submissions/{submission}/revise"):
            shown = browser.get(path)
            assert harm_in(shown.page) == []
            assert [p.text for p in shown.page.all("p", class_="said")] == [comment]
        path = f"/submissions/{submission}/withdraw"
        done = browser.submit(browser.get(path), path, reason=comment)
        assert harm_in(done.page) == []
        assert [p.text for p in done.page.all("p", class_="said")] == [comment, comment]
