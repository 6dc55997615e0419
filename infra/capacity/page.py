"""docs/capacity.md: its figures, for the prose in page.md.jinja."""

from collections.abc import Callable, Iterator
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app import app
from chalicelib.core.ids import new_id
from chalicelib.submission.store import SHARDS
from infra.bench.life import EDITORS, RECIPIENTS, STAGES, STORIES
from infra.capacity.breaking import PUBLISHING, Capacity
from infra.capacity.cost import (
    HERE,
    Life,
    idle_per_month,
    kept_per_month,
    lines,
    read_units,
    write_units,
)
from infra.capacity.load import SHARD
from infra.capacity.meter import READ_UNIT
from infra.expanded import Expanded
from infra.local import subscriptions
from infra.package import ROOT

ARCHIVED = 10_000_000
SITES = (1_000, 10_000, 100_000, 1_000_000, ARCHIVED)
RATES = (1, 2, 5, 10, 20, 40)
HOTTEST = 10
TITLES = {
    "website": "website only",
    "announced": f"and e-mail to {RECIPIENTS}",
    "attached": "with two files",
    "returned": "returned once",
}
Row = tuple[str, ...]


def page(capacity: Capacity) -> str:
    """The whole page."""
    templates = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 — Markdown of our own figures
    )
    parts = (_costs, _load, _keys, _archived)
    figures = {name: value for part in parts for name, value in part(capacity).items()}
    return templates.get_template("page.md.jinja").render(
        figures,
        prices=capacity.figures.prices,
        quotas=capacity.figures.quotas,
        kinds=[TITLES[kind] for kind in STORIES],
        sizes=list(_sizes(capacity)),
    )


def _costs(capacity: Capacity) -> dict[str, Any]:
    figures = capacity.figures
    signing_in = sum(line.dollars for line in lines(figures, "sign_in"))
    resources = [
        resource
        for stack in sorted((ROOT / "infra" / "stacks").glob("*.yaml"))
        if stack.stem != "department"
        for resource in Expanded(stack).resources.values()
    ]
    queues = sum(isinstance(each, subscriptions.Queue) for each in subscriptions.of(app))
    idle = idle_per_month(figures, queues, resources)
    return {
        "editors": EDITORS,
        "counted": list(_counted(capacity)),
        "prices_of_services": list(_services(capacity)),
        "sign_ins": f"{1000 * signing_in:.2f}",
        "further_mail": f"{1000 * figures.prices['per_unit']['ses_mail']:.2f}",
        "idle": [(name, f"{dollars:.2f}") for name, dollars in idle.items()],
        "department_polls": f"{next(reversed(idle.values())) / queues:.2f}",
    }


def _counted(capacity: Capacity) -> Iterator[Row]:
    rows: tuple[tuple[str, Callable[[Life], float]], ...] = (
        ("requests over HTTP", lambda life: life["invocations"]["api_handler"]),
        ("invocations of functions", lambda life: sum(life["invocations"].values())),
        ("calls of AWS", lambda life: sum(life["calls"].values())),
        ("state transitions", lambda life: life.get("transitions", 0)),
        ("write units, indexes included", write_units),
        ("read units", read_units),
        ("mails", lambda life: life["operations"].get("SendEmail", 0)),
        ("messages of queues", lambda life: sum(life["messages"].values())),
        ("bytes of log lines", lambda life: life["log_bytes"]),
        ("bytes that stay in the table", lambda life: life.get("kept", {}).get("table", 0)),
        ("bytes of the package", lambda life: life.get("kept", {}).get("packages", 0)),
    )
    for name, of in rows:
        yield name, *(f"{of(capacity.figures.life(kind)):,.0f}" for kind in ("sign_in", *STORIES))


def _services(capacity: Capacity) -> Iterator[Row]:
    costs = {kind: lines(capacity.figures, kind) for kind in STORIES}
    totals = {kind: sum(line.dollars for line in each) for kind, each in costs.items()}
    for place, line in enumerate(costs["website"]):
        yield line.service, *(_part(costs[kind][place].dollars, totals[kind]) for kind in STORIES)
    yield "**in all**", *(f"**{1000 * totals[kind]:.2f}**" for kind in STORIES)
    kept = {kind: kept_per_month(capacity.figures, kind) for kind in STORIES}
    yield "kept, each month after", *(f"{1000 * dollars:.4f}" for dollars in kept.values())


def _load(capacity: Capacity) -> dict[str, Any]:
    load = capacity.load
    return {
        "requests": f"{load.requests:,}",
        "month_end": f"{load.month_end:g}",
        "busiest_share": f"{max(load.hours) / sum(load.hours):.0%}",
        "hour": load.busiest_hour,
        "peak": f"{capacity.peak:.0f}",
        "departments": load.departments,
        "largest_department": f"{max(load.department_weights()):.0%}",
        "on_the_hour": f"{load.on_the_hour:.0%}",
        "breaks": [(b.what, b.limit, b.load, _rounded(b.at), b.remedy) for b in capacity.breaks()],
        "publication_seconds": f"{capacity.publication_seconds:.1f}",
        "publication_calls": len(PUBLISHING),
    }


def _keys(capacity: Capacity) -> dict[str, Any]:
    quotas = capacity.figures.quotas
    serial = [(rate, capacity.serial(rate), capacity.pages(rate)) for rate in RATES]
    return {
        "partition_writes": f"{quotas['partition_write_units']:,}",
        "partition_reads": f"{quotas['partition_read_units']:,}",
        "most_published": f"{capacity.most_published:,.0f}",
        "keys": [
            (
                each.where,
                f"`{each.kind}`",
                f"{each.share:.0%}" if each.share else "each its own",
                _three(each.writes),
                _three(each.reads),
                f"{capacity.heat(each):.0%}",
            )
            for each in capacity.pressures[:HOTTEST]
        ],
        "listing_lasts": _rounded(capacity.lasting("listing")),
        "shard": f"{capacity.shares[SHARD]:.1%}",
        "shards": SHARDS,
        "even_shard": f"{1 / SHARDS:.2%}",
        "serial": [
            (f"{rate}", f"{one.lost:.1%}", f"{one.tries:.1f}", f"{other.lost:.1%}", f"{other.tries:.1f}")
            for rate, one, other in serial
        ],
    }


def _archived(capacity: Capacity) -> dict[str, Any]:
    figures, kept = capacity.figures, capacity.life["kept"]
    month, read_unit = figures.prices["per_month"], figures.prices["per_unit"]["dynamodb_read_unit"]
    latency = figures.assumed["latency_ms"]
    table, packages = ARCHIVED * kept["table"] / 1e9, ARCHIVED * kept["packages"] / 1e9
    units = {items: max(1.0, items * kept["entry"] / READ_UNIT) for items in SITES}
    each_department = (latency["Query"] + latency["BatchGetItem"]) / 1000
    return {
        "archived": f"{ARCHIVED:,}",
        "table_gb": f"{table:,.0f}",
        "table_cost": f"{table * (month['dynamodb_gb'] + month['dynamodb_recovery_gb']):,.0f}",
        "packages_gb": f"{packages:,.0f}",
        "packages_cost": f"{packages * month['s3_gb']:,.0f}",
        "catalogue_seconds": f"{capacity.load.departments * each_department:.0f}",
        "scan_cost": f"{table * 1e9 / READ_UNIT * read_unit:.0f}",
        "sitemap": f"{figures.quotas['sitemap_addresses']:,}",
        "sites": [
            (
                f"{items:,}",
                f"{capacity.pages_window(items):,.1f}",
                f"{read:,.0f}",
                f"{1000 * read * read_unit:,.2f}",
            )
            for items, read in units.items()
        ],
    }


def _sizes(capacity: Capacity) -> Iterator[Row]:
    quotas, life = capacity.figures.quotas, capacity.life
    # A reminder enters three states where a stage that is decided in time enters two.
    reminders = quotas["history_events"] / (life["longest_history"] / len(STAGES) * 3 / 2)
    holders = quotas["item_bytes"] / (len(new_id("p")) + len('"",'))
    yield (
        "events in an execution's history",
        f"{quotas['history_events']:,}",
        f"{life['longest_history']}",
        f"some {_rounded(reminders)} reminders in one round",
    )
    yield (
        "bytes of a state's input",
        f"{quotas['state_input_bytes']:,}",
        f"{life['largest_input']}",
        "texts and lists stay in the table, ids travel",
    )
    yield (
        "bytes of an item",
        f"{quotas['item_bytes']:,}",
        "heads under 1,024, a text as long as the form allows",
        f"a department's item names who ever held a duty there: {_rounded(holders)} people",
    )
    yield (
        "recipients of a mailing",
        "300 s a run, 100 runs",
        f"{RECIPIENTS} in one run",
        "what is left goes on with the next run, which reads the list again",
    )


def _part(dollars: float, whole: float) -> str:
    return f"{1000 * dollars:.3f} ({dollars / whole:.0%})"


def _rounded(number: float) -> str:
    """Two digits that count: more would pretend."""
    digits = len(f"{number:.0f}")
    return f"{round(number, 2 - digits):,.0f}"


def _three(values: tuple[float, float, float]) -> str:
    return " / ".join(f"{value:,.0f}" for value in values)
