"""Calls one handler of an unpacked package, in an interpreter that sees nothing else of the project.

    python -I packaged_handler.py FOLDER chalicelib.review.jobs.open_stage EVENT

It prints the AWS service that the handler calls first: by then it has found the modules, policies and schemas
that it needs.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import NoReturn


class AwsReached(BaseException):
    """Not an Exception, because handlers report those one by one and go on."""


def call(folder: str, handler: str, event: object, layer: str | None = None) -> str:
    """The service's name. Raises AssertionError when the handler ends without a call."""
    sys.path[:0] = [folder] if layer is None else [folder, f"{layer}/python"]
    module, _, name = handler.rpartition(".")
    called = getattr(importlib.import_module(module), name)
    bootstrap = importlib.import_module("chalicelib.bootstrap")
    assert Path(str(bootstrap.__file__)).is_relative_to(folder)
    settings = importlib.import_module("chalicelib.core.settings").from_environment()
    bootstrap.use(bootstrap.Parts(settings, aws=_no_aws()))
    try:
        answer = called(event, None)
    except AwsReached as reached:
        return str(reached)
    raise AssertionError(f"{handler} ended without AWS: {answer}")


class Client:
    """An AWS client that answers nothing."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __getattr__(self, _operation: str) -> NoReturn:
        raise AwsReached(self._service)


def _no_aws() -> object:
    """The package's `Aws` with such clients."""
    aws = importlib.import_module("chalicelib.core.aws")
    return type("NoAws", (aws.Aws,), {"make": lambda _, service: Client(service)})()


if __name__ == "__main__":
    print(call(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), *sys.argv[4:]))  # noqa: T201 — its answer
