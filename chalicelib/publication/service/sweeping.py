"""Repairing what lost events left behind, and telling how long things wait."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from chalicelib.core import logs, metrics
from chalicelib.core.errors import Stale
from chalicelib.core.events import report
from chalicelib.publication.service.publishing import Publishing
from chalicelib.publication.store import FREEZE_KEY
from chalicelib.review.service import Rounds
from chalicelib.submission.model import IN_FLIGHT, State, Submission
from chalicelib.submission.service import Journal
from chalicelib.submission.store import in_flight, read_head

_NONE = timedelta(0)


@dataclass(kw_only=True)
class Seen:
    """What a sweep has seen: per state how many wait, since when the oldest, and how late the worst is."""

    number: Counter[State] = field(default_factory=Counter)
    oldest: dict[State, timedelta] = field(default_factory=dict)
    overdue: dict[State, timedelta] = field(default_factory=dict)
    restarts: int = 0
    frozen: bool | None = None
    """None while nothing was in flight: then nobody has looked."""

    def add(self, head: Submission, *, idle: timedelta, overdue: timedelta) -> None:
        """Take a submission in, unless it has just ended: the index that named it may lag behind."""
        if head.state not in IN_FLIGHT:
            return
        self.number[head.state] += 1
        self.oldest[head.state] = max(idle, self.oldest.get(head.state, _NONE))
        self.overdue[head.state] = max(overdue, self.overdue.get(head.state, _NONE))
        self.restarts = max(head.restarts, self.restarts)

    def tell(self) -> None:
        """Emit the figures: zeros, too, as an alarm ends by them."""
        for state in sorted(IN_FLIGHT):
            figures: dict[metrics.Metric, float] = {
                metrics.WAITING: self.number[state],
                metrics.OLDEST_SECONDS: self.oldest.get(state, _NONE).total_seconds(),
                metrics.OVERDUE_SECONDS: self.overdue.get(state, _NONE).total_seconds(),
            }
            metrics.emit(figures, state)
        desk: dict[metrics.Metric, float] = {
            metrics.SWEPT: self.number.total(),
            metrics.MOST_RESTARTS: self.restarts,
        }
        metrics.emit(desk | ({} if self.frozen is None else {metrics.FROZEN: int(self.frozen)}))


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """Finds what stands still: the guarantee behind every event that was lost."""

    journal: Journal
    rounds: Rounds
    publishing: Publishing

    def sweep(self) -> int:
        """Look at everything in flight, repair each on its own, and answer how many were looked at.

        One that fails is logged and holds back no other; the next sweep comes to it again.
        """
        examined, seen = 0, Seen()
        for record, found in in_flight(self.journal.table, FREEZE_KEY):
            examined += 1
            seen.frozen = found.get(FREEZE_KEY) is not None
            with logs.about(submission=record.pk.removeprefix("SUBMISSION#")):
                try:
                    head = read_head(record)
                    self._take_in(seen, head)
                    self.rounds.repair(head)
                    self.publishing.repair(head)
                except Stale:
                    continue  # something happened to it just now, so it does not stand still
                except Exception as error:  # noqa: BLE001 — one that fails must not hold back the others
                    report(error, f"sweep of {record.pk}")
        seen.tell()
        return examined

    def _take_in(self, seen: Seen, head: Submission) -> None:
        reviewed = head.state is State.IN_REVIEW
        held_back = bool(seen.frozen) and not reviewed
        overdue = (self.rounds if reviewed else self.publishing).overdue(head)
        idle = self.journal.now() - head.updated_at
        seen.add(head, idle=idle, overdue=_NONE if held_back else overdue)
