"""People at the desk, each with a browser of their own, who look at every page as they go."""

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Response, ViewportSize

SIZES: dict[str, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "desktop": {"width": 1280, "height": 900},
}
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
PATIENCE = 30
"""Seconds that a mail or a state may take."""
UNPROCESSABLE = 422
SERIOUS = frozenset({"serious", "critical"})
REFUSED = "Failed to load resource: the server responded with a status of "
"""How Chromium begins what it says of an answer that is an error."""


@dataclass(frozen=True)
class Desk:
    """A running desk."""

    address: str

    def ask(self, path: str) -> Any:  # noqa: ANN401 — JSON
        """The JSON of one of the laptop's own addresses."""
        request = urllib.request.Request(  # noqa: S310 — loopback
            f"{self.address}{path}", headers={"Accept": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 — loopback
            return json.load(answer)

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        """All mails, or those to one address, newest first."""
        return [mail for mail in self.ask("/_local/mail") if to in {None, mail["to"]}]

    def people(self, role: str, department: str | None = None) -> list[dict[str, Any]]:
        """The sample people with that duty now."""
        return [
            person
            for person in self.ask("/_local/people")
            if any(d["role"] == role and department in {None, d["department"]} for d in person["duties"])
        ]

    def wait_for(self, what: Callable[[], Any], name: str) -> Any:  # noqa: ANN401 — whatever is waited for
        """What the function answers as soon as that is something."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = what()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"waited in vain for {name}")

    def links(self, to: str, kind: str) -> list[str]:
        """The links of a kind (`s`, `r`) in the mails to an address, newest first."""
        return [link for mail in self.mails(to) for link in mail["links"] if f"/{kind}#" in link]

    def link(self, to: str, kind: str, *, after: int = 0) -> str:
        """The newest link of a kind to an address, once there are more than `after` of them."""

        def newest() -> str | None:
            links = self.links(to, kind)
            return links[0] if len(links) > after else None

        return str(self.wait_for(newest, f"a link to {to}"))


class Listener:
    """Hears what a page's console has against it, and knows which documents were refused with which status.

    Chromium notes in the console that a document came with an error's status, as it does of a script or stylesheet that
    is missing. Of the documents that is to be expected where they tell what is wrong.
    """

    def __init__(self, page: Page) -> None:
        self._heard: list[tuple[str, str]] = []
        self._documents: list[tuple[str, int]] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._heard.append((str(error), "")))
        page.on("response", self._note)

    def complaints(self, *expected: int) -> list[str]:
        """What has been said since the last time, but that a document came with one of the expected statuses."""
        forgiven = {(f"{REFUSED}{status}", url) for url, status in self._documents if status in expected}
        complaints = [
            f"{text} {url}" for text, url in self._heard if (text.partition(" (")[0], url) not in forgiven
        ]
        self._heard, self._documents = [], []
        return complaints

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._heard.append((message.text, message.location["url"]))

    def _note(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self._documents.append((response.url, response.status))


def violations(page: Page, *rules: str) -> list[Any]:
    """What axe finds serious on a page, by all its rules or these: rule, explanation and elements."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options: dict[str, Any] = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    return [
        (each["id"], each["help"], [node["html"] for node in each["nodes"]])
        for each in found
        if each["impact"] in SERIOUS
    ]


def pixels_too_wide(page: Page) -> int:
    """By how much a page must be scrolled sideways; 0 for one that need not."""
    return max(0, int(page.evaluate("document.documentElement.scrollWidth - innerWidth")))


class Visitor:
    """A person with a browser. Whatever the console says against a page, or axe, is an error."""

    def __init__(self, desk: Desk, context: BrowserContext, email: str, screenshots: Path) -> None:
        self.desk = desk
        self.context = context
        self.email = email
        self.page: Page = context.new_page()
        self._listener = Listener(self.page)
        self._screenshots = screenshots
        screenshots.mkdir(parents=True, exist_ok=True)

    def open(self, path: str) -> None:
        """Go to a page of the desk, or to any address."""
        self.page.goto(path if path.startswith("http") else f"{self.desk.address}{path}")

    def sign_in(self) -> None:
        """From the sign-in page that is shown, by the mail, to where signing in leads."""
        before = len(self.desk.links(self.email, "s"))
        self.page.fill("#email", self.email)
        self.page.click("main button")
        self.open(self.desk.link(self.email, "s", after=before))
        self.page.wait_for_url(lambda url: not url.partition("#")[0].endswith("/s"))
        self.page.wait_for_load_state("load")

    def look(self, name: str) -> None:
        """Keep a picture of the page, and let axe and the page's width be judged."""
        self.glance(name)
        found = violations(self.page)
        assert not found, json.dumps(found, ensure_ascii=False, indent=1)

    def glance(self, name: str) -> None:
        """As `look`, without axe, which cannot run where no script may: on the website in its sandbox."""
        self.page.screenshot(path=self._screenshots / f"{name}.png", full_page=True)
        wider = pixels_too_wide(self.page)
        assert not wider, f"{name} is {wider} px wider than the window"

    def expect_no_complaint(self, but: str = "\n") -> None:
        """Raise AssertionError if the console had anything against any page since the last time.

        Only a form that tells what is wrong with it, and comes with 422 therefore, is expected, and what begins so.
        """
        complaints = [each for each in self._listener.complaints(UNPROCESSABLE) if not each.startswith(but)]
        assert not complaints, "\n".join(complaints)
