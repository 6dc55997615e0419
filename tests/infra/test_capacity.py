"""docs/capacity.md says what its figures say, the figures are still true, and the simulation is sound."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from infra.bench.life import STORIES
from infra.capacity.breaking import Capacity
from infra.capacity.contention import serial_numbers, shared_pages
from infra.capacity.cost import Figures, kept_per_month, lines
from infra.capacity.lives import measure
from infra.capacity.load import (
    DEPARTMENT,
    DEPARTMENTS,
    LISTING,
    SUBMISSION,
    Load,
    arrivals,
    meeting,
    one_by_one,
    pressures,
)
from infra.capacity.meter import Touch, WriteMeter, read
from infra.capacity.page import page
from infra.package import ROOT

FIGURES = Figures.read()
WEBSITE = FIGURES.life("website")
SMALL = Load(requests=200_000, departments=40)
"""A day of which every single request can be drawn."""
SAMPLE = 4_000
MINUTE = range(9 * 3600 + 60, 9 * 3600 + 120)
FREE = {"StartExecution", "SendTaskSuccess"}
"""Calls that AWS does not bill: transitions are."""
OF_DYNAMODB = {
    "BatchGetItem",
    "Query",
    "PutItem",
    "BatchWriteItem",
    "UpdateItem",
    "DeleteItem",
    "TransactWriteItems",
}
OF_S3 = {"GetObject", "HeadObject", "PutObject", "CopyObject", "PostObject"}


@pytest.fixture(scope="module")
def fresh() -> dict[str, Any]:
    return measure("website")


@pytest.fixture(scope="module")
def capacity() -> Capacity:
    return Capacity(FIGURES, Load())


def test_the_page_is_what_the_figures_come_to(capacity: Capacity) -> None:
    assert (ROOT / "docs" / "capacity.md").read_text("utf-8") == page(capacity)


@pytest.mark.parametrize("what", ["invocations", "messages", "operations", "transitions", "executions"])
def test_a_life_still_makes_the_calls_that_were_measured(fresh: Mapping[str, Any], what: str) -> None:
    """When this fails, `make capacity` measures anew."""
    assert fresh[what] == WEBSITE[what]


def test_a_life_still_consumes_about_what_was_measured(fresh: Mapping[str, Any]) -> None:
    assert fresh["units"] == pytest.approx(WEBSITE["units"], rel=0.05)
    assert fresh["kept"] == pytest.approx(WEBSITE["kept"], rel=0.05)


def test_every_key_of_a_life_is_made_by_the_stores_or_is_a_steps_own(fresh: Mapping[str, Any]) -> None:
    """A kind of key that is new here may be met by many requests: then `keys_of` must know it."""
    own = {touch["kind"] for touch in fresh["touches"] if touch["kind"].endswith("#<its own>")}
    assert own == {f"{name}#<its own>" for name in ("ARCHIVE", "LINK", "NOTICE", "SESSION")}
    shared = {(touch["where"], touch["kind"]) for touch in fresh["touches"]}
    assert shared == {(touch["where"], touch["kind"]) for touch in WEBSITE["touches"]}


def test_every_call_has_its_price() -> None:
    called = {name for kind in ("sign_in", *STORIES) for name in FIGURES.life(kind)["operations"]}
    assert called <= OF_DYNAMODB | OF_S3 | FREE | {"SendMessage", "SendEmail", "Sign"}
    assert FIGURES.prices["per_unit"].keys() >= {"dynamodb_write_unit", "s3_write", "sqs_request", "ses_mail"}


@pytest.mark.parametrize("kind", STORIES)
def test_each_price_counts_in_its_own_line_only(kind: str) -> None:
    before = lines(FIGURES, kind)
    assert all(line.dollars >= 0 for line in before)
    for name in ("ses_mail", "step_functions_transition", "dynamodb_write_unit", "s3_read"):
        unit = {**FIGURES.prices["per_unit"], name: 2 * FIGURES.prices["per_unit"][name]}
        dearer = replace(FIGURES, prices={**FIGURES.prices, "per_unit": unit})
        changed = [
            (one.dollars, other.dollars)
            for one, other in zip(before, lines(dearer, kind), strict=True)
            if one.dollars != other.dollars
        ]
        assert len(changed) == 1, name
        assert changed[0][1] == pytest.approx(2 * changed[0][0])


def test_mails_to_many_files_and_returns_cost_more_than_a_page_alone() -> None:
    costs = {kind: sum(line.dollars for line in lines(FIGURES, kind)) for kind in STORIES}
    assert costs["website"] == min(costs.values())
    assert costs["announced"] - costs["website"] > 120 * FIGURES.prices["per_unit"]["ses_mail"]
    assert kept_per_month(FIGURES, "attached") > kept_per_month(FIGURES, "website")


def test_what_breaks_is_told_in_the_order_in_which_it_is_met(capacity: Capacity) -> None:
    breaks = capacity.breaks()
    assert [each.at for each in breaks] == sorted(each.at for each in breaks)
    assert all(each.at > 0 and each.remedy for each in breaks)
    (mails,) = (each for each in breaks if each.what == "SES, mails a day")
    assert mails.at * 2 * WEBSITE["operations"]["SendEmail"] == pytest.approx(50_000)


def test_drawing_every_request_comes_to_what_the_simulation_says() -> None:
    counts = arrivals(SMALL, MINUTE, most_published=1000)
    singly = {(each.where, each.kind): each for each in one_by_one(SMALL, WEBSITE["touches"], counts)}
    simulated = pressures(SMALL, WEBSITE["touches"], counts, meeting(SMALL, SAMPLE))
    compared = [each for each in simulated if each.share > 0]
    assert len(compared) > 8
    for each in compared:
        there = singly[each.where, each.kind]
        for one, other in ((each.writes, there.writes), (each.reads, there.reads)):
            assert one[0] == pytest.approx(other[0], rel=0.25, abs=3), each.kind


def test_the_load_on_a_key_is_its_share_of_the_days_rate() -> None:
    steady = replace(SMALL, on_the_hour=0.0)
    counts = arrivals(steady, range(9 * 3600, 9 * 3600 + 600), most_published=1000)
    shares = meeting(steady, SAMPLE)
    found = {each.kind: each for each in pressures(steady, WEBSITE["touches"], counts, shares)}
    all_meet, of_one = found[DEPARTMENTS], found[DEPARTMENT]
    reads = sum(touch["reads"] for touch in WEBSITE["touches"] if touch["kind"] == DEPARTMENTS)
    writes = sum(touch["writes"] for touch in WEBSITE["touches"] if touch["kind"] == DEPARTMENT)
    assert all_meet.reads[0] == pytest.approx(steady.rate(9) * reads, rel=0.1)
    largest = max(steady.department_weights())
    assert of_one.writes[0] == pytest.approx(steady.rate(9) * largest * writes, rel=0.2)
    assert found[SUBMISSION].share == 0, "a request's own"


def test_nobody_is_lost_in_the_made_up_day() -> None:
    hour = arrivals(SMALL, range(9 * 3600, 10 * 3600), most_published=10_000)
    for phase in ("submitted", "reviewed", "published"):
        assert sum(second[phase] for second in hour) == pytest.approx(SMALL.rate(9) * 3600, rel=0.02), phase
    held_up = arrivals(SMALL, range(9 * 3600, 9 * 3600 + 600), most_published=50)
    assert max(second["published"] for second in held_up) == 50


def test_departments_that_are_all_alike_meet_evenly() -> None:
    even = meeting(replace(SMALL, exponent=0.0), SAMPLE)
    assert even[DEPARTMENT] == pytest.approx(1 / 40, rel=0.4)
    assert meeting(SMALL, SAMPLE)[DEPARTMENT] == pytest.approx(max(SMALL.department_weights()), rel=0.1)


def test_the_same_seed_gives_the_same_day_and_another_another() -> None:
    first, again = (arrivals(SMALL, MINUTE, 1000) for _ in range(2))
    assert first == again
    assert arrivals(replace(SMALL, seed=1), MINUTE, 1000) != first


def test_who_is_alone_loses_nothing_and_a_crowd_does() -> None:
    assert serial_numbers(0.1, 0.02).lost == 0
    lost = [serial_numbers(rate, 0.02).lost for rate in (10, 30, 60)]
    assert lost == sorted(lost)
    assert lost[-1] > 0.2
    assert serial_numbers(60, 1e-6).lost == 0, "nobody comes between reading and writing at once"
    won = 1 - shared_pages(40, 0.25).lost
    assert won * 40 == pytest.approx(1 / 0.25, rel=0.2), "one after the other: a writer per window"


def an_item(pk: str, size: int = 100) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "X"}, "text": {"S": "x" * size}}


def units(meter: WriteMeter, operation: str, request: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(touch.where, touch.key): touch.writes for touch, _ in meter.written(operation, request)}


def test_a_write_costs_each_begun_kilobyte_and_twice_that_in_a_transaction() -> None:
    meter = WriteMeter()
    assert units(meter, "PutItem", {"Item": an_item("A", 1000)}) == {("table", "A"): 1}
    assert units(meter, "PutItem", {"Item": an_item("A", 2000)}) == {("table", "A"): 2}
    assert units(meter, "PutItem", {"Item": an_item("A")}) == {("table", "A"): 2}, "the larger of both counts"
    put = {"TransactItems": [{"Put": {"Item": an_item("B", 1500)}}]}
    assert units(meter, "TransactWriteItems", put) == {("table", "B"): 4}
    check = {"TransactItems": [{"ConditionCheck": {"Key": {"pk": {"S": "B"}, "sk": {"S": "X"}}}}]}
    assert units(meter, "TransactWriteItems", check) == {("table", "B"): 4}
    assert units(meter, "DeleteItem", {"Key": {"pk": {"S": "B"}, "sk": {"S": "X"}}}) == {("table", "B"): 2}


def test_an_index_is_written_when_what_it_shows_changes_and_twice_when_its_key_does() -> None:
    meter = WriteMeter()
    for changed, expected in (
        ({"listing_key": "D#1", "state": "a"}, {(LISTING, "D#1"): 1}),
        ({"listing_key": "D#1", "state": "a"}, {}),
        ({"listing_key": "D#1", "state": "b"}, {(LISTING, "D#1"): 1}),
        ({"listing_key": "D#2", "state": "b"}, {(LISTING, "D#1"): 1, (LISTING, "D#2"): 1}),
        ({}, {(LISTING, "D#2"): 1}),
    ):
        shown = {name: {"S": value} for name, value in changed.items()}
        written = units(meter, "PutItem", {"Item": an_item("A") | shown})
        del written["table", "A"]
        assert written == expected


def test_a_read_costs_each_begun_four_kilobytes_half_if_it_may_be_old_and_one_for_nothing() -> None:
    wanted = {"RequestItems": {"t": {"Keys": [an_item("A"), an_item("B")]}}}
    answer = {"Responses": {"t": [an_item("A", 5000)]}}
    assert list(read("BatchGetItem", wanted, answer)) == [
        Touch(where="table", key="A", reads=2),
        Touch(where="table", key="B", reads=1),
    ]
    query = {"ExpressionAttributeValues": {":k": {"S": "D#1"}}, "IndexName": LISTING}
    rows = {"Items": [an_item("A", 5000), an_item("B", 5000)]}
    assert list(read("Query", query, rows)) == [Touch(where=LISTING, key="D#1", reads=1.5)]
