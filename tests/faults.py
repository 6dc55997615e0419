"""AWS calls that are counted, and one of them that goes wrong: before it, after it took effect, or twice."""

import copy
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.roles import OwnRoleAws

_VOLATILE = re.compile(
    r"[as]-[a-z2-7]{20}|[0-9a-f]{64}|\d{4}-\d\d-\d\dT[\d:.]+Z|_?\d{4}-Y|p-[a-z-]+|\b\d{5,}\b"
)


class Mode(StrEnum):
    """How a call goes wrong."""

    BEFORE = "before"
    AFTER = "after"
    TWICE = "twice"


class CrashError(Exception):
    """The process died here, or the network did: nobody knows more."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One call of a life: what it is about, and which of its kind."""

    label: str
    nth: int


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One call, and how it goes wrong."""

    point: Point
    mode: Mode


class FaultyAws(OwnRoleAws):
    """Clients whose calls are counted by label; the call at `fault` goes wrong, once."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self.calls: list[str] = []
        self.fault: Fault | None = None
        self.struck = False
        self.watch: Callable[[str, Mapping[str, Any]], Mode | None] | None = None
        """Is told of every call before it is made, and may say how it goes wrong."""

    def begin(self, fault: Fault | None = None) -> None:
        """Count from nothing, with this fault to come."""
        with self._guard:
            self.calls, self.fault, self.struck = [], fault, False

    def points(self) -> list[Point]:
        """The calls since `begin`, each as a place where something can go wrong."""
        seen = Counter[str]()
        points = []
        for label in self.calls:
            seen[label] += 1
            points.append(Point(label=label, nth=seen[label]))
        return points

    def make(self, service: str) -> Any:  # noqa: ANN401 - as its base
        """A client with our ears and hands on it."""
        client = super().make(service)
        client.meta.events.register("before-call", self._before(client))
        client.meta.events.register("after-call", self._after)
        return client

    def _before(self, client: Any) -> Callable[..., None]:  # noqa: ANN401 - boto3's own
        def before(model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:  # noqa: ANN401
            label = _label(model.name, params)
            with self._guard:
                self.calls.append(label)
                strikes = self._strikes(label)
                self.struck = self.struck or strikes is not None
            if self.watch is not None:
                strikes = self.watch(model.name, params) or strikes
            if strikes is Mode.BEFORE:
                raise CrashError(label)
            context["crash_after"] = strikes is Mode.AFTER
            if strikes is Mode.TWICE:
                client._endpoint.make_request(model, copy.deepcopy(params))  # the unheard first time

        return before

    def _after(self, context: dict[str, Any], model: Any, **_: Any) -> None:  # noqa: ANN401 - botocore's own
        if context.pop("crash_after", False):
            raise CrashError(model.name)

    def _strikes(self, label: str) -> Mode | None:
        fault = self.fault
        if fault is None or self.struck or fault.point.label != label:
            return None
        return fault.mode if self.calls.count(label) == fault.point.nth else None


def _label(operation: str, params: Mapping[str, Any]) -> str:
    """What a call is about, without what differs from life to life: ids, instants, secrets."""
    body, path = params.get("body"), str(params.get("url_path", "/"))
    if operation == "SendEmail":
        return f"{operation} announcement" if b"ConfigurationSetName" in params["body"] else operation
    if path not in {"", "/"}:
        return f"{operation} {_VOLATILE.sub('*', path)}"
    return f"{operation} {_VOLATILE.sub('*', _about(json.loads(body or '{}')))}".strip()


def _about(request: Mapping[str, Any]) -> str:
    found = [read(request[field]) for field, read in _READERS.items() if field in request]
    return found[0] if found else ""


def _events(items: list[Any]) -> str:
    """The events that a transaction appends; without any, what it begins with."""
    puts = [item["Put"]["Item"] for item in items if "Put" in item]
    events = "+".join(item["event_type"]["S"] for item in puts if "event_type" in item)
    return events or f"{_start(puts[0]['pk'])} {_start(puts[0]['sk'])}"


def _batch(tables: Mapping[str, Any]) -> str:
    """What a batch reads, or writes."""
    keys = [
        key
        for table in tables.values()
        for key in (
            (each["PutRequest"]["Item"] for each in table) if isinstance(table, list) else table["Keys"]
        )
    ]
    return " ".join(sorted({_start(key["sk"]) for key in keys}))


def _start(value: Mapping[str, Any]) -> str:
    return str(value.get("S")).partition("#")[0]


_READERS: Mapping[str, Callable[[Any], str]] = {
    "TransactItems": _events,
    "RequestItems": _batch,
    "Item": lambda item: f"{_start(item['pk'])} {_start(item['sk'])}",
    "Key": lambda key: _start(key["sk"]),
    "ExpressionAttributeValues": lambda values: " ".join(sorted(map(_start, values.values()))),
    "stateMachineArn": lambda arn: str(arn).rpartition(":")[2],
}
