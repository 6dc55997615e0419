"""`imprimatur deploy`, `rollback`, `doctor` and `destroy` from the command line: who may, where, and how they end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from infra import cli
from infra.commands.deployment import DONE, NOT_DONE, UNUSABLE, guarded
from infra.deployment.errors import DeclinedError, WrongParametersError
from infra.packaging.errors import PackagingError
from tests.infra.formations import ACCOUNT, refused

ENVIRONMENT = {
    "prefix": "desk",
    "region": "eu-west-1",
    "hosts": {"desk": "desk.example.com", "public": "news.example.com", "internal": "intranet.example.com"},
    "stacks": {"data": {}},
}
COMMANDS = (["deploy"], ["rollback"], ["doctor"], ["destroy"])


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an environment that belongs into another account."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "operator")
    document = {**ENVIRONMENT, "account": "210987654321"}
    (tmp_path / "staging.json").write_text(json.dumps(document), "utf-8")
    with mock_aws():
        yield tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_environment_of_another_account_is_left_alone(
    command: list[str], params: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, "--env", "staging", "--params", str(params)]) == NOT_DONE
    told = capsys.readouterr().err
    assert f"belongs into account 210987654321, and you are signed in to {ACCOUNT}" in told
    assert "AWS_PROFILE" in told


@pytest.mark.parametrize("command", COMMANDS)
def test_protected_environment_must_name_its_account(
    command: list[str], params: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (params / "prod.json").write_text(json.dumps(ENVIRONMENT), "utf-8")
    assert cli.main([*command, "--env", "prod", "--params", str(params)]) == UNUSABLE
    told = capsys.readouterr().err
    assert "prod is protected, and its file names no account" in told
    assert f'put "account": "{ACCOUNT}" into the file' in told


@pytest.mark.parametrize("command", COMMANDS)
def test_environment_that_is_not_there_is_a_wrong_option(
    command: list[str], params: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, "--env", "prod", "--params", str(params)]) == UNUSABLE
    assert "Environments in that folder: staging" in capsys.readouterr().err


def test_environment_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["deploy"])
    assert "--env" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (WrongParametersError("no such stack"), UNUSABLE),
        (DeclinedError("Nothing was changed."), NOT_DONE),
        (PackagingError("no wheel"), NOT_DONE),
        (refused("AccessDenied", "not authorized to perform s3:PutObject"), NOT_DONE),
    ],
)
def test_what_goes_wrong_ends_in_a_message_and_a_status(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert guarded(fail) == status
    assert str(error).removeprefix("An error") in capsys.readouterr().err
    assert guarded(lambda: None) == DONE


def test_interrupted_command_says_that_cloudformation_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(interrupted)
    assert "run this again to follow it" in capsys.readouterr().err
