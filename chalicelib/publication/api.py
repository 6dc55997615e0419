"""Announcements over HTTP: who wants them, and what becomes of those whose outcome nobody knows.

`/u/{token}` is the one address of ours that carries a secret in its path: mail programs call it themselves, and it can
do nothing but end announcements ([decision 10](../../docs/decisions/0010-unsubscribing-by-an-address.md)).
"""

import base64
import hashlib
import html
import re

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core import messages
from chalicelib.core.errors import NotFound
from chalicelib.core.http import Exchange, answer, endpoint, page
from chalicelib.core.validation import checked
from chalicelib.identity.caller import caller

publication_routes = Blueprint(__name__)

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_FORMS = ["application/x-www-form-urlencoded", "multipart/form-data", "application/json"]
"""What mail programs and our own button send; nothing of it is read."""
_STYLE = (
    "body{margin:0;padding:24px 16px;background:#f3f4f6;color:#1f2328;font:16px/1.7 sans-serif}"
    "main{max-width:600px;margin:0 auto;padding:20px 24px;background:#fff;border:1px solid #d9dde3;"
    "border-top:3px solid #a8261c;border-radius:6px}h1{font-size:22px;margin:0 0 12px}"
    "button{font:inherit;font-weight:600;padding:10px 20px;border:0;border-radius:4px;"
    "background:#a8261c;color:#fff;cursor:pointer}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CSP = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    f"style-src 'sha256-{_STYLE_HASH}'"
)


@publication_routes.route("/u/{token}", methods=["GET"])
@endpoint(publication_routes)
def show_unsubscribe(exchange: Exchange, token: str) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(exchange.address)
    try:
        parts.mailings.subscriber(_sound(token))
    except NotFound:
        return _said(exchange, "gone", 404)
    ask, words = (
        html.escape(messages.text(f"unsubscribe.{key}", exchange.language, {})) for key in ("ask", "button")
    )
    return _page(exchange, "title", f'<p>{ask}</p><form method="post"><button>{words}</button></form>', 200)


@publication_routes.route("/u/{token}", methods=["POST"], content_types=_FORMS)
@endpoint(publication_routes)
def unsubscribe(exchange: Exchange, token: str) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(exchange.address)
    try:
        parts.mailings.unsubscribe(_sound(token))
    except NotFound:
        return _said(exchange, "gone", 404)
    return _said(exchange, "done", 200)


@publication_routes.route("/api/v1/me/announcements", methods=["GET"])
@endpoint(publication_routes)
def get_subscription(exchange: Exchange) -> Response:
    person = caller(exchange)
    return answer(exchange, {"subscribed": bootstrap.parts().mailings.is_subscribed(person.id)})


@publication_routes.route("/api/v1/me/announcements", methods=["POST"])
@endpoint(publication_routes)
def post_subscription(exchange: Exchange) -> Response:
    person = caller(exchange)
    subscribed = checked("subscription", exchange.body())["subscribed"]
    bootstrap.parts().mailings.subscribe(person.id, announcements=subscribed)
    return answer(exchange, {"subscribed": subscribed})


@publication_routes.route("/api/v1/submissions/{submission}/deliveries/email/unknown", methods=["POST"])
@endpoint(publication_routes)
def settle_unknown_mails(exchange: Exchange, submission: str) -> Response:
    person = caller(exchange)
    resend = checked("unknown_mails", exchange.body())["resend"]
    settled, left = bootstrap.parts().mailings.settle(
        person, submission, resend=resend, correlation_id=exchange.correlation_id
    )
    return answer(exchange, {"settled": settled, "left": left})


def _sound(token: str) -> str:
    """The token, if it can be one. Raises NotFound."""
    if not _TOKEN.fullmatch(token):
        raise NotFound
    return token


def _said(exchange: Exchange, key: str, status: int) -> Response:
    words = html.escape(messages.text(f"unsubscribe.{key}", exchange.language, {}))
    return _page(exchange, f"{key}.title", f"<p>{words}</p>", status)


def _page(exchange: Exchange, title: str, content: str, status: int) -> Response:
    heading = html.escape(messages.text(f"unsubscribe.{title}", exchange.language, {}))
    document = (
        f'<!doctype html><html lang="{exchange.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{heading}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{heading}</h1>{content}</main></body></html>"
    )
    return page(exchange, document, policy=_CSP, status=status)
