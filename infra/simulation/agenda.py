"""What is to happen, and when: a clock that jumps from one thing to the next."""

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime


class Agenda:
    """Things to do at instants, in UTC. `now` is the clock of everything that is simulated."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._order = itertools.count()
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []

    def now(self) -> datetime:
        """The simulated instant."""
        return self._now

    def at(self, instant: datetime, thing: Callable[[], None]) -> None:
        """Let something happen then; what has passed already happens next. Ties come in the order they were named."""
        heapq.heappush(self._due, (max(instant, self._now), next(self._order), thing))

    def run(self, until: datetime, *, after_each: Callable[[], None]) -> None:
        """Let everything happen that is due up to an instant, and stand there. `after_each` follows each thing."""
        while self._due and self._due[0][0] <= until:
            self._now, _, thing = heapq.heappop(self._due)
            thing()
            after_each()
        self._now = until
