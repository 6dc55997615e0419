"""What is deployed: the code runs from its package alone, and the template says what the code relies on."""

import copy
import hashlib
import importlib.util
import json
import marshal
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import CodeType
from typing import Any, cast

import boto3
import pytest
from chalice.utils import to_cfn_resource_name
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from app import app
from chalicelib import bootstrap
from chalicelib.core.errors import NotFound
from chalicelib.core.http import BASE_HEADERS
from chalicelib.core.problems import problem_of
from chalicelib.publication.jobs import TOLD
from chalicelib.review.jobs import ENDING, STARTING
from chalicelib.submission.service.tidying import DOUBT
from infra.local import subscriptions
from infra.local.clients import REGION
from infra.package import CODE, LAMBDA_ROOT, ROOT, build, runtime_requirements
from tests.infra.lambda_events import A_BOUNCE, A_TICK, a_message, a_record

DATA = ROOT / "infra" / "stacks" / "data.yaml"
DEPARTMENT = ROOT / "infra" / "stacks" / "department.yaml"
WORK = {"submission": "s-1", "revision": 1, "attempt": 1}
STAGE = {**WORK, "stage": "initial", "reminded": 0, "timeout_seconds": 60}
UNCHECKED_HASH = 0b01
"""PEP 552: by the source's hash, which is never looked at."""


EVENTS: Mapping[str, tuple[object, str]] = {
    "app.app": (
        {
            "requestContext": {"resourcePath": "/api/v1/sign-in", "httpMethod": "POST", "identity": {}},
            "headers": {"content-type": "application/json"},
            "multiValueQueryStringParameters": None,
            "pathParameters": None,
            "stageVariables": None,
            "body": json.dumps({"email": "li@example.com"}),
            "isBase64Encoded": False,
        },
        "dynamodb",
    ),
    "chalicelib.identity.jobs.send_sign_in_links": (
        {
            "Records": [
                {
                    "messageId": "1",
                    "receiptHandle": "1",
                    "body": json.dumps({"email": "li@example.com"}),
                }
            ]
        },
        "dynamodb",
    ),
    "chalicelib.submission.jobs.take_in_submissions": (
        {
            "Records": [
                {
                    "messageId": "00000000-0000-0000-0000-000000000001",
                    "receiptHandle": "1",
                    "body": json.dumps({"drafter": "p-1"}),
                    "attributes": {"ApproximateReceiveCount": "1"},
                    "messageAttributes": {"language": {"stringValue": "en", "dataType": "String"}},
                    "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:imprimatur-submissions-marketing",
                }
            ]
        },
        "dynamodb",
    ),
    "chalicelib.submission.jobs.tidy_kept_files": (A_TICK, "s3"),
    "chalicelib.attachment.jobs.check_attachment": (
        {"Records": [{"messageId": "1", "receiptHandle": "1", "body": json.dumps({"attachment": "a-1"})}]},
        "dynamodb",
    ),
    "chalicelib.review.jobs.review_events": (
        {"Records": [a_record("Submitted")]},
        "stepfunctions",
    ),
    "chalicelib.review.jobs.open_stage": ({"work": STAGE, "task_token": "token"}, "dynamodb"),
    "chalicelib.review.jobs.remind_reviewers": (STAGE, "dynamodb"),
    "chalicelib.publication.jobs.publication_events": (
        {"Records": [a_record("Scheduled")]},
        "stepfunctions",
    ),
    "chalicelib.publication.jobs.last_check": (WORK, "dynamodb"),
    "chalicelib.publication.jobs.deliver": ({**WORK, "channel": "website"}, "dynamodb"),
    "chalicelib.publication.jobs.mail_events": (a_message(A_BOUNCE), "dynamodb"),
    "chalicelib.publication.jobs.sweep": (A_TICK, "dynamodb"),
    "chalicelib.archive.jobs.archive": (WORK, "dynamodb"),
    "chalicelib.notices.jobs.send_notices": (
        a_message({"id": "n-1", "submission": "s-1", "seq": 1}),
        "dynamodb",
    ),
}
"""For each handler an event, and the AWS service that it makes the handler call first."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package as built, and its code unpacked."""

    folder: Path
    template: dict[str, Any]
    code: Path

    def resources(self, kind: str) -> dict[str, Any]:
        """The properties of each resource of an `AWS::` type."""
        found = self.template["Resources"].items()
        return {name: one["Properties"] for name, one in found if one["Type"] == f"AWS::{kind}"}

    def functions(self) -> dict[str, Any]:
        """The properties of each function."""
        return self.resources("Serverless::Function")

    def variables(self) -> dict[str, Any]:
        """Every function's environment."""
        return cast("dict[str, Any]", self.template["Globals"]["Function"]["Environment"]["Variables"])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("package")
    template = json.loads(build(folder / "out", with_dependencies=False).read_bytes())
    with zipfile.ZipFile(folder / "out" / CODE) as code:
        code.extractall(folder / "code")
    return Package(folder=folder / "out", template=template, code=folder / "code")


def test_every_packaged_handler_gets_as_far_as_aws_in_a_fresh_interpreter(package: Package) -> None:
    handlers = {function["Handler"] for function in package.functions().values()}
    assert handlers == EVENTS.keys()
    environment = {name: f"https://{name}.test".lower() for name in package.variables()}
    environment |= {"QUEUE_URL_PREFIX": "https://sqs.test/123456789012/imprimatur-"}
    environment |= {"WAIT_SCALE": "1", "MAX_LATENESS_HOURS": "48", "CENTER_TIME_ZONE": "Asia/Shanghai"}
    environment |= {"MAIL_CARRIER": "ses", "BEHIND_EDGE": "no"}

    def first_service(handler: str) -> str:
        probe = Path(__file__).with_name("packaged_handler.py")
        ran = subprocess.run(  # noqa: S603 — our own script
            (sys.executable, "-I", str(probe), str(package.code), handler, json.dumps(EVENTS[handler][0])),
            env=environment,
            cwd=package.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        return ran.stdout.strip() or ran.stderr

    with ThreadPoolExecutor(2) as pool:
        reached = dict(zip(sorted(handlers), pool.map(first_service, sorted(handlers)), strict=True))
    assert reached == {handler: service for handler, (_, service) in EVENTS.items()}


def test_package_holds_all_that_the_app_reads_and_nothing_that_only_tests_read(package: Package) -> None:
    packed = {path.relative_to(package.code).as_posix() for path in _files(package.code)}
    own = {path.relative_to(ROOT).as_posix() for path in _files(ROOT / "chalicelib")}
    data = {path.relative_to(ROOT).as_posix() for path in _files(ROOT / "policies", ROOT / "schemas")}
    runtime = {name for name in data if "/examples/" not in name and name != "policies/cases.csv"}
    assert packed == own | runtime | {"app.py", "chalice/__init__.py", "chalice/app.py"}
    assert {"policies/policy.csv", "schemas/submission.json"} <= packed


def _files(*folders: Path) -> Iterator[Path]:
    """Every file but bytecode."""
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def test_every_module_has_bytecode_that_is_never_checked_and_names_its_place_in_lambda(
    package: Package,
) -> None:
    modules = [path for path in _files(package.code) if path.suffix == ".py"]
    assert len(modules) > len(EVENTS)
    for module in modules:
        compiled = Path(importlib.util.cache_from_source(str(module))).read_bytes()
        assert compiled[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(compiled[4:8], "little") == UNCHECKED_HASH
        code: CodeType = marshal.loads(compiled[16:])  # noqa: S302 — just compiled by ourselves
        assert code.co_filename == f"{LAMBDA_ROOT}/{module.relative_to(package.code)}"


def test_packaging_twice_gives_the_same_bytes(package: Package, tmp_path: Path) -> None:
    build(tmp_path / "again", with_dependencies=False)
    assert _digests(tmp_path / "again") == _digests(package.folder)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_requirements_are_locked_and_leave_out_what_only_chalice_needs() -> None:
    text = runtime_requirements()
    names = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    wanted = (ROOT / "infra" / "requirements" / "runtime.in").read_text(encoding="utf-8")
    assert names >= set(re.findall(r"^([\w.-]+)>=", wanted, re.MULTILINE)) - {"chalice"}
    assert names >= {"botocore", "urllib3", "attrs", "markupsafe"}
    assert not names & {"chalice", "pip", "setuptools", "wheel", "packaging", "inquirer", "xmod", "runs"}
    assert text.count("--hash=sha256:") >= len(names)


def test_what_api_gateway_answers_by_itself_looks_like_every_other_answer(package: Package) -> None:
    """And says nothing that the caller sent: messages of API Gateway's own may repeat an Authorization header."""
    sam = Translator(
        managed_policy_map={}, sam_parser=Parser(), boto_session=boto3.Session(region_name=REGION)
    )
    only_the_api = {"Resources": {"RestAPI": copy.deepcopy(package.template["Resources"]["RestAPI"])}}
    translated = sam.translate(only_the_api, parameter_values={})
    (api,) = (one for one in translated["Resources"].values() if one["Type"] == "AWS::ApiGateway::RestApi")
    responses = api["Properties"]["Body"]["x-amazon-apigateway-gateway-responses"]
    assert set(responses) == {
        "MISSING_AUTHENTICATION_TOKEN",
        "INVALID_SIGNATURE",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
    }
    headers = BASE_HEADERS | {"Content-Type": "application/problem+json"}
    for kind, response in responses.items():
        assert response["responseParameters"] == {
            f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()
        }
        (text,) = response["responseTemplates"].values()
        assert re.findall(r"\$[\w.]+", text) == ["$context.requestId"], kind
        assert all(json.loads(text).values())


def test_a_wrong_address_looks_like_what_does_not_exist(package: Package) -> None:
    responses = package.resources("Serverless::Api")["RestAPI"]["GatewayResponses"]
    told = [problem_of(NotFound()).document(each, "$context.requestId") for each in ("zh-Hans", "en")]
    both = {name: f"{told[0][name]} / {told[1][name]}" for name in ("title", "detail")}
    for kind in ("MISSING_AUTHENTICATION_TOKEN", "INVALID_SIGNATURE"):
        assert responses[kind]["StatusCode"] == NotFound.status
        assert json.loads(responses[kind]["ResponseTemplates"]["application/json"]) == told[0] | both


def test_functions_are_fed_by_the_stream_and_the_queues_of_the_data_stack(package: Package) -> None:
    assert _event_sources(package).keys() == {
        "ReviewEvents",
        "PublicationEvents",
        "SendSignInLinks",
        "CheckAttachment",
        "MailEvents",
        "SendNotices",
    }


def test_workflows_lie_beside_the_template_that_names_them(package: Package) -> None:
    machines = package.resources("Serverless::StateMachine").values()
    assert {machine["DefinitionUri"] for machine in machines} == {
        path.name for path in package.folder.glob("*.asl.json")
    }


def _event_sources(package: Package) -> dict[str, Any]:
    """The properties of each function's stream or queue."""
    return {
        name: event["Properties"]
        for name, function in package.functions().items()
        for event in function.get("Events", {}).values()
        if event["Type"] != "Schedule"
    }


class Recorder:
    """Stands for the parts that a handler of events calls, and knows whether it was called."""

    def __init__(self) -> None:
        self.called = False
        self.rounds = self.schedule = self.outbox = self

    def start(self, *_: object) -> None:
        self.called = True

    def go_on(self, _submission: object) -> None:
        self.called = True

    def pass_on(self, _document: object) -> None:
        self.called = True


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    bootstrap.use(cast("bootstrap.Parts", recorder))
    yield recorder
    bootstrap.use(None)


@pytest.mark.parametrize("handler", ["review_events", "publication_events"])
def test_filter_lets_through_exactly_the_types_that_the_handler_acts_on(
    handler: str, recorder: Recorder
) -> None:
    streams = subscriptions.of(app, ROOT / "infra" / "stacks" / "app.yaml")
    (stream,) = (s for s in streams if isinstance(s, subscriptions.Stream) and s.handler == handler)
    others = {
        "Scheduled",
        "TaskOpened",
        "ReviewOverdue",
        "PublishingStarted",
        "Delivered",
        "Archived",
    } | TOLD
    acted = set()
    for event_type in STARTING | ENDING | others:
        for stage in ("initial", None):
            recorder.called = False
            answer = app.handler_map[handler]({"Records": [a_record(event_type, stage)]}, None)
            assert answer == {"batchItemFailures": []}
            acted |= {event_type} if recorder.called else set()
    assert {each for each in STARTING | ENDING | others if stream.wants(a_record(each))} == acted
    assert not any(stream.wants({**a_record(each), "eventName": "MODIFY"}) for each in acted)


def test_laptop_reads_the_same_batches_retries_and_partial_failures(package: Package) -> None:
    read = {
        to_cfn_resource_name(each.handler): each
        for each in subscriptions.of(app, ROOT / "infra" / "stacks" / "app.yaml")
        if not isinstance(each, subscriptions.Schedule)
    }
    for name, source in _event_sources(package).items():
        assert read[name].partial
        assert read[name].batch_size == source["BatchSize"]
        if isinstance(stream := read[name], subscriptions.Stream):
            assert stream.max_retries == source["MaximumRetryAttempts"]


@pytest.mark.parametrize(("function", "rate"), [("Sweep", "5 minutes"), ("TidyKeptFiles", "1 day")])
def test_what_the_clock_calls_comes_at_its_rate(function: str, rate: str, package: Package) -> None:
    (schedule,) = package.functions()[function]["Events"].values()
    assert schedule == {"Type": "Schedule", "Properties": {"Schedule": f"rate({rate})"}}


def test_no_function_lives_as_long_as_a_kept_copy_is_left_in_peace(package: Package) -> None:
    longest = max(function["Timeout"] for function in package.functions().values())
    assert timedelta(seconds=longest) < DOUBT / 24


def test_machines_have_the_names_that_the_functions_know_them_by(package: Package) -> None:
    machines = package.resources("Serverless::StateMachine")
    for field in ("review", "publication"):
        arn = package.variables()[f"{field.upper()}_MACHINE_ARN"]["Fn::Sub"]
        assert arn.endswith(f":stateMachine:{machines[f'{field.title()}Machine']['Name']['Fn::Sub']}")
