"""Whoever adds a function, a queue or a machine brings its runbook; and runbooks can be followed."""

import json
import re
from pathlib import Path

import pytest

from chalicelib.core import logs
from chalicelib.core.metrics import METRICS
from infra.checks.runbooks import section_of
from infra.checks.runbooks import sections as sections_in
from infra.expanded import Expanded
from infra.package import RENDERER, ROOT
from tests.test_docs import DOCS, OPERATIONS, codes, only, table_after, text_of

RUNBOOKS = DOCS / "runbooks.md"
PARTS = ("**Means.**", "**How bad.**", "**Look.**", "**Do.**", "**Over when.**")
INTRODUCTIONS = ("which-section-for-what", "how-to-look")
WORDS = frozenset(
    {"fields", "filter", "sort", "limit", "stats", "count", "pct", "max", "by", "asc", "desc"}
    | {"and", "in", "like", "ispresent"}
)
QUERY = re.compile(r"```logs\n(.*?)```|`((?:fields|filter|stats) [^`]*\|[^`]*)`", re.DOTALL)


def sections() -> dict[str, str]:
    return sections_in(text_of(RUNBOOKS))


def links_in(text: str) -> list[str]:
    return re.findall(r"\]\(#([^)]+)\)", text)


def queries() -> list[str]:
    return [block or line for block, line in QUERY.findall(text_of(RUNBOOKS))]


def names_in_the_table() -> list[str]:
    rows = table_after(RUNBOOKS, "## Which section for what")
    return [name for row in rows for name in codes(row[0])]


def deployed() -> set[str]:
    """Every function, queue and machine, without the environment's prefix."""
    config = json.loads((ROOT / "infra" / "chalice" / "config.json").read_bytes())
    queues = {
        queue["QueueName"].removeprefix("x-")
        for path in sorted((ROOT / "infra" / "stacks").glob("*.yaml"))
        for queue in Expanded(path, Prefix="x", Department="{department}").of("SQS::Queue").values()
    }
    machines = {path.name.partition(".")[0] for path in (ROOT / "infra" / "workflows").glob("*.asl.json")}
    return {*config["lambda_functions"], RENDERER.lower()} | queues | machines


def test_every_function_queue_and_machine_has_its_section() -> None:
    """Clause 5.2.2: later ones bring theirs, or this fails."""
    assert sorted(names_in_the_table()) == sorted(deployed())
    for row in table_after(RUNBOOKS, "## Which section for what"):
        assert links_in(row[1]), row


@pytest.mark.parametrize("section", [name for name in sections() if name not in INTRODUCTIONS])
def test_a_section_says_what_how_bad_where_to_look_what_to_do_and_when_it_is_over(section: str) -> None:
    places = [sections()[section].find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)


def test_every_link_to_a_section_leads_to_one() -> None:
    assert set(links_in(text_of(RUNBOOKS))) <= sections().keys()
    pattern = r"{}#([a-z0-9-]+)"
    headings = {section_of(each) for each in re.findall(r"^#+ (.*)$", text_of(OPERATIONS), re.MULTILINE)}
    assert set(re.findall(pattern.format(r"operations\.md"), text_of(RUNBOOKS))) <= headings
    assert set(re.findall(pattern.format(r"runbooks\.md"), text_of(OPERATIONS))) <= sections().keys()


def test_every_section_is_led_to() -> None:
    told = {
        anchor
        for path in (ROOT / "infra" / "stacks").glob("*.yaml")
        for anchor in re.findall(r"docs/runbooks\.md#([a-z0-9-]+)|Runbook: ([a-z0-9-]+)}", text_of(path))
        for anchor in anchor
    }
    assert sections().keys() - set(INTRODUCTIONS) <= told | set(links_in(text_of(RUNBOOKS)))


def test_a_section_is_found_as_github_names_it() -> None:
    assert section_of("A department's letters") == "a-departments-letters"
    assert section_of("The carrier's events are not taken in") == "the-carriers-events-are-not-taken-in"


def test_queries_ask_for_what_lines_have() -> None:
    known = {
        *logs.FIELDS,
        *logs.CONTEXT,
        *logs.FACTS,
        "@timestamp",
        *METRICS,
        *(by for m in METRICS.values() for by in m.by),
    }
    assert len(queries()) > 15
    for query in queries():
        bare = re.sub(r'"[^"]*"|/[^/]*/', "", query)
        named = set(re.findall(r"[@A-Za-z_]+", bare)) - WORDS
        assert named <= known, query
        assert "stats" not in bare or bare.rfind("filter") < bare.find("stats"), (
            "a filter comes before what it filters"
        )


def test_the_fields_of_a_line_are_those_that_are_told() -> None:
    told = [name for row in table_after(OPERATIONS, "## Logs") for name in codes(row[0])]
    assert told == [*logs.FIELDS, *logs.CONTEXT, *logs.FACTS]


def test_the_figures_are_those_that_are_told() -> None:
    told = {
        only(codes(row[0])): (tuple(codes(row[1])), row[2]) for row in table_after(OPERATIONS, "## Figures")
    }
    assert told == {
        name: (metric.by, "seconds" if metric.unit == "Seconds" else "count")
        for name, metric in METRICS.items()
    }


def test_no_section_names_a_path_that_is_not_there() -> None:
    named = {
        code
        for code in codes(text_of(RUNBOOKS))
        if re.fullmatch(r"(infra|docs|policies|tests)/[\w./-]+", code)
    }
    assert named
    assert [path for path in named if not (Path(ROOT) / path).exists()] == []
