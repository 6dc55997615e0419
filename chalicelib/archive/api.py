"""The archive over HTTP."""

from typing import Any
from urllib.parse import unquote

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.archive.model.record import DOWNLOAD_LIFE, ArchiveRecord
from chalicelib.core.clock import to_text
from chalicelib.core.errors import FieldError, InvalidInput
from chalicelib.core.http import Exchange, answer, endpoint
from chalicelib.identity.caller import caller
from chalicelib.people.model import is_department_id
from chalicelib.submission.model import Category

archive_routes = Blueprint(__name__)


@archive_routes.route("/api/v1/archive", methods=["GET"])
@endpoint(archive_routes)
def list_archive(exchange: Exchange) -> Response:
    person = caller(exchange)
    category, year = _filters(exchange)
    page = bootstrap.parts().reading_room.listing(
        person,
        category=category,
        department=exchange.query.get("department"),
        year=year,
        cursor=exchange.query.get("cursor"),
    )
    return answer(exchange, {"items": [_as_json(entry) for entry in page.rows], "cursor": page.cursor})


@archive_routes.route("/api/v1/archive/{catalog_number}", methods=["GET"])
@endpoint(archive_routes)
def get_archive_entry(exchange: Exchange, catalog_number: str) -> Response:
    entry = bootstrap.parts().reading_room.entry(caller(exchange), unquote(catalog_number))
    return answer(exchange, _as_json(entry))


@archive_routes.route("/api/v1/archive/{catalog_number}/package", methods=["GET"])
@endpoint(archive_routes)
def get_package(exchange: Exchange, catalog_number: str) -> Response:
    entry, url = bootstrap.parts().reading_room.download(caller(exchange), unquote(catalog_number))
    body = {"url": url, "expires_in": DOWNLOAD_LIFE, "sha256": entry.sha256, "size": entry.size}
    return answer(exchange, body)


def _filters(exchange: Exchange) -> tuple[Category | None, int | None]:
    errors = []
    category, year = exchange.query.get("category"), exchange.query.get("year")
    department = exchange.query.get("department")
    if department is not None and not is_department_id(department):
        errors.append(FieldError(pointer="/department", code="bad_id"))
    if category is not None and category not in set(Category):
        allowed = [known.value for known in Category]
        errors.append(FieldError(pointer="/category", code="not_one_of", params={"allowed": allowed}))
    if year is not None and not (year.isascii() and year.isdigit() and len(year) == 4):  # noqa: PLR2004 — a year
        errors.append(FieldError(pointer="/year", code="bad_format", params={"format": "year"}))
    if errors:
        raise InvalidInput(tuple(errors))
    return (None if category is None else Category(category)), (None if year is None else int(year))


def _as_json(entry: ArchiveRecord) -> dict[str, Any]:
    return {
        "catalog_number": entry.catalog_number,
        "submission": entry.submission,
        "revision": entry.revision,
        "title": entry.title,
        "category": entry.category,
        "department": entry.department,
        "classification": entry.classification,
        "published_at": to_text(entry.published_at),
        "sha256": entry.sha256,
        "size": entry.size,
    }
