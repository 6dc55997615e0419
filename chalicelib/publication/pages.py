"""Ending announcements from a mail, without a session.

`/u/{token}` is the one address of ours that carries a secret in its path: mail programs call it themselves, and it can
do nothing but end announcements ([decision 10](../../docs/decisions/0010-unsubscribing-by-an-address.md)).
"""

import re

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import NotFound
from chalicelib.core.http import Exchange
from chalicelib.web.pages import FORM, page, page_view

publication_pages = Blueprint(__name__)

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_FORMS = [FORM, "multipart/form-data", "application/json"]
"""What mail programs and our own button send; nothing of it is read."""


@publication_pages.route("/u/{token}", methods=["GET"])
@page_view(publication_pages)
def show_unsubscribe(exchange: Exchange, token: str) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(exchange.address)
    try:
        parts.mailings.subscriber(_sound(token))
    except NotFound:
        return page(exchange, "unsubscribe", status=NotFound.status, step="gone")
    return page(exchange, "unsubscribe", step="ask")


@publication_pages.route("/u/{token}", methods=["POST"], content_types=_FORMS)
@page_view(publication_pages)
def unsubscribe(exchange: Exchange, token: str) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(exchange.address)
    try:
        parts.mailings.unsubscribe(_sound(token))
    except NotFound:
        return page(exchange, "unsubscribe", status=NotFound.status, step="gone")
    return page(exchange, "unsubscribe", step="done")


def _sound(token: str) -> str:
    """The token, if it can be one. Raises NotFound."""
    if not _TOKEN.fullmatch(token):
        raise NotFound
    return token
