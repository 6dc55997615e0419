"""Calls one handler of an unpacked package, in an interpreter that sees nothing else of the project.

    python -I packaged_handler.py FOLDER chalicelib.review.jobs.open_stage EVENT

It prints the AWS service that the handler asks for first: by then everything that it imports and reads from
files has been found.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import NoReturn


class AwsReached(BaseException):
    """Not an Exception, because handlers report those one by one and go on."""


def call(folder: str, handler: str, event: object) -> str:
    """The service's name. Raises AssertionError when the handler ends without asking for any."""
    sys.path.insert(0, folder)
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


def _no_aws() -> object:
    """AWS whose clients cannot be made."""

    def make(_self: object, service: str) -> NoReturn:
        raise AwsReached(service)

    return type("NoAws", (importlib.import_module("chalicelib.core.aws").Aws,), {"make": make})()


if __name__ == "__main__":
    print(call(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))  # noqa: T201 — its answer
