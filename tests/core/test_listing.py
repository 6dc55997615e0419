"""Pages: no row twice, none left out, and an end to how many are looked at."""

from collections.abc import Callable, Iterator

import pytest

from chalicelib.core.errors import BadRequest
from chalicelib.core.listing import MOST_EXAMINED, PAGE, Page, newest, page
from chalicelib.core.table import Record, Table

Row = tuple[str, int | None]


def rows(count: int) -> list[Row]:
    """Rows in their order, each at a position that a cursor can name."""
    return [(f"2026-01-01T00:00:00.{999 - number:03d}Z#row", number) for number in range(count)]


def everything(count: int, accept: Callable[[int], bool]) -> Iterator[Page[int]]:
    """Page after page, each beginning below the last row that the one before looked at."""
    left = rows(count)
    while True:
        found = page(iter(left), accept)
        yield found
        if found.cursor is None:
            return
        looked_at = next(
            index for index, (position, _) in enumerate(left) if _cursor_of(position) == found.cursor
        )
        left = left[looked_at + 1 :]


def _cursor_of(position: str) -> str | None:
    """The cursor of a page that ends with this row."""
    return page(iter([(position, 0)] * (PAGE + 1)), lambda _: True).cursor


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 1])
def test_pages_hold_every_row_once(count: int) -> None:
    pages = list(everything(count, lambda _: True))
    assert [row for found in pages for row in found.rows] == list(range(count))
    assert all(len(found.rows) == PAGE for found in pages[:-1])
    assert count == 0 or pages[-1].rows, "no empty page at the end"


def test_rows_that_are_not_accepted_leave_no_gap() -> None:
    pages = list(everything(150, lambda number: number % 3 == 0))
    assert [row for found in pages for row in found.rows] == list(range(0, 150, 3))


def test_a_page_ends_when_enough_was_looked_at() -> None:
    pages = list(everything(MOST_EXAMINED + 50, lambda number: number == MOST_EXAMINED + 49))
    assert [len(found.rows) for found in pages] == [0, 1]


def test_rows_that_were_not_read_count_as_looked_at() -> None:
    unread: list[Row] = [(position, None) for position, _ in rows(MOST_EXAMINED + 1)]
    found = page(iter(unread), lambda _: True)
    assert found.rows == ()
    assert found.cursor is not None


def test_no_row_is_looked_at_that_no_page_needs() -> None:
    looked_at = []

    def watched() -> Iterator[Row]:
        for row in rows(100):
            looked_at.append(row)
            yield row

    page(watched(), lambda _: True)
    assert len(looked_at) == PAGE + 1


@pytest.mark.parametrize("cursor", ["", "x", "eA", "Iw", "游标", "\ud800", "=", "A" * 4000])
def test_a_cursor_that_is_not_ours_is_refused_before_anything_is_read(cursor: str) -> None:
    def no_client() -> None:
        raise AssertionError("read although the cursor is garbled")

    table = Table(client=no_client, name="none")  # type: ignore[arg-type] # it must never be called
    with pytest.raises(BadRequest):
        list(newest(table, Record, ["key"], cursor=cursor))
