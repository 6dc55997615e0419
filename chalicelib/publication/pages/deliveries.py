"""A delivery that only a person can go on with, with a browser: what is known of it, and the answer."""

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import Conflict, InvalidInput
from chalicelib.core.http import Exchange
from chalicelib.core.validation import checked, schema
from chalicelib.identity.caller import Visit, posted, visit
from chalicelib.publication.service.settling import answered, answers, channel_named
from chalicelib.web.pages import FORM, faults_by_field, page, page_view, see_other, told_of

delivery_pages = Blueprint(__name__)

_FIELDS = ("answer", "comment", "url")


@delivery_pages.route("/submissions/{submission}/deliveries/{channel}", methods=["GET"])
@page_view(delivery_pages)
def show_delivery(exchange: Exchange, submission: str, channel: str) -> Response:
    present, _ = visit(exchange)
    return _page(exchange, present, submission, channel, {})


@delivery_pages.route(
    "/submissions/{submission}/deliveries/{channel}", methods=["POST"], content_types=[FORM]
)
@page_view(delivery_pages)
def answer_on_page(exchange: Exchange, submission: str, channel: str) -> Response:
    form = exchange.form()
    present, _ = posted(exchange, form)
    typed = {name: next(iter(form.get(name, ())), "").strip() for name in _FIELDS}
    try:
        said = checked("delivery_answer", {name: value for name, value in typed.items() if value})
        bootstrap.parts().settling.answer(
            present.person,
            submission,
            channel_named(channel),
            answered(said),
            correlation_id=exchange.correlation_id,
        )
    except (Conflict, InvalidInput) as error:
        return _page(exchange, present, submission, channel, typed, error)
    return see_other(exchange, f"/submissions/{submission}?done=answered")


def _page(
    exchange: Exchange,
    present: Visit,
    submission: str,
    channel: str,
    typed: dict[str, str],
    error: Conflict | InvalidInput | None = None,
) -> Response:
    parts = bootstrap.parts()
    head, delivery = parts.settling.seen(present.person, submission, channel_named(channel))
    return page(
        exchange,
        "delivery",
        status=200 if error is None else error.status,
        visit=present,
        head=head,
        delivery=delivery,
        waits=parts.settling.waits(head, delivery),
        answers=list(answers(head)),
        fields_in_order=_FIELDS,
        typed=typed,
        limit=int(schema("delivery_answer").rules["properties"]["comment"]["maxLength"]),
        told=told_of(error, exchange.language) if isinstance(error, Conflict) else None,
        wrong=faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {},
        zone=parts.settings.center_time_zone,
    )
