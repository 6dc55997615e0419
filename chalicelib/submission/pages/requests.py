"""The liaison's desk with a browser (clauses 3.1.1 to 3.1.3, 3.2.3): my requests, the form, where a request is.

The form asks what `schemas/submission.json` asks, and takes limits and choices from there. Whatever goes wrong, it is
shown again with everything that was typed; a preview saves nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.access.model import Action, Resource
from chalicelib.attachment.model import Attachment
from chalicelib.core import messages
from chalicelib.core.clock import from_text
from chalicelib.core.errors import (
    Conflict,
    FieldError,
    IllegalTransition,
    ImprimaturError,
    InvalidInput,
    InvalidSubmission,
    KeyReused,
    NotPermitted,
)
from chalicelib.core.http import Exchange
from chalicelib.core.ids import new_secret
from chalicelib.core.validation import checked, schema, time_zones
from chalicelib.identity.caller import Visit, posted, visit
from chalicelib.people.audiences import LIST, ROLE, departments_in
from chalicelib.submission.filling import (
    ALL,
    SOME,
    Filled,
    choices_of,
    document,
    keywords_in,
    offered_zones,
)
from chalicelib.submission.model import (
    REVISABLE,
    Channel,
    Classification,
    Importance,
    State,
    Submission,
    deliveries_in,
    with_later_outcomes,
)
from chalicelib.submission.procedure import ChecklistItem
from chalicelib.submission.timeline import Kind, Step, persons_in, timeline
from chalicelib.web.pages import FORM, faults_by_field, page, page_view, readable, see_other, told_of

if TYPE_CHECKING:  # services are loaded when `bootstrap` makes them, not with the app
    from chalicelib.submission.service.desk import Record

submission_pages = Blueprint(__name__)

FIELDS = (
    "department",
    "title",
    "summary",
    "body",
    "keywords",
    "attachments",
    "category",
    "classification",
    "importance",
    "channels",
    "wechat_title",
    "publish_at",
    "time_zone",
    "audience",
    "declaration",
)
"""In the order of the page."""
REASON = "reason"
"""What an editor's form asks beside them, last of all."""
_KEY = re.compile(r"[A-Za-z0-9_-]{43}")


@submission_pages.route("/", methods=["GET"])
@page_view(submission_pages)
def show_requests(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    present, found = visit(exchange, parts.freezing.key)
    person = present.person
    chosen = {name: exchange.query.get(name) or None for name in ("state", "department", "cursor")}
    departments = parts.submission_desk.departments_open_to(person)
    shown = parts.submission_desk.listing(person, **chosen, among=departments)
    tasks = parts.decisions.open_tasks(shown.rows)
    asked = {reviewer for task in tasks.values() for reviewer in task.reviewers}
    people = parts.people.persons(tuple(sorted({*asked, *(head.drafter for head in shown.rows)})))
    now = parts.now()
    return page(
        exchange,
        "my_requests",
        visit=present,
        rows=shown.rows,
        cursor=shown.cursor,
        chosen=chosen,
        states=list(State),
        tasks=tasks,
        confirmable={
            head.id
            for head in shown.rows
            if head.state is State.AWAITING_CONFIRMATION
            and Action.CONFIRM in parts.submission_desk.steps(person, head)
        },
        held=parts.freezing.held(person, found, {head.id: _ahead(head) for head in shown.rows}),
        names={each.id: each.name for each in people},
        departments={department.id: department.name for department in departments},
        may_submit=bool(parts.submission_desk.departments_to_submit_for(person)),
        procedures=parts.procedures,
        zone=parts.settings.center_time_zone,
        now=now,
    )


@submission_pages.route("/submissions/new", methods=["GET"])
@page_view(submission_pages)
def show_new_request(exchange: Exchange) -> Response:
    present, _ = visit(exchange)
    parts = bootstrap.parts()
    departments = parts.submission_desk.departments_to_submit_for(present.person)
    if not departments:
        raise NotPermitted
    filled = Filled(
        department=departments[0] if len(departments) == 1 else "",
        importance=Importance.ROUTINE,
        time_zone=parts.settings.center_time_zone,
    )
    return form_page(exchange, present, Sheet(filled=filled, key=new_secret()))


@submission_pages.route("/submissions/new", methods=["POST"], content_types=[FORM])
@page_view(submission_pages)
def hand_in(exchange: Exchange) -> Response:
    form = exchange.form()
    desk = bootstrap.parts().submission_desk
    present, found = posted(exchange, form, desk.procedure_key)
    person = present.person
    sheet = Sheet.of(form, key=_key_of(form))
    said, own_faults = _said(sheet.filled, present)
    if asks_for_preview(form):
        return preview_page(exchange, present, sheet, joined(own_faults, desk.faults(person, said)))
    try:
        if own_faults:
            raise InvalidSubmission(joined(own_faults, desk.faults(person, said)))
        head = desk.submit(
            person, said, found, idempotency_key=sheet.key, correlation_id=exchange.correlation_id
        )
    except KeyReused as error:
        earlier = desk.made_with(person, sheet.key)
        return form_page(exchange, present, replace(sheet, error=error, earlier=earlier, key=new_secret()))
    except (Conflict, InvalidInput, NotPermitted) as error:
        return form_page(exchange, present, replace(sheet, error=error))
    return see_other(exchange, f"/submissions/{head.id}?done=submitted")


@submission_pages.route("/submissions/{submission}", methods=["GET"])
@page_view(submission_pages)
def show_request(exchange: Exchange, submission: str) -> Response:
    parts = bootstrap.parts()
    present, found = visit(exchange, parts.submission_desk.key(submission), parts.freezing.key)
    record = parts.submission_desk.read(present.person, submission, found)
    head, form = record.head, record.revision.form
    steps = timeline(head, record.events, parts.procedures.of(head))
    deliveries = with_later_outcomes(deliveries_in(record.events, head.revision), record.events)
    persons = {*persons_in(steps), *_witnesses(deliveries), head.drafter}
    names, departments = parts.people.names(
        sorted(persons), sorted({head.department, *departments_in(head.audience)})
    )
    return page(
        exchange,
        "request",
        visit=present,
        head=head,
        form=form,
        files=record.revision.attachments,
        body=readable(form.body),
        steps=steps,
        task=_task_in(steps),
        failed=_failed_items(steps, exchange.language),
        deliveries=deliveries,
        unknown=_unknown_mails(deliveries),
        displayed=_hangs_unseen(deliveries, present.person.id, parts.now()),
        held=parts.freezing.held(present.person, found, {head.id: _ahead(head, deliveries)}).get(head.id),
        names=names,
        departments=departments | parts.audiences.names(exchange.language),
        may=parts.submission_desk.steps(present.person, head),
        procedures=parts.procedures,
        done=exchange.query.get("done"),
        zone=parts.settings.center_time_zone,
        now=parts.now(),
    )


@submission_pages.route("/submissions/{submission}/attachments/{attachment}", methods=["GET"])
@page_view(submission_pages)
def download_attachment(exchange: Exchange, submission: str, attachment: str) -> Response:
    """Send the browser to the bucket: the address, which works for a minute, is never in a page.

    Mails lead here, too, when what they announce is on no website.
    """
    desk = bootstrap.parts().submission_desk
    present, found = visit(exchange, desk.key(submission))
    _, url = desk.download(present.person, submission, attachment, found)
    return see_other(exchange, url)


@submission_pages.route("/submissions/{submission}/revise", methods=["GET"])
@page_view(submission_pages)
def show_revision(exchange: Exchange, submission: str) -> Response:
    desk = bootstrap.parts().submission_desk
    present, found = visit(exchange, desk.key(submission))
    record = desk.read(present.person, submission, found)
    ensure_open(present, record.head, Action.REVISE, legal=record.head.state in REVISABLE)
    sheet = Sheet(filled=Filled.from_form(record.revision.form), record=record)
    return form_page(exchange, present, sheet)


@submission_pages.route("/submissions/{submission}/revise", methods=["POST"], content_types=[FORM])
@page_view(submission_pages)
def hand_in_revision(exchange: Exchange, submission: str) -> Response:
    desk = bootstrap.parts().submission_desk
    form = exchange.form()
    present, found = posted(exchange, form, desk.key(submission))
    person, record = present.person, desk.read(present.person, submission, found)
    sheet = Sheet.of(form, record=record)
    said, own_faults = _said(sheet.filled, present)
    if asks_for_preview(form):
        faults = joined(own_faults, desk.faults(person, said, earlier=record.head))
        return preview_page(exchange, present, sheet, faults)
    try:
        if own_faults:
            raise InvalidSubmission(joined(own_faults, desk.faults(person, said, earlier=record.head)))
        head = desk.revise(person, submission, said, correlation_id=exchange.correlation_id)
    except (Conflict, InvalidInput, NotPermitted) as error:
        return form_page(exchange, present, replace(sheet, error=error))
    return see_other(exchange, f"/submissions/{head.id}?done=revised")


@submission_pages.route("/submissions/{submission}/withdraw", methods=["GET"])
@page_view(submission_pages)
def show_withdrawal(exchange: Exchange, submission: str) -> Response:
    desk = bootstrap.parts().submission_desk
    present, found = visit(exchange, desk.key(submission))
    head = desk.seen(present.person, submission, found)
    ensure_open(present, head, Action.WITHDRAW, legal=desk.may_be_withdrawn(head))
    return _withdrawal_page(exchange, present, head)


@submission_pages.route("/submissions/{submission}/withdraw", methods=["POST"], content_types=[FORM])
@page_view(submission_pages)
def withdraw(exchange: Exchange, submission: str) -> Response:
    desk = bootstrap.parts().submission_desk
    form = exchange.form()
    present, found = posted(exchange, form, desk.key(submission))
    head = desk.seen(present.person, submission, found)
    (reason, *_) = form.get("reason", [""])
    try:
        reason = checked("withdrawal", {"reason": reason})["reason"]
        desk.withdraw(present.person, submission, reason, correlation_id=exchange.correlation_id)
    except (Conflict, InvalidInput) as error:
        return _withdrawal_page(exchange, present, head, reason=reason, error=error)
    return see_other(exchange, f"/submissions/{submission}?done=withdrawn")


def _withdrawal_page(
    exchange: Exchange,
    present: Visit,
    head: Submission,
    *,
    reason: str = "",
    error: Conflict | InvalidInput | None = None,
) -> Response:
    return page(
        exchange,
        "withdraw_request",
        status=200 if error is None else error.status,
        visit=present,
        head=head,
        reason=reason,
        limit=schema("withdrawal").rules["properties"]["reason"]["maxLength"],
        told=told_of(error, exchange.language) if isinstance(error, Conflict) else None,
        wrong=faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {},
    )


def ensure_open(present: Visit, head: Submission, step: Action, *, legal: bool) -> None:
    """Raise IllegalTransition or NotPermitted rather than show a form that could not be sent."""
    if not legal:
        raise IllegalTransition(state=head.state.value)
    if step not in bootstrap.parts().submission_desk.steps(present.person, head):
        raise NotPermitted


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The form as it is to be shown: filled in, and what there is to say about it.

    `key` makes a new request safe to send again, `record` is the submission that is revised, `earlier` the id of one
    that this very page has made already. With `amending` an editor fills it in, for that
    `reason` and over the text with the digest `seen`.
    """

    filled: Filled
    key: str = ""
    record: "Record | None" = None
    error: ImprimaturError | None = None
    earlier: str | None = None
    ticked: bool = False
    amending: bool = False
    reason: str = ""
    seen: str = ""

    @classmethod
    def of(
        cls, form: Mapping[str, Sequence[str]], *, key: str = "", record: "Record | None" = None
    ) -> "Sheet":
        """A posted form."""
        filled = Filled.from_fields(form)
        return cls(filled=filled, key=key, record=record, ticked=bool(filled.declaration))


def _key_of(form: Mapping[str, Sequence[str]]) -> str:
    """The key that the form came with; a new one where somebody has tampered with it."""
    (key, *_) = form.get("key", [""])
    return key if _KEY.fullmatch(key) else new_secret()


def asks_for_preview(form: Mapping[str, Sequence[str]]) -> bool:
    """Whether nothing is to be written yet."""
    return form.get("intent") == ["preview"]


def _said(filled: Filled, present: Visit) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
    return document(filled, drafter=present.person.id, declaration=declaration_version())


def declaration_version() -> str:
    """The version of the declaration that is asked for now."""
    declaration = schema("submission").rules["properties"]["declaration"]
    return str(declaration["properties"]["version"]["const"])


_REACH = ("channels", "audience", "classification", "department", "importance")
"""The fields that say whom a mail reaches."""


def _reach(present: Visit, sheet: Sheet, wrong: Mapping[str, object]) -> object | None:
    """Whom the mail would reach by what is filled in; None without a mail, or while that cannot be said."""
    filled, parts = sheet.filled, bootstrap.parts()
    if Channel.EMAIL not in filled.channels or any(field in wrong for field in _REACH):
        return None
    head = sheet.record.head if sheet.record else None
    resource = Resource(
        department=head.department if head else filled.department,
        drafter=head.drafter if head else present.person.id,
        classification=filled.classification,
        audience=None if filled.reach == ALL else filled.audience,
    )
    return parts.previews.of(present.person, resource, Importance(filled.importance))


def _addressees(departments: Mapping[str, str], beside: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What an audience may name, by kind: departments, roles, lists."""
    found = {"departments": dict(departments)}
    for kind, prefix in (("roles", ROLE), ("lists", LIST)):
        found[kind] = {entry: name for entry, name in beside.items() if entry.startswith(prefix)}
    return found


def joined(own: Iterable[FieldError], others: Iterable[FieldError]) -> tuple[FieldError, ...]:
    """What is wrong in all; where the page knows better what was meant by a field, it alone speaks."""
    first = {error.pointer: error for error in own}
    return (*first.values(), *(error for error in others if error.pointer not in first))


def preview_page(
    exchange: Exchange, present: Visit, sheet: Sheet, faults: tuple[FieldError, ...]
) -> Response:
    """The text as its readers will see it, and what is wrong by now; the declaration comes last of all."""
    errors = tuple(error for error in faults if not error.pointer.startswith("/declaration"))
    error = InvalidSubmission(errors) if errors else None
    return form_page(exchange, present, replace(sheet, error=error), preview=True)


def form_page(exchange: Exchange, present: Visit, sheet: Sheet, *, preview: bool = False) -> Response:
    """The form as it was filled in, and what there is to say about it."""
    parts, filled, error = bootstrap.parts(), sheet.filled, sheet.error
    rules = schema("submission").rules
    departments = {department.id: department.name for department in parts.people.all_departments()}
    beside = parts.audiences.names(exchange.language)
    head = sheet.record.head if sheet.record else None
    own = (head.department,) if head else parts.submission_desk.departments_to_submit_for(present.person)
    faults = error.errors if isinstance(error, InvalidInput) else ()
    files = _files_of(present, sheet)
    wrong = _wrong(faults, filled, files, exchange.language)
    review = _last_return(sheet.record) if sheet.record else None
    items = {} if review is None else _failed_items([review], exchange.language)
    return page(
        exchange,
        "request_form",
        status=200 if error is None else error.status,
        connect=None if sheet.amending else parts.files.origin(),
        visit=present,
        filled=filled,
        files=files,
        attaching=parts.attachment_rules,
        types_by_extension=_types_by_extension(),
        ticked=sheet.ticked,
        key=sheet.key,
        head=head,
        amending=sheet.amending,
        reason=sheet.reason,
        seen=sheet.seen,
        reason_limit=schema("amendment").rules["properties"]["reason"]["maxLength"],
        drafter=_name_of(head.drafter) if head and sheet.amending else present.person.name,
        wrong=wrong,
        summary=[(name, text) for name in ("", *FIELDS, REASON) for text in wrong.get(name, [])],
        told=told_of(error, exchange.language) if error and not faults else None,
        earlier=sheet.earlier,
        preview=preview,
        reach=_reach(present, sheet, wrong) if preview else None,
        body=readable(filled.body) if preview and "body" not in wrong else None,
        departments=departments | beside,
        addressees=_addressees(departments, beside),
        own=own,
        places=parts.displaying.places(own),
        rules=rules["properties"],
        required=rules["required"],
        reaches=(ALL, SOME),
        channels_of={
            classification.value: [
                channel.value for channel in Channel if parts.channel_rules.allows(classification, channel)
            ]
            for classification in Classification
        },
        zones=offered_zones(parts.settings.center_time_zone),
        all_zones=time_zones(),
        folds=choices_of(filled),
        hours=parts.channel_hours,
        declaration=declaration_version(),
        review=review,
        failed=items,
        notes=_notes(review, exchange.language),
        procedures=parts.procedures,
        reviewer="" if review is None else _name_of(review.actor),
        zone=parts.settings.center_time_zone,
        past=head is not None and head.publish_at < parts.now() and not faults and not sheet.amending,
    )


def _types_by_extension() -> dict[str, str]:
    """The media type of every extension that a file may have."""
    types = bootstrap.parts().attachment_rules.types
    return {extension: media_type.value for media_type, known in types.items() for extension in known}


def _files_of(present: Visit, sheet: Sheet) -> dict[str, Attachment | None]:
    """The files that the form names, by id: those of the present revision, and the person's own uploads.

    An editor, who can add none, always sees those of the present revision, whatever is left out.
    """
    kept = {file.id: file for file in sheet.record.revision.attachments} if sheet.record else {}
    ids = tuple(dict.fromkeys([*(kept if sheet.amending else ()), *sheet.filled.attachments]))
    fresh = [each for each in ids if each not in kept]
    own = bootstrap.parts().upload_desk.own_files(present.person, fresh) if fresh else {}
    return {each: kept.get(each) or own.get(each) for each in ids}


def _wrong(
    faults: Iterable[FieldError], filled: Filled, files: Mapping[str, Attachment | None], language: str
) -> dict[str, list[str]]:
    """What is wrong in words, by field of the page; what concerns one of several keywords or files names it."""
    keywords = keywords_in(filled.keywords)
    wrong: dict[str, list[str]] = {}
    for fault in faults:
        name, _, place = fault.pointer.removeprefix("/").partition("/")
        text = messages.text(f"field.{fault.code}", language, fault.params)
        if name == "keywords" and place:
            text = f"{keywords[int(place)]} · {text}"
        if name == "attachments" and place:
            attachment = filled.attachments[int(place)]
            file = files[attachment]
            text = f"{attachment if file is None else file.name} · {text}"
        told = wrong.setdefault(name if name in {*FIELDS, REASON} else "", [])
        if text not in told:
            told.append(text)
    return wrong


def _hangs_unseen(deliveries: Iterable[Mapping[str, Any]], person: str, now: datetime) -> bool:
    """Whether a sheet is on the board now that this person has not said to have seen."""
    return any(
        from_text(receipt["shown_from"]) <= now < from_text(receipt["shown_until"])
        and person not in {seen["by"] for seen in receipt.get("confirmed", ())}
        for each in deliveries
        if "shown_from" in (receipt := each["receipt"] or {})
    )


def _witnesses(deliveries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Who has seen a sheet hang."""
    for each in deliveries:
        yield from (seen["by"] for seen in (each["receipt"] or {}).get("confirmed", ()))


def _unknown_mails(deliveries: Iterable[Mapping[str, Any]]) -> int:
    """To how many recipients nobody knows whether the announcement went out."""
    return sum((each["receipt"] or {}).get("recipients", {}).get("unknown", 0) for each in deliveries)


def _ahead(head: Submission, deliveries: Iterable[Mapping[str, Any]] = ()) -> tuple[Channel, ...]:
    """The channels that a text is still to be published through, as far as is known; none before its last approval."""
    if head.state not in {State.SCHEDULED, State.PUBLISHING}:
        return ()
    done = {each["channel"] for each in deliveries if each["state"] == "done"}
    return tuple(channel for channel in head.channels if channel not in done)


def _task_in(steps: Iterable[Step]) -> Step | None:
    """The review that is under way, with its reviewers and its deadline."""
    return next((step for step in steps if step.kind is Kind.REVIEW and step.mark == "now" and step.at), None)


def _last_return(record: "Record") -> Step | None:
    """The review that sent the present text back."""
    returns = [
        step
        for step in timeline(record.head, record.events, bootstrap.parts().procedures.of(record.head))
        if step.decision == "request_changes" and step.revision == record.head.revision
    ]
    return returns[-1] if returns else None


def _name_of(person: str | None) -> str:
    names, _ = bootstrap.parts().people.names([person] if person else [], [])
    return names.get(person or "", person or "")


def _items(review: Step | None) -> Mapping[str, ChecklistItem]:
    """The checklist of a review, by id."""
    if review is None or review.stage is None:
        return {}
    procedure = bootstrap.parts().procedures.version(review.procedure)
    return {item.id: item for item in procedure.checklist(review.stage)}


def _failed_items(steps: Iterable[Step], language: str) -> dict[str, str]:
    """Every checklist item that a review found wanting, in words, by id."""
    return {
        name: item.text[language]
        for step in steps
        for name, item in _items(step).items()
        if name in step.failed
    }


def _notes(review: Step | None, language: str) -> dict[str, list[str]]:
    """What a return found wanting, in words, by the field that it looked at."""
    notes: dict[str, list[str]] = {}
    for name, item in _items(review).items():
        if review is not None and name in review.failed:
            for concerned in item.fields:
                notes.setdefault(concerned, []).append(item.text[language])
    return notes
