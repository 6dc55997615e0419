"""A mail scanner with a real browser, scripts on, that opens every link and presses every button, changes nothing."""

import html
import re
import shlex
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, Response

from infra.local import visitor
from infra.local.clients import Clients
from tests.browser.conftest import Visitors
from tests.browser.visitors import PATIENCE, SIZES, Desk
from tests.world import STAGES

PEOPLE_WAIT = 120
"""Seconds that preparing may take."""
HREF = re.compile(r'href="([^"]+)"')
TOO_MANY = 429
ASKING = frozenset({"document", "script", "fetch", "xhr"})
"""What may do something; of a picture that a page no longer needs the browser tells no end."""
QUIET = 0.5
"""Seconds without a request after which a page is done."""
State = Mapping[str, Any]


def hand_in(desk: Desk, liaison: dict[str, Any], *, by_mail: bool) -> tuple[visitor.Desk, str]:
    """A submission in review, handed in by a program; with the program, to go on with it."""
    program = visitor.Desk(visitor.Site(desk.address, deadline=time.monotonic() + PEOPLE_WAIT))
    person = liaison["id"]
    files = [program.attach(person, "safety", "清单.csv", "text/csv", b"1,2\n")] if by_mail else []
    form = {
        "title": "安全生产月活动安排",
        "summary": "六月为安全生产月。",
        "body": "各部门请于六月五日前上报计划。",
        "category": "notice",
        "department": "safety",
        "drafter": person,
        "channels": ["email"] if by_mail else ["website"],
        "publish_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "time_zone": "Etc/UTC",
        "audience": ["safety"] if by_mail else "all",
        "classification": "internal",
        "importance": "routine",
        "attachments": files,
        "declaration": {"accepted": True, "version": "2026-1"},
    }
    token = program.token(person)
    return program, str(program.site.call("POST", "/api/v1/submissions", form, token=token)["id"])


def announce(desk: Desk, liaison: dict[str, Any]) -> list[dict[str, Any]]:
    """Have a text with a file approved and mailed to a department; answers its mails."""
    program, submission = hand_in(desk, liaison, by_mail=True)
    for stage in STAGES:
        review = program.review(visitor.Due(submission=submission, revision=1, stage=stage))
        opinion = {
            "handle": review.handle,
            "decision": "approve",
            "comment": "同意。",
            "checklist": dict.fromkeys(review.checklist, True),
            "content_digest": review.content_digest,
        }
        token = program.proven_token(review.reviewer)
        program.site.call("POST", "/api/v1/review-links/decision", opinion, token=token)

    def is_archived() -> bool:
        path, token = f"/api/v1/submissions/{submission}", program.token(liaison["id"])
        return bool(program.site.call("GET", path, token=token)["state"] == "archived")

    desk.wait_for(is_archived, "the announcement")
    return [mail for mail in desk.mails() if f"/submissions/{submission}/attachments/" in mail["text"]]


def holds_a_duty_in(department: str, person: Mapping[str, Any]) -> bool:
    return any(duty["department"] == department for duty in person["duties"])


def state_of(desk: Desk) -> State:
    """Every record but the counters of tries, and every object of every bucket."""
    with urllib.request.urlopen(f"{desk.address}/_local/environment") as answer:  # noqa: S310 — loopback
        lines = shlex.split(answer.read().decode(), comments=True)
    environment = dict(line.split("=", 1) for line in lines if "=" in line)
    clients = Clients(environment["AWS_ENDPOINT_URL"])
    pages = clients("dynamodb").get_paginator("scan").paginate(TableName=environment["TABLE_NAME"])
    state = {
        f"{item['pk']['S']} {item['sk']['S']}": item
        for page in pages
        for item in page["Items"]
        if not item["pk"]["S"].startswith("RATE#")
    }
    for name in ("SITE_BUCKET", "ARCHIVE_BUCKET", "UPLOADS_BUCKET"):
        listed = clients("s3").list_objects_v2(Bucket=environment[name]).get("Contents", [])
        state |= {f"{name} {found['Key']}": found["ETag"] for found in listed}
    return state


def at_rest(desk: Desk) -> State:
    """The state once nothing changes by itself any more."""
    seen: list[State] = []

    def rests() -> State | None:
        seen.append(state_of(desk))
        time.sleep(1)
        return seen[-1] if seen[-1] == state_of(desk) else None

    rested: State = desk.wait_for(rests, "everything to come to rest")
    return rested


def changed(before: State, after: State) -> set[str]:
    """What is not as it was."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def addresses_in(mail: dict[str, Any]) -> set[str]:
    """Every address in a mail: of its text, of its HTML, of its headers."""
    shown = {*mail["links"], *map(html.unescape, HREF.findall(mail["html"]))}
    return {*shown, *filter(None, [mail["one_click"]])}


class Scanner:
    """A browser without any session that looks at links and presses whatever it finds there."""

    def __init__(self, context: BrowserContext) -> None:
        self.pressed = 0
        self.refused: list[str] = []
        self._context = context
        self._asked: set[Request] = set()
        self._heard = time.monotonic()
        context.on("request", self._begin)
        context.on("requestfinished", self._end)
        context.on("requestfailed", self._end)
        context.on("response", self._see)

    def scan(self, link: str) -> None:
        """Look as scanners do, then open it in a tab for each thing that can be pressed there, and press that."""
        for method in ("HEAD", "GET"):
            self._context.request.fetch(link.partition("#")[0], method=method)
        tabs = [self._opened(link)]
        self._wait(tabs[0])
        tabs += [self._opened(link) for _ in _buttons(tabs[0])[1:]]
        self._wait(tabs[0])
        for place, tab in enumerate(tabs):
            for choice in tab.locator("input[type=radio]:visible, input[type=checkbox]:visible").all():
                choice.check()
            _buttons(tab)[place].dispatch_event("click")
            self.pressed += 1
        self._wait(tabs[0])
        for tab in tabs:
            tab.close()

    def _opened(self, link: str) -> Page:
        page = self._context.new_page()
        page.goto(link)
        return page

    def _wait(self, page: Page) -> None:
        """Until whatever was set going has had its answer: the browser has asked for nothing for a while."""
        self._heard = time.monotonic()  # what has just been done may not have asked for anything yet
        until = self._heard + PATIENCE
        while self._asked or time.monotonic() - self._heard < QUIET:
            assert time.monotonic() < until, f"no answer from {[each.url for each in self._asked]}"
            page.wait_for_timeout(QUIET * 100)

    def _begin(self, request: Request) -> None:
        self._heard = time.monotonic()
        if request.resource_type in ASKING:
            self._asked.add(request)

    def _end(self, request: Request) -> None:
        self._asked.discard(request)
        self._heard = time.monotonic()

    def _see(self, response: Response) -> None:
        if response.status == TOO_MANY:
            self.refused.append(response.url)


def _buttons(page: Page) -> list[Locator]:
    """What can be pressed: every page of ours has something."""
    found: list[Locator] = page.locator("button:visible, input[type=submit]:visible, a:visible").all()
    return found


def unsubscribe_as_mail_programs_do(address: str) -> int:
    """RFC 8058: one POST, no cookie; the status of its answer."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = urllib.request.Request(address, data=b"List-Unsubscribe=One-Click", headers=headers)  # noqa: S310 — loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310 — as above
        return int(answer.status)


@pytest.mark.parametrize("size", ["desktop"], indirect=True)
def test_a_scanner_changes_nothing(desk: Desk, chromium: Browser, visitors: Visitors, size: str) -> None:
    """Clause 4.4.2: scanners open what mails hold; nobody's announcements end by it, and no review is decided."""
    (liaison, *_) = desk.people("liaison", "safety")
    announced = announce(desk, liaison)
    audience = {each["email"] for each in desk.ask("/_local/people") if holds_a_duty_in("safety", each)}
    assert sorted(mail["to"] for mail in announced) == sorted(audience)
    editors = [person["email"] for person in desk.people("center_editor", "center")]
    earlier = {email: len(desk.links(email, "r")) for email in editors}
    hand_in(desk, liaison, by_mail=False)
    for email in editors:
        desk.link(email, "r", after=earlier[email])
    asking = visitors(editors[0])
    asked = len(desk.links(asking.email, "s"))
    asking.open("/sign-in")
    asking.page.fill("#email", asking.email)
    asking.page.click("main button")
    desk.link(asking.email, "s", after=asked)

    before, mails = at_rest(desk), desk.mails()
    links = {link for mail in mails for link in addresses_in(mail)}
    for kind in ("/s#", "/r#", "/u/", "/me", "/attachments/"):
        assert [link for link in links if kind in link], f"no mail has a link with {kind}"
    context = chromium.new_context(viewport=SIZES[size])
    scanner = Scanner(context)
    for link in sorted(links):
        scanner.scan(link)
    assert scanner.pressed > len(links)
    assert scanner.refused == [], "no limit kept it from anything"
    assert not [cookie for cookie in context.cookies() if cookie.get("name") == "__Host-imprimatur"]
    context.close()
    assert changed(before, at_rest(desk)) == set()
    assert desk.mails() == mails

    (mail, *_) = announced
    assert unsubscribe_as_mail_programs_do(mail["one_click"]) == 200
    (person,) = (each["id"] for each in desk.ask("/_local/people") if each["email"] == mail["to"])
    assert changed(before, at_rest(desk)) == {f"SUBSCRIPTION#{person} SUBSCRIPTION"}, (
        "what would have been seen"
    )

    asking.open(desk.link(asking.email, "s"))
    asking.page.wait_for_url(lambda url: not url.partition("#")[0].endswith("/s"))
    asking.open(desk.link(asking.email, "r"))
    asking.page.wait_for_selector("#opinion")
