"""Every kind of page once, in each language, width and colour scheme: nothing that axe, console or eye would mind.

The desk is in this process, so that each page is a request away and nothing has to be waited for.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route
from werkzeug.serving import WSGIRequestHandler, make_server

from app import app
from chalicelib.identity.model import COOKIE
from infra.local.cloud import read_page
from infra.local.front import LOCAL, Front
from tests.browser.visitors import SCREENSHOTS, SIZES, Listener, pixels_too_wide, violations
from tests.page_kinds import CHINESE, Sight, a_desk_with_everything
from tests.world import PEOPLE, World, a_roster

Scheme = Literal["light", "dark"]
POST = """([path, fields]) => {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: path, hidden: true });
  for (const [name, value] of fields) {
    const field = document.createElement("textarea");
    Object.assign(field, { name, value });
    form.append(field);
  }
  document.body.append(form);
  HTMLFormElement.prototype.submit.call(form);
}"""
"""What a browser does when a form with these fields is sent."""
SCHEMES: Mapping[str, tuple[Scheme, ...]] = {
    "zh-CN": ("light", "dark"),
    "zh-TW": ("light",),
    "en-GB": ("light",),
}
"""By language: the words of another one change widths, but no colours."""
CONTRAST = "color-contrast"
"""The rule of axe that another colour scheme may break."""


class Quiet(WSGIRequestHandler):
    """Says nothing of each request."""

    def log(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[World, str, list[Sight]]]:
    """A desk, its address, and all that can be seen there."""
    with a_desk_with_everything(CHINESE) as (world, sights), served(world) as address:
        yield world, address, sights


@contextmanager
def served(world: World) -> Iterator[str]:
    """The address at which a browser on this machine finds the desk."""
    site = partial(read_page, world.plain_s3, world.cloud.environment["SITE_BUCKET"])
    front = Front(
        app=app,
        mails=world.cloud.mails,
        people=lambda: a_roster(*PEOPLE),
        site=site,
        environment=world.cloud.environment,
    )
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("language", SCHEMES)
def test_every_kind_of_page_is_sound(
    stage: tuple[World, str, list[Sight]], chromium: Browser, language: str
) -> None:
    world, address, sights = stage
    looker = Looker(world, address, chromium.new_context(locale=language))
    found = {sight.name: looker.faults(sight, SCHEMES[language]) for sight in sights}
    looker.context.close()
    assert_sound(found)


def test_the_website_and_the_laptops_own_pages_are_sound(
    stage: tuple[World, str, list[Sight]], chromium: Browser
) -> None:
    """Here, the website is in a sandbox, and must lack nothing there; axe, which is a script, looks at it outside."""
    world, address, _ = stage
    bucket = world.cloud.environment["SITE_BUCKET"]
    objects = world.plain_s3.list_objects_v2(Bucket=bucket, Prefix="internal/")["Contents"]
    pages = [f"{LOCAL}/site/{each['Key']}" for each in objects if each["Key"].endswith(".html")]
    assert len(pages) >= 4, "home, section, year and item"
    inside, outside = (
        Looker(world, address, chromium.new_context(locale="zh-CN", bypass_csp=bypass))
        for bypass in (False, True)
    )
    told: list[str] = []

    def take(route: Route) -> None:
        told.append(route.request.url)
        route.fulfill(status=202)

    for looker in (inside, outside):
        looker.context.route(f"{world.cloud.environment['BASE_URL']}/**", take)
    found = {}
    for number, path in enumerate(pages):
        sight = Sight(name=f"website-{number}", template="", path=path)
        found[path] = outside.faults(sight, SCHEMES["zh-CN"])
        found[path] += inside.faults(sight, SCHEMES["zh-CN"], axe=False)
    for name in ("", "mail", "people"):
        sight = Sight(name=f"laptop-{name}", template="", path=f"{LOCAL}/{name}")
        found[sight.path] = inside.faults(sight, SCHEMES["zh-CN"])
    for looker in (inside, outside):
        looker.context.close()
    assert_sound(found)
    assert told, "an item's page tells the desk that it is looked at"
    assert all(address.endswith("/views") for address in told)


def assert_sound(found: dict[str, list[Any]]) -> None:
    faulty = {name: faults for name, faults in found.items() if faults}
    assert not faulty, json.dumps(faulty, ensure_ascii=False, indent=1)


ELSEWHERE = re.compile(r"/authorize\?")
"""The provider of the company's accounts."""


class Looker:
    """Looks at pages with one browser, as whoever may see them."""

    def __init__(self, world: World, address: str, context: BrowserContext) -> None:
        self.context = context
        self._world = world
        self._address = address
        self._page: Page = context.new_page()
        # The page that leads to the company's accounts goes on by itself: without a content in answer it stays.
        self._page.route(ELSEWHERE, lambda route: route.fulfill(status=204))
        self._page.goto(f"{address}/sign-in")
        self._listener = Listener(self._page)

    def faults(self, sight: Sight, schemes: tuple[Scheme, ...], *, axe: bool = True) -> list[Any]:
        """What is wrong with a page, in any width and in these colour schemes; pictures are kept of several."""
        self._be(sight)
        status = self._open(sight)
        faults: list[Any] = [] if status == sight.status else [f"status {status}"]
        for number, scheme in enumerate(schemes):
            self._page.emulate_media(color_scheme=scheme)
            for size, viewport in SIZES.items():
                self._page.set_viewport_size(viewport)
                rules = () if number == 0 else (CONTRAST,)
                faults += [(size, scheme, each) for each in (violations(self._page, *rules) if axe else [])]
                faults += [(size, f"{wide} px too wide") for wide in [pixels_too_wide(self._page)] if wide]
                if len(schemes) > 1:
                    self._picture(f"{sight.name}-{scheme}", size)
        expected = () if sight.status < 400 else (sight.status,)
        return [*faults, *self._listener.complaints(*expected)]

    def _be(self, sight: Sight) -> None:
        self.context.clear_cookies()
        if sight.person is not None:
            token = self._world.token(sight.person)
            self.context.add_cookies(
                [
                    {
                        "name": COOKIE,
                        "value": token,
                        "url": self._address.replace("http:", "https:"),
                        "secure": True,
                    }
                ]
            )

    def _open(self, sight: Sight) -> int:
        """Open a page, or send the form whose answer it is; answers the status."""
        if sight.fields is None:
            answer = self._page.goto(f"{self._address}{sight.path}")
        else:
            fields = [
                (name, value)
                for name, values in sight.fields.items()
                for value in ([values] if isinstance(values, str) else values)
            ]
            with self._page.expect_navigation() as navigation:
                self._page.evaluate(POST, [sight.path, fields])
            answer = navigation.value
        assert answer is not None
        assert urlsplit(self._page.url)[2:4] == urlsplit(sight.path)[2:4], f"{sight.name} leads elsewhere"
        return int(answer.status)

    def _picture(self, name: str, size: str) -> None:
        folder = SCREENSHOTS / size / "kinds"
        folder.mkdir(parents=True, exist_ok=True)
        self._page.screenshot(path=folder / f"{name}.png", full_page=True)


def test_a_missing_stylesheet_or_script_is_heard_and_so_is_an_unexpected_status(
    stage: tuple[World, str, list[Sight]], chromium: Browser
) -> None:
    world, address, _ = stage
    page = Sight(name="missing", template="", path="/s")
    for missing in ("style.css", "handle.js"):
        looker = Looker(world, address, chromium.new_context())
        looker.context.route(f"**/{missing}", lambda route: route.fulfill(status=404))
        faults = looker.faults(page, (), axe=False)
        assert [fault.rpartition("/")[2] for fault in faults] == [missing]
        looker.context.close()
    looker = Looker(world, address, chromium.new_context())
    refused = Sight(name="refused", template="", path="/sign-in", fields={"email": "?"})
    status, told = looker.faults(refused, (), axe=False)
    assert status == "status 422"
    assert "422" in told
    looker.context.close()
