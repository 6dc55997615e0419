"""Asking for an upload, posting to S3, and what comes of the check (clauses 3.1.2, 1.3.4)."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app import app
from chalicelib.attachment.model import AttachmentRules, MediaType, Refusal, UploadState
from chalicelib.attachment.store import attachment_key, put_checked_upload, read_upload
from chalicelib.bootstrap import POLICIES
from chalicelib.core.aws import Aws
from chalicelib.core.errors import Stale
from infra.local.forms import FormError, check
from infra.package import ROOT
from infra.templates import load
from tests.attachment.files import (
    CSV,
    PDF,
    a_photo,
    a_picture,
    attach,
    begin,
    declared,
    keys,
    post_form,
    shown,
    stored,
)
from tests.world import (
    EDITOR,
    HEAD,
    LIAISON,
    OTHER_LIAISON,
    PEOPLE,
    World,
    a_person,
    a_roster,
    a_world,
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


def an_event(key: str) -> dict[str, Any]:
    """What S3 says of a new object, as the queue hands it to the function."""
    body = json.dumps({"Records": [{"s3": {"object": {"key": key}}}]})
    return {"Records": [{"messageId": "1", "receiptHandle": "1", "body": body}]}


def test_a_file_is_asked_for_posted_checked_and_ready(world: World) -> None:
    asked = begin(world, CSV)
    assert asked.status == 201
    attachment = asked.body["id"]
    assert asked.body["state"] == "awaiting_upload"
    assert shown(world, attachment)["state"] == "awaiting_upload"
    assert post_form(asked.body["upload"], CSV).status_code == 204
    world.cloud.settle()
    ready = shown(world, attachment)
    assert ready["state"] == "ready"
    assert ready["sha256"] == declared(CSV)["sha256"]
    assert (ready["reason"], ready["message"]) == (None, None)
    assert stored(world, f"checked/{attachment}/{ready['sha256']}") == CSV


def test_what_is_ready_are_the_cleaned_bytes(world: World) -> None:
    photo = a_photo()
    attachment = attach(world, photo, MediaType.JPEG)
    ready = shown(world, attachment)
    kept = stored(world, f"checked/{attachment}/{ready['sha256']}")
    assert ready["sha256"] != declared(photo)["sha256"]
    assert (len(kept), b"SECRET" in kept) == (ready["size"], False)


def test_what_does_not_pass_is_refused_with_a_reason_in_words(world: World) -> None:
    attachment = attach(world, a_picture("PNG"), MediaType.PDF)
    answer = world.call(
        "GET", f"/api/v1/attachments/{attachment}", as_=LIAISON, headers={"accept-language": "en"}
    )
    assert (answer.body["state"], answer.body["reason"]) == ("refused", "other_type")
    assert answer.body["message"].endswith("the file is not of the type that its name says.")
    assert keys(world, f"checked/{attachment}") == []


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"size": 20_000_001}, "/size", "file_too_large"),
        ({"media_type": "application/zip"}, "/media_type", "not_one_of"),
        ({"media_type": "image/svg+xml"}, "/media_type", "not_one_of"),
        ({"name": "../x.csv"}, "/name", "bad_file_name"),
        ({"name": "x.csv "}, "/name", "bad_file_name"),
        ({"name": "x.csv\u202egpj"}, "/name", "bad_character"),
        ({"name": "x.exe"}, "/name", "extension_contradicts_type"),
        ({"name": "csv"}, "/name", "extension_contradicts_type"),
        ({"name": ".csv"}, "/name", "extension_contradicts_type"),
        ({"size": 0}, "/size", "not_positive"),
        ({"sha256": "x"}, "/sha256", "bad_digest"),
    ],
)
def test_what_may_not_be_attached_is_refused_by_field(
    world: World, changes: dict[str, Any], pointer: str, code: str
) -> None:
    """Clause 3.1.2: all errors at once, by field."""
    answer = world.call("POST", "/api/v1/attachments", declared(CSV, **changes), as_=LIAISON)
    assert answer.status == 422
    assert (pointer, code) in {(each["pointer"], each["code"]) for each in answer.body["errors"]}
    assert all(each["message"] != f"field.{each['code']}" for each in answer.body["errors"])


def test_an_extension_may_be_in_capitals(world: World) -> None:
    answer = world.call("POST", "/api/v1/attachments", declared(CSV, name="时间表.CSV"), as_=LIAISON)
    assert answer.status == 201


@pytest.mark.parametrize("person", [OTHER_LIAISON, HEAD, EDITOR, None])
def test_only_a_liaison_of_the_department_uploads_for_it(world: World, person: Any) -> None:  # noqa: ANN401
    answer = world.call("POST", "/api/v1/attachments", declared(CSV), as_=person)
    assert answer.status == (401 if person is None else 403)


def test_an_upload_is_its_uploaders_own(world: World) -> None:
    attachment = begin(world, CSV).body["id"]
    for path, method in ((f"{attachment}", "GET"), (f"{attachment}/check", "POST")):
        for person in (OTHER_LIAISON, HEAD):
            assert world.call(method, f"/api/v1/attachments/{path}", as_=person).status == 404
        assert world.call(method, f"/api/v1/attachments/{path}").status == 401
    for unknown in ("a-" + "b" * 20, "nonsense"):
        assert world.call("GET", f"/api/v1/attachments/{unknown}", as_=LIAISON).status == 404
        assert world.call("GET", f"/api/v1/attachments/{unknown}").status == 401


def test_an_expired_upload_is_gone(world: World) -> None:
    attachment = attach(world)
    with world.later(hours=47):
        assert shown(world, attachment)["state"] == "ready"
    with world.later(hours=49):
        assert world.call("GET", f"/api/v1/attachments/{attachment}", as_=LIAISON).status == 404


@pytest.mark.parametrize(
    ("content", "fields", "status", "code"),
    [
        (CSV + b"\n", {}, 400, "EntityTooLarge"),
        (CSV[:-1], {}, 400, "EntityTooSmall"),
        (CSV[:-1] + b" ", {}, 400, "BadDigest"),
        (CSV, {"Content-Type": "text/html"}, 403, "AccessDenied"),
        (CSV, {"key": "kept/s-x/a-x"}, 403, "AccessDenied"),
        (CSV, {"acl": "public-read"}, 403, "AccessDenied"),
        (CSV, {"x-amz-meta-x": "1"}, 403, "AccessDenied"),
        (CSV, {"x-amz-checksum-sha256": base64.b64encode(b"0" * 32).decode()}, 403, "AccessDenied"),
        (CSV, {"x-amz-signature": "0" * 64}, 403, "SignatureDoesNotMatch"),
        (CSV, {"x-amz-credential": "x"}, 403, "SignatureDoesNotMatch"),
        (CSV, {"policy": base64.b64encode(b'{"conditions": []}').decode()}, 403, "SignatureDoesNotMatch"),
    ],
)
def test_s3_takes_exactly_what_was_signed(
    world: World, content: bytes, fields: dict[str, str], status: int, code: str
) -> None:
    """Clause 1.3.4: size, type, digest and place are the desk's to say, not the sender's."""
    asked = begin(world, CSV)
    answer = post_form(asked.body["upload"], content, None, **fields)
    assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (status, True), answer.text
    assert keys(world, f"uploads/{asked.body['id']}") == []


def test_s3_takes_no_form_without_a_signed_policy(world: World) -> None:
    upload = begin(world, CSV).body["upload"]
    bare = {"url": upload["url"], "fields": {"key": "uploads/x"}}
    assert post_form(bare, CSV).status_code == 403


def test_an_address_to_upload_to_ends_after_ten_minutes(world: World) -> None:
    fields = begin(world, CSV).body["upload"]["fields"]
    bucket, now = world.parts.settings.uploads_bucket, datetime.now(UTC)
    check(fields, CSV, bucket, now + timedelta(minutes=9))
    with pytest.raises(FormError, match="AccessDenied"):
        check(fields, CSV, bucket, now + timedelta(minutes=11))
    with pytest.raises(FormError, match="AccessDenied"):
        check(fields, CSV, "another-bucket", now)


def test_a_browser_is_sent_to_the_buckets_own_region(world: World) -> None:
    """The global endpoint would answer with a redirect, which a browser does not follow with a file."""
    made = Aws(region="eu-west-1").s3().generate_presigned_post(Bucket="b-1", Key="k")
    assert made["url"] == "https://b-1.s3.eu-west-1.amazonaws.com/"


def test_conditions_of_other_kinds_count_too(world: World) -> None:
    made = world.plain_s3.generate_presigned_post(
        Bucket="b",
        Key="up/${filename}",
        Fields={"acl": "private", "x-ignore-this": "1"},
        Conditions=[["starts-with", "$acl", "priv"], ["eq", "$x-amz-date", "20200101T000000Z"]],
    )
    fields = made["fields"] | {"key": "up/x"}
    with pytest.raises(FormError, match="AccessDenied"):
        check(fields, b"", "b", datetime.now(UTC))
    fresh = world.plain_s3.generate_presigned_post(
        Bucket="b", Key="up/x", Fields={"acl": "p"}, Conditions=[["starts-with", "$acl", "p"]]
    )["fields"]
    check(fresh | {"x-ignore-this": "1"}, b"", "b", datetime.now(UTC))


def test_a_page_of_the_desk_may_post_and_another_sites_may_not_read_the_answer(world: World) -> None:
    for origin, allowed in (("https://desk.test", "https://desk.test"), ("https://elsewhere.test", None)):
        answer = post_form(begin(world, CSV).body["upload"], CSV, {"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed


def test_an_event_that_comes_twice_and_late_changes_nothing(world: World) -> None:
    attachment = attach(world, a_photo(), MediaType.JPEG)
    before = {**shown(world, attachment), "correlation_id": ""}
    for _ in range(2):
        answer = app.handler_map["check_attachment"](an_event(f"uploads/{attachment}"), None)
        assert answer == {"batchItemFailures": []}
    assert {**shown(world, attachment), "correlation_id": ""} == before


def test_of_two_checks_at_once_the_first_stands(world: World) -> None:
    attachment = attach(world)
    record = world.plain_table.get(attachment_key(attachment))
    assert record is not None
    with pytest.raises(Stale):
        world.plain_table.put(put_checked_upload(read_upload(record)))


def test_a_lost_event_is_made_good_by_asking(world: World) -> None:
    asked = begin(world, CSV)
    attachment = asked.body["id"]
    post_form(asked.body["upload"], CSV)
    world.parts.aws.sqs().purge_queue(QueueUrl=world.parts.settings.uploads_queue_url)
    world.cloud.settle()
    assert shown(world, attachment)["state"] == "awaiting_upload"
    answer = world.call("POST", f"/api/v1/attachments/{attachment}/check", {}, as_=LIAISON)
    assert answer.status == 202
    world.cloud.settle()
    assert shown(world, attachment)["state"] == "ready"
    assert world.call("POST", f"/api/v1/attachments/{attachment}/check", {}, as_=LIAISON).status == 202


def test_asking_for_a_check_before_anything_was_uploaded_waits_for_it(world: World) -> None:
    asked = begin(world, CSV)
    attachment = asked.body["id"]
    world.call("POST", f"/api/v1/attachments/{attachment}/check", {}, as_=LIAISON)
    world.cloud.settle()
    assert shown(world, attachment)["state"] == "awaiting_upload"
    post_form(asked.body["upload"], CSV)
    world.cloud.settle()
    assert shown(world, attachment)["state"] == "ready"


def test_messages_about_nothing_of_ours_are_done_with(world: World) -> None:
    for body in ('{"Event": "s3:TestEvent"}', '{"attachment": "a-unknown"}'):
        event = {"Records": [{"messageId": "1", "receiptHandle": "1", "body": body}]}
        assert app.handler_map["check_attachment"](event, None) == {"batchItemFailures": []}


def test_a_message_that_cannot_be_read_comes_again_and_then_lies_with_the_dead(world: World) -> None:
    event = {"Records": [{"messageId": "7", "receiptHandle": "1", "body": "{"}]}
    answer = app.handler_map["check_attachment"](event, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "7"}]}


def test_an_object_that_was_put_there_by_another_way_is_compared_with_what_was_declared(world: World) -> None:
    attachment = begin(world, PDF, MediaType.PDF).body["id"]
    bucket = world.parts.settings.uploads_bucket
    world.plain_s3.put_object(Bucket=bucket, Key=f"uploads/{attachment}", Body=PDF + b"more" * 1000)
    world.cloud.settle()
    assert shown(world, attachment)["reason"] == "other_size"


def test_who_lost_the_duty_loses_the_upload(world: World) -> None:
    attachment = attach(world)
    without = [a_person("liaison") if person is LIAISON else person for person in PEOPLE]
    world.parts.roster_keeper.apply(a_roster(*without), world.now())
    try:
        assert world.call("GET", f"/api/v1/attachments/{attachment}", as_=LIAISON).status == 404
    finally:
        world.parts.roster_keeper.apply(a_roster(*PEOPLE), world.now())


def test_files_expire_in_the_bucket_only_after_they_can_no_longer_be_used() -> None:
    bucket = load(ROOT / "infra" / "stacks" / "data.yaml")["Resources"]["Uploads"]["Properties"]
    days = {
        rule["Prefix"]: rule["ExpirationInDays"]
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule
    }
    assert days.keys() == {"uploads/", "checked/"}
    rules = AttachmentRules.load(POLICIES / "attachments.json")
    assert all(timedelta(days=number) >= rules.keep + timedelta(days=1) for number in days.values())


def test_rules_that_cannot_be_kept_are_refused(tmp_path: Path) -> None:
    document = json.loads((POLICIES / "attachments.json").read_bytes())
    for wrong in (
        {"max_count": 11},
        {"max_total": 1},
        {"max_total": 10**9},
        {"keep_hours": 49},
        {"types": {"image/svg+xml": ["svg"]}},
    ):
        path = tmp_path / "attachments.json"
        path.write_text(json.dumps(document | wrong))
        with pytest.raises(ValueError):
            AttachmentRules.load(path)


def test_every_state_and_reason_is_said_in_words(world: World) -> None:
    texts = json.loads((ROOT / "chalicelib/core/messages/zh-Hans.json").read_bytes())
    assert {f"word.refusal.{refusal}" for refusal in Refusal} <= texts.keys()
    assert set(UploadState) == {"awaiting_upload", "ready", "refused"}
