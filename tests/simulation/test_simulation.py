"""A simulated year: all that comes in is decided, by whom it should be, whatever people do (clauses 1.3.2, 3.3.4)."""

import json
import random
from datetime import date
from functools import cache

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.calendar import read_calendar
from chalicelib.ledger.store import events_of
from infra.simulation.__main__ import main
from infra.simulation.machines import WorkflowFeatureError, _ensure_known
from infra.simulation.outcome import ALL, Outcome, outcome
from infra.simulation.staff import Temper, day_of
from infra.simulation.year import Plan, Year

OVER_SPRING_FESTIVAL = Plan(first=date(2026, 1, 15), last=date(2026, 3, 15), requests=60, losses=60)
CALENDAR = read_calendar(POLICIES)


@cache
def lived() -> tuple[Year, Outcome]:
    year = Year(OVER_SPRING_FESTIVAL, random.Random(7))  # noqa: S311 — chance, and no secret
    year.run()
    return year, outcome(year)


def test_everything_is_decided_over_the_holidays_and_no_rule_is_broken() -> None:
    year, came_to = lived()
    assert len(year.submitted) == OVER_SPRING_FESTIVAL.requests
    assert came_to.is_sound, "\n".join(came_to.lines())
    assert set(came_to.states) <= {"archived", "rejected", "withdrawn"}
    total = came_to.rows[-1]
    assert (total.stage, total.importance) == (ALL, ALL)
    assert total.decided > 3 * came_to.states["archived"], "some were returned, and came again"
    assert 0 < total.escalated < total.reminded < total.decided


def test_whoever_does_not_answer_is_stood_in_for_once_somebody_is_told_and_lost_events_are_found() -> None:
    year, came_to = lived()
    assert came_to.alarms
    assert came_to.stood_in
    assert came_to.lost_records
    silent = {person for person, temper in year.staff.tempers.items() if temper is Temper.SILENT}
    assert not silent & {person for *_, person in year.desk.decided}


def test_nobody_works_on_days_off() -> None:
    year, _ = lived()
    worked = {
        day_of(event.at, CALENDAR.zone)
        for submission in year.submitted
        for event in events_of(year.desk.table, submission)
        if event.type == "Decided"
    }
    assert all(CALENDAR.works(day) for day in worked)
    assert date(2026, 2, 14) in worked or date(2026, 2, 28) in worked, "the days that are made up"


def test_what_breaks_a_rule_is_told() -> None:
    year, _ = lived()
    submission = year.submitted[0]
    decided = dict(year.desk.decided)
    events = list(events_of(year.desk.table, submission))
    year.desk.decided.clear()
    lost = next(iter(year.desk.table.raw_partition(f"SUBMISSION#{submission}", "EVENT#")))
    place = (lost["pk"]["S"], lost["sk"]["S"])
    try:
        told = " ".join(outcome(year).broken)
        assert "without its duty" in told
        year.desk.table._items[place] = lost | {
            "document": {"S": lost["document"]["S"].replace('"seq":1', '"seq":2')}
        }
        assert any(submission in fault for fault in outcome(year).broken)
    finally:
        year.desk.decided.update(decided)
        year.desk.table._items[place] = lost
    assert list(events_of(year.desk.table, submission)) == events


def test_where_nobody_answers_what_came_in_is_stuck_and_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Year.__init__

    def with_nobody_there(year: Year, plan: Plan, chance: random.Random) -> None:
        made(year, plan, chance)
        year.staff.tempers = dict.fromkeys(year.staff.tempers, Temper.SILENT)

    monkeypatch.setattr(Year, "__init__", with_nobody_there)
    arguments = ["--requests", "2", "--first", "2026-03-02", "--last", "2026-03-08", "--json"]
    assert main(arguments) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["stuck"] == told["states"]["in_review"] > 0
    assert told["alarms"] > 2, "and operations hear of it, again and again"


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Parallel", "Branches": []},
        {"Type": "Wait", "Seconds": 5},
        {"Type": "Task", "Resource": "arn:${Partition}:states:::sqs:sendMessage"},
    ],
)
def test_a_workflow_that_uses_more_than_is_interpreted_is_an_error(state: dict[str, object]) -> None:
    with pytest.raises(WorkflowFeatureError):
        _ensure_known("Review", state)
