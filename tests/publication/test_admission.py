"""The way into the intranet: cookies that the desk signs for who has a duty, and CloudFront or the laptop checks."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from http.cookies import SimpleCookie

import boto3
import pytest
from werkzeug.test import Client

from app import app
from chalicelib.core.canonical import canonical
from chalicelib.core.clock import utc_now
from chalicelib.people.model import Duty, Role
from chalicelib.publication.channels.website.admission import LIFE, NAMES
from infra.local.front import Front, Page
from infra.local.gate import gate
from tests.browsing import Browser
from tests.faults import FaultyAws
from tests.world import EDITOR, HEAD, LIAISON, World, a_person, a_roster, a_world

ENTER = "/me/intranet"
SITE = "https://site.test/internal"
_YESTERDAY = utc_now() - timedelta(days=1)
LEFT = replace(
    a_person("left"),
    duties=(
        Duty(
            role=Role.EMPLOYEE, department="research", since=_YESTERDAY - timedelta(days=9), until=_YESTERDAY
        ),
    ),
)
"""Whose duty ends."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=FaultyAws(), roster=a_roster(LIAISON, EDITOR, HEAD, LEFT)) as world:
        yield world


@pytest.fixture(scope="module")
def given(world: World) -> dict[str, str]:
    """The cookies that a liaison gets."""
    return cookies_of(world.parts.admission.cookies(world.now()))


def cookies_of(lines: tuple[str, ...]) -> dict[str, str]:
    read = SimpleCookie()
    for line in lines:
        read.load(line)
    return {name: morsel.value for name, morsel in read.items()}


def encoded(raw: bytes) -> str:
    """As CloudFront wants it: base64 with other signs where cookies cannot have them."""
    return base64.b64encode(raw).decode().replace("+", "-").replace("=", "_").replace("/", "~")


def admitted(
    world: World, cookies: Mapping[str, str], address: str = f"{SITE}/index.html", **later: float
) -> bool:
    def then() -> datetime:
        return world.now() + timedelta(**later)

    return gate(boto3.client("kms"), world.parts.settings.site_key, then)(cookies, address)


def test_who_has_a_duty_enters_and_reads_for_some_hours(world: World, given: dict[str, str]) -> None:
    """Proves clause 5.3.1."""
    browser = Browser(world, LIAISON)
    shown = browser.submit(browser.get("/me"), ENTER)
    assert (shown.path, shown.status) == ("/me", 200)
    assert "内部网站已开放" in shown.page.text
    assert shown.page.all("a", href=f"{SITE}/index.html")

    assert set(given) == set(NAMES)
    assert admitted(world, given)
    assert admitted(world, given, f"{SITE}/s-1/1/files/1.png")
    assert admitted(world, given, seconds=LIFE.total_seconds() - 5)
    assert not admitted(world, given, seconds=LIFE.total_seconds() + 5)


def test_cookies_admit_to_nothing_else_and_nobody_can_make_them_longer(
    world: World, given: dict[str, str]
) -> None:
    """Proves clause 5.3.1."""
    forever = {"Condition": {"DateLessThan": {"AWS:EpochTime": 4_000_000_000}}, "Resource": f"{SITE}/*"}

    assert not admitted(world, given, "https://site.test/internal.evil.test/")
    assert not admitted(world, given, "https://site.test/public/index.html")
    for changed in (
        {"CloudFront-Policy": encoded(canonical({"Statement": [forever]}))},
        {"CloudFront-Policy": "%%%"},
        {"CloudFront-Policy": encoded(b"[]")},
        {"CloudFront-Signature": given["CloudFront-Signature"][:-8] + "AAAAAAA_"},
        {"CloudFront-Signature": ""},
        {"CloudFront-Key-Pair-Id": "K-OTHER"},
        {"CloudFront-Hash-Algorithm": "SHA1"},
    ):
        assert not admitted(world, given | changed), changed
    for name in NAMES:
        assert not admitted(world, {key: value for key, value in given.items() if key != name}), name
    assert not admitted(world, {})


def test_scripts_and_other_sites_pages_cannot_use_the_cookies(world: World) -> None:
    for line in world.parts.admission.cookies(world.now()):
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; ")), line
        assert "Domain=" not in line, "desk and site share the laptop's host"


def test_entering_asks_for_a_session_its_mark_and_a_duty(world: World) -> None:
    """Proves clause 5.3.1."""
    form = Browser(world, LIAISON).get("/me").form(ENTER)
    ended = Browser(world, LEFT)
    shown = ended.get("/me")

    assert Browser(world).post(ENTER, form).status == 401
    assert Browser(world, LIAISON).post(ENTER, {"csrf": "x"}).status == 403
    assert Browser(world, LIAISON).post(ENTER, form, sec_fetch_site="cross-site").status == 403
    assert "进入内部网站" not in shown.page.text
    assert ended.post(ENTER, {"csrf": shown.form("/me/announcements")["csrf"]}).status == 403
    assert not any(name in ended.cookies for name in NAMES)


def test_the_laptop_shows_internal_pages_only_to_who_has_entered(world: World, given: dict[str, str]) -> None:
    """Proves clause 5.3.1."""
    pages = {
        "internal/index.html": Page(content=b"inside", content_type="text/html"),
        "internal/enter/index.html": Page(content=b"please enter", content_type="text/html"),
        "public/index.html": Page(content=b"outside", content_type="text/html"),
    }
    visited: list[str] = []

    def admits(cookies: Mapping[str, str], address: str) -> bool:
        visited.append(address)
        return admitted(world, cookies, f"{SITE}/{address.rpartition('/internal/')[2]}")

    front = Front(app=app, mails=list, people=lambda: a_roster(LIAISON), site=pages.get, admits=admits)
    visitor = Client(front)

    assert visitor.get("/_local/site/public/index.html").data == b"outside"
    for path in (
        "/_local/site/internal/",
        "/_local/site/internal/index.html",
        "/_local/site/internal/no.html",
    ):
        refused = visitor.get(path)
        assert (refused.status_code, refused.data) == (403, b"please enter"), path
    for name, value in given.items():
        visitor.set_cookie(name, value)
    assert visitor.get("/_local/site/internal/index.html").data == b"inside"
    assert visited
