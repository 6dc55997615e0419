"""Reviewing with a browser (clauses 3.2.2, 3.2.3, 3.3.4): looking shows, and only a filled-in form decides."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chalicelib import bootstrap
from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.bootstrap import Parts
from chalicelib.core.clock import to_second_text
from chalicelib.core.errors import FieldError, InvalidInput
from chalicelib.core.http import Exchange
from chalicelib.core.ids import new_secret
from chalicelib.identity.caller import Visit
from chalicelib.identity.proofs import Proofs
from chalicelib.identity.service.enrolling import Standing
from chalicelib.people.model import Person
from chalicelib.review.pages import reviews as review_pages
from chalicelib.review.service import OpenedLink
from tests.browsing import Browser, Element, Shown, read_page
from tests.world import EDITOR, HEAD, LIAISON, PEOPLE, REVIEWERS, STAGES, World, a_world
from tests.xss import VECTORS, harm_in, harm_in_body, skeleton


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


def opened(world: World, reviewer: Person = EDITOR, handle: str | None = None) -> Shown:
    """What the reviewer's newest link shows."""
    world.cloud.settle()
    return Browser(world, reviewer).post("/r", {"handle": handle or world.links(reviewer)[0]})


def filled_in(shown: Shown, decision: str = "approve", **changes: str) -> dict[str, list[str] | str]:
    """The form of a review page with a complete opinion."""
    items = sorted({e.attributes["name"] for e in shown.page.all("input", type="radio")} - {"decision"})
    passed = {item: "yes" if decision == "approve" or item != items[0] else "no" for item in items}
    comment = "同意。" if decision == "approve" else "请补充联系电话。"
    return {**shown.form("/r/decision"), **passed, "decision": decision, "comment": comment, **changes}


def decide(world: World, reviewer: Person, decision: str = "approve", **changes: str) -> Shown:
    shown = opened(world, reviewer)
    return Browser(world, reviewer).post("/r/decision", filled_in(shown, decision, **changes))


def section(shown: Shown, heading: str) -> Element:
    (found,) = shown.page.all("section", aria_labelledby=heading)
    return found


def test_a_submission_is_approved_by_three_reviewers_with_browsers(world: World) -> None:
    submission = world.submit()
    for stage in STAGES:
        shown = decide(world, REVIEWERS[stage])
        assert shown.status == 200
        assert "审核意见已记录" in shown.html
    world.finish()
    assert world.state(submission) == "archived"


def test_the_page_shows_the_text_as_readers_will_see_it(world: World) -> None:
    world.submit(body="## 时间\n\n**五月一日**\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))")
    text = section(opened(world), "text")
    assert [heading.text for heading in text.all("h2")][1:] == ["关于五一期间办公区停电检修的通知", "时间"]
    assert text.all("strong")[0].text == "五月一日"
    assert not text.all("script")
    assert not text.all("a")


def test_nothing_is_chosen_before_the_reviewer_chooses(world: World) -> None:
    world.submit()
    form = opened(world).form("/r/decision")
    assert set(form) == {"csrf", "handle", "content_digest", "comment"}
    assert form["comment"] == [""]


def test_an_empty_form_is_shown_with_every_fault_at_its_field_and_decides_nothing(world: World) -> None:
    submission = world.submit()
    shown = opened(world)
    again = Browser(world, EDITOR).post("/r/decision", shown.form("/r/decision"))
    assert again.status == 422
    assert world.events(submission, "Decided") == []
    (form,) = again.page.all("form", action="/r/decision")
    marked = [field.attributes for field in form.all("fieldset") if field.attributes.get("aria-invalid")]
    assert len(marked) == len(form.all("fieldset"))


def test_what_is_wrong_is_told_first_in_the_order_of_the_page_and_leads_to_its_field(world: World) -> None:
    world.submit()
    shown = opened(world)
    empty = shown.form("/r/decision")
    again = Browser(world, EDITOR).post("/r/decision", empty)
    summary, targets = summary_of(again)
    items = [e.attributes["name"] for e in shown.page.all("input", type="radio", value="yes")]
    assert targets == [*items, "decision"]
    assert [link.text.partition("：")[0] for link in summary.all("a")] == [
        *(f"第 {number} 项" for number in range(1, len(items) + 1)),
        "决定",
    ]
    assert again.page.all("title")[0].text.startswith("有误：")
    for typed, target in (
        (
            filled_in(shown, "reject", **dict.fromkeys(items, "yes")),
            items[0],
        ),  # none fails: that concerns them all
        (filled_in(shown, "reject", comment=" "), "comment"),
    ):
        assert summary_of(Browser(world, EDITOR).post("/r/decision", typed))[1] == [target]


def summary_of(shown: Shown) -> tuple[Element, list[str]]:
    """What is heard first, and the fields that it leads to, all of which can have the focus."""
    (summary,) = shown.page.all("div", id="errors")
    assert summary.attributes.keys() >= {"autofocus", "tabindex"}
    assert (summary.attributes["role"], summary.attributes["tabindex"]) == ("alert", "-1")
    targets = [link.attributes["href"].removeprefix("#") for link in summary.all("a")]
    focusable = {
        element.attributes.get("id")
        for element in shown.page.walk()
        if element.tag in {"input", "textarea", "select"}
    }
    assert focusable >= set(targets)
    return summary, targets


def test_a_return_without_reason_is_told_and_keeps_what_was_typed(world: World) -> None:
    submission = world.submit()
    shown = opened(world)
    typed = filled_in(shown, "request_changes", comment="  ")
    again = Browser(world, EDITOR).post("/r/decision", typed)
    assert again.status == 422
    kept = again.form("/r/decision")
    assert {name: kept[name] for name in typed if name != "csrf"} == {
        name: value if isinstance(value, list) else [value] for name, value in typed.items() if name != "csrf"
    }
    (comment,) = again.page.all("textarea", id="comment")
    assert comment.attributes["aria-invalid"] == "true"
    assert world.state(submission) == "in_review"


def test_a_long_comment_is_kept_when_it_is_too_long(world: World) -> None:
    world.submit()
    comment = "\n第一行\n" + "很长" * 1500
    again = decide(world, EDITOR, "reject", comment=comment)
    assert again.status == 422
    assert again.form("/r/decision")["comment"] == [comment]


def test_a_later_reviewer_sees_what_the_earlier_ones_said(world: World) -> None:
    world.submit()
    decide(world, EDITOR, comment="数据已与财务核对。")
    history = section(opened(world, HEAD), "history")
    assert "数据已与财务核对。" in history.text
    assert EDITOR.name in history.text


def test_a_second_round_shows_the_changes_and_why_it_was_returned(world: World) -> None:
    at = to_second_text(world.now() + timedelta(hours=1)).replace("Z", "+00:00")
    submission = world.submit(publish_at=at)
    decide(world, EDITOR, "request_changes")
    world.cloud.settle()
    world.resubmit(submission, publish_at=at, body="## 时间\n\n五月二日。", channels=["website", "email"])
    shown = opened(world)
    assert "请补充联系电话。" in section(shown, "history").text
    changed = section(shown, "changed")
    assert [heading.text for heading in changed.all("h3")] == ["发布渠道", "正文"]
    assert [line.text for line in changed.all("ins")] == ["内网网站、电子邮件", "二日。"]


def test_the_recorded_decision_is_all_that_a_used_link_shows(world: World) -> None:
    world.submit()
    decide(world, EDITOR, comment="同意。")
    shown = opened(world, EDITOR)
    recorded = section(shown, "recorded").text
    assert "同意。" in recorded
    assert EDITOR.name in recorded
    assert EDITOR.id not in recorded
    assert shown.page.all("form", action="/r/decision") == []


def test_the_same_press_twice_records_one_opinion(world: World) -> None:
    submission = world.submit()
    typed = filled_in(opened(world))
    first, second = (Browser(world, EDITOR).post("/r/decision", typed) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    assert len(world.events(submission, "Decided")) == 1


def test_another_opinion_than_the_recorded_one_is_told_so(world: World) -> None:
    submission = world.submit()
    shown = opened(world)
    Browser(world, EDITOR).post("/r/decision", filled_in(shown))
    second = Browser(world, EDITOR).post("/r/decision", filled_in(shown, "reject"))
    assert second.status == 409
    summary, targets = summary_of(second)
    assert "已有决定" in summary.text
    assert targets == []
    assert [event.payload["decision"] for event in world.events(submission, "Decided")] == ["approve"]


@pytest.mark.parametrize("path", ["/r", "/r/decision"])
def test_another_persons_link_and_an_unknown_one_look_the_same(world: World, path: str) -> None:
    world.submit()
    typed = filled_in(opened(world))
    browser = Browser(world, LIAISON)
    (mark,) = browser.post("/sign-out", {}).form("/sign-out")["csrf"]
    theirs, unknown = (
        browser.post(path, typed | {"csrf": mark, "handle": handle})
        for handle in (world.links(EDITOR)[0], new_secret())
    )
    assert theirs.status == unknown.status == 404
    assert theirs.html == unknown.html


def test_without_a_session_a_link_leads_to_signing_in_and_changes_nothing(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    handle = world.links(EDITOR)[0]
    before = world.items()
    stranger = Browser(world)
    assert stranger.send("POST", "/r", {"handle": handle}).headers["location"] == "/sign-in"
    shown = stranger.post("/r/decision", {"handle": handle, "decision": "approve"})
    assert shown.status == 401
    assert shown.form("/r/decision")["decision"] == ["approve"]
    assert world.items() == before
    assert world.state(submission) == "in_review"


def test_an_opinion_typed_before_the_session_ended_needs_two_presses_and_no_typing(world: World) -> None:
    submission = world.submit()
    typed = filled_in(opened(world), comment="同意，措辞很好。")
    browser = Browser(world, EDITOR)
    interrupted = browser.post("/r/decision", typed | {"csrf": "of the session before"})
    assert interrupted.status == 403
    shown = browser.post("/r/decision", interrupted.form("/r/decision"))
    assert shown.status == 200
    assert [event.payload["comment"] for event in world.events(submission, "Decided")] == ["同意，措辞很好。"]


def test_no_page_names_a_handle_in_its_address(world: World) -> None:
    world.submit()
    shown = opened(world)
    handle = world.links(EDITOR)[0]
    addresses = [
        value
        for element in shown.page.walk()
        for name, value in element.attributes.items()
        if name in {"href", "src", "action"}
    ]
    assert all(handle not in address for address in addresses)


def test_text_that_would_be_more_stays_text_on_the_review_page() -> None:
    """The OWASP set does nothing in the text, the differences, file names, names, opinions and what was typed."""
    people = [replace(person, name=VECTORS[n]) for n, person in enumerate(PEOPLE)]
    half = len(VECTORS) // 2
    comments = ["\n".join(VECTORS[:half]), "\n".join(VECTORS[half:])]
    with a_world(*people) as world:
        submission = world.submit()
        decide(world, EDITOR, "request_changes", comment=comments[0])
        world.cloud.settle()
        world.resubmit(submission, body="一")
        decide(world, EDITOR, comment=comments[1])
        world.cloud.settle()
        handle, decisions = world.links(HEAD)[0], world.parts.decisions
        head, found = world.parts.sessions.person(world.token(HEAD), world.parts.links.key(handle))
        link = decisions.open(head, handle, found)
        bootstrap.use(as_read_once(world.parts, decisions.history(link)))
        plain = skeleton(reviewed(link, head, "x"))
        for vector in VECTORS:
            page = reviewed(link, head, vector)
            assert harm_in(page) == [], vector
            assert harm_in_body(page) == [], vector
            assert skeleton(page) == plain, vector
            (paper,) = page.all("article")
            assert paper.all("h2")[0].text == vector[:64]
            assert page.all("textarea", id="comment")[0].text == f"\n{vector}"
            assert page.all("ul", class_="files")[0].all("a")[0].text == vector
            assert [line.text for line in page.all("ins")] == [vector[:64], vector, vector, vector]
            assert [each.text for each in page.all("p", class_="said")] == comments


def as_read_once(parts: Parts, history: object) -> Parts:
    """Parts that answer a review page what they answered before, without asking the table each time."""
    persons, departments = (
        parts.people.persons(tuple(each.id for each in PEOPLE)),
        parts.people.all_departments(),
    )
    people = SimpleNamespace(persons=lambda _: persons, all_departments=lambda: departments)
    decisions = SimpleNamespace(history=lambda _: history)
    nobody = SimpleNamespace(could_stand_in=lambda *_: ())
    known = {
        "audiences": parts.audiences,
        "handing_over": nobody,
        "decisions": decisions,
        "people": people,
        "procedures": parts.procedures,
        "submission_desk": parts.submission_desk,
    }
    return cast("Parts", SimpleNamespace(settings=parts.settings, **known))


def reviewed(link: OpenedLink, reviewer: Person, text: str) -> Element:
    """The page of a link, wherever somebody has written something with this text instead, sent back with a fault."""
    assert link.revision is not None
    file = Attachment(id="a-1", name=text, media_type=MediaType.CSV, size=1, sha256="0" * 64)
    form = replace(
        link.revision.form,
        title=text[:64],
        summary=text,
        body=text,
        keywords=(text,),
        wechat_title=text,
    )
    changes: list[dict[str, Any]] = [
        {
            "field": "title",
            "before": "x",
            "after": text[:64],
            "pieces": [{"change": "added", "text": text[:64]}],
        },
        {"field": "summary", "before": "x", "after": text},
        {"field": "attachments", "before": [], "after": [file.id]},
        {
            "field": "body",
            "passages": [[[{"change": change, "text": text} for change in ("removed", "added", "kept")]]],
        },
    ]
    opened_link = replace(
        link,
        head=replace(link.head, title=text[:64]),
        revision=replace(link.revision, form=form, attachments=(file,)),
        changes=changes,
    )
    request = SimpleNamespace(
        headers={}, query_params=None, to_original_event=lambda: {"path": "/r/decision"}
    )
    shown = review_pages.review_page(
        Exchange(request),
        Visit(person=reviewer, csrf="x", duties=reviewer.duties),
        text,
        opened_link,
        standing=Standing(proofs=Proofs(person=reviewer.id), proved=None),
        typed={"decision": text, "comment": text},
        error=InvalidInput((FieldError(pointer="/comment", code="blank"),)),
    )
    return read_page(shown.body)
