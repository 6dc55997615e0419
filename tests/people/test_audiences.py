"""Whom a form addresses: departments, roles, named lists (clauses 4.4.1, 4.4.3)."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.people.audiences import ADDRESSABLE, Audiences, departments_in, is_addressed
from chalicelib.people.model import Role
from tests.world import a_person

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HEAD = a_person("head", (Role.DEPARTMENT_HEAD, "sales"), (Role.EMPLOYEE, "it"))
LISTS = """
lists:
  - id: new-staff
    name: {zh-Hans: 新员工, zh-Hant: 新員工, en: new staff}
    members: [hr, "role:liaison", "person:p-lin"]
"""


def audiences(folder: Path, text: str = LISTS) -> Audiences:
    (folder / "audiences.yaml").write_text(text, "utf-8")
    return Audiences(folder)


def test_a_list_stands_for_its_members_and_one_that_there_is_not_for_nobody(tmp_path: Path) -> None:
    known = audiences(tmp_path)
    spelled = known.spelled_out(("sales", "list:new-staff", "list:of-old", "hr"))
    assert spelled == ("sales", "hr", "role:liaison", "person:p-lin")
    assert departments_in(spelled) == ("sales", "hr")
    assert known.spelled_out(("list:of-old",)) == ()
    assert known.spelled_out(None) is None


@pytest.mark.parametrize(
    ("audience", "belongs"),
    [
        (None, True),
        (("it",), True),
        (("role:department_head",), True),
        (("person:head", f"person:{HEAD.id}"), True),
        (("hr", "role:liaison", "person:p-lin"), False),
        (("list:new-staff",), False),
        ((), False),
    ],
)
def test_who_is_addressed_by_department_by_role_or_by_name(
    audience: tuple[str, ...] | None, *, belongs: bool
) -> None:
    """Clause 4.4.3: recipients must be right."""
    assert is_addressed(HEAD, audience, NOW) is belongs
    assert not is_addressed(replace(HEAD, duties=()), audience, NOW), "nobody without a duty"


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("hr", None),
        ("sales", "unknown_department"),
        ("role:department_head", None),
        ("role:king", "unknown_role"),
        ("role:employee", "unknown_role"),
        ("list:new-staff", None),
        ("list:old-staff", "unknown_list"),
    ],
)
def test_what_cannot_be_addressed_is_told(entry: str, fault: str | None, tmp_path: Path) -> None:
    """Employees are everybody: what is confidential is not addressed to them by another word (clause 5.3.1)."""
    told = [
        (error.pointer, error.code)
        for error in audiences(tmp_path).faults("/audience", ["hr", entry], {"hr"})
    ]
    assert told == ([] if fault is None else [("/audience/1", fault)])


@pytest.mark.parametrize(
    ("was", "wrong"),
    [
        ("[hr, ", '["list:others", '),
        ("[hr, ", '["somebody@example.com", '),
        ("[hr, ", '["role:employee", '),
        ('[hr, "role:liaison", "person:p-lin"]', "[]"),
        ("id: new-staff", "id: New Staff"),
        (", en: new staff", ""),
        ("lists:", "list:"),
        ("name:", "names:"),
        ("{zh-Hans", "{{zh-Hans"),
    ],
)
def test_a_file_that_cannot_be_is_no_policy(was: str, wrong: str, tmp_path: Path) -> None:
    assert was in LISTS
    with pytest.raises(ValueError, match=r"audiences.yaml"):
        _ = audiences(tmp_path, LISTS.replace(was, wrong)).lists


def test_two_lists_with_one_id_are_no_policy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two lists"):
        _ = audiences(tmp_path, LISTS + LISTS.removeprefix("\nlists:\n")).lists


@pytest.mark.parametrize("language", ["zh-Hans", "zh-Hant", "en"])
def test_every_role_and_list_of_the_policy_has_a_name(language: str) -> None:
    known = Audiences(POLICIES)
    assert known.names(language).keys() == {*ADDRESSABLE, *known.lists}
    assert all(known.names(language).values())
