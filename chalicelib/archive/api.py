"""The archive over HTTP."""

from typing import Any
from urllib.parse import unquote

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.archive.model.filters import filters_of
from chalicelib.archive.model.record import DOWNLOAD_LIFE, ArchiveRecord
from chalicelib.core.clock import to_text
from chalicelib.core.http import Exchange, answer, endpoint
from chalicelib.identity.caller import caller, caller_with

archive_routes = Blueprint(__name__)


@archive_routes.route("/api/v1/archive", methods=["GET"])
@endpoint(archive_routes)
def list_archive(exchange: Exchange) -> Response:
    person = caller(exchange)
    room = bootstrap.parts().reading_room
    page = room.listing(person, filters_of(exchange.query), cursor=exchange.query.get("cursor"))
    return answer(exchange, {"items": [_as_json(entry) for entry in page.rows], "cursor": page.cursor})


@archive_routes.route("/api/v1/archive/{catalog_number}", methods=["GET"])
@endpoint(archive_routes)
def get_archive_entry(exchange: Exchange, catalog_number: str) -> Response:
    number, room = unquote(catalog_number), bootstrap.parts().reading_room
    person, found = caller_with(exchange, *room.keys(number))
    entry = room.entry(person, number, found)
    return answer(exchange, _as_json(entry))


@archive_routes.route("/api/v1/archive/{catalog_number}/package", methods=["GET"])
@endpoint(archive_routes)
def get_package(exchange: Exchange, catalog_number: str) -> Response:
    number, room = unquote(catalog_number), bootstrap.parts().reading_room
    person, found = caller_with(exchange, *room.keys(number))
    entry, url = room.download(person, number, found)
    body = {"url": url, "expires_in": DOWNLOAD_LIFE, "sha256": entry.sha256, "size": entry.size}
    return answer(exchange, body)


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
