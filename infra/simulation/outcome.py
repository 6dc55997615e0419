"""What a simulated year came to: how long decisions took, what is stuck, and whether any rule was broken."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median, quantiles
from typing import Any

from chalicelib.core.clock import from_text
from chalicelib.ledger.model import Event, chain_faults
from chalicelib.ledger.store import events_of
from chalicelib.review.deadlines import Escalation
from chalicelib.review.model import Decision
from chalicelib.submission.model import State, Submission
from infra.simulation.desk import Desk
from infra.simulation.year import Year

ALL = "all"
_COLUMNS = ("decided", "in time", "reminded", "escalated", "withdrawn", "stuck", "median h", "p90 h")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One stage of one round. `closed` is None where it was never decided; `stuck`, where it should have been."""

    stage: str
    importance: str
    opened: datetime
    deadline: datetime
    closed: datetime | None = None
    reminded: bool = False
    escalated: bool = False
    alarmed: bool = False
    stuck: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of the stages of a kind; times in working hours."""

    stage: str
    importance: str
    decided: int
    in_time: int
    reminded: int
    escalated: int
    withdrawn: int
    stuck: int
    median_hours: float
    p90_hours: float

    def cells(self) -> list[str]:
        """As a line of the table."""
        counts = (self.decided, self.in_time, self.reminded, self.escalated, self.withdrawn, self.stuck)
        return [*map(str, counts), f"{self.median_hours:.1f}", f"{self.p90_hours:.1f}"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`rows` by stage and importance, `broken` every rule that was, in words; `states` where the requests ended."""

    rows: tuple[Row, ...]
    stuck: int
    broken: tuple[str, ...]
    states: Mapping[str, int]
    alarms: int
    stood_in: int
    lost_records: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is stuck and no rule was broken."""
        return not self.stuck and not self.broken

    def as_json(self) -> dict[str, Any]:
        """One object."""
        return {
            "stages": [vars(row) for row in self.rows],
            "stuck": self.stuck,
            "broken": list(self.broken),
            "states": dict(self.states),
            "alarms": self.alarms,
            "stood_in": self.stood_in,
            "lost_records": self.lost_records,
        }

    def lines(self) -> Iterator[str]:
        """The table, and what is to be said besides."""
        widths = [max(9, len(name)) for name in _COLUMNS]
        yield "  ".join(
            [f"{'stage':16} {'importance':10}", *(f"{n:>{w}}" for n, w in zip(_COLUMNS, widths, strict=True))]
        )
        for row in self.rows:
            cells = (f"{cell:>{width}}" for cell, width in zip(row.cells(), widths, strict=True))
            yield "  ".join([f"{row.stage:16} {row.importance:10}", *cells])
        yield ""
        yield "requests: " + ", ".join(f"{number} {state}" for state, number in sorted(self.states.items()))
        yield (
            f"alarms raised: {self.alarms}; substitutes named for who did not answer: {self.stood_in}; "
            f"records of the stream lost on purpose: {self.lost_records}"
        )
        yield f"stuck: {self.stuck}"
        yield f"rules broken: {len(self.broken)}"
        yield from (f"  {fault}" for fault in self.broken)


def outcome(year: Year) -> Outcome:
    """Look at every chain of a year that has been run."""
    runs: list[Run] = []
    broken = [f"machine failed: {failed}" for failed in year.desk.machines.failed]
    states: dict[str, int] = {}
    unfinished = {head.id for head in year.unfinished()}
    for submission in year.submitted:
        head = year.desk.head(submission)
        states[head.state.value] = states.get(head.state.value, 0) + 1
        events = tuple(events_of(year.desk.table, submission))
        own = _runs(events)
        if submission in unfinished and head.state is State.IN_REVIEW and own:
            own[-1] = replace(own[-1], stuck=True)
        runs += own
        broken += (f"{submission}: {fault}" for fault in faults(year.desk, head, events))
    return Outcome(
        rows=tuple(_rows(year, runs)),
        stuck=len(unfinished),
        broken=tuple(broken),
        states=states,
        alarms=year.alarms,
        stood_in=year.stood_in,
        lost_records=year.lost,
    )


def _runs(events: Iterable[Event]) -> list[Run]:
    """The stages of every round, in their order."""
    importance, runs = "", list[Run]()
    for event in events:
        said = event.payload
        if "importance" in said:
            importance = said["importance"]
        elif event.type == "TaskOpened":
            deadline = from_text(said["deadline"])
            runs.append(Run(stage=said["stage"], importance=importance, opened=event.at, deadline=deadline))
        elif event.type == "ReviewReminded":
            runs[-1] = replace(runs[-1], reminded=True)
        elif event.type == "ReviewOverdue":
            alarmed = runs[-1].alarmed or said["to"] == Escalation.OPERATIONS
            runs[-1] = replace(runs[-1], escalated=True, alarmed=alarmed)
        elif event.type == "Decided" and not said.get("awaited"):
            runs[-1] = replace(runs[-1], closed=event.at)
        elif event.type == "DecisionRecalled":
            runs[-1] = replace(runs[-1], closed=None)
    return runs


def faults(desk: Desk, head: Submission, events: Sequence[Event]) -> Iterator[str]:
    """Every rule that a chain of a desk breaks, in words."""
    yield from chain_faults(events)
    authors: set[str] = set()
    digests: dict[int, str] = {}
    approved: dict[int, list[str]] = {}
    required = desk.parts.procedures.of(head).ids
    for event in events:
        said = event.payload
        passed = approved.setdefault(said.get("revision", 0), [])
        about = said.get("content_digest")
        if about and digests.setdefault(said["revision"], about) != about:
            yield f"{event.type} by {event.actor} is about another text"
        authors |= _authors(event)
        if event.type == "Decided":
            stage, due = said["stage"], required[len(passed)]
            if stage != due:
                yield f"{stage} was decided where {due} was due"
            if event.actor in authors:
                yield f"{event.actor} wrote the text and decided on it at {stage}"
            if not desk.decided.get((head.id, said["revision"], stage, event.actor)):
                yield f"{event.actor} decided at {stage} without its duty"
            passed += [stage] if said["decision"] == Decision.APPROVE and not said.get("awaited") else []
        elif event.type == "DecisionRecalled":
            approved[said["revision"]] = [stage for stage in passed if stage != said["stage"]]
        elif event.type == "Scheduled" and tuple(passed) != required:
            yield f"revision {said['revision']} was scheduled after {passed}"


def _authors(event: Event) -> set[str]:
    """Whoever answers for a text from this event on; a text that is restored has its own authors already."""
    if event.type == "AmendmentConfirmed":
        return {event.actor, event.payload["amended_by"]}
    is_new = event.type in {"Submitted", "Resubmitted"} and "restores" not in event.payload
    return {event.actor} if is_new else set()


def _rows(year: Year, runs: Sequence[Run]) -> Iterator[Row]:
    """By stage and importance, each stage in all, and everything together."""
    kinds = list(dict.fromkeys(run.importance for run in sorted(runs, key=lambda run: run.importance)))
    for stage in year.desk.parts.procedures.present.ids:
        of_stage = [run for run in runs if run.stage == stage]
        for importance in kinds:
            yield _row(year, stage, importance, [run for run in of_stage if run.importance == importance])
        yield _row(year, stage, ALL, of_stage)
    for importance in kinds:
        yield _row(year, ALL, importance, [run for run in runs if run.importance == importance])
    yield _row(year, ALL, ALL, runs)


def _row(year: Year, stage: str, importance: str, runs: Sequence[Run]) -> Row:
    decided = [(run, run.closed) for run in runs if run.closed is not None]
    hours = [year.hours.between(run.opened, closed) for run, closed in decided]
    return Row(
        stage=stage,
        importance=importance,
        decided=len(decided),
        in_time=sum(closed <= run.deadline for run, closed in decided),
        reminded=sum(run.reminded for run in runs),
        escalated=sum(run.escalated for run in runs),
        withdrawn=sum(run.closed is None and not run.stuck for run in runs),
        stuck=sum(run.stuck for run in runs),
        median_hours=median(hours) if hours else 0.0,
        p90_hours=quantiles(hours, n=10)[-1] if len(hours) > 1 else sum(hours),
    )
