"""Quiet hours and daily limits of channels: told to whoever chooses a time, and only then (clause 3.4.1)."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.clock import from_text
from chalicelib.submission.hours import ChannelHours, Daily, Quiet
from chalicelib.submission.model import Channel, Importance
from tests.browsing import Browser
from tests.submission.desk_visits import NEW, typed
from tests.world import (
    EDITOR,
    LIAISON,
    PEOPLE,
    SECOND_EDITOR,
    Answer,
    World,
    a_form,
    a_world,
    an_amendment,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
SHIPPED = ChannelHours.load(POLICIES / "channels.json")
NIGHT = Quiet(since=time(22), until=time(7), zone=SHANGHAI, unless=frozenset({Importance.URGENT}))
HOURS = ChannelHours(
    quiet={Channel.EMAIL: NIGHT, Channel.WECHAT: NIGHT},
    daily={Channel.WECHAT: Daily(most=1, zone=SHANGHAI)},
)
WECHAT: dict[str, Any] = {"channels": ["website", "wechat"], "classification": "public"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, SECOND_EDITOR) as world:
        vars(world.parts)["channel_hours"] = HOURS
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    yield
    world.cloud.settle()


def at(world: World, clock: str, *, days: int) -> str:
    """A time of Shanghai's clocks, so many days ahead."""
    day = (world.now() + timedelta(days=days)).astimezone(SHANGHAI).date()
    return f"{day}T{clock}:00+08:00"


def hand_in(world: World, when: str, **changes: Any) -> Answer:  # noqa: ANN401 — as in a_form
    form = a_form(world.now(), publish_at=when, time_zone="Asia/Shanghai", **changes)
    return world.call("POST", "/api/v1/submissions", form, as_=LIAISON)


def faults(answer: Answer) -> list[tuple[str, str]]:
    assert answer.status == 422, answer
    return [(error["pointer"], error["code"]) for error in answer.body["errors"]]


def test_quiet_hours_go_over_midnight_from_their_first_minute_to_before_their_last() -> None:
    clocks = ("21:59", "22:00", "00:00", "03:00", "06:59", "07:00", "12:00")
    quiet = [clock for clock in clocks if NIGHT.covers(from_text(f"2026-12-01T{clock}:00+08:00"))]
    assert quiet == ["22:00", "00:00", "03:00", "06:59"]


def test_quiet_hours_may_lie_within_a_day_and_follow_the_clocks_of_their_zone() -> None:
    noon = Quiet(since=time(12), until=time(14), zone=ZoneInfo("Europe/Berlin"))
    summer, winter = datetime(2026, 7, 1, 10, 30, tzinfo=UTC), datetime(2026, 12, 1, 10, 30, tzinfo=UTC)
    assert (noon.covers(summer), noon.covers(winter)) == (True, False)


def test_the_shipped_rules_keep_wechat_and_mail_quiet_at_night_but_for_what_is_urgent() -> None:
    three = from_text("2026-12-01T03:00:00+08:00")
    told = SHIPPED.quiet_faults(three, Channel, Importance.ROUTINE)
    assert {fault.params["channel"] for fault in told} == {"wechat", "email"}
    assert list(SHIPPED.quiet_faults(three, Channel, Importance.URGENT)) == []
    assert SHIPPED.daily[Channel.WECHAT].most == 1


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], ""),
        ({"telegram": {}}, "/telegram"),
        (
            {"email": {"quiet": {"from": "22:00", "until": "24:00", "time_zone": "Etc/UTC"}}},
            "/email/quiet/until",
        ),
        ({"email": {"quiet": {"from": "22:00", "until": "07:00"}}}, "/email/quiet/time_zone"),
        (
            {"email": {"quiet": {"from": "22:00", "until": "07:00", "time_zone": "CST"}}},
            "/email/quiet/time_zone",
        ),
        ({"wechat": {"daily": {"most": 0, "time_zone": "Etc/UTC"}}}, "/wechat/daily/most"),
        ({"wechat": {"weekly": {}}}, "/wechat/weekly"),
    ],
)
def test_rules_that_say_something_else_are_refused_with_the_place(document: object, place: str) -> None:
    with pytest.raises(ValueError, match=f"^{place}: "):
        ChannelHours.read(document)


def test_a_time_in_quiet_hours_is_told_at_its_field_for_each_channel_that_is_quiet(world: World) -> None:
    night = at(world, "23:30", days=5)
    assert faults(hand_in(world, night, channels=["website", "email"])) == [("/publish_at", "quiet_hours")]
    for sound in ({"channels": ["website"]}, {"channels": ["email"], "importance": "urgent"}):
        answer = hand_in(world, night, **sound)
        assert answer.status == 201
        world.withdraw(answer.body["id"])


def test_a_request_for_as_soon_as_possible_may_come_at_any_hour(world: World) -> None:
    """When it is approved nobody knows yet."""
    soon = world.now().replace(microsecond=0).astimezone(SHANGHAI).isoformat()
    vars(world.parts)["channel_hours"] = ChannelHours(
        quiet={Channel.EMAIL: Quiet(since=time(0), until=time.max, zone=SHANGHAI)}
    )
    try:
        answer = hand_in(world, soon, channels=["email"])
        assert answer.status == 201
        world.withdraw(answer.body["id"])
    finally:
        vars(world.parts)["channel_hours"] = HOURS


def test_a_day_that_is_full_is_told_until_somebody_gives_the_place_up(world: World) -> None:
    first = hand_in(world, at(world, "09:00", days=5), **WECHAT)
    assert first.status == 201
    later = at(world, "18:00", days=5)
    assert faults(hand_in(world, later, **WECHAT)) == [("/publish_at", "quota_full")]
    other_day = hand_in(world, at(world, "18:00", days=6), **WECHAT)
    assert other_day.status == 201
    world.withdraw(first.body["id"])
    second = hand_in(world, later, **WECHAT)
    assert second.status == 201
    for answer in (other_day, second):
        world.withdraw(answer.body["id"])


def test_a_revision_keeps_its_own_place(world: World) -> None:
    when = at(world, "09:00", days=7)
    submission = hand_in(world, when, **WECHAT).body["id"]
    world.cloud.settle()
    world.decide(EDITOR, "request_changes")
    revised = world.resubmit(submission, publish_at=when, time_zone="Asia/Shanghai", **WECHAT)
    assert revised.status == 201
    world.withdraw(submission)


def test_an_editor_who_adds_a_channel_is_told_that_its_day_is_full(world: World) -> None:
    when = at(world, "09:00", days=8)
    taken = hand_in(world, when, **WECHAT).body["id"]
    submission = hand_in(world, when, classification="public").body["id"]
    world.cloud.settle()
    path = f"/api/v1/submissions/{submission}/amendment"
    record = world.call("GET", f"/api/v1/submissions/{submission}", as_=EDITOR).body
    answer = world.call("POST", path, an_amendment(record, channels=WECHAT["channels"]), as_=EDITOR)
    assert faults(answer) == [("/publish_at", "quota_full")]
    assert world.call("POST", path, an_amendment(record, title="另一标题"), as_=EDITOR).status == 201
    for each in (taken, submission):
        world.withdraw(each)


def test_a_time_that_is_moved_keeps_the_rules_and_now_is_no_way_round_them(world: World) -> None:
    taken = hand_in(world, at(world, "09:00", days=9), **WECHAT).body["id"]
    submission = hand_in(world, at(world, "09:00", days=10), **WECHAT).body["id"]
    world.withdraw(taken)
    world.approve()
    world.cloud.settle()
    taken = hand_in(world, at(world, "09:00", days=9), **WECHAT).body["id"]
    path = f"/api/v1/submissions/{submission}/schedule"
    for clock, days, code in (("23:00", 11, "quiet_hours"), ("12:00", 9, "quota_full")):
        moved = {"publish_at": at(world, clock, days=days), "time_zone": "Asia/Shanghai", "reason": "改期。"}
        assert faults(world.call("POST", path, moved, as_=LIAISON)) == [("/publish_at", code)]
    always = Quiet(since=time(0), until=time.max, zone=SHANGHAI)
    vars(world.parts)["channel_hours"] = ChannelHours(quiet={Channel.WECHAT: always})
    try:
        now = {"publish_at": "now", "reason": "提前。"}
        assert faults(world.call("POST", path, now, as_=LIAISON)) == [("/publish_at", "quiet_hours")]
    finally:
        vars(world.parts)["channel_hours"] = HOURS
    world.withdraw(submission)
    world.withdraw(taken)
    world.kill(submission)


def test_the_form_says_when_channels_may_be_used_and_keeps_what_was_typed(world: World) -> None:
    browser = Browser(world, LIAISON)
    blank = browser.get(NEW)
    assert "微信公众号：22:00—07:00（Asia/Shanghai）不发布，紧急除外。" in "".join(blank.html.split("\n"))
    day = at(world, "03:00", days=12)[:10]
    fields = typed(world, channels=["website", "email"], publish_date=day, publish_time="03:00")
    shown = browser.submit(blank, NEW, **{**fields, "time_zone": "Asia/Shanghai"})
    assert shown.status == 422
    assert "电子邮件在 22:00—07:00（Asia/Shanghai）不发布，请另选时间。" in shown.html
    assert f'value="{day}"' in shown.html


def test_the_calendar_says_which_days_are_full_and_nothing_of_what_fills_them(world: World) -> None:
    when = at(world, "09:00", days=13)
    submission = hand_in(world, when, **WECHAT).body["id"]
    span = {"from": when[:10], "to": when[:10]}
    calendar = world.call("GET", "/api/v1/calendar", as_=LIAISON, query=span).body
    assert calendar["loads"] == [{"date": when[:10], "channel": "wechat", "taken": 1, "most": 1}]
    page = Browser(world, LIAISON).get(f"/calendar?month={when[:7]}")
    assert "微信公众号已排满（1/1）" in page.html
    world.withdraw(submission)
