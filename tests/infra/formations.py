"""CloudFormation, as far as a deployment speaks to it, kept in memory: what a change does is said beforehand."""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from infra.deployment.clients import Caller
from infra.deployment.deployer import Deployer
from infra.deployment.environment import Environment
from infra.deployment.stacks import Place, Stack
from infra.deployment.terminal import Terminal
from infra.local import mends
from tests.infra.terminals import a_terminal

ACCOUNT = "123456789012"
TABLE, FUNCTION = "AWS::DynamoDB::Table", "AWS::Lambda::Function"


@dataclass(kw_only=True)
class Known:
    """A stack as CloudFormation knows it."""

    name: str
    id: str
    status: str
    template: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    protected: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    """Oldest first."""


@dataclass(kw_only=True)
class Formations:
    """One region. `outcomes` says for a stack how its next changes end, when not well; `asked` is what was done.

    `answers` are by the tokens of calls: as CloudFormation does, it repeats what it said to a call that comes twice, as
    each does that `loses_answers`. `refusals` come first when somebody asks for a resource.
    """

    templates: Callable[[str], str]
    stacks: dict[str, Known] = field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    drifted: list[str] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    loses_answers: bool = False
    refusals: list[ClientError] = field(default_factory=list)
    under_way: dict[str, Any] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    # Set up by tests

    def standing(self, name: str, status: str, template: dict[str, Any] | None = None) -> Known:
        """A stack that is there already."""
        known = Known(name=name, id=f"arn:stack/{name}", status=status, template=template or {})
        self.stacks[name] = known
        self._event(known, status)
        return known

    def _event(self, known: Known, status: str, resource: str | None = None, reason: str = "") -> None:
        known.events.append(
            {
                "EventId": str(next(self._numbers)),
                "StackId": known.id,
                "LogicalResourceId": resource or known.name,
                "PhysicalResourceId": known.id if resource is None else resource,
                "ResourceType": "AWS::CloudFormation::Stack" if resource is None else FUNCTION,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }
        )

    def end(self, known: Known) -> None:
        """What is under way comes to its good end."""
        assert self.under_way is not None
        known.template, known.parameters = self.under_way["template"], self.under_way["parameters"]
        self._happen(known, [known.status.replace("_IN_PROGRESS", "_COMPLETE")])

    def _answer(self, token: str, act: Callable[[], Any]) -> Any:  # noqa: ANN401 — whatever CloudFormation would
        assert re.fullmatch("[a-zA-Z0-9][-a-zA-Z0-9]{0,127}", token)
        for _ in range(2 if self.loses_answers else 1):
            if token not in self.answers:
                self.answers[token] = act()
        return self.answers[token]

    # As botocore's client has them

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803 — CloudFormation's own names
        known = self._find(StackName)
        return {
            "Stacks": [
                {
                    "StackName": known.name,
                    "StackId": known.id,
                    "StackStatus": known.status,
                    "EnableTerminationProtection": known.protected,
                    "Outputs": [
                        {"OutputKey": key, "OutputValue": output["Value"]}
                        for key, output in known.template.get("Outputs", {}).items()
                    ],
                }
            ]
        }

    def _find(self, name: str) -> Known:
        for known in self.stacks.values():
            if name in {known.id, known.name} and (name == known.id or known.status != "DELETE_COMPLETE"):
                return known
        raise refused("ValidationError", f"Stack with id {name} does not exist")

    def create_change_set(self, *, ClientToken: str, **asked: Any) -> dict[str, str]:  # noqa: ANN401, N803 — CloudFormation's own
        made: dict[str, str] = self._answer(ClientToken, lambda: self._propose(asked))
        return made

    def _propose(self, asked: Mapping[str, Any]) -> dict[str, str]:
        name, kind = asked["StackName"], asked["ChangeSetType"]
        self.asked.append(f"propose {kind} {name}")
        if kind == "CREATE":
            self.stacks[name] = Known(name=name, id=f"arn:stack/{name}", status="REVIEW_IN_PROGRESS")
            self._event(self.stacks[name], "REVIEW_IN_PROGRESS")
        known = self._find(name)
        template = json.loads(self.templates(asked["TemplateURL"]))
        given = {one["ParameterKey"]: one["ParameterValue"] for one in asked["Parameters"]}
        number = f"arn:change/{next(self._numbers)}"
        self.changes[number] = {"known": known, "template": template, "parameters": given}
        return {"Id": number, "StackId": known.id}

    def describe_change_set(self, *, ChangeSetName: str, StackName: str) -> dict[str, Any]:  # noqa: N803 — as above
        proposed = self.changes[ChangeSetName]
        known, template = proposed["known"], proposed["template"]
        changes = list(_differences(known, template, proposed["parameters"]))
        if not changes and known.template.get("Outputs") == template.get("Outputs"):
            reason = "The submitted information didn't contain changes. Submit different information."
            return {"Status": "FAILED", "StatusReason": reason, "StackName": StackName, "Changes": []}
        return {"Status": "CREATE_COMPLETE", "StackName": StackName, "Changes": changes}

    def delete_change_set(self, *, ChangeSetName: str, StackName: str) -> None:  # noqa: N803 — as above
        self.asked.append(f"drop {self._find(StackName).name}")
        del self.changes[ChangeSetName]

    def execute_change_set(
        self,
        *,
        ChangeSetName: str,  # noqa: N803 — as above
        StackName: str,  # noqa: N803 — as above
        RetainExceptOnCreate: bool,  # noqa: N803 — as above
        ClientRequestToken: str,  # noqa: N803 — as above
    ) -> None:
        assert RetainExceptOnCreate
        self._answer(ClientRequestToken, lambda: self._execute(ChangeSetName, StackName))

    def _execute(self, change_set: str, stack: str) -> None:
        known, proposed = self._find(stack), self.changes.pop(change_set)
        self.asked.append(f"execute {known.name}")
        kind = "CREATE" if known.status == "REVIEW_IN_PROGRESS" else "UPDATE"
        ends = self.outcomes.get(known.name, [])
        statuses = ends.pop(0) if ends else [f"{kind}_IN_PROGRESS", f"{kind}_COMPLETE"]
        self._happen(known, statuses)
        self.under_way = proposed
        if statuses[-1] == f"{kind}_COMPLETE":
            known.template, known.parameters = proposed["template"], proposed["parameters"]

    def _happen(self, known: Known, statuses: list[str]) -> None:
        for status in statuses:
            resource, _, reason = status.partition(": ")
            if reason:
                self._event(known, "UPDATE_FAILED", resource, reason)
            else:
                self._event(known, status)
                known.status = status

    def continue_update_rollback(self, *, StackName: str, ClientRequestToken: str) -> None:  # noqa: N803 — as above
        self._answer(ClientRequestToken, lambda: self._continue(self._find(StackName)))

    def _continue(self, known: Known) -> None:
        self.asked.append(f"continue {known.name}")
        ends = self.outcomes.get(known.name, [])
        self._happen(
            known, ends.pop(0) if ends else ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]
        )

    def delete_stack(self, *, StackName: str, ClientRequestToken: str) -> None:  # noqa: N803 — as above
        self._answer(ClientRequestToken, lambda: self._delete(self._find(StackName)))

    def _delete(self, known: Known) -> None:
        self.asked.append(f"delete {known.name}")
        ends = self.outcomes.get(known.name, [])
        self._happen(known, ends.pop(0) if ends else ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"])

    def update_termination_protection(self, *, StackName: str, EnableTerminationProtection: bool) -> None:  # noqa: N803 — as above
        self._find(StackName).protected = EnableTerminationProtection

    def describe_stack_resource(self, *, StackName: str, LogicalResourceId: str) -> dict[str, Any]:  # noqa: N803 — as above
        if self.refusals:
            raise self.refusals.pop(0)
        if LogicalResourceId not in self._find(StackName).template["Resources"]:
            raise refused("ValidationError", f"Resource {LogicalResourceId} does not exist")
        return {"StackResourceDetail": {"PhysicalResourceId": LogicalResourceId}}

    def get_template(self, *, StackName: str, TemplateStage: str) -> dict[str, Any]:  # noqa: N803 — as above
        assert TemplateStage == "Processed"
        return {"TemplateBody": self._find(StackName).template}

    def detect_stack_drift(self, *, StackName: str) -> dict[str, str]:  # noqa: N803 — as above
        return {"StackDriftDetectionId": self._find(StackName).id}

    def describe_stack_drift_detection_status(self, **_: object) -> dict[str, str]:
        return {"DetectionStatus": "DETECTION_COMPLETE"}

    def describe_stack_resource_drifts(self, **_: object) -> dict[str, Any]:
        differing = [
            {"LogicalResourceId": one, "StackResourceDriftStatus": "MODIFIED"} for one in self.drifted
        ]
        return {"StackResourceDrifts": differing}

    def describe_events(self, **_: object) -> dict[str, Any]:
        return {"OperationEvents": []}

    def get_paginator(self, operation: str) -> Any:  # noqa: ANN401 — botocore's own
        return _Paginator(
            {"describe_stack_events": self._events, "list_stack_resources": self._resources}[operation]
        )

    def _events(self, name: str) -> dict[str, Any]:
        return {"StackEvents": list(reversed(self._find(name).events))}

    def _resources(self, name: str) -> dict[str, Any]:
        known = self._find(name)
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": logical,
                    "ResourceType": one["Type"],
                    "PhysicalResourceId": one.get("Properties", {}).get("Name", logical),
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for logical, one in known.template.get("Resources", {}).items()
            ]
        }


@dataclass(frozen=True)
class _Paginator:
    page: Callable[[str], dict[str, Any]]

    def paginate(self, *, StackName: str) -> list[dict[str, Any]]:  # noqa: N803 — CloudFormation's own names
        return [self.page(StackName)]


def _differences(
    known: Known, template: Mapping[str, Any], parameters: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    old, new = known.template.get("Resources", {}), template["Resources"]
    for logical in sorted(old.keys() | new.keys()):
        change = {"LogicalResourceId": logical, "ResourceType": (new.get(logical) or old[logical])["Type"]}
        if logical not in old:
            yield {"ResourceChange": {**change, "Action": "Add"}}
        elif logical not in new:
            yield {"ResourceChange": {**change, "Action": "Remove"}}
        elif old[logical] != new[logical] or (known.parameters != parameters and parameters):
            yield {"ResourceChange": {**change, "Action": "Modify", "Replacement": "False"}}


def refused(code: str, message: str, status: int = 400) -> ClientError:
    """How botocore says no."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Operation")


STACKS = (
    Stack(name="recovery", template="recovery.json", place=Place.RECOVERY, keeps_data=True),
    Stack(name="data", template="data.json", keeps_data=True),
    Stack(name="app", template="app.json", depends=("data",), capabilities=("CAPABILITY_IAM",)),
    Stack(name="edge-global", template="edge.json", place=Place.GLOBAL, depends=("app",), keeps_logs=True),
    Stack(name="edge", template="front.json", depends=("app", "edge-global")),
)
"""Stacks as they might be."""


@cache
def a_client(service: str, region: str) -> Any:  # noqa: ANN401 — botocore makes its clients' classes at run time
    """A client for moto, kept: making it costs more than what a test does with it."""
    mends.apply()
    keys = {"aws_access_key_id": "deployer", "aws_secret_access_key": "deployer"}
    return boto3.client(service, region_name=region, **keys)  # type: ignore[call-overload]  # it knows each name apart


@dataclass(kw_only=True)
class Yard:
    """A deployer with CloudFormation in memory and moto's S3; `broken` tells which of the app's next answers are."""

    terminal: Terminal = field(default_factory=a_terminal)
    environment: Environment = field(
        default_factory=lambda: Environment(
            name="staging", prefix="desk", region="eu-west-1", stacks={"data": {}, "app": {}}
        )
    )
    broken: list[bool] = field(default_factory=list)
    account: str = ACCOUNT
    policies: dict[str, str] = field(default_factory=dict)
    """Of buckets. moto does not look at conditions: with the policy that forbids plain HTTP it forbids everything."""
    others: dict[str, Any] = field(default_factory=dict)
    passed: timedelta = timedelta()
    formations: dict[str, Formations] = field(default_factory=dict)

    def client(self, service: str, region: str) -> Any:  # noqa: ANN401 — botocore makes its clients' classes at run time
        """A client of whatever a deployment speaks to."""
        match service:
            case "cloudformation":
                return self.formations.setdefault(region, Formations(templates=self._template))
            case "apigateway" | "lambda":
                return self.others.get(service, Answering(broken=self.broken))
        if service == "s3":
            return _WithoutPolicies(a_client(service, region), self.policies)
        return self.others.get(service) or a_client(service, region)

    def _template(self, url: str) -> str:
        bucket, key = url.split("/", 4)[3:]
        s3 = a_client("s3", self.environment.region)
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    @property
    def formation(self) -> Formations:
        """CloudFormation in the main region."""
        found: Formations = self.client("cloudformation", self.environment.region)
        return found

    def now(self) -> datetime:
        """A minute after the last time it was asked for."""
        self.passed += timedelta(minutes=1)
        return datetime(2030, 1, 1, tzinfo=UTC) + self.passed

    def deployer(self) -> Deployer:
        """The deployer."""
        return Deployer(
            environment=self.environment,
            clients=self.client,
            caller=Caller(account=self.account, arn=f"arn:aws:iam::{self.account}:user/ops"),
            terminal=self.terminal,
            known=STACKS,
            now=self.now,
            source="abc1234",
            pause=lambda _seconds: None,
        )


@dataclass(frozen=True)
class _WithoutPolicies:
    """moto's S3, which is not told of policies, and which looks whose a bucket is, as AWS does."""

    s3: Any
    policies: dict[str, str]

    def put_bucket_policy(self, *, Bucket: str, Policy: str) -> None:  # noqa: N803 — S3's own names
        self.policies[Bucket] = Policy

    def head_bucket(self, *, Bucket: str, ExpectedBucketOwner: str) -> Any:  # noqa: ANN401, N803 — as above
        answer = self.s3.head_bucket(Bucket=Bucket)
        if ExpectedBucketOwner != ACCOUNT:
            raise refused("403", "Forbidden", 403)
        return answer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the client has
        return getattr(self.s3, name)


@dataclass(frozen=True, kw_only=True)
class Answering:
    """API Gateway and Lambda of a deployed app, which works unless the next of `broken` says otherwise."""

    broken: list[bool]
    sign_in: int = 202

    def get_paginator(self, _operation: str) -> "Answering":
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        paths = ("/healthz", "/openapi.json", "/api/v1/sign-in")
        return [{"items": [{"id": path, "path": path} for path in paths]}]

    def test_invoke_method(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401 — API Gateway's own
        if asked["pathWithQueryString"] == "/healthz" and self.broken and self.broken.pop(0):
            return {"status": 502, "body": '{"message": "Internal server error"}'}
        body = {"status": "ok", "paths": {"/healthz": {}}}
        return {"status": self.sign_in if asked["httpMethod"] == "POST" else 200, "body": json.dumps(body)}

    def invoke(self, **_: object) -> dict[str, Any]:
        class Payload:
            def read(self) -> bytes:
                return b'{"renderers": "1"}'

        return {"Payload": Payload()}
