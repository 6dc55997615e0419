"""A walk through everything that the product can do: every route once, and every job, on the way of a few requests.

What a route or a job needs of AWS is seen here. A route that is added and not walked fails the tests that walk.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pyotp
import requests

from app import app
from chalicelib.core.errors import DeliveryParked, RecipientRefused
from chalicelib.core.mail import UNKNOWN_MAILBOX, Mail, Mailer
from chalicelib.people.model import Person, Role
from chalicelib.publication.channels.email.mailing import RecipientState
from chalicelib.publication.channels.wechat.callback import signature_of
from chalicelib.publication.service.publishing import MOST_RESTARTS
from chalicelib.publication.store import read_mailing
from chalicelib.submission.hours import ChannelHours, Daily
from chalicelib.submission.model import Channel
from chalicelib.web.static import address_of
from tests.attachment.files import CSV, declared, keys, post_form
from tests.authenticator import Authenticator
from tests.browsing import Browser, Shown
from tests.infra.lambda_events import A_TICK
from tests.proving import PROOFS, at_the_company, company_of, mailed_browser, operations
from tests.publication.deliveries import Account, busy
from tests.publication.wechat.accounts import CALLBACK, KEYS, account_of
from tests.senders import System, refused_requests_of
from tests.submission.desk_visits import NEW, typed
from tests.world import (
    A_CONFIRMATION,
    ARCHIVIST,
    DIRECTOR,
    EDITOR,
    HEAD,
    LIAISON,
    LONG_RECALL,
    PEOPLE,
    REVIEWERS,
    SECOND_EDITOR,
    Answer,
    World,
    a_form,
    a_person,
    an_amendment,
    route_of,
)

MOVED = a_person("moved", (Role.EMPLOYEE, "research"))
"""Whose mailbox the carrier knows no more when the walk begins."""
LEAVING = a_person("leaving", (Role.EMPLOYEE, "research"))
"""Whose mailbox it will not know later."""
GONE = replace(a_person("gone", (Role.EMPLOYEE, "research")), email="bounce@simulator.amazonses.com")
WALKERS = (*PEOPLE, SECOND_EDITOR, DIRECTOR, GONE, MOVED, LEAVING)
"""Whom a walked world needs; one of them has a mailbox from which mails come back."""
SENDING_DEPARTMENT = "marketing"
"""The department whose own system sends requests on the walk."""

Route = tuple[str, str]


def every_route() -> set[Route]:
    """Method and path of every route that the app has."""
    return {(method, route) for route, methods in app.routes.items() for method in methods}


class _Stroller(Browser):
    """A browser that notes every route that let it in."""

    def __init__(self, walk: "Walk", person: Person | None = None) -> None:
        super().__init__(walk.world, person)
        self._walk = walk

    def send(
        self, method: str, path: str, fields: Mapping[str, str | Sequence[str]] | None = None, **headers: str
    ) -> Shown:
        shown = super().send(method, path, fields, **headers)
        assert shown.status in {200, 303}, (method, path, shown.status, shown.html)
        self._walk.walked.add((method, route_of(path.partition("?")[0])[0]))
        return shown

    def _follow(self, shown: Shown) -> Shown:
        """Into the buckets, too."""
        location = shown.headers.get("location", "")
        if location.startswith("https://"):
            download(location)
            return shown
        return super()._follow(shown)


class _Carrier:
    """Hands on every mail but those to mailboxes that are no more, which it refuses as an SMTP server does."""

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer
        self.gone = {MOVED.email}

    def send(self, mail: Mail) -> None:
        if mail.to in self.gone:
            raise RecipientRefused(reason=UNKNOWN_MAILBOX)
        self._mailer.send(mail)


class Walk:
    """Walks through a world of `WALKERS` in which `SENDING_DEPARTMENT` has its queues, and notes the routes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.walked: set[Route] = set()
        self._carrier = _Carrier(world.parts.mailer)
        world.parts.__dict__["mailer"] = self._carrier
        zone = world.parts.settings.center_zone
        world.parts.__dict__["channel_hours"] = ChannelHours(
            daily={Channel.WECHAT: Daily(most=100, zone=zone)}
        )

    def everywhere(self) -> None:
        """The whole walk, ending where it is signed out and what was left lying is withdrawn."""
        liaison = self.sign_in()
        self.look_at_what_is_always_there()
        self.send_by_a_system()
        self.forget_the_procedure()
        submission = self.publish_what_was_returned_once(liaison)
        self.foresee()
        self.settle_unknown_mails(submission)
        self.answer_for_deliveries()
        self.look_at_the_site(submission)
        self.see_the_sheet_hang(submission)
        self.choose_announcements()
        self.freeze_and_let_go()
        self.post_to_wechat()
        self.prove_oneself()
        self.read_the_archive(submission)
        self.miss_files()
        self.amend(liaison)
        self.move_times(liaison)
        self.withdraw(liaison)
        self.hand_over_and_take_back()
        self.sign_out(liaison)
        self.leave_lying()

    def sign_in(self) -> Browser:
        """By a program and by a browser; answers the liaison's browser."""
        self.call("POST", "sign-in", {"email": LIAISON.email})
        self.world.cloud.settle()
        handle = self.world.links(LIAISON, "s")[0]
        opened = self.call("POST", "sessions", {"handle": handle, "bearer": True})
        bearer = {"authorization": f"Bearer {opened.body['token']}"}
        assert self.call("GET", "me", headers=bearer).body["person"]["id"] == LIAISON.id
        browser = _Stroller(self)
        browser.submit(browser.get("/sign-in"), "/sign-in", email=LIAISON.email)
        self.world.cloud.settle()
        shown = browser.submit(browser.get("/s"), "/s", handle=self.world.links(LIAISON, "s")[0])
        assert shown.path == "/"
        return browser

    def look_at_what_is_always_there(self) -> None:
        """What needs nobody to be signed in."""
        for path in ("/healthz", "/openapi.json"):
            self.call("GET", path)
        _Stroller(self).get(address_of("style.css"))

    def send_by_a_system(self) -> None:
        """Two requests that are taken, one with its file, and two that are refused, one for a file that is gone."""
        system, file, gone = (
            System(world=self.world, department=SENDING_DEPARTMENT),
            self.attach(),
            self.attach(),
        )
        self.remove_files(f"checked/{gone}/")
        self.forget_the_procedure()
        system.send(attachments=[file])
        ahead = a_form(self.world.now() + timedelta(minutes=30))["publish_at"]
        system.send(channels=["website", "wechat"], classification="public", publish_at=ahead)
        system.send(title="")
        system.send(attachments=[gone])
        self.world.cloud.settle()
        assert sorted(answer["status"] for answer in system.answers()) == [201, 201, 422, 422]
        refused, _ = refused_requests_of(self.world)
        for path in ("refused-requests", f"refused-requests/{refused}"):
            self.call("GET", path, as_=LIAISON)
            _Stroller(self, LIAISON).get(f"/{path}")

    def forget_the_procedure(self) -> None:
        """Whoever begins the next round keeps it again."""
        self.world.plain_table.delete(self.world.parts.procedures.key)

    def attach(self) -> str:
        """A file, uploaded and checked; another is asked about before it was uploaded."""
        missing = self.call("POST", "attachments", declared(CSV), as_=LIAISON).body["id"]
        self.call("POST", f"attachments/{missing}/check", as_=LIAISON)
        begun = self.call("POST", "attachments", declared(CSV), as_=LIAISON).body
        sent = post_form(begun["upload"], CSV)
        assert sent.status_code == 204, sent.text
        self.world.cloud.settle()
        assert self.call("GET", f"attachments/{begun['id']}", as_=LIAISON).body["state"] == "ready"
        return str(begun["id"])

    def publish_what_was_returned_once(self, liaison: Browser) -> str:
        """Handed in at the page with a file, returned, revised, approved by program and at the page, archived."""
        world, file = self.world, self.attach()
        fields = typed(world, attachments=[file], channels=["website", "email", "notice_board"])
        shown = liaison.submit(liaison.get(NEW), NEW, **fields)
        submission = shown.path.rpartition("/")[2]
        liaison.get("/")
        assert self.decide(EDITOR, "request_changes") == "changes_requested"
        liaison.submit(liaison.get(f"{shown.path}/revise"), f"{shown.path}/revise", **fields)
        self.call("GET", "submissions", as_=LIAISON)
        for stage, reviewer in REVIEWERS.items():
            if stage == "department_head":
                self.decide_at_the_page(reviewer)
            else:
                self.decide(reviewer)
        world.finish()
        record = self.call("GET", f"submissions/{submission}", as_=LIAISON).body
        assert record["state"] == "archived"
        found = self.call("GET", f"submissions/{submission}/attachments/{file}", as_=LIAISON)
        assert download(found.body["url"]) == CSV
        liaison.get(f"{shown.path}/attachments/{file}")
        return submission

    def decide(self, reviewer: Person, decision: str = "approve") -> str:
        """By program; answers the submission's state."""
        self.world.cloud.settle()
        handle = self.world.links(reviewer)[0]
        seen = self.call("POST", "review-links", {"handle": handle}, as_=reviewer).body
        items = [item["id"] for item in seen["checklist"]]
        opinion = {
            "handle": handle,
            "decision": decision,
            "comment": "请看。",
            "checklist": {item: decision == "approve" or item != items[0] for item in items},
            "content_digest": seen["content_digest"],
        }
        return str(self.call("POST", "review-links/decision", opinion, as_=reviewer).body["state"])

    def decide_at_the_page(self, reviewer: Person) -> None:
        """Approve, with a browser: looked at by the mailed link, and from the desk by program, opened there at last."""
        self.world.cloud.settle()
        browser = _Stroller(self, reviewer)
        browser.submit(browser.get("/r"), "/r", handle=self.world.links(reviewer)[0])
        (waiting,) = self.call("GET", "tasks", as_=reviewer).body["items"]
        self.call("POST", "tasks/links", {"task": waiting["task"]}, as_=reviewer)
        shown = browser.submit(browser.get("/tasks"), "/tasks")
        items = {e.attributes["name"] for e in shown.page.all("input", type="radio")} - {"decision"}
        passed = dict.fromkeys(sorted(items), "yes")
        browser.submit(shown, "/r/decision", decision="approve", comment="同意。", **passed)

    def prove_oneself(self) -> None:
        """Enrol by an invitation, confirm, revoke; sign in with the company's account; decide by what is enrolled."""
        browser = _Stroller(self, EDITOR)
        browser.cookies = mailed_browser(self.world, EDITOR).cookies
        shown = browser.get(PROOFS)
        code = operations(self.world).invite(EDITOR)
        shown = browser.submit(shown, f"{PROOFS}/invitation", code=code)
        passkey = Authenticator()
        made = passkey.create(self.options(browser, "enrol"))
        shown = browser.submit(shown, f"{PROOFS}/passkeys", name="手机", passkey=json.dumps(made))
        said = passkey.get(self.options(browser, "confirm"))
        shown = browser.submit(shown, f"{PROOFS}/confirmation", passkey=json.dumps(said))
        begun = browser.submit(shown, f"{PROOFS}/app")
        app = pyotp.TOTP("".join(begun.page.all("code")[0].text.split()))
        enrolled = browser.submit(begun, f"{PROOFS}/app", code=app.at(self.world.now()))
        (first, *_) = enrolled.page.all("form", action=f"{PROOFS}/revocation")
        proof = {field.attributes["name"]: field.attributes["value"] for field in first.all("input")}
        self.decide_by(passkey)
        browser.post(f"{PROOFS}/revocation", proof)
        with company_of(self.world):
            submission = self.submit()
            self.world.cloud.settle()
            browser.post("/sign-in/account", {"next": PROOFS})
            shown = browser.submit(browser.get("/r"), "/r", handle=self.world.links(EDITOR)[0])
            away = browser.post("/r/account", shown.form("/r/decision"))
            assert browser.get(at_the_company(away, EDITOR.id)).path == "/r/again"
        self.call("POST", f"submissions/{submission}/withdrawal", {}, as_=LIAISON)
        self.world.finish()

    def options(self, browser: Browser, purpose: str) -> dict[str, Any]:
        """What a browser asks a passkey in its session."""
        bearer = {"authorization": f"Bearer {browser.cookies['__Host-imprimatur']}"}
        asked = self.call("POST", "me/passkeys/options", {"purpose": purpose}, headers=bearer)
        return dict(asked.body["options"])

    def decide_by(self, passkey: Authenticator) -> None:
        """The editor asks for changes, and a passkey signs it; what was asked for in vain is withdrawn."""
        submission = self.submit()
        self.world.cloud.settle()
        opinion = self.world.opinion(EDITOR, "request_changes")
        asked = self.call("POST", "review-links/challenge", opinion, as_=EDITOR).body["options"]
        self.call("POST", "review-links/decision", opinion | {"passkey": passkey.get(asked)}, as_=EDITOR)
        self.call("POST", f"submissions/{submission}/withdrawal", {}, as_=LIAISON)
        self.world.finish()

    def foresee(self) -> None:
        """An editor looks whom a mail would reach."""
        said = {
            "department": "marketing",
            "audience": "all",
            "classification": "internal",
            "importance": "routine",
        }
        assert self.call("POST", "audience-preview", said, as_=EDITOR).body["reached"] > 0

    def settle_unknown_mails(self, submission: str) -> None:
        """An editor lets mails of unknown outcome go out again, one of them to a mailbox that is gone, or be."""
        path = f"submissions/{submission}/deliveries/email/unknown"
        self.lose_a_mail(submission, HEAD)
        self.lose_a_mail(submission, LEAVING)
        self._carrier.gone.add(LEAVING.email)
        assert self.call("POST", path, {"resend": True}, as_=EDITOR).body["settled"] == 2
        self.world.finish()
        self.lose_a_mail(submission, HEAD)
        browser = _Stroller(self, EDITOR)
        mark = browser.get("/me").form("/me/announcements")["csrf"]
        browser.post(f"/submissions/{submission}/unknown-mails", {"csrf": mark, "resend": "no"})
        self.world.finish()

    def answer_for_deliveries(self) -> None:
        """A channel leaves one to a person, who lets it be tried again; the sweeper leaves it to one that saw it."""
        board = Account(DeliveryParked("tried_in_vain"))
        adapters = self.world.parts.adapters
        assert isinstance(adapters, dict), "the one that every part was given"
        served = adapters[Channel.NOTICE_BOARD]
        adapters[Channel.NOTICE_BOARD] = board
        submission = self.world.publish(channels=["website", "notice_board"])
        assert self.call("GET", "channels", as_=EDITOR).body["waiting"]
        board.answers = [busy()] * 100
        path = f"submissions/{submission}/deliveries/notice_board/answer"
        said = {"answer": "again", "comment": "宣传栏上没有。"}
        assert self.call("POST", path, said, as_=EDITOR).body["state"] == "pending"
        self.world.finish()
        for _ in range(MOST_RESTARTS):
            self.world.plain_journal.restart(self.world.plain_journal.head(submission), "service:test")
        self.world.finish()
        with self.world.later(days=30):
            app.handler_map["sweep"](A_TICK, None)
        self.world.finish()
        browser, page = _Stroller(self, EDITOR), f"/submissions/{submission}/deliveries/notice_board"
        shown = browser.get(page)
        assert browser.submit(shown, page, answer="delivered", comment="看到了。", url="").status == 200
        adapters[Channel.NOTICE_BOARD] = served
        self.take_back(submission)

    def take_back(self, submission: str) -> None:
        """The director takes back what was published, with a browser; what has files, by program."""
        director, path = _Stroller(self, DIRECTOR), f"/submissions/{submission}/retract"
        director.submit(director.get(path), path, reason="演练")
        self.world.finish()
        assert self.world.state(submission) == "retracted"
        other = self.world.publish(channels=["website", "email"], attachments=[self.attach()])
        self.call("POST", f"submissions/{other}/retraction", {"reason": "演练"}, as_=DIRECTOR)
        self.world.finish()

    def see_the_sheet_hang(self, submission: str) -> None:
        """The editor says so by program, the director at the page; days later the sweeper tells the screens of more."""
        path = f"submissions/{submission}/deliveries/notice_board/display"
        assert self.call("POST", path, {"revision": 2}, as_=EDITOR).body["confirmed"]
        browser = _Stroller(self, DIRECTOR)
        page = f"/submissions/{submission}"
        browser.submit(browser.get(page), f"{page}/display")
        with self.world.later(days=5):
            app.handler_map["sweep"](A_TICK, None)

    def lose_a_mail(self, submission: str, person: Person) -> None:
        """Make the outcome of a person's mail unknown."""
        mailing = read_mailing(self.world.plain_table, submission, 2)
        assert mailing is not None
        (before,) = (each for each in mailing.recipients if each.person == person.id)
        assert before.state is RecipientState.SENT
        lost = replace(before, state=RecipientState.UNKNOWN)
        self.world.plain_table.put(self.world.parts.email_channel.put(submission, 2, before, lost))

    def choose_announcements(self) -> None:
        """By program, at one's own page, and by the address in a mail."""
        self.call("POST", "me/announcements", {"subscribed": True}, as_=HEAD)
        assert self.call("GET", "me/announcements", as_=HEAD).body["subscribed"]
        browser = _Stroller(self, HEAD)
        browser.submit(browser.get("/me"), "/me/announcements")
        mail = next(mail for mail in self.world.cloud.mails() if mail.one_click)
        path = mail.one_click.removeprefix("https://desk.test")
        stranger = _Stroller(self)
        stranger.get(path)
        stranger.post(path, {"List-Unsubscribe": "One-Click"})

    def read_the_archive(self, submission: str) -> None:
        """Catalogue, entry and package, by program and at the pages."""
        number = quote(self.world.record(submission)["catalog_number"])
        browser = _Stroller(self, ARCHIVIST)
        for path in ("archive", f"archive/{number}"):
            self.call("GET", path, as_=ARCHIVIST)
            browser.get(f"/{path}")
        package = self.call("GET", f"archive/{number}/package", as_=ARCHIVIST).body
        assert download(package["url"]).startswith(b"PK")
        browser.get(f"/archive/{number}/download")

    def look_at_the_site(self, submission: str) -> None:
        """As somebody who has entered the intranet, whose browser tells of it."""
        browser = _Stroller(self, HEAD)
        browser.submit(browser.get("/me"), "/me/intranet")
        self.call("POST", f"submissions/{submission}/views", headers={"user-agent": "Mozilla/5.0"})

    def miss_files(self) -> None:
        """Files that are gone: one before its request is handed in, one before it is published."""
        world, file, gone = self.world, self.attach(), self.attach()
        self.remove_files(f"checked/{gone}/")
        form = a_form(world.now(), attachments=[gone])
        assert world.call("POST", "/api/v1/submissions", form, as_=LIAISON).status == 422
        submission = self.submit(attachments=[file])
        self.remove_files(f"kept/{submission}/")
        for reviewer in REVIEWERS.values():
            self.decide(reviewer)
        world.finish()
        assert world.record(submission)["reason"] == "content_changed"

    def remove_files(self, prefix: str) -> None:
        """As nobody may."""
        bucket = self.world.parts.settings.uploads_bucket
        (key,) = keys(self.world, prefix)
        self.world.plain_s3.delete_object(Bucket=bucket, Key=key)

    def amend(self, liaison: Browser) -> None:
        """Amended and declined at the pages, after a reminder; amended and confirmed by program, by another editor."""
        submission = self.submit()
        page, path = f"/submissions/{submission}", f"submissions/{submission}"
        self.world.cloud.settle()
        editor = _Stroller(self, EDITOR)
        form = editor.get(f"{page}/amend")
        editor.submit(form, f"{page}/amend", title="另一个标题", reason="更清楚。", intent="submit")
        self.world.cloud.settle()
        with self.world.later(days=1):
            app.handler_map["sweep"](A_TICK, None)
        self.world.cloud.settle()
        liaison.submit(liaison.get(f"{page}/confirm"), f"{page}/confirm", decision="decline", reason="不妥。")
        self.world.cloud.settle()
        said = an_amendment(self.call("GET", path, as_=SECOND_EDITOR).body, title="又一个标题")
        self.call("POST", f"{path}/amendment", said, as_=SECOND_EDITOR)
        seen = self.call("GET", path, as_=LIAISON).body
        answer = {**A_CONFIRMATION, "content_digest": seen["content_digest"]}
        self.call("POST", f"{path}/confirmation", answer, as_=LIAISON)
        self.world.cloud.settle()
        self.call("POST", f"{path}/withdrawal", {}, as_=LIAISON)
        self.world.cloud.settle()

    def move_times(self, liaison: Browser) -> None:
        """The time of what is scheduled, by program and at its page; then it is taken back."""
        ahead = a_form(self.world.now() + timedelta(minutes=9))
        submission = self.submit(publish_at=ahead["publish_at"])
        for reviewer in REVIEWERS.values():
            self.world.cloud.settle()
            self.decide(reviewer)
        later = a_form(self.world.now() + timedelta(minutes=8))
        moved = {"publish_at": later["publish_at"], "time_zone": later["time_zone"], "reason": "活动改期。"}
        self.call("POST", f"submissions/{submission}/schedule", moved, as_=EDITOR)
        page = f"/submissions/{submission}/schedule"
        liaison.submit(liaison.get(page), page, when="now", reason="不必再等。")
        self.world.finish()
        assert self.call("GET", "calendar", as_=LIAISON).body["items"]
        liaison.get("/calendar")
        liaison.get("/calendar.ics")

    def withdraw(self, liaison: Browser) -> None:
        """One before its first stage opens, one returned and handed in again, both by program, and one at its page."""
        self.call("POST", f"submissions/{self.submit()}/withdrawal", {}, as_=LIAISON)
        self.world.cloud.settle()
        submission = self.submit()
        self.decide(EDITOR, "request_changes")
        self.call("POST", f"submissions/{submission}/revisions", a_form(self.world.now()), as_=LIAISON)
        self.call("POST", f"submissions/{submission}/withdrawal", {}, as_=LIAISON)
        page = f"/submissions/{self.submit()}/withdraw"
        liaison.submit(liaison.get(page), page, reason="内容有误。")
        self.world.finish()

    def hand_over_and_take_back(self) -> None:
        """A review given to an editor, handed over and taken back, decided and undecided, each by program and page."""
        with self.world.under(LONG_RECALL):
            submission = self.submit()
            self.world.cloud.settle()
            editor, director = _Stroller(self, EDITOR), _Stroller(self, DIRECTOR)
            given = {"reviewers": [EDITOR.id], "reason": "分工。"}
            self.call("POST", f"submissions/{submission}/reviewers", given, as_=DIRECTOR)
            path = f"/submissions/{submission}/reviewers"
            director.submit(director.get(path), path, reason="分工。")
            handle = self.world.links(EDITOR)[0]
            for to in (DIRECTOR.id, None):
                self.call("POST", "review-links/delegation", {"handle": handle, "to": to}, as_=EDITOR)
            shown = editor.submit(editor.post("/r", {"handle": handle}), "/r/delegation", to=DIRECTOR.id)
            self.world.cloud.settle()
            editor.submit(shown, "/r/delegation")
            self.world.decide(EDITOR, "reject")
            self.call("POST", "review-links/recall", {"handle": handle}, as_=EDITOR)
            self.world.decide(EDITOR, "reject")
            editor.submit(editor.post("/r", {"handle": handle}), "/r/recall")
            self.call("POST", f"submissions/{submission}/withdrawal", {}, as_=LIAISON)
            self.world.finish()

    def submit(self, **changes: object) -> str:
        """A request, by program; answers its id."""
        form = a_form(self.world.now(), **changes)
        return str(self.call("POST", "submissions", form, as_=LIAISON).body["id"])

    def sign_out(self, liaison: Browser) -> None:
        """The session is gone, not only the cookie."""
        session = dict(liaison.cookies)
        liaison.submit(liaison.get("/"), "/sign-out")
        liaison.cookies.update(session)
        assert liaison.get("/").path == "/sign-in"

    def freeze_and_let_go(self) -> None:
        """A channel, by program, with something held back that a sweep meets; then everything, with a browser."""
        said = {"scope": "email", "reason": "演练"}
        self.call("POST", "freezes", said, as_=EDITOR)
        submission = self.world.publish(channels=["website", "email"])
        assert self.world.state(submission) == "publishing"
        assert self.call("GET", "freezes", as_=EDITOR).body["waiting_count"] == 1
        with self.world.later(hours=1):
            app.handler_map["sweep"](A_TICK, None)
        self.call("POST", "freezes/lift", said, as_=DIRECTOR)
        self.world.finish()
        assert self.world.state(submission) == "archived"
        director = _Stroller(self, DIRECTOR)
        director.submit(director.get("/publishing"), "/publishing", scope="all", reason="演练")
        asked = director.get("/publishing/lift?scope=all")
        assert director.submit(asked, "/publishing/lift", reason="演练").status == 200

    def post_to_wechat(self) -> None:
        """The account greets, a draft of it is published, and it tells of that."""
        at = str(int(self.world.now().timestamp()))
        signed = {"timestamp": at, "nonce": "n", "signature": signature_of(KEYS.token, at, "n")}
        with account_of(self.world) as account:
            greeted = self.world.cloud.http.get(f"{CALLBACK}?{urlencode(signed)}")
            assert greeted.status_code == 200, greeted.status_code
            submission = self.submit(channels=["wechat"], classification="public")
            self.world.approve()
            self.world.cloud.settle()
            account.pass_time()
            self.world.finish()
            assert self.world.state(submission) == "archived"
        self.walked |= {("GET", CALLBACK), ("POST", CALLBACK)}

    def leave_lying(self) -> None:
        """Let a request become overdue, and its machine be lost: it is reminded of, and begun again."""
        submission = self.submit()
        self.world.cloud.settle()
        work = {"submission": submission, "revision": 1, "attempt": 1, "stage": "initial", "reminded": 0}
        app.handler_map["remind_reviewers"](work, None)
        app.handler_map["open_stage"]({"work": work, "task_token": "another-token"}, None)
        self.world.passed += timedelta(days=3)
        kept_for_nothing = f"kept/s-{'a' * 20}/a-{'a' * 20}"
        bucket = self.world.parts.settings.uploads_bucket
        self.world.plain_s3.put_object(Bucket=bucket, Key=kept_for_nothing, Body=b"for nothing")
        with self.world.later(days=3):
            assert app.handler_map["tidy_kept_files"](A_TICK, None) == {"removed": 1}
        self.world.passed += timedelta(days=30)
        app.handler_map["sweep"](A_TICK, None)
        self.world.cloud.settle()
        self.call("POST", f"submissions/{submission}/withdrawal", {}, as_=LIAISON)
        self.world.finish()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        as_: Person | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request by program; without a slash before it, `path` is below the API's."""
        whole = path if path.startswith("/") else f"/api/v1/{path}"
        answer = self.world.call(method, whole, body, as_=as_, headers=headers)
        assert answer.status < 300, (method, path, answer)
        self.walked.add((method, route_of(whole)[0]))
        return answer


def download(address: str) -> bytes:
    """What a signed address leads to, as a browser gets it: without any credentials of its own."""
    answer = requests.get(address, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.content
