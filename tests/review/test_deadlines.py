"""How long stages may take: the center's own table, in working hours."""

from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.calendar import read_calendar
from chalicelib.review.deadlines import Deadlines, DeadlinesError
from chalicelib.submission.model import Classification, Importance, ReviewStage

CALENDAR = read_calendar(POLICIES)
DEADLINES = Deadlines(POLICIES, CALENDAR)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(("stage", "classification"), [*product(ReviewStage, Classification)])
def test_what_is_urgent_has_the_shortest_term(stage: ReviewStage, classification: Classification) -> None:
    """Clauses 1.3.2 and 3.3.4: a set time, by importance."""
    urgent, important, routine = (
        DEADLINES.working_time(stage, importance, classification)
        for importance in (Importance.URGENT, Importance.IMPORTANT, Importance.ROUTINE)
    )
    assert timedelta(0) < urgent < important <= routine


def test_a_deadline_is_counted_in_working_hours() -> None:
    friday = datetime(2026, 11, 27, 17, tzinfo=SHANGHAI)
    due = DEADLINES.deadline(ReviewStage.INITIAL, Importance.URGENT, Classification.PUBLIC, start=friday)
    assert due == datetime(2026, 11, 30, 9, 30, tzinfo=SHANGHAI), "one hour on Friday, one on Monday"


def test_the_first_line_that_fits_counts(tmp_path: Path) -> None:
    deadlines = written(
        tmp_path,
        "  - {importance: urgent, working_hours: 1}",
        "  - {stage: executive, classification: confidential, working_hours: 2}",
        "  - {working_hours: 3}",
    )
    for case, hours in {
        (ReviewStage.EXECUTIVE, Importance.URGENT, Classification.CONFIDENTIAL): 1,
        (ReviewStage.EXECUTIVE, Importance.ROUTINE, Classification.CONFIDENTIAL): 2,
        (ReviewStage.EXECUTIVE, Importance.ROUTINE, Classification.PUBLIC): 3,
        (ReviewStage.INITIAL, Importance.ROUTINE, Classification.CONFIDENTIAL): 3,
    }.items():
        assert deadlines.working_time(*case) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["  - {importance: urgent, working_hours: 1}"], "no term for initial, routine, public"),
        (["  - {working_hours: 0}"], "working_hours: 0"),
        (["  - {working_hours: -1}"], "working_hours: -1"),
        (["  - {working_hours: soon}"], "deadlines.yaml"),
        (["  - {importance: asap, working_hours: 1}", "  - {working_hours: 3}"], "asap"),
        (["  - {category: news, working_hours: 1}", "  - {working_hours: 3}"], "unknown: category"),
        (["  - {importance: urgent}"], "working_hours"),
        (["  none"], "deadlines.yaml"),
    ],
)
def test_a_table_with_a_gap_or_a_word_that_means_nothing_is_none(
    tmp_path: Path, lines: list[str], fault: str
) -> None:
    with pytest.raises(DeadlinesError, match=fault):
        written(tmp_path, *lines)


def written(folder: Path, *lines: str) -> Deadlines:
    (folder / "deadlines.yaml").write_text("\n".join(("terms:", *lines)), "utf-8")
    return Deadlines(folder, CALENDAR)
