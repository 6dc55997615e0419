"""A screen that plays the board (clause 4.3.1), in Chromium: without a network, by its own clock, never empty."""

import base64
import functools
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize

from chalicelib.bootstrap import POLICIES
from chalicelib.publication.channels.notice_board.board import BoardItem, BoardRules, playlist
from chalicelib.publication.channels.notice_board.screens import player
from infra.renderers import handler
from tests.browser.visitors import SCREENSHOTS
from tests.infra.sheets import an_ask

NOON = datetime(2026, 5, 1, 4, tzinfo=UTC)
RULES = BoardRules.load(POLICIES / "board.json")
SHAPES: Mapping[str, ViewportSize] = {
    "landscape": {"width": 1920, "height": 1080},
    "portrait": {"width": 1080, "height": 1920},
    "phone": {"width": 390, "height": 844},
}
DEFAULT = "default"
DAY = 86_400_000
"""In milliseconds, as a browser counts."""


def a_slide(colour: str) -> bytes:
    made = BytesIO()
    Image.new("RGB", (192, 108), colour).save(made, "PNG")
    return made.getvalue()


class Board:
    """The folder that a screen reads, on loopback, until it is taken away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name, content in player().items():
            (folder / name).write_bytes(content)
        self._begin(0)
        self.port = self._server.server_port

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def slide(self, number: int, colour: str) -> BoardItem:
        """An item that is on the board from noon on, a minute a turn, for a day more than the one before."""
        return self.put(number, a_slide(colour))

    def put(self, number: int, slide: bytes) -> BoardItem:
        place = self._folder / f"s-{number}" / "1"
        place.mkdir(parents=True)
        (place / "slide.png").write_bytes(slide)
        return BoardItem(
            submission=f"s-{number}",
            revision=1,
            department="marketing",
            since=NOON,
            display=timedelta(days=number),
            duration=timedelta(minutes=1),
            priority=0,
            sha256=hashlib.sha256(slide).hexdigest(),
        )

    def tell(self, *items: BoardItem, at: datetime = NOON) -> None:
        (self._folder / "playlist.json").write_text(json.dumps(playlist(items, RULES, at)), "utf-8")

    def swap(self, number: int) -> None:
        """Another slide lies in its place."""
        (self._folder / f"s-{number}" / "1" / "slide.png").write_bytes(a_slide("black"))

    def go(self) -> None:
        """No network any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def come_back(self) -> None:
        self._begin(self.port)

    def _begin(self, port: int) -> None:
        handler_class = functools.partial(_Quiet, directory=str(self._folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler_class)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path)
    yield board
    board.go()


@pytest.fixture
def screen(board: Board, chromium: Browser) -> Iterator[Page]:
    """A screen whose clock stands at noon until it is moved."""
    context = chromium.new_context(viewport=SHAPES["landscape"])
    page = context.new_page()
    page.clock.install(time=NOON)
    yield page
    context.close()


def wait_until_it_shows(screen: Page, what: str) -> None:
    screen.wait_for_selector(f'body[data-shows="{what}"]', state="attached", timeout=20_000)


def wait_until_it_starts_alone(screen: Page) -> None:
    """Until page and slides are kept: from then on it needs nobody."""
    screen.evaluate("navigator.serviceWorker.ready.then(() => true)")
    screen.wait_for_function(
        "caches.open('board-page').then(k => k.keys()).then(k => k.length >= 5)", timeout=20_000
    )


def test_slides_are_played_in_turn_and_expired_ones_leave_without_a_network(
    board: Board, screen: Page
) -> None:
    board.tell(board.slide(1, "red"), board.slide(2, "green"), board.slide(3, "blue"))
    screen.goto(board.address)
    wait_until_it_shows(screen, "s-1")
    for shown in ("s-2", "s-3", "s-1"):
        screen.clock.fast_forward(61_000)
        wait_until_it_shows(screen, shown)
    wait_until_it_starts_alone(screen)
    board.go()
    screen.clock.fast_forward(DAY)
    wait_until_it_shows(screen, "s-2")
    screen.clock.fast_forward(61_000)
    wait_until_it_shows(screen, "s-3")

    screen.reload()  # the power failed, and there is still no network
    wait_until_it_shows(screen, "s-2")
    screen.clock.fast_forward(3 * DAY)
    wait_until_it_shows(screen, DEFAULT)
    board.come_back()


def test_screen_that_has_heard_nothing_for_too_long_shows_the_default_slide(
    board: Board, screen: Page
) -> None:
    board.tell(board.slide(30, "red"))
    screen.goto(board.address)
    wait_until_it_shows(screen, "s-30")
    board.go()
    screen.clock.fast_forward(RULES.playlist.days * DAY)
    wait_until_it_shows(screen, DEFAULT)
    board.come_back()
    board.tell(board.slide(31, "green"), at=NOON + RULES.playlist)
    screen.clock.fast_forward(61_000)
    wait_until_it_shows(screen, "s-31")


def test_slide_that_is_not_what_the_playlist_names_is_never_shown(board: Board, screen: Page) -> None:
    board.tell(board.slide(1, "red"), board.slide(2, "green"))
    board.swap(1)
    screen.goto(board.address)
    wait_until_it_shows(screen, "s-2")
    screen.clock.fast_forward(61_000)
    screen.wait_for_timeout(1500)
    wait_until_it_shows(screen, "s-2")


def test_what_is_retracted_leaves_with_the_next_playlist(board: Board, screen: Page) -> None:
    board.tell(board.slide(1, "red"))
    screen.goto(board.address)
    wait_until_it_shows(screen, "s-1")
    board.tell()
    screen.clock.fast_forward(61_000)
    wait_until_it_shows(screen, DEFAULT)
    kept = "caches.open('board-1').then(k => k.keys()).then(k => k.map(r => r.url))"
    assert screen.evaluate(kept) == [f"{board.address}playlist.json"]


@pytest.mark.parametrize("shape", SHAPES)
def test_slide_fills_any_screen_and_nothing_scrolls(board: Board, chromium: Browser, shape: str) -> None:
    slide = base64.b64decode(handler.answer(an_ask("slide", body="短。"), None)["png"])
    board.tell(board.put(1, slide))
    context = chromium.new_context(viewport=SHAPES[shape])
    screen = context.new_page()
    screen.clock.install(time=NOON)
    (SCREENSHOTS / "player").mkdir(parents=True, exist_ok=True)
    screen.goto(f"{board.address}index.html")
    wait_until_it_shows(screen, "s-1")
    screen.wait_for_function("getComputedStyle(document.querySelector('img.shown')).opacity === '1'")
    screen.screenshot(path=SCREENSHOTS / "player" / f"{shape}.png")
    assert screen.evaluate("document.documentElement.scrollHeight <= innerHeight")
    box = screen.locator("img.shown").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (SHAPES[shape]["width"], SHAPES[shape]["height"])
    screen.evaluate("caches.delete('board-1')")
    board.tell()
    screen.clock.fast_forward(61_000)
    wait_until_it_shows(screen, DEFAULT)
    screen.wait_for_timeout(800)
    screen.screenshot(path=SCREENSHOTS / "player" / f"{shape}-default.png")
    context.close()
