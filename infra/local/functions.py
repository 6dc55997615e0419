"""Lambda on the laptop: a function's name leads to the app's own handler, called in this process."""

import json
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chalice.app import Chalice
from chalice.local import LambdaContext
from chalice.utils import to_cfn_resource_name

from chalicelib.core.errors import ImprimaturError
from chalicelib.core.events import UnforeseenError, report

MAX_PAYLOAD = 6 * 1024 * 1024
"""What Lambda takes and gives in one synchronous call, in bytes."""
_SECONDS = 900

Handler = Callable[[Any, Any], Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an invocation gave: JSON, and whether it is the function's error (`X-Amz-Function-Error`)."""

    payload: bytes
    failed: bool = False

    def value(self) -> Any:  # noqa: ANN401 - JSON has any shape
        """The payload, read."""
        return json.loads(self.payload)


class Functions:
    """The functions of one app, called as `{prefix}-{handler}`, or by an ARN that ends so.

    `in_flight` counts the invocations that have begun and not ended, in all threads.
    """

    def __init__(self, app: Chalice, prefix: str) -> None:
        self._handlers: Mapping[str, Handler] = app.handler_map
        self._prefix = prefix
        self._lock = threading.Lock()
        self.in_flight = 0

    def name(self, handler: str) -> str:
        """The name under which a handler is deployed. Raises KeyError when the app has no such handler."""
        if handler not in self._handlers:
            raise KeyError(f"the app has no handler {handler}; it has {', '.join(sorted(self._handlers))}")
        return f"{self._prefix}-{handler}"

    def substitutions(self) -> dict[str, str]:
        """What a workflow file may say instead of a name: `OpenTaskFunction` for the handler `open_task`."""
        return {f"{to_cfn_resource_name(name)}Function": self.name(name) for name in self._handlers}

    def handler(self, function: str) -> str:
        """The handler of a function's name or ARN: `name` the other way round."""
        return function.rpartition(":")[2].removeprefix(f"{self._prefix}-")

    def handed(self) -> dict[str, str]:
        """What the app's stack may hand over of its functions: names here, ARNs on AWS."""
        return {
            f"/{self._prefix}/app/{name.replace('_', '-')}-arn": self.name(name) for name in self._handlers
        }

    def invoke(self, function: str, payload: bytes) -> Answer:
        """Call a function with a JSON document; its exceptions become its error answer, as Lambda does.

        Raises KeyError when there is no such function.
        """
        handler = self.handler(function)
        self.name(handler)
        context = LambdaContext(function_name=function, memory_size=256, max_runtime_ms=_SECONDS * 1000)
        with self._counted():
            return invoked(self._handlers[handler], handler, payload, context)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self.in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self.in_flight -= 1


def invoked(handler: Handler, name: str, payload: bytes, context: LambdaContext | None) -> Answer:
    """Call a handler as Lambda does."""
    try:
        answer = json.dumps(handler(json.loads(payload), context)).encode()
    except Exception as error:  # noqa: BLE001 - Lambda reports whatever a function raises
        if not isinstance(error, ImprimaturError | UnforeseenError):  # a job of ours has told of those
            report(error, f"function {name}")
        description = {
            "errorType": type(error).__name__,
            "errorMessage": str(error),
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
        return Answer(payload=json.dumps(description).encode(), failed=True)
    if len(answer) > MAX_PAYLOAD:
        too_large = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": f"{len(answer)} bytes"}
        return Answer(payload=json.dumps(too_large).encode(), failed=True)
    return Answer(payload=answer)
