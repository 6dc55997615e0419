"""What can be made to go wrong at the stand-in, each as it goes wrong at the platform."""

from dataclasses import dataclass, field
from enum import StrEnum

SUBMIT = "/cgi-bin/freepublish/submit"
SEND_TO_ALL = "/cgi-bin/message/mass/sendall"


class Telling(StrEnum):
    """How it goes when the account tells that a publication has ended."""

    ONCE = "once"
    TWICE = "twice"
    LOST = "lost"
    REVERSED = "reversed"
    """Of what is told together the last comes first."""


@dataclass(kw_only=True)
class Faults:
    """What goes wrong next; each happens once, but for `telling`. Calls are named by their paths.

    `unheard`: the connection ends before anything has happened; `unanswered`: after it has. `busy` counts how often a
    call answers −1, `outdated` are calls before which every token ends, `ends` are the statuses of the next
    publications.
    """

    unheard: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    busy: dict[str, int] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)
    ends: list[int] = field(default_factory=list)
    telling: Telling = Telling.ONCE

    def is_busy(self, path: str) -> bool:
        """Whether a call is answered −1 this time."""
        left = self.busy.get(path, 0)
        self.busy[path] = max(0, left - 1)
        return left > 0


def happens(switch: set[str], path: str) -> bool:
    """Whether it happens this time; then not again."""
    if path not in switch:
        return False
    switch.discard(path)
    return True
