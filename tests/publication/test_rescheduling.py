"""Moving the time of what is scheduled: the form stays, an old wake-up does nothing, people are told (clause 3.4.1)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.archive.model.verification import verify
from chalicelib.core.clock import from_text, to_text
from chalicelib.people.model import Person
from tests.archive.test_archiving import package_of
from tests.browsing import Browser
from tests.notices.told import about
from tests.world import (
    DIRECTOR,
    EDITOR,
    HEAD,
    LIAISON,
    LONG_RECALL,
    OTHER_LIAISON,
    PEOPLE,
    RECALL_OVER,
    Answer,
    World,
    a_world,
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, DIRECTOR) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    """No test's mails come in among the next one's."""
    yield
    world.cloud.settle()


def scheduled(world: World, **ahead: float) -> str:
    """A request that waits for its time, ten days from now unless told."""
    publish_at = (world.now() + timedelta(**(ahead or {"days": 10}))).replace(microsecond=0)
    submission = world.submit(publish_at=publish_at.isoformat())
    world.approve()
    world.cloud.settle()
    assert world.state(submission) == "scheduled"
    return submission


def at(world: World, **ahead: float) -> str:
    """A time from now on by the clocks of UTC."""
    return (world.now() + timedelta(**ahead)).replace(microsecond=0).isoformat()


def move(world: World, submission: str, publish_at: str, *, as_: Person = LIAISON, **said: Any) -> Answer:  # noqa: ANN401
    body = {"publish_at": publish_at, "time_zone": "Etc/UTC", "reason": "活动推迟。", **said}
    return world.call("POST", f"/api/v1/submissions/{submission}/schedule", body, as_=as_)


def withdrawn(world: World, submission: str) -> None:
    """Take it back, and let no machine of it wait on: no other test waits for that."""
    assert world.withdraw(submission).status == 200
    world.kill(submission)


def test_the_new_time_stands_in_the_head_and_in_an_event_and_the_approved_form_stays(world: World) -> None:
    submission = scheduled(world)
    before, later = world.record(submission), at(world, days=20)
    answer = move(world, submission, later)
    assert (answer.status, answer.body["state"]) == (200, "scheduled")
    assert from_text(answer.body["publish_at"]) == from_text(later)
    after = world.record(submission)
    assert (after["form"], after["content_digest"]) == (before["form"], before["content_digest"])
    (event,) = world.events(submission, "Rescheduled")
    assert event.actor == LIAISON.id
    assert event.policy is not None
    assert event.payload["from"] == to_text(from_text(before["form"]["publish_at"]))
    assert event.payload["to"] == to_text(from_text(later)) == after["publish_at"]
    assert event.payload["reason"] == "活动推迟。"
    withdrawn(world, submission)


def test_what_is_moved_is_published_at_the_new_time_once_and_its_package_proves_it(world: World) -> None:
    submission = scheduled(world, minutes=8)
    assert move(world, submission, at(world, minutes=4)).status == 200
    (event,) = world.events(submission, "Rescheduled")
    world.finish()
    (started,) = world.events(submission, "PublishingStarted")
    assert from_text(event.payload["due_at"]) <= started.at
    assert world.state(submission) == "archived"
    report = verify(package_of(world, submission))
    assert report.ok, report.findings
    assert report.facts is not None
    assert report.facts.format_version == 6


def test_an_old_wake_up_finds_another_attempt_and_does_nothing(world: World) -> None:
    submission = scheduled(world)
    old = world.plain_journal.head(submission)
    assert move(world, submission, at(world, days=30)).status == 200
    with world.later(days=11):
        items = world.items()
        work = {"submission": submission, "revision": 1, "attempt": old.attempt}
        assert world.parts.publishing.last_check(work)["channels"] == []
        world.parts.delivering.deliver(work | {"channel": "website"})
        assert world.items() == items
        withdrawn(world, submission)


def test_now_is_a_time_too(world: World) -> None:
    submission = scheduled(world, minutes=8)
    answer = move(world, submission, "now", as_=EDITOR)
    assert answer.status == 200
    world.finish()
    assert world.state(submission) == "archived"
    assert len(world.events(submission, "PublishingStarted")) == 1


def test_now_waits_for_as_long_as_the_last_decision_can_be_taken_back(world: World) -> None:
    with world.under(RECALL_OVER):
        submission = scheduled(world)
    with world.under(LONG_RECALL):
        (event,) = world.events(submission, "Scheduled")
        assert move(world, submission, "now").status == 200
        head = world.plain_journal.head(submission)
        assert head.due_at is not None
        assert head.due_at >= event.at + LONG_RECALL.recall / world.parts.settings.scale
        (moved,) = world.events(submission, "Rescheduled")
        assert from_text(moved.payload["waits_until"]) > from_text(moved.payload["to"])
        withdrawn(world, submission)


def test_the_same_time_again_changes_nothing(world: World) -> None:
    submission, later = scheduled(world), at(world, days=20)
    first = move(world, submission, later, seen=world.record(submission)["publish_at"])
    again = move(world, submission, later, seen="2020-01-01T00:00:00Z")
    assert (first.status, again.status) == (200, 200)
    assert again.body["publish_at"] == first.body["publish_at"]
    assert len(world.events(submission, "Rescheduled")) == 1
    withdrawn(world, submission)


def test_a_time_that_somebody_has_moved_meanwhile_is_not_moved_unseen(world: World) -> None:
    submission = scheduled(world)
    seen = world.record(submission)["publish_at"]
    assert move(world, submission, at(world, days=20), as_=EDITOR, seen=seen).status == 200
    answer = move(world, submission, at(world, days=15), seen=seen)
    assert (answer.status, answer.body["code"]) == (409, "rescheduled_meanwhile")
    assert len(world.events(submission, "Rescheduled")) == 1
    withdrawn(world, submission)


@pytest.mark.parametrize(
    ("ahead", "changes", "code"),
    [
        ({"hours": -1}, {}, "in_the_past"),
        ({"days": 301}, {}, "too_far_ahead"),
        ({"days": 2}, {"time_zone": "Asia/Shanghai"}, "offset_contradicts_zone"),
    ],
)
def test_a_time_that_the_form_could_not_have_is_told_at_its_field(
    world: World, ahead: dict[str, float], changes: dict[str, Any], code: str
) -> None:
    submission = scheduled(world)
    answer = move(world, submission, at(world, **ahead), **changes)
    assert (answer.status, [(e["pointer"], e["code"]) for e in answer.body["errors"]]) == (
        422,
        [("/publish_at", code)],
    )
    assert world.events(submission, "Rescheduled") == []
    withdrawn(world, submission)


def test_only_department_and_center_move_a_time_and_others_do_not_learn_of_it(world: World) -> None:
    submission = scheduled(world)
    answers = [move(world, submission, at(world, days=20), as_=who).status for who in (HEAD, OTHER_LIAISON)]
    assert answers == [403, 404]
    assert move(world, submission, at(world, days=20), as_=DIRECTOR).status == 200
    withdrawn(world, submission)


def test_what_is_withdrawn_or_published_has_no_time_to_move(world: World) -> None:
    published, taken_back = world.publish(), scheduled(world)
    withdrawn(world, taken_back)
    for submission in (published, taken_back):
        answer = move(world, submission, at(world, days=1))
        assert (answer.status, answer.body["code"]) == (409, "illegal_transition")


def test_the_drafter_is_told_when_somebody_else_moved_it_and_only_then(world: World) -> None:
    submission = scheduled(world)
    move(world, submission, at(world, days=20))
    world.cloud.settle()
    assert about(world, submission) == []
    move(world, submission, "2027-03-02T09:30:00+08:00", as_=EDITOR, time_zone="Asia/Shanghai")
    world.cloud.settle()
    (mail,) = about(world, submission)
    assert mail.to == LIAISON.email
    assert mail.subject.startswith("发布时间已更改：")
    assert "2027-03-02 09:30（Asia/Shanghai）" in mail.text
    assert "Editor" in mail.text
    assert "> 活动推迟。" in mail.text
    withdrawn(world, submission)


def test_at_its_page_a_time_is_moved_and_the_progress_shows_it(world: World) -> None:
    submission = scheduled(world)
    browser, path = Browser(world, LIAISON), f"/submissions/{submission}/schedule"
    assert path in [
        link.attributes.get("href") for link in browser.get(f"/submissions/{submission}").page.all("a")
    ]
    day = (world.now() + timedelta(days=20)).date().isoformat()
    shown = browser.submit(
        browser.get(path), path, publish_date=day, publish_time="09:30", reason="活动推迟。"
    )
    assert shown.status == 200
    assert "发布时间已更改。" in shown.page.text
    assert f">{day} 09:30</time>（Etc/UTC）发布。" in shown.html
    assert "活动推迟。" in shown.page.text
    assert "下面是申请表上的时间" in shown.page.text
    withdrawn(world, submission)


def test_its_page_keeps_what_was_typed_and_tells_each_fault_at_its_field(world: World) -> None:
    submission = scheduled(world)
    browser, path = Browser(world, LIAISON), f"/submissions/{submission}/schedule"
    shown = browser.submit(
        browser.get(path), path, publish_date="2001-02-03", publish_time="09:30", reason=""
    )
    assert shown.status == 422
    assert [each.attributes["id"] for each in shown.page.all("p", class_="fault")] == ["reason-fault"]
    shown = browser.submit(shown, path, reason="推迟。")
    assert [each.attributes["id"] for each in shown.page.all("p", class_="fault")] == ["publish_at-fault"]
    assert 'value="2001-02-03"' in shown.html
    assert "推迟。" in shown.html
    assert world.events(submission, "Rescheduled") == []
    withdrawn(world, submission)


def test_its_page_publishes_now(world: World) -> None:
    submission = scheduled(world, minutes=8)
    browser, path = Browser(world, EDITOR), f"/submissions/{submission}/schedule"
    shown = browser.submit(browser.get(path), path, when="now", reason="不必再等。")
    assert shown.status == 200
    world.finish()
    assert world.state(submission) == "archived"
