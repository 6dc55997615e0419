"""The last check: what was approved and nothing else, not before its time, not during a freeze."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.aws import Aws
from chalicelib.core.canonical import canonical, digest
from chalicelib.core.errors import ChannelsFrozen, TooEarly
from chalicelib.core.table import Put
from chalicelib.ledger.model import chain_faults
from chalicelib.publication.store import FREEZE_KEY, FreezeRecord, deliveries_of
from tests.world import World, a_world

AWS = Aws()
Item = dict[str, Any]
Change = Callable[[Item], None]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


@pytest.fixture(scope="module")
def approved(world: World) -> str:
    """A submission that all three have approved; at this scale it is due in six hours."""
    far = world.now() + timedelta(days=250)
    submission = world.submit(publish_at=far.isoformat(), channels=["website", "notice_board"])
    world.approve()
    world.cloud.settle()
    return submission


@pytest.fixture
def scheduled(world: World, approved: str) -> Iterator[str]:
    """The same for every test, whatever the test before did to it."""
    before = world.items()
    yield approved
    table, client = world.plain_table.name, AWS.dynamodb()
    for key, item in world.items().items():
        if key not in before:
            client.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
    for item in before.values():
        client.put_item(TableName=table, Item=item)


def tamper(world: World, submission: str, sk: str, *changes: Change) -> None:
    """Change an item in the table, as only an administrator of the account could."""
    item = world.items()[f"SUBMISSION#{submission}", sk]
    for change in changes:
        change(item)
    AWS.dynamodb().put_item(TableName=world.plain_table.name, Item=item)


def last_check(world: World, submission: str, **changes: object) -> list[str]:
    """Let the machine check when the item is due; the channels that are to deliver."""
    work = {"submission": submission, "revision": 1, "attempt": 1} | changes
    with world.later(hours=7):
        return [str(channel) for channel in world.parts.publishing.last_check(work)["channels"]]


def site(world: World) -> list[str]:
    """Everything in the website's bucket."""
    listed = world.plain_s3.list_objects_v2(Bucket=world.parts.settings.site_bucket)
    return [found["Key"] for found in listed.get("Contents", [])]


def body_is(text: str) -> Change:
    def change(revision: Item) -> None:
        content = json.loads(revision["content"]["S"])
        content["form"]["body"] = text
        revision["content"]["S"] = canonical(content).decode()

    return change


def fact_is(name: str, value: object) -> Change:
    def change(head: Item) -> None:
        facts = json.loads(head["facts"]["S"])
        head["facts"]["S"] = json.dumps(facts | {name: value}, ensure_ascii=False)

    return change


def test_what_is_due_and_untouched_begins_to_be_published_once(world: World, scheduled: str) -> None:
    """Clause 3.4.2: the content is checked again before publishing."""
    assert last_check(world, scheduled) == ["website"]
    assert world.state(scheduled) == "publishing"
    assert last_check(world, scheduled) == ["website"], "a repeat is told what is still to do"
    (started,) = world.events(scheduled, "PublishingStarted")
    assert started.payload["channels"] == {"website": "pending", "notice_board": "waiting_for_adapter"}
    assert started.policy is not None
    assert len(deliveries_of(world.plain_table, scheduled, 1)) == 2
    assert chain_faults(world.events(scheduled)) == []


def test_a_wake_up_before_the_due_instant_is_sent_away(world: World, scheduled: str) -> None:
    """Clause 3.4.1: by the planned time, at this scale too."""
    before = world.items()
    work = {"submission": scheduled, "revision": 1, "attempt": 1}
    with pytest.raises(TooEarly):
        world.parts.publishing.last_check(work)
    with world.later(hours=5, minutes=59), pytest.raises(TooEarly):
        world.parts.publishing.last_check(work)
    assert world.items() == before


def test_a_wake_up_of_another_attempt_or_revision_does_nothing(world: World, scheduled: str) -> None:
    before = world.items()
    assert last_check(world, scheduled, attempt=0) == []
    assert last_check(world, scheduled, attempt=2) == []
    assert last_check(world, scheduled, revision=2) == []
    assert last_check(world, "s-aaaaaaaaaaaaaaaaaaaa") == []
    assert world.items() == before


def test_a_freeze_holds_back_what_is_due(world: World, scheduled: str) -> None:
    """Clause 5.1.2: freeze of channels."""
    freeze = FreezeRecord(pk=FREEZE_KEY.pk, sk=FREEZE_KEY.sk, reason="演练")
    world.plain_table.put(Put(record=freeze))
    with pytest.raises(ChannelsFrozen):
        last_check(world, scheduled)
    assert world.state(scheduled) == "scheduled"


def test_what_is_checked_far_too_late_asks_a_person(world: World, scheduled: str) -> None:
    with world.later(days=2):
        assert last_check(world, scheduled) == []
    assert world.plain_journal.head(scheduled).reason == "too_late"


REVISION, HEAD = "REVISION#0001", "HEAD"
TAMPERED: dict[str, tuple[str, Change, str]] = {
    "another body": (REVISION, body_is("照付三百万元。"), "content_changed"),
    "another digest": (HEAD, fact_is("content_digest", "0" * 64), "content_changed"),
    "confidential by now": (HEAD, fact_is("classification", "confidential"), "channel_not_allowed"),
    "public by now": (HEAD, fact_is("classification", "public"), "content_changed"),
    "to WeChat by now": (HEAD, fact_is("channels", ["website", "wechat"]), "channel_not_allowed"),
    "by e-mail by now": (HEAD, fact_is("channels", ["website", "email"]), "content_changed"),
    "of another department": (HEAD, fact_is("department", "research"), "content_changed"),
    "for another audience": (HEAD, fact_is("audience", ["research"]), "content_changed"),
}


@pytest.mark.parametrize(("sk", "change", "reason"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_changed_behind_the_desks_back_asks_a_person_and_reaches_nobody(
    world: World, scheduled: str, sk: str, change: Change, reason: str
) -> None:
    """Clauses 1.3.1 and 3.4.2: digest, approvals and classification are checked at the last moment."""
    tamper(world, scheduled, sk, change)
    assert last_check(world, scheduled) == []
    head = world.plain_journal.head(scheduled)
    assert (head.state, head.reason) == ("needs_person", reason)
    (needed,) = world.events(scheduled, "PersonNeeded")
    assert needed.payload == {"revision": 1, "stage": None, "reason": reason}
    assert deliveries_of(world.plain_table, scheduled, 1) == ()
    assert site(world) == []


def test_a_forger_who_mends_the_digest_too_still_lacks_the_approvals(world: World, scheduled: str) -> None:
    """Clause 1.3.1: approvals are pinned to the exact content."""
    tamper(world, scheduled, REVISION, body_is("照付三百万元。"))
    content = json.loads(world.items()[f"SUBMISSION#{scheduled}", REVISION]["content"]["S"])
    tamper(world, scheduled, HEAD, fact_is("content_digest", digest(content)))
    assert last_check(world, scheduled) == []
    assert world.plain_journal.head(scheduled).reason == "approval_missing"


@pytest.mark.parametrize(
    "sk", ["TASK#0001#1#initial", "TASK#0001#2#department_head", "TASK#0001#3#executive"]
)
def test_without_every_approval_nothing_is_published(world: World, scheduled: str, sk: str) -> None:
    """Clauses 3.2.1 and 3.3.1: all three reviews."""
    table = world.plain_table.name
    key = {"pk": {"S": f"SUBMISSION#{scheduled}"}, "sk": {"S": sk}}
    AWS.dynamodb().delete_item(TableName=table, Key=key)
    assert last_check(world, scheduled) == []
    head = world.plain_journal.head(scheduled)
    assert (head.state, head.reason) == ("needs_person", "approval_missing")
    assert site(world) == []


def test_an_opinion_that_asks_for_changes_is_no_approval(world: World, scheduled: str) -> None:
    def no_approval(task: Item) -> None:
        opinion = json.loads(task["opinion"]["S"])
        task["opinion"]["S"] = json.dumps(opinion | {"decision": "request_changes"})

    tamper(world, scheduled, "TASK#0001#3#executive", no_approval)
    assert last_check(world, scheduled) == []
    assert world.plain_journal.head(scheduled).reason == "approval_missing"


def test_the_machine_itself_stops_at_a_tampered_text_and_the_drafter_may_hand_it_in_again(
    world: World,
) -> None:
    soon = world.now() + timedelta(minutes=5)
    submission = world.submit(publish_at=soon.isoformat())
    world.approve()
    tamper(world, submission, REVISION, body_is("照付三百万元。"))
    deadline = world.now() + timedelta(seconds=20)
    while world.state(submission) == "scheduled" and world.now() < deadline:
        world.cloud.settle()
    assert world.record(submission)["reason"] == "content_changed"
    assert site(world) == []
    answer = world.resubmit(submission, title="停电检修通知（重交）")
    assert (answer.status, answer.body["state"]) == (201, "in_review")
