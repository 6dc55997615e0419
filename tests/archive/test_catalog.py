"""Catalogue numbers and the company's own rules for them."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.archive.model.catalog import CatalogRules, Series, Term, ascii_name, catalog_number, parse
from chalicelib.submission.model import Category

POLICIES = Path(__file__).parents[2] / "policies"
OFFICE = Series(fonds="Z109", type_code="WS", year=2026, term=Term.PERMANENT, department_code="BGS")

codes = st.from_regex(re.compile(r"[A-Za-z0-9]{1,12}", re.ASCII), fullmatch=True)
all_series = st.builds(
    Series,
    fonds=codes,
    type_code=codes,
    year=st.integers(1000, 9999),
    term=st.sampled_from(Term),
    department_code=codes,
)


def test_a_number_has_the_form_of_the_archival_standard() -> None:
    """Clause 3.5.3."""
    assert catalog_number(OFFICE, 1) == "Z109-WS·2026-Y-BGS-0001"


@given(series=all_series, serial=st.integers(1, 999_999_999))
def test_a_number_reads_back_as_what_it_was_made_of(series: Series, serial: int) -> None:
    number = catalog_number(series, serial)
    assert parse(number) == (series, serial)
    assert number.startswith(series.key)


@given(one=all_series, other=all_series, serial=st.integers(1, 20_000))
def test_different_series_never_share_a_number_or_a_file_name(
    one: Series, other: Series, serial: int
) -> None:
    names = {ascii_name(catalog_number(series, serial)) for series in (one, other)}
    assert len(names) == len({one, other})
    assert all(name.isascii() and "/" not in name for name in names)


def test_serials_beyond_four_digits_stay_readable() -> None:
    assert parse(catalog_number(OFFICE, 10_000)) == (OFFICE, 10_000)


@pytest.mark.parametrize("serial", [0, -1, 1_000_000_000])
def test_a_serial_that_cannot_be_is_refused(serial: int) -> None:
    with pytest.raises(ValueError, match="catalogue number"):
        catalog_number(OFFICE, serial)


@pytest.mark.parametrize(
    "changed",
    [
        {"fonds": ""},
        {"fonds": "Z-109"},
        {"type_code": "文书"},
        {"department_code": "BGS\n"},
        {"department_code": "A" * 13},
        {"year": 26},
        {"year": 20_260},
    ],
)
def test_a_code_that_cannot_stand_in_a_number_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a series"):
        replace(OFFICE, **changed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z109-WS·2026-Y-BGS",
        "Z109-WS·2026-Y-BGS-0000",
        "Z109-WS·2026-Y-BGS-1",
        "Z109-WS·2026-Y-BGS-00001",
        "Z109-WS·2026-D20-BGS-0001",
        "Z109-WS_2026-Y-BGS-0001",
        "Z109-WS·2026-Y-BGS-0001 ",
        "Z109-WS·2026-Y-BGS-٠٠٠١",
    ],
)
def test_what_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a catalogue number"):
        parse(text)


def test_the_companys_rules_give_every_category_a_retention_term() -> None:
    rules = CatalogRules(POLICIES)
    assert {category: rules.retention_term(category) for category in Category} == {
        Category.RULES: Term.PERMANENT,
        Category.NEWS: Term.THIRTY_YEARS,
        Category.BUSINESS: Term.THIRTY_YEARS,
        Category.STAFF: Term.THIRTY_YEARS,
        Category.NOTICE: Term.TEN_YEARS,
        Category.CULTURE: Term.TEN_YEARS,
    }


def test_the_rules_name_the_series_by_category_department_and_year() -> None:
    """Clause 3.5.3: sorted by category and publish time."""
    rules = CatalogRules(POLICIES)
    series = rules.series(category=Category.RULES, department_code="BGS", year=2026)
    assert series == OFFICE


def test_rules_that_forget_a_category_are_refused(tmp_path: Path) -> None:
    document = json.loads((POLICIES / "archive.json").read_text(encoding="utf-8"))
    del document["terms"]["staff"]
    (tmp_path / "archive.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match="staff"):
        CatalogRules(tmp_path)
