"""What is deployed: the code runs from its package alone, and the template says what the code relies on."""

import copy
import hashlib
import json
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from chalice.utils import to_cfn_resource_name
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from app import app
from chalicelib import bootstrap
from chalicelib.core.aws import Aws
from chalicelib.core.errors import NotFound
from chalicelib.core.http import BASE_HEADERS
from chalicelib.core.problems import problem_of
from chalicelib.publication.jobs import TOLD
from chalicelib.review.jobs import ENDING, STARTING
from chalicelib.submission.service.tidying import DOUBT
from infra.local import subscriptions
from infra.local.clients import REGION
from infra.package import LAMBDA_ROOT, RENDERER, RENDERERS, ROOT, build, require_catalogues
from infra.packaging.dependencies import SERVICES, prune, prune_pillow, runtime_requirements
from infra.packaging.errors import PackagingError
from infra.packaging.target import ARCHITECTURES, target
from infra.renderers import handler
from tests.infra.lambda_events import a_record
from tests.infra.packages import (
    EVENTS,
    EXPECTED,
    Package,
    a_package,
    files,
    first_services,
    modules,
    spoil_sources,
    with_bytecode,
)

ONE_HANDLER = "chalicelib.submission.jobs.take_in_submissions"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return a_package(tmp_path_factory.mktemp("package"), with_dependencies=False)


def test_every_packaged_handler_gets_as_far_as_aws_in_a_fresh_interpreter(package: Package) -> None:
    assert first_services(package) == EXPECTED


def test_package_holds_all_that_the_app_reads_and_nothing_that_only_tests_read(package: Package) -> None:
    packed = {path.relative_to(package.code).as_posix() for path in files(package.code)}
    own = {path.relative_to(ROOT).as_posix() for path in files(ROOT / "chalicelib")}
    data = {path.relative_to(ROOT).as_posix() for path in files(ROOT / "policies", ROOT / "schemas")}
    runtime = {name for name in data if "/examples/" not in name and name != "policies/cases.csv"}
    assert packed == own | runtime | {"app.py", "chalice/__init__.py", "chalice/app.py"}
    assert {"policies/policy.csv", "schemas/submission.json"} <= packed


def test_every_module_has_bytecode_that_is_never_checked_and_names_its_place_in_lambda(
    package: Package,
) -> None:
    assert len(modules(package.code)) > len(EVENTS)
    assert with_bytecode(package.code, LAMBDA_ROOT) == modules(package.code)


def test_functions_run_from_bytecode_and_never_read_a_source(package: Package, tmp_path: Path) -> None:
    spoilt = tmp_path / "code"
    shutil.copytree(package.code, spoilt)
    spoil_sources(spoilt)
    assert first_services(replace(package, code=spoilt, template=_with_one_handler(package))) == {
        ONE_HANDLER: EXPECTED[ONE_HANDLER]
    }


def _with_one_handler(package: Package) -> dict[str, Any]:
    resources = package.template["Resources"]
    (only,) = (name for name, one in package.functions().items() if one["Handler"] == ONE_HANDLER)
    return {**package.template, "Resources": {only: resources[only]}}


def test_packaging_twice_gives_the_same_bytes(package: Package, tmp_path: Path) -> None:
    build(tmp_path / "again", with_dependencies=False)
    assert _digests(tmp_path / "again") == _digests(package.folder)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_pages_without_their_catalogues_are_no_package(tmp_path: Path) -> None:
    template = tmp_path / "zh_Hant.po"
    template.touch()
    with pytest.raises(PackagingError, match=r"zh_Hant\.mo is missing.*make package"):
        require_catalogues(tmp_path)


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_target_takes_wheels_that_run_on_lambdas_machine_and_no_newer_glibc(architecture: str) -> None:
    old, new = target(architecture, (3, 11)), target(architecture, (3, 13))
    machine = ARCHITECTURES[architecture]
    assert (old.runtime, new.runtime) == ("python3.11", "python3.13")
    assert old.platforms[0] == f"manylinux_2_26_{machine}"
    assert new.platforms[0] == f"manylinux_2_34_{machine}"
    assert all(tag.endswith(f"_{machine}") for tag in (*old.platforms, *new.platforms))
    assert f"manylinux2014_{machine}" in old.platforms


@pytest.mark.parametrize("python", [(3, 10), (3, 15)])
def test_python_that_lambda_does_not_have_is_refused_with_what_to_do(python: tuple[int, int]) -> None:
    with pytest.raises(PackagingError, match=r"no runtime for Python .*make package PYTHON=python3\.13"):
        target(python=python)


def test_lambda_is_told_for_what_the_package_was_built(package: Package) -> None:
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for function in package.all_functions().values():
        assert function["Architectures"] == ["arm64"]
        assert function["Runtime"] == runtime
    layer = package.resources("Serverless::LayerVersion")["Dependencies"]
    assert layer["CompatibleArchitectures"] == ["arm64"]
    assert layer["CompatibleRuntimes"] == [runtime]


def test_application_and_renderers_share_nothing(package: Package) -> None:
    assert package.template["Globals"]["Function"]["Layers"] == [{"Ref": "Dependencies"}]
    renderer = package.resources("Lambda::Function")[RENDERER]
    assert renderer["Code"] == RENDERERS
    assert "Layers" not in renderer
    assert "Environment" not in renderer
    (policy,) = package.resources("IAM::Role")["RendererRole"]["Policies"]
    assert policy["PolicyDocument"] == json.loads((ROOT / "infra" / "roles" / "renderer.json").read_bytes())


def test_renderers_say_what_they_carry_and_refuse_what_they_do_not_know() -> None:
    said = handler.answer({"ask": "versions"}, None)
    assert said["renderers"] == handler.VERSION
    assert said["python"] == platform.python_version()
    assert said["carries"]["PyYAML"]
    with pytest.raises(handler.UnknownRequest):
        handler.answer({"ask": "cover"}, None)


class Asking(Aws):
    """Notes for which services clients would be made."""

    def __init__(self) -> None:
        super().__init__(region="us-east-1")
        self.asked: set[str] = set()

    def make(self, service: str) -> object:
        self.asked.add(service)
        return object()


def test_package_describes_just_the_services_that_clients_are_made_for() -> None:
    aws = Asking()
    for name, one in vars(Aws).items():
        if not name.startswith("_") and name not in {"client", "make"}:
            one(aws)
    assert aws.asked == SERVICES
    sources = {path: path.read_text("utf-8") for path in (ROOT / "chalicelib").rglob("*.py")}
    assert {each for text in sources.values() for each in re.findall(r'\.client\("(\w+)"', text)} <= SERVICES
    makers = [path.name for path, text in sources.items() if re.search(r"create_client|\bboto3\b", text)]
    assert makers == ["aws.py"]


def test_what_no_function_reads_is_taken_away(tmp_path: Path) -> None:
    useless = [
        "botocore/data/ec2/2016-11-15/service-2.json.gz",
        "jsonschema/tests/test_cli.py",
        "PIL/Image.pyi",
        "yaml/_yaml.h",
        "bin/jp.py",
        "node_modules/semver/index.js",
        "attrs-26.1.0.dist-info/RECORD",
    ]
    read = [
        "botocore/data/endpoints.json",
        "botocore/data/partitions.json",
        "botocore/data/sdk-default-configuration.json",
        "botocore/data/s3/2006-03-01/service-2.json.gz",
        "jinja2/tests.py",
        "PIL/Image.py",
    ]
    for name in (*useless, *read):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    prune(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in files(tmp_path)} == set(read)


def test_functions_carry_nothing_of_pillow_that_no_attachment_needs(tmp_path: Path) -> None:
    read = {"PIL/_imaging.so", "PIL/_webp.so", "pillow.libs/libwebp-1.so", "PIL/AvifImagePlugin.py"}
    for name in (*read, "PIL/_avif.cpython-313.so", "PIL/_imagingft.so", "pillow.libs/libfreetype-1.so.6"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    prune_pillow(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in files(tmp_path)} == read


def test_package_that_names_its_versions_keeps_them_and_no_more(tmp_path: Path) -> None:
    information = tmp_path / "segno-1.6.6.dist-info"
    information.mkdir()
    for name in ("METADATA", "RECORD", "WHEEL"):
        (information / name).touch()
    prune(tmp_path, metadata=True)
    assert [path.name for path in information.iterdir()] == ["METADATA"]


def test_requirements_are_locked_and_leave_out_what_only_chalice_needs() -> None:
    text = runtime_requirements()
    names = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    wanted = (ROOT / "infra" / "requirements" / "runtime.in").read_text(encoding="utf-8")
    assert names >= set(re.findall(r"^([\w.-]+)>=", wanted, re.MULTILINE)) - {"chalice"}
    assert names >= {"botocore", "urllib3", "attrs", "markupsafe"}
    assert not names & {
        "boto3",
        "chalice",
        "pip",
        "setuptools",
        "wheel",
        "packaging",
        "inquirer",
        "xmod",
        "runs",
    }
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


@pytest.mark.parametrize(("function", "rate"), [("Sweep", "2 minutes"), ("TidyKeptFiles", "1 day")])
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
