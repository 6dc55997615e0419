"""The bench runs and says what it promises; what it measures is for people to judge."""

import json
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from infra.bench.__main__ import main
from infra.bench.canned import Script
from infra.bench.report import Figure, Report, StepCost
from infra.bench.tape import Answer, Step


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    with redirect_stdout(StringIO()) as output:
        assert main(["--json", "--rounds", "1", "--starts", "1"]) == 0
    document: dict[str, Any] = json.loads(output.getvalue())
    return document


def test_every_goal_has_its_figure(measured: dict[str, Any]) -> None:
    assert {name: figure["goal"] for name, figure in measured["figures"].items()} == {
        "submit": 5,
        "open": None,
        "decide": 6,
        "life": None,
        "import": 1.35,
        "first_answer": 1.7,
    }
    for figure in measured["figures"].values():
        assert figure["ms"] > 0
        assert figure["met"] == (None if figure["goal"] is None else figure["ratio"] <= figure["goal"])
    assert measured["put_item_ms"] > 0
    assert measured["base_ms"] > measured["put_item_ms"]


def test_life_is_made_of_requests_and_jobs_with_their_aws_calls(measured: dict[str, Any]) -> None:
    steps = {step["name"]: step for step in measured["steps"]}
    times = {name: step["times"] for name, step in steps.items() if name != "review_events"}
    assert times == {
        "submit": 1,
        "open_stage": 3,
        "open": 3,
        "decide": 3,
        "publication_events": 2,
        "last_check": 1,
        "deliver": 1,
        "archive": 1,
        "send_notices": 1,
    }
    assert steps["review_events"]["times"] > 0
    assert steps["submit"]["calls"]["TransactWriteItems"] == 1
    assert steps["decide"]["calls"]["TransactWriteItems"] == 3


def test_table_shows_ratio_goal_and_whether_it_is_met() -> None:
    met = Figure(seconds=0.004, ratio=4.0, goal=5)
    missed = Figure(seconds=0.0125, ratio=12.5, goal=6)
    without = Figure(seconds=0.003, ratio=3.0, goal=None)
    calls = Counter({"BatchGetItem": 2, "TransactWriteItems": 4})
    cost = StepCost(name="decide", times=2, seconds=0.0125, calls=calls)
    report = Report(
        put_item=0.001,
        base=0.25,
        figures={"submit": met, "decide": missed, "life": without},
        steps=(cost,),
    )
    assert report.lines() == [
        "CPU, user and system: 1.00 ms for a stock boto3 PutItem,",
        "250 ms for boto3 and its client in a fresh interpreter.",
        "",
        "                          ms  ratio  goal",
        "submit ÷ PutItem         4.0   4.00   ≤ 5  met",
        "decide ÷ PutItem        12.5  12.50   ≤ 6  not met",
        "a whole life ÷ PutItem   3.0   3.00",
        "",
        "one life  times  ms each  ÷ PutItem  AWS calls each  in all",
        "decide        2     12.5       12.5               3  BatchGetItem 2 TransactWriteItems 4",
    ]


def test_a_call_that_was_not_recorded_is_told_at_the_next_step() -> None:
    step = Step(name="submit", at="", event={}, outcome=201, answers=[an_answer("PutItem")])
    script = Script([step, step])
    assert script.begin(0) is None
    assert script.next("DynamoDB_20120810.Query").status == 400
    assert script.begin(1) == "DynamoDB_20120810.Query came where PutItem was due"
    assert script.begin(0) == "PutItem was not called"
    assert script.next("DynamoDB_20120810.PutItem").status == 200
    assert script.next("").status == 400
    assert script.begin(1) == "a call came where nothing was due"


def an_answer(operation: str) -> Answer:
    return Answer(operation=operation, status=200, headers={}, body="{}")
