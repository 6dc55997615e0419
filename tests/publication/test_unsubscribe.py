"""Ending announcements by the address in a mail, and having them again (RFC 8058, clause 4.4.2)."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from chalicelib.publication.store import subscription_key
from tests.browsing import Browser, read_page
from tests.faults import Fault, FaultyAws, Mode
from tests.publication.mailings import announced
from tests.world import HEAD, PEOPLE, World, a_world

Record = Callable[[str, object], None]
AWS = FaultyAws()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": 'multipart/form-data; boundary="b"'}
ONE_CLICK = "List-Unsubscribe=One-Click"


def parts(name: str, value: str) -> str:
    """A form of one field in several parts."""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--b--\r\n'


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, wait_scale=100, aws=AWS) as world:
        yield world


@pytest.fixture(autouse=True)
def no_fault() -> Iterator[None]:
    yield
    AWS.begin()


@pytest.fixture
def path(world: World) -> str:
    """Where the newest announcement lets the mail program of the head of department unsubscribe."""
    world.call("POST", "/api/v1/me/announcements", {"subscribed": True}, as_=HEAD)
    announced(world, audience=["marketing"]).deliver()
    mail = next(mail for mail in world.cloud.mails() if mail.to == HEAD.email)
    return mail.one_click.removeprefix("https://desk.test")


def is_subscribed(world: World) -> bool:
    return bool(world.call("GET", "/api/v1/me/announcements", as_=HEAD).body["subscribed"])


def test_looking_never_unsubscribes_and_shows_nothing_to_press_that_does(world: World, path: str) -> None:
    """Clause 4.4.2: mail scanners open every address, and press what they find."""
    before = world.items()
    for method in ("GET", "HEAD"):
        world.cloud.http.open(path, method=method, base_url="https://desk.test")
    shown = world.cloud.http.get(path, headers={"Accept-Language": "en"})
    page = read_page(shown.text)
    assert (page.all("form"), page.all("button"), page.all("input")) == ([], [], [])
    assert page.all("a", class_="button")[0].attributes["href"] == "/me"
    assert world.items() == before
    assert shown.status_code == 200
    assert shown.headers["Content-Type"].startswith("text/html")
    assert "Stop announcements" in shown.text
    assert "<script" not in shown.text
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert shown.headers["Cache-Control"] == "no-store"
    assert HEAD.email not in shown.text
    assert is_subscribed(world)


@pytest.mark.parametrize(
    ("headers", "body"),
    [(FORM, ONE_CLICK), (MULTIPART, parts("List-Unsubscribe", "One-Click"))],
    ids=["urlencoded", "multipart"],
)
def test_one_click_ends_announcements_without_any_session_and_a_repeat_changes_nothing(
    world: World, path: str, headers: dict[str, str], body: str
) -> None:
    for _ in range(2):
        assert world.cloud.http.post(path, data=body, headers=headers).status_code == 200
    assert not is_subscribed(world)
    text = announced(world, audience=["marketing"])
    assert text.deliver()["recipients"] == {"sent": 2, "suppressed": 1}
    assert HEAD.email not in text.envelopes()


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (FORM, "", 400),
        (FORM, "csrf=x", 400),
        (FORM, "List-Unsubscribe=", 400),
        (FORM, "List-Unsubscribe=No", 400),
        (FORM, "list-unsubscribe=one-click", 400),
        (FORM, parts("List-Unsubscribe", "One-Click"), 400),
        (MULTIPART, "--b--", 400),
        (MULTIPART, parts("List-Unsubscribe", "Two-Clicks"), 400),
        (MULTIPART, parts("Other", "One-Click"), 400),
        (MULTIPART, ONE_CLICK, 400),
        ({"Content-Type": "multipart/form-data"}, parts("List-Unsubscribe", "One-Click"), 400),
        ({"Content-Type": "application/json"}, '{"List-Unsubscribe": "One-Click"}', 415),
        ({"Content-Type": "text/plain"}, ONE_CLICK, 415),
    ],
)
def test_a_post_without_the_words_of_a_mail_program_changes_nothing(
    world: World, path: str, headers: dict[str, str], body: str, status: int
) -> None:
    """Clause 4.4.2: what presses a button of a page sends no such words."""
    before = world.items()
    assert world.cloud.http.post(path, data=body, headers=headers).status_code == status
    assert world.items() == before
    assert is_subscribed(world)


def test_the_address_in_the_text_leads_a_person_who_signs_in_to_the_choice(world: World, path: str) -> None:
    """Clause 4.4.2: a way out for people, too."""
    mail = next(mail for mail in world.cloud.mails() if mail.one_click.endswith(path))
    (link,) = (link for link in mail.links if link.startswith("https://desk.test"))
    stranger = Browser(world)
    assert stranger.get(link.removeprefix("https://desk.test")).path == "/sign-in"
    assert "__Host-imprimatur-return" in stranger.cookies
    browser = Browser(world, HEAD)
    assert browser.submit(browser.get("/me"), "/me/announcements").path == "/me"
    assert not is_subscribed(world)


def test_mails_of_the_workflow_come_all_the_same_and_the_way_back_is_a_session(
    world: World, path: str
) -> None:
    world.cloud.http.post(path, data=ONE_CLICK, headers=FORM)
    assert not is_subscribed(world)
    world.submit()
    world.approve("initial")
    world.cloud.settle()
    mail = next(mail for mail in world.cloud.mails() if mail.to == HEAD.email)
    assert "/r#" in mail.text
    assert (mail.one_click, "/me" in mail.text) == ("", False), "no way out of what one's duty asks for"
    answer = world.call("POST", "/api/v1/me/announcements", {"subscribed": True}, as_=HEAD)
    assert answer.body["subscribed"] is True
    text = announced(world, audience=["marketing"])
    text.deliver()
    assert text.envelopes()[HEAD.email] == 1


@pytest.mark.parametrize("token", ["A" * 43, "x", "a" * 44, "%00" * 3])
def test_an_unknown_address_tells_nothing(world: World, path: str, token: str) -> None:
    known, unknown = world.cloud.http.get(path), world.cloud.http.get(f"/u/{token}")
    assert (unknown.status_code, unknown.text) == (known.status_code, known.text)
    answer = world.cloud.http.post(f"/u/{token}", data=ONE_CLICK, headers=FORM)
    assert answer.status_code in {403, 404}


def test_an_address_stops_working_in_the_end(world: World, path: str) -> None:
    with world.later(days=401):
        assert world.cloud.http.post(path, data=ONE_CLICK, headers=FORM).status_code == 404
    assert is_subscribed(world)


def test_each_mail_has_an_address_of_its_own_and_only_its_hash_is_kept(
    world: World, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    announced(world, audience=["marketing"]).deliver()
    world.cloud.http.post(path, data=ONE_CLICK, headers=FORM)
    tokens = re.findall(r"/u/([\w-]{43})", " ".join(mail.one_click for mail in world.cloud.mails()))
    assert len(set(tokens)) == len(tokens) > 1
    kept = json.dumps(world.items(), default=str, skipkeys=True) + " ".join(map(str, world.items()))
    assert not [token for token in tokens if token in kept or token in caplog.text]


def test_nobody_signed_in_changes_nothing(world: World) -> None:
    assert world.call("GET", "/api/v1/me/announcements").status == 401
    assert world.call("POST", "/api/v1/me/announcements", {"subscribed": False}).status == 401
    assert world.call("POST", "/api/v1/me/announcements", {}, as_=HEAD).status == 422


def change_ones_mind(world: World, path: str, fault: Fault | None) -> None:
    """Stop announcements by a mail's address, have them again and stop them, each until it is answered."""

    def by_click() -> int:
        return int(world.cloud.http.post(path, data=ONE_CLICK, headers=FORM).status_code)

    def by_session(*, subscribed: bool) -> int:
        wish = {"subscribed": subscribed}
        return world.call("POST", "/api/v1/me/announcements", wish, as_=HEAD).status

    AWS.begin(fault)
    for wish, wanted in (
        (by_click, False),
        (partial(by_session, subscribed=True), True),
        (partial(by_session, subscribed=False), False),
    ):
        assert next(status for status in (wish() for _ in range(3)) if status < 500) == 200, fault
        record = world.plain_table.get(subscription_key(HEAD.id))
        assert record is not None, fault
        assert record.announcements == wanted, fault
    assert fault is None or AWS.struck, f"{fault} never came"


def test_whatever_call_fails_or_repeats_the_last_wish_counts(
    world: World, path: str, record_property: Record
) -> None:
    """Clause 4.4.2: one click unsubscribes, for certain."""
    change_ones_mind(world, path, None)
    faults = [Fault(point=point, mode=mode) for point in AWS.points() for mode in Mode]
    assert len(faults) == 7 * len(Mode), faults
    record_property("figure", f"wishes about announcements: all {len(faults)} crash points")
    for fault in faults:
        change_ones_mind(world, path, fault)
