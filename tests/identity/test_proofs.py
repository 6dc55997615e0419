"""Enrolling what proves a person, confirming and taking back (clause 5.3.1)."""

import json
from argparse import Namespace
from collections.abc import Iterator
from datetime import timedelta

import pyotp
import pytest

from chalicelib.identity.model import CODES_PER_PERSON
from chalicelib.ledger.model import chain_faults
from chalicelib.people.model import Person
from infra.commands import proofs as command
from tests.authenticator import Authenticator
from tests.proving import PROOFS, invited, mailed_browser, mailed_session, options, with_app, with_passkey
from tests.world import ARCHIVIST, EDITOR, EXECUTIVE, HEAD, LIAISON, World, a_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


def enrolled(world: World, person: Person) -> frozenset[str]:
    return world.parts.proof_book.of(person.id).ids


def told(world: World, person: Person) -> list[str]:
    events = world.events(f"proofs-{person.id}")
    assert chain_faults(events) == []
    return [event.type for event in events]


def test_an_invitation_opens_only_in_a_session_of_that_very_person_and_once(world: World) -> None:
    """Clause 5.3.1: a mailbox alone leads to no proof."""
    code = world.parts.enrolling.invite(HEAD)
    stranger, own = mailed_browser(world, LIAISON), mailed_browser(world, HEAD)
    refused = stranger.submit(stranger.get(PROOFS), f"{PROOFS}/invitation", code=code)
    assert refused.status == 422
    assert refused.page.all("input", id="invitation")[0].attributes["value"] == code
    typed = f" {code.upper().replace('-', '- ')} "
    assert own.submit(own.get(PROOFS), f"{PROOFS}/invitation", code=typed).status == 200
    again = mailed_browser(world, HEAD)
    assert again.submit(again.get(PROOFS), f"{PROOFS}/invitation", code=code).status == 422
    late = world.parts.enrolling.invite(HEAD)
    with world.later(days=4):
        waited = mailed_browser(world, HEAD)
        assert waited.submit(waited.get(PROOFS), f"{PROOFS}/invitation", code=late).status == 422
    assert told(world, HEAD) == ["ProofInvited", "ProofInvitationUsed", "ProofInvited"]
    assert all(code not in event.canonical.decode() for event in world.events(f"proofs-{HEAD.id}"))


def test_a_mailed_session_alone_enrols_nothing_and_is_told_what_to_do(world: World) -> None:
    browser = mailed_browser(world, ARCHIVIST)
    shown = browser.get(PROOFS)
    assert not shown.page.all("form", action=f"{PROOFS}/passkeys")
    mark = shown.form(f"{PROOFS}/invitation")["csrf"][0]
    for action, fields in (("app", {"begin": "yes"}), ("revocation", {"proof": "t-1"})):
        refused = browser.post(f"{PROOFS}/{action}", {"csrf": mark, **fields})
        assert (refused.status, "请先确认身份" in refused.html) == (403, True)
    headers = mailed_session(world, ARCHIVIST)
    asked = world.call("POST", "/api/v1/me/passkeys/options", {"purpose": "enrol"}, headers=headers)
    assert asked.body["code"] == "not_proved"
    assert enrolled(world, ARCHIVIST) == frozenset()


def test_who_has_a_proof_enrols_and_revokes_others_with_it_and_an_invitation_is_good_for_one(
    world: World,
) -> None:
    passkey = with_passkey(world, EDITOR)
    (first,) = enrolled(world, EDITOR)
    browser = mailed_browser(world, EDITOR)
    shown = browser.get(PROOFS)
    asked = options(browser, world, "confirm")
    confirmed = browser.submit(shown, f"{PROOFS}/confirmation", passkey=json.dumps(passkey.get(asked)))
    assert confirmed.status == 200
    second = Authenticator()
    made = json.dumps(second.create(options(browser, world, "enrol")))
    assert browser.submit(confirmed, f"{PROOFS}/passkeys", name="手机", passkey=made).status == 200
    again = browser.submit(confirmed, f"{PROOFS}/passkeys", name="手机", passkey=made)
    assert (again.status, "等待时间过长" in again.html) == (422, True)
    shown = browser.get(PROOFS)
    mark = shown.form(f"{PROOFS}/app")["csrf"][0]
    assert browser.post(f"{PROOFS}/revocation", {"csrf": mark, "proof": first}).status == 200
    assert len(enrolled(world, EDITOR)) == 1
    assert first not in enrolled(world, EDITOR)
    undone = browser.post(f"{PROOFS}/app", {"csrf": mark, "begin": "yes"})
    assert undone.status == 403, "what confirmed this session has been revoked"
    assert told(world, EDITOR)[-3:] == ["ProofEnrolled", "ProofEnrolled", "ProofRevoked"]
    (_, used, one, *_) = world.events(f"proofs-{EDITOR.id}")
    assert one.payload["by"] == {"kind": "invitation", "id": used.payload["invitation"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://desk.test.example"},
        {"verifies": False},
    ],
)
def test_a_passkey_made_elsewhere_or_without_asking_its_user_is_not_enrolled(
    world: World, wrong: dict[str, object]
) -> None:
    browser, shown = invited(world, LIAISON)
    made = Authenticator(**wrong).create(options(browser, world, "enrol"))  # type: ignore[arg-type]  # one of each
    refused = browser.submit(shown, f"{PROOFS}/passkeys", name="手机", passkey=json.dumps(made))
    assert (refused.status, "通行密钥的签名不是" in refused.html) == (422, True)
    for nonsense in ("", "{", "[]", json.dumps(made | {"id": "!"}), json.dumps({**made, "response": {}})):
        assert browser.submit(shown, f"{PROOFS}/passkeys", name=" ", passkey=nonsense).status == 422
    assert enrolled(world, LIAISON) == frozenset()


def test_a_code_counts_once_within_a_step_of_drift_and_not_too_often(world: World) -> None:
    app = with_app(world, EXECUTIVE)
    browser = mailed_browser(world, EXECUTIVE)
    shown = browser.get(PROOFS)

    def confirm(code: str) -> int:
        return browser.submit(shown, f"{PROOFS}/confirmation", code=code).status

    now = world.now()
    assert confirm(app.at(now + timedelta(seconds=90))) == 422, "a clock that is a minute and a half ahead"
    ahead = app.at(now + timedelta(seconds=30))
    assert confirm(f"{ahead[:3]} {ahead[3:]}") == 200
    browser.cookies.update(mailed_browser(world, EXECUTIVE).cookies)
    shown = browser.get(PROOFS)
    assert confirm(ahead) == 422, "no code counts twice"
    assert confirm(app.at(now)) == 422, "nor does an earlier one"
    refusals = [
        e.payload["reason"] for e in world.events(f"proofs-{EXECUTIVE.id}") if e.type == "ProofRefused"
    ]
    assert refusals == ["code_wrong", "code_used", "code_used"]
    statuses = [confirm("000000") for _ in range(CODES_PER_PERSON.tries)]
    assert statuses[-1] == 429
    assert app.secret not in "".join(e.canonical.decode() for e in world.events(f"proofs-{EXECUTIVE.id}"))


def test_operations_invite_list_and_revoke_by_command(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    app = with_app(world, ARCHIVIST)
    assert isinstance(app, pyotp.TOTP)
    asked = {"email": ARCHIVIST.email, "mail": False, "id": None}
    assert command.run(Namespace(action="list", **asked)) == 0
    assert "authenticator app" in capsys.readouterr().out
    assert command.run(Namespace(action="revoke", **asked)) == 0
    assert command.run(Namespace(action="revoke", **asked)) == 1
    assert enrolled(world, ARCHIVIST) == frozenset()
    last = world.events(f"proofs-{ARCHIVIST.id}")[-1]
    assert (last.type, last.actor) == ("ProofRevoked", "service:operations")
    assert command.run(Namespace(action="invite", **asked | {"mail": True})) == 0
    (mail, *_) = world.cloud.mails()
    assert (mail.to, "/me/proofs" in mail.text) == (ARCHIVIST.email, True)
    assert command.run(Namespace(action="invite", **asked | {"email": "nobody@example.com"})) == 2
    assert command.print_signing_key() == 0
    assert "BEGIN PUBLIC KEY" in capsys.readouterr().out
