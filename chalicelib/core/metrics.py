"""Figures about the desk, as lines of the log that CloudWatch makes metrics of (embedded metric format).

Emitting costs no call: the line is all there is. A figure is emitted after what it counts has been committed, so a
repeat that changes nothing counts nothing; a crash in between loses one, and the log may deliver one twice. The
ledger, not a metric, is the truth.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from chalicelib.core.clock import utc_now

log = logging.getLogger(__name__)

NAMESPACE = "Imprimatur"
COUNT, SECONDS = "Count", "Seconds"


class Metric(NamedTuple):
    """A figure. `by` names the dimensions that it has besides `Desk`; `also_whole` ones are there without them, too."""

    name: str
    unit: str
    by: tuple[str, ...] = ()
    also_whole: bool = False


SUBMISSIONS = Metric("Submissions", COUNT, ("State",))
"""Submissions that came into a state: handed in (`in_review`), returned, published …"""
PERSON_NEEDED = Metric("PersonNeeded", COUNT, ("Reason",))
RESTARTED = Metric("Restarted", COUNT)
"""Submissions that the sweeper began again."""
REFUSED_REQUESTS = Metric("RefusedRequests", COUNT)
"""Messages of departments' systems."""
STAGE_OPENED = Metric("StageOpened", COUNT, ("Stage",))
STAGE_OVERDUE = Metric("StageOverdue", COUNT, ("Stage",))
"""Deadlines that were missed, and that somebody was told of."""
STAGE_REMINDED = Metric("StageReminded", COUNT, ("Stage",))
STAGE_UNANSWERED = Metric("StageUnanswered", COUNT, ("Stage",), also_whole=True)
"""Stages that nobody decided although everybody was told."""
STAGE_SECONDS = Metric("StageSeconds", SECONDS, ("Stage",))
"""From the opening of a stage to its decision; as many samples as decisions."""
PUBLISH_LATE_SECONDS = Metric("PublishLateSeconds", SECONDS)
"""From the instant that was planned to the beginning of publishing."""
DELIVERIES = Metric("Deliveries", COUNT, ("Channel", "State"))
"""Deliveries that came into a state."""
DELIVERY_SECONDS = Metric("DeliverySeconds", SECONDS, ("Channel",))
ARCHIVE_SECONDS = Metric("ArchiveSeconds", SECONDS)
"""From `Published` to `Archived`; as many samples as were archived."""
MAILS = Metric("Mails", COUNT, ("Outcome",))
"""Mails of every kind: what the carrier answered to each, and what became known later."""
NOTICES = Metric("Notices", COUNT, ("Kind",))
"""Notices that were told, one per event and person."""
UNFORESEEN_ERRORS = Metric("UnforeseenErrors", COUNT, ("Function",), also_whole=True)
SWEPT = Metric("Swept", COUNT)
"""Submissions in flight that a sweep looked at, none included: that it is there says that the sweeper lives."""
FROZEN = Metric("Frozen", COUNT)
"""1 during a freeze, else 0; every sweep tells."""
WAITING = Metric("Waiting", COUNT, ("State",))
OLDEST_SECONDS = Metric("OldestSeconds", SECONDS, ("State",))
"""Since anything last happened to the submission that has waited longest in a state."""
OVERDUE_SECONDS = Metric("OverdueSeconds", SECONDS, ("State",))
"""By how much the worst of a state is beyond its term; 0 when none is, or while a freeze holds it back."""
MOST_RESTARTS = Metric("MostRestarts", COUNT)
"""How often the submission in flight that was begun again most often was."""

METRICS: Mapping[str, Metric] = {
    each.name: each for each in vars().copy().values() if isinstance(each, Metric)
}

_desk = "unknown"


def of_desk(name: str) -> None:
    """Say which desk this process works for: the `Desk` of every figure from now on."""
    global _desk  # noqa: PLW0603 — one desk per process, as one whole
    _desk = name


def count(metric: Metric, *by: str, number: int = 1) -> None:
    """Emit that something has happened; `by` are the values of its dimensions, in their order."""
    emit({metric: number}, *by)


def emit(figures: Mapping[Metric, float], *by: str) -> None:
    """Emit figures of the same dimensions in one line."""
    if not log.isEnabledFor(logging.INFO):
        return
    log.info("%s", ", ".join(metric.name for metric in figures), extra={"facts": document(figures, by)})


def document(figures: Mapping[Metric, float], by: tuple[str, ...]) -> dict[str, Any]:
    """The figures in CloudWatch's embedded metric format. Raises ValueError for dimensions that are not theirs."""
    first = next(iter(figures))
    if any((each.by, each.also_whole) != (first.by, first.also_whole) for each in figures):
        raise ValueError("figures of different dimensions in one line")
    dimensions = [["Desk", *first.by], *([["Desk"]] if first.also_whole else [])]
    return {
        "_aws": {
            "Timestamp": int(utc_now().timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": dimensions,
                    "Metrics": [{"Name": each.name, "Unit": each.unit} for each in figures],
                }
            ],
        },
        "Desk": _desk,
        **dict(zip(first.by, map(str, by), strict=True)),
        **{metric.name: value for metric, value in figures.items()},
    }
