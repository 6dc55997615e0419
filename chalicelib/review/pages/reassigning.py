"""Giving a review to others with a browser: whoever leads the center chooses among those who could do it."""

from collections.abc import Sequence
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import Conflict, InvalidInput, NotFound
from chalicelib.core.http import Exchange
from chalicelib.core.ids import is_id
from chalicelib.core.validation import checked, schema
from chalicelib.identity.caller import Visit, claimed, posted, session_proof, visit
from chalicelib.web.pages import FORM, faults_by_field, page, page_view, see_other, told_of

reassigning_pages = Blueprint(__name__)


@reassigning_pages.route("/submissions/{submission}/reviewers", methods=["GET"])
@page_view(reassigning_pages)
def show_reviewers(exchange: Exchange, submission: str) -> Response:
    present, _ = visit(exchange)
    return _page(exchange, present, submission)


@reassigning_pages.route("/submissions/{submission}/reviewers", methods=["POST"], content_types=[FORM])
@page_view(reassigning_pages)
def choose_reviewers(exchange: Exchange, submission: str) -> Response:
    form = exchange.form()
    parts = bootstrap.parts()
    proofs, _ = parts.prover.keys(claimed(exchange) or "", "")
    present, found = posted(exchange, form, proofs)
    chosen, (reason, *_rest) = form.get("reviewers", []), form.get("reason", [""])
    _ensure_name(submission)
    try:
        said = checked("reassignment", {"reviewers": list(chosen), "reason": reason})
        session = session_proof(exchange, found)
        parts.prover.ensure_proved(present.person, session, found, pointer="/reviewers")
        parts.handing_over.reassign(
            present.person,
            submission,
            said["reviewers"],
            said["reason"],
            correlation_id=exchange.correlation_id,
        )
    except (Conflict, InvalidInput) as error:
        return _page(exchange, present, submission, chosen=chosen, reason=reason, error=error)
    return see_other(exchange, f"/submissions/{submission}?done=reassigned")


def _ensure_name(submission: str) -> None:
    if not is_id("s", submission):
        raise NotFound


def _page(
    exchange: Exchange,
    present: Visit,
    submission: str,
    *,
    chosen: Sequence[str] | None = None,
    reason: str = "",
    error: Conflict | InvalidInput | None = None,
) -> Response:
    _ensure_name(submission)
    parts = bootstrap.parts()
    head, task, able = parts.handing_over.assignable(present.person, submission)
    wrong: dict[str, Any] = (
        faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {}
    )
    return page(
        exchange,
        "reviewers",
        status=200 if error is None else error.status,
        visit=present,
        head=head,
        stage=parts.procedures.version(task.procedure).name(task.stage, exchange.language),
        able=able,
        chosen=set(task.reviewers if chosen is None else chosen),
        reason=reason,
        limit=schema("reassignment").rules["properties"]["reason"]["maxLength"],
        wrong=wrong,
        faults=[
            text for pointer, texts in wrong.items() if pointer.startswith("/reviewers") for text in texts
        ],
        told=told_of(error, exchange.language) if error else None,
    )
