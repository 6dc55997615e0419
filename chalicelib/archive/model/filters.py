"""What the catalogue is searched by (clause 3.5.3): the same over JSON and on the page."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chalicelib.core.errors import FieldError, InvalidInput
from chalicelib.people.model import is_department_id
from chalicelib.submission.model import Category


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What an entry must be; None asks for nothing. `year` is one of the center's calendar."""

    category: Category | None = None
    department: str | None = None
    year: int | None = None


def filters_of(asked: Mapping[str, str], *, departments: Collection[str] | None = None) -> Filters:
    """The filters of a query. Raises InvalidInput with every wrong one.

    Where `departments` are given, the ids of all there are, another department is wrong, too.
    """
    category, department, year = asked.get("category"), asked.get("department"), asked.get("year")
    errors = []
    if category is not None and category not in set(Category):
        errors.append(_not_one_of("/category", [known.value for known in Category]))
    if department is not None and departments is not None and department not in departments:
        errors.append(_not_one_of("/department", departments))
    if department is not None and departments is None and not is_department_id(department):
        errors.append(FieldError(pointer="/department", code="bad_id"))
    if year is not None and not re.fullmatch("[0-9]{4}", year):
        errors.append(FieldError(pointer="/year", code="bad_format", params={"format": "year"}))
    if errors:
        raise InvalidInput(tuple(errors))
    return Filters(
        category=None if category is None else Category(category),
        department=department,
        year=None if year is None else int(year),
    )


def _not_one_of(pointer: str, allowed: Collection[str]) -> FieldError:
    return FieldError(pointer=pointer, code="not_one_of", params={"allowed": list(allowed)})
