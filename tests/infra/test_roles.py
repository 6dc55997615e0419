"""Each function's role allows just the calls that the function makes in the life of its submissions."""

import json
import re
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from app import app
from chalicelib.core.aws import Aws
from chalicelib.people.model import Role
from chalicelib.publication.channels.email.mailing import RecipientState
from chalicelib.publication.store import read_mailing
from infra.local.clients import REGION
from infra.package import ROOT
from tests.attachment.files import CSV, attach, begin
from tests.infra.lambda_events import A_TICK
from tests.senders import System
from tests.world import ARCHIVIST, DIRECTOR, EDITOR, LIAISON, PEOPLE, World, a_person, a_world

ROLES = {path.stem: path for path in (ROOT / "infra" / "roles").glob("*.json")}
BY_LAMBDA = {
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "dynamodb:DescribeStream records/stream",
    "dynamodb:GetRecords records/stream",
    "dynamodb:GetShardIterator records/stream",
    "dynamodb:ListStreams records/stream",
    "sqs:SendMessage stream-failures",
    "sqs:ReceiveMessage sign-in",
    "sqs:DeleteMessage sign-in",
    "sqs:GetQueueAttributes sign-in",
    "sqs:ReceiveMessage submissions-*",
    "sqs:DeleteMessage submissions-*",
    "sqs:GetQueueAttributes submissions-*",
    "sqs:ReceiveMessage uploads",
    "sqs:DeleteMessage uploads",
    "sqs:GetQueueAttributes uploads",
    "sqs:ReceiveMessage notices",
    "sqs:DeleteMessage notices",
    "sqs:GetQueueAttributes notices",
    "sqs:ReceiveMessage mail-events",
    "sqs:DeleteMessage mail-events",
    "sqs:GetQueueAttributes mail-events",
}
"""What Lambda itself does with a function's role."""
AFTER_A_LOST_ANSWER = {
    "archive": {"s3:GetObject archive"},
    "check_attachment": {"s3:ListBucket uploads"},  # or S3 says 403, not 404, for what was not uploaded
    "last_check": {"dynamodb:Query records"},
    "open_stage": {"states:SendTaskSuccess review"},
}
"""What is called only when a step is repeated that took effect before; a smooth life shows none of it."""

S3_ACTIONS = {
    "HeadObject": (
        "GetObject",
        "ListBucket",
    ),  # without ListBucket S3 says 403, not 404, for what is not there
    "CopyObject": ("GetObject", "PutObject", "ListBucket"),
    "CreateBucket": ("PutObject",),  # what botocore signs the form of an upload as
}
"""What S3's own names for calls do not tell of the actions that they need."""


class ListeningAws(Aws):
    """Clients whose calls are noted, as IAM names them, under the handler that made them."""

    def __init__(self) -> None:
        super().__init__(region=REGION)
        self._guard = Lock()
        self.actions: dict[str, set[str]] = defaultdict(set)

    def make(self, service: str) -> Any:  # noqa: ANN401 — as its base
        """A client that tells us what it is about to ask for, presigned addresses included."""
        client = super().make(service)
        client.meta.events.register("before-parameter-build", self._note)
        return client

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:  # noqa: ANN401 — botocore's own
        handler = _handler()
        if handler is not None:
            with self._guard:
                self.actions[handler] |= set(_actions(model.service_model.signing_name, model.name, params))


def _handler() -> str | None:
    """The app's handler under which the present call stands; None for the test's own calls."""
    for frame, _ in traceback.walk_stack(None):
        match Path(frame.f_code.co_filename).name, frame.f_code.co_name:
            case "api.py", _:
                return "api_handler"
            case "jobs.py", name if name in ROLES:
                return name
    return None


def _actions(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[str]:
    match operation:
        case "TransactWriteItems":
            for item in params["TransactItems"]:
                for kind, one in item.items():
                    yield f"dynamodb:{kind}Item {_short(one['TableName'])}"
        case "BatchGetItem":
            yield from (f"dynamodb:BatchGetItem {_short(table)}" for table in params["RequestItems"])
        case "Query" if "IndexName" in params:
            yield f"dynamodb:Query {_short(params['TableName'])}/index/{params['IndexName']}"
        case _ if operation in S3_ACTIONS:
            yield from (f"s3:{action} {_short(params['Bucket'])}" for action in S3_ACTIONS[operation])
        case "GetObject" if "VersionId" in params:
            yield f"s3:GetObjectVersion {_short(params['Bucket'])}"
        case "SendEmail":
            yield from _mail_actions(params)
        case "SendTaskSuccess":  # only this machine hands out tokens
            yield "states:SendTaskSuccess review"
        case _:
            where = ("TableName", "Bucket", "QueueUrl", "stateMachineArn")
            (named,) = (params[key] for key in where if key in params)
            yield f"{service}:{operation} {_short(named)}"


def _mail_actions(params: Mapping[str, Any]) -> Iterator[str]:
    """Raw MIME wants both, of the identity, and of the configuration set if one is named."""
    for where in {"", _short(params.get("ConfigurationSetName", ""))}:
        yield from (f"ses:{action} {where}".strip() for action in ("SendEmail", "SendRawEmail"))


def _short(name: str) -> str:
    """A resource's name without the environment's prefix and the account; a star for the department of a queue."""
    short = re.sub(r"^.*imprimatur-|-\d{12}$", "", name)
    return re.sub(r"^(submission[a-z-]*)-marketing$", r"\1-*", short)


def allowed(handler: str) -> set[str]:
    """What a role's file allows, as `_actions` says it."""
    statements = json.loads(ROLES[handler].read_bytes())["Statement"]
    return {
        f"{action} {_resource(statement['Resource']['Fn::Sub'])}".strip()
        for statement in statements
        for action in statement["Action"]
    }


def _resource(arn: str) -> str:
    _, prefixed, name = arn.partition("${Prefix}-")
    return re.sub(r"-\$\{AWS::AccountId}.*|/\*$", "", name) if prefixed else ""


def live(world: World) -> None:
    """Let everything happen once, from signing in, attaching and sending to archiving, reminding and looking up."""
    world.call("POST", "/api/v1/sign-in", {"email": LIAISON.email})
    world.cloud.settle()
    world.call("POST", "/api/v1/sessions", {"handle": world.links(LIAISON, "s")[0]})
    system = System(world=world)
    system.send()
    system.send(title="")
    world.cloud.settle()
    assert {answer["status"] for answer in system.answers()} == {201, 422}
    file = attach(world)
    check = f"/api/v1/attachments/{begin(world, CSV).body['id']}/check"
    assert world.call("POST", check, as_=LIAISON).status == 202
    submission = world.submit(attachments=[file], channels=["website", "email"])
    download = f"/api/v1/submissions/{submission}/attachments/{file}"
    assert world.call("GET", download, as_=LIAISON).status == 200
    world.approve()
    world.finish()
    unknown_is_sent_again(world, submission)
    frozen_and_let_go(world)
    number = quote(world.record(submission)["catalog_number"])
    for path in ("submissions", "refused-requests", "archive", f"archive/{number}/package"):
        assert world.call("GET", f"/api/v1/{path}", as_=ARCHIVIST).status == 200
    overdue = world.submit()
    world.cloud.settle()
    world.passed += timedelta(days=3)
    work = {"submission": overdue, "revision": 1, "attempt": 1, "stage": "initial", "reminded": 0}
    app.handler_map["remind_reviewers"](work, None)
    world.passed += timedelta(days=30)
    app.handler_map["sweep"](A_TICK, None)
    world.cloud.settle()
    assert world.call("POST", f"/api/v1/submissions/{overdue}/withdrawal", {}, as_=LIAISON).status == 200
    world.finish()


def frozen_and_let_go(world: World) -> None:
    """Let a channel be frozen, hold something back, and go on."""
    said = {"scope": "email", "reason": "演练"}
    assert world.call("POST", "/api/v1/freezes", said, as_=EDITOR).status == 200
    submission = world.publish(channels=["website", "email"])
    assert world.state(submission) == "publishing"
    assert world.call("GET", "/api/v1/freezes", as_=EDITOR).body["waiting_count"] == 1
    with world.later(hours=1):
        app.handler_map["sweep"](A_TICK, None)
    assert world.call("POST", "/api/v1/freezes/lift", said, as_=DIRECTOR).status == 200
    world.finish()
    assert world.state(submission) == "archived"


def unknown_is_sent_again(world: World, submission: str) -> None:
    """Let an editor answer for a mail whose outcome is unknown."""
    mailing = read_mailing(world.plain_table, submission, 1)
    assert mailing is not None
    before = mailing.recipients[0]
    lost = replace(before, state=RecipientState.UNKNOWN)
    world.plain_table.put(world.parts.email_channel.put(submission, 1, before, lost))
    path = f"/api/v1/submissions/{submission}/deliveries/email/unknown"
    assert world.call("POST", path, {"resend": True}, as_=EDITOR).body["settled"] == 1
    world.finish()


def test_every_role_allows_what_its_function_calls_and_nothing_else() -> None:
    aws = ListeningAws()
    gone = replace(a_person("gone", (Role.EMPLOYEE, "research")), email="bounce@simulator.amazonses.com")
    with a_world(*PEOPLE, DIRECTOR, gone, aws=aws, departments=("marketing",)) as world:
        live(world)
    needed = {handler: aws.actions[handler] | AFTER_A_LOST_ANSWER.get(handler, set()) for handler in ROLES}
    assert {handler: allowed(handler) - BY_LAMBDA for handler in ROLES} == needed


def test_lambda_may_do_its_own_part_with_every_role() -> None:
    for handler in ROLES:
        logs = {action for action in allowed(handler) if action.startswith("logs:")}
        assert logs == {action for action in BY_LAMBDA if action.startswith("logs:")}
    for handler in ("review_events", "publication_events"):
        assert {
            action for action in BY_LAMBDA if action.endswith(("records/stream", "stream-failures"))
        } <= allowed(handler)
    for queue, handler in (
        ("sign-in", "send_sign_in_links"),
        ("notices", "send_notices"),
        ("mail-events", "mail_events"),
        ("uploads", "check_attachment"),
        (" submissions-*", "take_in_submissions"),
    ):
        assert {action for action in BY_LAMBDA if action.endswith(queue)} <= allowed(handler)
