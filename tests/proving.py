"""What people prove with, enrolled as people enrol it: passkeys, authenticator apps; and sessions without a proof."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyotp
import requests

from chalicelib.core.ids import new_secret
from chalicelib.core.signing import Signer
from chalicelib.identity.model import ACCOUNT_PAGE, INVITATION, SESSION_LIFE, SessionProof
from chalicelib.identity.proofs import Passkey
from chalicelib.identity.service import RateLimits
from chalicelib.identity.service.enrolling import ENROLLING, Enrolling
from chalicelib.identity.service.proving import ProofBook, Prover
from chalicelib.identity.store import proofs_key, put_session, read_proofs, session_key
from chalicelib.people.model import Person
from infra.local.company import CLIENT, Company, serving
from tests.authenticator import Authenticator
from tests.browsing import Browser, Shown
from tests.world import DIRECTOR, PEOPLE, PLAIN, Answer, World

PROOFS = "/me/proofs"
CHALLENGE, DECIDE = "/api/v1/review-links/challenge", "/api/v1/review-links/decision"


def mailed_session(world: World, person: Person) -> dict[str, str]:
    """The header of a session that an e-mailed link has opened: nothing more is proved by it."""
    token = f"{person.id}.{new_secret()}"
    world.plain_table.put(put_session(token, person.id, world.now() + SESSION_LIFE))
    return {"authorization": f"Bearer {token}"}


def mailed_browser(world: World, person: Person) -> Browser:
    """A browser with such a session."""
    browser = Browser(world)
    browser.cookies["__Host-imprimatur"] = mailed_session(world, person)["authorization"].partition(" ")[2]
    return browser


def invited(world: World, person: Person) -> tuple[Browser, Shown]:
    """A browser whose session may enrol one proof, and its page of proofs."""
    browser = mailed_browser(world, person)
    code = operations(world).invite(person)
    shown = browser.submit(browser.get(PROOFS), f"{PROOFS}/invitation", code=code)
    assert shown.status == 200, shown.html
    return browser, shown


def options(browser: Browser, world: World, purpose: str) -> dict[str, Any]:
    """What a browser asks a passkey in its session."""
    token = browser.cookies["__Host-imprimatur"]
    headers = {"authorization": f"Bearer {token}"}
    answer = world.call("POST", "/api/v1/me/passkeys/options", {"purpose": purpose}, headers=headers)
    assert answer.status == 200, answer
    asked: dict[str, Any] = answer.body["options"]
    return asked


def with_passkey(world: World, person: Person) -> Authenticator:
    """A passkey that the person has enrolled by an invitation."""
    browser, shown = invited(world, person)
    passkey = Authenticator()
    made = json.dumps(passkey.create(options(browser, world, "enrol")))
    enrolled = browser.submit(shown, f"{PROOFS}/passkeys", name="办公电脑", passkey=made)
    assert enrolled.status == 200, enrolled.html
    return passkey


def with_app(world: World, person: Person) -> pyotp.TOTP:
    """An authenticator app that the person has enrolled two steps ago: every code of now is still to come."""
    with world.later(minutes=-1):
        browser, shown = invited(world, person)
        begun = browser.submit(shown, f"{PROOFS}/app")
        app = pyotp.TOTP("".join(begun.page.all("code")[0].text.split()))
        enrolled = browser.submit(begun, f"{PROOFS}/app", code=app.at(world.now()))
        assert enrolled.status == 200, enrolled.html
    return app


def signed(
    world: World, opinion: dict[str, Any], passkey: Authenticator, as_: dict[str, str]
) -> dict[str, Any]:
    """The opinion with what the reviewer's passkey says of it."""
    asked = world.call("POST", CHALLENGE, opinion, headers=as_)
    assert asked.status == 200, asked
    return opinion | {"passkey": passkey.get(asked.body["options"])}


def decide_by_passkey(world: World, reviewer: Person, passkey: Authenticator) -> Answer:
    """Approve by the newest link, signed."""
    session = mailed_session(world, reviewer)
    return world.call(
        "POST", DECIDE, signed(world, world.opinion(reviewer), passkey, session), headers=session
    )


def operations(world: World) -> Enrolling:
    """What operations do about proofs, by a client that no test makes fail and that is no function's."""
    parts = world.parts
    signer = Signer(client=PLAIN.kms, key=parts.settings.signing_key)
    limits = RateLimits(table=world.plain_table, now=world.now)
    book = ProofBook(table=world.plain_table, now=world.now, signer=signer)
    prover = Prover(book=book, limits=limits, rules=parts.prover.rules, base_url=parts.settings.base_url)
    return Enrolling(book=book, prover=prover, limits=limits)


def given_passkey(world: World, person: Person, name: str = "Office") -> Authenticator:
    """A passkey that the person has enrolled, by a client that no test makes fail."""
    enrolling = operations(world)
    token = f"{person.id}.{new_secret()}"
    proof = SessionProof(kind=INVITATION, id="x", at=world.now())
    world.plain_table.put(put_session(token, person.id, world.now() + SESSION_LIFE, proof))
    session = world.plain_table.get(session_key(token))
    assert session is not None
    hand, passkey = enrolling.hand(person, session, "c-test"), Authenticator()
    asked = enrolling.options(hand, ENROLLING, world.plain_table.batch(*enrolling.keys(person.id)))
    found = world.plain_table.batch(*enrolling.keys(person.id))
    enrolling.enrol_passkey(hand, passkey.create(asked), name, found)
    return passkey


def read_passkeys(world: World, person: Person) -> tuple[Passkey, ...]:
    """What the table holds of a person's passkeys, whatever fails."""
    return read_proofs(person.id, world.plain_table.get(proofs_key(person.id))).passkeys


@contextmanager
def company_of(world: World) -> Iterator[Company]:
    """The company's accounts, on a server of their own, with one for everybody; the product knows them for a block."""
    before = world.parts.settings

    def people() -> dict[str, dict[str, object]]:
        return {
            person.id: {"name": person.name, "email": person.email, "email_verified": True}
            for person in (*PEOPLE, DIRECTOR)
        }

    company = Company(
        people=people,
        redirect_uri=f"{before.base_url}{ACCOUNT_PAGE}",
        now=lambda: world.now().timestamp(),
    )
    with serving(company):
        settings = replace(before, oidc_issuer=company.issuer, oidc_client_id=CLIENT)
        world.parts.settings = settings
        try:
            yield company
        finally:
            world.parts.settings = before
            world.parts.__dict__.pop("accounts", None)


def at_the_company(shown: Shown, subject: str) -> str:
    """Follow a page that leads to the company's accounts, sign in there as somebody, and answer where it leads back."""
    (refresh,) = shown.page.all("meta", http_equiv="refresh")
    address = refresh.attributes["content"].partition("url=")[2]
    answer = requests.post(address, data={"sub": subject}, allow_redirects=False, timeout=30)
    return answer.headers["Location"].removeprefix("https://desk.test")
