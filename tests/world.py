"""The whole product in this process, as people meet it: over HTTP, by mail, and through the cloud's own pumps."""

import itertools
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from app import app
from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core.aws import Aws
from chalicelib.core.clock import to_second_text
from chalicelib.core.errors import Stale
from chalicelib.core.ids import new_secret
from chalicelib.core.settings import from_environment
from chalicelib.core.table import Key, Record, Table
from chalicelib.identity.model import ProofKind, SessionProof
from chalicelib.identity.store import SessionRecord, put_session
from chalicelib.ledger.model import Cause, Draft, Event
from chalicelib.ledger.store import events_of
from chalicelib.people.model import Department, Duty, Person, Role
from chalicelib.people.roster import Roster
from chalicelib.publication.channels.email.mailing import MailRules
from chalicelib.publication.freeze import WHOLE, Freeze
from chalicelib.publication.service.freezing import Brake
from chalicelib.review.model import ReviewTask
from chalicelib.review.store import task_key, tasks_of
from chalicelib.submission.hours import ChannelHours
from chalicelib.submission.procedure import Procedure, procedure_from_document, read_procedure
from chalicelib.submission.service import Journal
from infra.local.clients import REGION
from infra.local.cloud import Cloud
from infra.simulation.table import MemoryTable
from tests.api_description import ensure_described
from tests.infra.lambda_events import A_TICK
from tests.roles import OwnRoleAws, ask

ADDRESS = "192.0.2.1"
"""The network address that requests come from unless a test says another."""
PROVED_FOR = timedelta(minutes=5)
"""How long a session's proof is used before it is made anew: well within `policies/proofs.json`."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OWN_ROLES = OwnRoleAws()
PLAIN = Aws(region=REGION)
"""The test's own hands, which no role holds."""
_NUMBERS = itertools.count(1)
LINK = re.compile(r"https://desk\.test/([rs])#(\S+)")
SHIPPED = read_procedure(bootstrap.POLICIES)
PROCEDURE = procedure_from_document({**SHIPPED.document, "recall_minutes": 0})
"""The shipped procedure, but that stages follow each other at once: most tests take no decision back."""
STAGES = PROCEDURE.ids
LONG_RECALL = procedure_from_document({**SHIPPED.document, "recall_minutes": 600})
"""Decisions can be taken back for 36 seconds of a thousandth's world: longer than any test."""
RECALL_OVER = replace(LONG_RECALL, recall=timedelta(0))
"""The same version, once that time is over: what is decided is followed at once."""

MISSED = 3
"""Steps about a stage that nobody decides: two reminders, and that its deadline was missed."""


def a_person(name: str, *duties: tuple[Role, str], language: str = "zh-Hans") -> Person:
    """A person whose id is `p-<name>` and whose duties have no end."""
    return Person(
        id=f"p-{name}",
        name=name.title(),
        email=f"{name}@example.com",
        language=language,
        duties=tuple(Duty(role=role, department=department, since=LONG_AGO) for role, department in duties),
    )


LIAISON = a_person("liaison", (Role.LIAISON, "marketing"))
OTHER_LIAISON = a_person("other-liaison", (Role.LIAISON, "research"))
EDITOR = a_person("editor", (Role.CENTER_EDITOR, "center"))
HEAD = a_person("head", (Role.DEPARTMENT_HEAD, "marketing"))
EXECUTIVE = a_person("executive", (Role.SUPERVISING_EXECUTIVE, "marketing"))
ARCHIVIST = a_person("archivist", (Role.ARCHIVIST, "center"))
DIRECTOR = a_person("director", (Role.CENTER_DIRECTOR, "center"))
"""Not among the ordinary people: only who needs one has a director."""
SECOND_EDITOR = a_person("second-editor", (Role.CENTER_EDITOR, "center"))
"""Nor is there always a second editor, who makes the initial review of what the first has amended."""
PEOPLE = (LIAISON, OTHER_LIAISON, EDITOR, HEAD, EXECUTIVE, ARCHIVIST)
REVIEWERS = dict(zip(STAGES, (EDITOR, HEAD, EXECUTIVE), strict=True))


def a_procedure(**changes: Mapping[str, Any]) -> Procedure:
    """The shipped procedure with some members of some stages changed, by the stages' ids."""
    stages = [stage | changes.get(stage["id"], {}) for stage in PROCEDURE.document["stages"]]
    return procedure_from_document({**PROCEDURE.document, "stages": stages})


def a_roster(*persons: Person) -> Roster:
    """A roster of these persons in three departments."""
    departments = {"center": "XXZ", "marketing": "SCB", "research": "YFZ"}
    return Roster(
        departments=tuple(
            Department(
                id=department,
                name=department.title(),
                code=code,
                duty_holders=tuple(
                    sorted(p.id for p in persons if any(d.department == department for d in p.duties))
                ),
            )
            for department, code in departments.items()
        ),
        persons=persons,
    )


def a_form(now: datetime, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 — a form's fields have many shapes
    """A valid publication request of the liaison, due now."""
    form = {
        "title": "关于五一期间办公区停电检修的通知",
        "summary": "五月一日八时至十八时，A 座停电检修，请提前保存数据。",
        "body": "## 时间\n\n五月一日 8:00—18:00。\n\n## 注意事项\n\n1. 提前保存数据；\n2. 关闭电脑。",
        "category": "notice",
        "department": "marketing",
        "drafter": LIAISON.id,
        "channels": ["website"],
        "publish_at": to_second_text(now.replace(microsecond=0)).replace("Z", "+00:00"),
        "time_zone": "Etc/UTC",
        "audience": "all",
        "classification": "internal",
        "importance": "routine",
        "keywords": ["停电"],
        "attachments": [],
        "declaration": {"accepted": True, "version": "2026-1"},
    }
    return form | changes


def an_amendment(record: Mapping[str, Any], **changes: object) -> dict[str, Any]:
    """What an editor sends to change only this of a submission that was read."""
    form = {n: v for n, v in record["form"].items() if n not in {"department", "drafter", "declaration"}}
    return {**form, "reason": "统一写法。", "content_digest": record["content_digest"], **changes}


A_CONFIRMATION = {"decision": "confirm", "declaration": {"accepted": True, "version": "2026-1"}}
"""What a drafter sends, beside the digest of the amended text, to confirm it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]


class Gate:
    """Holds transactions with an event of one type back until so many are about to be committed: a race for certain.

    Or those with one partition key. A `FaultyAws.watch`. Every later call goes through at once.
    """

    def __init__(self, event_type: str, number: int) -> None:
        self._about = json.dumps({"S": event_type}).encode()
        self._barrier = threading.Barrier(number)
        self._open = threading.Event()

    def __call__(self, operation: str, params: Mapping[str, Any]) -> None:
        if operation == "TransactWriteItems" and self._about in params["body"] and not self._open.is_set():
            self._barrier.wait(timeout=20)
            self._open.set()


class World:
    """A running product. `now` is the product's clock: real time plus what a test has let pass.

    `memory` is its table, where that is not the emulated DynamoDB's.
    """

    def __init__(self, cloud: Cloud, parts: Parts, memory: MemoryTable | None) -> None:
        self.cloud = cloud
        self.parts = parts
        self.passed = timedelta(0)
        self.memory = memory
        self.plain_table = memory or Table(client=PLAIN.dynamodb, name=cloud.environment["TABLE_NAME"])
        """The table by a client that no test makes fail."""
        self.plain_journal = Journal(table=self.plain_table, now=self.now)
        self.plain_brake = Brake(table=self.plain_table, now=self.now)
        self.plain_s3 = PLAIN.s3()
        self._tokens: dict[str, str] = {}
        self._proved: dict[str, datetime] = {}

    def now(self) -> datetime:
        return datetime.now(UTC) + self.passed

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        as_: Person | None = None,
        raw: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        address: str = ADDRESS,
    ) -> Answer:
        """One request, as API Gateway hands it to the function. Header names are in lower case."""
        named = dict(headers or {})
        if as_ is not None:
            named["authorization"] = f"Bearer {self.token(as_)}"
        text = raw if raw is not None else json.dumps(body)
        return call_app(method, path, text, named, query, address=address)

    def token(self, person: Person) -> str:
        """The token of a session of that person, as signing in with the company's account would have made it."""
        if person.id not in self._tokens:
            self._tokens[person.id] = f"{person.id}.{new_secret()}"
            self._prove(person)
        elif abs(self.now() - self._proved[person.id]) > PROVED_FOR:
            self._prove(person)
        return self._tokens[person.id]

    def _prove(self, person: Person) -> None:
        """Let a session begin with the company's account, or anew with it: whoever decides has just done so."""
        now, token = self.now(), self._tokens[person.id]
        proof = SessionProof(kind=ProofKind.OIDC, id=f"account-of-{person.id}", at=now)
        fresh = put_session(token, person.id, now + timedelta(days=300), proof)
        known = self._proved.get(person.id) is not None
        with suppress(Stale):  # signed out since
            self.plain_table.put(replace(fresh, condition=SessionRecord.pk.exists()) if known else fresh)
        self._proved[person.id] = now

    def links(self, person: Person, kind: str = "r") -> list[str]:
        """The handles in a person's mails, newest first: `r` to review, `s` to sign in."""
        return [
            match[2]
            for mail in self.cloud.mails()
            if mail.to == person.email
            for match in [LINK.search(mail.text)]
            if match and match[1] == kind
        ]

    def submit(self, *, key: str | None = None, as_: Person = LIAISON, **changes: Any) -> str:  # noqa: ANN401 — as in a_form
        """Submit a form as its drafter and answer the submission's id."""
        headers = {} if key is None else {"idempotency-key": key}
        form = a_form(self.now(), drafter=as_.id, **changes)
        answer = self.call("POST", "/api/v1/submissions", form, as_=as_, headers=headers)
        assert answer.status == 201, answer
        return str(answer.body["id"])

    def resubmit(self, submission: str, *, as_: Person = LIAISON, **changes: Any) -> Answer:  # noqa: ANN401 — as in a_form
        """Hand in a new revision."""
        form = a_form(self.now(), drafter=as_.id, **changes)
        return self.call("POST", f"/api/v1/submissions/{submission}/revisions", form, as_=as_)

    def withdraw(self, submission: str, reason: str = "内容有误。") -> Answer:
        """Take a submission back as the liaison."""
        path = f"/api/v1/submissions/{submission}/withdrawal"
        return self.call("POST", path, {"reason": reason}, as_=LIAISON)

    def open_link(self, handle: str, as_: Person | None) -> Answer:
        """Open a review link."""
        return self.call("POST", "/api/v1/review-links", {"handle": handle}, as_=as_)

    def opinion(self, reviewer: Person, decision: str = "approve", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
        """Open the newest link of a reviewer and fill in a complete opinion."""
        handle = self.links(reviewer)[0]
        seen = self.call("POST", "/api/v1/review-links", {"handle": handle}, as_=reviewer)
        assert seen.status == 200, seen
        items = [item["id"] for item in seen.body["checklist"]]
        opinion = {
            "handle": handle,
            "decision": decision,
            "comment": "同意。" if decision == "approve" else "请补充联系电话。",
            "checklist": {item: decision == "approve" or item != items[0] for item in items},
            "content_digest": seen.body["content_digest"],
        }
        return opinion | changes

    def decide(self, reviewer: Person, decision: str = "approve", **changes: Any) -> Answer:  # noqa: ANN401
        """Decide by the newest link."""
        opinion = self.opinion(reviewer, decision, **changes)
        return self.call("POST", "/api/v1/review-links/decision", opinion, as_=reviewer)

    def approve(self, *stages: str) -> None:
        """Let the stages' reviewers approve, one after another; all of them when none is named."""
        for stage in stages or STAGES:
            self.cloud.settle()
            answer = self.decide(REVIEWERS[stage])
            assert answer.status == 200, answer

    def finish(self) -> None:
        """Let everything come to its end, waits included."""
        self.cloud.settle(through_waits=True)

    def publish(self, **changes: Any) -> str:  # noqa: ANN401 — as in a_form
        """Submit, approve at every stage, and let everything come to its end."""
        submission = self.submit(**changes)
        self.approve()
        self.finish()
        return submission

    @contextmanager
    def later(self, **time: float) -> Iterator[None]:
        """Let time pass on the product's clock, as in `timedelta(**time)`, for the length of a block."""
        passed, self.passed = self.passed, self.passed + timedelta(**time)
        try:
            yield
        finally:
            self.passed = passed

    @contextmanager
    def under(self, procedure: Procedure) -> Iterator[None]:
        """The center says something else of reviews for the length of a block, as after a deployment."""
        said = vars(self.parts.procedures)
        before, said["present"] = self.parts.procedures.present, procedure
        try:
            yield
        finally:
            said["present"] = before

    @contextmanager
    def frozen(self, scope: str = WHOLE) -> Iterator[None]:
        """A scope is frozen for the length of a block, by a client that no test makes fail."""
        self.freeze(scope)
        try:
            yield
        finally:
            self.unfreeze(scope)

    def freeze(self, scope: str = WHOLE, until: datetime | None = None) -> None:
        """Freeze a scope as nobody in particular."""
        now = self.now()
        before, freezes = self.plain_brake.present()
        freeze = Freeze(
            scope=scope,
            reason="演练",
            by="p-nobody",
            actor="service:test",
            since=now,
            seq=freezes.seq + 1,
            until=until,
        )
        after = freezes.with_freeze(freeze)
        self.plain_brake.commit(before, after, [_frozen("PublishingFrozen", scope)], at=now)

    def unfreeze(self, scope: str = WHOLE) -> None:
        """Let a scope go, whatever has become of its freeze."""
        now = self.now()
        before, freezes = self.plain_brake.present()
        after = freezes.without(scope, now)
        self.plain_brake.commit(before, after, [_frozen("PublishingUnfrozen", scope)], at=now)

    def kill(self, submission: str) -> None:
        """Stop every execution of a submission as soon as it waits, as an operator might, or a failing region."""
        self.cloud.settle()
        states = PLAIN.stepfunctions()
        for machine in states.list_state_machines()["stateMachines"]:
            arn = machine["stateMachineArn"]
            running = states.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]
            for execution in running:
                if execution["name"].startswith(submission):
                    states.stop_execution(executionArn=execution["executionArn"])

    def items(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Everything in the table but the rate limits' counters, raw, by its key."""
        return {
            (item["pk"]["S"], item["sk"]["S"]): item
            for item in self.all_items()
            if not item["pk"]["S"].startswith("RATE#")
        }

    def all_items(self) -> list[dict[str, Any]]:
        """Everything in the table, raw."""
        if self.memory is not None:
            return self.memory.items()
        pages = PLAIN.dynamodb().get_paginator("scan").paginate(TableName=self.plain_table.name)
        return [item for page in pages for item in cast("list[dict[str, Any]]", page["Items"])]

    def put_back(self, items: Mapping[tuple[str, str], dict[str, Any]]) -> None:
        """Make the table hold what `items` answered earlier, whatever has become of it."""
        present = self.items()
        for pk, sk in present.keys() - items.keys():
            self.plain_table.delete(Key(Record, pk, sk))
        for key, item in items.items():
            if present.get(key) != item:
                self.put_raw(item)

    def put_raw(self, item: dict[str, Any]) -> None:
        """Put an item as it is, whatever is there and whether or not the product could read it."""
        if self.memory is not None:
            self.memory.put_raw(item)
        else:
            PLAIN.dynamodb().put_item(TableName=self.plain_table.name, Item=item)

    def events(self, submission: str, kind: str | None = None) -> list[Event]:
        """The submission's events in order: all, or those of one type."""
        happened = events_of(self.plain_table, submission)
        return [event for event in happened if kind in {None, event.type}]

    def state(self, submission: str) -> str:
        return str(self.plain_journal.head(submission).state)

    def stage_open(self, submission: str) -> str | None:
        """The stage that waits for a decision, with its task open and mailed."""
        head = self.plain_journal.head(submission)
        if head.stage is None:
            return None
        record = self.plain_table.get(task_key(submission, head.revision, head.stage))
        return head.stage if record is not None and record.mailed else None

    def tasks(self, submission: str) -> tuple[ReviewTask, ...]:
        """Every stage of every round, in order."""
        return tasks_of(self.plain_table, submission)

    def record(self, submission: str, as_: Person = LIAISON) -> dict[str, Any]:
        """The submission as the API shows it."""
        answer = self.call("GET", f"/api/v1/submissions/{submission}", as_=as_)
        assert answer.status == 200, answer
        return answer.body

    def let_lie(self, submission: str, *, steps: int = MISSED) -> None:
        """Let the review machine take so many steps about a stage that nobody decides."""
        for _ in range(steps):
            self.parts.rounds.remind(self.lying(submission))

    def lying(self, submission: str) -> dict[str, Any]:
        """What the review machine works on when it takes the next step about the present stage."""
        head = self.plain_journal.head(submission)
        tasks = tasks_of(self.plain_table, submission)
        (task,) = (each for each in tasks if (each.revision, each.stage) == (head.revision, head.stage))
        taken = task.reminded if task.reminded_in == head.attempt else 0
        return {
            "submission": submission,
            "revision": head.revision,
            "attempt": head.attempt,
            "stage": head.stage,
            "reminded": taken,
        }

    def sweep(self) -> None:
        """Let the sweeper's patience pass, sweep, and let everything come to rest."""
        self.passed += timedelta(hours=2)
        app.handler_map["sweep"](A_TICK, None)
        self.finish()


def _frozen(event_type: str, scope: str) -> Draft:
    cause = Cause(actor="service:test", correlation_id="c-test")
    return Draft(type=event_type, cause=cause, payload={"scope": scope})


OFTEN = MailRules(per_day=1000, per_week=1000, uncounted=frozenset())


@contextmanager
def a_world(
    *people: Person,
    wait_scale: float = 1000,
    aws: Aws | None = None,
    roster: Roster | None = None,
    departments: tuple[str, ...] = (),
    mail_rules: MailRules | None = None,
) -> Iterator[World]:
    """A fresh product with its roster applied, and with queues for the systems of these departments.

    Nobody gets too many announcements in it unless `mail_rules` says so.

    Its table is in memory, which answers as DynamoDB does and asks the functions' roles as well. With `aws`, all of it
    is AWS's: for tests of how that is called, of what goes wrong with it, and of two at a time.
    """
    memory = MemoryTable(ask=ask) if aws is None else None
    with Cloud(
        app=app,
        wait_scale=wait_scale,
        departments=departments,
        read_stream=memory.read_stream if memory else None,
    ) as cloud:
        settings = from_environment(cloud.environment)
        world = World(cloud, cast("Parts", None), memory)
        world.parts = Parts(settings, aws=aws or OWN_ROLES, now=world.now)
        if memory:
            world.parts.table = memory
        vars(world.parts.procedures)["present"] = PROCEDURE
        vars(world.parts)["mail_rules"] = mail_rules or OFTEN
        vars(world.parts)["channel_hours"] = (
            ChannelHours()
        )  # most tests publish at any hour, as often as they like
        bootstrap.use(world.parts)
        try:
            world.parts.roster_keeper.apply(roster or a_roster(*(people or PEOPLE)), world.now())
            yield world
        finally:
            bootstrap.use(None)


def call_app(
    method: str,
    path: str,
    body: str,
    headers: Mapping[str, str],
    query: Mapping[str, str] | None = None,
    *,
    address: str = ADDRESS,
) -> Answer:
    """Call the HTTP function with API Gateway's event; the answer must be one that `/openapi.json` describes."""
    resource, parameters = route_of(path)
    event = {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": {"content-type": "application/json", **headers},
        "multiValueHeaders": {},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} if query else None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "identity": {"sourceIp": address},
            "requestId": f"test-{next(_NUMBERS)}",
        },
        "body": body,
        "isBase64Encoded": False,
    }
    raw = app(event, None)
    many = {name: values[-1] for name, values in raw.get("multiValueHeaders", {}).items()}
    answer = Answer(
        status=raw["statusCode"], body=json.loads(raw["body"]), headers={**raw.get("headers", {}), **many}
    )
    ensure_described(method, resource, answer.status, answer.headers, answer.body)
    return answer


def route_of(path: str) -> tuple[str, dict[str, str]]:
    """The app's route for a path, and what it captures."""
    for route in app.routes:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route)
        match = re.fullmatch(pattern, path)
        if match:
            return route, match.groupdict()
    raise AssertionError(f"no route for {path}")
