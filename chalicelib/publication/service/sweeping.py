"""Repairing what lost events left behind, reminding, going on after a freeze, and telling how long things wait."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from chalicelib.core import logs, metrics
from chalicelib.core.errors import Stale
from chalicelib.core.events import report
from chalicelib.publication.freeze import Freezes, concerned
from chalicelib.publication.service.freezing import Freezing
from chalicelib.publication.service.publishing import Publishing
from chalicelib.review.service import Rounds
from chalicelib.submission.model import IN_FLIGHT, State, Submission
from chalicelib.submission.service import ConfirmationReminders, Journal
from chalicelib.submission.store import in_flight, read_head

_NONE = timedelta(0)


@dataclass(kw_only=True)
class Seen:
    """What a sweep has seen: is anything frozen; per state how many wait, since when, and how late the worst is."""

    number: Counter[State] = field(default_factory=Counter)
    oldest: dict[State, timedelta] = field(default_factory=dict)
    overdue: dict[State, timedelta] = field(default_factory=dict)
    restarts: int = 0
    frozen: bool

    def add(self, head: Submission, *, idle: timedelta, overdue: timedelta) -> None:
        """Take a submission in, unless it has just ended: the index that named it may lag behind."""
        if not head.is_in_flight:
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
            metrics.FROZEN: int(self.frozen),
        }
        metrics.emit(desk)


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """Finds what stands still: the guarantee behind every event that was lost."""

    journal: Journal
    rounds: Rounds
    reminders: ConfirmationReminders
    publishing: Publishing
    freezing: Freezing
    board: Callable[[], object]
    """Tells screens what has come to the notice board or left it since they were told."""

    def sweep(self) -> int:
        """Look at everything in flight, repair each on its own, and answer how many were looked at.

        One that fails is logged and holds back no other; the next sweep comes to it again. A freeze that has come to
        its end is recorded first.
        """
        freezes = self._freezes()
        seen = Seen(frozen=bool(freezes.at(self.journal.now())))

        def repair(head: Submission) -> None:
            self._take_in(seen, head, freezes)
            self.rounds.repair(head)
            self.reminders.remind(head)
            self.publishing.repair(head, freezes)

        examined = self._each(repair)
        seen.tell()
        try:
            self.board()
        except Exception as error:  # noqa: BLE001 — screens keep to what they know, and nothing else may wait for them
            report(error, "sweep of the notice board")
        return examined

    def release(self) -> int:
        """Begin at once what a freeze held back that has ended, each on its own as in a sweep."""
        freezes = self.freezing.present()
        return self._each(lambda head: self.publishing.release(head, freezes))

    def _each(self, step: Callable[[Submission], None]) -> int:
        examined = 0
        for record in in_flight(self.journal.table):
            examined += 1
            with logs.about(submission=record.pk.removeprefix("SUBMISSION#")):
                try:
                    step(read_head(record))
                except Stale:
                    continue  # something happened to it just now, so it does not stand still
                except Exception as error:  # noqa: BLE001 — one that fails must not hold back the others
                    report(error, f"sweep of {record.pk}")
        return examined

    def _freezes(self) -> Freezes:
        try:
            return self.freezing.expire()
        except Exception as error:  # noqa: BLE001 — as above; readers compare the clock, so nothing depends on it
            report(error, "sweep of freezes")
            return self.freezing.present()

    def _take_in(self, seen: Seen, head: Submission, freezes: Freezes) -> None:
        now = self.journal.now()
        whose: Rounds | ConfirmationReminders | Publishing = self.publishing
        if head.state is State.IN_REVIEW:
            whose = self.rounds
        elif head.state is State.AWAITING_CONFIRMATION:
            whose = self.reminders
        held_back = whose is self.publishing and freezes.stop(concerned(head, self.publishing.adapters), now)
        overdue = whose.overdue(head)
        seen.add(head, idle=now - head.updated_at, overdue=_NONE if held_back else overdue)
