"""The last check: what was approved and nothing else, not before its time, not during a freeze."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.errors import ChannelsFrozen, TooEarly
from chalicelib.core.table import Put
from chalicelib.ledger.model import chain_faults
from chalicelib.publication.store import deliveries_of
from chalicelib.review.model import Decision
from chalicelib.review.store import put_open_task, read_task, task_key
from chalicelib.submission.model import (
    Channel,
    Classification,
    Revision,
    form_from_document,
)
from chalicelib.submission.store import put_head, put_revision
from tests.world import STAGES, World, a_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One that cannot serve the notice board."""
    with a_world() as world:
        served = world.parts.adapters.items()
        world.parts.adapters = {
            channel: adapter for channel, adapter in served if channel is not Channel.NOTICE_BOARD
        }
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
    world.put_back(before)


def tamper(world: World, write: Put) -> None:
    """Write an item whatever is there, as only an administrator of the account could."""
    world.plain_table.put(Put(record=write.record))


def other_head(world: World, submission: str, **facts: Any) -> Put:  # noqa: ANN401 - facts of any shape
    head = replace(world.plain_journal.head(submission), **facts)
    return put_head(head, expected_seq=head.seq)


def other_body(world: World, submission: str) -> Revision:
    revision = world.plain_journal.revision(submission, 1)
    document = {**revision.form.document, "body": "照付三百万元。"}
    return replace(revision, form=form_from_document(document))


def last_check(world: World, submission: str, **changes: object) -> list[str]:
    """Let the machine check when the item is due; the channels that are to deliver."""
    work = {"submission": submission, "revision": 1, "attempt": 1} | changes
    with world.later(hours=7):
        return [str(channel) for channel in world.parts.publishing.last_check(work)["channels"]]


def site(world: World) -> list[str]:
    """Everything in the website's bucket."""
    listed = world.plain_s3.list_objects_v2(Bucket=world.parts.settings.site_bucket)
    return [found["Key"] for found in listed.get("Contents", [])]


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
    with world.frozen(), pytest.raises(ChannelsFrozen):
        last_check(world, scheduled)
    assert world.state(scheduled) == "scheduled"


def test_a_freeze_after_the_last_check_holds_back_the_delivery(world: World, scheduled: str) -> None:
    """Clause 5.1.2: freeze of channels."""
    assert last_check(world, scheduled) == ["website"]
    work = {"submission": scheduled, "revision": 1, "attempt": 1, "channel": "website"}
    with world.frozen(), pytest.raises(ChannelsFrozen):
        world.parts.delivering.deliver(work)
    assert site(world) == []


def test_what_is_checked_far_too_late_asks_a_person(world: World, scheduled: str) -> None:
    with world.later(days=2):
        assert last_check(world, scheduled) == []
    assert world.plain_journal.head(scheduled).reason == "too_late"


TAMPERED: dict[str, tuple[dict[str, Any], str]] = {
    "another digest": ({"content_digest": "0" * 64}, "content_changed"),
    "confidential by now": ({"classification": Classification.CONFIDENTIAL}, "channel_not_allowed"),
    "public by now": ({"classification": Classification.PUBLIC}, "content_changed"),
    "to WeChat by now": ({"channels": (Channel.WEBSITE, Channel.WECHAT)}, "channel_not_allowed"),
    "by e-mail by now": ({"channels": (Channel.WEBSITE, Channel.EMAIL)}, "content_changed"),
    "of another department": ({"department": "research"}, "content_changed"),
    "for another audience": ({"audience": ("research",)}, "content_changed"),
}


def assert_a_person_is_asked(world: World, submission: str, reason: str) -> None:
    """A person is asked for that reason, and nothing has reached anybody."""
    head = world.plain_journal.head(submission)
    assert (head.state, head.reason) == ("needs_person", reason)
    (needed,) = world.events(submission, "PersonNeeded")
    assert needed.payload == {"revision": 1, "stage": None, "reason": reason}
    assert deliveries_of(world.plain_table, submission, 1) == ()
    assert site(world) == []


@pytest.mark.parametrize(("facts", "reason"), TAMPERED.values(), ids=TAMPERED)
def test_a_head_changed_behind_the_desks_back_asks_a_person(
    world: World, scheduled: str, facts: dict[str, Any], reason: str
) -> None:
    """Clauses 1.3.4 and 3.4.2: digest, channels and classification are checked at the last moment."""
    tamper(world, other_head(world, scheduled, **facts))
    assert last_check(world, scheduled) == []
    assert_a_person_is_asked(world, scheduled, reason)


def test_a_text_changed_behind_the_desks_back_asks_a_person(world: World, scheduled: str) -> None:
    """Clause 1.3.1: approvals are pinned to the exact content."""
    tamper(world, put_revision(other_body(world, scheduled)))
    assert last_check(world, scheduled) == []
    assert_a_person_is_asked(world, scheduled, "content_changed")


def test_a_forger_who_mends_the_digest_too_still_lacks_the_approvals(world: World, scheduled: str) -> None:
    """Clause 1.3.1: approvals are pinned to the exact content."""
    forged = other_body(world, scheduled)
    tamper(world, put_revision(forged))
    tamper(world, other_head(world, scheduled, content_digest=forged.content_digest))
    assert last_check(world, scheduled) == []
    assert_a_person_is_asked(world, scheduled, "approval_missing")


@pytest.mark.parametrize("stage", STAGES)
def test_without_every_approval_nothing_is_published(world: World, scheduled: str, stage: str) -> None:
    """Clauses 3.2.1 and 3.3.1: all three reviews."""
    world.plain_table.delete(task_key(scheduled, 1, stage))
    assert last_check(world, scheduled) == []
    assert_a_person_is_asked(world, scheduled, "approval_missing")


def test_an_opinion_that_asks_for_changes_is_no_approval(world: World, scheduled: str) -> None:
    record = world.plain_table.get(task_key(scheduled, 1, "executive"))
    assert record is not None
    task = read_task(record)
    (opinion,) = task.opinions
    other = replace(opinion, decision=Decision.REQUEST_CHANGES)
    tamper(world, put_open_task(replace(task, opinions=(other,))))
    assert last_check(world, scheduled) == []
    assert_a_person_is_asked(world, scheduled, "approval_missing")


def test_the_machine_itself_stops_at_a_changed_text_and_the_drafter_may_hand_it_in_again(
    world: World,
) -> None:
    soon = world.now() + timedelta(minutes=5)
    submission = world.submit(publish_at=soon.isoformat())
    world.approve()
    tamper(world, put_revision(other_body(world, submission)))
    until = time.monotonic() + 20
    while world.state(submission) == "scheduled" and time.monotonic() < until:
        world.cloud.settle()
    assert_a_person_is_asked(world, submission, "content_changed")
    answer = world.resubmit(submission, title="停电检修通知（重交）")
    assert (answer.status, answer.body["state"]) == (201, "in_review")
