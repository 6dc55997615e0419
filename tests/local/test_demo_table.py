"""How the demo shows what it did."""

import pytest

from infra.commands.demo import Outcome, pad, table, width


def an_outcome(
    *,
    name: str = "安全通知",
    submission: str | None = "s-aaaa",
    state: str | None = "archived",
    catalog_number: str | None = "Z109-WS·2026-D10-AQB-0001",
    problem: str | None = None,
) -> Outcome:
    return Outcome(
        sample="safety-notice",
        name=name,
        submission=submission,
        state=state,
        catalog_number=catalog_number,
        seconds=12.34,
        problem=problem,
    )


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        ("放假", 4),
        ("（ＡＢ）", 8),
        ("𠮷䶮", 4),
        ("🎉", 2),
        ("e\u0301", 1),
        ("a\u200db", 2),
        ("Z109-WS·2026", 12),
    ],
)
def test_width_counts_terminal_columns(text: str, columns: int) -> None:
    assert width(text) == columns


def test_padding_fills_columns_not_characters() -> None:
    assert pad("放假", 6) == "放假  "
    assert pad("放假安排", 6) == "放假安排"


def test_columns_of_a_table_start_at_the_same_place() -> None:
    lines = table([an_outcome(), an_outcome(name="Portal", submission="s-bbbbbb")]).splitlines()
    heading, rule, first, second = lines[:4]
    assert {width(line) for line in (heading, rule, first, second)} == {width(rule)}
    starts = [line[: line.index("archived")] for line in (first, second)]
    assert width(starts[0]) == width(starts[1])
    assert width(heading[: heading.index("state")]) == width(starts[0])


def test_a_table_shows_what_is_missing_as_a_dash() -> None:
    row = table([an_outcome(submission=None, state=None, catalog_number=None)]).splitlines()[2]
    assert row.split() == ["-", "安全通知", "-", "-", "12.3"]


def test_a_table_ends_with_how_many_arrived() -> None:
    text = table([an_outcome(), an_outcome(name="新品", state="needs_person", problem="timed out")])
    assert "✗ 新品: timed out" in text.splitlines()
    assert text.endswith("1 of 2 ended where they should.")
