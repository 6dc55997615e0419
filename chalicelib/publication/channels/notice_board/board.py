"""What hangs on the board, from when to when (clauses 4.3.1-4.3.3): pure, so that the same records give the same list.

An item is shown for some days. A department has so many places at once; what comes when all are taken waits in order,
and its days begin when a place gets free. So the whole plan follows from the items alone, and nothing has to happen
for an item to come or go: a screen that was told the plan once keeps to it by its own clock.
"""

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from chalicelib.core.clock import to_text
from chalicelib.submission.model import Category, Importance

VERSION = 1
"""Of the playlist's shape."""
SLIDE, POSTER = "slide.png", "poster.pdf"


@dataclass(frozen=True, kw_only=True)
class Section:
    """One of the board's sections; `colour` is that of its band, as `#rrggbb`."""

    id: str
    name: str
    colour: str
    categories: tuple[Category, ...]


@dataclass(frozen=True, kw_only=True)
class BoardRules:
    """`policies/board.json`. `slots` is how many items a department has on the board at once."""

    sections: tuple[Section, ...]
    display: timedelta
    slots: int
    paper: str
    most_sheets: int
    slide: timedelta
    priorities: Mapping[Importance, int]
    playlist: timedelta

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the rules. Raises ValueError or KeyError when they cannot be kept."""
        document = json.loads(path.read_bytes())
        rules = cls(
            sections=tuple(
                Section(
                    id=each["id"],
                    name=each["name"],
                    colour=each["colour"],
                    categories=tuple(map(Category, each["categories"])),
                )
                for each in document["sections"]
            ),
            display=timedelta(days=document["display_days"]),
            slots=document["slots_per_department"],
            paper=document["paper"],
            most_sheets=document["most_sheets"],
            slide=timedelta(seconds=document["slide_seconds"]),
            priorities={Importance(name): value for name, value in document["priorities"].items()},
            playlist=timedelta(days=document["playlist_days"]),
        )
        if Counter(c for section in rules.sections for c in section.categories) != Counter(Category):
            raise ValueError(f"{path.name}: each category needs exactly one section")
        if min(rules.display, rules.slide, rules.playlist) <= timedelta(0) or rules.slots < 1:
            raise ValueError(f"{path.name}: days, seconds and slots are at least 1")
        return rules

    def section_of(self, category: Category) -> Section:
        """The section in which a category hangs (clause 4.3.2)."""
        return next(section for section in self.sections if category in section.categories)


@dataclass(frozen=True, kw_only=True)
class BoardItem:
    """One published item. Instants are UTC.

    It may be shown from `since` on, for `display`. `sha256` is the slide's. `removed_at` is when it was taken off.
    """

    submission: str
    revision: int
    department: str
    since: datetime
    display: timedelta
    duration: timedelta
    priority: int
    sha256: str
    removed_at: datetime | None = None
    confirmed: tuple[str, ...] = ()
    """Who has seen the paper hang, as persons' ids."""


@dataclass(frozen=True, kw_only=True)
class Showing:
    """When an item is on the board: from `start` until before `end`, which are the same for one that never was."""

    item: BoardItem
    start: datetime
    end: datetime

    def at(self, instant: datetime) -> bool:
        """Whether it is on the board at an instant."""
        return self.start <= instant < self.end


def planned(items: Iterable[BoardItem], slots: int) -> tuple[Showing, ...]:
    """When each item is on the board: in the order in which they came, never more than `slots` of a department.

    An item that was taken off gives its place to the next from that instant on.
    """
    free: dict[str, list[datetime]] = defaultdict(list)
    showings = []
    for item in sorted(items, key=lambda item: (item.since, item.submission)):
        places = free[item.department]
        taken = len(places) >= slots
        start = max(item.since, places[0]) if taken else item.since
        end = start + item.display
        if item.removed_at is not None:
            end = min(end, max(start, item.removed_at))
        if item.removed_at is None or item.removed_at > start:
            heapq.heapreplace(places, end) if taken else heapq.heappush(places, end)
        showings.append(Showing(item=item, start=start, end=end))
    return tuple(showings)


def next_place(items: Iterable[BoardItem], slots: int, department: str, instant: datetime) -> datetime:
    """From when on something that this department publishes at an instant is on the board (clause 4.3.3)."""
    own = [item for item in items if item.department == department]
    new = BoardItem(
        submission="~",  # after every id
        revision=0,
        department=department,
        since=max([instant, *(item.since for item in own)]),
        display=timedelta(1),
        duration=timedelta(1),
        priority=0,
        sha256="",
    )
    return planned([*own, new], slots)[-1].start


@dataclass(frozen=True, kw_only=True)
class Places:
    """A department's places: how many items hang or wait, in how many places, and from when on another has one."""

    taken: int
    slots: int
    next_at: datetime


def places_of(items: Iterable[BoardItem], slots: int, department: str, instant: datetime) -> Places:
    """What whoever chooses the board for a department should know (clause 4.3.3)."""
    own = [item for item in items if item.department == department]
    left = [each for each in planned(own, slots) if each.end > max(each.start, instant)]
    return Places(taken=len(left), slots=slots, next_at=next_place(own, slots, department, instant))


def playlist(items: Iterable[BoardItem], rules: BoardRules, instant: datetime) -> dict[str, Any]:
    """What screens play from an instant on: what is on the board, and what will be, the most pressing first.

    An item that comes later is in the list already, with its `start`: a screen need not be told again.
    """
    showings = [each for each in planned(items, rules.slots) if each.end > max(each.start, instant)]
    ordered = sorted(showings, key=lambda each: (-each.item.priority, each.start, each.item.submission))
    return {
        "version": VERSION,
        "generated_at": to_text(instant),
        "valid_until": to_text(instant + rules.playlist),
        "items": [
            {
                "id": each.item.submission,
                "revision": each.item.revision,
                "url": f"{each.item.submission}/{each.item.revision}/{SLIDE}",
                "sha256": each.item.sha256,
                "start": to_text(each.start),
                "end": to_text(each.end),
                "duration_s": int(each.item.duration.total_seconds()),
                "priority": each.item.priority,
            }
            for each in ordered
        ],
    }
