"""Review links and desks over HTTP. The handle travels in the body, never in an address."""

from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.clock import to_text
from chalicelib.core.errors import BadRequest, InvalidInput
from chalicelib.core.http import Exchange, answer, endpoint
from chalicelib.core.table import Found, Key
from chalicelib.core.validation import checked
from chalicelib.identity.caller import caller, caller_with, claimed, session_proof
from chalicelib.people.model import Person
from chalicelib.review.model import Opinion, ReviewTask
from chalicelib.submission.model import Revision

if TYPE_CHECKING:  # services are loaded when `bootstrap` makes them, not with the app
    from chalicelib.review.service import Row

review_routes = Blueprint(__name__)


@review_routes.route("/api/v1/review-links", methods=["POST"])
@endpoint(review_routes)
def open_review_link(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
    form, person, found = _read(exchange, "review_link")
    seen = parts.decisions.open(person, form["handle"], found)
    body = {
        "stage": seen.task.stage,
        "deadline": to_text(seen.task.deadline),
        "checklist": [{"id": item.id, "text": item.text[exchange.language]} for item in seen.stage.checklist],
        "submission": {
            "id": seen.head.id,
            "revision": seen.task.revision,
            "state": seen.head.state,
            "form": None if seen.revision is None else seen.revision.form.document,
            "attachments": [] if seen.revision is None else _files(seen.revision),
        },
        "content_digest": seen.task.content_digest,
        "diff": seen.changes,
        "decision": None if not seen.opinions else _decision(seen.opinions[-1]),
        "awaited": seen.task.awaited,
        "confirmed": None if seen.confirmed is None else _decision(seen.confirmed),
    }
    return answer(exchange, body)


@review_routes.route("/api/v1/review-links/decision", methods=["POST"])
@endpoint(review_routes)
def decide(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
    form, person, found = _read(exchange, "decision")
    head = parts.decisions.decide(
        person,
        form["handle"],
        form,
        found,
        session=session_proof(exchange, found),
        correlation_id=exchange.correlation_id,
    )
    return answer(exchange, {"state": head.state})


@review_routes.route("/api/v1/review-links/challenge", methods=["POST"])
@endpoint(review_routes)
def ask_passkey_to_sign(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
    form, person, found = _read(exchange, "decision")
    options = parts.decisions.challenge(
        person, form["handle"], form, found, correlation_id=exchange.correlation_id
    )
    return answer(exchange, {"options": options})


@review_routes.route("/api/v1/tasks", methods=["GET"])
@endpoint(review_routes)
def list_tasks(exchange: Exchange) -> Response:
    page = bootstrap.parts().review_desk.listing(
        caller(exchange), section=exchange.query.get("section"), cursor=exchange.query.get("cursor")
    )
    return answer(exchange, {"items": [_task(row) for row in page.rows], "cursor": page.cursor})


@review_routes.route("/api/v1/tasks/links", methods=["POST"])
@endpoint(review_routes)
def open_task(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
    try:
        form = checked("task", exchange.body())
    except (BadRequest, InvalidInput):
        caller(exchange)
        raise
    key = parts.review_desk.entry_key(claimed(exchange), form["task"])
    person, found = caller_with(exchange, key)
    handle, _ = parts.review_desk.open(person, key, found)
    return answer(exchange, {"handle": handle}, status=201)


@review_routes.route("/api/v1/review-links/recall", methods=["POST"])
@endpoint(review_routes)
def recall_decision(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
    form, person, found = _read(exchange, "review_link")
    head = parts.recalling.recall(person, form["handle"], found, correlation_id=exchange.correlation_id)
    return answer(exchange, {"state": head.state})


@review_routes.route("/api/v1/review-links/delegation", methods=["POST"])
@endpoint(review_routes)
def delegate_review(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
    proofs, _ = parts.prover.keys(claimed(exchange) or "", "")
    form, person, found = _read(exchange, "delegation", proofs)
    if form["to"] is not None:
        parts.prover.ensure_proved(person, session_proof(exchange, found), found, pointer="/to")
    task = parts.handing_over.delegate(
        person, form["handle"], form["to"], found, correlation_id=exchange.correlation_id
    )
    return answer(exchange, _reviewers(task))


@review_routes.route("/api/v1/submissions/{submission}/reviewers", methods=["POST"])
@endpoint(review_routes)
def reassign_review(exchange: Exchange, submission: str) -> Response:
    parts = bootstrap.parts()
    proofs, _ = parts.prover.keys(claimed(exchange) or "", "")
    person, found = caller_with(exchange, proofs)
    form = checked("reassignment", exchange.body())
    parts.prover.ensure_proved(person, session_proof(exchange, found), found, pointer="/reviewers")
    task = parts.handing_over.reassign(
        person, submission, form["reviewers"], form["reason"], correlation_id=exchange.correlation_id
    )
    return answer(exchange, _reviewers(task))


def _reviewers(task: ReviewTask) -> dict[str, Any]:
    return {"stage": task.stage, "reviewers": list(task.reviewers)}


def _read(exchange: Exchange, schema: str, *also: Key[Any]) -> tuple[dict[str, Any], Person, Found]:
    """The checked form, who sends it, and what its handle and `also` lead to, with one AWS call.

    Who is not signed in is told that, however wrong the form.
    """
    try:
        form = checked(schema, exchange.body())
    except (BadRequest, InvalidInput):
        caller(exchange)
        raise
    person, found = caller_with(exchange, bootstrap.parts().links.key(form["handle"]), *also)
    return form, person, found


def _files(revision: Revision) -> list[dict[str, Any]]:
    """What is attached; who may decide may read the submission, and gets each file's address from its own route."""
    return [file.document() for file in revision.attachments]


def _decision(opinion: Opinion) -> dict[str, Any]:
    return {
        "decision": opinion.decision,
        "comment": opinion.comment,
        "checklist": dict(opinion.checklist),
        "reviewer": opinion.reviewer,
        **({"instead_of": opinion.instead_of} if opinion.instead_of else {}),
        "at": to_text(opinion.at),
    }


def _task(row: "Row") -> dict[str, Any]:
    head, task = row.head, row.task
    return {
        "task": row.id,
        "submission": head.id,
        "revision": task.revision,
        "stage": task.stage,
        "state": head.state,
        "title": row.title,
        "department": head.department,
        "drafter": head.drafter,
        "classification": head.classification,
        "importance": head.importance,
        "opened_at": to_text(task.opened_at),
        "deadline": to_text(task.deadline),
        "working_seconds_left": int(row.left.total_seconds()),
        "late": row.late,
        "instead_of": row.instead_of,
        "decision": None if row.opinion is None else _decision(row.opinion),
    }
