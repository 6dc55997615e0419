"""An editor's changes with a browser (clause 2.1.3): the form with the present text, and the drafter's answer to it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.access.model import Action
from chalicelib.core.errors import Conflict, InvalidInput, InvalidSubmission, NotPermitted
from chalicelib.core.http import Exchange
from chalicelib.core.validation import schema
from chalicelib.identity.caller import Visit, posted, visit
from chalicelib.submission.filling import Filled, document
from chalicelib.submission.pages.requests import (
    Sheet,
    asks_for_preview,
    declaration_version,
    ensure_open,
    form_page,
    joined,
    preview_page,
)
from chalicelib.web.pages import FORM, faults_by_field, page, page_view, readable, see_other, told_of

if TYPE_CHECKING:  # services are loaded when `bootstrap` makes them, not with the app
    from chalicelib.core.errors import FieldError
    from chalicelib.submission.service import Amendment
    from chalicelib.submission.service.desk import Record

amendment_pages = Blueprint(__name__)

_NOT_THE_EDITORS = ("department", "drafter", "declaration")
_ANSWERS = ("confirm", "decline")


@amendment_pages.route("/submissions/{submission}/amend", methods=["GET"])
@page_view(amendment_pages)
def show_amendment(exchange: Exchange, submission: str) -> Response:
    parts = bootstrap.parts()
    present, found = visit(exchange, parts.submission_desk.key(submission))
    record = parts.submission_desk.read(present.person, submission, found)
    ensure_open(present, record.head, Action.AMEND, legal=parts.submission_desk.is_amendable(record.head))
    parts.amendments.ensure_another_editor(present.person, record.head)
    sheet = Sheet(
        filled=Filled.from_form(record.revision.form),
        record=record,
        amending=True,
        seen=record.head.content_digest,
    )
    return form_page(exchange, present, sheet)


@amendment_pages.route("/submissions/{submission}/amend", methods=["POST"], content_types=[FORM])
@page_view(amendment_pages)
def send_amendment(exchange: Exchange, submission: str) -> Response:
    parts = bootstrap.parts()
    form = exchange.form()
    present, found = posted(exchange, form, parts.submission_desk.key(submission))
    person, record = present.person, parts.submission_desk.read(present.person, submission, found)
    filled = replace(Filled.from_fields(form), department=record.head.department)
    sheet = Sheet(
        filled=filled,
        record=record,
        amending=True,
        reason=_text(form, "reason"),
        seen=_text(form, "content_digest"),
    )
    said, own_faults = _said(sheet, record)
    if asks_for_preview(form):
        return preview_page(
            exchange, present, sheet, joined(own_faults, parts.amendments.faults(person, submission, said))
        )
    try:
        if own_faults:
            raise InvalidSubmission(joined(own_faults, parts.amendments.faults(person, submission, said)))
        parts.amendments.amend(person, submission, said, correlation_id=exchange.correlation_id)
    except (Conflict, InvalidInput, NotPermitted) as error:
        return form_page(exchange, present, replace(sheet, error=error))
    return see_other(exchange, f"/submissions/{submission}?done=amended")


@amendment_pages.route("/submissions/{submission}/confirm", methods=["GET"])
@page_view(amendment_pages)
def show_confirmation(exchange: Exchange, submission: str) -> Response:
    """The mail leads here, perhaps when somebody has answered already."""
    parts = bootstrap.parts()
    present, found = visit(exchange, parts.submission_desk.key(submission))
    record = parts.submission_desk.read(present.person, submission, found)
    amendment = parts.amendments.waiting(record)
    if amendment is None:
        return see_other(exchange, f"/submissions/{submission}")
    ensure_open(present, record.head, Action.CONFIRM, legal=True)
    return _confirmation_page(exchange, present, record, amendment, {})


@amendment_pages.route("/submissions/{submission}/confirm", methods=["POST"], content_types=[FORM])
@page_view(amendment_pages)
def answer_amendment(exchange: Exchange, submission: str) -> Response:
    parts = bootstrap.parts()
    form = exchange.form()
    present, _ = posted(exchange, form, parts.submission_desk.key(submission))
    said = _answer(form)
    try:
        head = parts.amendments.confirm(
            present.person, submission, said, correlation_id=exchange.correlation_id
        )
    except (Conflict, InvalidInput) as error:
        record = parts.submission_desk.read(present.person, submission)
        amendment = parts.amendments.waiting(record)
        if amendment is None:
            raise
        typed = {"reason": said.get("reason", "")} if isinstance(error, Conflict) else said
        return _confirmation_page(exchange, present, record, amendment, typed, error=error)
    return see_other(exchange, f"/submissions/{head.id}?done={said['decision']}")


def _text(form: Mapping[str, Sequence[str]], name: str) -> str:
    return next(iter(form.get(name, ())), "")


def _said(sheet: Sheet, record: "Record") -> "tuple[dict[str, Any], tuple[FieldError, ...]]":
    """What an editor's form says: the request's fields but for those that are the department's."""
    whole, faults = document(sheet.filled, drafter=record.head.drafter, declaration=declaration_version())
    said = {name: value for name, value in whole.items() if name not in _NOT_THE_EDITORS}
    return {**said, "reason": sheet.reason, "content_digest": sheet.seen}, faults


def _answer(form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A drafter's answer as it was filled in; what does not belong to it is left out."""
    decision, reason = _text(form, "decision"), _text(form, "reason")
    said: dict[str, Any] = {"content_digest": _text(form, "content_digest")}
    said |= {"decision": decision} if decision else {}
    if decision == "confirm":
        version = _text(form, "declaration")
        said["declaration"] = {"accepted": version != "", "version": version or declaration_version()}
    else:
        said["reason"] = reason
    return said


def _confirmation_page(
    exchange: Exchange,
    present: Visit,
    record: "Record",
    amendment: "Amendment",
    said: Mapping[str, Any],
    *,
    error: Conflict | InvalidInput | None = None,
) -> Response:
    parts, form = bootstrap.parts(), record.revision.form
    names, _ = parts.people.names(sorted({amendment.event.actor, record.head.drafter}), [])
    return page(
        exchange,
        "confirm_amendment",
        status=200 if error is None else error.status,
        visit=present,
        head=record.head,
        form=form,
        body=readable(form.body),
        amendment=amendment,
        files={
            file.id: file.name
            for revision in (amendment.before, amendment.after)
            for file in revision.attachments
        },
        names=names,
        departments={department.id: department.name for department in parts.people.all_departments()}
        | parts.audiences.names(exchange.language),
        decisions=_ANSWERS,
        said=said,
        limit=schema("confirmation").rules["properties"]["reason"]["maxLength"],
        declaration=declaration_version(),
        may=parts.submission_desk.steps(present.person, record.head),
        zone=parts.settings.center_time_zone,
        told=told_of(error, exchange.language) if error else None,
        wrong=faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {},
    )
