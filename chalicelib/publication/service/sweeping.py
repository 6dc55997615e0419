"""Repairing what lost events left behind."""

from dataclasses import dataclass

from chalicelib.core.errors import Stale
from chalicelib.core.events import report
from chalicelib.publication.service.publishing import Publishing
from chalicelib.review.service import Rounds
from chalicelib.submission.service import Journal
from chalicelib.submission.store import in_flight, read_head


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
        examined = 0
        for record in in_flight(self.journal.table):
            examined += 1
            try:
                head = read_head(record)
                self.rounds.repair(head)
                self.publishing.repair(head)
            except Stale:
                continue  # something happened to it just now, so it does not stand still
            except Exception as error:  # noqa: BLE001 — one that fails must not hold back the others
                report(error, f"sweep of {record.pk}")
        return examined
