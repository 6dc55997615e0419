"""How browsers get the files that pages load."""

from pathlib import PurePosixPath

from chalice.app import Blueprint, Response

from chalicelib.core.errors import NotFound
from chalicelib.core.http import BASE_HEADERS, Exchange
from chalicelib.web.pages import page_view
from chalicelib.web.static import TYPES, content_of, version_of

web_routes = Blueprint(__name__)


@web_routes.route("/static/{version}/{name}", methods=["GET"])
@page_view(web_routes)
def static_file(_exchange: Exchange, version: str, name: str) -> Response:
    content = content_of(name)
    if content is None or version != version_of(name):
        raise NotFound
    headers: dict[str, str | list[str]] = {
        **BASE_HEADERS,
        "Content-Type": TYPES[PurePosixPath(name).suffix],
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    return Response(body=content.decode(), headers=headers)
