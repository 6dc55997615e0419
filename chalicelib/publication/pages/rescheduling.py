"""Moving a publish time with a browser, or letting what is scheduled be published now (clause 3.4.1)."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.access.model import Action
from chalicelib.core.clock import to_text
from chalicelib.core.errors import Conflict, FieldError, IllegalTransition, InvalidInput, NotPermitted
from chalicelib.core.http import Exchange
from chalicelib.core.validation import schema, time_zones
from chalicelib.identity.caller import Visit, posted, visit
from chalicelib.submission.filling import Filled, choices_of, offered_zones, publish_time
from chalicelib.submission.model import State, Submission
from chalicelib.web.pages import FORM, faults_by_field, page, page_view, see_other, told_of

rescheduling_pages = Blueprint(__name__)

_FIELDS = ("reason", "publish_at", "time_zone")
"""In the order of the page."""


@rescheduling_pages.route("/submissions/{submission}/schedule", methods=["GET"])
@page_view(rescheduling_pages)
def show_schedule(exchange: Exchange, submission: str) -> Response:
    desk = bootstrap.parts().submission_desk
    present, found = visit(exchange, desk.key(submission))
    head = desk.seen(present.person, submission, found)
    if head.state is not State.SCHEDULED:
        raise IllegalTransition(state=head.state.value)
    if Action.RESCHEDULE not in desk.steps(present.person, head):
        raise NotPermitted
    local = head.publish_at.astimezone(ZoneInfo(head.time_zone))
    filled = Filled(publish_date=f"{local:%Y-%m-%d}", publish_time=f"{local:%H:%M}", time_zone=head.time_zone)
    if len(choices_of(filled)) > 1:
        filled = replace(filled, fold=str(local.fold))
    return _schedule_page(exchange, present, head, filled, seen=to_text(head.publish_at))


@rescheduling_pages.route("/submissions/{submission}/schedule", methods=["POST"], content_types=[FORM])
@page_view(rescheduling_pages)
def move(exchange: Exchange, submission: str) -> Response:
    parts, form = bootstrap.parts(), exchange.form()
    present, found = posted(exchange, form, parts.submission_desk.key(submission))
    head = parts.submission_desk.seen(present.person, submission, found)
    reason, seen, when = (next(iter(form.get(name, ())), "") for name in ("reason", "seen", "when"))
    filled = Filled.from_fields(form)
    try:
        said = _said(filled, reason.strip(), seen, now=when == "now")
        parts.rescheduling.reschedule(
            present.person, submission, said, correlation_id=exchange.correlation_id
        )
    except (Conflict, InvalidInput) as error:
        return _schedule_page(exchange, present, head, filled, seen=seen, reason=reason, error=error)
    return see_other(exchange, f"/submissions/{submission}?done=rescheduled")


def _said(filled: Filled, reason: str, seen: str, *, now: bool) -> dict[str, Any]:
    """What was filled in as a body, every fault at once. Raises InvalidInput."""
    faults: tuple[FieldError, ...] = ()
    said: dict[str, Any] = {"reason": reason, "seen": seen}
    if now:
        said["publish_at"] = "now"
    else:
        publish_at, faults = publish_time(filled)
        said |= {"time_zone": filled.time_zone, **publish_at}
    said = {name: value for name, value in said.items() if value}
    told = {fault.pointer for fault in faults}
    faults += tuple(each for each in schema("reschedule").errors(said) if each.pointer not in told)
    if faults:
        raise InvalidInput(faults)
    return said


def _schedule_page(
    exchange: Exchange,
    present: Visit,
    head: Submission,
    filled: Filled,
    *,
    seen: str,
    reason: str = "",
    error: Conflict | InvalidInput | None = None,
) -> Response:
    parts = bootstrap.parts()
    faults = faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {}
    wrong = {pointer.removeprefix("/"): texts for pointer, texts in faults.items()}
    return page(
        exchange,
        "reschedule",
        status=200 if error is None else error.status,
        visit=present,
        head=head,
        filled=filled,
        reason=reason,
        seen=seen,
        zones=offered_zones(parts.settings.center_time_zone),
        all_zones=time_zones(),
        folds=choices_of(filled),
        limit=int(schema("reschedule").rules["properties"]["reason"]["maxLength"]),
        wrong=wrong,
        summary=[(name, text) for name in _FIELDS for text in wrong.get(name, [])],
        told=told_of(error, exchange.language) if isinstance(error, Conflict) else None,
        hours=parts.channel_hours,
        now=parts.now(),
    )
