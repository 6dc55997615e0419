"""An environment on emulated AWS: the command that makes it, and what people and departments meet there."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import yaml

from chalicelib.core.clock import utc_now
from chalicelib.core.ids import new_secret
from chalicelib.core.table import Table
from chalicelib.identity.model import SESSION_LIFE, ProofKind, SessionProof
from chalicelib.identity.store import put_session
from infra.local.mailbox import LINK
from infra.local.visitor import Desk, Site
from infra.package import ROOT

HERE = Path(__file__).parent
ACCOUNT, PREFIX = "123456789012", "imprimatur-emulator"
REGION, RECOVERY_REGION = "us-east-1", "us-west-2"
STACKS = ("recovery", "data", "app", "edge-global", "edge", "watch", "department-marketing")
"""Those of `emulator.json`, in their order."""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCOUNT,
    "AWS_SECRET_ACCESS_KEY": "emulated",
    "AWS_DEFAULT_REGION": REGION,
}
"""ministack takes a key of twelve digits for the account."""
ROSTER = ROOT / "infra" / "local" / "roster.yaml"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit status {self.status}\n{self.out}\n{self.err}"


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """`endpoint` stands for AWS; `architecture` is this machine's, whose Python runs the functions."""

    endpoint: str
    architecture: str

    def client(self, service: str, region: str = REGION) -> Any:  # noqa: ANN401 — botocore makes its clients' classes at run time
        """A client of a service."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # it knows each name apart
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="emulated",
        )

    def imprimatur(
        self,
        *arguments: str,
        sources: Path = ROOT,
        answers: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> Said:
        """Run the command from these sources; `answers` are the lines that a person types."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        ran = subprocess.run(  # noqa: S603 — our own interpreter and command
            (sys.executable, "-m", "infra.cli", *arguments),
            cwd=sources,
            env={**kept, **CREDENTIALS, **(settings or {})},
            input=answers,
            capture_output=True,
            text=True,
            check=False,
        )
        return Said(status=ran.returncode, out=ran.stdout, err=ran.stderr)

    def on_environment(self, command: str, *arguments: str, sources: Path = ROOT, answers: str = "") -> Said:
        """Run a command that takes an environment."""
        where = ("--env", "emulator", "--params", str(HERE), "--endpoint-url", self.endpoint)
        return self.imprimatur(command, *where, *arguments, sources=sources, answers=answers)

    def deploy(self, *arguments: str, sources: Path = ROOT, answers: str | None = None) -> Said:
        """Deploy; without `answers` nobody is asked."""
        more = () if answers is not None else ("--yes",)
        return self.on_environment(
            "deploy",
            "--architecture",
            self.architecture,
            *more,
            *arguments,
            sources=sources,
            answers=answers or "",
        )

    def status(self, stack: str) -> str | None:
        """A stack's status, None when there is none."""
        return self.statuses().get(stack)

    def statuses(self) -> dict[str, str]:
        """The status of every stack, in every region."""
        return {
            one["StackName"].removeprefix(f"{PREFIX}-"): one["StackStatus"]
            for region in (REGION, RECOVERY_REGION)
            for one in self.client("cloudformation", region).describe_stacks()["Stacks"]
        }

    def address(self) -> str:
        """Where API Gateway answers; on AWS that is a host of its own."""
        found = self.client("cloudformation").describe_stack_resource(
            StackName=f"{PREFIX}-app", LogicalResourceId="RestAPI"
        )
        api = found["StackResourceDetail"]["PhysicalResourceId"]
        return f"{self.endpoint}/restapis/{api}/api/_user_request_"

    def openapi(self) -> Any:  # noqa: ANN401 — whatever JSON it is
        """The description of the deployed API."""
        with urlopen(f"{self.address()}/openapi.json") as answer:  # noqa: S310 — our own emulator
            return json.loads(answer.read())

    def settings(self) -> dict[str, str]:
        """What the functions are told, as an operator copies it from one of them to run `roster apply`."""
        functions = self.client("lambda").list_functions()["Functions"]
        (handler,) = (one for one in functions if one["FunctionName"] == f"{PREFIX}-api_handler")
        return {**handler["Environment"]["Variables"], "AWS_ENDPOINT_URL": self.endpoint}

    def mails(self) -> Iterator[Mapping[str, Any]]:
        """Every mail that was sent, newest first."""
        with urlopen(f"{self.endpoint}/_ministack/ses/messages?account={ACCOUNT}") as answer:  # noqa: S310 — as above
            sent = json.loads(answer.read())["messages"].get(ACCOUNT, [])
        for mail in reversed(sent):
            yield {"to": re.sub(r"^.*<|>$", "", mail["To"][0]), "links": LINK.findall(mail["BodyText"])}

    def site(self, deadline: float) -> Site:
        """The API's address, spoken to until an instant of `time.monotonic`."""
        return Site(self.address(), deadline=deadline)

    def desk(self, deadline: float) -> Desk:
        """The desk as people visit it, until an instant of `time.monotonic`."""
        people = yaml.safe_load(ROSTER.read_text("utf-8"))["persons"]
        return Desk(self.site(deadline), people=people, mails=self.mails, prove=self.proved_session)

    def proved_session(self, person: str) -> str:
        """A session of a person who has just signed in with a company's account, of which the emulator has none."""
        table = Table(client=lambda: self.client("dynamodb"), name=f"{PREFIX}-records")
        token, now = f"{person}.{new_secret()}", utc_now()
        proof = SessionProof(kind=ProofKind.OIDC, id="emulated", at=now)
        table.put(put_session(token, person, now + SESSION_LIFE, proof))
        return token

    def pages(self) -> dict[str, bytes]:
        """Everything in the website's bucket."""
        s3, bucket = self.client("s3"), f"{PREFIX}-site-{ACCOUNT}"
        keys = [
            one["Key"]
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for one in page.get("Contents", ())
        ]
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def do_what_the_emulator_leaves_out(self) -> None:
        """Switch on what the template says and ministack's CloudFormation does not do."""
        dynamodb, table = self.client("dynamodb"), f"{PREFIX}-records"
        dynamodb.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        dynamodb.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
        )
        for bucket in ("archive", "archive-replica", "heads"):
            self.client("s3").put_object_lock_configuration(
                Bucket=f"{PREFIX}-{bucket}-{ACCOUNT}",
                ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"},
            )

    def empty(self) -> None:
        """Do what a person does before an environment is given up: remove all that it holds, and the protection."""
        dynamodb, table = self.client("dynamodb"), f"{PREFIX}-records"
        for page in dynamodb.get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                dynamodb.delete_item(TableName=table, Key={key: item[key] for key in ("pk", "sk")})
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        for bucket in self.client("s3").list_buckets()["Buckets"]:
            if "-deployments-" not in bucket["Name"]:
                self._empty_bucket(bucket["Name"])
        self.empty_queues()

    def empty_queues(self) -> None:
        """Throw away every message."""
        sqs = self.client("sqs")
        for queue in sqs.list_queues(QueueNamePrefix=PREFIX)["QueueUrls"]:
            sqs.purge_queue(QueueUrl=queue)

    def _empty_bucket(self, bucket: str) -> None:
        s3 = self.client("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                s3.delete_object(
                    Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"], BypassGovernanceRetention=True
                )
