"""The crash matrix: every AWS call in the life of a submission goes wrong in every way, and nothing is lost or doubled.

Each run must come to the same end as an undisturbed one after at most two sweeps: published once, archived once,
the chain intact, no gap in the catalogue numbers.
"""

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.archive.model.catalog import parse
from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import object_key, series_key
from chalicelib.ledger.model import chain_faults
from chalicelib.ledger.store import events_of
from chalicelib.publication.freeze import CHAIN
from chalicelib.publication.store import entries_under
from tests.attachment.files import CSV, begin, keys, post_form
from tests.faults import Fault, FaultyAws, Mode, Point
from tests.world import (
    DIRECTOR,
    EDITOR,
    LIAISON,
    PEOPLE,
    REVIEWERS,
    STAGES,
    Answer,
    World,
    a_form,
    a_world,
)

Record = Callable[[str, object], None]
AWS = FaultyAws()
TENTH = 10
PARTS = 8
MOST_SWEEPS = 2
ALIKE = re.compile(r"Query in-flight-(?!00)")
"""The sixteen keys of the index of what is in flight are read alike: one will do."""


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
        self.read = dict.fromkeys(STAGES, 0)
        form = self.form()
        headers = {"idempotency-key": "one-life"}
        answer = persist(
            lambda: world.call("POST", "/api/v1/submissions", form, as_=LIAISON, headers=headers)
        )
        self.submission = str(answer.body["id"])

    def form(self) -> dict[str, Any]:
        return a_form(self.world.now())

    def sweep(self) -> None:
        self.sweeps += 1
        assert self.sweeps <= MOST_SWEEPS, self.stands()
        self.world.sweep()

    def stands(self) -> str:
        head = self.world.plain_journal.head(self.submission)
        return f"{head.state} {head.stage} attempt {head.attempt}, {len(self.world.cloud.mails())} mails"

    def review(self, stage: str, decision: str = "approve") -> None:
        reviewer, world = REVIEWERS[stage], self.world
        world.cloud.settle()
        while world.stage_open(self.submission) != stage or len(world.links(reviewer)) <= self.read[stage]:
            self.sweep()
        self.read[stage] = len(world.links(reviewer))
        handle = world.links(reviewer)[0]
        seen = persist(lambda: world.call("POST", "/api/v1/review-links", {"handle": handle}, as_=reviewer))
        items = [item["id"] for item in seen.body["checklist"]]
        opinion = {
            "handle": handle,
            "decision": decision,
            "comment": "请看。",
            "checklist": {item: decision == "approve" or item != items[0] for item in items},
            "content_digest": seen.body["content_digest"],
        }
        decided = persist(lambda: world.call("POST", "/api/v1/review-links/decision", opinion, as_=reviewer))
        assert decided.status == 200, decided

    def return_and_hand_in_again(self) -> None:
        """The department head asks for changes, and the liaison makes them."""
        self.review("initial")
        self.review("department_head", "request_changes")
        self.world.cloud.settle()
        form = a_form(self.world.now(), title="关于五一期间办公区停电检修的通知（修订）")
        path = f"/api/v1/submissions/{self.submission}/revisions"
        answer = persist(lambda: self.world.call("POST", path, form, as_=LIAISON))
        assert answer.status == 201, answer

    def end(self) -> None:
        for stage in STAGES:
            self.review(stage)
        self.world.finish()
        while self.world.state(self.submission) != "archived":
            self.sweep()


class FrozenLife(Life):
    """The life of a submission that falls due while publishing is frozen."""

    def end(self) -> None:
        freeze = {"scope": "all", "reason": "演练"}
        assert persist(lambda: self.world.call("POST", "/api/v1/freezes", freeze, as_=EDITOR)).status == 200
        for stage in STAGES:
            self.review(stage)
        self.world.finish()
        while self.world.state(self.submission) != "scheduled":
            self.sweep()
        lifted = persist(lambda: self.world.call("POST", "/api/v1/freezes/lift", freeze, as_=DIRECTOR))
        assert lifted.status in {200, 409}, "409 for what has taken effect before"
        self.world.finish()
        while self.world.state(self.submission) != "archived":
            self.sweep()


class AttachedLife(Life):
    """The life of a submission with a file."""

    def form(self) -> dict[str, Any]:
        asked = persist(lambda: begin(self.world, CSV))
        assert asked.status == 201, asked
        assert post_form(asked.body["upload"], CSV).status_code == 204
        self.world.cloud.settle()
        attachment = asked.body["id"]
        seen = persist(lambda: self.world.call("GET", f"/api/v1/attachments/{attachment}", as_=LIAISON))
        assert seen.body["state"] == "ready", seen
        return a_form(self.world.now(), attachments=[attachment])


def assert_the_file_is_everywhere(life: Life) -> None:
    """Kept once, on the site, in the package."""
    (kept,) = keys(life.world, "kept/")
    assert kept.startswith(f"kept/{life.submission}/")
    site = life.world.parts.settings.site_bucket
    found = life.world.plain_s3.get_object(Bucket=site, Key=f"internal/{life.submission}/1/files/1.csv")
    assert found["Body"].read() == CSV


def assert_frozen_once(life: Life) -> None:
    """One freeze and its end, in an intact chain; what waited is listed there."""
    events = list(events_of(life.world.plain_table, CHAIN))
    assert chain_faults(events) == []
    assert [event.type for event in events] == ["PublishingFrozen", "PublishingUnfrozen"]
    assert [each["submission"] for each in events[1].payload["waited"]] == [life.submission]


def assert_all_is_well(life: Life) -> None:
    """One publication, one archive object, an intact chain, no gap."""
    world, submission = life.world, life.submission
    events = list(events_of(world.plain_table, submission))
    assert chain_faults(events) == []
    happened = [event.type for event in events]
    for once in ("Submitted", "Scheduled", "PublishingStarted", "Delivered", "Published", "Archived"):
        assert happened.count(once) == 1, happened
    stages = 3 + 2 * happened.count("Resubmitted")
    assert happened.count("Decided") == stages, happened
    assert happened.count("TaskOpened") == stages, happened
    assert [entry.submission for entry in entries_under(world.plain_table, "internal")] == [submission]
    assert list(entries_under(world.plain_table, "public")) == []
    head = world.plain_journal.head(submission)
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
    assert report.facts is not None
    assert report.facts.attachment_count == isinstance(life, AttachedLife)
    if isinstance(life, AttachedLife):
        assert_the_file_is_everywhere(life)
    if isinstance(life, FrozenLife):
        assert_frozen_once(life)


Story = Callable[[Life], None]


def live(
    story: Story, fault: Fault | None = None, prepare: Callable[[World], None] = lambda _world: None
) -> Life:
    with a_world(*PEOPLE, DIRECTOR, aws=AWS) as world:
        AWS.begin(fault)
        prepare(world)
        life = LIVES.get(story, Life)(world)
        story(life)
        AWS.fault = None
        assert fault is None or AWS.struck, f"{fault} never came"
        assert_all_is_well(life)
        return life


def straight(life: Life) -> None:
    """Approved at once."""
    life.end()


def returned(life: Life) -> None:
    """Returned by the department head, changed, approved."""
    life.return_and_hand_in_again()
    life.end()


def attached(life: Life) -> None:
    """With a file, approved at once."""
    life.end()


def frozen(life: Life) -> None:
    """Due while publishing is frozen, and let go."""
    life.end()


STORIES: tuple[Story, ...] = (straight, returned, attached, frozen)
LIVES: dict[Story, type[Life]] = {attached: AttachedLife, frozen: FrozenLife}


def points(story: Story) -> list[Point]:
    """The calls of an undisturbed life: places where something can go wrong."""
    live(story)
    return AWS.points()


def every_fault() -> list[tuple[Story, Fault]]:
    """Each call of an undisturbed life of each story, in each way; with a file, or frozen, what that brings only."""
    of = {story: points(story) for story in STORIES}
    for story in (attached, frozen):
        of[story] = [
            point for point in of[story] if point not in set(of[straight]) and not ALIKE.match(point.label)
        ]
    return [
        (story, Fault(point=point, mode=mode)) for story in STORIES for point in of[story] for mode in Mode
    ]


def disturbed(faults: list[tuple[Story, Fault]]) -> None:
    failures = []
    for story, fault in faults:
        try:
            live(story, fault)
        except Exception as error:  # noqa: BLE001 - all of them are wanted in one run
            where = f"{story.__name__}: {fault.mode} {fault.point.label} #{fault.point.nth}"
            failures.append(f"{where}: {type(error).__name__} {error}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("story", STORIES)
def test_an_undisturbed_life_needs_no_sweep(story: Story) -> None:
    assert live(story).sweeps == 0


@pytest.mark.parametrize("part", range(2))
def test_a_tenth_of_all_crashes_ends_like_an_undisturbed_life(part: int, record_property: Record) -> None:
    faults = every_fault()
    chosen = random.Random(2026).sample(faults, len(faults) // TENTH)  # noqa: S311 - a choice of tests
    record_property("figure", f"crash matrix: {len(chosen)} of {len(faults)} crash points")
    disturbed(chosen[part::2])


def test_the_matrix_has_the_calls_that_a_file_brings() -> None:
    """Clause 3.5.2: what is attached arrives once, in site and package, whatever fails on the way."""
    about = " ".join(fault.point.label for story, fault in every_fault() if story is attached)
    for needed in ("CopyObject", "HeadObject", "GetObject", "PutObject", "ATTACHMENT"):
        assert needed in about, about


def test_the_matrix_has_the_calls_that_a_freeze_brings_and_each_that_writes_is_survived() -> None:
    """Clause 5.1.2: what a freeze holds back is neither lost nor doubled, whatever fails on the way."""
    faults = [(story, fault) for story, fault in every_fault() if story is frozen]
    about = " ".join(fault.point.label for _, fault in faults)
    for needed in (
        "ALL",
        "PublishingFrozen",
        "PublishingUnfrozen",
        "WorkflowRestarted",
        "Query in-flight-00",
    ):
        assert needed in about, about
    disturbed([each for each in faults if "Publishing" in each[1].point.label])


@pytest.mark.crash_full
@pytest.mark.parametrize("part", range(PARTS))
def test_every_crash_ends_like_an_undisturbed_life(part: int, record_property: Record) -> None:
    faults = every_fault()
    record_property("figure", f"crash matrix: all {len(faults)} crash points")
    disturbed(faults[part::PARTS])


@pytest.mark.parametrize("seed", range(3))
def test_every_record_and_message_may_come_twice_and_out_of_order(seed: int) -> None:
    def unkind(world: World) -> None:
        world.cloud.pumps.duplicate = True
        world.cloud.pumps.shuffle = random.Random(seed)  # noqa: S311 - an order for a test

    live(returned, prepare=unkind)
