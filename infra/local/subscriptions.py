"""Who is fed by what: read from the app's own handlers and from the template that AWS gets for them.

Chalice knows handler, queue, batch size and schedule; filters, retries and partial failures are said in the
merge template (`infra/stacks/app.yaml`), so the laptop heeds them exactly when AWS would.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalice.app import (
    BaseEventSourceConfig,
    Chalice,
    DynamoDBEventConfig,
    ScheduledEventConfig,
    ScheduleExpression,
    SQSEventConfig,
)
from chalice.utils import to_cfn_resource_name

from infra.templates import load

Pattern = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A handler of the table's changes. It gets a record if any filter matches, or if there is no filter."""

    handler: str
    batch_size: int
    filters: tuple[Pattern, ...] = ()
    max_retries: int = 5
    partial: bool = False
    """Whether the handler's `batchItemFailures` are heeded."""

    def wants(self, record: Mapping[str, Any]) -> bool:
        """Does any filter match?"""
        return not self.filters or any(matches(pattern, record) for pattern in self.filters)


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A handler of a queue; `queue` is its name, with or without the prefix."""

    handler: str
    queue: str
    batch_size: int
    partial: bool = False


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A handler that is called at a fixed rate."""

    handler: str
    every: timedelta


Subscription = Stream | Queue | Schedule


def of(app: Chalice, template: Path | None = None) -> tuple[Subscription, ...]:
    """The subscriptions of an app, in its order; `template` is the merge template.

    Raises ValueError for a kind of event source, schedule or filter that the laptop cannot feed.
    """
    resources = load(template).get("Resources", {}) if template else {}
    return tuple(
        _subscription(config, _properties(resources.get(to_cfn_resource_name(config.name), {})))
        for config in app.event_sources
    )


def _properties(function: Mapping[str, Any]) -> dict[str, Any]:
    """The event source's properties; Chalice gives a function one event source."""
    merged: dict[str, Any] = {}
    for event in function.get("Properties", {}).get("Events", {}).values():
        merged |= event.get("Properties", {})
    return merged


def _subscription(config: BaseEventSourceConfig, properties: Mapping[str, Any]) -> Subscription:
    partial = "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", [])
    if isinstance(config, DynamoDBEventConfig):
        return Stream(
            handler=config.name,
            batch_size=properties.get("BatchSize", config.batch_size),
            filters=tuple(
                json.loads(each["Pattern"])
                for each in properties.get("FilterCriteria", {}).get("Filters", [])
            ),
            max_retries=properties.get("MaximumRetryAttempts", Stream.max_retries),
            partial=partial,
        )
    if isinstance(config, SQSEventConfig):
        return Queue(
            handler=config.name,
            queue=config.queue or str(config.queue_arn).rpartition(":")[2],
            batch_size=properties.get("BatchSize", config.batch_size),
            partial=partial,
        )
    if isinstance(config, ScheduledEventConfig):
        return Schedule(handler=config.name, every=_rate(config.schedule_expression))
    raise ValueError(f"{config.name}: the laptop cannot feed {type(config).__name__}")


def _rate(expression: object) -> timedelta:
    text = expression.to_string() if isinstance(expression, ScheduleExpression) else str(expression)
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", text)
    if found is None:
        raise ValueError(f"the laptop knows rate(…) only, not {text}")
    return timedelta(**{f"{found[2]}s": int(found[1])})


def matches(pattern: Pattern, value: Mapping[str, Any]) -> bool:
    """Lambda's event filtering, so much of it as is used: nested fields, equal values and prefixes.

    Raises ValueError for any other comparison.
    """
    return all(
        matches(wanted, value.get(name, {}))
        if isinstance(wanted, Mapping)
        else any(_equal_or_prefixed(each, value.get(name)) for each in wanted)
        for name, wanted in pattern.items()
    )


def _equal_or_prefixed(wanted: object, value: object) -> bool:
    if not isinstance(wanted, dict):
        return wanted == value
    if wanted.keys() != {"prefix"}:
        raise ValueError(f"the laptop knows no filter {wanted}")
    return isinstance(value, str) and value.startswith(wanted["prefix"])
