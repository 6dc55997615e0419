"""Repairing what lost events left behind, and going on with what a freeze has held back."""

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core.errors import Stale
from chalicelib.core.events import report
from chalicelib.publication.freeze import Freezes
from chalicelib.publication.service.freezing import Freezing
from chalicelib.publication.service.publishing import Publishing
from chalicelib.review.service import Rounds
from chalicelib.submission.model import Submission
from chalicelib.submission.service import Journal
from chalicelib.submission.store import in_flight, read_head


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """Finds what stands still: the guarantee behind every event that was lost."""

    journal: Journal
    rounds: Rounds
    publishing: Publishing
    freezing: Freezing

    def sweep(self) -> int:
        """Look at everything in flight, repair each on its own, and answer how many were looked at.

        One that fails is logged and holds back no other; the next sweep comes to it again. A freeze that has come to
        its end is recorded first.
        """
        freezes = self._freezes()

        def repair(head: Submission) -> None:
            self.rounds.repair(head)
            self.publishing.repair(head, freezes)

        return self._each(repair)

    def release(self) -> int:
        """Begin at once what a freeze held back that has ended, each on its own as in a sweep."""
        freezes = self.freezing.present()
        return self._each(lambda head: self.publishing.release(head, freezes))

    def _each(self, step: Callable[[Submission], None]) -> int:
        examined = 0
        for record in in_flight(self.journal.table):
            examined += 1
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
