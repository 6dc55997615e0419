"""Lives a request of each kind on the laptop's cloud, with everybody signed in, and counts what AWS would.

The company of these lives has three center editors, one head and one executive per department, and 120 employees in
another department; so five reviewers are mailed for each request that is approved at once.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

import requests

from app import app
from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core.aws import Aws
from chalicelib.core.clock import to_second_text, utc_now
from chalicelib.core.ids import new_secret
from chalicelib.core.logs import write_to
from chalicelib.core.settings import from_environment
from chalicelib.identity.store import put_session
from chalicelib.people.model import Department, Duty, Person, Role
from chalicelib.people.roster import Roster
from chalicelib.submission.model import STAGES
from infra.capacity.load import ADDRESS, PHASES, Request, keys_of, kind_of
from infra.capacity.meter import Count, Meter, size
from infra.local.clients import REGION
from infra.local.cloud import Cloud

WAIT_SCALE = 1000
RECIPIENTS = 120
EDITORS = 3
BODY = "## 停电检修\n\n" + "请各部门提前保存数据并关闭电源。" * 63
"""3 KB."""
FILES = (("text/plain", "说明.txt", "说明。\n".encode() * 50_000), ("text/csv", "表.csv", b"a,b\n" * 100_000))
"""What the life with attachments attaches: half a megabyte and 400 KB."""
SUBMITTED, REVIEWED, PUBLISHED = PHASES
WHEN_DUE = ("last_check", "deliver", "archive", "send_notices", "mail_events")
"""The functions whose work comes when the text is due, whenever the last opinion was given."""
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class BrokenLifeError(Exception):
    """A step of a life that is to be counted did not go well."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happens in a life. `returned`: the head of department asks for changes once."""

    channels: tuple[str, ...] = ("website",)
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


class _MeteredAws(Aws):
    def __init__(self, meter: Meter) -> None:
        super().__init__(region=REGION)
        self._meter = meter

    def make(self, service: str) -> Any:  # noqa: ANN401 — as its base
        client = super().make(service)
        self._meter.listen_to(client)
        return client


@contextmanager
def _metered_jobs(meter: Meter) -> Iterator[None]:
    """Let every job of the app be counted; a Cloud finds them in its handler map."""

    def around(name: str, handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def call(event: Any, context: Any) -> Any:  # noqa: ANN401 — as Lambda's
            with meter.within(name, event):
                return handler(event, context)

        return call

    before = dict(app.handler_map)
    app.handler_map.update({name: around(name, handler) for name, handler in before.items()})
    try:
        yield
    finally:
        app.handler_map.update(before)


class Company:
    """The company's people at their desk."""

    def __init__(self, cloud: Cloud, parts: Parts, meter: Meter) -> None:
        self._cloud = cloud
        self._parts = parts
        self._meter = meter
        self._tokens: dict[str, str] = {}
        self._read = 0
        parts.roster_keeper.apply(company(), utc_now())
        parts.website.rebuild(lambda _entry: "")  # as it is after the first life: with all its pages

    def sign_in(self) -> Count:
        """One person, by a mailed link."""
        self._meter.begin()
        self._call("POST", "sign-in", {"email": LIAISON.email})
        self._cloud.settle()
        handle = self._newest_link(LIAISON)
        self._call("POST", "sessions", {"handle": handle})
        return self._meter.count

    def live(self, story: Story) -> tuple[Count, str]:
        """A request from its form to the archive; its id, too."""
        for person in (LIAISON, *(person for each in REVIEWERS.values() for person in each)):
            self._token(person)
        self._meter.begin()
        self._meter.phase = SUBMITTED
        form = self._form(story)
        submission = str(self._call("POST", "submissions", form, LIAISON)["id"])
        self._cloud.settle()
        self._meter.phase = REVIEWED
        if story.returned:
            self._review("initial", "approve")
            self._review("department_head", "request_changes")
            self._call("POST", f"submissions/{submission}/revisions", form, LIAISON)
        for stage in STAGES:
            self._review(stage, "approve")
        self._cloud.settle(through_waits=True)
        state = self._parts.journal.head(submission).state
        if state != "archived":
            raise BrokenLifeError(f"the life ended as {state}")
        return self._meter.count, submission

    def request(self, submission: str) -> Request:
        """What the keys of that request follow from."""
        head = self._parts.journal.head(submission)
        return Request(
            submission=submission,
            department=head.department,
            department_code=CODES[head.department],
            category=head.category,
            classification=head.classification,
            year=utc_now().astimezone(self._parts.settings.center_zone).year,
            center=tuple(person.id for person in REVIEWERS["initial"]),
            own=(LIAISON.id, *(person.id for s in STAGES[1:] for person in REVIEWERS[s])),
            recipients=tuple(person.id for person in STAFF),
        )

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
            "audience": ["research"],
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
        self._meter.count.operations["PostObject"] += 1
        if not sent.ok:
            raise BrokenLifeError(f"upload: {sent.status_code} {sent.text}")
        self._cloud.settle()
        self._call("GET", f"attachments/{begun['id']}", None, LIAISON)
        return str(begun["id"])

    def _review(self, stage: str, decision: str) -> None:
        self._cloud.settle()
        reviewer = REVIEWERS[stage][0]
        handle = self._newest_link(reviewer)
        seen = self._call("POST", "review-links", {"handle": handle}, reviewer)
        items = [item["id"] for item in seen["checklist"]]
        opinion = {
            "handle": handle,
            "decision": decision,
            "comment": "内容属实，要点清楚。",
            "checklist": {item: decision == "approve" or item != items[0] for item in items},
            "content_digest": seen["content_digest"],
        }
        self._call("POST", "review-links/decision", opinion, reviewer)
        self._cloud.settle()

    def _newest_link(self, person: Person) -> str:
        mail = next(mail for mail in self._cloud.mails() if mail.to == person.email)
        return mail.links[0].partition("#")[2]

    def _call(self, method: str, path: str, body: object, person: Person | None = None) -> Any:  # noqa: ANN401 — JSON
        headers = {"authorization": f"Bearer {self._token(person)}"} if person else {}
        with self._meter.within("api_handler", {}):
            answer = self._cloud.http.open(
                f"/api/v1/{path}",
                method=method,
                json=body,
                headers=headers,
                environ_overrides={"REMOTE_ADDR": ADDRESS},
            )
        if not 200 <= answer.status_code < 300:  # noqa: PLR2004 — HTTP's successes
            raise BrokenLifeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return json.loads(answer.text)

    def _token(self, person: Person) -> str:
        """The token of a session, as signing in would have made it."""
        if person.id not in self._tokens:
            token = f"{person.id}.{new_secret()}"
            self._parts.table.put(put_session(token, person.id, utc_now() + timedelta(hours=1)))
            self._tokens[person.id] = token
        return self._tokens[person.id]


@contextmanager
def _written(stream: TextIO) -> Iterator[None]:
    """The log goes into this stream, in the lines that it would have on AWS."""
    loggers = [logging.getLogger(name) for name in (None, *logging.root.manager.loggerDict)]
    levels, handlers = [(each, each.level) for each in loggers], logging.root.handlers[:]
    write_to(stream)
    try:
        yield
    finally:
        logging.root.handlers[:] = handlers
        for logger, level in levels:
            logger.setLevel(level)


@contextmanager
def _at_work() -> Iterator[tuple[Company, Cloud, Meter, Parts]]:
    meter = Meter(dict.fromkeys(WHEN_DUE, PUBLISHED))
    with _metered_jobs(meter), _written(meter.log), Cloud(app=app, wait_scale=WAIT_SCALE) as cloud:
        parts = Parts(from_environment(cloud.environment), aws=_MeteredAws(meter))
        bootstrap.use(parts)
        try:
            yield Company(cloud, parts, meter), cloud, meter, parts
        finally:
            bootstrap.use(None)


def measure(name: str) -> dict[str, Any]:
    """Live one life of that kind, and answer what it consumes as JSON."""
    with _at_work() as (people, cloud, meter, parts):
        if name == "sign_in":
            return _report(people.sign_in(), meter, touches=[])
        before = {(item["pk"]["S"], item["sk"]["S"]) for item in meter.kept()}
        count, submission = people.live(STORIES[name])
        kinds = {key: kind for kind, keys in keys_of(people.request(submission)).items() for key in keys}
        ran = cloud.executions()
        kept = [item for item in meter.kept() if (item["pk"]["S"], item["sk"]["S"]) not in before]
        return _report(count, meter, touches=_by_kind(count, kinds)) | {
            "transitions": sum(each.entries for each in ran),
            "executions": len(ran),
            "longest_history": max(each.events for each in ran),
            "largest_input": max(each.largest_input for each in ran),
            "kept": {
                "table": sum(map(size, kept)),
                "packages": count.stored[parts.settings.archive_bucket],
                "pages": count.stored[parts.settings.site_bucket],
                "files": _attached() if STORIES[name].attached else 0,
                "entry": max(size(item) for item in kept if item["pk"]["S"].startswith("SITE#")),
            },
        }


def _attached() -> int:
    """Bytes of files that S3 has copied by itself to where they stay."""
    return sum(len(content) for _, _, content in FILES)


def _report(count: Count, meter: Meter, *, touches: list[dict[str, Any]]) -> dict[str, Any]:
    where = Counter[str]()
    for _, touch in count.touches:
        where[f"{touch.where} writes"] += touch.writes  # type: ignore[assignment]
        where[f"{touch.where} reads"] += touch.reads  # type: ignore[assignment]
    return {
        "invocations": dict(sorted(count.invocations.items())),
        "calls": dict(sorted(count.calls.items())),
        "messages": {name: number for name, number in sorted(count.messages.items()) if number},
        "operations": dict(sorted(count.operations.items())),
        "log_bytes": meter.logged(),
        "figures": sorted(meter.figures()),
        "units": {name: number for name, number in sorted(where.items()) if number},
        "touches": touches,
    }


def _by_kind(count: Count, kinds: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Units by phase and kind of key, and over how many keys they are spread."""
    found: dict[tuple[str, str, str], tuple[float, float, set[str]]] = {}
    for phase, touch in count.touches:
        kind = kind_of(touch.where, touch.key, kinds)
        writes, reads, keys = found.get((phase, touch.where, kind), (0.0, 0.0, set()))
        found[phase, touch.where, kind] = writes + touch.writes, reads + touch.reads, keys | {touch.key}
    return [
        {"phase": p, "where": w, "kind": k, "keys": len(keys), "writes": writes, "reads": reads}
        for (p, w, k), (writes, reads, keys) in sorted(found.items())
    ]
