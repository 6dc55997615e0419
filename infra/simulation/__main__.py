"""`python -m infra.simulation`: a year of requests; the exit status is 1 when one is stuck or a rule was broken."""

import argparse
import gc
import json
import logging
import random
import sys
from collections.abc import Sequence
from datetime import date

from infra.simulation.outcome import outcome
from infra.simulation.year import Plan, Year


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print."""
    plan = Plan()
    parser = argparse.ArgumentParser(
        prog="make simulate", description="A year of requests with the real services, in memory."
    )
    parser.add_argument("--requests", type=int, default=plan.requests, help="how many come in")
    parser.add_argument("--seed", type=int, default=1, help="whose chance it is: the same, the same year")
    parser.add_argument("--first", type=date.fromisoformat, default=plan.first, help="the first day")
    parser.add_argument("--last", type=date.fromisoformat, default=plan.last, help="the last day")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args(arguments)
    logging.getLogger("chalicelib").setLevel(
        logging.ERROR
    )  # that some mails and links come too late is no news
    plan = Plan(first=options.first, last=options.last, requests=options.requests)
    gc.disable()  # the year grows and lets nothing go: looking through all of it again and again is a sixth of the time
    year = Year(plan, random.Random(options.seed))  # noqa: S311 — chance, and no secret
    year.run()
    came_to = outcome(year)
    print(json.dumps(came_to.as_json(), ensure_ascii=False) if options.json else "\n".join(came_to.lines()))
    return 0 if came_to.is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
