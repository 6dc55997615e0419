"""`imprimatur mail suppression`: who gets no announcements any more is shown, and may get them again (clause 4.4.4)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.clock import to_text
from chalicelib.people.model import Role
from chalicelib.publication.store import put_suppression, suppression_key
from infra import cli
from tests.faults import Fault, FaultyAws, Mode, Point
from tests.publication.mailings import announced
from tests.world import DIRECTOR, EDITOR, LIAISON, OTHER_LIAISON, PEOPLE, World, a_person, a_world

AWS = FaultyAws()
BOUNCER = replace(a_person("bouncer", (Role.EMPLOYEE, "research")), email="bounce@simulator.amazonses.com")


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(*PEOPLE, DIRECTOR, BOUNCER, aws=AWS) as world:
        AWS.begin()
        yield world


def lift(email: str, by: str = EDITOR.email) -> int:
    return cli.main(("mail", "suppression", "lift", email, "--by", by))


def bounced(world: World, at: str) -> dict[str, Any]:
    """SES's word that a mail to the bouncer has bounced, then."""
    text = announced(world, audience=["research"])
    text.deliver()
    text.hear()
    key = next(each.key for each in text.mailing().recipients if each.person == BOUNCER.id)
    tags = {"submission": [text.submission], "revision": ["1"], "recipient": [key]}
    what = {
        "bounceType": "Permanent",
        "timestamp": at,
        "bouncedRecipients": [{"emailAddress": BOUNCER.email}],
    }
    return {"eventType": "Bounce", "mail": {"tags": tags, "timestamp": at}, "bounce": what}


def is_suppressed(world: World) -> bool:
    record = world.plain_table.get(suppression_key(BOUNCER.email))
    return record is not None and record.lifted_at is None


def test_what_is_suppressed_is_shown_and_lifted_and_old_word_does_not_suppress_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clause 4.4.4: a mailbox that works again gets its mails again."""
    before = to_text(world.now())
    late = bounced(world, before)
    world.plain_table.put(put_suppression("gone@example.com", "complaint", world.now()))
    assert cli.main(("mail", "suppression", "list")) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("bounce", BOUNCER.name, BOUNCER.email, "complaint", "nobody's now"))
    assert "2 addresses are suppressed" in shown
    assert "gone@example.com" not in shown, "only its hash is known"
    world.passed += timedelta(minutes=1)
    assert lift(BOUNCER.email.upper()) == 0
    capsys.readouterr()
    cli.main(("mail", "suppression", "list"))
    assert "1 addresses are suppressed" in capsys.readouterr().out
    world.parts.mailings.heard(late)
    assert not is_suppressed(world), "what had bounced before it was lifted"
    again = announced(world, audience=["research"])
    assert again.deliver()["recipients"] == {"sent": 2}
    world.passed += timedelta(minutes=1)
    world.parts.mailings.heard(bounced(world, to_text(world.now())))
    assert is_suppressed(world), "what bounces afterwards"
    record = world.plain_table.get(suppression_key(BOUNCER.email))
    assert record is not None
    assert record.reason == "bounce"


@pytest.mark.parametrize(
    ("email", "by", "status", "why"),
    [
        (OTHER_LIAISON.email, EDITOR.email, 1, "is not suppressed"),
        (BOUNCER.email, LIAISON.email, 2, f"policy does not let {LIAISON.email}"),
        (BOUNCER.email, "nobody@example.com", 2, "nobody on duty has the address nobody@example.com"),
    ],
)
def test_nobody_lifts_whom_policy_does_not_let(
    world: World, capsys: pytest.CaptureFixture[str], email: str, by: str, status: int, why: str
) -> None:
    world.plain_table.put(put_suppression(BOUNCER.email, "bounce", world.now()))
    assert lift(email, by) == status
    assert why in capsys.readouterr().err
    assert is_suppressed(world)


@pytest.mark.parametrize("mode", Mode)
def test_a_lift_that_breaks_off_is_done_when_it_is_repeated(world: World, mode: Mode) -> None:
    world.plain_table.put(put_suppression(BOUNCER.email, "bounce", world.now()))
    AWS.begin(Fault(point=Point(label="PutItem SUPPRESSION SUPPRESSION", nth=1), mode=mode))
    try:
        assert lift(BOUNCER.email) == 0
    except Exception:  # noqa: BLE001 — whatever the call raises, operations type the command again
        assert mode is not Mode.TWICE
        assert lift(BOUNCER.email) == (0 if mode is Mode.BEFORE else 1)
    assert AWS.struck
    assert not is_suppressed(world)
