"""Whom something is addressed to: departments, roles in any of them, and named lists of both and of persons.

An entry of an audience is a department's id, `role:<role>` or `list:<id>`; only lists name persons, as `person:<id>`.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from chalicelib.core import messages
from chalicelib.core.errors import FieldError
from chalicelib.people.model import Person, Role, is_department_id

FILE = "audiences.yaml"
ROLE, LIST, PERSON = "role:", "list:", "person:"
ADDRESSABLE = tuple(f"{ROLE}{role}" for role in Role if role is not Role.EMPLOYEE)
"""Roles that can be addressed. Employees are everybody, and are addressed as that, where it is allowed."""
LANGUAGES = frozenset({"zh-Hans", "zh-Hant", "en"})

Audience = tuple[str, ...] | None
"""None is everybody."""


@dataclass(frozen=True, kw_only=True)
class NamedList:
    """A list of the policy; `names` by language."""

    id: str
    names: Mapping[str, str]
    members: tuple[str, ...]


class Audiences:
    """The named lists of a policies folder, read when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def lists(self) -> Mapping[str, NamedList]:
        """Every list by its entry, such as `list:new-staff`. Raises OSError or ValueError."""
        from yaml import CSafeLoader, YAMLError, load  # noqa: PLC0415 — heavy, and few events need it

        try:
            document = load((self._folder / FILE).read_text("utf-8"), CSafeLoader)
            found = [_read(entry) for entry in document["lists"]]
        except (YAMLError, AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{FILE}: {error!r}") from error
        by_entry = {f"{LIST}{each.id}": each for each in found}
        if len(by_entry) < len(found):
            raise ValueError(f"{FILE}: two lists have one id")
        return by_entry

    def spelled_out(self, audience: Audience) -> Audience:
        """The audience with the members of its lists in their place; a list that there is not has none."""
        if audience is None:
            return None
        return tuple(dict.fromkeys(self._members(audience)))

    def names(self, language: str) -> dict[str, str]:
        """What people call roles and lists, by entry."""
        roles = {
            entry: messages.text(f"word.{entry.replace(':', '.')}", language, {}) for entry in ADDRESSABLE
        }
        return roles | {entry: each.names[language] for entry, each in self.lists.items()}

    def faults(
        self, pointer: str, entries: Sequence[str], departments: Container[str]
    ) -> Iterator[FieldError]:
        """What nobody can be addressed by, of those departments."""
        for place, entry in enumerate(entries):
            where, named = f"{pointer}/{place}", {"id": entry.rpartition(":")[2]}
            if entry.startswith(ROLE):
                if entry not in ADDRESSABLE:
                    yield FieldError(pointer=where, code="unknown_role", params=named)
            elif entry.startswith(LIST):
                if entry not in self.lists:
                    yield FieldError(pointer=where, code="unknown_list", params=named)
            elif entry not in departments:
                yield FieldError(pointer=where, code="unknown_department", params=named)

    def _members(self, audience: Iterable[str]) -> Iterator[str]:
        for entry in audience:
            if not entry.startswith(LIST):
                yield entry
            elif entry in self.lists:
                yield from self.lists[entry].members


def departments_in(audience: Audience) -> tuple[str, ...]:
    """The departments among the entries."""
    return tuple(entry for entry in audience or () if ":" not in entry)


def is_addressed(person: Person, audience: Audience, now: datetime) -> bool:
    """Whether somebody who is on duty belongs to an audience whose lists are spelled out (clause 4.4.3)."""
    duties = person.duties_at(now)
    if audience is None or not duties:
        return bool(duties)
    belongs_to = {f"{PERSON}{person.id}"}
    for duty in duties:
        belongs_to |= {duty.department, f"{ROLE}{duty.role}"}
    return not belongs_to.isdisjoint(audience)


def _read(entry: Mapping[str, Any]) -> NamedList:
    found = NamedList(id=entry["id"], names=dict(entry["name"]), members=tuple(entry["members"]))
    strange = [member for member in found.members if not _is_member(member)]
    if strange or not found.members:
        raise ValueError(f"{FILE}: {found.id} has no members, or these, that are none: {strange}")
    if not is_department_id(found.id) or set(found.names) != LANGUAGES:
        raise ValueError(f"{FILE}: {found.id} is no id, or has no name in {sorted(LANGUAGES)}")
    return found


def _is_member(member: str) -> bool:
    if member.startswith(PERSON):
        return re.fullmatch(r"p-[a-z0-9-]{1,40}", member.removeprefix(PERSON)) is not None
    return member in ADDRESSABLE or is_department_id(member)
