"""The cases that prove the policy: `policies/cases.csv`, a row a sentence."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from chalicelib.access.model import (
    RULES,
    Action,
    PolicyLine,
    Resource,
    Subject,
    policy_lines,
    service_subject,
    subject_of,
)
from chalicelib.access.service import AccessControl
from chalicelib.people.model import Duty, Person, Role
from chalicelib.submission.procedure import read_procedure

POLICIES = Path(__file__).parents[2] / "policies"
PROCEDURE = read_procedure(POLICIES)
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = {
    "past": (NOW - 2 * DAY, NOW - DAY),
    "future": (NOW + DAY, NOW + 2 * DAY),
    "now": (NOW - DAY, NOW + DAY),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    subject: Subject
    action: Action
    resource: Resource
    allowed: bool


def read_duty(text: str) -> Duty:
    """`role@department`, with `past:` or `future:` before it when it does not count now."""
    term, _, held = text.rpartition(":")
    role, _, department = held.partition("@")
    since, until = TERMS[term or "now"]
    return Duty(role=Role(role), department=department, since=since, until=until)


def read_subject(who: str, duties: str) -> Subject:
    if who.startswith("service:"):
        return service_subject(who.removeprefix("service:"))
    held = tuple(read_duty(text) for text in duties.split())
    return subject_of(Person(id=who, name=who, email=f"{who}@example.com", duties=held), NOW)


def asked_at(stage: str, department: str) -> tuple[Role, str] | None:
    """Whom a stage asks, `raised:` before it when it went to their superiors; nobody without a stage."""
    raised, _, name = stage.rpartition(":")
    if not name:
        return None
    post = PROCEDURE[name].superior if raised else PROCEDURE[name].reviewers
    assert post is not None
    return post.duty(department)


def delegations_in(said: str) -> tuple[tuple[str, str], ...]:
    """`by>to` for each."""
    return tuple((by, to) for by, _, to in (each.partition(">") for each in said.split()))


def read_case(row: dict[str, str]) -> Case:
    """A row. `stage` is whom the stage asks, and who handed it over to whom.

    `drafter` may hold more ids: the co-drafters, and with `amended:` before it the editor who amended the text.
    `audience` is `all` or departments, `approved` are stages.
    """
    drafter, *others = row["drafter"].split()
    amended_by = [each.removeprefix("amended:") for each in others if each.startswith("amended:")]
    stage, _, handed_over = row["stage"].partition(" ")
    return Case(
        name=f"{row['action']} {row['expected']}: {row['why']}",
        subject=read_subject(row["who"], row["duties"]),
        action=cast("Action", row["action"]),
        resource=Resource(
            department=row["department"],
            drafter=drafter,
            co_drafters=tuple(each for each in others if not each.startswith("amended:")),
            amended_by=next(iter(amended_by), None),
            classification=row["classification"],
            audience=None if row["audience"] == "all" else tuple(row["audience"].split()),
            asked=asked_at(stage, row["department"]),
            delegations=delegations_in(handed_over),
            required_stages=PROCEDURE.ids,
            approved_stages=tuple(row["approved"].split()),
        ),
        allowed={"allow": True, "deny": False}[row["expected"]],
    )


def read_cases() -> Iterator[Case]:
    with (POLICIES / "cases.csv").open(encoding="utf-8", newline="") as file:
        yield from (read_case(row) for row in csv.DictReader(file, strict=True))


ACCESS = AccessControl(POLICIES)
CASES = tuple(read_cases())
POLICY = (POLICIES / "policy.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    """Clause 5.3.1: strict access control over classification, role, department and stage."""
    assert ACCESS.allows(case.subject, case.action, case.resource) is case.allowed


def test_the_policy_is_short_and_the_cases_are_many() -> None:
    assert len(policy_lines(POLICY)) <= 64
    assert len(CASES) >= 80


def test_every_line_of_the_policy_answers_a_case() -> None:
    answering = {ACCESS.explain(case.subject, case.action, case.resource).line for case in CASES}
    assert set(policy_lines(POLICY)) <= answering


@pytest.mark.parametrize("line", policy_lines(POLICY), ids=str)
def test_no_line_of_the_policy_can_go_unnoticed(line: PolicyLine, tmp_path: Path) -> None:
    (tmp_path / "model.conf").write_bytes((POLICIES / "model.conf").read_bytes())
    (tmp_path / "policy.csv").write_text(POLICY.replace(f"p, {line}\n", ""), encoding="utf-8")
    access = AccessControl(tmp_path)
    assert any(access.allows(case.subject, case.action, case.resource) is not case.allowed for case in CASES)


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_case_that_is_allowed_and_one_that_is_denied(action: Action) -> None:
    assert {case.allowed for case in CASES if case.action == action} == {True, False}


def test_every_rule_is_used_by_a_line() -> None:
    assert {line.rule for line in policy_lines(POLICY)} == set(RULES)


def test_the_model_evaluates_no_text_of_the_policy() -> None:
    assert "eval" not in (POLICIES / "model.conf").read_text(encoding="utf-8")
