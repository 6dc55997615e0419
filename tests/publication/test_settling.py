"""What a person answers for a delivery that only a person can go on with, and what follows from it."""

from collections.abc import Iterator

import pytest

from chalicelib.core.errors import ChannelRefusal, DeliveryParked
from chalicelib.ledger.model import chain_faults
from chalicelib.publication.model import Adapter
from chalicelib.submission.model import Channel
from tests.browsing import Browser
from tests.faults import CrashError
from tests.publication.deliveries import Account
from tests.world import DIRECTOR, EDITOR, LIAISON, PEOPLE, Answer, World, a_world

PARKED: ChannelRefusal = DeliveryParked("press_publish", {"draft": "7"})


@pytest.fixture
def account() -> Account:
    return Account(PARKED)


@pytest.fixture
def world(account: Account) -> Iterator[World]:
    with a_world(*PEOPLE, DIRECTOR) as world:
        adapters: dict[Channel, Adapter] = {**world.parts.adapters, Channel.WECHAT: account}
        world.parts.adapters = adapters
        yield world


def publish(world: World, *channels: str) -> str:
    return world.publish(channels=list(channels), classification="public", wechat_title="停电通知")


def say(world: World, submission: str, said: str, **changes: object) -> Answer:
    path = f"/api/v1/submissions/{submission}/deliveries/wechat/answer"
    person = changes.pop("as_", EDITOR)
    body = {"answer": said, "comment": "已到公众号核实。", **changes}
    return world.call("POST", path, body, as_=person)  # type: ignore[arg-type]


def state(world: World, submission: str) -> str:
    """The WeChat delivery's state, as everybody sees it."""
    shown = world.record(submission)["deliveries"]
    return str(next(each["state"] for each in shown if each["channel"] == "wechat"))


def waiting(world: World) -> list[str]:
    return [each["submission"] for each in world.call("GET", "/api/v1/channels", as_=EDITOR).body["waiting"]]


def test_what_a_person_has_seen_on_the_channel_is_done_and_needs_nobody_any_more(world: World) -> None:
    """Clause 2.3.2: each channel has a place where what it waits for is seen and answered."""
    submission = publish(world, "website", "wechat")
    assert (world.state(submission), waiting(world)) == ("archived", [submission])
    url = "https://mp.weixin.qq.com/s/abc"
    assert say(world, submission, "delivered", url=url).body["state"] == "done"
    (shown,) = (each for each in world.record(submission)["deliveries"] if each["channel"] == "wechat")
    assert shown["receipt"] == {"draft": "7", "urls": [url]}
    (event,) = world.events(submission, "DeliverySettled")
    assert (event.actor, event.payload["comment"]) == (EDITOR.id, "已到公众号核实。")
    assert waiting(world) == []
    assert say(world, submission, "again").status == 409, "it is answered once"


def test_what_is_not_there_is_published_again_after_the_archive_and_seen_to_by_the_sweeper(
    world: World, account: Account
) -> None:
    submission = publish(world, "website", "wechat")
    account.answers = [CrashError()]
    account.silent = 1000
    assert say(world, submission, "again").body["state"] == "pending"
    world.finish()
    head = world.plain_journal.head(submission)
    assert (head.state, head.again, state(world, submission)) == ("archived", (Channel.WECHAT,), "pending")
    account.silent = 0
    for hours in (1, 2, 3):
        with world.later(hours=hours):
            world.parts.sweeper.sweep()
        world.finish()
    head = world.plain_journal.head(submission)
    assert (head.again, state(world, submission)) == ((), "done")
    assert account.published == {submission: 1}
    assert chain_faults(world.events(submission)) == []


def test_what_may_be_on_its_only_channel_waits_for_the_answer_and_is_then_archived(world: World) -> None:
    """Nothing else is handed in meanwhile: it might be there twice."""
    submission = publish(world, "wechat")
    with world.later(days=30):
        world.parts.sweeper.sweep()
    world.finish()
    head = world.plain_journal.head(submission)
    assert (head.state, head.restarts) == ("publishing", 0)
    assert world.resubmit(submission, channels=["website"]).status == 409
    assert say(world, submission, "delivered").status == 200
    world.finish()
    assert world.state(submission) == "archived"
    assert [event.type for event in world.events(submission)].count("Published") == 1


def test_what_is_given_up_has_failed_and_the_department_may_hand_in_anew(world: World) -> None:
    submission = publish(world, "wechat")
    assert say(world, submission, "given_up").body["state"] == "failed"
    world.finish()
    assert (world.state(submission), state(world, submission)) == ("needs_person", "failed")
    assert world.resubmit(submission, channels=["website"]).status == 201


def test_who_may_not_answer_is_refused_and_who_may_not_read_finds_nothing(world: World) -> None:
    submission = publish(world, "website", "wechat")
    assert say(world, submission, "given_up", as_=LIAISON).status == 403
    assert world.call("GET", "/api/v1/channels", as_=LIAISON).status == 403
    path = f"/api/v1/submissions/{submission}/deliveries/radio/answer"
    said = {"answer": "again", "comment": "看。"}
    assert world.call("POST", path, said, as_=EDITOR).status == 404
    assert state(world, submission) == "needs_person"


def test_the_page_keeps_what_was_typed_and_leads_back_to_the_request(world: World) -> None:
    submission = publish(world, "website", "wechat")
    browser, path = Browser(world, EDITOR), f"/submissions/{submission}/deliveries/wechat"
    assert path in browser.get("/publishing").html
    assert path in browser.get(f"/submissions/{submission}").html
    wrong = browser.submit(browser.get(path), path, comment="看过了。", url="http://x")
    assert (wrong.status, "看过了。" in wrong.html, "http://x" in wrong.html) == (422, True, True)
    right = browser.submit(wrong, path, answer="delivered", url="")
    assert "答复已记录。" in right.html
    assert "现在不需要答复。" in browser.get(path).html
