"""A request's life on the laptop's cloud, everybody signed in: what `make bench` measures and `make capacity` counts.

The company of these lives has three center editors, one head and one executive per department, and 120 employees in
another department; so five reviewers are mailed for each request that is approved at once.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import requests

from app import app
from chalicelib.bootstrap import POLICIES, Parts
from chalicelib.core.aws import Aws
from chalicelib.core.clock import to_second_text, utc_now
from chalicelib.core.ids import new_secret
from chalicelib.identity.model import ProofKind, SessionProof
from chalicelib.identity.store import put_session
from chalicelib.people.model import Department, Duty, Person, Role
from chalicelib.people.roster import Roster
from chalicelib.submission.procedure import read_procedure
from infra.local.clients import REGION
from infra.local.cloud import Cloud

WAIT_SCALE = 1000
RECIPIENTS = 120
EDITORS = 3
BODY = "## 停电检修\n\n" + "请各部门提前保存数据并关闭电源。" * 63
"""3 KB."""
FILES = (("text/plain", "说明.txt", "说明。\n".encode() * 50_000), ("text/csv", "表.csv", b"a,b\n" * 100_000))
"""What the life with attachments attaches: half a megabyte and 400 KB."""
SUBMIT, OPEN, DECIDE = "submissions", "review-links", "review-links/decision"
"""The paths below the API's own of what people do in every life."""
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

Handler = Callable[[Any, Any], Any]
Call = Callable[[str, str, object, str | None], tuple[int, str]]
"""Hands a request to the API: its method, its path below the API's own, its JSON and the caller's token."""


class BrokenLifeError(Exception):
    """A step of a life that is to be measured did not go well."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happens in a life. `audience`: departments; `returned`: the head of department asks for changes once."""

    channels: tuple[str, ...] = ("website",)
    audience: tuple[str, ...] | Literal["all"] = ("research",)
    attached: bool = False
    returned: bool = False


STORIES: Mapping[str, Story] = {
    "website": Story(),
    "announced": Story(channels=("website", "email")),
    "attached": Story(attached=True),
    "returned": Story(returned=True),
}


def _person(name: str, role: Role, department: str) -> Person:
    duty = Duty(role=role, department=department, since=_LONG_AGO)
    return Person(id=f"p-{name}", name=name, email=f"{name}@example.com", duties=(duty,))


LIAISON = _person("liaison", Role.LIAISON, "marketing")
STAGES = read_procedure(POLICIES).ids
REVIEWERS = {
    "initial": tuple(_person(f"editor-{n}", Role.CENTER_EDITOR, "center") for n in range(EDITORS)),
    "department_head": (_person("head", Role.DEPARTMENT_HEAD, "marketing"),),
    "executive": (_person("executive", Role.SUPERVISING_EXECUTIVE, "marketing"),),
}
STAFF = tuple(_person(f"staff-{n:03d}", Role.EMPLOYEE, "research") for n in range(RECIPIENTS))
CODES = {"center": "XXZ", "marketing": "SCB", "research": "YFZ"}


def company() -> Roster:
    """Everybody."""
    persons = (LIAISON, *(person for each in REVIEWERS.values() for person in each), *STAFF)
    departments = tuple(
        Department(
            id=name,
            name=name,
            code=code,
            duty_holders=tuple(sorted(p.id for p in persons if p.duties[0].department == name)),
        )
        for name, code in CODES.items()
    )
    return Roster(departments=departments, persons=persons)


class HeardAws(Aws):
    """AWS of the laptop's cloud, each of whose clients is shown to `listen` before its first call."""

    def __init__(self, listen: Callable[[Any], None]) -> None:
        super().__init__(region=REGION)
        self._listen = listen

    def make(self, service: str) -> Any:  # noqa: ANN401 — as its base
        """The client."""
        client = super().make(service)
        self._listen(client)
        return client


@contextmanager
def jobs(around: Callable[[str, Handler], Handler]) -> Iterator[None]:
    """Put something around every job of the app, by its name; a Cloud finds them in its handler map."""
    before = dict(app.handler_map)
    app.handler_map.update({name: around(name, handler) for name, handler in before.items()})
    try:
        yield
    finally:
        app.handler_map.update(before)


class Company:
    """The company's people at their desk."""

    def __init__(self, cloud: Cloud, parts: Parts, call: Call) -> None:
        self._cloud = cloud
        self._parts = parts
        self._hand = call
        self._tokens: dict[str, str] = {}
        parts.roster_keeper.apply(company(), utc_now())
        parts.website.rebuild(lambda _entry: "")  # as it is after the first life: with all its pages

    def sign_in(self) -> None:
        """One person, by a mailed link."""
        self._call("POST", "sign-in", {"email": LIAISON.email})
        self._cloud.settle()
        self._call("POST", "sessions", {"handle": self._newest_link(LIAISON)})

    def arrive(self) -> None:
        """Be signed in, everybody who takes part."""
        for person in (LIAISON, *(person for each in REVIEWERS.values() for person in each)):
            self._token(person)

    def submit(self, story: Story) -> str:
        """Attach what is to be attached and hand in; answers the request's id."""
        submission = str(self._call("POST", SUBMIT, self._form(story), LIAISON)["id"])
        self._cloud.settle()
        return submission

    def finish(self, submission: str, story: Story) -> None:
        """Review the request, and let it go on into the archive. Raises BrokenLifeError when it ends elsewhere."""
        if story.returned:
            self._review("initial", "approve")
            self._review("department_head", "request_changes")
            self._call("POST", f"{SUBMIT}/{submission}/revisions", self._form(story), LIAISON)
        for stage in STAGES:
            self._review(stage, "approve")
        self._cloud.settle(through_waits=True)
        state = self._parts.journal.head(submission).state
        if state != "archived":
            raise BrokenLifeError(f"the life ended as {state}")

    def _form(self, story: Story) -> dict[str, Any]:
        return {
            "title": "关于五一期间办公区停电检修的通知",
            "summary": "五月一日八时至十八时，A 座停电检修，请提前保存数据。",
            "body": BODY,
            "category": "notice",
            "department": "marketing",
            "drafter": LIAISON.id,
            "channels": list(story.channels),
            "publish_at": to_second_text(utc_now().replace(microsecond=0)).replace("Z", "+00:00"),
            "time_zone": "Etc/UTC",
            "audience": story.audience if story.audience == "all" else list(story.audience),
            "classification": "internal",
            "importance": "routine",
            "keywords": ["停电"],
            "attachments": [self._attach(*file) for file in FILES] if story.attached else [],
            "declaration": {"accepted": True, "version": "2026-1"},
        }

    def _attach(self, media_type: str, name: str, content: bytes) -> str:
        described = {
            "department": "marketing",
            "name": name,
            "media_type": media_type,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        begun = self._call("POST", "attachments", described, LIAISON)
        upload = begun["upload"]
        sent = requests.post(upload["url"], data=upload["fields"], files={"file": content}, timeout=30)
        if not sent.ok:
            raise BrokenLifeError(f"upload: {sent.status_code} {sent.text}")
        self._cloud.settle()
        self._call("GET", f"attachments/{begun['id']}", None, LIAISON)
        return str(begun["id"])

    def _review(self, stage: str, decision: str) -> None:
        self._cloud.settle(through_waits=True)
        reviewer = REVIEWERS[stage][0]
        handle = self._newest_link(reviewer)
        seen = self._call("POST", OPEN, {"handle": handle}, reviewer)
        items = [item["id"] for item in seen["checklist"]]
        opinion = {
            "handle": handle,
            "decision": decision,
            "comment": "内容属实，要点清楚。",
            "checklist": {item: decision == "approve" or item != items[0] for item in items},
            "content_digest": seen["content_digest"],
        }
        self._call("POST", DECIDE, opinion, reviewer)
        self._cloud.settle()

    def _newest_link(self, person: Person) -> str:
        mail = next(mail for mail in self._cloud.mails() if mail.to == person.email)
        return mail.links[0].partition("#")[2]

    def _call(self, method: str, path: str, body: object, person: Person | None = None) -> Any:  # noqa: ANN401 — JSON
        status, text = self._hand(method, path, body, self._token(person) if person else None)
        if not 200 <= status < 300:  # noqa: PLR2004 — HTTP's successes
            raise BrokenLifeError(f"{method} {path}: {status} {text}")
        return json.loads(text)

    def _token(self, person: Person) -> str:
        """The token of a session, as signing in with the company's account would have made it."""
        if person.id not in self._tokens:
            token = f"{person.id}.{new_secret()}"
            proof = SessionProof(kind=ProofKind.OIDC, id=f"account-of-{person.id}", at=utc_now())
            self._parts.table.put(put_session(token, person.id, utc_now() + timedelta(hours=1), proof))
            self._tokens[person.id] = token
        return self._tokens[person.id]
