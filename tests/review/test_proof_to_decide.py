"""Deciding needs a proof of person, and says with what it was proved (clauses 3.3.4, 5.3.1)."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from chalicelib.core.canonical import canonical
from chalicelib.core.ids import new_secret
from chalicelib.identity.model import SESSION_LIFE, ProofKind, SessionProof
from chalicelib.identity.store import put_session
from tests.authenticator import Authenticator
from tests.faults import FaultyAws, Mode
from tests.proving import CHALLENGE, DECIDE, mailed_browser, mailed_session, signed, with_app, with_passkey
from tests.world import DIRECTOR, EDITOR, HEAD, PEOPLE, Answer, World, a_world

AWS = FaultyAws()
Opinion = dict[str, Any]


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with a_world(*PEOPLE, DIRECTOR, aws=AWS) as world:
        yield world


@pytest.fixture(scope="module")
def passkey(shared: World) -> Authenticator:
    return with_passkey(shared, EDITOR)


@pytest.fixture
def world(shared: World) -> World:
    return shared


def asked(world: World, **form: Any) -> tuple[str, Opinion]:  # noqa: ANN401 — as in a_form
    """A submission that waits for the editor, and the opinion as it would be sent."""
    submission = world.submit(**form)
    world.cloud.settle()
    return submission, world.opinion(EDITOR)


def codes(answer: Answer) -> list[tuple[str, str]]:
    return [(error["pointer"], error["code"]) for error in answer.body.get("errors", ())]


def decided(world: World, submission: str) -> dict[str, Any]:
    (event,) = world.events(submission, "Decided")
    return dict(event.payload)


def test_a_mailed_session_opens_and_decides_nothing(world: World) -> None:
    """Clause 3.3.4: a code mailed to the same mailbox proves nothing; all that is wrong is told at once."""
    submission, opinion = asked(world)
    session = mailed_session(world, EDITOR)
    opened = world.call("POST", "/api/v1/review-links", {"handle": opinion["handle"]}, headers=session)
    assert opened.status == 200
    refused = world.call("POST", DECIDE, opinion | {"checklist": {}}, headers=session)
    assert refused.status == 422
    assert {pointer for pointer, _ in codes(refused)} == {
        "/proof",
        *(f"/checklist/{item}" for item in opinion["checklist"]),
    }
    assert world.state(submission) == "in_review"
    assert world.events(submission, "Decided") == []


def test_a_passkey_signs_the_very_opinion_and_only_that(world: World, passkey: Authenticator) -> None:
    """Clause 3.3.4: the assertion is the reviewer's own signature over the opinion."""
    submission, opinion = asked(world)
    session = mailed_session(world, EDITOR)
    sent = signed(world, opinion, passkey, session)
    for changed in (
        {"comment": "不同意。"},
        {"decision": "request_changes", "checklist": dict.fromkeys(opinion["checklist"], False)},
        {"passkey": {**sent["passkey"], "id": "AAAA", "rawId": "AAAA"}},
    ):
        refused = world.call("POST", DECIDE, sent | changed, headers=session)
        assert [pointer for pointer, _ in codes(refused)] == ["/passkey"], refused
    AWS.begin()
    answer = world.call("POST", DECIDE, sent, headers=session)
    assert answer.status == 200, answer
    calls = [call for call in AWS.calls if not call.startswith("UpdateItem *")]
    assert len(calls) <= 5, calls
    assert world.call("POST", DECIDE, sent, headers=session).status == 200, "the same again is recorded"
    proof = decided(world, submission)["proof"]
    assert proof["kind"] == "passkey"
    assert proof["enrolment"]["event"]["actor"] == EDITOR.id
    refusals = [
        event.payload for event in world.events(f"proofs-{EDITOR.id}") if event.type == "ProofRefused"
    ]
    assert [each["submission"] for each in refusals] == [submission] * 3


def test_an_assertion_counts_for_no_other_link_and_not_for_long(world: World, passkey: Authenticator) -> None:
    session = mailed_session(world, EDITOR)
    _, first = asked(world)
    sent = signed(world, first, passkey, session)
    with world.later(minutes=6):
        late = world.call("POST", DECIDE, sent, headers=session)
    assert codes(late) == [("/passkey", "challenge_gone")]
    _, second = asked(world)
    other = world.call("POST", DECIDE, second | {"passkey": sent["passkey"]}, headers=session)
    assert codes(other) == [("/passkey", "challenge_gone")]
    world.call("POST", CHALLENGE, second, headers=session)
    other = world.call("POST", DECIDE, second | {"passkey": sent["passkey"]}, headers=session)
    assert codes(other) == [("/passkey", "passkey_wrong")]
    used, passkey.count = passkey.count, 0
    cloned = signed(world, second, passkey, session)
    passkey.count = used
    assert codes(world.call("POST", DECIDE, cloned, headers=session)) == [("/passkey", "passkey_wrong")]


def test_what_is_confidential_takes_no_code_and_a_code_counts_for_one_opinion(world: World) -> None:
    """Clause 5.3.1: how one proves depends on what is decided, by `policies/stages.yaml`."""
    app, session = with_app(world, EDITOR), mailed_session(world, EDITOR)
    secret, opinion = asked(world, classification="confidential", audience=["marketing"], channels=["email"])
    code = app.at(world.now())
    refused = world.call("POST", DECIDE, opinion | {"code": code}, headers=session)
    assert codes(refused) == [("/code", "proof_not_enough")]
    assert world.decide(EDITOR).status == 200, "who has just signed in with the company's account decides"
    assert decided(world, secret)["proof"]["kind"] == "oidc"
    plain, opinion = asked(world)
    body = opinion | {"code": code}

    def unheard(operation: str, _params: object) -> Mode | None:
        return Mode.AFTER if operation == "TransactWriteItems" else None

    AWS.watch = unheard
    assert world.call("POST", DECIDE, body, headers=session).status == 500
    AWS.watch = None
    again = world.call("POST", DECIDE, body, headers=session)
    assert (again.status, again.body["state"]) == (200, "in_review"), "used up by the POST that nobody heard"
    assert decided(world, plain)["proof"]["kind"] == "totp"
    _, opinion = asked(world)
    assert codes(world.call("POST", DECIDE, opinion | {"code": code}, headers=session)) == [
        ("/code", "code_used")
    ]
    following = app.at(world.now() + timedelta(seconds=30))
    assert world.call("POST", DECIDE, opinion | {"code": following}, headers=session).status == 200


def test_a_session_of_the_company_account_is_fresh_for_ten_minutes_and_no_other_persons(
    world: World,
) -> None:
    _, opinion = asked(world)

    def proved(kind: str, minutes: float, person: str = EDITOR.id) -> dict[str, str]:
        proof = SessionProof(kind=kind, id="x", at=world.now() - timedelta(minutes=minutes))
        token = f"{person}.{new_secret()}"
        world.plain_table.put(put_session(token, person, world.now() + SESSION_LIFE, proof))
        return {"authorization": f"Bearer {token}"}

    for stale in (proved("oidc", 11), proved("oidc", -2), proved("invitation", 0), proved("passkey", 0)):
        assert codes(world.call("POST", DECIDE, opinion, headers=stale)) == [("/proof", "proof_required")]
    assert world.call("POST", DECIDE, opinion, headers=proved("oidc", 1, HEAD.id)).status == 404
    assert world.call("POST", DECIDE, opinion, headers=proved(ProofKind.OIDC, 9)).status == 200


def test_the_service_signs_every_opinion_whole(world: World) -> None:
    submission, opinion = asked(world)
    AWS.begin()
    assert world.call("POST", DECIDE, opinion, as_=EDITOR).status == 200
    assert sum(call.startswith("Sign") for call in AWS.calls) == 1
    said = decided(world, submission)
    signature = said.pop("service_signature")
    document = {"purpose": "opinion-recorded", "submission": submission, "reviewer": EDITOR.id, **said}
    key = load_pem_public_key(world.parts.signer.public_key().encode())
    assert isinstance(key, EllipticCurvePublicKey)
    key.verify(base64.b64decode(signature["value"]), canonical(document), ECDSA(SHA256()))


def test_without_its_signature_no_opinion_is_recorded(world: World) -> None:
    submission, opinion = asked(world)

    def fails(operation: str, _params: object) -> Mode | None:
        return Mode.BEFORE if operation == "Sign" else None

    AWS.watch = fails
    assert world.call("POST", DECIDE, opinion, as_=EDITOR).status == 500
    AWS.watch = None
    assert world.events(submission, "Decided") == []
    assert world.call("POST", DECIDE, opinion, as_=EDITOR).status == 200


def test_the_page_offers_what_the_reviewer_has_and_tells_who_has_nothing_what_to_do(
    world: World, passkey: Authenticator
) -> None:
    _, opinion = asked(world, classification="confidential", audience=["marketing"], channels=["email"])
    browser = mailed_browser(world, EDITOR)
    shown = browser.submit(browser.get("/r"), "/r", handle=opinion["handle"])
    (form,) = shown.page.all("form", action="/r/decision")
    assert form.all("input", name="passkey")
    assert not form.all("input", name="code"), "an app is not enough for this"
    sent = browser.submit(shown, "/r/decision", comment="请看。")
    assert sent.status == 422
    assert sent.form("/r/decision")["comment"] == ["请看。"]
    assert "请证明是您本人：" in sent.html
    world.decide(EDITOR)
    world.cloud.settle()
    nobody = mailed_browser(world, HEAD)
    shown = nobody.submit(nobody.get("/r"), "/r", handle=world.links(HEAD)[0])
    assert "请向运维领取邀请码" in shown.html


def test_a_mailed_session_gives_no_decision_away(world: World) -> None:
    """Clause 3.3.4: who only reads the mailbox does not choose who decides instead."""
    submission, _ = asked(world)
    assert world.decide(EDITOR).status == 200
    world.cloud.settle()
    body = {"handle": world.links(HEAD)[0], "to": DIRECTOR.id}
    path = "/api/v1/review-links/delegation"
    refused = world.call("POST", path, body, headers=mailed_session(world, HEAD))
    assert codes(refused) == [("/to", "proof_first")]
    assert world.events(submission, "TaskDelegated") == []
    assert world.call("POST", path, body, as_=HEAD).status == 200
    path = f"/api/v1/submissions/{submission}/reviewers"
    given = {"reviewers": [HEAD.id], "reason": "分工。"}
    refused = world.call("POST", path, given, headers=mailed_session(world, DIRECTOR))
    assert codes(refused) == [("/reviewers", "proof_first")]
