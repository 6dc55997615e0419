"""Attachments over HTTP. Their bytes never pass through here: they go to S3 and come from there."""

from datetime import timedelta
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.attachment.model import UPLOAD_LIFE, Upload
from chalicelib.core import messages
from chalicelib.core.clock import to_text
from chalicelib.core.errors import NotFound
from chalicelib.core.http import Exchange, answer, endpoint
from chalicelib.core.ids import is_id
from chalicelib.core.validation import checked
from chalicelib.identity.caller import caller, caller_with

attachment_routes = Blueprint(__name__)


@attachment_routes.route("/api/v1/attachments", methods=["POST"])
@endpoint(attachment_routes)
def post_attachment(exchange: Exchange) -> Response:
    person = caller(exchange)
    parts = bootstrap.parts()
    upload, form = parts.upload_desk.begin(person, checked("attachment", exchange.body()))
    until = to_text(parts.now() + timedelta(seconds=UPLOAD_LIFE))
    body = _as_json(upload, exchange.language) | {"upload": {**form, "expires_at": until}}
    return answer(exchange, body, status=201)


@attachment_routes.route("/api/v1/attachments/{attachment}", methods=["GET"])
@endpoint(attachment_routes)
def get_attachment(exchange: Exchange, attachment: str) -> Response:
    return answer(exchange, _as_json(_own(exchange, attachment), exchange.language))


@attachment_routes.route("/api/v1/attachments/{attachment}/check", methods=["POST"])
@endpoint(attachment_routes)
def post_check(exchange: Exchange, attachment: str) -> Response:
    upload = _own(exchange, attachment)
    bootstrap.parts().upload_desk.check_again(upload)
    return answer(exchange, _as_json(upload, exchange.language), status=202)


def _own(exchange: Exchange, attachment: str) -> Upload:
    """The caller's own upload, with one AWS call."""
    if not is_id("a", attachment):
        caller(exchange)
        raise NotFound
    desk = bootstrap.parts().upload_desk
    key = desk.key(attachment)
    person, found = caller_with(exchange, key)
    return desk.own(person, found.get(key))


def _as_json(upload: Upload, language: str) -> dict[str, Any]:
    """An upload as its uploader sees it; `reason` and `message` say why it was refused."""
    refusal = upload.refusal
    params = {"refusal": refusal}
    message = None if refusal is None else messages.text("field.attachment_refused", language, params)
    return upload.file.document() | {
        "department": upload.department,
        "state": upload.state,
        "expires_at": to_text(upload.expires_at),
        "reason": refusal,
        "message": message,
    }
