"""ministack, with what it does differently from AWS put right where our stacks and functions would notice.

    <python of the emulator's own environment> emulated_aws.py

It knows nothing of the project. Each mend wraps the original, and fails loudly when that is no longer there.
"""

import hashlib
import json
import os
import stat
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from email.utils import parseaddr
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack import app
from ministack.core import iam_actions, lambda_runtime
from ministack.services import apigateway_v1, lambda_svc, stepfunctions
from ministack.services.cloudformation import provisioners

IN_NAME_ONLY = (
    "AWS::Backup::BackupSelection",
    "AWS::CloudTrail::Trail",
    "AWS::GuardDuty::Detector",
    "AWS::WAFv2::IPSet",
    "AWS::WAFv2::WebACLAssociation",
)
"""Resources that ministack's CloudFormation does not know: a stack has them, and they do nothing."""

Answer = tuple[int, dict[str, str], bytes]


def replace(owner: object, name: str, make: Callable[[Any], Any]) -> None:
    """Put `make(original)` in the place of something in a module or class."""
    setattr(owner, name, make(getattr(owner, name)))


def main() -> None:
    """Mend and serve, until terminated."""
    replace(apigateway_v1, "handle_request", with_test_calls)
    replace(lambda_runtime, "_PYTHON_WORKER_SCRIPT", telling_the_class)
    replace(lambda_runtime.Worker, "invoke", remembering_the_class)
    replace(lambda_svc, "_execute_function_warm", with_the_class)
    replace(lambda_runtime, "_detect_runtime_binary", alone)
    replace(lambda_runtime, "zipfile", unpacking_once)
    replace(app, "pin_request_origin", as_over_tls)
    replace(iam_actions, "_ses_v2_resource_arn", naming_the_sender)
    replace(iam_actions, "extract_resource_arn", naming_the_machine)
    replace(lambda_svc, "_execute_function", heeding_partial_failures)
    for kind in IN_NAME_ONLY:
        known_by_now = provisioners._RESOURCE_HANDLERS.setdefault(kind, {"create": in_name, "delete": gone})
        if known_by_now["create"] is not in_name:
            raise SystemExit(f"ministack knows {kind} by now: take it from the list")
    app.main()


def in_name(resource: str, properties: Any, stack: str) -> tuple[str, dict[str, str]]:  # noqa: ANN401 — ministack's own
    """A resource of which only a name and an ARN are there."""
    name = f"{stack}-{resource}"
    return name, {"Arn": f"arn:aws:emulated:us-east-1:123456789012:{name}", "Id": name}


def gone(resource: str, properties: Any) -> None:  # noqa: ANN401 — as above
    """There was nothing."""


def as_over_tls(original: Callable[[str, bool], None]) -> Callable[[str, bool], None]:
    """Take what comes over loopback for what came over TLS, which policies of buckets and queues demand."""
    return lambda address, _secure: original(address, True)


def naming_the_sender(original: Callable[..., str]) -> Callable[..., str]:
    """Hold a mail against the identity that sends it, the sender's domain; ministack holds it against `*`."""

    def resource(method: str, path: str, body: bytes, region: str, account: str) -> str:
        if path.rstrip("/") != "/v2/email/outbound-emails":
            return original(method, path, body, region, account)
        sender = parseaddr(json.loads(body).get("FromEmailAddress", ""))[1]
        return f"arn:aws:ses:{region}:{account}:identity/{sender.rpartition('@')[2]}"

    return resource


def naming_the_machine(original: Callable[..., str]) -> Callable[..., str]:
    """Hold a task's answer against the machine that waits for it, the one that uses tokens, and not against `*`."""

    def resource(service: str, method: str, path: str, headers: Any, body: bytes, *more: Any) -> str:  # noqa: ANN401 — ministack's own
        if service != "states" or b"taskToken" not in body:
            return original(service, method, path, headers, body, *more)
        (waiting,) = (
            arn
            for arn, one in stepfunctions._state_machines.items()
            if "waitForTaskToken" in one["definition"]
        )
        return str(waiting)

    return resource


def heeding_partial_failures(original: Callable[..., Any]) -> Callable[..., Any]:
    """Bring a stream's batch again of which a part has failed: ministack heeds that for queues only."""

    def execute(function: Any, event: Any) -> Any:  # noqa: ANN401 — ministack's own
        result = original(function, event)
        records = event.get("Records", ()) if isinstance(event, dict) else ()
        streamed = any(record.get("eventSource") == "aws:dynamodb" for record in records)
        body = result.get("body")
        if streamed and isinstance(body, dict) and body.get("batchItemFailures"):
            return {
                **result,
                "error": True,
                "body": {"errorType": "PartialFailure", "errorMessage": str(body)},
            }
        return result

    return execute


def with_test_calls(original: Callable[..., Any]) -> Callable[..., Any]:
    """TestInvokeMethod, which ministack does not know: the request as the deployed stage answers it."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:  # noqa: ANN401 — ministack's own
        match (method, *path.strip("/").split("/")):
            case "POST", "restapis", api, "resources", _resource, "methods", tested:
                return await _tested(api, tested, json.loads(body))
        answer: Answer = await original(method, path, headers, body, query)
        return answer

    return handle


async def _tested(api: str, method: str, asked: dict[str, Any]) -> Answer:
    (stage,) = apigateway_v1._stages_v1[api].keys() - {
        "Stage"
    }  # which SAM makes beside the one that is asked for
    path, _, _query = asked["pathWithQueryString"].partition("?")
    status, headers, body = await apigateway_v1.handle_execute(
        api, stage, method, path, asked.get("headers", {}), asked.get("body", "").encode(), {}
    )
    text = body.decode() if isinstance(body, bytes) else body
    answer = {"status": status, "body": text, "headers": headers, "log": "", "latency": 0}
    return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


_SAID = threading.local()


def telling_the_class(script: str) -> str:
    """Have the functions' processes say which class of exception it was: state machines go by that."""
    told = script.replace('"error": str(e), "trace"', '"error": str(e), "type": type(e).__name__, "trace"')
    if told == script:
        raise SystemExit("ministack's worker has changed: it no longer says errors as it did")
    return told


def remembering_the_class(original: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the class, which ministack drops; the same thread asks for it just afterwards."""

    def invoke(*arguments: object, **named: object) -> Any:  # noqa: ANN401 — ministack's own
        result = original(*arguments, **named)
        _SAID.type = result.get("type")
        return result

    return invoke


def with_the_class(original: Callable[..., Any]) -> Callable[..., Any]:
    """Answer the exception's class as `errorType`, as Lambda does, and not `Runtime.HandlerError` for every one."""

    def execute(*arguments: object, **named: object) -> Any:  # noqa: ANN401 — ministack's own
        _SAID.type = None
        result = original(*arguments, **named)
        if result.get("error") and _SAID.type is not None:
            result["body"]["errorType"] = _SAID.type
        return result

    return execute


def alone(original: Callable[[str], tuple[str, str]]) -> Callable[[str], tuple[str, str]]:
    """Run functions by a Python without any installed packages: all that they import is in their package and layer.

    ministack starts its own interpreter, in whose environment much of that would be found by chance.
    """
    folder = Path(tempfile.mkdtemp(prefix="emulated-python-"))
    python = folder / "python"
    plain = getattr(sys, "_base_executable", sys.executable)
    python.write_text(f'#!/bin/sh\nexec "{plain}" -I -S "$@"\n', encoding="utf-8")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)

    def detect(runtime: str) -> tuple[str, str]:
        binary, script = original(runtime)
        return (str(python) if binary == sys.executable else binary), script

    return detect


def unpacking_once(original: Any) -> Any:  # noqa: ANN401 — a module
    """Unpack each layer once for all functions' processes.

    ministack unpacks it for every one, and removes it again while everybody waits: two thirds of an update.
    """
    places = Path(tempfile.mkdtemp(prefix="emulated-layers-"))
    lock = threading.Lock()

    class UnpackedOnce(zipfile.ZipFile):
        def extractall(self, path: Any = None, *_: object) -> None:  # noqa: ANN401 — as its base
            if not Path(path).name.startswith("layer_"):
                super().extractall(path)
                return
            place = places / hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
            with lock:
                if not place.exists():
                    super().extractall(place)
            Path(path).rmdir()
            Path(path).symlink_to(place)

    return SimpleNamespace(**{**vars(original), "ZipFile": UnpackedOnce})


if __name__ == "__main__":
    os.environ.setdefault("BIND_HOST", "127.0.0.1")
    main()
