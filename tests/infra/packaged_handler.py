"""Calls one handler of an unpacked package, in an interpreter that sees nothing else of the project.

    python -I packaged_handler.py FOLDER chalicelib.review.jobs.open_stage EVENT

It prints the AWS service that the handler asks for first: by then everything that it imports and reads from
files has been found.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any


class AwsReachedError(BaseException):
    """Not an Exception, because handlers report those one by one and go on."""


def call(folder: str, handler: str, event: object) -> str:
    """The service's name. Raises AssertionError when the handler ends without asking for any."""
    sys.path.insert(0, folder)
    module, _, name = handler.rpartition(".")
    called = getattr(importlib.import_module(module), name)
    bootstrap = importlib.import_module("chalicelib.bootstrap")
    if not Path(str(bootstrap.__file__)).is_relative_to(folder):
        raise AssertionError(f"{bootstrap.__file__} is not the package's")
    settings = importlib.import_module("chalicelib.core.settings")
    names = [field.upper() for field, value in vars(settings.Settings).items() if field.islower()]
    del names
    aws = importlib.import_module("chalicelib.core.aws")

    def make(_self: object, service: str) -> Any:  # noqa: ANN401 — it never answers
        raise AwsReachedError(service)

    no_aws = type("NoAws", (aws.Aws,), {"make": make})
    bootstrap.use(bootstrap.Parts(settings.from_environment(ENVIRONMENT), aws=no_aws()))
    try:
        answer = called(event, None)
    except AwsReachedError as reached:
        return str(reached)
    raise AssertionError(f"{handler} ended without AWS: {answer}")
