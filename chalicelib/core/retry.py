"""Trying again what another writer got in the way of."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from chalicelib.core.errors import Stale

T = TypeVar("T")

TRIES = 5
PATIENT = 2
"""The tries that follow each other at once; from then on there is a pause before each."""
PAUSE = (0.02, 0.1)
"""Seconds: the shortest and the longest pause."""


def pause() -> None:
    """Wait for a time of chance: transactions that met each other must not meet again in step."""
    time.sleep(random.uniform(*PAUSE))  # noqa: S311 — spreads load, guards nothing


def again_when_stale(step: Callable[[], T], *, tries: int = TRIES, pause: Callable[[], None] = pause) -> T:
    """Take a read-check-write step again when somebody else was faster; raises Stale after so many tries."""
    for tried in range(1, tries):
        try:
            return step()
        except Stale:
            if tried >= PATIENT:
                pause()
    return step()
