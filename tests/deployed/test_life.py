"""The life of an environment, from its first deployment to its end, on emulated AWS.

The tests build on each other, in their order: each finds what the one before has left.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.archive.model.verification import verify
from chalicelib.core.ids import new_id
from chalicelib.submission.letters import replies_queue, submissions_queue
from infra.commands import demo
from infra.local.sample_requests import SAMPLES, Sample, load
from infra.local.visitor import AstrayError
from tests.deployed.cloud import ACCOUNT, PREFIX, ROSTER, STACKS, Cloud

PATIENCE = 420
"""Seconds for one submission's life, cold starts of every function and the minutes of `recall_minutes` included."""
SAMPLE = "urgent"
ADDED = "Read by the test of a deployment."


@dataclass(kw_only=True)
class Known:
    """What earlier tests have found. The drafter's session outlives releases, as it does for people."""

    outcome: demo.Outcome | None = None
    openapi: dict[str, Any] = field(default_factory=dict)
    submission: str = ""
    token: str | None = None

    def call(self, cloud: Cloud, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 — JSON
        """Call the API as the drafter."""
        site = cloud.site(time.monotonic() + PATIENCE)
        key = new_id("deployed") if method == "POST" else None
        return site.call(method, path, body, token=self.token, key=key)

    def archived(self, cloud: Cloud) -> bool:
        """Whether what was archived in the beginning still is, and its package still proves sound."""
        assert self.outcome is not None
        number = quote(str(self.outcome.catalog_number), safe="")
        offer = self.call(cloud, "GET", f"/api/v1/archive/{number}/package")
        package = cloud.site(time.monotonic() + PATIENCE).download(offer["url"])
        return verify(package, expected_sha256=offer["sha256"]).ok


@pytest.fixture(scope="module")
def known() -> Known:
    return Known()


def a_sample() -> Sample:
    (sample,) = (sample for sample in load(SAMPLES, datetime.now(UTC)) if sample.key == SAMPLE)
    return sample


def test_declined_deployment_leaves_nothing(cloud: Cloud) -> None:
    said = cloud.deploy("--only", "recovery", answers="n\n")
    assert said.status == 1, str(said)
    assert "+ Replica (AWS::S3::Bucket) added" in said.out
    assert "Nothing was changed" in said.err
    assert cloud.statuses() == {}


def test_first_creation_that_failed_is_cleared_away_and_made_again(cloud: Cloud) -> None:
    assert cloud.deploy("--only", "recovery").status == 0  # whose outputs the next one wants
    in_the_way = f"{PREFIX}-site-{ACCOUNT}"
    other = cloud.client("s3")
    other.create_bucket(Bucket=in_the_way)
    said = cloud.deploy("--only", "data")
    assert said.status == 1, str(said)
    assert (
        f"Site /Resources/Site: Resource of type 'AWS::S3::Bucket' with identifier '{in_the_way}'" in said.out
    )
    assert cloud.status("data") == "ROLLBACK_COMPLETE"
    other.delete_bucket(Bucket=in_the_way)
    said = cloud.deploy("--only", "data")
    assert said.status == 0, str(said)
    assert "The first creation of imprimatur-emulator-data has failed" in said.out
    assert cloud.status("data") == "CREATE_COMPLETE"


def test_deploying_makes_every_stack_and_tries_the_app(cloud: Cloud, known: Known) -> None:
    left_by_another_run = cloud.client("cloudformation").create_change_set(
        StackName=f"{PREFIX}-app",
        ChangeSetName="broken-off",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}),
    )
    assert left_by_another_run["StackId"]
    assert cloud.status("app") == "REVIEW_IN_PROGRESS"
    said = cloud.deploy()
    assert said.status == 0, str(said)
    assert "imprimatur-emulator-data: nothing to change." in said.out
    assert "imprimatur-emulator-app was tried: it answers as it should." in said.out
    assert cloud.statuses() == dict.fromkeys(STACKS, "CREATE_COMPLETE")
    known.openapi = cloud.openapi()
    assert len(known.openapi["paths"]) > 10


def test_deploying_again_builds_the_same_bytes_and_changes_nothing(cloud: Cloud) -> None:
    said = cloud.deploy()
    assert said.status == 0, str(said)
    assert said.out.count("is there already") == 5
    assert "was sent" not in said.out
    assert said.out.count("nothing to change") == len(STACKS)


def test_main_job_runs_through_the_deployed_api(cloud: Cloud, known: Known) -> None:
    cloud.client("sesv2").create_email_identity(EmailIdentity="chengjiang.example")
    said = cloud.imprimatur("roster", "apply", str(ROSTER), settings=cloud.settings())
    assert said.status == 0, str(said)
    desk = cloud.desk(time.monotonic() + PATIENCE)
    known.outcome = demo.play(desk, a_sample(), print)
    assert known.outcome.problem is None, known.outcome
    assert known.outcome.state == "archived"
    assert known.outcome.catalog_number
    known.token = desk.token(a_sample().form["drafter"])  # whoever signs in again soon has to wait


def test_published_page_is_on_the_website(cloud: Cloud) -> None:
    title = a_sample().form["title"].encode()
    pages = {key: body for key, body in cloud.pages().items() if key.endswith(".html")}
    assert [key for key, body in pages.items() if title in body]


def test_department_is_answered_on_its_queue(cloud: Cloud) -> None:
    sqs = cloud.client("sqs")
    queue = {
        name: sqs.get_queue_url(QueueName=f"{PREFIX}-{name}")["QueueUrl"]
        for name in (submissions_queue("marketing"), replies_queue("marketing"))
    }
    sent = sqs.send_message(
        QueueUrl=queue[submissions_queue("marketing")], MessageBody='{"title": "五月一日"}'
    )
    deadline = time.monotonic() + PATIENCE
    answers: list[dict[str, Any]] = []
    while not answers and time.monotonic() < deadline:
        seen = sqs.receive_message(QueueUrl=queue[replies_queue("marketing")], WaitTimeSeconds=5)
        answers = [json.loads(message["Body"]) for message in seen.get("Messages", [])]
    (answer,) = answers
    assert answer["message_id"] == sent["MessageId"]
    assert answer["status"] == 422


def test_doctor_tells_what_is_wrong_and_nothing_once_it_is_right(cloud: Cloud) -> None:
    said = cloud.on_environment("doctor", "--json")
    assert said.status == 1, str(said)
    found = [json.loads(line) for line in said.out.splitlines()]
    # What ministack's CloudFormation does not do of the template.
    assert [finding["text"].split(" ", 1)[1] for finding in found if finding["verdict"] == "wrong"] == [
        "cannot be restored to a moment (point-in-time recovery is off)",
        "does not forget what has expired (time to live is off)",
        *["does not lock what it holds"] * 3,
    ]
    cloud.do_what_the_emulator_leaves_out()
    said = cloud.on_environment("doctor")
    assert said.status == 0, str(said)
    assert "0 wrong" in said.out
    # The department's message of the test before, which the desk has refused.
    assert "submission-dead-letters-marketing holds 1 messages that were given up" in said.out


def test_update_with_another_schema_is_live_and_keeps_what_was_there(
    cloud: Cloud, known: Known, changed_sources: Callable[[str], Path]
) -> None:
    assert refusal(cloud, known, with_remark()) == 422
    sources = changed_sources("next-version")
    _edit(sources / "schemas" / "submission.json", _add_remark)
    _edit(sources / "schemas" / "api" / "openapi.json", _raise_version)
    said = cloud.deploy("--only", "app", sources=sources)
    assert said.status == 0, str(said)
    assert "~ APIHandler (AWS::Lambda::Function) changed" in said.out
    assert "dependencies.zip is there already" in said.out
    assert cloud.openapi()["info"]["version"] == "2"
    assert cloud.status("app") == "UPDATE_COMPLETE"
    known.submission = str(known.call(cloud, "POST", "/api/v1/submissions", with_remark())["id"])
    assert known.archived(cloud)


def test_rollback_brings_the_release_before_back(cloud: Cloud, known: Known) -> None:
    said = cloud.on_environment("rollback", "--yes")
    assert said.status == 0, str(said)
    assert "it answers as it should" in said.out
    assert cloud.openapi() == known.openapi
    assert refusal(cloud, known, with_remark()) == 422
    seen = known.call(cloud, "GET", f"/api/v1/submissions/{known.submission}")
    assert seen["state"] == "in_review"  # handed in to the version that is gone
    assert known.archived(cloud)


def test_release_that_does_not_work_is_taken_back_by_itself(
    cloud: Cloud, known: Known, changed_sources: Callable[[str], Path]
) -> None:
    sources = changed_sources("broken-version")
    health = sources / "chalicelib" / "core" / "health.py"
    broken = health.read_text("utf-8").replace('{"status": "ok"}', '{"status": "not ok"}')
    health.write_text(broken, "utf-8")
    said = cloud.deploy("--only", "app", sources=sources)
    assert said.status == 1, str(said)
    assert "healthz: it does not say that it is well" in said.out
    assert "is back and works" in said.err
    assert cloud.openapi() == known.openapi
    assert known.archived(cloud)
    assert (
        cloud.on_environment("rollback", "--yes").status == 1
    )  # the one before has been deployed first of all


def test_destroying_is_refused_while_there_is_data(cloud: Cloud) -> None:
    said = cloud.on_environment("destroy", answers="emulator\n")
    assert said.status == 1, str(said)
    for held in (
        "Records (imprimatur-emulator-records) has items",
        f"Archive ({PREFIX}-archive-{ACCOUNT}) has locked objects",
        "is protected",
    ):
        assert held in said.err
    assert cloud.statuses().keys() == set(STACKS)


def test_app_alone_is_removed_and_comes_back_with_the_data(cloud: Cloud, known: Known) -> None:
    said = cloud.on_environment("destroy", "--keep-data", answers="prod\n")
    assert said.status == 1, str(said)
    assert cloud.statuses().keys() == set(STACKS)
    said = cloud.on_environment("destroy", "--keep-data", answers="emulator\n")
    assert said.status == 1, str(said)
    assert "submission-replies-marketing) has 1 messages" in said.err  # its stack would take the queue along
    cloud.empty_queues()
    said = cloud.on_environment("destroy", "--keep-data", answers="emulator\n")
    assert said.status == 0, str(said)
    assert cloud.statuses().keys() == {"recovery", "data", "edge-global"}
    assert cloud.client("lambda").list_functions()["Functions"] == []
    assert cloud.client("lambda").list_layers()["Layers"] == []
    said = cloud.deploy()
    assert said.status == 0, str(said)
    assert known.archived(cloud)


def test_emptied_environment_is_removed_to_the_last_piece(cloud: Cloud) -> None:
    """The app first, as the manual says: a live one goes on writing into what is emptied."""
    cloud.empty_queues()
    said = cloud.on_environment("destroy", "--keep-data", answers="emulator\n")
    assert said.status == 0, str(said)
    cloud.empty()
    said = cloud.on_environment("destroy", answers="emulator\n")
    assert said.status == 0, str(said)
    assert cloud.statuses() == {}
    assert cloud.client("dynamodb").list_tables()["TableNames"] == []
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert cloud.client("sqs").list_queues().get("QueueUrls", []) == []
    assert cloud.on_environment("destroy", answers="emulator\n").out == "Nothing of emulator is there.\n"


def with_remark() -> dict[str, Any]:
    """A form with a field that only the next version knows."""
    return {**a_sample().form, "remark": "下周复核"}


def refusal(cloud: Cloud, known: Known, form: dict[str, Any]) -> int:
    """The status with which handing it in is refused."""
    with pytest.raises(AstrayError) as refused:
        known.call(cloud, "POST", "/api/v1/submissions", form)
    return refused.value.status


def _edit(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")


def _add_remark(schema: Any) -> None:  # noqa: ANN401 — JSON
    schema["properties"]["remark"] = {"description": ADDED, "type": "string", "maxLength": 100}


def _raise_version(description: Any) -> None:  # noqa: ANN401 — JSON
    description["info"]["version"] = "2"
