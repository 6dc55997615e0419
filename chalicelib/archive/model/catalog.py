"""Catalogue numbers (档号): the clear, ordered catalogue that clause 3.5.3 asks for.

The form is that of DA/T 22-2015, `全宗号-门类代码·年度-保管期限-机构代码-件号`: `Z109-WS·2026-Y-BGS-0001`.
Serial numbers count from 1 within a series and have neither gaps nor repeats; counting is the store's work.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from chalicelib.submission.model import Category

_SERIES = r"([A-Za-z0-9]{1,12})-([A-Za-z0-9]{1,12})·([1-9][0-9]{3})-(Y|D30|D10)-([A-Za-z0-9]{1,12})"
_SERIAL = r"([0-9]{4}|[1-9][0-9]{4,8})"


class Term(StrEnum):
    """How long a record is kept (保管期限): for ever, 30 years, 10 years."""

    PERMANENT = "Y"
    THIRTY_YEARS = "D30"
    TEN_YEARS = "D10"


@dataclass(frozen=True, kw_only=True)
class Series:
    """What shares one run of serial numbers. Raises ValueError on what cannot stand in a catalogue number.

    `fonds` is 全宗号, `type_code` 门类代码, `department_code` 机构代码: 1 to 12 ASCII letters and digits.
    `year` has four digits.
    """

    fonds: str
    type_code: str
    year: int
    term: Term
    department_code: str

    def __post_init__(self) -> None:
        if not re.fullmatch(_SERIES, self.key):
            raise ValueError(f"not a series of catalogue numbers: {self.key!r}")

    @property
    def key(self) -> str:
        """The number without its serial: what the counter is kept under, `Z109-WS·2026-Y-BGS`."""
        return f"{self.fonds}-{self.type_code}·{self.year}-{self.term}-{self.department_code}"


def catalog_number(series: Series, serial: int) -> str:
    """The catalogue number of one item; the serial (件号) has four digits, more after 9999. Clause 3.5.3.

    Raises ValueError when the serial is less than 1 or has more than nine digits.
    """
    number = f"{series.key}-{serial:04d}"
    parse(number)
    return number


def is_catalog_number(text: str) -> bool:
    """Whether a text has the form of a catalogue number: whatever else a path may hold is no key to read by."""
    return re.fullmatch(f"{_SERIES}-{_SERIAL}", text) is not None


def parse(number: str) -> tuple[Series, int]:
    """The series and the serial of a catalogue number. Raises ValueError when it is not one."""
    match = re.fullmatch(f"{_SERIES}-{_SERIAL}", number)
    if match is None or int(match[6]) == 0:
        raise ValueError(f"not a catalogue number: {number!r}")
    series = Series(
        fonds=match[1],
        type_code=match[2],
        year=int(match[3]),
        term=Term(match[4]),
        department_code=match[5],
    )
    return series, int(match[6])


def ascii_name(number: str) -> str:
    """The number as a file or folder name, `Z109-WS_2026-Y-BGS-0001`; different numbers stay different."""
    return number.replace("·", "_")


class CatalogRules:
    """The company's own part of the catalogue: `archive.json` in the policies folder.

    Raises ValueError when the file leaves a category without a retention term.
    """

    def __init__(self, folder: Path) -> None:
        rules = json.loads((folder / "archive.json").read_text(encoding="utf-8"))
        self._fonds: str = rules["fonds"]
        self._type_code: str = rules["type_code"]
        self._terms = {Category(name): Term(term) for name, term in rules["terms"].items()}
        without = [category.value for category in Category if category not in self._terms]
        if without:
            raise ValueError(f"archive.json gives no retention term for: {', '.join(without)}")

    def retention_term(self, category: Category) -> Term:
        """How long items of this category are kept."""
        return self._terms[category]

    def series(self, *, category: Category, department_code: str, year: int) -> Series:
        """The series an item belongs to; `year` is the calendar year of its publication at the center."""
        return Series(
            fonds=self._fonds,
            type_code=self._type_code,
            year=year,
            term=self.retention_term(category),
            department_code=department_code,
        )
