"""People are told at once, in their language, once each, and with no secret in it (clause 3.2.3)."""

import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from app import app
from chalicelib.notices.store import notice_key
from chalicelib.submission.model import form_from_document
from chalicelib.submission.store import put_revision
from tests.browsing import Element, read_page
from tests.faults import Fault, FaultyAws, Mode
from tests.infra.lambda_events import a_message
from tests.notices.told import about, returned
from tests.world import EDITOR, HEAD, LIAISON, MISSED, World, a_world
from tests.xss import VECTORS, shapes

AWS = FaultyAws()
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=AWS) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    AWS.begin()
    world.cloud.settle()


def test_who_handed_it_in_is_told_why_it_came_back_and_where_to_look(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Clause 3.2.3: fail: tell the submitter why, ask for changes, at once."""
    caplog.set_level(logging.INFO)
    submission = returned(world)
    (mail,) = about(world, submission)
    assert mail.to == LIAISON.email
    assert mail.subject == "退回修改：关于五一期间办公区停电检修的通知"
    assert "部门负责人审核" in mail.text
    assert "> 请补充联系电话。\n> 并核对日期。" in mail.text.replace("\r\n", "\n")
    assert "- 内容与本部门实际工作相符，符合现行业务规定。" in mail.text
    assert mail.links == (f"https://desk.test/submissions/{submission}",)
    assert not SECRET.search(mail.text + mail.html)
    assert not re.search(r"[\w.]+@[\w.]+", caplog.text)


def test_a_refusal_is_told_with_its_reasons(world: World) -> None:
    """Clause 3.3.4: fail: reasons."""
    submission = world.submit()
    world.cloud.settle()
    world.decide(EDITOR, "reject", comment="与公司业务无关。")
    world.cloud.settle()
    (mail,) = about(world, submission)
    assert mail.to == LIAISON.email
    assert "不予发布" in mail.subject
    assert "与公司业务无关。" in mail.text


def test_a_publication_is_told_with_number_channels_and_address(world: World) -> None:
    submission = world.publish()
    (mail,) = about(world, submission)
    assert mail.to == LIAISON.email
    assert world.record(submission)["catalog_number"] in mail.text
    assert f"- 内网网站 https://site.test/internal/{submission}/1/index.html" in mail.text


def test_reviewers_who_were_asked_are_told_that_they_need_not_any_more(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    world.withdraw(submission, "日期改期。")
    world.cloud.settle()
    (mail,) = about(world, submission)
    assert mail.to == EDITOR.email
    assert "无需再审核" in mail.subject
    assert "日期改期。" in mail.text


def test_where_nobody_reviews_nobody_is_told_of_a_withdrawal(world: World) -> None:
    submission = returned(world)
    before = len(about(world, submission))
    world.withdraw(submission)
    world.cloud.settle()
    assert len(about(world, submission)) == before


def test_a_confidential_title_and_comment_stay_out_of_mails(world: World) -> None:
    """Clause 1.3.4: no leak."""
    submission = returned(
        world, title="收购蓝鲸公司", classification="confidential", channels=["email"], audience=["marketing"]
    )
    (mail,) = about(world, submission)
    everything = mail.subject + mail.text + mail.html
    assert "蓝鲸" not in everything
    assert "联系电话" not in everything
    assert "（机密事项）" in mail.subject
    assert "- 内容与本部门实际工作相符" in mail.text


def page_about(world: World, submission: str) -> Element:
    """The newest notice about a submission, as if its id were `s`."""
    return read_page(about(world, submission)[0].html.replace(submission, "s"))


def test_hostile_words_stay_words_in_a_notice(world: World) -> None:
    calm = shapes(page_about(world, returned(world, comment="请补充。")))
    middle = len(VECTORS) // 2
    for vectors in (VECTORS[:middle], VECTORS[middle:]):  # so many as a comment may be long
        page = page_about(world, returned(world, comment="\n".join(vectors)))
        lines = Counter({("br", ()): len(vectors) - 1})
        assert shapes(page) == calm + lines
        (quotation,) = page.all("blockquote")
        assert "".join(quotation.parts) == "".join(vectors)


def test_a_hostile_title_stays_a_title_in_a_notice(world: World) -> None:
    submission = returned(world)
    calm = shapes(page_about(world, submission))
    (event,) = [e for e in world.events(submission, "Decided") if e.payload["decision"] != "approve"]
    present = world.plain_journal.revision(submission, 1)
    title = " ".join(VECTORS)  # more at once than a request may have
    form = form_from_document({**present.form.document, "title": title})
    world.plain_table.put(replace(put_revision(replace(present, form=form)), condition=None))
    world.plain_table.delete(notice_key(event.id, LIAISON.id))
    app.handler_map["send_notices"](message_of(world, submission, "n-hostile"), None)
    page = page_about(world, submission)
    assert shapes(page) == calm
    assert page.all("title")[0].text == f"退回修改：{title}"
    assert f"《{title}》" in page.text


def test_an_overdue_review_is_asked_for_in_other_words(world: World) -> None:
    """Clause 3.3.4: reminders."""
    submission = world.submit()
    world.cloud.settle()
    work = {"submission": submission, "revision": 1, "attempt": 1, "stage": "initial"}
    for steps in (1, MISSED - 1):
        world.let_lie(submission, steps=steps)
        world.parts.rounds.open_stage(work, "another-token")
    overdue, reminder, first = [mail for mail in world.cloud.mails() if mail.to == EDITOR.email][:3]
    assert first.subject == "请审核：关于五一期间办公区停电检修的通知"
    assert reminder.subject == "提醒审核：关于五一期间办公区停电检修的通知"
    assert overdue.subject == "已逾期，请尽快审核：关于五一期间办公区停电检修的通知"
    assert "新的期限" in overdue.text
    assert len({overdue.message_id, reminder.message_id, first.message_id}) == 3, "each link is another mail"


def test_records_and_messages_that_come_twice_and_in_any_order_tell_once(world: World) -> None:
    world.cloud.pumps.duplicate = True
    world.cloud.pumps.shuffle = random.Random(7)  # noqa: S311 - an order for a test
    try:
        submission = returned(world)
    finally:
        world.cloud.pumps.duplicate = False
        world.cloud.pumps.shuffle = None
    world.cloud.settle()
    assert len(about(world, submission)) == 1


def message_of(world: World, submission: str, name: str) -> dict[str, object]:
    (event,) = [e for e in world.events(submission, "Decided") if e.payload["decision"] != "approve"]
    return a_message({"id": name, "submission": submission, "seq": event.seq})


def test_what_was_confirmed_is_never_told_again(world: World) -> None:
    submission = returned(world)
    for name in ("n-another", "n-another", "n-third"):
        answer = app.handler_map["send_notices"](message_of(world, submission, name), None)
        assert answer == {"batchItemFailures": []}
    assert len(about(world, submission)) == 1


@pytest.mark.parametrize("mode", Mode)
def test_a_notice_is_told_at_least_once_whatever_call_goes_wrong(
    world: World, mode: Mode, record_property: Callable[[str, object], None]
) -> None:
    submission = world.submit()
    world.approve("initial")
    world.cloud.settle()
    opinion = world.opinion(HEAD, "request_changes")
    for name in ("outbox", "notices"):
        world.parts.__dict__.pop(name, None)
    usual = world.parts.outbox.queue
    held: list[str] = []
    world.parts.__dict__["outbox"] = replace(world.parts.outbox, queue=held.append)
    assert world.call("POST", "/api/v1/review-links/decision", opinion, as_=HEAD).status == 200
    world.cloud.settle()
    world.parts.__dict__["outbox"] = replace(world.parts.outbox, queue=usual)
    (event,) = [e for e in world.events(submission, "Decided") if e.payload["decision"] != "approve"]
    AWS.begin()
    batch = a_message({"id": "n-0", "submission": submission, "seq": event.seq})
    before = world.items()
    app.handler_map["send_notices"](batch, None)
    points = AWS.points()
    record_property("figure", f"one notice: {len(points)} calls, each {mode}")
    mails = len(about(world, submission))
    assert mails == 1
    for nth, point in enumerate(points):
        world.put_back(before)
        AWS.begin(Fault(point=point, mode=mode))
        again = app.handler_map["send_notices"](batch, None)
        assert bool(again["batchItemFailures"]) == (mode is not Mode.TWICE), point
        app.handler_map["send_notices"](batch, None)
        sent = len(about(world, submission)) - mails
        unheard = point.label == "SendEmail" and mode is not Mode.BEFORE
        confirming = (
            point.label.startswith("PutItem NOTICE") and nth == len(points) - 1 and mode is Mode.BEFORE
        )
        assert sent == (2 if unheard or confirming else 1), point
        mails = len(about(world, submission))
    assert len({mail.message_id for mail in about(world, submission)}) == 1, "a repeat is the same mail"
    world.cloud.settle()
