"""The notice board with a browser: a person of the center says that the sheet hangs."""

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.http import Exchange
from chalicelib.core.validation import checked
from chalicelib.identity.caller import posted
from chalicelib.web.pages import FORM, page_view, see_other

display_pages = Blueprint(__name__)


@display_pages.route("/submissions/{submission}/display", methods=["POST"], content_types=[FORM])
@page_view(display_pages)
def confirm_display_page(exchange: Exchange, submission: str) -> Response:
    form = exchange.form()
    present, _ = posted(exchange, form)
    (revision, *_) = form.get("revision", [""])
    said = checked("display", {"revision": int(revision) if revision.isdecimal() else revision})
    bootstrap.parts().displaying.confirm(
        present.person, submission, revision=said["revision"], correlation_id=exchange.correlation_id
    )
    return see_other(exchange, f"/submissions/{submission}?done=displayed")
