"""Each function's role allows just the calls that the function makes in the life of its submissions."""

import json
import re
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from chalice.app import Chalice

from chalicelib.core.aws import Aws
from infra.local.clients import REGION
from infra.package import ROOT
from tests.walk import SENDING_DEPARTMENT, WALKERS, Walk, every_route
from tests.world import a_world

ROLES = {path.stem: path for path in (ROOT / "infra" / "roles").glob("*.json")}
BY_LAMBDA = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "dynamodb:DescribeStream records/stream",
    "dynamodb:GetRecords records/stream",
    "dynamodb:GetShardIterator records/stream",
    "dynamodb:ListStreams",
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
    "ListObjectVersions": ("ListBucketVersions",),
}
"""What S3's own names for calls do not tell of the actions that they need."""


class ListeningAws(Aws):
    """Clients whose calls are noted, as IAM names them, under the handler that made them."""

    def __init__(self) -> None:
        super().__init__(region=REGION)
        self._guard = Lock()
        self.actions: dict[str | None, set[str]] = defaultdict(set)

    def make(self, service: str) -> Any:  # noqa: ANN401 — as its base
        """A client that tells us what it is about to ask for, presigned addresses included."""
        client = super().make(service)
        client.meta.events.register("before-parameter-build", self._note)
        return client

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:  # noqa: ANN401 — botocore's own
        with self._guard:
            self.actions[_handler()] |= set(_actions(model.service_model.signing_name, model.name, params))


def _handler() -> str | None:
    """The app's handler under which the present call stands; None for the test's own calls."""
    for frame, _ in traceback.walk_stack(None):
        if frame.f_code is Chalice.__call__.__code__:  # whatever the route, be it JSON or a page
            return "api_handler"
        if Path(frame.f_code.co_filename).name == "jobs.py" and frame.f_code.co_name in ROLES:
            return frame.f_code.co_name
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
        case "GetObject" | "DeleteObject" if "VersionId" in params:
            yield f"s3:{operation}Version {_short(params['Bucket'])}"
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
        f"{action} {_resource(statement['Resource'])}".strip()
        for statement in statements
        for action in statement["Action"]
    }


def _resource(resource: Any) -> str:  # noqa: ANN401 — a name with what is put in, or a star
    """The resource's name; none for a log or a star, which only Lambda's own actions may have."""
    arn = "" if resource == "*" or ":log-group:" in resource["Fn::Sub"] else resource["Fn::Sub"]
    _, prefixed, name = arn.partition("${Prefix}-")
    return re.sub(r"-\$\{AWS::AccountId}.*|/\*$", "", name) if prefixed else ""


def test_every_role_allows_what_its_function_calls_and_nothing_else() -> None:
    aws = ListeningAws()
    with a_world(*WALKERS, aws=aws, departments=(SENDING_DEPARTMENT,)) as world:
        aws.actions.clear()
        walk = Walk(world)
        walk.everywhere()
    assert walk.walked == every_route(), "a route that is not walked is a route whose calls nobody has seen"
    assert None not in aws.actions, f"under no function: {aws.actions[None]}"
    needed = {handler: aws.actions[handler] | AFTER_A_LOST_ANSWER.get(handler, set()) for handler in ROLES}
    assert {handler: allowed(handler) - BY_LAMBDA for handler in ROLES} == needed


def test_lambda_may_do_its_own_part_with_every_role() -> None:
    for handler in ROLES:
        own = {action for action in allowed(handler) if action.startswith(("logs:", "xray:"))}
        assert own == {action for action in BY_LAMBDA if action.startswith(("logs:", "xray:"))}
    for handler in ("review_events", "publication_events"):
        assert {
            action
            for action in BY_LAMBDA
            if action.endswith(("records/stream", "stream-failures", "ListStreams"))
        } <= allowed(handler)
    for queue, handler in (
        ("sign-in", "send_sign_in_links"),
        ("notices", "send_notices"),
        ("mail-events", "mail_events"),
        ("uploads", "check_attachment"),
        (" submissions-*", "take_in_submissions"),
    ):
        assert {action for action in BY_LAMBDA if action.endswith(queue)} <= allowed(handler)
