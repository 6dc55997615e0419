"""What is done one after the other: how many a second, where everybody reads, and writes unless somebody else has.

A serial number is such a place, and so is a page that all publications share. Whoever loses tries again, as often and
after such pauses as the product does.
"""

import heapq
import itertools
import random
from dataclasses import dataclass

from chalicelib.core.retry import PATIENT, PAUSE, TRIES
from chalicelib.publication.channels.website import site


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it: the share that lost every try, and tries per success."""

    lost: float
    tries: float


def serial_numbers(rate: float, window: float, *, seconds: float = 200, seed: int = 2026) -> Outcome:
    """Take numbers of one series, `rate` times a second by chance; from reading to writing pass `window` seconds.

    What loses all its tries here is tried again by its state machine, later.
    """
    return _compete(rate, window, seconds=seconds, tries=TRIES, patient=PATIENT, seed=seed)


def shared_pages(rate: float, window: float, *, seconds: float = 200, seed: int = 2026) -> Outcome:
    """Bring pages that all publications share up to date; whoever loses starts again at once."""
    return _compete(rate, window, seconds=seconds, tries=site.TRIES, patient=site.TRIES, seed=seed)


def _compete(rate: float, window: float, *, seconds: float, tries: int, patient: int, seed: int) -> Outcome:
    rng = random.Random(seed)  # noqa: S311 — a made-up rush
    order = itertools.count()
    written, won, lost, made = -1.0, 0, 0, 0
    # Each entry is a try that now writes: when, a tie-breaker, when it read, which try it is.
    queue: list[tuple[float, int, float, int]] = []
    arrival = rng.expovariate(rate)
    while queue or arrival < seconds:
        if not queue or arrival < queue[0][0]:
            heapq.heappush(queue, (arrival + window, next(order), arrival, 1))
            arrival += rng.expovariate(rate)
            if arrival >= seconds:
                arrival = float("inf")
            continue
        now, _, began, tried = heapq.heappop(queue)
        made += 1
        if written <= began:
            written = now
            won += 1
        elif tried == tries:
            lost += 1
        else:
            again = now + (rng.uniform(*PAUSE) if tried >= patient else 0)
            heapq.heappush(queue, (again + window, next(order), again, tried + 1))
    return Outcome(lost=lost / (won + lost), tries=made / max(1, won))
