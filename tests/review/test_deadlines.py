"""How long stages may take: the center's own table, in working hours."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.calendar import read_calendar
from chalicelib.review.deadlines import Case, Deadlines, DeadlinesError, Escalation
from chalicelib.submission.model import Classification, Importance
from tests.world import PROCEDURE, STAGES

CALENDAR = read_calendar(POLICIES)
DEADLINES = Deadlines(POLICIES, CALENDAR, PROCEDURE)
SHANGHAI = ZoneInfo("Asia/Shanghai")
URGENT = Case(stage="initial", importance=Importance.URGENT, classification=Classification.PUBLIC)
ROUTINE = replace(URGENT, importance=Importance.ROUTINE)


@pytest.mark.parametrize(("stage", "classification"), [*product(STAGES, Classification)])
def test_what_is_urgent_has_the_shortest_term(stage: str, classification: Classification) -> None:
    """Clauses 1.3.2 and 3.3.4: a set time, by importance."""
    urgent, important, routine = (
        DEADLINES.working_time(Case(stage=stage, importance=importance, classification=classification))
        for importance in (Importance.URGENT, Importance.IMPORTANT, Importance.ROUTINE)
    )
    assert timedelta(0) < urgent < important <= routine


def test_a_deadline_is_counted_in_working_hours() -> None:
    friday = datetime(2026, 11, 27, 17, tzinfo=SHANGHAI)
    due = DEADLINES.deadline(URGENT, start=friday)
    assert due == datetime(2026, 11, 30, 9, 30, tzinfo=SHANGHAI), "one hour on Friday, one on Monday"


def test_the_first_line_that_fits_counts(tmp_path: Path) -> None:
    deadlines = written(
        tmp_path,
        "  - {importance: urgent, working_hours: 1}",
        "  - {stage: executive, classification: confidential, working_hours: 2}",
        "  - {working_hours: 3}",
    )
    secret = Classification.CONFIDENTIAL
    for case, hours in {
        replace(URGENT, stage="executive", classification=secret): 1,
        replace(ROUTINE, stage="executive", classification=secret): 2,
        replace(ROUTINE, stage="executive"): 3,
        replace(ROUTINE, classification=secret): 3,
    }.items():
        assert deadlines.working_time(case) == timedelta(hours=hours)


def test_reminders_come_before_the_deadline_and_others_are_told_after_it() -> None:
    """Clause 3.3.4: 24 working hours are three days; who is told in the end is told again with every further term."""
    monday = datetime(2026, 11, 23, 8, 30, tzinfo=SHANGHAI)
    at, steps = monday, []
    for step in (DEADLINES.step(number, ROUTINE) for number in range(7)):
        at = DEADLINES.after(at, step.pause)
        steps.append((at.astimezone(SHANGHAI).strftime("%d %H:%M"), step.to))
    assert steps == [
        ("24 14:00", None),
        ("25 15:36", None),
        ("25 18:00", Escalation.SUPERIOR),
        ("26 14:00", Escalation.DIRECTOR),
        ("26 18:00", Escalation.OPERATIONS),
        ("01 18:00", Escalation.OPERATIONS),
        ("04 18:00", Escalation.OPERATIONS),
    ]
    assert DEADLINES.deadline(ROUTINE, start=monday).astimezone(SHANGHAI).strftime("%d %H:%M") == steps[2][0]
    assert DEADLINES.longest_pause(ROUTINE) == timedelta(hours=24)
    assert DEADLINES.longest_pause(URGENT) == timedelta(hours=4), "between those who are told, not its term"


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["  - {importance: urgent, working_hours: 1}"], "no term for any stage, routine, public"),
        (["  - {working_hours: 0}"], "working_hours: 0"),
        (["  - {working_hours: -1}"], "working_hours: -1"),
        (["  - {working_hours: soon}"], "deadlines.yaml"),
        (["  - {importance: asap, working_hours: 1}", "  - {working_hours: 3}"], "asap"),
        (["  - {category: news, working_hours: 1}", "  - {working_hours: 3}"], "unknown: category"),
        (["  - {importance: urgent}"], "working_hours"),
        (["  none"], "deadlines.yaml"),
        (["  - {stage: legal, working_hours: 1}", "  - {working_hours: 3}"], "no stage is called legal"),
    ],
)
def test_a_table_with_a_gap_or_a_word_that_means_nothing_is_none(
    tmp_path: Path, lines: list[str], fault: str
) -> None:
    with pytest.raises(DeadlinesError, match=fault):
        written(tmp_path, *lines)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("[0.5, 0.9]", "[0.9, 0.5]", "not each after"),
        ("[0.5, 0.9]", "[0.5, 1.0]", "1.0 is no part of a term"),
        ("{to: director, working_hours: 4}", "{to: director, working_hours: 0}", "not each after"),
        ("{to: director, working_hours: 4}", "{to: nobody, working_hours: 4}", "nobody"),
        ("  - {to: operations, working_hours: 8}\n", "", "must come to operations"),
        ("{to: superior, working_hours: 0}", "{to: superior, working_hours: -1}", "working_hours: -1"),
        ("reminders:", "remindings:", "reminders"),
    ],
)
def test_steps_out_of_order_or_that_end_with_nobody_are_none(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    text = (POLICIES / "deadlines.yaml").read_text("utf-8")
    assert old in text
    (tmp_path / "deadlines.yaml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(DeadlinesError, match=fault):
        Deadlines(tmp_path, CALENDAR, PROCEDURE)


def written(folder: Path, *lines: str) -> Deadlines:
    _, usual = (POLICIES / "deadlines.yaml").read_text("utf-8").split("reminders:")
    (folder / "deadlines.yaml").write_text("\n".join(("terms:", *lines, f"reminders:{usual}")), "utf-8")
    return Deadlines(folder, CALENDAR, PROCEDURE)
