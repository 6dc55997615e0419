"""Whether the decisions of a round pass it, by the procedure that it began with (clauses 2.2.1, 3.3.1).

What is asked here is part of the frozen format of docs/archive-format.md, as `layout` is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.archive.model import layout
from chalicelib.ledger.model import Event

_ASKING = frozenset(
    {
        "TaskOpened",
        "ReviewReminded",
        "ReviewOverdue",
        "TaskDelegated",
        "TaskReassigned",
        "DecisionRecalled",
    }
)


@dataclass(frozen=True, kw_only=True)
class Required:
    """A stage, and how many must approve: None for everybody who is asked."""

    stage: str
    quorum: int | None


def stages_of(procedure: Mapping[str, Any] | None) -> tuple[Required, ...]:
    """The stages of a procedure, in their order; none when it cannot be read. Without a procedure there are three."""
    if procedure is None:
        return tuple(Required(stage=stage, quorum=1) for stage in layout.STAGES)
    listed = procedure.get("stages")
    required = tuple(map(_required, listed)) if isinstance(listed, list) else ()
    read = tuple(each for each in required if each is not None)
    return read if len(read) == len(required) and len({each.stage for each in read}) == len(read) else ()


def _required(said: object) -> Required | None:
    if not isinstance(said, dict) or not isinstance(said.get("id"), str):
        return None
    quorum = said.get("quorum")
    if quorum == "all":
        return Required(stage=said["id"], quorum=None)
    return Required(stage=said["id"], quorum=quorum) if type(quorum) is int and quorum > 0 else None


def approved_by(decided: Sequence[Event], events: Iterable[Event], stages: Iterable[Required]) -> bool:
    """Whether the decisions of a round pass it: each stage in its order, by as many as it takes, nobody against."""
    order: list[object] = []
    for required in stages:
        approvals = [event for event in decided if event.payload.get("stage") == required.stage]
        if not _enough(required, [event.actor for event in approvals], events):
            return False
        order += [required.stage] * len(approvals)
    in_order = [event.payload.get("stage") for event in decided] == order
    return bool(order) and in_order and all(event.payload.get("decision") == "approve" for event in decided)


def that_stand(events: Iterable[Event], *, recalls: bool) -> list[Event]:
    """The decisions of a round that were not taken back; without `recalls` none can be."""
    standing: list[Event] = []
    for event in events:
        if event.type == "Decided":
            standing.append(event)
        elif recalls and event.type == "DecisionRecalled":
            recalled = (event.actor, event.payload.get("stage"))
            standing = [each for each in standing if (each.actor, each.payload.get("stage")) != recalled]
    return standing


def _enough(required: Required, approvers: Sequence[str], events: Iterable[Event]) -> bool:
    """Whether so many persons approve a stage, each once; for all, as many as were asked last, of whoever was asked."""
    if not approvers or len(set(approvers)) < len(approvers):
        return False
    if required.quorum is not None:
        return len(approvers) == required.quorum
    asked = [
        event.payload.get("reviewers")
        for event in events
        if event.type in _ASKING and event.payload.get("stage") == required.stage
    ]
    lists = [each for each in asked if isinstance(each, list)]
    if not lists or len(lists) < len(asked):
        return False
    ever = {str(person) for each in lists for person in each}
    return set(approvers) <= ever and len(approvers) >= len(lists[-1]) > 0
