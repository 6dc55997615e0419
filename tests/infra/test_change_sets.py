"""What a change set would do, as a person reads it, and what of it could lose data."""

from typing import Any

import pytest

from infra.deployment.changes import read
from infra.deployment.errors import DeclinedError
from tests.infra.terminals import a_terminal, said


def a_change(action: str, resource: str, kind: str = "AWS::Lambda::Function", **more: Any) -> dict[str, Any]:  # noqa: ANN401 — CloudFormation's own
    described = {"Action": action, "LogicalResourceId": resource, "ResourceType": kind, **more}
    return {"Type": "Resource", "ResourceChange": described}


def test_each_kind_of_change_is_told_in_words_and_what_endangers_data_comes_first() -> None:
    changes = read(
        [
            a_change(
                "Modify",
                "Handler",
                Replacement="False",
                PhysicalResourceId="desk-Handler",
                Details=[
                    {"Target": {"Attribute": "Properties", "Name": "Code"}},
                    {"Target": {"Attribute": "Properties", "Name": "Code"}},
                    {"Target": {"Attribute": "Metadata"}},
                ],
            ),
            a_change("Add", "Sweep"),
            a_change("Modify", "Role", "AWS::IAM::Role", Replacement="True", PhysicalResourceId="role-1"),
            a_change("Modify", "Records", "AWS::DynamoDB::Table", Replacement="Conditional"),
            a_change(
                "Remove", "Site", "AWS::S3::Bucket", PhysicalResourceId="desk-site", PolicyAction="Retain"
            ),
            a_change("Dynamic", "Later"),
            a_change("Import", "Found"),
        ]
    )
    assert [change.line() for change in changes] == [
        "- Site (AWS::S3::Bucket) removed desk-site — the old one is kept, outside the stack",
        "? Records (AWS::DynamoDB::Table) perhaps replaced",
        "± Role (AWS::IAM::Role) replaced role-1",
        "* Later (AWS::Lambda::Function) told only when it happens",
        "> Found (AWS::Lambda::Function) taken over",
        "+ Sweep (AWS::Lambda::Function) added",
        "~ Handler (AWS::Lambda::Function) changed desk-Handler in Code, Metadata",
    ]
    assert [change.resource for change in changes if change.endangers_data] == ["Site", "Records"]


@pytest.mark.parametrize("kind", ["AWS::SQS::Queue", "AWS::KMS::Key", "AWS::Backup::BackupVault"])
@pytest.mark.parametrize(
    ("change", "endangers"),
    [
        ({"Action": "Remove"}, True),
        ({"Action": "Modify", "Replacement": "True"}, True),
        ({"Action": "Modify", "Replacement": "Conditional"}, True),
        ({"Action": "Modify", "Replacement": "False"}, False),
        ({"Action": "Add"}, False),
    ],
)
def test_what_holds_data_is_endangered_by_going_and_by_nothing_else(
    kind: str, change: dict[str, str], *, endangers: bool
) -> None:
    ((found),) = read([{"ResourceChange": {**change, "LogicalResourceId": "X", "ResourceType": kind}}])
    assert found.endangers_data is endangers


@pytest.mark.parametrize("line", ["", "n", "no", "maybe"])
def test_anything_but_yes_is_no(line: str) -> None:
    with pytest.raises(DeclinedError, match="Nothing was changed"):
        a_terminal(line).agree("Change it?")


@pytest.mark.parametrize("line", ["y", "Yes", " yes "])
def test_yes_is_yes(line: str) -> None:
    a_terminal(line).agree("Change it?")


def test_nobody_to_ask_is_no_and_says_how_to_go_on_without() -> None:
    with pytest.raises(DeclinedError, match="--yes"):
        a_terminal().agree("Change it?")


def test_yes_beforehand_does_not_answer_for_data() -> None:
    terminal = a_terminal(assume_yes=True)
    terminal.agree("Change it?")
    with pytest.raises(DeclinedError, match="--yes does not"):
        terminal.agree_in_person("Lose it?", "staging")
    a_terminal("staging", assume_yes=True).agree_in_person("Lose it?", "staging")
    with pytest.raises(DeclinedError):
        a_terminal("y", assume_yes=True).agree_in_person("Lose it?", "staging")


def test_colour_is_for_terminals_only() -> None:
    terminal = a_terminal()
    terminal.warn("lost")
    assert said(terminal) == "lost\n"
