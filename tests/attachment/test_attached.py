"""Attachments on their way: with the request, past the reviewers, onto the site, into the package (3.1.2, 3.5.2)."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from chalicelib.archive.model.verification import verify
from chalicelib.archive.store import object_key
from chalicelib.attachment.model import MediaType
from infra.commands.site import rebuild
from tests.archive.dossiers import files_of
from tests.attachment.files import CSV, PDF, a_photo, a_picture, attach, begin, keys, put_ready, stored
from tests.faults import FaultyAws
from tests.world import (
    ARCHIVIST,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    OTHER_LIAISON,
    Answer,
    World,
    a_form,
    a_person,
    a_roster,
    a_world,
)

AWS = FaultyAws()
COLLEAGUE = a_person("colleague", *[(duty.role, duty.department) for duty in LIAISON.duties])


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    people = (LIAISON, COLLEAGUE, OTHER_LIAISON, EDITOR, HEAD, EXECUTIVE, ARCHIVIST)
    with a_world(aws=AWS, roster=a_roster(*people)) as world:
        yield world


@pytest.fixture(scope="module")
def archived(world: World) -> str:
    """A public item with a table and a photo, all the way."""
    files = [attach(world), attach(world, a_photo(), MediaType.JPEG)]
    return world.publish(title="带附件的公告", classification="public", attachments=files)


def submit(world: World, *attachments: str, as_: Any = LIAISON, **changes: Any) -> Answer:  # noqa: ANN401 — as in a_form
    form = a_form(world.now(), drafter=as_.id, attachments=list(attachments), **changes)
    return world.call("POST", "/api/v1/submissions", form, as_=as_)


def errors(answer: Answer) -> list[tuple[str, str]]:
    assert answer.status == 422, answer
    return [(each["pointer"], each["code"]) for each in answer.body["errors"]]


def site(world: World, prefix: str = "") -> dict[str, tuple[bytes, str, str | None]]:
    """Every object of the website: bytes, type and disposition."""
    bucket = world.parts.settings.site_bucket
    found: dict[str, tuple[bytes, str, str | None]] = {}
    for listed in world.plain_s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
        one = world.plain_s3.get_object(Bucket=bucket, Key=listed["Key"])
        found[listed["Key"]] = (one["Body"].read(), one["ContentType"], one.get("ContentDisposition"))
    return found


def package_of(world: World, submission: str) -> bytes:
    number = world.record(submission)["catalog_number"]
    found = world.plain_s3.get_object(Bucket=world.parts.settings.archive_bucket, Key=object_key(number))
    return found["Body"].read()


def test_each_attachment_that_may_not_be_used_is_named_with_its_fault(world: World) -> None:
    """Clause 3.1.2: all errors at once, by field."""
    ready, refused = attach(world), attach(world, a_picture(), MediaType.PDF)
    waiting, expired = begin(world, CSV).body["id"], f"a-{'e' * 20}"
    foreign, elsewhere = attach(world, as_=COLLEAGUE), f"a-{'f' * 20}"
    put_ready(
        world.parts, expired, department="marketing", uploader=LIAISON.id, now=world.now().replace(year=2025)
    )
    put_ready(world.parts, elsewhere, department="research", uploader=LIAISON.id, now=world.now())
    answer = submit(world, ready, refused, waiting, expired, foreign, elsewhere, f"a-{'z' * 20}", title="")
    assert errors(answer) == [
        ("/title", "blank"),
        ("/attachments/1", "attachment_refused"),
        ("/attachments/2", "attachment_not_ready"),
        ("/attachments/3", "unknown_attachment"),
        ("/attachments/4", "unknown_attachment"),
        ("/attachments/5", "attachment_of_another_department"),
        ("/attachments/6", "unknown_attachment"),
    ]
    assert keys(world, "kept/") == []


def test_attachments_that_are_too_large_together_are_refused(world: World) -> None:
    rules = world.parts.shelf.rules
    table, text = attach(world), attach(world, b"x" * 500, MediaType.TEXT)
    object.__setattr__(rules, "max_total", 400)
    object.__setattr__(rules, "max_count", 1)
    try:
        assert errors(submit(world, table, text)) == [
            ("/attachments", "too_many"),
            ("/attachments", "files_too_large"),
        ]
    finally:
        object.__setattr__(rules, "max_total", 50_000_000)
        object.__setattr__(rules, "max_count", 10)


def test_the_digest_that_reviewers_approve_covers_the_files(world: World) -> None:
    """Clause 1.3.1: an opinion is pinned to text and files."""
    attachment = attach(world)
    submission = submit(world, attachment).body["id"]
    revision = world.plain_journal.revision(submission, 1)
    (file,) = json.loads(revision.canonical)["attachments"]
    assert file["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert file["id"] == attachment
    assert revision.content_digest == world.record(submission)["content_digest"]
    assert stored(world, f"kept/{submission}/{attachment}") == CSV


def test_a_repeated_submission_with_a_file_is_its_first_self(world: World) -> None:
    form = a_form(world.now(), attachments=[attach(world)])
    headers = {"idempotency-key": "with-a-file"}
    first, again = (
        world.call("POST", "/api/v1/submissions", form, as_=LIAISON, headers=headers) for _ in range(2)
    )
    with world.later(days=4):
        late = world.call("POST", "/api/v1/submissions", form, as_=LIAISON, headers=headers)
    assert [each.status for each in (first, again, late)] == [201, 201, 201]
    assert first.body["id"] == again.body["id"] == late.body["id"]


def test_a_revision_uses_the_files_of_earlier_ones_again_and_new_ones(world: World) -> None:
    old = attach(world)
    submission = submit(world, old).body["id"]
    world.cloud.settle()
    world.decide(EDITOR, "request_changes")
    fresh = attach(world, PDF, MediaType.PDF, as_=COLLEAGUE)
    world.plain_s3.delete_object(
        Bucket=world.parts.settings.uploads_bucket, Key=keys(world, f"checked/{old}/")[0]
    )
    answer = world.resubmit(submission, as_=COLLEAGUE, attachments=[fresh, old])
    assert answer.status == 201, answer
    revision = world.plain_journal.revision(submission, 2)
    assert [file.id for file in revision.attachments] == [fresh, old]
    assert errors(submit(world, old, as_=COLLEAGUE)) == [("/attachments/0", "unknown_attachment")]


def test_a_file_that_vanished_before_it_was_kept_is_said_so(world: World) -> None:
    attachment = attach(world)
    world.plain_s3.delete_object(
        Bucket=world.parts.settings.uploads_bucket, Key=keys(world, f"checked/{attachment}/")[0]
    )
    answer = submit(world, attachment)
    assert errors(answer) == [("/attachments/0", "unknown_attachment")]
    assert answer.body["code"] == "invalid_submission"


def test_a_plain_request_costs_no_call_more_and_each_file_one_copy(world: World) -> None:
    world.token(LIAISON)
    AWS.begin()
    assert submit(world).status == 201
    plain = len(AWS.calls)
    files = [attach(world), attach(world, PDF, MediaType.PDF)]
    AWS.begin()
    assert submit(world, *files).status == 201
    assert (plain, len(AWS.calls)) == (2, 2 + 1 + 2), AWS.calls


def test_reviewers_and_readers_see_what_is_attached_and_get_it_from_another_host(world: World) -> None:
    attachment = attach(world, PDF, MediaType.PDF)
    submission = submit(world, attachment, title="请看附件").body["id"]
    world.cloud.settle()
    seen = world.open_link(world.links(EDITOR)[0], EDITOR).body["submission"]
    assert seen["attachments"] == world.record(submission)["attachments"]
    assert [each["name"] for each in seen["attachments"]] == ["通知.pdf"]
    path = f"/api/v1/submissions/{submission}/attachments/{attachment}"
    for person in (EDITOR, HEAD, EXECUTIVE, LIAISON):
        answer = world.call("GET", path, as_=person)
        assert (answer.status, answer.body["expires_in"]) == (200, 60)
    where = urlsplit(answer.body["url"])
    assert where.netloc not in world.parts.settings.base_url
    assert parse_qs(where.query)["X-Amz-Expires"] == ["60"]
    got = requests.get(answer.body["url"], timeout=30)
    assert (got.content, got.headers["Content-Type"]) == (PDF, "application/pdf")
    assert got.headers["Content-Disposition"].startswith("attachment;")
    assert quote("通知.pdf") in got.headers["Content-Disposition"]
    assert world.call("GET", path, as_=OTHER_LIAISON).status == 404
    assert world.call("GET", path).status == 401
    other = f"/api/v1/submissions/{submission}/attachments/a-{'b' * 20}"
    assert world.call("GET", other, as_=LIAISON).status == 404


def test_the_site_shows_pictures_and_offers_files_under_their_names(world: World, archived: str) -> None:
    """Clause 4.1.1: what was approved appears, its files with it."""
    found = site(world)
    for prefix in ("public", "internal"):
        folder = f"{prefix}/{archived}/1"
        content, kind, disposition = found[f"{folder}/files/1.csv"]
        assert (content, kind) == (CSV, "text/csv; charset=utf-8")
        assert disposition is not None
        assert quote("时间表.csv") in disposition
        _, kind, disposition = found[f"{folder}/files/2.jpg"]
        assert (kind, disposition) == ("image/jpeg", "inline")
        page = found[f"{folder}/index.html"][0].decode()
        assert '<img src="files/2.jpg" width="6" height="8" alt="现场.jpg"' in page
        assert '<a href="files/1.csv">时间表.csv</a>' in page
        assert f"CSV，{len(CSV)} B" in page
        assert "img-src &#39;self&#39;" in page


def test_files_of_internal_items_are_never_public(world: World) -> None:
    """Clause 5.3.1: internal information stays internal, its files included."""
    submission = world.publish(title="内部附件", attachments=[attach(world)])
    assert list(site(world, f"public/{submission}")) == []
    assert f"internal/{submission}/1/files/1.csv" in site(world, f"internal/{submission}")


def test_a_wiped_site_gets_the_same_bytes_again(world: World, archived: str) -> None:
    before = site(world)
    for key in before:
        world.plain_s3.delete_object(Bucket=world.parts.settings.site_bucket, Key=key)
    assert site(world) == {}
    assert rebuild() == 0
    assert site(world) == before


def test_the_package_holds_the_files_and_verifies(world: World, archived: str) -> None:
    """Clause 3.5.2: attachments are archived with what was published."""
    package = package_of(world, archived)
    report = verify(package)
    assert report.ok, report.findings
    assert report.facts is not None
    assert (report.facts.format_version, report.facts.attachment_count) == (5, 2)
    files = files_of(package)
    assert files["data/attachments/0001.csv"] == CSV
    assert b"SECRET" not in files["data/attachments/0002.jpg"]
    deliveries = json.loads(files["data/deliveries.json"])["deliveries"]
    receipt = next(each["receipt"] for each in deliveries if each["channel"] == "website")
    assert receipt["attachments"] == {
        "files/1.csv": hashlib.sha256(CSV).hexdigest(),
        "files/2.jpg": hashlib.sha256(files["data/attachments/0002.jpg"]).hexdigest(),
    }


@pytest.mark.parametrize("tampering", ["changed", "removed"])
def test_a_file_that_is_not_the_approved_one_stops_publishing(world: World, tampering: str) -> None:
    """Clause 3.4.2: checked again before publishing, files included."""
    attachment = attach(world)
    submission = submit(world, attachment, title="附件被换").body["id"]
    world.approve("initial", "department_head")
    bucket, key = world.parts.settings.uploads_bucket, f"kept/{submission}/{attachment}"
    if tampering == "changed":
        world.plain_s3.put_object(Bucket=bucket, Key=key, Body=b"other", ChecksumAlgorithm="SHA256")
    else:
        world.plain_s3.delete_object(Bucket=bucket, Key=key)
    world.approve("executive")
    world.finish()
    record = world.record(submission)
    assert (record["state"], record["reason"]) == ("needs_person", "content_changed")


def test_a_file_that_changes_after_the_last_check_is_not_delivered(world: World) -> None:
    attachment = attach(world)
    submission = submit(world, attachment).body["id"]
    bucket, key = world.parts.settings.uploads_bucket, f"kept/{submission}/{attachment}"
    world.plain_s3.put_object(Bucket=bucket, Key=key, Body=b"other")
    (file,) = world.plain_journal.revision(submission, 1).attachments
    with pytest.raises(RuntimeError, match="other bytes"):
        world.parts.shelf.read(submission, file)
