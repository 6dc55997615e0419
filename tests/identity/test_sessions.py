"""Sessions: the cookie and the bearer token, and what is not taken for either."""

from collections.abc import Iterator
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest

from chalicelib.core.clock import to_text
from chalicelib.core.ids import new_secret
from chalicelib.identity.model import SESSION_LIFE
from chalicelib.identity.store import put_session
from chalicelib.people.model import Duty, Person, Role
from tests.overreaching import ensure_refused
from tests.world import EDITOR, LIAISON, LONG_AGO, PEOPLE, Answer, World, a_form, a_world

BRIEF = Person(
    id="p-brief",
    name="Brief",
    email="brief@example.com",
    duties=(
        Duty(role=Role.EMPLOYEE, department="marketing", since=LONG_AGO),
        Duty(role=Role.LIAISON, department="marketing", since=LONG_AGO, until=LONG_AGO + timedelta(days=1)),
    ),
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, BRIEF) as world:
        yield world


def open_session(world: World, *, bearer: bool | None = None) -> Answer:
    world.call("POST", "/api/v1/sign-in", {"email": LIAISON.email})
    world.cloud.settle()
    body = {"handle": world.links(LIAISON, "s")[0]} | ({} if bearer is None else {"bearer": bearer})
    answer = world.call("POST", "/api/v1/sessions", body)
    assert answer.status == 201, answer
    return answer


def me(world: World, **headers: str) -> Answer:
    return world.call(
        "GET", "/api/v1/me", headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_the_cookie_is_for_this_host_secure_and_out_of_scripts_reach(world: World) -> None:
    answer = open_session(world)
    cookie = SimpleCookie(answer.headers["Set-Cookie"])
    (name,) = cookie
    assert name.startswith("__Host-")
    morsel = cookie[name]
    assert morsel["secure"] is True
    assert morsel["httponly"] is True
    assert morsel["samesite"] in {"Lax", "Strict"}
    assert morsel["path"] == "/"
    assert morsel["domain"] == ""
    assert int(morsel["max-age"]) == SESSION_LIFE.total_seconds()
    assert me(world, cookie=f"{name}={morsel.value}").body["person"]["id"] == LIAISON.id


def test_the_token_is_told_only_when_asked_for(world: World) -> None:
    assert "token" not in open_session(world).body
    assert "token" not in open_session(world, bearer=False).body
    token = open_session(world, bearer=True).body["token"]
    answer = me(world, authorization=f"bearer {token}")
    assert answer.status == 200
    assert answer.body["person"]["id"] == LIAISON.id


def test_a_session_says_when_it_ends_and_ends_then(world: World) -> None:
    earliest = to_text(world.now() + SESSION_LIFE)
    opened = open_session(world, bearer=True).body
    assert earliest <= opened["expires_at"] <= to_text(world.now() + SESSION_LIFE)
    token = opened["token"]
    world.passed += SESSION_LIFE - timedelta(minutes=1)
    assert me(world, authorization=f"Bearer {token}").status == 200
    world.passed += timedelta(minutes=1)
    assert me(world, authorization=f"Bearer {token}").status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "https://desk.test.evil.test"},
        {"origin": "http://desk.test"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://desk.test", "sec-fetch-site": "cross-site"},
    ],
)
def test_a_cookie_sent_by_another_sites_page_is_refused(world: World, headers: dict[str, str]) -> None:
    cookie = f"__Host-imprimatur={world.token(LIAISON)}"
    form = a_form(world.now())
    answer = world.call("POST", "/api/v1/submissions", form, headers={"cookie": cookie, **headers})
    assert answer.status == 403
    assert answer.body["code"] == "foreign_page"


@pytest.mark.parametrize(
    ("cookies", "status"),
    [
        ('prefs={"a":1}; {}', 200),
        ("{};prefs=a=b", 200),
        ("  {}  ;; =; x", 200),
        ("{}; {}", 200),
        ("{}; __Host-imprimatur=of-somebody-else", 401),
        ("__Host-imprimatur=p-editor.x; {}", 401),
        ("__Host-imprimatur=; {}", 401),
        ("__host-imprimatur=x; x__Host-imprimatur=x; {}", 200),
    ],
)
def test_a_session_counts_beside_any_other_cookie_but_a_second_one_of_its_name(
    world: World, cookies: str, status: int
) -> None:
    ours = f"__Host-imprimatur={world.token(LIAISON)}"
    assert me(world, cookie=cookies.replace("{}", ours)).status == status


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "https://desk.test", "sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}],
)
def test_a_cookie_sent_by_our_own_page_counts(world: World, headers: dict[str, str]) -> None:
    cookie = f"theme=dark; __Host-imprimatur={world.token(LIAISON)}; x=y"
    form = a_form(world.now())
    answer = world.call("POST", "/api/v1/submissions", form, headers={"cookie": cookie, **headers})
    assert answer.status == 201


def test_a_bearer_token_counts_wherever_it_comes_from(world: World) -> None:
    headers = {"origin": "https://tool.test", "sec-fetch-site": "cross-site"}
    assert world.call("GET", "/api/v1/me", as_=LIAISON, headers=headers).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer .",
        "Bearer x",
        "Bearer p-liaison",
        "Bearer p-liaison.",
        f"Bearer p-liaison.{'A' * 43}",
        f"Bearer p-liaison.{'A' * 9000}",
        "Bearer 令牌.令牌",
        "Bearer \ud800.\ud800",
        "Bearer p-nobody.AAAA",
        f"Bearer {'p' * 150}.A",
        "Basic cC1saWFpc29uOng=",
        "",
    ],
)
def test_what_is_no_token_of_ours_is_a_401(world: World, authorization: str) -> None:
    answer = me(world, authorization=authorization)
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["code"] == "not_signed_in"


@pytest.mark.parametrize(
    "cookie", ["", "__Host-imprimatur=", "__Host-imprimatur=x", '="', "a b;;=;\x00=1", "😀"]
)
def test_what_is_no_cookie_of_ours_is_a_401(world: World, cookie: str) -> None:
    assert me(world, cookie=cookie).status == 401


def test_a_token_cannot_be_made_to_name_another_person(world: World) -> None:
    own, dot, secret = world.token(LIAISON).partition(".")
    assert (own, dot) == (LIAISON.id, ".")
    for tampered in (f"{EDITOR.id}.{secret}", f".{secret}", secret, f"{own}..{secret}", f"{own}.{secret}="):
        assert me(world, authorization=f"Bearer {tampered}").status == 401


def test_a_session_of_somebody_else_under_a_persons_name_counts_for_neither(world: World) -> None:
    token = f"{EDITOR.id}.{new_secret()}"
    world.plain_table.put(put_session(token, LIAISON.id, world.now() + timedelta(hours=1)))
    assert me(world, authorization=f"Bearer {token}").status == 401


def test_me_shows_the_duties_that_count_now(world: World) -> None:
    duties = world.call("GET", "/api/v1/me", as_=BRIEF).body["person"]["duties"]
    assert duties == [{"role": "employee", "department": "marketing"}]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/me"),
        ("POST", "/api/v1/submissions"),
        ("GET", "/api/v1/submissions"),
        ("GET", "/api/v1/submissions/s-x"),
        ("POST", "/api/v1/submissions/s-x/revisions"),
        ("POST", "/api/v1/submissions/s-x/withdrawal"),
        ("POST", "/api/v1/review-links"),
        ("POST", "/api/v1/review-links/decision"),
        ("GET", "/api/v1/archive"),
        ("GET", "/api/v1/archive/x"),
        ("GET", "/api/v1/archive/x/package"),
    ],
)
def test_every_route_but_signing_in_wants_a_session(world: World, method: str, path: str) -> None:
    """Clause 5.3.2: only authorised people reach a resource."""
    assert world.call(method, path, {}).status == 401


def test_a_function_is_refused_what_its_role_does_not_allow_by_the_table_in_memory_too(world: World) -> None:
    ensure_refused(world)
