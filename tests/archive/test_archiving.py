"""Archiving: at once, once, under numbers without gaps, in a package that proves itself and stays."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.archive.model.catalog import parse
from chalicelib.archive.model.package import build
from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import catalog_key, object_key, read_archived
from chalicelib.submission.service import Journal
from tests.faults import CrashError, FaultyAws
from tests.world import EDITOR, EXECUTIVE, HEAD, OTHER_LIAISON, STAGES, Gate, World, a_world

AWS = FaultyAws()
CROWD = 4


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=AWS) as world:
        yield world


@pytest.fixture(scope="module")
def archived(world: World) -> str:
    """A submission with everything in its life that a life may hold, archived."""
    submission = world.submit(title="会反复的通知")
    world.cloud.settle()
    assert world.open_link(world.links(EDITOR)[0], OTHER_LIAISON).status == 404
    assert world.decide(EDITOR, "request_changes").status == 200
    assert world.resubmit(submission, title="改过一次的通知 𠮷", channels=["website", "email"]).status == 201
    world.cloud.settle()
    world.let_lie(submission)
    world.plain_journal.restart(world.plain_journal.head(submission), "service:test")
    world.approve()
    world.finish()
    return submission


def package_of(world: World, submission: str) -> bytes:
    """The package as it stands in the bucket."""
    number = world.record(submission)["catalog_number"]
    found = world.plain_s3.get_object(Bucket=world.parts.settings.archive_bucket, Key=object_key(number))
    return found["Body"].read()


def assert_no_gaps(world: World) -> None:
    """In every series the serials of what is archived are 1, 2, 3 and so on."""
    series: dict[str, list[int]] = {}
    for pk, sk in world.items():
        if pk.startswith("ARCHIVE#") and sk == "ENTRY":
            belongs_to, serial = parse(pk.removeprefix("ARCHIVE#"))
            series.setdefault(belongs_to.key, []).append(serial)
    assert series
    for serials in series.values():
        assert sorted(serials) == list(range(1, len(serials) + 1))


def sweep(world: World) -> None:
    with world.later(hours=1):
        world.parts.sweeper.sweep()
        world.finish()


def test_a_life_with_returns_reminders_restarts_and_a_forwarded_link_verifies(
    world: World, archived: str
) -> None:
    """Clauses 3.5.1 and 3.5.2: archived at once, in a package with proofs."""
    assert world.state(archived) == "archived"
    happened = {event.type for event in world.events(archived)}
    assert happened >= {
        "ReviewLinkRefused",
        "Resubmitted",
        "ReviewReminded",
        "ReviewOverdue",
        "WorkflowRestarted",
    }
    number = world.record(archived)["catalog_number"]
    record = world.plain_table.get(catalog_key(number))
    assert record is not None
    entry = read_archived(record)
    report = verify(package_of(world, archived), expected_sha256=entry.sha256)
    assert report.findings == ()
    assert report.catalog_number == number


def test_what_the_verifier_reads_in_the_package_is_what_the_ledger_says(world: World, archived: str) -> None:
    events = world.events(archived)
    published = next(event for event in events if event.type == "Published")
    facts = verify(package_of(world, archived)).facts
    assert facts is not None
    assert (facts.submission, facts.revision) == (archived, 2)
    assert facts.title == "改过一次的通知 𠮷"
    assert facts.content_digest == world.plain_journal.head(archived).content_digest
    assert facts.catalog_number == published.payload["catalog_number"]
    assert (facts.event_count, facts.last_event_hash) == (published.seq, published.hash)
    assert [(approval.stage, approval.reviewer) for approval in facts.approvals] == list(
        zip(STAGES, (EDITOR.id, HEAD.id, EXECUTIVE.id), strict=True)
    )
    decided = [e.at for e in events if e.type == "Decided" and e.payload["decision"] == "approve"]
    assert [approval.at for approval in facts.approvals] == decided


def test_the_same_package_comes_out_whenever_it_is_built(world: World, archived: str) -> None:
    head = world.plain_journal.head(archived)
    again = build(world.parts.archiving._dossier(head))
    assert again == package_of(world, archived)
    assert world.open_link(world.links(HEAD)[0], OTHER_LIAISON).status == 404
    assert world.events(archived)[-1].type == "ReviewLinkRefused", "the ledger goes on"
    assert build(world.parts.archiving._dossier(world.plain_journal.head(archived))) == again


def test_the_entry_and_the_last_event_name_the_one_locked_version(world: World, archived: str) -> None:
    """Clause 2.4.3: kept safe, for as long as the retention says."""
    s3, bucket = world.plain_s3, world.parts.settings.archive_bucket
    (event,) = world.events(archived, "Archived")
    key = object_key(event.payload["catalog_number"])
    listed = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    assert [version["VersionId"] for version in listed] == [event.payload["version_id"]]
    kept = s3.head_object(Bucket=bucket, Key=key, VersionId=event.payload["version_id"])
    assert kept["ObjectLockMode"] == "GOVERNANCE"
    assert kept["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=3600)
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=key, VersionId=event.payload["version_id"])
    assert hashlib.sha256(package_of(world, archived)).hexdigest() == event.payload["sha256"]


def test_archiving_again_changes_nothing(world: World, archived: str) -> None:
    before = world.items()
    for attempt in (2, 3):
        world.parts.archiving.archive({"submission": archived, "revision": 2, "attempt": attempt})
    assert world.items() == before


def test_numbers_have_neither_gaps_nor_repeats_when_many_archive_at_once(world: World) -> None:
    """Clause 3.5.3: a clear catalogue."""
    with world.frozen():
        submissions = [world.publish(category="culture") for _ in range(CROWD)]
    AWS.watch = Gate("Published", CROWD)
    try:
        sweep(world)
    finally:
        AWS.watch = None
    assert {world.state(submission) for submission in submissions} == {"archived"}
    assert_no_gaps(world)


def test_each_series_is_counted_on_its_own(world: World) -> None:
    """Clause 3.5.3: sorted by category and publish time."""
    number = world.record(world.publish(category="rules"))["catalog_number"]
    assert number.endswith("-Y-SCB-0001")
    assert_no_gaps(world)


def test_the_year_of_a_number_is_that_of_the_centers_calendar(world: World) -> None:
    submission = world.submit(category="news", publish_at=(world.now() + timedelta(hours=1)).isoformat())
    world.approve()
    world.kill(submission)
    work = {"submission": submission, "revision": 1, "attempt": 1}
    with world.later(hours=2):
        for channel in world.parts.publishing.last_check(work)["channels"]:
            world.parts.delivering.deliver(work | {"channel": channel})
    new_year = datetime(2031, 12, 31, 16, 0, tzinfo=UTC)
    journal = Journal(table=world.parts.table, now=lambda: new_year)
    replace(world.parts.archiving, journal=journal).archive(work)
    number = world.record(submission)["catalog_number"]
    assert parse(number)[0].year == 2032, "midnight in Shanghai"
    assert verify(package_of(world, submission)).ok


def test_a_number_reserved_before_an_outage_is_the_one_used_after_it(world: World) -> None:
    def fail(operation: str, params: Mapping[str, Any]) -> None:
        if operation == "PutObject" and "archive" in params["url"]:
            raise CrashError(operation)

    AWS.watch = fail
    try:
        first = world.publish(category="business")
    finally:
        AWS.watch = None
    assert world.state(first) == "published"
    second = world.publish(category="business")
    sweep(world)
    earlier, later = (parse(world.record(s)["catalog_number"])[1] for s in (first, second))
    assert later == earlier + 1
    assert {world.state(first), world.state(second)} == {"archived"}
    assert_no_gaps(world)


def test_another_package_under_the_same_number_is_never_papered_over(world: World, archived: str) -> None:
    number = world.record(archived)["catalog_number"]
    with pytest.raises(RuntimeError, match=number):
        world.parts.packages.keep(number, b"another")
    assert (
        world.parts.packages.keep(number, package_of(world, archived))
        == (world.events(archived, "Archived")[0].payload["version_id"])
    )
