"""`imprimatur publishing`: the brake by command, in the name of a person on duty (clause 5.1.2)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.clock import to_text
from chalicelib.ledger.model import Event, chain_faults
from chalicelib.ledger.store import events_of
from chalicelib.people.model import Role
from chalicelib.publication.freeze import CHAIN
from infra import cli
from tests.faults import Fault, FaultyAws, Mode, Point
from tests.world import DIRECTOR, EDITOR, LIAISON, PEOPLE, World, a_person, a_world

AWS = FaultyAws()
GONE = replace(a_person("gone", (Role.CENTER_DIRECTOR, "center")), duties=())
FREEZE = ("freeze", "--reason", "误发，核实中。", "--by", LIAISON.email)
UNFREEZE = ("unfreeze", "--reason", "已核实。", "--by", DIRECTOR.email)


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(*PEOPLE, DIRECTOR, GONE, aws=AWS) as world:
        AWS.begin()
        yield world


def run(*arguments: str) -> int:
    return cli.main(("publishing", *arguments))


def told(world: World) -> list[Event]:
    events = list(events_of(world.plain_table, CHAIN))
    assert chain_faults(events) == []
    return events


def frozen_now(world: World) -> list[str]:
    return [freeze.scope for freeze in world.parts.freezing.present().at(world.now())]


def test_one_command_freezes_everything_and_the_ledger_says_by_whom_and_for_whom(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clause 5.1.2: one command stops all channels."""
    assert run(*FREEZE) == 0
    assert frozen_now(world) == ["all"]
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("frozen: all", LIAISON.name, "误发，核实中。"))
    (event,) = told(world)
    assert (event.actor, event.on_behalf_of) == ("service:operations", LIAISON.id)
    assert event.policy is not None
    line = (POLICIES / "policy.csv").read_text().split("\n")[event.policy.line - 1]
    assert line == "p, publication.freeze, service:operations, always, allow"
    assert run(*FREEZE) == 0, "again: nothing changes"
    assert told(world) == [event]


def test_one_command_lets_go_for_whom_policy_lets_and_lists_what_waited(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clause 5.1.2: what was due meanwhile is listed when the freeze ends."""
    run(*FREEZE)
    submission = world.publish()
    assert run(*UNFREEZE[:-1], EDITOR.email) == 2
    assert f"policy does not let {EDITOR.email}" in capsys.readouterr().err
    assert frozen_now(world) == ["all"]
    assert run(*UNFREEZE) == 0
    shown = capsys.readouterr().out
    assert f"{submission}" in shown
    assert all(word in shown for word in ("goes on by itself", "1 submissions waited", "nothing is frozen"))
    assert (told(world)[-1].actor, told(world)[-1].on_behalf_of) == ("service:operations", DIRECTOR.id)
    world.finish()
    assert world.state(submission) == "archived"
    assert run(*UNFREEZE) == 1
    assert "not frozen" in capsys.readouterr().err


def test_one_channel_with_an_end_leaves_the_others_and_the_status_tells(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    until = to_text(world.now() + timedelta(hours=1))
    assert run(*FREEZE, "--channel", "email", "--until", until) == 0
    assert frozen_now(world) == ["email"]
    waits = world.publish(channels=["website", "email"])
    assert run(*UNFREEZE) == 1, "the whole is not frozen"
    capsys.readouterr()
    assert run("status") == 0
    shown = capsys.readouterr().out
    for word in ("frozen: email", until, waits, "1 submissions wait", "email frozen", "by command"):
        assert word in shown, word
    assert run(*UNFREEZE, "--channel", "email") == 0
    capsys.readouterr()
    run("status")
    assert "email lifted, 1 waited" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told_why"),
    [
        ((*FREEZE[:-1], "nobody@example.com"), "nobody on duty has the address nobody@example.com"),
        ((*FREEZE[:-1], GONE.email), "nobody on duty"),
        ((*FREEZE, "--channel", "fax"), "/scope"),
        ((*FREEZE, "--until", "tomorrow"), "/until"),
        ((*FREEZE, "--until", "2020-01-01T00:00:00Z"), "This time has passed"),
        (("freeze", "--reason", " ", "--by", EDITOR.email), "/reason"),
    ],
)
def test_what_is_wrong_is_told_and_freezes_nothing(
    world: World, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told_why: str
) -> None:
    assert run(*arguments) == 2
    assert told_why in capsys.readouterr().err
    assert told(world) == []


def test_a_freeze_by_command_is_not_made_to_end_sooner_by_command_without_the_director(world: World) -> None:
    run(*FREEZE)
    soon = to_text(world.now() + timedelta(minutes=5))
    assert run(*FREEZE, "--until", soon) == 2
    assert run(*FREEZE[:-1], DIRECTOR.email, "--until", soon) == 0


@pytest.mark.parametrize("mode", Mode)
def test_a_command_that_breaks_off_anywhere_is_given_again(world: World, mode: Mode) -> None:
    for command, label in (
        (FREEZE, "TransactWriteItems PublishingFrozen"),
        (UNFREEZE, "TransactWriteItems PublishingUnfrozen"),
    ):
        AWS.begin(Fault(point=Point(label=label, nth=1), mode=mode))
        try:
            run(*command)
        except Exception:  # noqa: BLE001 - as the person sees it: a traceback
            run(*command)
        assert AWS.struck
        AWS.begin()
    assert [event.type for event in told(world)] == ["PublishingFrozen", "PublishingUnfrozen"]
    assert frozen_now(world) == []
