"""The roster file and what applying it would change."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.core.errors import InvalidInput
from chalicelib.people.model import Role
from chalicelib.people.roster import Roster, difference, parse

SAMPLE = Path(__file__).parents[2] / "infra" / "local" / "roster.yaml"

ANNA = "p-aaaaaaaaaaaaaaaaaaaa"
NEW_YEAR = "2025-12-31T16:00:00Z"
BEN = "p-bbbbbbbbbbbbbbbbbbbb"
DOCUMENT: dict[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "departments": [
        {"id": "center", "name": "信息发布中心", "code": "XXZ"},
        {"id": "office", "name": "办公室", "code": "BGS"},
    ],
    "persons": [
        {"id": ANNA, "name": "安娜", "email": "anna@chengjiang.example"},
        {"id": BEN, "name": "Ben", "email": "ben@chengjiang.example", "language": "en"},
    ],
    "duties": [
        {"person": ANNA, "role": "liaison", "department": "office", "since": date(2026, 1, 1)},
        {"person": BEN, "role": "center_editor", "department": "center", "since": "2026-01-01"},
    ],
}


def a_document(**changes: list[dict[str, Any]] | str) -> dict[str, Any]:
    return deepcopy(DOCUMENT) | changes


def faults(document: object) -> set[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        parse(document)
    return {(error.pointer, error.code) for error in caught.value.errors}


def lines(present: Roster, wanted: Roster) -> list[str]:
    return [str(change) for change in difference(present, wanted)]


def test_a_duty_counts_from_the_beginning_of_its_day_in_the_rosters_zone() -> None:
    (duty,) = parse(a_document()).persons[0].duties
    assert duty.role is Role.LIAISON
    assert duty.since == datetime(2025, 12, 31, 16, tzinfo=UTC)
    assert duty.until is None


def test_a_department_knows_its_duty_holders() -> None:
    center, office = parse(a_document()).departments
    assert center.duty_holders == (BEN,)
    assert office.duty_holders == (ANNA,)


def test_every_fault_is_named_at_once() -> None:
    duty = {"person": ANNA, "role": "liaison", "department": "office", "since": "2026-02-01"}
    document = a_document(
        time_zone="Asia/Chengjiang",
        departments=[
            {"id": "office", "name": "办公室", "code": "BGS"},
            {"id": "office", "name": "办公室", "code": "BGS"},
        ],
        persons=[
            {"id": ANNA, "name": "安娜", "email": "anna@chengjiang.example"},
            {"id": ANNA, "name": "安娜", "email": "Anna@Chengjiang.example"},
            {"id": BEN, "email": "nowhere", "phone": "1"},
        ],
        duties=[
            duty | {"until": "2026-01-31"},
            duty,
            duty | {"since": "2026-03-01", "department": "moon"},
            duty | {"since": "2026-04-01", "person": "p-cccccccccccccccccccc"},
            duty | {"since": "2026-05-01", "role": "king"},
            duty | {"since": "2026-02-30"},
        ],
    )
    assert faults(document) == {
        ("/time_zone", "bad_format"),
        ("/departments/1/id", "duplicate"),
        ("/departments/1/code", "duplicate"),
        ("/persons/1/id", "duplicate"),
        ("/persons/1/email", "duplicate"),
        ("/persons/2/name", "required"),
        ("/persons/2/email", "bad_format"),
        ("/persons/2/phone", "unknown_field"),
        ("/duties/0/until", "until_before_since"),
        ("/duties/1", "duplicate"),
        ("/duties/2/department", "unknown_department"),
        ("/duties/3/person", "unknown_person"),
        ("/duties/4/role", "unknown_role"),
        ("/duties/5/since", "bad_date"),
    }


def test_two_missing_fields_are_two_faults() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(a_document(persons=[{"id": ANNA}, {"id": BEN, "name": "Ben", "email": "b@c.example"}]))
    pointers = [error.pointer for error in caught.value.errors]
    assert pointers == ["/persons/0/name", "/persons/0/email"]


@pytest.mark.parametrize("document", [None, [], "departments", 3])
def test_what_is_not_a_mapping_is_refused(document: object) -> None:
    assert faults(document) == {("", "wrong_type")}


def test_lists_of_the_wrong_type_are_refused() -> None:
    assert faults(a_document(persons="nobody", duties="none")) == {
        ("/persons", "wrong_type"),
        ("/duties", "wrong_type"),
    }


def test_a_folder_of_zones_is_no_zone() -> None:
    assert faults(a_document(time_zone="Asia")) == {("/time_zone", "bad_format")}


def test_the_same_roster_changes_nothing() -> None:
    assert difference(parse(a_document()), parse(a_document())) == []


def test_email_case_is_no_change() -> None:
    wanted = a_document()
    wanted["persons"][0]["email"] = "ANNA@chengjiang.example"
    assert lines(parse(a_document()), parse(wanted)) == []


def test_a_first_roster_is_all_additions() -> None:
    assert lines(Roster(), parse(a_document())) == [
        "+ department center: 信息发布中心 (XXZ)",
        "+ department office: 办公室 (BGS)",
        f"+ person {ANNA}: 安娜 <anna@chengjiang.example>",
        f"+ person {BEN}: Ben <ben@chengjiang.example>",
        f"+ duty {ANNA}: liaison of office since {NEW_YEAR}",
        f"+ duty {BEN}: center_editor of center since {NEW_YEAR}",
    ]


def test_a_person_missing_from_the_file_is_said_to_lose_all_duties() -> None:
    """A duty never ends unnoticed (clause 6.1.1)."""
    wanted = a_document(persons=DOCUMENT["persons"][:1], duties=DOCUMENT["duties"][:1])
    assert lines(parse(a_document()), parse(wanted)) == [
        f"- person {BEN}: Ben: not in file: duties end now",
        f"- duty {BEN}: center_editor of center since {NEW_YEAR}: not in file: ends now",
    ]


def test_changes_name_old_and_new() -> None:
    wanted = a_document()
    wanted["departments"][1]["name"] = "总经理办公室"
    wanted["persons"][1] |= {"name": "Benjamin", "email": "b@c.eu", "language": "zh-Hans"}
    wanted["duties"][0]["until"] = "2026-07-01"
    assert lines(parse(a_document()), parse(wanted)) == [
        "~ department office: name 办公室 → 总经理办公室",
        f"~ person {BEN}: name Ben → Benjamin, email ben@chengjiang.example → b@c.eu, language en → zh-Hans",
        f"~ duty {ANNA}: liaison of office since {NEW_YEAR}: until without end → 2026-06-30T16:00:00Z",
    ]


def test_a_department_missing_from_the_file_is_named() -> None:
    wanted = a_document(departments=DOCUMENT["departments"][:1], duties=DOCUMENT["duties"][1:])
    assert lines(parse(a_document()), parse(wanted)) == [
        "- department office: 办公室: not in file",
        f"- duty {ANNA}: liaison of office since {NEW_YEAR}: not in file: ends now",
    ]


def test_a_departments_code_never_changes() -> None:
    wanted = a_document()
    wanted["departments"][1]["code"] = "ZJB"
    with pytest.raises(InvalidInput) as caught:
        difference(parse(a_document()), parse(wanted))
    assert [(error.pointer, error.code) for error in caught.value.errors] == [
        ("/departments/1/code", "never_changes"),
    ]


def test_the_sample_roster_is_sound() -> None:
    """Enough staff and clear duties (clause 6.1.1)."""
    roster = parse(yaml.safe_load(SAMPLE.read_text("utf-8")))
    duties = [(duty, person) for person in roster.persons for duty in person.duties]
    for department in roster.departments:
        held = {duty.role for duty, _ in duties if duty.department == department.id and duty.until is None}
        assert {Role.LIAISON, Role.DEPARTMENT_HEAD, Role.SUPERVISING_EXECUTIVE} <= held, department.id
    assert sum(duty.role is Role.CENTER_EDITOR for duty, _ in duties) >= 2
    assert any(duty.until is not None for duty, _ in duties)
    assert {duty.role for duty, _ in duties} == set(Role)
    assert {person.language for person in roster.persons} == {"zh-Hans", "zh-Hant", "en"}


def test_in_the_sample_roster_somebody_leads_one_department_and_speaks_for_another() -> None:
    roster = parse(yaml.safe_load(SAMPLE.read_text("utf-8")))
    both = [
        person
        for person in roster.persons
        for head in person.duties
        for liaison in person.duties
        if (head.role, liaison.role) == (Role.DEPARTMENT_HEAD, Role.LIAISON)
        and head.department != liaison.department
    ]
    assert both


ABSENT = {"person": ANNA, "since": "2026-03-01", "until": "2026-03-15", "substitute": BEN}


def with_absences(*absences: dict[str, str], role: str = "department_head") -> dict[str, Any]:
    duty = {"person": ANNA, "role": role, "department": "office", "since": "2026-03-10"}
    return a_document(duties=[duty], absences=list(absences))


def test_a_substitute_has_the_reviewing_duties_of_the_absent_for_so_long() -> None:
    """Clause 3.3.4."""
    roster = parse(with_absences(ABSENT))
    anna, ben = (next(p for p in roster.persons if p.id == each) for each in (ANNA, BEN))
    (own,), (taken_over,) = anna.duties, ben.duties
    assert taken_over == replace(own, until=taken_over.until, instead_of=ANNA)
    assert taken_over.until is not None
    assert (taken_over.until - own.since).days == 5, "from the duty's first day to the absence's last"
    (office,) = (d for d in roster.departments if d.id == "office")
    assert office.duty_holders == tuple(sorted((ANNA, BEN)))
    assert ben.in_own_name().duties == ()


def test_what_nobody_waits_for_is_not_taken_over() -> None:
    roster = parse(with_absences(ABSENT, role="liaison"))
    assert next(p for p in roster.persons if p.id == BEN).duties == ()


def test_an_absence_is_a_change_that_is_told() -> None:
    told = lines(parse(with_absences()), parse(with_absences(ABSENT)))
    days = "since 2026-03-09T16:00:00Z until 2026-03-14T16:00:00Z"
    assert told == [f"+ duty {BEN}: department_head of office instead of {ANNA} {days}"]


def test_there_are_no_chains_no_circles_and_no_two_substitutes() -> None:
    back = {"person": BEN, "since": "2026-03-14", "until": "2026-03-20", "substitute": ANNA}
    assert faults(with_absences(ABSENT, back)) == {
        ("/absences/0/substitute", "substitute_is_absent"),
        ("/absences/1/substitute", "substitute_is_absent"),
    }
    assert parse(with_absences(ABSENT, {**back, "since": "2026-03-15"})), "one after the other"
    assert faults(with_absences(ABSENT | {"substitute": ANNA})) == {
        ("/absences/0/substitute", "substitute_is_absent")
    }
    assert faults(with_absences(ABSENT, ABSENT)) == {("/absences/1", "duplicate")}
    assert faults(with_absences(ABSENT | {"until": "2026-02-01", "substitute": "p-" + "c" * 20})) == {
        ("/absences/0/until", "until_before_since"),
        ("/absences/0/substitute", "unknown_person"),
    }
