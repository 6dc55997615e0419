"""Signing in with a browser: in the one that asked, and nowhere else; then back to where it began."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from chalicelib.core.http import LANGUAGE_COOKIE
from chalicelib.core.ids import new_secret
from chalicelib.identity.model import BROWSER_COOKIE, COOKIE, SIGN_IN_LIFE
from chalicelib.people.model import Role
from chalicelib.web import static
from tests.browsing import Browser, Shown
from tests.world import EDITOR, LIAISON, PEOPLE, World, a_person, a_world

HONGKONG = a_person("hongkong", (Role.LIAISON, "research"), language="zh-Hant")
SESSION = COOKIE


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, HONGKONG) as world:
        yield world


@pytest.fixture(autouse=True)
def an_hour_later(world: World) -> None:
    """So that no test meets the rate limit of those before it."""
    world.passed += timedelta(hours=1)


def ask(world: World, browser: Browser, email: str = LIAISON.email) -> Shown:
    shown = browser.submit(browser.get("/sign-in"), "/sign-in", email=email)
    world.cloud.settle()
    return shown


def follow(browser: Browser, handle: str) -> Shown:
    """What the script of `/s` does with what follows the `#`."""
    return browser.send("POST", "/s", browser.get("/s").form("/s") | {"handle": [handle]})


def sign_in(world: World, browser: Browser, email: str = LIAISON.email) -> Shown:
    ask(world, browser, email)
    return follow(browser, newest(world, email))


def newest(world: World, email: str) -> str:
    (person,) = (person for person in (*PEOPLE, HONGKONG) if person.email == email)
    return world.links(person, "s")[0]


def test_a_person_signs_in_by_the_link_of_a_mail(world: World) -> None:
    browser = Browser(world)
    sign_in(world, browser)
    assert SESSION in browser.cookies


def test_asking_looks_the_same_for_a_stranger(world: World) -> None:
    known, unknown = (ask(world, Browser(world), email) for email in (LIAISON.email, "nobody@example.com"))
    assert known.html.replace(LIAISON.email, "x") == unknown.html.replace("nobody@example.com", "x")


def test_what_is_no_address_is_told_at_its_field_and_kept(world: World) -> None:
    shown = ask(world, Browser(world), "liaison at example")
    assert shown.status == 422
    (field,) = shown.page.all("input", id="email")
    assert (field.attributes["value"], field.attributes["aria-invalid"]) == ("liaison at example", "true")
    assert set(field.attributes["aria-describedby"].split()) <= {
        element.attributes.get("id") for element in shown.page.walk()
    }


def test_a_link_opens_in_the_browser_that_asked_and_nowhere_else(world: World) -> None:
    browser, scanner = Browser(world), Browser(world)
    ask(world, browser)
    handle = newest(world, LIAISON.email)
    elsewhere = follow(scanner, handle)
    assert elsewhere.status == 404
    assert SESSION not in scanner.cookies
    follow(browser, handle)
    assert SESSION in browser.cookies, "the scanner used the handle up"


def test_another_browser_that_asked_for_a_link_of_its_own_cannot_use_this_one(world: World) -> None:
    browser, other = Browser(world), Browser(world)
    ask(world, other, EDITOR.email)
    ask(world, browser)
    follow(other, newest(world, LIAISON.email))
    assert SESSION not in other.cookies


def test_a_programs_handle_opens_in_no_browser_and_a_browsers_for_no_program(world: World) -> None:
    world.call("POST", "/api/v1/sign-in", {"email": EDITOR.email})
    world.cloud.settle()
    browser = Browser(world)
    ask(world, browser, HONGKONG.email)
    assert follow(browser, newest(world, EDITOR.email)).status == 404
    for_program = world.call("POST", "/api/v1/sessions", {"handle": newest(world, HONGKONG.email)})
    assert for_program.status == 404


def test_two_links_asked_for_in_one_browser_both_work(world: World) -> None:
    browser = Browser(world)
    ask(world, browser)
    first = newest(world, LIAISON.email)
    ask(world, browser)
    follow(browser, first)
    assert SESSION in browser.cookies


@pytest.mark.parametrize("place", ["/r#" + "x" * 43])
def test_signing_in_comes_back_to_where_it_began(world: World, place: str) -> None:
    browser = Browser(world)
    path, _, handle = place.partition("#")
    asked = browser.send("POST", path, {"handle": handle}) if handle else browser.send("GET", path)
    assert (asked.status, asked.headers["location"]) == (303, "/sign-in")
    assert "回到" in browser.get("/sign-in").html
    ask(world, browser)
    arrived = follow(browser, newest(world, LIAISON.email))
    assert (arrived.status, arrived.headers["location"]) == (303, place)
    assert "__Host-imprimatur-return" not in browser.cookies


def test_where_signing_in_began_is_remembered_as_long_as_the_link_that_was_asked_for(world: World) -> None:
    browser, place = Browser(world), "/r#" + "x" * 43
    browser.send("POST", "/r", {"handle": "x" * 43})
    world.passed += timedelta(minutes=10)
    ask(world, browser)
    world.passed += SIGN_IN_LIFE - timedelta(minutes=1)
    assert follow(browser, newest(world, LIAISON.email)).headers["location"] == place


def test_a_place_that_nobody_asked_to_come_back_to_is_forgotten(world: World) -> None:
    browser = Browser(world)
    browser.send("POST", "/r", {"handle": "x" * 43})
    world.passed += SIGN_IN_LIFE
    ask(world, browser)
    assert follow(browser, newest(world, LIAISON.email)).headers["location"] == "/"


@pytest.mark.parametrize(
    "odd",
    [
        {"prefs": '{"a":1}'},
        {"a b": "c d", "": "nameless"},
        {"quoted": '"x\\"; y"', "tracking": "a=b=c,d"},
        {"中文": "是", "@": "[]"},
    ],
)
def test_what_other_hosts_of_the_domain_keep_in_the_browser_is_in_nobodys_way(
    world: World, odd: dict[str, str]
) -> None:
    browser = Browser(world)
    browser.cookies |= odd
    sign_in(world, browser, HONGKONG.email)
    assert browser.cookies[LANGUAGE_COOKIE] == "zh-Hant"
    assert 'lang="zh-Hant"' in browser.get("/me").html


def test_a_browsers_secret_that_was_slipped_in_signs_nobody_in(world: World) -> None:
    """As another host of the domain might do, past a browser's rule that `__Host-` names are the host's own."""
    browser, thief = Browser(world), Browser(world)
    ask(world, thief, EDITOR.email)
    ask(world, browser)
    browser.cookies[BROWSER_COOKIE] += f"; {BROWSER_COOKIE}={thief.cookies[BROWSER_COOKIE]}"
    for email in (EDITOR.email, LIAISON.email):
        assert follow(browser, newest(world, email)).status == 404
    assert SESSION not in browser.cookies


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.test/",
        "//evil.test/",
        "/\\evil.test",
        "javascript:alert(1)",
        "/r#short",
        "/a\r\nSet-Cookie: x=y",
        "",
    ],
)
def test_signing_in_leads_nowhere_else(world: World, place: str) -> None:
    browser = Browser(world)
    ask(world, browser)
    browser.cookies["__Host-imprimatur-return"] = "".join(f"%{byte:02X}" for byte in place.encode())
    arrived = follow(browser, newest(world, LIAISON.email))
    assert arrived.headers["location"] == "/"


def test_pages_come_in_the_language_of_who_signed_in_unless_another_was_chosen(world: World) -> None:
    browser = Browser(world)
    sign_in(world, browser, HONGKONG.email)
    assert browser.cookies[LANGUAGE_COOKIE] == "zh-Hant"
    assert 'lang="zh-Hant"' in browser.get("/sign-in").html
    assert 'lang="en"' in browser.get("/sign-in?language=en").html
    assert "Send sign-in link" in browser.get("/sign-in").html
    browser.get("/sign-in?language=klingon")
    assert browser.cookies[LANGUAGE_COOKIE] == "en"


def test_signing_out_ends_the_session_for_good(world: World) -> None:
    browser = Browser(world)
    sign_in(world, browser)
    token = browser.cookies[SESSION]
    headers = {"authorization": f"Bearer {token}"}
    assert world.call("GET", "/api/v1/me", headers=headers).status == 200
    mark = mark_of(browser)
    browser.post("/sign-out", {"csrf": mark})
    assert SESSION not in browser.cookies
    assert world.call("GET", "/api/v1/me", headers=headers).status == 401


def mark_of(browser: Browser) -> str:
    """The mark that forms of this session carry: the page of an old form shows it again."""
    (field,) = browser.post("/sign-out", {}).page.all("input", name="csrf")
    return field.attributes["value"]


def test_a_form_without_the_sessions_mark_is_shown_again_with_all_that_was_typed(world: World) -> None:
    browser = Browser(world, LIAISON)
    shown = browser.post("/sign-out", {"csrf": "of another session", "note": "第一行\n第二行 <b>"})
    assert shown.status == 403
    assert shown.form("/sign-out")["note"] == ["第一行\n第二行 <b>"]
    assert world.call("GET", "/api/v1/me", as_=LIAISON).status == 200
    assert shown.form("/sign-out")["csrf"] == [mark_of(browser)]


def test_a_form_of_a_session_that_has_ended_is_shown_again_too(world: World) -> None:
    shown = Browser(world).post("/sign-out", {"csrf": "x", "note": "很长的文字"})
    assert shown.status == 401
    assert shown.form("/sign-out")["note"] == ["很长的文字"]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/s", "/r", "/r/decision", "/sign-out"])
def test_no_other_sites_page_can_post(world: World, path: str, headers: dict[str, str]) -> None:
    browser = Browser(world, LIAISON)
    fields = {"handle": new_secret(), "email": LIAISON.email, "csrf": mark_of(browser)}
    assert browser.post(path, fields, **headers).status == 403
    assert world.call("GET", "/api/v1/me", as_=LIAISON).status == 200


def test_a_page_forbids_what_it_does_not_need(world: World) -> None:
    for path in ("/sign-in", "/s", "/r"):
        headers = Browser(world).get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "data:" not in policy
        assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert headers["x-content-type-options"] == "nosniff"
        assert "max-age" in headers["strict-transport-security"]


def test_cookies_are_for_this_host_alone_and_out_of_scripts_reach(world: World) -> None:
    browser = Browser(world)
    ask(world, browser)
    set_cookies = follow(browser, newest(world, LIAISON.email)).headers["set-cookie"]
    for line in set_cookies.splitlines():
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(line.split("; ")), line


def test_no_page_holds_a_handle_in_its_address(world: World) -> None:
    browser = Browser(world)
    ask(world, browser)
    handle = newest(world, LIAISON.email)
    arrived = follow(browser, handle)
    assert handle not in arrived.headers["location"]


def test_static_files_never_change_at_their_address(world: World) -> None:
    shown = Browser(world).get("/sign-in")
    (sheet,) = shown.page.all("link", rel="stylesheet")
    style = Browser(world).get(sheet.attributes["href"])
    assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert Browser(world).get("/static/0000000000000000/style.css").status == 404
    assert Browser(world).get("/static/0000000000000000/..%2Fpages.py").status == 404


def test_names_of_static_files_that_anybody_makes_up_are_not_kept(world: World) -> None:
    def kept() -> int:
        return sum(f.cache_info().currsize for f in vars(static).values() if hasattr(f, "cache_info"))

    Browser(world).get("/sign-in")
    before = kept()
    for _ in range(20):
        assert Browser(world).get(f"/static/{new_secret()}/{new_secret()}.css").status == 404
        assert Browser(world).get(f"/static/{new_secret()}/style.css").status == 404
    assert kept() == before > 0
