"""Deliveries: each channel once and on its own, whatever fails, and nothing where it does not belong."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import object_key
from chalicelib.core.errors import ChannelRefusal, DeliveryParked, DeliveryRefused, Stale
from chalicelib.publication.channels.website.entry import Entry
from chalicelib.publication.freeze import Freezes
from chalicelib.publication.model import Adapter, Delivered, DeliveryState, Item, Retraction, TakenBack
from chalicelib.publication.service.publishing import MOST_RESTARTS
from chalicelib.publication.store import deliveries_of, entries_under, put_delivery
from chalicelib.submission.model import Channel
from tests.faults import CrashError, FaultyAws
from tests.world import EDITOR, LIAISON, World, a_world

AWS = FaultyAws()


class NoticeBoard:
    """A channel of this test: counts what it is given, and fails while it is told to."""

    repeatable = True
    patience = timedelta(0)

    def __init__(self) -> None:
        self.broken = False
        self.refusal: ChannelRefusal | None = None
        self.given: list[str] = []
        self._lock = threading.Lock()

    def prepare(self, _item: Item) -> Mapping[str, Any]:
        return {}

    def deliver(self, item: Item) -> Delivered:
        if self.broken:
            raise CrashError("the board is down")
        if self.refusal is not None:
            raise self.refusal
        with self._lock:
            self.given.append(item.head.id)
        files = {
            name.removeprefix("notice_board/"): hashlib.sha256(poster).hexdigest()
            for name, poster in self.rendered(item).items()
        }
        return Delivered(receipt={"files": files})

    def reconcile(self, item: Item) -> Delivered:
        return self.deliver(item)

    def retract(self, item: Item, _retraction: Retraction) -> TakenBack:
        self.given.remove(item.head.id)
        return TakenBack(receipt={}, left=("paper",))

    def rendered(self, item: Item) -> Mapping[str, bytes]:
        poster = f"{item.revision.form.title}\n{item.head.id} {item.delivery.revision}"
        return {"notice_board/poster.txt": poster.encode()}


@pytest.fixture(scope="module")
def board() -> NoticeBoard:
    return NoticeBoard()


@pytest.fixture(scope="module")
def world(board: NoticeBoard) -> Iterator[World]:
    with a_world(aws=AWS) as world:
        adapters: dict[Channel, Adapter] = {**world.parts.adapters, Channel.NOTICE_BOARD: board}
        world.parts.adapters = adapters
        yield world


@pytest.fixture(scope="module")
def published(world: World) -> str:
    """A submission that has gone to two channels, and waits for the adapter of a third."""
    return world.publish(
        title="食堂春季菜单", channels=["website", "notice_board", "wechat"], classification="public"
    )


def paths(world: World) -> list[str]:
    """The key of every page on the site."""
    listed = world.plain_s3.list_objects_v2(Bucket=world.parts.settings.site_bucket)
    return [found["Key"] for found in listed.get("Contents", [])]


def page(world: World, key: str) -> bytes:
    """One page of the site."""
    found = world.plain_s3.get_object(Bucket=world.parts.settings.site_bucket, Key=key)
    return found["Body"].read()


def pages(world: World) -> dict[str, bytes]:
    """Every page of the site by its key."""
    return {key: page(world, key) for key in paths(world)}


def versions(world: World, key: str) -> int:
    """How often a page was written."""
    listed = world.plain_s3.list_object_versions(Bucket=world.parts.settings.site_bucket, Prefix=key)
    return len(listed.get("Versions", []))


def states(world: World, submission: str) -> dict[str, str]:
    """The deliveries as the drafter sees them."""
    return {each["channel"]: each["state"] for each in world.record(submission)["deliveries"]}


def sweep(world: World) -> None:
    with world.later(hours=1):
        world.parts.sweeper.sweep()
    world.finish()


def test_each_channel_is_delivered_to_once_and_one_without_an_adapter_waits_for_it_openly(
    world: World, board: NoticeBoard, published: str
) -> None:
    """Clause 3.4.1: by the planned channels."""
    assert world.state(published) == "archived", "nothing is held back"
    assert states(world, published) == {
        "website": "done",
        "notice_board": "done",
        "wechat": "waiting_for_adapter",
    }
    assert len(world.events(published, "Delivered")) == 2
    assert board.given.count(published) == 1
    assert versions(world, f"internal/{published}/") == 1


def test_the_receipt_names_the_page_and_its_sha256_as_it_stands_on_the_site(
    world: World, published: str
) -> None:
    """Clause 4.1.1: the intranet site shows what was approved."""
    receipts = {each["channel"]: each["receipt"] for each in world.record(published)["deliveries"]}
    key = f"internal/{published}/1/index.html"
    assert f"https://site.test/{key}" in receipts["website"]["urls"]
    shown = page(world, key)
    assert receipts["website"]["files"] == {"index.html": hashlib.sha256(shown).hexdigest()}
    assert "食堂春季菜单" in shown.decode()


def test_an_internal_item_is_never_under_the_public_prefix_and_a_public_one_under_both(world: World) -> None:
    """Clause 5.3.1: resources are classified."""
    internal = world.publish(title="仅供内部的值班表")
    public = world.publish(title="公开的招聘启事", classification="public")
    everything = pages(world)
    assert [key for key in everything if internal in key] == [f"internal/{internal}/1/index.html"]
    assert {key for key in everything if public in key} == {
        f"internal/{public}/1/index.html",
        f"public/{public}/1/index.html",
    }
    outside = b"".join(shown for key, shown in everything.items() if key.startswith("public/"))
    assert "公开的招聘启事" in outside.decode()
    assert "仅供内部的值班表" not in outside.decode()
    assert internal not in outside.decode()


def test_a_confidential_item_for_e_mail_is_archived_and_nothing_of_it_is_on_the_site(world: World) -> None:
    before = pages(world)
    submission = world.publish(
        title="收购蓝鲸公司", classification="confidential", channels=["email"], audience=["marketing"]
    )
    assert world.state(submission) == "archived"
    assert states(world, submission) == {"email": "done"}
    assert pages(world) == before
    assert submission not in {entry.submission for entry in entries_under(world.plain_table, "internal")}


def test_two_publications_at_once_both_appear(world: World) -> None:
    with world.frozen():
        submissions = [world.publish(title=title) for title in ("第一件", "第二件")]
    sweep(world)
    home, feed, sitemap = (
        page(world, f"internal/{name}").decode() for name in ("index.html", "feed.atom", "sitemap.xml")
    )
    for submission, title in zip(submissions, ("第一件", "第二件"), strict=True):
        assert world.state(submission) == "archived"
        assert page(world, f"internal/{submission}/1/index.html")
        assert title in home
        assert title in feed
        assert submission in sitemap


def test_a_channel_that_fails_holds_back_no_other_and_is_made_good_once(
    world: World, board: NoticeBoard
) -> None:
    """Clause 2.3.2: publishing stays smooth and stable."""
    board.broken = True
    submission = world.publish(channels=["notice_board", "website"])
    assert states(world, submission) == {"notice_board": "pending", "website": "done"}
    assert world.state(submission) == "publishing"
    assert f"internal/{submission}/1/index.html" in paths(world)
    board.broken = False
    sweep(world)
    assert world.state(submission) == "archived"
    assert states(world, submission) == {"notice_board": "done", "website": "done"}
    assert len(world.events(submission, "Delivered")) == 2
    assert versions(world, f"internal/{submission}/") == 1


@pytest.mark.parametrize(
    ("refusal", "state"),
    [
        (DeliveryRefused("outcome_unknown"), "failed"),
        (DeliveryParked("tried_in_vain", {"draft": "7"}), "needs_person"),
    ],
)
def test_a_channel_that_refuses_is_told_of_and_holds_back_neither_the_others_nor_the_archive(
    world: World, board: NoticeBoard, refusal: ChannelRefusal, state: str
) -> None:
    """Clause 3.5.1: archive at once; the package says what became of each channel."""
    board.refusal, before = refusal, len(world.cloud.mails())
    submission = world.publish(channels=["notice_board", "website"])
    board.refusal = None
    assert world.state(submission) == "archived"
    shown = {each["channel"]: each for each in world.record(submission)["deliveries"]}
    assert (shown["notice_board"]["state"], shown["website"]["state"]) == (state, "done")
    assert shown["notice_board"]["reason"] == refusal.reason
    newest = world.cloud.mails()[: len(world.cloud.mails()) - before]
    told = [mail.to for mail in newest if "在宣传栏" in mail.text]
    assert sorted(told) == sorted([LIAISON.email, EDITOR.email])
    number = world.plain_journal.head(submission).catalog_number or ""
    bucket = world.parts.settings.archive_bucket
    package = world.plain_s3.get_object(Bucket=bucket, Key=object_key(number))["Body"].read()
    report = verify(package)
    assert report.facts is not None
    assert (report.findings, report.facts.format_version) == ((), 6)


def test_what_is_on_no_channel_needs_a_person_and_is_not_archived(world: World, board: NoticeBoard) -> None:
    board.refusal = DeliveryRefused("outcome_unknown")
    submission = world.publish(channels=["notice_board"])
    board.refusal = None
    head = world.plain_journal.head(submission)
    assert (head.state, head.reason, head.catalog_number) == ("needs_person", "not_delivered", None)


def test_what_fails_for_two_days_is_left_to_a_person_and_the_rest_is_archived(
    world: World, board: NoticeBoard
) -> None:
    board.broken = True
    submission = world.publish(channels=["notice_board", "website"])
    for time in range(1, MOST_RESTARTS + 2):
        assert world.state(submission) == "publishing"
        head = world.plain_journal.head(submission)
        with world.later(days=3 * time):
            world.parts.publishing.repair(head, Freezes())
        world.finish()
    board.broken = False
    assert world.state(submission) == "archived"
    assert states(world, submission) == {"notice_board": "needs_person", "website": "done"}


def test_while_s3_fails_nothing_is_published_and_afterwards_everything_is_once(world: World) -> None:
    def fail(operation: str, _params: Mapping[str, Any]) -> None:
        if operation == "PutObject":
            raise CrashError(operation)

    AWS.watch = fail
    try:
        submission = world.publish(title="风暴之后")
        assert world.state(submission) == "publishing"
        assert states(world, submission) == {"website": "pending"}
        assert submission not in "".join(paths(world))
    finally:
        AWS.watch = None
    sweep(world)
    assert world.state(submission) == "archived"
    assert versions(world, f"internal/{submission}/") == 1
    assert "风暴之后" in page(world, "internal/index.html").decode()


def test_delivering_again_what_is_done_does_nothing(world: World, board: NoticeBoard, published: str) -> None:
    before, site = world.items(), pages(world)
    for channel in ("website", "notice_board", "wechat"):
        work = {"submission": published, "revision": 1, "attempt": 1, "channel": channel}
        world.parts.delivering.deliver(work)
    assert world.items() == before
    assert pages(world) == site
    assert board.given.count(published) == 1


def test_a_delivery_of_an_older_attempt_neither_delivers_nor_confirms(
    world: World, board: NoticeBoard
) -> None:
    board.broken = True
    submission = world.publish(channels=["notice_board"])
    assert world.state(submission) == "publishing"
    world.plain_journal.restart(world.plain_journal.head(submission), "service:test")
    board.broken = False
    old = {"submission": submission, "revision": 1, "attempt": 1, "channel": "notice_board"}
    before = world.items()
    world.parts.delivering.deliver(old)
    assert world.items() == before
    assert submission not in board.given
    world.finish()
    assert world.state(submission) == "archived"
    assert board.given.count(submission) == 1


def test_a_claim_is_never_written_over_what_is_done(world: World, published: str) -> None:
    before = deliveries_of(world.plain_table, published, 1)
    for done in (each for each in before if each.state is DeliveryState.DONE):
        called = replace(done, state=DeliveryState.CALLING)
        with pytest.raises(Stale):
            world.plain_table.put(put_delivery(called, replace(called, state=DeliveryState.UNKNOWN)))
    assert deliveries_of(world.plain_table, published, 1) == before


def test_wiping_the_site_and_rendering_it_again_gives_the_same_bytes(world: World) -> None:
    world.publish(title="可以重建的页面", classification="public")
    before = pages(world)
    for key in before:
        world.plain_s3.delete_object(Bucket=world.parts.settings.site_bucket, Key=key)
    assert paths(world) == []

    def body(entry: Entry) -> str:
        return world.plain_journal.revision(entry.submission, entry.revision).form.body

    assert world.parts.website.rebuild(body) >= 1
    assert pages(world) == before
