from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from chalicelib.access.model import (
    CLASSIFICATIONS,
    Resource,
    Subject,
    condition,
    policy_lines,
    service_subject,
    subject_of,
)
from chalicelib.people.model import Duty, Person, Role
from chalicelib.submission.model import Classification

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LINE = "p, submission.read, role:liaison, own_department, allow"


def a_person(*duties: Duty, person_id: str = "p-lin") -> Person:
    return Person(id=person_id, name="林小满", email="lin@example.com", duties=duties)


def a_duty(since: timedelta, until: timedelta | None = None) -> Duty:
    end = None if until is None else NOW + until
    return Duty(role=Role.LIAISON, department="marketing", since=NOW + since, until=end)


def a_resource(
    *,
    department: str = "marketing",
    classification: str = "internal",
    approved_stages: tuple[str, ...] = (),
) -> Resource:
    return Resource(
        department=department,
        drafter="p-lin",
        classification=classification,
        approved_stages=approved_stages,
    )


def test_policy_knows_exactly_the_classifications_of_the_form() -> None:
    assert set(Classification) == CLASSIFICATIONS


def test_a_text_that_must_pass_no_stage_has_not_passed_all() -> None:
    """An empty procedure approves nothing (clause 2.2.1)."""
    asking = ("all_stages_approved", "service:archive", service_subject("archive").data())
    assert not condition(*asking, a_resource(approved_stages=("initial",)).data())


def test_a_duty_counts_from_its_first_instant_to_before_its_last() -> None:
    day = timedelta(days=1)
    assert subject_of(a_person(a_duty(timedelta())), NOW).roles == ((Role.LIAISON, "marketing"),)
    assert subject_of(a_person(a_duty(-day, day)), NOW).roles == ((Role.LIAISON, "marketing"),)
    assert subject_of(a_person(a_duty(-day, timedelta())), NOW).roles == ()
    assert subject_of(a_person(a_duty(day)), NOW).roles == ()


@pytest.mark.parametrize(
    "name", ["role:archivist", "anyone", "on_duty", "department_duty", "service:publication"]
)
def test_a_person_whose_id_is_a_holders_name_is_not_that_holder(name: str) -> None:
    assert subject_of(a_person(person_id=name), NOW).data()["holds"] == {"anyone": ()}
    assert Subject(id="role:archivist").data()["holds"] == {"anyone": ()}


def test_a_service_is_itself_and_holds_no_duty() -> None:
    assert service_subject("archive").data() == {
        "id": "service:archive",
        "holds": {"anyone": (), "service:archive": ()},
    }


def test_departments_stay_with_the_role_they_were_given_for() -> None:
    subject = Subject(id="user:p-lin", roles=((Role.LIAISON, "marketing"), (Role.DEPARTMENT_HEAD, "sales")))
    assert subject.data()["holds"] == {
        "anyone": (),
        "role:liaison": ("marketing",),
        "role:department_head": ("sales",),
        "on_duty": ("marketing", "sales"),
        "department_duty": ("marketing", "sales"),
    }


@pytest.mark.parametrize(
    "resource",
    [
        a_resource(classification="secret"),
        a_resource(classification="Public"),
        a_resource(department=""),
        replace(a_resource(), asked=(cast("Role", "boss"), "center")),
    ],
)
def test_a_resource_with_an_unknown_attribute_cannot_be_judged(resource: Resource) -> None:
    with pytest.raises(ValueError):
        resource.data()


def test_an_unknown_rule_and_a_holder_that_the_subject_is_not_cannot_be_judged() -> None:
    subject = service_subject("archive").data()
    resource = a_resource().data()
    with pytest.raises(KeyError):
        condition("no_such_rule", "service:archive", subject, resource)
    with pytest.raises(KeyError):
        condition("own_department", "role:liaison", subject, resource)


def test_lines_are_numbered_as_an_editor_numbers_them() -> None:
    (line,) = policy_lines(f"# who may read\n\n{LINE}\r\n")
    assert line.number == 3
    assert f"p, {line}" == LINE


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_a_comment_hides_no_policy_line(separator: str) -> None:
    assert policy_lines(f"# nothing here{separator}{LINE}") == ()


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("p, submission.reed, role:liaison, own_department, allow", "unknown action 'submission.reed'"),
        ("p, submission.*, role:liaison, own_department, allow", r"unknown action 'submission\.\*'"),
        ("p, submission.read, role:boss, own_department, allow", "unknown holder 'role:boss'"),
        ("p, submission.read, service:typo, always, allow", "unknown holder 'service:typo'"),
        ("p, submission.read, user:p-lin, always, allow", "unknown holder 'user:p-lin'"),
        ("p, submission.read, role:liaison, own_departmnt, allow", "unknown rule 'own_departmnt'"),
        ("p, submission.read, role:liaison, own_department(a, b), allow", "is not: p, action"),
        ("p, submission.read, role:liaison, own_department, permit", "unknown effect 'permit'"),
        ("p, submission.read, role:liaison, own_department", "is not: p, action"),
        ("g, user:p-lin, role:liaison, marketing, sales", "is not: p, action"),
        ("submission.read, role:liaison, own_department, allow", "is not: p, action"),
        (LINE, "repeats line 1"),
    ],
)
def test_a_line_that_cannot_mean_what_it_says_is_refused_by_its_number(row: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"policy.csv line 2.*{complaint}"):
        policy_lines(f"{LINE}\n{row}\n")
