"""`python -m infra.capacity` prints docs/capacity.md of what is checked in; `--measure` measures anew first."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from infra.bench.__main__ import measure as bench
from infra.bench.life import STORIES
from infra.capacity.breaking import Capacity
from infra.capacity.cost import HERE, Figures
from infra.capacity.lives import measure
from infra.capacity.load import Load, arrivals, one_by_one
from infra.capacity.page import page
from infra.capacity.site import publication_seconds

MEASURED = HERE / "measured.json"
ITEMS = 4000
ROUNDS, STARTS = 50, 2
MINUTES = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the page."""
    parser = argparse.ArgumentParser(
        prog="make capacity", description="What a request costs, what breaks first."
    )
    parser.add_argument(
        "--measure", action="store_true", help="measure anew, into infra/capacity/measured.json"
    )
    parser.add_argument(
        "--check", action="store_true", help="also hold the simulation against single requests"
    )
    options = parser.parse_args(arguments)
    if options.measure:
        MEASURED.write_text(json.dumps(measured(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    capacity = Capacity(Figures.read(), Load())
    if options.check:
        check(capacity)
    print(page(capacity), end="")
    return 0


def measured() -> dict[str, Any]:
    """All measurements; CPU is this machine's."""
    spent = bench(ROUNDS, STARTS)
    calls = sum(step.calls.total() for step in spent.steps)
    many, few = (min(publication_seconds(items) for _ in range(3)) for items in (ITEMS, ITEMS // 2))
    return {
        "cpu_ms_per_call": round(spent.figures["life"].seconds * 1000 / calls, 3),
        "site": {"cpu_ms_per_item": round((many - few) * 1000 / (ITEMS // 2), 4)},
        "lives": {kind: measure(kind) for kind in ("sign_in", *STORIES)},
    }


def check(capacity: Capacity) -> None:
    """Tell, for some minutes from the busiest hour's beginning, what single requests come to beside the simulation."""
    begin = capacity.load.busiest_hour * 3600
    counts = arrivals(capacity.load, range(begin, begin + 60 * MINUTES), capacity.most_published)
    singly = one_by_one(capacity.load, capacity.life["touches"], counts)
    simulated = {(each.where, each.kind): each for each in capacity.pressures}
    for each in singly:
        there = simulated[each.where, each.kind]
        print(
            f"{each.where} {each.kind}: writes {each.writes[2]:.0f} singly, {there.writes[2]:.0f} simulated; "
            f"reads {each.reads[2]:.0f} singly, {there.reads[2]:.0f} simulated",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main())
