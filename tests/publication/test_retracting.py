"""Taking back what was published: by the director, at once, from every channel where that is possible."""

from collections.abc import Iterator

import pytest

from chalicelib.core.errors import DeliveryParked
from chalicelib.ledger.model import chain_faults
from chalicelib.publication.model import Adapter
from chalicelib.submission.model import Channel
from tests.browsing import Browser
from tests.faults import CrashError
from tests.publication.deliveries import Account, busy
from tests.world import DIRECTOR, EDITOR, LIAISON, PEOPLE, Answer, World, a_world

REASON = "数据有误，更正后另行发布。"


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def world(account: Account) -> Iterator[World]:
    with a_world(*PEOPLE, DIRECTOR) as world:
        adapters: dict[Channel, Adapter] = {**world.parts.adapters, Channel.WECHAT: account}
        world.parts.adapters = adapters
        yield world


def publish(world: World, *channels: str) -> str:
    return world.publish(channels=list(channels), classification="public", wechat_title="停电通知")


def retract(world: World, submission: str, **changes: object) -> Answer:
    person = changes.pop("as_", DIRECTOR)
    path, said = f"/api/v1/submissions/{submission}/retraction", {"reason": REASON, **changes}
    return world.call("POST", path, said, as_=person)  # type: ignore[arg-type]


def states(world: World, submission: str) -> dict[str, str]:
    return {each["channel"]: each["state"] for each in world.record(submission)["deliveries"]}


def page(world: World, submission: str) -> str:
    key = f"public/{submission}/1/index.html"
    found = world.plain_s3.get_object(Bucket=world.parts.settings.site_bucket, Key=key)
    return str(found["Body"].read().decode())


def shared(world: World, name: str) -> str:
    found = world.plain_s3.get_object(Bucket=world.parts.settings.site_bucket, Key=f"public/{name}")
    return str(found["Body"].read().decode())


def test_what_is_taken_back_is_off_every_channel_and_it_is_said_what_cannot_be_recalled(
    world: World, account: Account
) -> None:
    """Clause 3.4.4: problems are acted on at once; it is provable who took it back, when and why."""
    submission = publish(world, "website", "wechat", "email")
    title = world.plain_journal.head(submission).title
    assert title in shared(world, "index.html")
    answer = retract(world, submission)
    assert (answer.status, answer.body["state"], len(answer.body["channels"])) == (200, "retracted", 3)
    world.finish()
    assert states(world, submission) == dict.fromkeys(("website", "wechat", "email"), "retracted")
    assert account.published == {}
    assert REASON in page(world, submission)
    assert title not in shared(world, "index.html") + shared(world, "feed.atom")
    left = {each["channel"]: each["receipt"]["left"] for each in world.record(submission)["deliveries"]}
    assert left == {"website": [], "wechat": [], "email": ["mails"]}
    (event,) = world.events(submission, "Retracted")
    assert (event.actor, event.payload["reason"]) == (DIRECTOR.id, REASON)
    assert len(world.events(submission, "DeliveryRetracted")) == 3
    assert chain_faults(world.events(submission)) == []
    head = world.plain_journal.head(submission)
    assert (head.state, head.again, head.is_in_flight) == ("retracted", (), False)
    told = [mail.to for mail in world.cloud.mails() if "发布已撤回" in mail.subject]
    assert sorted(told) == sorted([LIAISON.email, EDITOR.email])


def test_the_title_can_be_withheld_from_what_readers_are_told(world: World) -> None:
    submission = publish(world, "website")
    title = world.plain_journal.head(submission).title
    retract(world, submission, title_withheld=True)
    world.finish()
    assert title not in page(world, submission)


def test_a_channel_that_fails_meanwhile_is_come_back_to_even_during_a_freeze(
    world: World, account: Account
) -> None:
    """Clause 5.1.2: a freeze holds nothing in the open."""
    submission = publish(world, "website", "wechat")
    with world.frozen():
        account.refusals = [busy(), CrashError()] * 20
        retract(world, submission)
        world.finish()
        assert states(world, submission) == {"website": "retracted", "wechat": "done"}
        account.refusals = []
        with world.later(hours=1):
            world.parts.sweeper.sweep()
        world.finish()
        assert states(world, submission) == {"website": "retracted", "wechat": "retracted"}


def test_what_is_being_published_is_not_called_for_once_it_is_taken_back(
    world: World, account: Account
) -> None:
    account.answers = [busy()] * 100
    submission = publish(world, "wechat")
    assert world.state(submission) == "publishing"
    retract(world, submission)
    account.answers = []
    with world.later(hours=1):
        world.parts.sweeper.sweep()
    world.finish()
    assert account.published == {}
    assert world.state(submission) == "retracted"


def test_what_no_program_can_take_off_waits_for_a_person_who_answers_for_it(
    world: World, account: Account
) -> None:
    submission = publish(world, "website", "wechat")
    account.refusals = [DeliveryParked("wechat_article_unknown")] * 2
    retract(world, submission)
    world.finish()
    assert states(world, submission) == {"website": "retracted", "wechat": "needs_person"}
    path = f"/api/v1/submissions/{submission}/deliveries/wechat/answer"
    said = {"answer": "delivered", "comment": "看过了。"}
    assert world.call("POST", path, said, as_=EDITOR).status == 409, "it is to go, not to stay"
    for answer in ("again", "given_up"):
        assert world.call("POST", path, {**said, "answer": answer}, as_=EDITOR).status == 200
        world.finish()
    assert states(world, submission) == {"website": "retracted", "wechat": "retracted"}


def test_only_the_director_takes_back_and_only_what_is_published(world: World) -> None:
    submission = publish(world, "website")
    assert retract(world, submission, as_=EDITOR).status == 403
    assert retract(world, submission, as_=LIAISON).status == 403
    waiting = world.submit()
    assert retract(world, waiting).status == 409
    assert retract(world, submission).status == 200
    assert retract(world, submission).status == 409


def test_the_page_asks_for_a_reason_keeps_what_was_typed_and_shows_what_becomes_of_it(world: World) -> None:
    submission = publish(world, "website")
    browser, path = Browser(world, DIRECTOR), f"/submissions/{submission}/retract"
    assert path in browser.get(f"/submissions/{submission}").html
    assert path not in Browser(world, EDITOR).get(f"/submissions/{submission}").html
    wrong = browser.submit(browser.get(path), path, title_withheld="yes")
    assert (wrong.status, "checked" in wrong.html) == (422, True)
    right = browser.submit(wrong, path, reason=REASON)
    assert "已撤回发布" in right.html
    world.finish()
    shown = Browser(world, LIAISON).get(f"/submissions/{submission}").html
    assert REASON in shown
    assert "已撤下" in shown
