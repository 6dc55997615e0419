"""The archive with a browser (clauses 2.4.1, 3.5.3): the catalogue, an entry and its package."""

from collections.abc import Mapping
from urllib.parse import unquote, urlencode

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.access.model import Action
from chalicelib.archive.model.catalog import ascii_name, parse
from chalicelib.archive.model.filters import Filters, filters_of
from chalicelib.archive.model.record import ArchiveRecord
from chalicelib.core.errors import InvalidInput
from chalicelib.core.http import Exchange
from chalicelib.core.listing import Page
from chalicelib.identity.caller import visit
from chalicelib.submission.model import Category
from chalicelib.web.pages import faults_by_field, page, page_view, see_other

archive_pages = Blueprint(__name__)

FIELDS = tuple(Filters.__dataclass_fields__)
"""The fields of the form that the catalogue is searched with; left empty, one asks for nothing."""
NOTHING_FOUND: Page[ArchiveRecord] = Page(rows=(), cursor=None)


@archive_pages.route("/archive", methods=["GET"])
@page_view(archive_pages)
def show_catalogue(exchange: Exchange) -> Response:
    present, _ = visit(exchange)
    parts = bootstrap.parts()
    departments = parts.people.all_departments()
    names = {department.id: department.name for department in departments}
    typed = {name: value for name in FIELDS if (value := exchange.query.get(name, "").strip())}
    cursor = exchange.query.get("cursor")
    found, wrong, status = NOTHING_FOUND, {}, 200
    try:
        filters = filters_of(typed, departments=names)
        found = parts.reading_room.listing(present.person, filters, cursor=cursor, departments=departments)
    except InvalidInput as error:
        wrong, status = faults_by_field(error, exchange.language), error.status
    return page(
        exchange,
        "archive",
        status=status,
        visit=present,
        entries=found.rows,
        older=None if found.cursor is None else _address({**typed, "cursor": found.cursor}),
        newest=None if cursor is None else _address(typed),
        typed=typed,
        wrong=wrong,
        categories=list(Category),
        departments=names,
        zone=parts.settings.center_time_zone,
    )


@archive_pages.route("/archive/{catalog_number}", methods=["GET"])
@page_view(archive_pages)
def show_entry(exchange: Exchange, catalog_number: str) -> Response:
    number, parts = unquote(catalog_number), bootstrap.parts()
    room = parts.reading_room
    present, found = visit(exchange, *room.keys(number))
    entry = room.entry(present.person, number, found)
    series, _ = parse(number)
    return page(
        exchange,
        "archive_entry",
        visit=present,
        entry=entry,
        term=series.term,
        file=f"{ascii_name(number)}.zip",
        may_download=room.may(present.person, Action.ARCHIVE_DOWNLOAD, entry),
        may_read_submission=room.may(present.person, Action.READ, entry),
        departments={department.id: department.name for department in parts.people.all_departments()},
        zone=parts.settings.center_time_zone,
    )


@archive_pages.route("/archive/{catalog_number}/download", methods=["GET"])
@page_view(archive_pages)
def download_package(exchange: Exchange, catalog_number: str) -> Response:
    """Send the browser to the bucket: the address, which works for a minute, is never in a page.

    A plain link leads here, not a form: browsers hold a form to its page's `form-action` in redirects as well, and
    that would have to name the bucket.
    """
    number, room = unquote(catalog_number), bootstrap.parts().reading_room
    present, found = visit(exchange, *room.keys(number))
    _, url = room.download(present.person, number, found)
    return see_other(exchange, url)


def _address(query: Mapping[str, str]) -> str:
    return "?".join(filter(None, ("/archive", urlencode(query))))
