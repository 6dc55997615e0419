"""Signing in with the company's account, at a real provider of OpenID Connect on a server of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from chalicelib.core.errors import AccountRefused
from chalicelib.core.fetching import FetchError, fetch_json
from chalicelib.identity.model import ACCOUNT_COOKIE, ACCOUNT_PAGE, BROWSER_COOKIE, COOKIE
from chalicelib.identity.service.accounts import AccountsConfiguration, Provider, state_of
from chalicelib.identity.store import read_session_proof, session_key
from infra.local.company import Claims, Company
from tests.browsing import Browser, Shown
from tests.proving import at_the_company, company_of, mailed_browser
from tests.world import EDITOR, HEAD, World, a_world

SIGN_IN = "/sign-in"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


@pytest.fixture(scope="module")
def company(world: World) -> Iterator[Company]:
    with company_of(world) as company:
        yield company


def leaving(browser: Browser) -> Shown:
    return browser.submit(browser.get(SIGN_IN), ACCOUNT_PAGE)


def test_the_account_opens_a_session_that_says_when_its_person_was_proved(
    world: World, company: Company
) -> None:
    browser = Browser(world)
    shown = browser.get(at_the_company(leaving(browser), EDITOR.id))
    assert (shown.status, shown.path) == (200, "/")
    assert ACCOUNT_COOKIE not in browser.cookies
    proof = read_session_proof(world.plain_table.get(session_key(browser.cookies[COOKIE])))
    assert proof is not None
    assert proof.kind == "oidc"
    assert abs((world.now() - proof.at).total_seconds()) < 5
    assert EDITOR.id not in proof.id
    assert company.codes == {}, "a code works once"


def test_an_answer_opens_nothing_in_another_browser_nor_twice(world: World, company: Company) -> None:
    mine, other = Browser(world), Browser(world)
    back = at_the_company(leaving(mine), EDITOR.id)
    for thief in (Browser(world), other):
        refused = thief.get(back)
        assert (refused.status, COOKIE in thief.cookies) == (502, False)
        leaving(other)  # with a secret of its own it is refused, too
    assert mine.get(back).status == 200
    again = Browser(world)
    again.cookies.update({ACCOUNT_COOKIE: "x" * 43})
    forged = back.partition("state=")[0] + f"state={state_of('x' * 43)}"
    assert again.get(forged).status == 502, "a code is bound to the browser that asked (PKCE)"
    assert again.get(f"{ACCOUNT_PAGE}?error=access_denied").status == 502
    assert BROWSER_COOKIE not in again.cookies
    assert company.issuer.startswith("http://127.0.0.1")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email_verified": False}, 404),
        ({"email_verified": "true"}, 404),
        ({"email": "stranger@example.com"}, 404),
        ({"aud": "another-client"}, 502),
        ({"iss": "https://elsewhere.example"}, 502),
        ({"nonce": "another"}, 502),
        ({"exp": 1_700_000_000}, 502),
        ({"auth_time": None}, 502),
        ({"auth_time": "now"}, 502),
    ],
    ids=str,
)
def test_what_the_provider_does_not_say_to_this_very_asking_opens_nothing(
    world: World, company: Company, claims: dict[str, Any], status: int
) -> None:
    usual = company.people

    def said() -> dict[str, Claims]:
        return {subject: {**each, **claims} for subject, each in usual().items()}

    company.people = said
    try:
        browser = Browser(world)
        refused = browser.get(at_the_company(leaving(browser), EDITOR.id))
    finally:
        company.people = usual
    assert (refused.status, COOKIE in browser.cookies) == (status, False)


def test_what_was_typed_is_there_again_after_the_account_and_only_a_press_decides(
    world: World, company: Company
) -> None:
    """Clause 3.3.4: without scripts, too; opening shows and never decides."""
    submission = world.submit()
    world.cloud.settle()
    browser = mailed_browser(world, EDITOR)
    shown = browser.submit(browser.get("/r"), "/r", handle=world.links(EDITOR)[0])
    items = {e.attributes["name"] for e in shown.page.all("input", type="radio")} - {"decision"}
    filled = {"decision": "approve", "comment": "同意。\n很好。", **dict.fromkeys(sorted(items), "yes")}
    away = browser.post("/r/account", {**shown.form("/r/decision"), **filled})
    again = browser.get(at_the_company(away, EDITOR.id))
    assert (again.status, again.path) == (200, "/r/again")
    kept = again.form("/r/decision")
    assert {name: kept[name] for name in filled} == {name: [value] for name, value in filled.items()}
    assert world.events(submission, "Decided") == []
    done = browser.submit(again, "/r/decision")
    assert (done.status, "审核意见已记录" in done.html) == (200, True)
    (decided,) = world.events(submission, "Decided")
    assert decided.payload["proof"]["kind"] == "oidc"
    assert company.issuer not in decided.canonical.decode()
    other = mailed_browser(world, HEAD)
    assert other.get("/r/again").status == 404


def test_a_claim_may_name_the_person_by_id_and_a_provider_that_is_gone_is_told(world: World) -> None:
    with company_of(world) as company:
        usual = company.people
        company.people = lambda: {sub: {"staff": sub, **each} for sub, each in usual().items()}
        before = world.parts.settings
        world.parts.settings = type(before)(**{**before.__dict__, "oidc_person_claim": "staff"})
        world.parts.__dict__.pop("accounts", None)
        browser = Browser(world)
        assert browser.get(at_the_company(leaving(browser), HEAD.id)).status == 200
        assert browser.cookies[COOKIE].startswith(f"{HEAD.id}.")
        gone = type(before)(**{**before.__dict__, "oidc_issuer": "http://127.0.0.1:9"})
        world.parts.settings = gone
        world.parts.__dict__.pop("accounts", None)
        assert leaving(Browser(world)).status == 502
        world.parts.settings = before


def test_a_token_that_another_key_signed_says_nothing() -> None:
    key, other, now = ECKey.generate_key("P-256"), ECKey.generate_key("P-256"), datetime.now(UTC)
    configuration = AccountsConfiguration(
        issuer="https://id.example",
        client_id="desk",
        client_secret="",
        person_claim="email",
        redirect_uri="https://desk.test/sign-in/account",
    )

    def provider(signed_by: ECKey, algorithm: str = "ES256") -> Provider:
        def fetch(url: str, fields: Any = None) -> dict[str, Any]:  # noqa: ANN401 — a Fetch
            if fields is None and url.endswith("configuration"):
                return {"issuer": "https://id.example", "token_endpoint": "t", "jwks_uri": "j"}
            if fields is None:
                return dict(KeySet([key]).as_dict(private=False))
            stamp = int(now.timestamp())
            said = {"iss": "https://id.example", "aud": "desk", "sub": "1", "iat": stamp, "exp": stamp + 60}
            token = jwt.encode(
                {"alg": algorithm}, {**said, "auth_time": stamp, "nonce": nonce}, signed_by, [algorithm]
            )
            return {"id_token": token}

        return Provider(configuration=configuration, fetch=fetch, now=lambda: now)

    from chalicelib.identity.service.accounts import _derived  # noqa: PLC0415 — the nonce that it asks for

    nonce = _derived("nonce", "secret")
    assert provider(key).identity("code", "secret").subject == "1"
    with pytest.raises(AccountRefused):
        provider(other).identity("code", "secret")


def test_only_https_is_asked_beyond_this_machine_and_only_json_is_an_answer(company: Company) -> None:
    with pytest.raises(FetchError, match="not https"):
        fetch_json("http://id.example/.well-known/openid-configuration")
    with pytest.raises(FetchError, match="404"):
        fetch_json(f"{company.issuer}/nothing")
    assert requests.get(f"{company.issuer}/authorize", timeout=10).status_code == 400
    with pytest.raises(FetchError, match="no JSON"):
        fetch_json(f"{company.issuer}/authorize?{'&'.join(_whole(company))}")


def _whole(company: Company) -> list[str]:
    return [
        "response_type=code",
        "client_id=imprimatur",
        f"redirect_uri={company.redirect_uri}",
        "scope=openid",
        "nonce=n",
        f"code_challenge={'c' * 43}",
        "code_challenge_method=S256",
    ]
