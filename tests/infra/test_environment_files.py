"""An environment's file: read, or refused with everything that is wrong with it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.checks.catalogue import QUICK
from infra.checks.parameters import apart, outputs, sound
from infra.checks.tree import Tree
from infra.deployment import lint, templates
from infra.deployment.environment import Environment, read
from infra.deployment.errors import WrongParametersError
from infra.deployment.stacks import (
    DEPARTMENT,
    STACKS,
    TEMPLATES,
    Place,
    Stack,
    deployed_name,
    parameters_of,
    region_of,
    stacks_of,
)
from infra.templates import load, parse
from tests.infra.formations import STACKS as SOME

RIGHT: dict[str, Any] = {
    "prefix": "imprimatur-staging",
    "region": "ap-southeast-1",
    "recovery_region": "ap-southeast-2",
    "account": "123456789012",
    "hosts": {"desk": "desk.example.com", "public": "news.example.com", "internal": "intranet.example.com"},
    "stacks": {
        "data": {"ArchiveRetentionDays": 3650},
        "app": {"MailFrom": "desk@example.com", "Verbose": True, "Zones": ["a", "b"]},
    },
    "departments": {"marketing": {"SenderArn": "arn:aws:iam::123456789012:role/marketing"}},
}


def written(folder: Path, document: object, name: str = "staging") -> Path:
    (folder / f"{name}.json").write_text(json.dumps(document), "utf-8")
    return folder


def refusal(folder: Path, name: str = "staging") -> str:
    with pytest.raises(WrongParametersError) as refused:
        read(name, folder)
    return str(refused.value)


def test_values_are_read_as_cloudformation_takes_them(tmp_path: Path) -> None:
    found = read("staging", written(tmp_path, RIGHT))
    assert found.stacks["data"]["ArchiveRetentionDays"] == "3650"
    assert found.stacks["app"] == {"MailFrom": "desk@example.com", "Verbose": "true", "Zones": "a,b"}
    assert (found.region, found.recovery_region) == ("ap-southeast-1", "ap-southeast-2")
    assert not found.protected


def test_prod_is_protected_unless_its_file_says_otherwise(tmp_path: Path) -> None:
    assert read("prod", written(tmp_path, RIGHT, "prod")).protected
    assert not read("prod", written(tmp_path, {**RIGHT, "protected": False}, "prod")).protected


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    wrong = {
        "prefix": "9lives",
        "recovery_region": "somewhere",
        "account": 12,
        "protected": "yes",
        "hosts": {"desk": "desk.example.com/", "public": "a.example", "internal": "a.example"},
        "stack": {},
        "stacks": {"data": [], "App": {}, "app": {"Nested": {}}},
    }
    told = refusal(written(tmp_path, wrong))
    assert [line.strip().partition(":")[0] for line in told.splitlines()[1:]] == [
        "stack",
        "region",
        "prefix",
        "recovery_region",
        "account",
        "protected",
        "hosts.desk",
        "hosts",
        "stacks.data",
        "stacks.App",
        "stacks.app.Nested",
    ]


def test_recovery_is_in_another_region(tmp_path: Path) -> None:
    assert "another region" in refusal(written(tmp_path, {**RIGHT, "recovery_region": RIGHT["region"]}))


def test_missing_file_tells_which_environments_there_are(tmp_path: Path) -> None:
    written(tmp_path, RIGHT, "dev")
    told = refusal(tmp_path)
    assert "Environments in that folder: dev" in told
    assert "--params" in told
    assert "../dev" in refusal(tmp_path, "../dev")


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_file_that_is_no_json_object_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "staging.json").write_text(text, "utf-8")
    assert "cannot be used" in (told := refusal(tmp_path)) or "cannot be read" in told


def test_each_stack_comes_after_those_it_depends_on() -> None:
    for stacks in (STACKS, SOME):
        before: set[str] = set()
        for stack in stacks:
            assert set(stack.depends) <= before
            before.add(stack.name)


def test_each_template_of_the_list_is_there() -> None:
    assert [stack.name for stack in STACKS if not (TEMPLATES / stack.source).is_file()] == []


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_each_stack_is_allowed_what_its_template_needs_and_no_more(stack: Stack) -> None:
    text = (TEMPLATES / stack.source).read_text("utf-8")
    needed = {"CAPABILITY_IAM"} if "Type: AWS::IAM::" in text else set()
    needed |= {"CAPABILITY_AUTO_EXPAND"} if "\nTransform:" in text else set()
    assert set(stack.capabilities) == needed
    assert not re.search(r"RoleName|PolicyName:.*\n.*AWS::IAM::ManagedPolicy", text)  # or it needed more


def test_output_is_asked_only_of_a_stack_that_is_made_before() -> None:
    asking = {"data": {"Key": "{{output:app:Key}}"}, "app": {"Key": "{{output:data:Key}}"}}
    departments = {"it": {"Key": "{{output:app:Key}}", "SenderArn": "{{output:nosuch:Arn}}"}}
    with pytest.raises(WrongParametersError) as refused:
        stacks_of(
            Environment(name="x", prefix="desk", region="eu-west-1", stacks=asking, departments=departments)
        )
    assert refused.value.faults == (
        "stacks.data.Key: app is not a stack of it that is made before",
        "departments.it.SenderArn: nosuch is not a stack of it that is made before",
    )


def test_department_that_asks_an_output_of_no_stack_is_a_finding_and_no_traceback(tmp_path: Path) -> None:
    asking = {**RIGHT, "departments": {"marketing": {"SenderArn": "{{output:nosuch:Arn}}"}}}
    tree = Tree(params=written(tmp_path, asking))
    assert list(outputs(tree)) == []
    assert [(finding.where, finding.message) for finding in sound(tree)] == [
        ("departments.marketing.SenderArn", "nosuch is not a stack of it that is made before")
    ]


def test_environment_has_the_stacks_of_its_file_in_the_lists_order_and_one_per_department(
    tmp_path: Path,
) -> None:
    found = read("staging", written(tmp_path, RIGHT))
    stacks = stacks_of(found)
    assert [deployed_name(stack, found) for stack in stacks] == [
        "imprimatur-staging-data",
        "imprimatur-staging-app",
        "imprimatur-staging-department-marketing",
    ]
    assert parameters_of(stacks[2], found) == {
        "Prefix": "imprimatur-staging",
        "Department": "marketing",
        "SenderArn": "arn:aws:iam::123456789012:role/marketing",
    }


def test_stack_that_is_not_known_or_lacks_another_is_refused() -> None:
    environment = Environment(
        name="x", prefix="desk", region="eu-west-1", stacks={"app": {}, "edges": {}}, departments={"it": {}}
    )
    with pytest.raises(WrongParametersError) as refused:
        stacks_of(environment)
    assert "stacks.edges: there is no such stack" in str(refused.value)
    assert "stacks.app: needs the stack data" in str(refused.value)


def test_what_outlasts_the_app_keeps_data_or_logs_and_only_data_is_never_taken_back() -> None:
    assert [stack.name for stack in STACKS if stack.stays] == ["recovery", "data", "edge-global"]
    assert [stack.name for stack in STACKS if stack.keeps_data] == ["recovery", "data"]


def test_stack_is_in_the_region_of_its_place() -> None:
    environment = Environment(name="x", prefix="desk", region="eu-west-1", recovery_region="eu-north-1")
    places = {place: region_of(Stack(name="s", template="t", place=place), environment) for place in Place}
    assert places == {"main": "eu-west-1", "global": "us-east-1", "recovery": "eu-north-1"}
    recovery = Stack(name="recovery", template="t", place=Place.RECOVERY)
    with pytest.raises(WrongParametersError, match="needs recovery_region"):
        stacks_of(
            Environment(name="x", prefix="desk", region="eu-west-1", stacks={"recovery": {}}), [recovery]
        )


def having(*stacks: str, **given: dict[str, str]) -> Environment:
    """An environment with these stacks, or with every one; `given` are their parameters."""
    names = stacks or [stack.name for stack in STACKS if stack.name != DEPARTMENT]
    return Environment(
        name="x",
        prefix="desk",
        region="eu-west-1",
        recovery_region="eu-north-1",
        hosts=RIGHT["hosts"],
        stacks={name: given.get(name, {}) for name in names},
    )


def parameters(environment: Environment) -> dict[str, dict[str, str]]:
    return {stack.name: parameters_of(stack, environment) for stack in stacks_of(environment)}


def test_hosts_are_said_once_and_what_is_handed_over_is_found_under_the_own_prefix() -> None:
    given = parameters(having())
    assert given["data"]["DeskOrigin"] == given["app"]["BaseUrl"] == "https://desk.example.com"
    assert given["app"]["InternalSiteUrl"] == "https://intranet.example.com"
    assert given["edge"]["PublicSiteHost"] == given["edge-global"]["PublicSiteHost"] == "news.example.com"
    assert given["app"]["TableStreamArn"] == "/desk/data/table-stream-arn"
    assert given["edge"]["RestApiId"] == "/desk/app/rest-api-id"


def test_an_edge_is_believed_exactly_where_there_is_one() -> None:
    assert parameters(having())["app"]["BehindEdge"] == "yes"
    assert parameters(having("data", "app"))["app"]["BehindEdge"] == "no"


def test_data_is_copied_to_another_region_exactly_where_there_is_one() -> None:
    assert parameters(having())["data"]["ReplicaBucketArn"] == "{{output:recovery:ReplicaBucketArn}}"
    assert parameters(having("data"))["data"]["ReplicaBucketArn"] == ""


def test_what_follows_from_the_rest_of_the_file_is_not_to_be_given() -> None:
    with pytest.raises(WrongParametersError) as refused:
        stacks_of(having("data", "app", app={"BehindEdge": "yes"}))
    assert refused.value.faults == ("stacks.app.BehindEdge: follows from the rest of the file; leave it out",)


def test_what_follows_is_asked_for_by_the_template() -> None:
    for stack in STACKS:
        assert stack.derived.keys() <= load(TEMPLATES / stack.source)["Parameters"].keys(), stack.name


def test_a_value_that_the_template_does_not_allow_is_told_and_not_repeated() -> None:
    app = load(TEMPLATES / "app.yaml")
    mail = {"MailFrom": "desk@example.com", "MailIdentity": "example.com"}
    given = {**parameters(having())["app"], **mail, "SmtpPasswordSecret": "hunter2", "MailCarrier": "pigeon"}
    with pytest.raises(WrongParametersError) as refused:
        templates.arguments("app", app, given)
    assert [fault.partition(": ")[0] for fault in refused.value.faults] == [
        "stacks.app.MailCarrier",
        "stacks.app.SmtpPasswordSecret",
    ]
    assert "hunter2" not in str(refused.value)
    secret = {**given, "SmtpPasswordSecret": "imprimatur/smtp:SecretString:password", "MailCarrier": "smtp"}
    assert templates.arguments("app", app, secret)


def test_files_of_another_folder_are_held_to_the_same_rules(tmp_path: Path) -> None:
    for name in ("one", "two"):
        written(tmp_path, RIGHT, name)
    found = {(finding.file, finding.where) for finding in apart(Tree(params=tmp_path))}
    assert found == {("two.json", value) for value in (RIGHT["prefix"], *RIGHT["hosts"].values())}
    about_files = {name: QUICK[name] for name in ("parameters", "environments-apart")}
    wrong = lint.faults(tmp_path, tmp_path, about_files)
    assert about_files.keys() < lint.EVERY.keys(), "which are asked of whoever deploys"
    assert "two.json: desk.example.com: belongs to one [environments-apart]" in wrong
    assert "one.json: stacks.app.Verbose: the template knows no such parameter [parameters]" in wrong


def test_parameters_that_the_template_does_not_know_or_lacks_are_told_with_what_they_mean() -> None:
    template = parse(
        "Parameters:\n"
        "  Prefix: {Type: String, Default: imprimatur}\n"
        "  DeskOrigin: {Type: String, Description: Where people open the desk.}\n"
    )
    with pytest.raises(WrongParametersError) as refused:
        templates.arguments("data", template, {"Prefix": "x", "DeskOrigins": "y"})
    assert "stacks.data.DeskOrigins: the template knows no such parameter" in str(refused.value)
    assert "stacks.data.DeskOrigin: is missing. Where people open the desk." in str(refused.value)


def test_files_that_a_template_names_are_put_where_they_were_sent() -> None:
    kinds = {
        "F": ("AWS::Serverless::Function", "CodeUri", "./deployment.zip"),
        "L": ("AWS::Serverless::LayerVersion", "ContentUri", "dependencies.zip"),
        "M": ("AWS::Serverless::StateMachine", "DefinitionUri", "review.asl.json"),
        "R": ("AWS::Lambda::Function", "Code", "renderers.zip"),
        "P": ("AWS::Lambda::Function", "Code", {"ZipFile": "pass"}),
    }
    template: dict[str, Any] = {
        "Resources": {
            name: {"Type": kind, "Properties": {key: file}} for name, (kind, key, file) in kinds.items()
        }
    }
    placed = templates.with_files_at(template, "depot", lambda name: f"artefacts/{name}")["Resources"]
    assert placed["F"]["Properties"]["CodeUri"] == {"Bucket": "depot", "Key": "artefacts/deployment.zip"}
    assert placed["L"]["Properties"]["ContentUri"] == {"Bucket": "depot", "Key": "artefacts/dependencies.zip"}
    assert placed["M"]["Properties"]["DefinitionUri"] == {
        "Bucket": "depot",
        "Key": "artefacts/review.asl.json",
    }
    assert placed["R"]["Properties"]["Code"] == {"S3Bucket": "depot", "S3Key": "artefacts/renderers.zip"}
    assert placed["P"]["Properties"]["Code"] == {"ZipFile": "pass"}
    assert template["Resources"]["F"]["Properties"]["CodeUri"] == "./deployment.zip"
