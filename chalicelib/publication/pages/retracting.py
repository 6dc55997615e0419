"""Taking a publication back with a browser: a second look, a reason, and what cannot be recalled (clause 3.4.4)."""

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import InvalidInput
from chalicelib.core.http import Exchange
from chalicelib.core.validation import checked, schema
from chalicelib.identity.caller import Visit, posted, visit
from chalicelib.web.pages import FORM, faults_by_field, page, page_view, see_other

retraction_pages = Blueprint(__name__)


@retraction_pages.route("/submissions/{submission}/retract", methods=["GET"])
@page_view(retraction_pages)
def show_retraction(exchange: Exchange, submission: str) -> Response:
    present, _ = visit(exchange)
    return _page(exchange, present, submission)


@retraction_pages.route("/submissions/{submission}/retract", methods=["POST"], content_types=[FORM])
@page_view(retraction_pages)
def retract(exchange: Exchange, submission: str) -> Response:
    form = exchange.form()
    present, _ = posted(exchange, form)
    reason = next(iter(form.get("reason", ())), "").strip()
    withheld = "title_withheld" in form
    try:
        said = checked("retraction", {"title_withheld": withheld, **({"reason": reason} if reason else {})})
        bootstrap.parts().retracting.retract(
            present.person,
            submission,
            reason=said["reason"],
            title_withheld=withheld,
            correlation_id=exchange.correlation_id,
        )
    except InvalidInput as error:
        return _page(exchange, present, submission, reason=reason, withheld=withheld, error=error)
    return see_other(exchange, f"/submissions/{submission}?done=retracted")


def _page(
    exchange: Exchange,
    present: Visit,
    submission: str,
    *,
    reason: str = "",
    withheld: bool = False,
    error: InvalidInput | None = None,
) -> Response:
    parts = bootstrap.parts()
    head = parts.retracting.seen(present.person, submission)
    return page(
        exchange,
        "retract",
        status=200 if error is None else error.status,
        visit=present,
        head=head,
        reason=reason,
        withheld=withheld,
        limit=int(schema("retraction").rules["properties"]["reason"]["maxLength"]),
        wrong=faults_by_field(error, exchange.language) if error is not None else {},
    )
