"""Announcements with a browser: whether oneself gets them, and what becomes of those of unknown outcome.

`/u/{token}` is the one address of ours that carries a secret in its path: mail programs call it themselves, and it can
do nothing but end announcements ([decision 10](../../../docs/decisions/0010-unsubscribing-by-an-address.md)).
"""

import re

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import NotFound
from chalicelib.core.http import Exchange
from chalicelib.core.validation import checked
from chalicelib.identity.caller import posted, visit
from chalicelib.web.pages import FORM, page, page_view, see_other

announcement_pages = Blueprint(__name__)

_ANSWERS = {"yes": True, "no": False}

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_FORMS = [FORM, "multipart/form-data", "application/json"]
"""What mail programs and our own button send; nothing of it is read."""


@announcement_pages.route("/me", methods=["GET"])
@page_view(announcement_pages)
def show_me(exchange: Exchange) -> Response:
    present, _ = visit(exchange)
    parts = bootstrap.parts()
    _, departments = parts.people.names([], sorted({duty.department for duty in present.duties}))
    return page(
        exchange,
        "me",
        visit=present,
        departments=departments,
        subscribed=parts.mailings.is_subscribed(present.person.id),
        done="done" in exchange.query,
        zone=parts.settings.center_time_zone,
    )


@announcement_pages.route("/me/announcements", methods=["POST"], content_types=[FORM])
@page_view(announcement_pages)
def choose_announcements(exchange: Exchange) -> Response:
    form = exchange.form()
    present, _ = posted(exchange, form)
    (answer, *_) = form.get("subscribed", [""])
    subscribed = checked("subscription", {"subscribed": _ANSWERS.get(answer)})["subscribed"]
    bootstrap.parts().mailings.subscribe(present.person.id, announcements=subscribed)
    return see_other(exchange, "/me?done=announcements")


@announcement_pages.route("/submissions/{submission}/unknown-mails", methods=["POST"], content_types=[FORM])
@page_view(announcement_pages)
def settle_unknown(exchange: Exchange, submission: str) -> Response:
    form = exchange.form()
    present, _ = posted(exchange, form)
    (answer, *_) = form.get("resend", [""])
    resend = checked("unknown_mails", {"resend": _ANSWERS.get(answer)})["resend"]
    bootstrap.parts().mailings.settle(
        present.person, submission, resend=resend, correlation_id=exchange.correlation_id
    )
    return see_other(exchange, f"/submissions/{submission}?done={'resent' if resend else 'left'}")


@announcement_pages.route("/u/{token}", methods=["GET"])
@page_view(announcement_pages)
def show_unsubscribe(exchange: Exchange, token: str) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
    try:
        parts.mailings.subscriber(_sound(token))
    except NotFound:
        return page(exchange, "unsubscribe", status=NotFound.status, step="gone")
    return page(exchange, "unsubscribe", step="ask")


@announcement_pages.route("/u/{token}", methods=["POST"], content_types=_FORMS)
@page_view(announcement_pages)
def unsubscribe(exchange: Exchange, token: str) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
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
