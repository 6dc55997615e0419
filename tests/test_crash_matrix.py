"""The crash matrix: every AWS call in the life of a submission goes wrong in every way, and nothing is lost or doubled.

Each run must come to the same end as an undisturbed one after at most two sweeps: published once, archived once,
the chain intact, no gap in the catalogue numbers.
"""

import random
from collections.abc import Callable

import pytest

from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import object_key, series_key
from chalicelib.archive.model.catalog import parse
from chalicelib.ledger.model import chain_faults
from chalicelib.ledger.store import events_of
from chalicelib.publication.store import entries_under
from tests.faults import Fault, FaultyAws, Mode
from tests.world import LIAISON, REVIEWERS, STAGES, Answer, World, a_form, a_world

AWS = FaultyAws()
TENTH = 10
CHUNKS = 8
MOST_SWEEPS = 2


def persist(request: Callable[[], Answer]) -> Answer:
    """Send a request until it is answered, as a person does who sees an error page."""
    for _ in range(3):
        answer = request()
        if answer.status < 500:
            return answer
    raise AssertionError(answer)


class Life:
    """A submission's life, lived by people who try again, with sweeps when it stands still."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sweeps = 0
        form = a_form(world.now())
        headers = {"idempotency-key": "one-life"}
        answer = persist(
            lambda: world.call("POST", "/api/v1/submissions", form, as_=LIAISON, headers=headers)
        )
        self.submission = str(answer.body["id"])

    def sweep(self) -> None:
        self.sweeps += 1
        assert self.sweeps <= MOST_SWEEPS, self.stands()
        self.world.sweep()

    def stands(self) -> str:
        head = self.world.parts.journal.head(self.submission)
        return f"{head.state} {head.stage} attempt {head.attempt}, {len(self.world.cloud.mails())} mails"

    def review(self, stage: str) -> None:
        reviewer, world = REVIEWERS[stage], self.world
        world.cloud.settle()
        while not world.links(reviewer):
            self.sweep()
        handle = world.links(reviewer)[0]
        seen = persist(lambda: world.call("POST", "/api/v1/review-links", {"handle": handle}, as_=reviewer))
        opinion = {
            "handle": handle,
            "decision": "approve",
            "comment": "同意。",
            "checklist": {item["id"]: True for item in seen.body["checklist"]},
            "content_digest": seen.body["content_digest"],
        }
        decided = persist(lambda: world.call("POST", "/api/v1/review-links/decision", opinion, as_=reviewer))
        assert decided.status == 200, decided

    def end(self) -> None:
        for stage in STAGES:
            self.review(stage)
        self.world.finish()
        while self.world.state(self.submission) != "archived":
            self.sweep()


def assert_all_is_well(life: Life) -> None:
    """One publication, one archive object, an intact chain, no gap."""
    world, submission = life.world, life.submission
    events = list(events_of(world.plain_table, submission))
    assert chain_faults(events) == []
    happened = [event.type for event in events]
    for once in ("Submitted", "Scheduled", "PublishingStarted", "Delivered", "Published", "Archived"):
        assert happened.count(once) == 1, happened
    assert happened.count("Decided") == 3, happened
    assert happened.count("TaskOpened") == 3, happened
    assert [entry.submission for entry in entries_under(world.plain_table, "internal")] == [submission]
    assert list(entries_under(world.plain_table, "public")) == []
    head = world.parts.journal.head(submission)
    assert head.catalog_number is not None
    series, serial = parse(head.catalog_number)
    counted = world.plain_table.get(series_key(series))
    assert counted is not None
    assert (serial, int(counted.last)) == (1, 1)
    s3 = world.plain_s3
    versions = s3.list_object_versions(Bucket=world.parts.settings.archive_bucket)
    assert [v["Key"] for v in versions["Versions"]] == [object_key(head.catalog_number)]
    package = s3.get_object(Bucket=world.parts.settings.archive_bucket, Key=object_key(head.catalog_number))[
        "Body"
    ].read()
    report = verify(package)
    assert report.ok, report.findings


def live(fault: Fault | None, prepare: Callable[[World], None] = lambda _world: None) -> None:
    with a_world(aws=AWS) as world:
        AWS.begin(fault)
        prepare(world)
        life = Life(world)
        life.end()
        AWS.fault = None
        assert fault is None or AWS.struck, f"{fault} never came"
        assert_all_is_well(life)


def every_fault() -> list[Fault]:
    """Each call of an undisturbed life, in each way."""
    live(None)
    return [Fault(point=point, mode=mode) for point in AWS.points() for mode in Mode]


def disturbed(faults: list[Fault]) -> None:
    failures = []
    for fault in faults:
        try:
            live(fault)
        except Exception as error:  # noqa: BLE001 - all of them are wanted in one run
            failures.append(
                f"{fault.mode} {fault.point.label} #{fault.point.nth}: {type(error).__name__} {error}"
            )
    assert not failures, "\n".join(failures)


def test_an_undisturbed_life_needs_no_sweep() -> None:
    with a_world(aws=AWS) as world:
        AWS.begin()
        life = Life(world)
        life.end()
        assert life.sweeps == 0
        assert_all_is_well(life)


def test_a_tenth_of_all_crashes_ends_like_an_undisturbed_life(capsys: pytest.CaptureFixture[str]) -> None:
    faults = every_fault()
    chosen = random.Random(2026).sample(faults, len(faults) // TENTH)  # noqa: S311 - a choice of tests
    with capsys.disabled():
        print(f"\ncrash matrix: {len(chosen)} of {len(faults)} crash points")  # noqa: T201 - asked for
    disturbed(chosen)


@pytest.mark.crash_full
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_crash_ends_like_an_undisturbed_life(chunk: int, capsys: pytest.CaptureFixture[str]) -> None:
    faults = every_fault()
    with capsys.disabled():
        print(f"\ncrash matrix: {len(faults)} crash points, part {chunk + 1} of {CHUNKS}")  # noqa: T201 - asked for
    disturbed(faults[chunk::CHUNKS])


@pytest.mark.parametrize("seed", range(3))
def test_every_record_and_message_may_come_twice_and_out_of_order(seed: int) -> None:
    def unkind(world: World) -> None:
        world.cloud.pumps.duplicate = True
        world.cloud.pumps.shuffle = random.Random(seed)  # noqa: S311 - an order for a test

    live(None, unkind)
