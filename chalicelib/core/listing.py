"""Lists, newest first, page by page: over one key of the `listing` index or merged over several.

A record that wants to be listed carries `listing_key` (what it is listed under) and `listing_sort` (an instant as
text, `#`, its id). A cursor is the position of the last row looked at: it names a place, and gives no rights.
"""

import base64
import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chalicelib.core.errors import BadRequest
from chalicelib.core.table import Key, Record, Table

R = TypeVar("R", bound=Record)
T = TypeVar("T")

INDEX = "listing"
PAGE = 20
"""Rows of a page."""
MOST_EXAMINED = 200
"""Rows looked at for one page; a page may be shorter than `PAGE` and still have a cursor."""
_POSITION = re.compile(r"[0-9:.TZ-]{24}#\S{1,100}")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Some rows, newest first. `cursor` leads to the next page, None at the end."""

    rows: tuple[T, ...]
    cursor: str | None


def page(rows: Iterable[tuple[str, T | None]], accept: Callable[[T], bool]) -> Page[T]:
    """The first page of what is accepted among rows given with their positions; None rows count as looked at."""
    accepted: list[T] = []
    last = ""
    for examined, (place, row) in enumerate(rows):
        if len(accepted) == PAGE or examined == MOST_EXAMINED:
            return Page(rows=tuple(accepted), cursor=_cursor(last))
        last = place
        if row is not None and accept(row):
            accepted.append(row)
    return Page(rows=tuple(accepted), cursor=None)


def newest(
    table: Table, kind: type[R], keys: Iterable[str], *, cursor: str | None, state: str | None = None
) -> Iterator[tuple[str, R | None]]:
    """What is listed under the keys after the cursor, merged, newest first, each with its position.

    Where a state is given, records in another are not read and come as None. Raises BadRequest for a cursor that is
    not one of ours.
    """
    below = None if cursor is None else position(cursor)
    return heapq.merge(
        *(_under(table, kind, key, below, state) for key in keys), key=lambda row: row[0], reverse=True
    )


def _under(
    table: Table, kind: type[R], key: str, below: str | None, state: str | None
) -> Iterator[tuple[str, R | None]]:
    while True:
        items = table.index_page(INDEX, ("listing_key", key), ("listing_sort", below), limit=PAGE + 1)
        wanted = {_sort(item): _key(kind, item) for item in items if state in {None, item["state"]["S"]}}
        found = table.batch(*wanted.values())
        for item in items:
            below = _sort(item)
            yield below, found.get(wanted[below]) if below in wanted else None
        if len(items) <= PAGE:
            return


def _sort(item: dict[str, Any]) -> str:
    return str(item["listing_sort"]["S"])


def _key(kind: type[R], item: dict[str, Any]) -> Key[R]:
    return Key(kind, item["pk"]["S"], item["sk"]["S"])


def _cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def position(cursor: str) -> str:
    """The place that a cursor names. Raises BadRequest for one that is not one of ours."""
    try:
        place = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as error:
        raise BadRequest("bad_cursor") from error
    if not _POSITION.fullmatch(place):
        raise BadRequest("bad_cursor")
    return place
