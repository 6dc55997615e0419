"""The whole cloud in this process, for tests: moto's AWS, the app's functions, its state machines and pumps.

    with Cloud(app=app, wait_scale=100) as cloud:
        ...            # call the app, with settings made from cloud.environment
        cloud.settle() # until every record, message and execution has come to rest

A cloud begins empty and leaves nothing behind. There can be one at a time in a process.
"""

import functools
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import boto3
from chalice.app import Chalice
from moto import mock_aws
from moto.core.config import DefaultConfig
from werkzeug.test import Client

from chalicelib.people.roster import Roster
from chalicelib.publication.channels.website.entry import INTERNAL, PUBLIC
from infra.local import interpreter, machines, mail_events, mailbox, mends, renderer, resources, subscriptions
from infra.local.clients import CREDENTIALS, REGION, Clients
from infra.local.front import Front, Page
from infra.local.functions import Functions
from infra.local.gate import KEY_PAIR
from infra.local.pumps import Pumps, ReadStream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "imprimatur"
MOTO: DefaultConfig = {"stepfunctions": {"execute_state_machine": True}}
MAIL_FROM = "Imprimatur <desk@imprimatur.test>"
MAIL_REPLY_TO = "publishing@imprimatur.test"
_PAUSE = 0.002
_INFRA = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Files:
    """What a cloud is built from. `app` is the merge template; without it handlers get no filters."""

    data: Path = _INFRA / "stacks" / "data.yaml"
    app: Path | None = _INFRA / "stacks" / "app.yaml"
    department: Path = _INFRA / "stacks" / "department.yaml"
    workflows: Path = _INFRA / "workflows"


@dataclass(frozen=True, kw_only=True)
class Built:
    """What stands once a cloud is built."""

    environment: Mapping[str, str]
    runtime: interpreter.Runtime
    pumps: Pumps


def build(
    app: Chalice,
    clients: Clients,
    files: Files,
    *,
    base_url: str,
    site_url: str,
    wait_scale: float,
    departments: Iterable[str] = (),
    read_stream: ReadStream | None = None,
) -> Built:
    """Create everything with these clients and let the state machines run on this app's functions.

    `departments` are those whose own systems may send requests: each gets its queues. `read_stream` answers the changes
    of a table that stands in for the emulated one.
    """
    functions = Functions(app, PREFIX)
    made = resources.create(files.data, PREFIX, clients, {"DeskOrigin": base_url})
    feeds = [
        feed
        for department in departments
        for feed in resources.create(
            files.department,
            PREFIX,
            clients,
            parameters={"Department": department, "SenderArn": f"arn:aws:iam::{resources.ACCOUNT}:root"},
            handed=functions.handed(),
        ).feeds
    ]
    clients("sesv2").create_email_identity(EmailIdentity=parseaddr(MAIL_FROM)[1])
    substitutions = functions.substitutions() | {"Partition": resources.PSEUDO_PARAMETERS["AWS::Partition"]}
    arns = machines.create(files.workflows, PREFIX, clients("stepfunctions"), substitutions)
    runtime = interpreter.Runtime(functions=functions, wait_scale=wait_scale)
    interpreter.use(runtime)
    mail_events.use(clients("sqs"), made.queues["mail-events"])
    environment = {
        "DESK": PREFIX,
        "TABLE_NAME": made.handed["table-name"],
        "SITE_BUCKET": made.handed["site-bucket"],
        "ARCHIVE_BUCKET": made.handed["archive-bucket"],
        "UPLOADS_BUCKET": made.handed["uploads-bucket"],
        "SIGN_IN_QUEUE_URL": made.handed["sign-in-queue-url"],
        "QUEUE_URL_PREFIX": made.queues["sign-in"].removesuffix("sign-in"),
        "UPLOADS_QUEUE_URL": made.handed["uploads-queue-url"],
        "NOTICES_QUEUE_URL": made.handed["notices-queue-url"],
        "RENDERER_FUNCTION": f"{PREFIX}-{renderer.NAME}",
        "SIGNING_KEY": made.handed["signing-key-arn"],
        "SITE_KEY": made.handed["site-key-arn"],
        "SITE_KEY_PAIR": KEY_PAIR,
        "BASE_URL": base_url,
        "PUBLIC_SITE_URL": f"{site_url}/{PUBLIC}",
        "INTERNAL_SITE_URL": f"{site_url}/{INTERNAL}",
        "MAIL_FROM": MAIL_FROM,
        "MAIL_REPLY_TO": MAIL_REPLY_TO,
        "MAIL_CONFIGURATION_SET": made.handed["mail-configuration-set"],
        "WAIT_SCALE": f"{wait_scale:g}",
        **{f"{name.upper()}_MACHINE_ARN": arn for name, arn in arns.items()},
        **CREDENTIALS,
    }
    pumps = Pumps(
        clients=clients,
        resources=made,
        functions=functions,
        subscriptions=subscriptions.of(app, files.app),
        feeds=feeds,
        wait_scale=wait_scale,
        read_stream=read_stream,
    )
    return Built(environment=environment, runtime=runtime, pumps=pumps)


def mend() -> None:
    """Put right what moto gets wrong, once per process."""
    mends.apply()
    interpreter.apply()
    mail_events.apply()
    renderer.apply()


@functools.cache
def _clients() -> Clients:
    """The same for all clouds of a process: making them costs as much as a cloud."""
    return Clients()


@functools.cache
def _default_session() -> boto3.Session:
    """What `boto3.client` uses; kept, as the descriptions of services that it has read."""
    return boto3.Session(region_name=REGION)


def read_page(s3: "S3Client", bucket: str, key: str) -> Page | None:
    """An object of the website, if it is there."""
    try:
        found: Any = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None
    return Page(
        content=found["Body"].read(),
        content_type=found["ContentType"],
        disposition=found.get("ContentDisposition"),
    )


class Cloud:
    """A cloud for a test. `environment` is for the app's settings; os.environ is left alone.

    With `read_stream`, the changes of another table than the emulated DynamoDB's feed the pumps.
    """

    environment: Mapping[str, str]
    pumps: Pumps
    http: Client
    """Calls the app over HTTP, without a socket."""

    def __init__(
        self,
        *,
        app: Chalice,
        wait_scale: float = 1,
        files: Files | None = None,
        departments: Iterable[str] = (),
        read_stream: ReadStream | None = None,
    ) -> None:
        self._app = app
        self._read_stream = read_stream
        self._departments = tuple(departments)
        self._wait_scale = wait_scale
        self._files = files or Files()
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        mend()
        with ExitStack() as stack:
            stack.enter_context(mock_aws(config=MOTO))
            # mock_aws takes the default session away and gives it back; meanwhile it needs a region.
            boto3.DEFAULT_SESSION = _default_session()
            built = build(
                self._app,
                _clients(),
                self._files,
                base_url="https://desk.test",
                site_url="https://site.test",
                wait_scale=self._wait_scale,
                departments=self._departments,
                read_stream=self._read_stream,
            )
            stack.callback(built.runtime.close)
            self._exit = stack.pop_all()
        self.http = Client(
            Front(
                app=self._app,
                mails=self.mails,
                people=Roster,
                site=partial(read_page, _clients()("s3"), built.environment["SITE_BUCKET"]),
            )
        )
        self.environment, self.pumps, self._runtime = built.environment, built.pumps, built.runtime
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.__exit__(kind, error, trace)

    def settle(self, timeout: float = 30, *, through_waits: bool = False) -> None:
        """Deliver until nothing is pending and every running execution waits for a token or for a time.

        With `through_waits`, Wait states are waited for as well. Time decides nothing: this looks again until
        it is so. Raises TimeoutError after `timeout` seconds, saying what does not rest.
        """
        deadline = time.monotonic() + timeout
        while not self._settled(through_waits=through_waits):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not at rest: {self._restless()}")

    def _settled(self, *, through_waits: bool) -> bool:
        before = interpreter.steps_taken()
        if not self._runtime.quiet(through_waits=through_waits):
            time.sleep(_PAUSE)  # looking into stream and queues meanwhile would only take its time
            return False
        if self.pumps.step():
            return False
        if self.pumps.pending():
            time.sleep(_PAUSE)  # a message that failed is hidden for a while
            return False
        return (
            # An execution may have woken another after that one was looked at; then something has moved.
            self._runtime.quiet(through_waits=through_waits) and interpreter.steps_taken() == before
        )

    def _restless(self) -> str:
        running = [
            f"{ran.machine}/{ran.name}" for ran in self.executions() if ran.status == interpreter.RUNNING
        ]
        pending = "deliveries pending" if self.pumps.pending() else "nothing to deliver"
        return f"{pending}; running: {', '.join(running) or 'none'}"

    def executions(self) -> list[interpreter.Ran]:
        """Every execution there has been, with how often each state was entered."""
        return interpreter.executions()

    def mails(self) -> list[mailbox.Sent]:
        """Every mail sent, newest first."""
        return mailbox.mails(REGION)
