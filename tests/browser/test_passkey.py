"""A passkey of a real browser: enrolled by an invitation, and asked to sign an opinion (clauses 3.3.4 and 5.3.1)."""

import os
import re
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

from infra.package import ROOT
from tests.browser.test_scanner import hand_in
from tests.browser.visitors import PATIENCE, REFUSED, Desk, Visitor

if TYPE_CHECKING:
    from tests.browser.conftest import Visitors

REFUSED_CHALLENGE = f"{REFUSED}422"
"""That the form was asked about before it was whole, as the test did."""
EXPORT = re.compile(r"^export (\w+)='?(.*?)'?$", re.MULTILINE)


def invitation(desk: Desk, email: str) -> str:
    """The code that operations print for a person."""
    with urllib.request.urlopen(f"{desk.address}/_local/environment", timeout=PATIENCE) as answer:  # noqa: S310
        environment = dict(EXPORT.findall(answer.read().decode()))
    said = subprocess.run(  # noqa: S603 — our own command
        (sys.executable, "-m", "infra.cli", "proof", "invite", email),
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.split()[0]


def with_authenticator(person: Visitor) -> None:
    """Give the browser an authenticator whose user always confirms."""
    session = person.context.new_cdp_session(person.page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def enrol(desk: Desk, person: Visitor) -> None:
    """From the mailed session to an enrolled passkey."""
    page = person.page
    person.open("/me/proofs")
    page.wait_for_url("**/sign-in")
    person.sign_in()
    person.look("proofs-none")
    page.fill("#invitation", invitation(desk, person.email))
    page.click("form[action$=invitation] button")
    page.wait_for_selector("#new-passkey")
    page.fill("#name", "办公电脑")
    person.look("proofs-invited")
    page.click("form[action$=passkeys] [data-passkey-button]")
    page.wait_for_url("**done=enrolled")
    assert "办公电脑" in page.inner_text("main")
    person.look("proofs-enrolled")


def test_a_passkey_of_the_browser_signs_what_was_filled_in(desk: Desk, visitors: "Visitors") -> None:
    (liaison, *_), (editor, *_) = desk.people("liaison", "safety"), desk.people("center_editor")
    person = visitors(editor["email"])
    with_authenticator(person)
    enrol(desk, person)
    known = len(desk.links(editor["email"], "r"))
    program, submission = hand_in(desk, liaison, by_mail=False)
    person.open(desk.link(editor["email"], "r", after=known))
    page = person.page
    page.wait_for_selector("#opinion")
    page.click("[data-passkey-button]")
    page.wait_for_selector("#errors")
    assert page.locator("[aria-invalid=true]").count() >= 2, (
        "what is missing is told before anything is signed"
    )
    for choice in page.locator("input[value=yes]").all():
        choice.check()
    page.check("input[name=decision][value=approve]")
    page.fill("#comment", "内容属实。\n同意发布。")
    person.look("review-to-be-signed")
    page.click("[data-passkey-button]")
    page.wait_for_selector("#recorded")
    token = program.token(liaison["id"])
    shown = program.site.call("GET", f"/api/v1/submissions/{submission}", token=token)
    assert [opinion["proof"] for opinion in shown["opinions"]] == ["passkey"]
    person.expect_no_complaint(but=REFUSED_CHALLENGE)
    program.site.call("POST", f"/api/v1/submissions/{submission}/withdrawal", {}, token=token)
