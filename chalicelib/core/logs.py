"""What the log says: one JSON object a line, about whose submission and for which request, and nothing secret.

Whatever is logged while a function works on something carries what it works on: `invocation` begins with nothing of
the call before it, `about` narrows it down for a block, `note` adds what is learned on the way. Of an error a line
says which and where, never what it says, as its message may hold what must stay home; of lines that are not ours only
the sentence as it stands in the source, without what was put into it.
"""

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType, TracebackType
from typing import Any, TextIO

from chalicelib.core.clock import to_text

FIELDS = ("time", "level", "logger", "message", "function")
"""What every line has; `function` is missing outside of any."""
CONTEXT = ("request_id", "correlation_id", "submission", "event_id", "message_id", "attachment")
"""What a line is about, as far as it is known: ids, and nothing else."""
FACTS = ("method", "route", "status", "ms", "person", "event", "error", "code", "reason", "trace")
"""What single lines say besides."""
_OURS = ("chalicelib", "infra", "imprimatur")
"""The loggers whose messages are shown; `imprimatur` is Chalice's own, named after the app."""
_ON_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
_LED_BY = "led_by"
"""The request that led here, shown as the correlation id until a nearer one is known."""

_present: ContextVar[Mapping[str, str]] = ContextVar("present", default=MappingProxyType({}))


@contextmanager
def invocation(name: str, **ids: str | None) -> Iterator[None]:
    """For the length of one call of a function its lines say so, and what it is about; nothing of it stays behind.

    `led_by` is the correlation id to begin with, where the submission's own is not known yet.
    """
    _listen_on_lambda()
    token = _present.set({"function": name, **_known(ids)})
    try:
        yield
    finally:
        _present.reset(token)


@contextmanager
def about(**ids: str | None) -> Iterator[None]:
    """For the length of a block lines say this, too: one message of a batch, one submission of a sweep."""
    token = _present.set({**_present.get(), **_known(ids)})
    try:
        yield
    finally:
        _present.reset(token)


def note(**ids: str | None) -> None:
    """Let the rest of the present block say this, too. Outside of any function nothing happens."""
    if _present.get():
        _present.set({**_present.get(), **_known(ids)})


def note_correlation(submission: str, correlation_id: str) -> None:
    """Note what a submission's head says: it is what events of the desk's own bear.

    Nothing happens where this is not about that submission, or about a request or an event that has its own.
    """
    present = _present.get()
    if present.get("submission") == submission and "correlation_id" not in present:
        _present.set({**present, "correlation_id": correlation_id})


def present_function() -> str:
    """The function that is being called; empty outside of any."""
    return _present.get().get("function", "")


def milliseconds_since(began: float) -> float:
    """How long something has taken that began then, by `time.perf_counter`."""
    return round((time.perf_counter() - began) * 1000, 1)


def where(trace: TracebackType | None) -> str:
    """The lines of code that led to an error."""
    return "".join(traceback.format_tb(trace))


def facts(**said: object) -> dict[str, Any]:
    """What a line says besides its message, for the `extra` of a call of a logger."""
    return {"facts": {name: value for name, value in said.items() if value is not None}}


class Lines(logging.Formatter):
    """Makes a line of a record."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object in ASCII. Context and facts never replace what every line has."""
        line: dict[str, Any] = {
            "time": to_text(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": said(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line |= {"error": record.exc_info[0].__name__, "trace": where(record.exc_info[2])}
        present = dict(_present.get())
        led_by = present.pop(_LED_BY, None)
        if led_by is not None:
            present.setdefault("correlation_id", led_by)
        return json.dumps({**line, **present, **getattr(record, "facts", {}), **line}, default=str)


def said(record: logging.LogRecord) -> str:
    """A record's message. Of somebody else's only the sentence in the source, which knows nothing of our data."""
    if record.name.partition(".")[0] in _OURS:
        return record.getMessage()
    if record.args and isinstance(record.msg, str):
        return record.msg
    return f"not shown: {record.module}, line {record.lineno}"


def write_to(stream: TextIO) -> logging.Handler:
    """From now on write lines to this stream and nowhere else; of others' loggers only what worries them."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    return handler


@cache
def _listen_on_lambda() -> None:
    """On Lambda, once: standard output is where its lines go. Whoever runs elsewhere chooses where."""
    if _ON_LAMBDA in os.environ:
        write_to(sys.stdout)


def _known(ids: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in ids.items() if value is not None}
