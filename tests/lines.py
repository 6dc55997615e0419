"""The log as CloudWatch gets it, line by line."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.core import logs

LOUD = ("chalicelib", "infra", "imprimatur")


class Written(logging.Handler):
    """Every line since it began to listen: as it was written, and read."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logs.Lines())
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(self.format(record))

    def lines(self, **wanted: object) -> list[dict[str, Any]]:
        """The lines in which these fields have these values."""
        read = [json.loads(line) for line in self.text]
        return [line for line in read if wanted.items() <= line.items()]

    def figures(self, name: str) -> list[dict[str, Any]]:
        """The lines that hold a figure of that name."""
        return [line for line in self.lines() if "_aws" in line and name in line]


@contextmanager
def written() -> Iterator[Written]:
    """Listen, in every thread, as loudly as the desk does on Lambda."""
    handler, root = Written(), logging.getLogger()
    before = {name: logging.getLogger(name).level for name in LOUD}
    root.addHandler(handler)
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
