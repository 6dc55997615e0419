"""Who works where and answers for what (clauses 1.2, 5.1.1, 6.1.1)."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

CENTER = "center"
"""The id of the information publishing center's own department."""


def is_department_id(text: str) -> bool:
    """Whether a text has the form of a department's id."""
    return re.fullmatch(r"[a-z][a-z0-9-]{0,39}", text) is not None


class Role(StrEnum):
    """What a duty lets a person do; the policy names these as `role:<value>`."""

    LIAISON = "liaison"
    DEPARTMENT_HEAD = "department_head"
    SUPERVISING_EXECUTIVE = "supervising_executive"
    CENTER_EDITOR = "center_editor"
    CENTER_DIRECTOR = "center_director"
    SITE_ADMIN = "site_admin"
    WECHAT_ADMIN = "wechat_admin"
    ARCHIVIST = "archivist"
    ADMINISTRATOR = "administrator"
    EMPLOYEE = "employee"


REPRESENTED = frozenset(
    {Role.CENTER_EDITOR, Role.CENTER_DIRECTOR, Role.DEPARTMENT_HEAD, Role.SUPERVISING_EXECUTIVE}
)
"""The roles that a substitute takes over: those that others wait for."""


@dataclass(frozen=True, kw_only=True)
class Duty:
    """A role held in a department. `since` is included, `until` is not; None means without end. Both UTC.

    With `instead_of` it is that absent person's, whose substitute this is (clause 3.3.4).
    """

    role: Role
    department: str
    since: datetime
    until: datetime | None = None
    instead_of: str | None = None

    def holds_at(self, instant: datetime) -> bool:
        """Whether the duty counts at that instant."""
        return self.since <= instant and (self.until is None or instant < self.until)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person. `id` is a pseudonym and all that ledger and archive ever hold; name and e-mail can be erased."""

    id: str
    name: str
    email: str
    language: str = "zh-Hans"
    duties: tuple[Duty, ...] = ()
    version: int = 1

    def duties_at(self, instant: datetime) -> tuple[Duty, ...]:
        """The duties that count at that instant."""
        return tuple(duty for duty in self.duties if duty.holds_at(instant))

    def in_own_name(self) -> "Person":
        """The person without what is done instead of others."""
        return replace(self, duties=tuple(duty for duty in self.duties if duty.instead_of is None))

    def holds(self, role: Role, department: str, instant: datetime) -> bool:
        """Whether the person has this duty at that instant."""
        return any(d.role is role and d.department == department for d in self.duties_at(instant))


@dataclass(frozen=True, kw_only=True)
class Department:
    """A department. `code` stands in catalogue numbers (机构代码), so it never changes."""

    id: str
    name: str
    code: str
    duty_holders: tuple[str, ...] = ()
    """Ids of the persons who hold a duty here, present or past: where a search for reviewers starts."""
