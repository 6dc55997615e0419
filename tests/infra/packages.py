"""A built package, and what is to be true of it, whether or not it has its dependencies."""

import importlib.util
import json
import marshal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, cast

from infra.package import CODE, DEPENDENCIES, build
from tests.infra.lambda_events import A_BOUNCE, A_TICK, a_message, a_record

WORK = {"submission": "s-1", "revision": 1, "attempt": 1}
STAGE = {**WORK, "stage": "initial", "reminded": 0, "timeout_seconds": 60}
UNCHECKED_HASH = 0b01
"""PEP 552: by the source's hash, which is never looked at."""
GARBAGE = "this is not Python\n"


EVENTS: Mapping[str, tuple[object, str]] = {
    "app.app": (
        {
            "requestContext": {"resourcePath": "/api/v1/sign-in", "httpMethod": "POST", "identity": {}},
            "headers": {"content-type": "application/json"},
            "multiValueQueryStringParameters": None,
            "pathParameters": None,
            "stageVariables": None,
            "body": json.dumps({"email": "li@example.com"}),
            "isBase64Encoded": False,
        },
        "dynamodb",
    ),
    "chalicelib.identity.jobs.send_sign_in_links": (
        {
            "Records": [
                {
                    "messageId": "1",
                    "receiptHandle": "1",
                    "body": json.dumps({"email": "li@example.com"}),
                }
            ]
        },
        "dynamodb",
    ),
    "chalicelib.submission.jobs.take_in_submissions": (
        {
            "Records": [
                {
                    "messageId": "00000000-0000-0000-0000-000000000001",
                    "receiptHandle": "1",
                    "body": json.dumps({"drafter": "p-1"}),
                    "attributes": {"ApproximateReceiveCount": "1"},
                    "messageAttributes": {"language": {"stringValue": "en", "dataType": "String"}},
                    "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:imprimatur-submissions-marketing",
                }
            ]
        },
        "dynamodb",
    ),
    "chalicelib.submission.jobs.tidy_kept_files": (A_TICK, "s3"),
    "chalicelib.attachment.jobs.check_attachment": (
        {"Records": [{"messageId": "1", "receiptHandle": "1", "body": json.dumps({"attachment": "a-1"})}]},
        "dynamodb",
    ),
    "chalicelib.review.jobs.review_events": ({"Records": [a_record("Submitted")]}, "dynamodb"),
    "chalicelib.review.jobs.open_stage": ({"work": STAGE, "task_token": "token"}, "dynamodb"),
    "chalicelib.review.jobs.remind_reviewers": (STAGE, "dynamodb"),
    "chalicelib.publication.jobs.publication_events": (
        {"Records": [a_record("Scheduled")]},
        "stepfunctions",
    ),
    "chalicelib.publication.jobs.last_check": (WORK, "dynamodb"),
    "chalicelib.publication.jobs.deliver": ({**WORK, "channel": "website"}, "dynamodb"),
    "chalicelib.publication.jobs.mail_events": (a_message(A_BOUNCE), "dynamodb"),
    "chalicelib.publication.jobs.sweep": (A_TICK, "dynamodb"),
    "chalicelib.archive.jobs.archive": (WORK, "dynamodb"),
    "chalicelib.notices.jobs.send_notices": (
        a_message({"id": "n-1", "submission": "s-1", "seq": 1}),
        "dynamodb",
    ),
}
"""For each handler an event, and the AWS service that it makes the handler call first."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package as built, with its code and layer unpacked; `layer` is None when it was built without."""

    folder: Path
    template: dict[str, Any]
    code: Path
    layer: Path | None = None

    def resources(self, kind: str) -> dict[str, Any]:
        """The properties of each resource of an `AWS::` type."""
        found = self.template["Resources"].items()
        return {name: one["Properties"] for name, one in found if one["Type"] == f"AWS::{kind}"}

    def functions(self) -> dict[str, Any]:
        """The properties of each of the application's functions."""
        return self.resources("Serverless::Function")

    def all_functions(self) -> dict[str, Any]:
        """The same, with those of other packages."""
        return {**self.functions(), **self.resources("Lambda::Function")}

    def variables(self) -> dict[str, Any]:
        """Every function's environment."""
        return cast("dict[str, Any]", self.template["Globals"]["Function"]["Environment"]["Variables"])


def a_package(folder: Path, *, with_dependencies: bool, architecture: str = "arm64") -> Package:
    """Build one, and unpack its code and, if it has one, its layer."""
    build(folder / "out", with_dependencies=with_dependencies, architecture=architecture)
    for archive, name in ((CODE, "code"), (DEPENDENCIES, "layer")):
        if (folder / "out" / archive).exists():
            with zipfile.ZipFile(folder / "out" / archive) as packed:
                packed.extractall(folder / name)
    return Package(
        folder=folder / "out",
        template=json.loads((folder / "out" / "sam.json").read_bytes()),
        code=folder / "code",
        layer=folder / "layer" if with_dependencies else None,
    )


def files(*folders: Path) -> Iterator[Path]:
    """Every file but bytecode."""
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def modules(folder: Path) -> list[Path]:
    """Every module's source."""
    return [path for path in files(folder) if path.suffix == ".py"]


def with_bytecode(folder: Path, place: str) -> list[Path]:
    """The modules that have bytecode which is never checked and names its place in Lambda."""
    return [
        module for module in modules(folder) if _is_compiled(module, f"{place}/{module.relative_to(folder)}")
    ]


def _is_compiled(module: Path, place: str) -> bool:
    compiled = Path(importlib.util.cache_from_source(str(module))).read_bytes()
    code: CodeType = marshal.loads(compiled[16:])  # noqa: S302 — just compiled by ourselves
    return (
        compiled[:4] == importlib.util.MAGIC_NUMBER
        and int.from_bytes(compiled[4:8], "little") == UNCHECKED_HASH
        and code.co_filename == place
    )


def spoil_sources(folder: Path) -> None:
    """Make every source unusable, so that whatever still runs has run from its bytecode."""
    for module in modules(folder):
        module.write_text(GARBAGE, encoding="utf-8")


def first_services(package: Package) -> dict[str, str]:
    """For each handler the AWS service that it calls first, in an interpreter of its own; or why it did not."""
    environment = {name: f"https://{name}.test".lower() for name in package.variables()}
    environment |= {"QUEUE_URL_PREFIX": "https://sqs.test/123456789012/imprimatur-"}
    environment |= {"WAIT_SCALE": "1", "MAX_LATENESS_HOURS": "48", "CENTER_TIME_ZONE": "Asia/Shanghai"}
    environment |= {"MAIL_CARRIER": "ses", "BEHIND_EDGE": "no"}
    environment |= {"PRIVATE_PARTNERS": "no"}
    environment |= {"WECHAT_MODE": "draft", "WECHAT_MAX_CHARACTERS": "20000"}
    environment |= {"PRIVATE_PARTNERS": "no", "MAIL_REPLY_TO": "", "PARTNER_KEYS": ""}
    probe = Path(__file__).with_name("packaged_handler.py")
    # With a layer nothing is seen but what is in it: no package that happens to be installed here.
    flags, layer = (["-I"], []) if package.layer is None else (["-I", "-S"], [str(package.layer)])

    def first_service(handler: str) -> str:
        event = json.dumps(EVENTS[handler][0])
        ran = subprocess.run(  # noqa: S603 — our own script
            (sys.executable, *flags, str(probe), str(package.code), handler, event, *layer),
            env=environment,
            cwd=package.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        return ran.stdout.strip() or ran.stderr

    handlers = sorted({function["Handler"] for function in package.functions().values()})
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(handlers, pool.map(first_service, handlers), strict=True))


EXPECTED = {handler: service for handler, (_, service) in EVENTS.items()}
