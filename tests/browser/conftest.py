"""The desk of `make run` and Debian's Chromium, on a phone's and on a desktop's size."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from infra.commands.desk import running_desk
from tests.browser.visitors import SCREENSHOTS, SIZES, Desk, Visitor

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",  # root, in a container, on loopback
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def desk() -> Iterator[Desk]:
    with running_desk(None) as address:
        yield Desk(address)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert path is not None, "Chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def visitors(desk: Desk, chromium: Browser, size: str) -> Iterator["Visitors"]:
    """Makes visitors, each with a browser of their own."""
    made = Visitors(desk, chromium, size)
    yield made
    made.leave()


class Visitors:
    """Everybody who visits in one test."""

    def __init__(self, desk: Desk, chromium: Browser, size: str) -> None:
        self._desk = desk
        self._chromium = chromium
        self._size = size
        self._present: list[Visitor] = []

    def __call__(self, email: str, *, language: str = "zh-CN") -> Visitor:
        context = self._chromium.new_context(
            viewport=SIZES[self._size], locale=language, accept_downloads=True
        )
        folder = Path(SCREENSHOTS) / self._size
        visitor = Visitor(self._desk, context, email, folder)
        self._present.append(visitor)
        return visitor

    def leave(self) -> None:
        for visitor in self._present:
            visitor.context.close()
