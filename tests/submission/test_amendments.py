"""An editor amends a text in initial review, and its drafter confirms or declines that (clause 2.1.3)."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.people.model import Person, Role
from chalicelib.review.store import tasks_of
from tests.browsing import Browser
from tests.faults import FaultyAws
from tests.notices.told import about
from tests.submission.desk_visits import faults_at, steps_of, told_in, words_of
from tests.world import (
    EDITOR,
    HEAD,
    LIAISON,
    PEOPLE,
    REVIEWERS,
    SECOND_EDITOR,
    Answer,
    Gate,
    World,
    a_person,
    a_world,
)

TWO_DUTIES = a_person("two-duties", (Role.CENTER_EDITOR, "center"), (Role.LIAISON, "marketing"))
COLLEAGUE = a_person("colleague", (Role.LIAISON, "marketing"))
STATED = {"accepted": True, "version": "2026-1"}
TITLE = "关于五一期间办公区停电检修的通知（已核改）"
AWS = FaultyAws()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, SECOND_EDITOR, TWO_DUTIES, COLLEAGUE, aws=AWS) as world:
        yield world


@pytest.fixture
def submission(world: World) -> str:
    """A submission in its initial review, whose links are the newest."""
    world.cloud.settle()
    submission = world.submit()
    world.cloud.settle()
    return submission


def amendment(record: Mapping[str, Any], **changes: object) -> dict[str, Any]:
    """What an editor sends to change only the title, and what is given here."""
    form = {n: v for n, v in record["form"].items() if n not in {"department", "drafter", "declaration"}}
    said = {"title": TITLE, "reason": "统一标题的写法。", "content_digest": record["content_digest"]}
    return {**form, **said, **changes}


def amend(world: World, submission: str, as_: Person = EDITOR, **changes: object) -> Answer:
    said = amendment(world.record(submission), **changes)
    return world.call("POST", f"/api/v1/submissions/{submission}/amendment", said, as_=as_)


def confirm(
    world: World, submission: str, decision: str = "confirm", as_: Person = LIAISON, **changes: object
) -> Answer:
    said = {"decision": decision, "content_digest": world.record(submission)["content_digest"]}
    said |= {"declaration": STATED} if decision == "confirm" else {"reason": "日期本来无误。"}
    return world.call("POST", f"/api/v1/submissions/{submission}/confirmation", {**said, **changes}, as_=as_)


def told(answer: Answer) -> set[tuple[str, str]]:
    return {(error["pointer"], error["code"]) for error in answer.body["errors"]}


def test_what_an_editor_amends_waits_for_its_drafter_and_then_goes_through_every_stage(
    world: World, submission: str
) -> None:
    """Clauses 2.1.3 and 3.1.3: edited by the center, answered for by the drafter."""
    before = world.record(submission)
    answer = amend(world, submission)
    assert (answer.status, answer.body["revision"]) == (201, 2)
    assert answer.body["state"] == "awaiting_confirmation"
    shown = world.record(submission)
    assert (shown["title"], shown["stage"], shown["drafter"]) == (TITLE, None, LIAISON.id)
    assert "declaration" not in shown["form"], "nobody has answered for this text"
    assert shown["amendment"]["amended_by"] == EDITOR.id
    assert [change["field"] for change in shown["amendment"]["diff"]] == ["title"]
    assert world.parts.journal.revision(submission, 1).form.document == before["form"]
    assert world.parts.journal.revision(submission, 2).amended_by == EDITOR.id
    world.cloud.settle()
    (asked,) = about(world, submission)
    assert (asked.to, asked.subject) == (LIAISON.email, f"请确认编辑的修改：{TITLE}")
    assert f"/submissions/{submission}/confirm" in asked.text
    assert "统一标题的写法。" in asked.text

    assert confirm(world, submission).body["state"] == "in_review"
    world.cloud.settle()
    shown = world.record(submission)
    assert (shown["stage"], shown["amendment"]) == ("initial", None)
    (confirmed,) = world.events(submission, "AmendmentConfirmed")
    assert (confirmed.actor, confirmed.payload["declaration"]) == (LIAISON.id, STATED)
    (task,) = (each for each in tasks_of(world.plain_table, submission) if each.revision == 2)
    assert set(task.reviewers) == {SECOND_EDITOR.id, TWO_DUTIES.id}, "never whoever amended it"
    for reviewer in (SECOND_EDITOR, HEAD, REVIEWERS["executive"]):
        world.cloud.settle()
        assert world.decide(reviewer).status == 200
    world.finish()
    assert world.state(submission) == "archived"


def test_what_is_declined_gives_way_to_the_text_before_it_with_its_very_digest(
    world: World, submission: str
) -> None:
    before = world.record(submission)
    amend(world, submission)
    assert confirm(world, submission, "decline").body["state"] == "in_review"
    again = confirm(world, submission, "decline")
    assert again.status == 409, "the digest that is now seen is another"
    shown = world.record(submission)
    assert (shown["revision"], shown["stage"], shown["title"]) == (3, "initial", before["title"])
    assert (shown["form"], shown["content_digest"]) == (before["form"], before["content_digest"])
    world.cloud.settle()
    (task,) = (each for each in tasks_of(world.plain_table, submission) if each.revision == 3)
    assert EDITOR.id not in task.reviewers
    (declined,) = (mail for mail in about(world, submission) if mail.to == EDITOR.email)
    assert declined.subject == f"不同意修改：{TITLE}"
    assert "日期本来无误。" in declined.text


def test_a_drafter_may_answer_an_amendment_with_a_text_of_their_own_or_withdraw(
    world: World, submission: str
) -> None:
    amend(world, submission)
    assert world.resubmit(submission, title="另拟的标题").body["state"] == "in_review"
    world.cloud.settle()
    assert confirm(world, submission).status == 409
    assert amend(world, submission, SECOND_EDITOR).body["state"] == "awaiting_confirmation"
    assert world.withdraw(submission).body["state"] == "withdrawn"
    assert [event.payload["revision"] for event in world.events(submission, "Amended")] == [2, 4]


def test_every_fault_is_told_at_once_and_what_is_the_departments_stays_the_departments(
    world: World, submission: str
) -> None:
    """Clause 3.1.2: all errors at once, by field."""
    wrong = amend(
        world,
        submission,
        title="",
        reason=" ",
        department="research",
        drafter=EDITOR.id,
        declaration=STATED,
        classification="public",
        channels=["fax"],
        audience=["nowhere"],
        attachments=[f"a-{'a' * 20}"],
    )
    assert wrong.status == 422
    assert told(wrong) == {
        ("/title", "blank"),
        ("/reason", "blank"),
        ("/department", "unknown_field"),
        ("/drafter", "unknown_field"),
        ("/declaration", "unknown_field"),
        ("/classification", "classification_lowered"),
        ("/channels/0", "not_one_of"),
        ("/audience/0", "unknown_department"),
        ("/attachments/0", "not_of_this_request"),
    }
    assert told(amend(world, submission, classification="confidential")) == {
        ("/audience", "audience_list_required"),
        ("/channels/0", "channel_not_allowed"),
    }
    unchanged = world.record(submission)["form"]["title"]
    with world.later(days=1):
        assert told(amend(world, submission, title=unchanged)) == {("", "nothing_changed")}
        assert told(amend(world, submission, publish_at="2026-01-01T00:00:00Z")) == {
            ("/publish_at", "in_the_past")
        }
    assert amend(world, submission, content_digest="0" * 64).body["code"] == "text_changed"
    assert world.state(submission) == "in_review"


def test_only_who_may_make_the_initial_review_amends_and_only_while_it_is_due(
    world: World, submission: str
) -> None:
    for person in (LIAISON, HEAD):
        assert amend(world, submission, person).status == 403
    own = world.submit(as_=TWO_DUTIES)
    world.cloud.settle()
    said = amendment(world.record(own))
    path = f"/api/v1/submissions/{own}/amendment"
    assert world.call("POST", path, said, as_=TWO_DUTIES).status == 403, "never one's own text"
    world.decide(SECOND_EDITOR)
    late = world.call("POST", path, said, as_=EDITOR)
    assert (late.status, late.body["code"]) == (409, "illegal_transition")


def test_an_editor_confirms_nothing_of_their_own_and_a_colleague_who_confirms_answers_for_it(
    world: World, submission: str
) -> None:
    amend(world, submission, TWO_DUTIES)
    assert confirm(world, submission, as_=TWO_DUTIES).status == 403
    assert confirm(world, submission, as_=HEAD).status == 403
    first = confirm(world, submission, as_=COLLEAGUE)
    assert first.status == 200
    (confirmed,) = world.events(submission, "AmendmentConfirmed")
    assert confirmed.actor == COLLEAGUE.id
    head = world.plain_journal.head(submission)
    assert (head.drafter, set(head.co_drafters)) == (LIAISON.id, {COLLEAGUE.id, TWO_DUTIES.id})


def test_the_same_again_is_the_same(world: World, submission: str) -> None:
    said = amendment(world.record(submission))
    path = f"/api/v1/submissions/{submission}"
    first, again = (world.call("POST", f"{path}/amendment", said, as_=EDITOR) for _ in range(2))
    assert (first.status, again.status, again.body["revision"]) == (201, 201, 2)
    digest = world.record(submission)["content_digest"]
    answer = {"decision": "confirm", "content_digest": digest, "declaration": STATED}
    assert {world.call("POST", f"{path}/confirmation", answer, as_=LIAISON).status for _ in "ab"} == {200}
    assert [len(world.events(submission, kind)) for kind in ("Amended", "AmendmentConfirmed")] == [1, 1]


def test_of_two_editors_and_one_who_approves_at_once_one_stands(world: World, submission: str) -> None:
    said = amendment(world.record(submission))
    path = f"/api/v1/submissions/{submission}/amendment"
    opinion = world.opinion(TWO_DUTIES)

    def act(number: int) -> int:
        if number == 2:
            decision = "/api/v1/review-links/decision"
            return world.call("POST", decision, opinion, as_=TWO_DUTIES).status
        return world.call("POST", path, said, as_=(EDITOR, SECOND_EDITOR)[number]).status

    AWS.watch = Gate(f"SUBMISSION#{submission}", 3)
    with ThreadPoolExecutor(3) as pool:
        answers = sorted(pool.map(act, range(3)))
    AWS.watch = None
    assert len([status for status in answers if status < 300]) == 1, answers
    happened = [event.type for event in world.events(submission) if event.type in {"Amended", "Decided"}]
    assert len(happened) == 1, happened


def test_an_editor_amends_at_the_page_and_the_drafter_sees_what_changed_and_confirms(
    world: World, submission: str
) -> None:
    """Clause 2.1.3: from the review, by the form that the liaison knows, to the drafter's declaration."""
    editor, page = Browser(world, EDITOR), f"/submissions/{submission}"
    review = editor.post("/r", {"handle": world.links(EDITOR)[0]})
    assert [a.attributes["href"] for a in review.page.all("a") if a.text == "修改文稿"] == [f"{page}/amend"]
    form = editor.get(f"{page}/amend")
    offered = {e.attributes["value"] for e in form.page.all("input", name="classification")}
    assert offered == {"internal", "confidential"}, "never lower"
    assert not {"department", "drafter", "declaration"} & form.form(f"{page}/amend").keys() - {"department"}
    wrong = editor.submit(form, f"{page}/amend", title="", channels=["website"], intent="submit")
    assert (wrong.status, [field for field, _ in told_in(wrong)]) == (422, ["title", "reason"])
    assert wrong.form(f"{page}/amend")["summary"] == form.form(f"{page}/amend")["summary"]
    preview = editor.submit(wrong, f"{page}/amend", title=TITLE, reason="统一写法。", intent="preview")
    assert (preview.status, world.state(submission)) == (200, "in_review")
    sent = editor.submit(preview, f"{page}/amend", intent="submit")
    assert (sent.path, sent.status) == (page, 200)
    assert "已发给拟稿人确认" in sent.html
    assert "等待Liaison确认" in dict(steps_of(sent))["now"]

    drafter = Browser(world, LIAISON)
    assert f'href="{page}/confirm"' in drafter.get("/").html
    asked = drafter.get(f"{page}/confirm")
    (added,) = asked.page.all("ins")
    assert (added.text, faults_at(asked, "decision")) == ("（已核改）", [])
    nothing = drafter.submit(asked, f"{page}/confirm")
    assert [field for field, _ in told_in(nothing)] == ["decision"]
    silent = drafter.submit(asked, f"{page}/confirm", decision="confirm")
    assert [field for field, _ in told_in(silent)] == ["declaration"]
    declined = drafter.submit(asked, f"{page}/confirm", decision="decline", reason=" ")
    assert [field for field, _ in told_in(declined)] == ["reason"]
    done = drafter.submit(asked, f"{page}/confirm", decision="confirm", declaration="2026-1")
    assert (done.path, world.state(submission)) == (page, "in_review")
    assert "确认第 2 版，并声明负责" in words_of(done.page)
    assert drafter.get(f"{page}/confirm").path == page, "answered: the mail's link leads to where it stands"
    world.cloud.settle()
    review = Browser(world, SECOND_EDITOR).post("/r", {"handle": world.links(SECOND_EDITOR)[0]})
    assert "由编辑Editor修改，申请部门已确认。" in review.html


def test_a_page_that_shows_an_older_text_changes_nothing(world: World, submission: str) -> None:
    page = f"/submissions/{submission}"
    first, second = Browser(world, EDITOR), Browser(world, SECOND_EDITOR)
    form, other = first.get(f"{page}/amend"), second.get(f"{page}/amend")
    assert (
        second.submit(other, f"{page}/amend", title=TITLE, reason="统一写法。", intent="submit").status == 200
    )
    drafter = Browser(world, LIAISON)
    asked = drafter.get(f"{page}/confirm")
    late = first.submit(form, f"{page}/amend", title="另一个标题", reason="更好。", intent="submit")
    assert late.status == 409
    assert late.form(f"{page}/amend")["title"] == ["另一个标题"], "what was typed is still there"
    assert drafter.submit(asked, f"{page}/confirm", decision="decline", reason="原题即可。").status == 200
    assert amend(world, submission, title="第三个标题").status == 201
    again = drafter.submit(asked, f"{page}/confirm", decision="confirm", declaration="2026-1")
    assert again.status == 409
    assert world.state(submission) == "awaiting_confirmation"
