"""Files that were kept for nothing go, and never one that a revision names (clause 3.5.2)."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from app import app
from chalicelib.attachment.model import KeptCopy
from chalicelib.attachment.store import FileStore
from chalicelib.core.events import UnforeseenError
from chalicelib.core.ids import new_id
from chalicelib.submission.service.tidying import DOUBT, LOOKED_BACK
from chalicelib.submission.store import revision_key
from tests.attachment.files import CSV, keys, put_ready, stored
from tests.browsing import Browser
from tests.faults import Fault, FaultyAws, Mode, Point
from tests.infra.lambda_events import A_TICK
from tests.senders import System
from tests.submission.desk_visits import NEW, typed
from tests.world import EDITOR, LIAISON, Answer, World, a_form, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
COMMIT = Point(label="TransactWriteItems Submitted", nth=1)
LATER = timedelta(days=3)
"""When the requests here ask to be published: they may be handed in late."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=AWS, departments=("marketing",)) as world:
        world.cloud.pumps._streams.clear()  # handing in is all that matters here
        yield world


@pytest.fixture(autouse=True)
def nothing_kept(world: World) -> Iterator[None]:
    """Each test begins with an empty shelf and a smooth network."""
    AWS.begin()
    bucket = world.parts.settings.uploads_bucket
    for each in versions(world):
        world.plain_s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    yield
    AWS.begin()
    world.cloud.settle()


def versions(world: World, prefix: str = "kept/") -> list[Any]:
    """Every copy that is there, hidden ones included."""
    bucket = world.parts.settings.uploads_bucket
    return list(world.plain_s3.list_object_versions(Bucket=bucket, Prefix=prefix).get("Versions", []))


def ready(world: World) -> str:
    """A file that a request may name."""
    attachment = new_id("a")
    put_ready(world.parts, attachment, department="marketing", uploader=LIAISON.id, now=world.now())
    return attachment


def form(world: World, *attachments: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 — as in a_form
    publish_at = (world.now() + LATER).replace(microsecond=0).isoformat()
    return a_form(world.now(), **{"attachments": list(attachments), "publish_at": publish_at} | changes)


def hand_in(world: World, document: dict[str, Any], key: str) -> Answer:
    headers = {"idempotency-key": key}
    return world.call("POST", "/api/v1/submissions", document, as_=LIAISON, headers=headers)


def kept_for_nothing(world: World, *attachments: str, key: str = "broken-off") -> dict[str, Any]:
    """Break a request off once its files are kept, before it is committed; answers its document."""
    document = form(world, *(attachments or (ready(world),)))
    AWS.begin(Fault(point=COMMIT, mode=Mode.BEFORE))
    assert hand_in(world, document, key).status == 500
    assert AWS.struck
    AWS.begin()
    return document


def tidy(world: World, **after: float) -> int:
    """What the daily run removes, so much later."""
    with world.later(**after):
        return int(app.handler_map["tidy_kept_files"](A_TICK, None)["removed"])


def copies(label: str = "CopyObject") -> int:
    return sum(call.startswith(label) for call in AWS.calls)


def test_a_reused_key_is_refused_before_any_file_is_kept(world: World) -> None:
    first, other = ready(world), ready(world)
    submission = hand_in(world, form(world, first), "k-api").body["id"]
    AWS.begin()
    answer = hand_in(world, form(world, other), "k-api")
    assert (answer.status, answer.body["code"], copies()) == (409, "idempotency_key_reused", 0)
    assert keys(world, "kept/") == [f"kept/{submission}/{first}"]


def test_a_page_that_is_sent_again_with_other_files_keeps_none_of_them(world: World) -> None:
    browser = Browser(world, LIAISON)
    shown = browser.get(NEW)
    for file in (ready(world), ready(world)):
        AWS.begin()
        answer = browser.submit(shown, NEW, **typed(world, attachments=[file]))
    assert (answer.status, copies()) == (409, 0)
    assert len(keys(world, "kept/")) == 1


def test_a_letter_with_a_reused_key_keeps_no_file(world: World) -> None:
    system = System(world=world)
    for _ in range(2):
        file = ready(world)
        AWS.begin()
        system.send(attachments=[file], attributes={"idempotency_key": "k-queue"})
        world.cloud.settle()
    assert sorted(answer["status"] for answer in system.answers()) == [201, 409]
    assert copies() == 0
    assert len(keys(world, "kept/")) == 1


def test_a_repeat_copies_nothing_and_costs_no_call_more_than_the_first(world: World) -> None:
    document = form(world, ready(world))
    AWS.begin()
    first = hand_in(world, document, "k-again")
    cost = len(AWS.calls)
    AWS.begin()
    assert hand_in(world, document, "k-again").body["id"] == first.body["id"]
    assert (cost, len(AWS.calls), copies()) == (4, 2, 0), AWS.calls
    assert len(versions(world)) == 1


def test_what_a_crash_left_is_removed_after_a_day_and_not_before(world: World) -> None:
    kept_for_nothing(world)
    assert tidy(world, hours=23) == 0
    assert len(versions(world)) == 1
    assert tidy(world, hours=25) == 1
    assert versions(world) == []
    assert tidy(world, hours=25) == 0


def test_what_a_lost_race_left_is_removed_and_the_winners_file_stays(world: World) -> None:
    mine, theirs = ready(world), ready(world)

    def meanwhile(operation: str, _params: object) -> None:
        if operation == "CopyObject":
            AWS.watch = None
            assert hand_in(world, form(world, theirs), "k-race").status == 201

    AWS.watch = meanwhile
    assert hand_in(world, form(world, mine), "k-race").status == 409
    assert len(versions(world)) == 2
    assert tidy(world, days=2) == 1
    (left,) = keys(world, "kept/")
    assert left.endswith(f"/{theirs}")


def test_of_a_request_that_lost_one_file_the_others_do_not_stay(world: World) -> None:
    here, gone = ready(world), ready(world)
    bucket = world.parts.settings.uploads_bucket
    world.plain_s3.delete_object(Bucket=bucket, Key=keys(world, f"checked/{gone}/")[0])
    assert hand_in(world, form(world, here, gone), "k-gone").status == 422
    assert len(versions(world)) == 1
    assert tidy(world, days=2) == 1


def test_files_of_every_revision_stay_whatever_the_last_one_names(world: World) -> None:
    """Clause 3.5.2: all revisions are archived, with their files."""
    old, fresh = ready(world), ready(world)
    submission = hand_in(world, form(world, old), "k-revised").body["id"]
    head = world.plain_journal.head(submission)
    world.parts.rounds.open_stage(
        {"submission": submission, "revision": 1, "attempt": head.attempt, "stage": "initial", "reminded": 0},
        "a-token",
    )
    world.decide(EDITOR, "request_changes")
    revised = form(world, fresh)
    path = f"/api/v1/submissions/{submission}/revisions"
    assert world.call("POST", path, revised, as_=LIAISON).status == 201
    assert tidy(world, days=2) == 0
    assert keys(world, "kept/") == sorted(f"kept/{submission}/{each}" for each in (old, fresh))


def test_a_copy_for_nothing_of_a_file_that_was_kept_again_stays_with_it(world: World) -> None:
    document = kept_for_nothing(world, key="k-twice")
    submission = hand_in(world, document, "k-twice").body["id"]
    assert len(versions(world)) == 2
    assert tidy(world, days=2) == 0
    assert stored(world, f"kept/{submission}/{document['attachments'][0]}") == CSV


@dataclass(frozen=True, kw_only=True)
class Interrupted(FileStore):
    """Something happens between the look at a copy and its removal."""

    meanwhile: Callable[[], None]

    def remove(self, copy: KeptCopy) -> None:
        self.meanwhile()
        super().remove(copy)


def test_a_request_that_comes_late_just_while_its_old_copy_goes_keeps_its_file(world: World) -> None:
    """Clause 3.5.2: what is handed in is never lost, however late it comes."""
    document, late = kept_for_nothing(world, key="k-late"), list[Answer]()
    files = Interrupted(
        client=world.parts.files.client,
        bucket=world.parts.files.bucket,
        meanwhile=lambda: late.append(hand_in(world, document, "k-late")),
    )
    with world.later(hours=26):
        assert replace(world.parts.tidying, files=files).tidy() == 1
        (answer,) = late
        assert answer.status == 201
        attachment = document["attachments"][0]
        (file,) = world.plain_journal.revision(answer.body["id"], 1).attachments
        assert world.parts.files.holds(answer.body["id"], file)
        assert world.parts.shelf.read(answer.body["id"], file) == CSV
        assert [each["Key"] for each in versions(world)] == [f"kept/{answer.body['id']}/{attachment}"]
    assert tidy(world, days=3) == 0


def test_where_a_revision_is_missing_nothing_of_its_submission_is_removed(world: World) -> None:
    submission = hand_in(world, form(world, ready(world)), "k-torn").body["id"]
    kept_for_nothing(world, key="k-torn-other")
    world.plain_table.delete(revision_key(submission, 1))
    assert tidy(world, days=2) == 1
    assert [each.split("/")[1] for each in keys(world, "kept/")] == [submission]


def test_what_is_older_than_any_run_looks_and_what_is_no_kept_file_is_left_alone(world: World) -> None:
    kept_for_nothing(world)
    bucket = world.parts.settings.uploads_bucket
    world.plain_s3.put_object(Bucket=bucket, Key="kept/readme.txt", Body=b"by hand")
    assert tidy(world, seconds=(LOOKED_BACK + DOUBT).total_seconds()) == 0
    assert tidy(world, days=2) == 1
    assert keys(world, "kept/") == ["kept/readme.txt"]


def test_whichever_call_of_a_run_fails_or_repeats_the_next_one_leaves_what_is_named_only(
    world: World, record_property: Record
) -> None:
    file = ready(world)
    submission = hand_in(world, form(world, file), new_id("k")).body["id"]

    def live(fault: Fault | None) -> None:
        kept_for_nothing(world, key=new_id("k"))
        AWS.begin(fault)
        for _ in range(2 if fault else 1):
            with suppress(UnforeseenError):  # the clock comes again
                tidy(world, days=2)
        assert fault is None or AWS.struck, f"{fault} never came"
        assert [each["Key"] for each in versions(world)] == [f"kept/{submission}/{file}"], fault

    live(None)
    faults = [Fault(point=point, mode=mode) for point in AWS.points() for mode in Mode]
    assert len(faults) == 4 * len(Mode), faults
    record_property("figure", f"tidying: all {len(faults)} crash points")
    for fault in faults:
        live(fault)
