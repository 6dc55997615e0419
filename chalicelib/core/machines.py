"""State machines: starting an execution once, and waking one that waits."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.core.errors import Stale

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_GONE = frozenset({"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"})


class Machine:
    """One state machine."""

    def __init__(self, *, client: "Callable[[], SFNClient]", arn: str) -> None:
        self._client = client
        self._arn = arn

    def start(self, name: str, argument: Mapping[str, Any]) -> None:
        """Start the execution of that name, once: a repeat while it runs changes nothing.

        Raises Stale when an execution of that name has already ended: only a higher attempt can start again.
        """
        try:
            self._client().start_execution(
                stateMachineArn=self._arn, name=name, input=json.dumps(argument, sort_keys=True)
            )
        except self._client().exceptions.ExecutionAlreadyExists as error:
            raise Stale from error


def resume(client: "Callable[[], SFNClient]", token: str, output: Mapping[str, Any]) -> None:
    """Wake the execution that waits with that token. Raises Stale when it waits no more."""
    try:
        client().send_task_success(taskToken=token, output=json.dumps(output, sort_keys=True))
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            raise Stale from error
        raise
