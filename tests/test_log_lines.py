"""The log through whole lives: every line of a submission bears its correlation, and none bears a secret."""

import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from werkzeug.test import Client

from app import app
from chalicelib.core.errors import MailRefused
from chalicelib.core.events import job
from chalicelib.core.ids import fingerprint
from chalicelib.core.mail import CountedMailer, Mail, Stamp
from chalicelib.core.smtp import Security, SmtpMailer, SmtpServer
from chalicelib.people.roster import Roster
from chalicelib.review.store import waiting_key
from infra.local.front import Front
from infra.package import ROOT
from tests.attachment.files import CSV, begin, post_form
from tests.browsing import Browser
from tests.faults import CrashError, FaultyAws
from tests.lines import Written, written
from tests.senders import System
from tests.world import (
    ADDRESS,
    ARCHIVIST,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    MISSED,
    OTHER_LIAISON,
    PEOPLE,
    Answer,
    World,
    a_form,
    a_world,
)

STAMP = Stamp(id="m-1", at=datetime(2026, 5, 1, tzinfo=UTC))
TITLE, BODY, COMMENT = "并购谈判进展通报", "目标公司为澄江港务。", "价格一节请再核对。"
PASSWORD = "smtp-password-4711"
MOST_SWEEPS = 20
TOKEN_IN_MAIL = re.compile(r"https://desk\.test/(?:u/|[rs]#)([A-Za-z0-9_-]{43})")
SUBMISSIONS = "/api/v1/submissions"


class LoudAws(FaultyAws):
    """Once it is loud, every kind of call fails the first time, with an error that says all that it was about."""

    def __init__(self) -> None:
        super().__init__()
        self.loud = False
        self.failed = set[str]()

    def make(self, service: str) -> Any:  # noqa: ANN401 — as its base
        client = super().make(service)
        client.meta.events.register("before-call", self._fail)
        return client

    def _fail(self, model: Any, params: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 — botocore's own
        with self._guard:
            label = self.calls[-1]
            first = self.loud and label not in self.failed
            self.failed |= {label} if first else set()
        if first:
            raise CrashError(f"{model.name}: {params}")


@dataclass
class Secrets:
    """What must stand in no line, by what it is."""

    known: dict[str, set[str]] = field(default_factory=dict)

    def add(self, what: str, *secrets: str) -> None:
        self.known.setdefault(what, set()).update(secrets)

    def found_in(self, texts: list[str]) -> list[str]:
        """Which of them stand in any of the texts, as they are or as JSON writes them."""
        everything = "\n".join(texts)
        return [
            f"{what}: {each}"
            for what, several in self.known.items()
            for each in several
            if each in everything or json.dumps(each)[1:-1] in everything
        ]


def persist(request: Callable[[], Answer], wanted: int) -> Answer:
    """Ask again, as a person does who sees an error page."""
    for _ in range(30):
        answer = request()
        if answer.status == wanted:
            return answer
        assert answer.status >= 500, answer
    raise AssertionError(answer)


class Life:
    """The lives of some submissions, lived by people who try again, with sweeps when something stands still."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.secrets = Secrets()
        self.secrets.add("an address", ADDRESS, *(person.email for person in PEOPLE))
        self.secrets.add("a confidential text", TITLE, BODY, COMMENT)

    def until(self, come: Callable[[], bool]) -> None:
        """Let the cloud work, and the sweeper mend, until it has come so far."""
        self.world.cloud.settle(through_waits=True)
        for _ in range(MOST_SWEEPS):
            if come():
                return
            self.world.passed += self.world.parts.grace * 300
            self.world.cloud.pumps.fire("sweep")
            self.world.cloud.settle(through_waits=True)
        raise AssertionError("never")

    def sign_in(self) -> None:
        world = self.world
        persist(lambda: world.call("POST", "/api/v1/sign-in", {"email": LIAISON.email}), 202)
        self.until(lambda: bool(world.links(LIAISON, "s")))
        body = {"handle": world.links(LIAISON, "s")[0], "bearer": True}
        session = persist(lambda: world.call("POST", "/api/v1/sessions", body), 201)
        self.secrets.add("a bearer's token", session.body["token"])

    def look_at_pages(self, *pages: str) -> None:
        browser = Browser(self.world, LIAISON)
        for page in pages:
            while browser.get(page).status >= 500:
                continue
        mark = fingerprint(f"form {self.world.token(LIAISON)}")
        assert mark in browser.get("/me").html
        self.secrets.add("a form's mark", mark)

    def attach(self) -> str:
        world = self.world
        asked = persist(lambda: begin(world, CSV), 201)
        upload = asked.body["upload"]
        self.secrets.add(
            "an upload's signature", upload["fields"]["x-amz-signature"], upload["fields"]["policy"]
        )
        assert post_form(upload, CSV).status_code == 204
        path = f"/api/v1/attachments/{asked.body['id']}"
        persist(lambda: world.call("POST", f"{path}/check", as_=LIAISON), 202)
        self.until(lambda: world.call("GET", path, as_=LIAISON).body.get("state") == "ready")
        return str(asked.body["id"])

    def hand_in(self, **changes: Any) -> str:  # noqa: ANN401 — as in a_form
        form, headers = (
            a_form(self.world.now(), **changes),
            {"idempotency-key": str(changes["title"].encode().hex())},
        )
        answer = persist(
            lambda: self.world.call("POST", SUBMISSIONS, form, as_=LIAISON, headers=headers), 201
        )
        return str(answer.body["id"])

    def review(self, submission: str, stage: str, decision: str = "approve") -> None:
        world = self.world
        reviewer = {"initial": EDITOR, "department_head": HEAD, "executive": EXECUTIVE}[stage]
        seen = len(world.links(reviewer))
        self.until(
            lambda: world.stage_open(submission) == stage and len(world.links(reviewer)) >= max(seen, 1)
        )
        waiting = world.plain_table.get(waiting_key(submission))
        assert waiting is not None
        self.secrets.add("a task token", waiting.token)
        handle = self.newest_link(reviewer.email, submission)
        refused = world.call("POST", "/api/v1/review-links", {"handle": handle}, as_=OTHER_LIAISON)
        assert refused.status >= 404
        shown = persist(lambda: world.open_link(handle, reviewer), 200)
        items = [item["id"] for item in shown.body["checklist"]]
        opinion = {
            "handle": handle,
            "decision": decision,
            "comment": COMMENT,
            "checklist": {item: decision == "approve" or item != items[0] for item in items},
            "content_digest": shown.body["content_digest"],
        }
        persist(lambda: world.call("POST", "/api/v1/review-links/decision", opinion, as_=reviewer), 200)

    def newest_link(self, email: str, submission: str) -> str:
        """The newest review link that leads to the submission: several may be under way."""
        table = self.world.plain_table
        for mail in self.world.cloud.mails():
            for handle in re.findall(r"/r#([\w-]{43})", mail.text) if mail.to == email else ():
                raw = self.world.items()["LINK#" + fingerprint(handle), "LINK"]
                if raw["submission"]["S"] == submission and table is not None:
                    return str(handle)
        raise AssertionError(f"no link of {email} to {submission}")

    def download(self, path: str, as_: Any) -> None:  # noqa: ANN401 — a person
        answer = persist(lambda: self.world.call("GET", path, as_=as_), 200)
        (signature,) = parse_qs(urlsplit(answer.body["url"]).query)["X-Amz-Signature"]
        self.secrets.add("a download's signature", signature)

    def remember_mails(self) -> None:
        """Every handle and token that any mail carries, and every session."""
        mailed = {found for mail in self.world.cloud.mails() for found in TOKEN_IN_MAIL.findall(mail.text)}
        assert mailed
        self.secrets.add("a mailed secret", *mailed)
        self.secrets.add("a session", *map(self.world.token, PEOPLE))


def live_everything(life: Life) -> None:
    """Sign in, attach, hand in, return, revise, approve, deliver, archive, remind, withdraw, send by queue, look up."""
    world = life.world
    life.sign_in()
    life.look_at_pages("/", "/submissions/new", "/archive", "/refused-requests", "/me")
    system = System(world=world)
    system.send(title=TITLE)
    system.send(title="", body=None)
    secret = {"title": TITLE, "body": BODY, "classification": "confidential", "audience": ["marketing"]}
    file = life.attach()
    submission = life.hand_in(**secret, channels=["email"], attachments=[file])
    life.review(submission, "initial")
    life.review(submission, "department_head", "request_changes")
    form = a_form(world.now(), **secret, channels=["email"], attachments=[file], summary="修订。")
    path = f"{SUBMISSIONS}/{submission}"
    persist(lambda: world.call("POST", f"{path}/revisions", form, as_=LIAISON), 201)
    for stage in ("initial", "department_head", "executive"):
        life.review(submission, stage)
    life.until(lambda: world.state(submission) == "archived")
    number = quote(world.plain_journal.head(submission).catalog_number or "")
    life.download(f"/api/v1/archive/{number}/package", ARCHIVIST)
    life.download(f"{path}/attachments/{file}", LIAISON)
    published = life.hand_in(title="公开", classification="public", channels=["website"])
    for stage in ("initial", "department_head", "executive"):
        life.review(published, stage)
    life.until(lambda: world.state(published) == "archived")
    overdue = life.hand_in(title="逾期")
    life.until(lambda: world.stage_open(overdue) == "initial")
    work = {"submission": overdue, "revision": 1, "attempt": 1, "stage": "initial"}
    for step in range(MISSED):
        said = json.dumps(work | {"reminded": step}).encode()
        for _ in range(10):
            world.cloud.pumps._functions.invoke("imprimatur-remind_reviewers", said)
    persist(lambda: world.call("POST", f"{SUBMISSIONS}/{overdue}/withdrawal", {}, as_=LIAISON), 200)
    life.until(lambda: world.state(overdue) == "withdrawn")
    nothings = f"kept/s-{'a' * 20}/a-{'a' * 20}"
    world.plain_s3.put_object(Bucket=world.parts.settings.uploads_bucket, Key=nothings, Body=b"for nothing")
    world.passed += timedelta(days=3)
    for _ in range(10):
        world.cloud.pumps.fire("tidy_kept_files")
    life.remember_mails()
    for secret_path in (f"/u/{next(iter(life.secrets.known['a mailed secret']))}", "/nowhere?token=x"):
        world.cloud.http.get(secret_path)


def functions() -> set[str]:
    """Every function that is deployed."""
    config = json.loads((ROOT / "infra" / "chalice" / "config.json").read_bytes())
    return set(config["lambda_functions"])


def test_no_line_of_any_function_holds_a_secret_whatever_fails(capfd: pytest.CaptureFixture[str]) -> None:
    """Clause 1.3.4: every kind of call fails once, and its error says all that it knew."""
    aws = LoudAws()
    with a_world(aws=aws, departments=("marketing",)) as world:
        aws.begin()
        aws.loud = True
        life = Life(world)
        with written() as heard:
            live_everything(life)
    printed = capfd.readouterr()
    assert len(aws.failed) > 60, "so many kinds of calls failed"
    assert {line["function"] for line in heard.lines() if "function" in line} == functions()
    assert {line["function"] for line in heard.lines(level="ERROR")} == functions()
    assert all(len(several) >= 1 for several in life.secrets.known.values())
    assert life.secrets.found_in([*heard.text, printed.out, printed.err]) == []


def of_the_submission(heard: Written, submission: str) -> list[Mapping[str, Any]]:
    return [line for line in heard.lines() if submission in json.dumps(line)]


def test_every_line_of_a_submission_bears_the_correlation_of_its_events() -> None:
    """Clause 5.2.2: from the request through stream, machines and queues to the archive."""
    with a_world() as world, written() as heard:
        submission = world.submit(channels=["website", "email"])
        world.approve("initial", "department_head")
        world.cloud.settle()
        world.cloud.pumps.fire("sweep")
        world.approve("executive")
        world.finish()
        events = world.events(submission)
    assert events[-1].type == "Archived"
    lines = of_the_submission(heard, submission)
    assert {line["submission"] for line in lines} == {submission}
    assert {line["function"] for line in lines} == {
        "api_handler",
        "review_events",
        "open_stage",
        "publication_events",
        "last_check",
        "deliver",
        "archive",
        "send_notices",
        "mail_events",
    }
    own = events[0].correlation_id
    looked = {line["correlation_id"] for line in lines if line.get("route") == "/api/v1/review-links"}
    assert {line["correlation_id"] for line in lines} - looked == {event.correlation_id for event in events}
    for line in lines:
        if line["function"] in {"open_stage", "last_check", "deliver", "archive", "mail_events"}:
            assert line["correlation_id"] == own, line
    by_event = {event.id: event.correlation_id for event in events}
    streamed = [line for line in lines if "event_id" in line]
    assert len(streamed) >= 5
    assert all(line["correlation_id"] == by_event[line["event_id"]] for line in streamed)


def test_a_sweep_names_whose_submission_it_begins_again() -> None:
    with a_world() as world:
        submission = world.submit()
        world.kill(submission)
        with written() as heard, world.later(days=30):
            world.cloud.pumps.fire("sweep")
        (restarted,) = heard.figures("Restarted")
        own = world.events(submission)[0].correlation_id
    assert (restarted["function"], restarted["submission"], restarted["correlation_id"]) == (
        "sweep",
        submission,
        own,
    )


def test_no_line_holds_the_password_of_a_mail_server_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    server = SmtpServer(
        host="127.0.0.1", port=port, security=Security.NONE, username="desk", password=PASSWORD
    )
    mailer = CountedMailer(SmtpMailer(server=server, sender="desk@example.com"))

    @job
    def send_notices(_event: dict[str, Any], _context: object) -> None:
        mailer.send(Mail(to=LIAISON.email, subject=TITLE, text=BODY, html=BODY, stamp=STAMP))

    secrets = Secrets()
    secrets.add("mail", PASSWORD, LIAISON.email, TITLE, BODY)
    with written() as heard, pytest.raises(MailRefused):
        send_notices({}, None)
    assert [line["level"] for line in heard.lines()] == ["INFO", "WARNING"]
    assert secrets.found_in(heard.text) == []


def test_the_laptops_front_door_tells_where_it_failed_and_not_for_which_address() -> None:
    secret = "handle-4711-of-somebody"

    def broken() -> list[Any]:
        raise OSError(f"no mailbox for {secret}")

    client = Client(Front(app=app, mails=broken, people=Roster, site=lambda _key: None))
    with written() as heard:
        answer = client.get(f"/_local/mail?to={secret}")
    assert answer.status_code == 500
    (line,) = heard.lines(level="ERROR")
    assert line["error"] == "OSError"
    assert secret not in "".join(heard.text) + answer.text
