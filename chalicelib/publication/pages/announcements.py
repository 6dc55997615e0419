"""One's own page: announcements, and the way into the intranet; and what becomes of mails of unknown outcome.

`/u/{token}` is the one address of ours that carries a secret in its path: mail programs post to it themselves, and it
can do nothing but end announcements ([decision 10](../../../docs/decisions/0010-unsubscribing-by-an-address.md)).
"""

import re
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import BadRequest, NotFound, NotPermitted
from chalicelib.core.http import Exchange
from chalicelib.core.validation import checked
from chalicelib.identity.caller import posted, visit
from chalicelib.publication.channels.website.admission import LIFE
from chalicelib.publication.channels.website.entry import HOME
from chalicelib.web.pages import FORM, page, page_view, see_other

announcement_pages = Blueprint(__name__)

_ANSWERS = {"yes": True, "no": False}

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_MULTIPART = "multipart/form-data"
_ONE_CLICK = ("List-Unsubscribe", "One-Click")
"""The field that a mail program posts when its user wants out (RFC 8058), and that no page of ours ever does."""


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
        done=exchange.query.get("done"),
        zone=parts.settings.center_time_zone,
        intranet=f"{parts.settings.internal_site_url}/{HOME}",
        asks_to_enter=parts.admission.is_asked_for,
        hours=LIFE // timedelta(hours=1),
    )


@announcement_pages.route("/me/intranet", methods=["POST"], content_types=[FORM])
@page_view(announcement_pages)
def enter_intranet(exchange: Exchange) -> Response:
    """Whoever has a duty now reads the internal part of the website for some hours (clause 5.3.1)."""
    present, _ = posted(exchange, exchange.form())
    admission = bootstrap.parts().admission
    if not admission.is_asked_for:
        raise NotFound
    if not present.duties:
        raise NotPermitted
    return see_other(exchange, "/me?done=intranet", cookies=admission.cookies(bootstrap.parts().now()))


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
def show_unsubscribe(exchange: Exchange, token: str) -> Response:  # noqa: ARG001 — the same page for every token
    """Lead to where a person can choose: whoever opens this, perhaps a scanner, finds nothing to press that does it."""
    return page(exchange, "unsubscribe", step="choose")


@announcement_pages.route("/u/{token}", methods=["POST"], content_types=[FORM, _MULTIPART])
@page_view(announcement_pages)
def unsubscribe(exchange: Exchange, token: str) -> Response:
    if not _is_one_click(exchange):
        return page(exchange, "unsubscribe", status=BadRequest.status, step="choose")
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
    try:
        parts.mailings.unsubscribe(_sound(token))
    except NotFound:
        return page(exchange, "unsubscribe", status=NotFound.status, step="gone")
    return page(exchange, "unsubscribe", step="done")


def _is_one_click(exchange: Exchange) -> bool:
    """Whether the body is a mail program's, in either of the two forms that RFC 8058 allows."""
    name, value = _ONE_CLICK
    kind = exchange.headers.get("content-type", "")
    if not kind.lower().startswith(_MULTIPART):
        return exchange.form().get(name) == [value]
    head = f"Content-Type: {kind}\r\n\r\n".encode("ascii", "replace")
    form = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + exchange.raw)
    fields = {
        part.get_param("name", header="Content-Disposition"): part.get_payload(decode=True)
        for part in form.iter_parts()
    }
    return fields.get(name) == value.encode()


def _sound(token: str) -> str:
    """The token, if it can be one. Raises NotFound."""
    if not _TOKEN.fullmatch(token):
        raise NotFound
    return token
