"""A mail scanner with a real browser, scripts on, that opens every link and presses every button, changes nothing."""

import itertools
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from infra.local import visitor
from tests.browser.conftest import Visitors
from tests.browser.visitors import SIZES, Desk

PEOPLE_WAIT = 120
"""Seconds that preparing may take."""


def hand_in(desk: Desk, liaison: dict[str, Any]) -> tuple[visitor.Desk, str]:
    """A submission in review, handed in by a program; with the program, to look at it again."""
    program = visitor.Desk(visitor.Site(desk.address, deadline=time.monotonic() + PEOPLE_WAIT))
    form = {
        "title": "安全生产月活动安排",
        "summary": "六月为安全生产月。",
        "body": "各部门请于六月五日前上报计划。",
        "category": "notice",
        "department": "safety",
        "drafter": liaison["id"],
        "channels": ["website"],
        "publish_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "time_zone": "Etc/UTC",
        "audience": "all",
        "classification": "internal",
        "importance": "routine",
        "declaration": {"accepted": True, "version": "2026-1"},
    }
    token = program.token(liaison["id"])
    return program, str(program.site.call("POST", "/api/v1/submissions", form, token=token)["id"])


def press_everything(context: BrowserContext, link: str) -> int:
    """Open a link and press what can be pressed, one after another, each in a tab of its own; answers how often."""
    for pressed in itertools.count():
        page = context.new_page()
        page.goto(link)
        page.wait_for_load_state("networkidle")
        for choice in page.locator("input[type=radio]:visible, input[type=checkbox]:visible").all():
            choice.check()
        buttons = page.locator("button:visible, input[type=submit]:visible, a:visible").all()
        if pressed >= len(buttons):
            return pressed
        buttons[pressed].dispatch_event("click")
        page.wait_for_load_state("networkidle")
    raise AssertionError("a page with buttons without end")


@pytest.mark.parametrize("size", ["desktop"], indirect=True)
def test_a_scanner_changes_nothing(desk: Desk, chromium: Browser, visitors: Visitors, size: str) -> None:
    (liaison, *_) = desk.people("liaison", "safety")
    editors = [person["email"] for person in desk.people("center_editor", "center")]
    earlier = {email: len(desk.links(email, "r")) for email in editors}
    program, submission = hand_in(desk, liaison)
    for email in editors:
        desk.link(email, "r", after=earlier[email])
    asking = visitors(editors[0])
    asked = len(desk.links(asking.email, "s"))
    asking.open("/sign-in")
    asking.page.fill("#email", asking.email)
    asking.page.click("main button")
    desk.link(asking.email, "s", after=asked)

    def record() -> dict[str, Any]:
        shown = program.site.call(
            "GET", f"/api/v1/submissions/{submission}", token=program.token(liaison["id"])
        )
        return {name: value for name, value in shown.items() if name != "correlation_id"}

    before, mails = record(), desk.mails()
    context = chromium.new_context(viewport=SIZES[size])
    links = {link for mail in mails for link in mail["links"]}
    pressed = sum(press_everything(context, link) for link in sorted(links))
    assert pressed > len(links)
    assert not [cookie for cookie in context.cookies() if cookie.get("name") == "__Host-imprimatur"]
    context.close()
    assert record() == before
    assert desk.mails() == mails

    asking.open(desk.link(asking.email, "s"))
    asking.page.wait_for_url(lambda url: not url.partition("#")[0].endswith("/s"))
    asking.open(desk.link(asking.email, "r"))
    asking.page.wait_for_selector("#opinion")
