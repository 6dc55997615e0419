"""People at the desk, each with a browser of their own, who look at every page as they go."""

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, ViewportSize

SIZES: dict[str, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "desktop": {"width": 1280, "height": 900},
}
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
PATIENCE = 30
"""Seconds that a mail or a state may take."""
SERIOUS = frozenset({"serious", "critical"})
REFUSED = "Failed to load resource: the server responded with a status of 4"
"""What Chromium says of a page that tells what is wrong; tests that provoke one expect it."""


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


class Visitor:
    """A person with a browser. Whatever the console says against a page, or axe, is an error."""

    def __init__(self, desk: Desk, context: BrowserContext, email: str, screenshots: Path) -> None:
        self.desk = desk
        self.context = context
        self.email = email
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self._screenshots = screenshots
        screenshots.mkdir(parents=True, exist_ok=True)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

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
        self.page.screenshot(path=self._screenshots / f"{name}.png", full_page=True)
        found = [v for v in Axe().run(self.page).response["violations"] if v["impact"] in SERIOUS]
        assert not found, json.dumps(
            [(v["id"], v["help"], [node["html"] for node in v["nodes"]]) for v in found],
            ensure_ascii=False,
            indent=1,
        )
        wider = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"{name} is {wider} px wider than the window"

    def expect_no_complaint(self) -> None:
        """Raise AssertionError if the console had anything against any page since the last time."""
        complaints, self.complaints = self.complaints, []
        assert complaints == []

    def _hear(self, message: ConsoleMessage) -> None:
        told = message.type in {"error", "warning"}
        if told and not message.text.startswith(REFUSED):
            self.complaints.append(f"{message.type}: {message.text}")
