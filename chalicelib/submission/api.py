"""Publication requests over HTTP."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.attachment.model import DOWNLOAD_LIFE
from chalicelib.core.clock import to_text
from chalicelib.core.errors import BadRequest
from chalicelib.core.http import Exchange, answer, endpoint
from chalicelib.core.validation import checked
from chalicelib.identity.caller import caller, caller_with
from chalicelib.ledger.model import Event
from chalicelib.submission.model import (
    Submission,
    deliveries_in,
    opinions_in,
    that_stand,
    with_later_outcomes,
)

if TYPE_CHECKING:  # services are loaded when `bootstrap` makes them, not with the app
    from chalicelib.submission.service import Amendment, Shown

submission_routes = Blueprint(__name__)

_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@submission_routes.route("/api/v1/submissions", methods=["POST"])
@endpoint(submission_routes)
def post_submission(exchange: Exchange) -> Response:
    desk = bootstrap.parts().submission_desk
    person, found = caller_with(exchange, desk.procedure_key)
    key = exchange.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise BadRequest("bad_idempotency_key")
    head = desk.submit(
        person, exchange.body(), found, idempotency_key=key, correlation_id=exchange.correlation_id
    )
    return answer(exchange, _receipt(head), status=201)


@submission_routes.route("/api/v1/submissions", methods=["GET"])
@endpoint(submission_routes)
def list_submissions(exchange: Exchange) -> Response:
    query = exchange.query
    page = bootstrap.parts().submission_desk.listing(
        caller(exchange),
        state=query.get("state"),
        department=query.get("department"),
        cursor=query.get("cursor"),
    )
    return answer(exchange, {"items": [summary(head) for head in page.rows], "cursor": page.cursor})


@submission_routes.route("/api/v1/submissions/{submission}", methods=["GET"])
@endpoint(submission_routes)
def get_submission(exchange: Exchange, submission: str) -> Response:
    parts = bootstrap.parts()
    record = parts.submission_desk.read(caller(exchange), submission)
    amendment = parts.amendments.waiting(record)
    body = summary(record.head) | {
        "form": record.revision.form.document,
        "attachments": [file.document() for file in record.revision.attachments],
        "content_digest": record.head.content_digest,
        "amendment": None if amendment is None else _amendment(amendment),
        "opinions": list(map(_opinion, opinions_in(that_stand(record.events)))),
        "deliveries": with_later_outcomes(deliveries_in(record.events, record.head.revision), record.events),
        "events": [_event(event) for event in record.events],
    }
    return answer(exchange, body)


@submission_routes.route("/api/v1/submissions/{submission}/revisions", methods=["POST"])
@endpoint(submission_routes)
def post_revision(exchange: Exchange, submission: str) -> Response:
    head = bootstrap.parts().submission_desk.revise(
        caller(exchange), submission, exchange.body(), correlation_id=exchange.correlation_id
    )
    return answer(exchange, _receipt(head), status=201)


@submission_routes.route("/api/v1/submissions/{submission}/withdrawal", methods=["POST"])
@endpoint(submission_routes)
def post_withdrawal(exchange: Exchange, submission: str) -> Response:
    person = caller(exchange)
    reason = checked("withdrawal", exchange.body())["reason"]
    head = bootstrap.parts().submission_desk.withdraw(
        person, submission, reason, correlation_id=exchange.correlation_id
    )
    return answer(exchange, _receipt(head))


@submission_routes.route("/api/v1/submissions/{submission}/amendment", methods=["POST"])
@endpoint(submission_routes)
def post_amendment(exchange: Exchange, submission: str) -> Response:
    head = bootstrap.parts().amendments.amend(
        caller(exchange), submission, exchange.body(), correlation_id=exchange.correlation_id
    )
    return answer(exchange, _receipt(head), status=201)


@submission_routes.route("/api/v1/submissions/{submission}/confirmation", methods=["POST"])
@endpoint(submission_routes)
def post_confirmation(exchange: Exchange, submission: str) -> Response:
    head = bootstrap.parts().amendments.confirm(
        caller(exchange), submission, exchange.body(), correlation_id=exchange.correlation_id
    )
    return answer(exchange, _receipt(head))


@submission_routes.route("/api/v1/refused-requests", methods=["GET"])
@endpoint(submission_routes)
def list_refused_requests(exchange: Exchange) -> Response:
    page = bootstrap.parts().refused_requests.listing(
        caller(exchange), department=exchange.query.get("department"), cursor=exchange.query.get("cursor")
    )
    items = [refused_summary(shown, exchange.language) for shown in page.rows]
    return answer(exchange, {"items": items, "cursor": page.cursor})


@submission_routes.route("/api/v1/refused-requests/{refused_request}", methods=["GET"])
@endpoint(submission_routes)
def get_refused_request(exchange: Exchange, refused_request: str) -> Response:
    shown = bootstrap.parts().refused_requests.read(caller(exchange), refused_request)
    return answer(exchange, refused_summary(shown, exchange.language) | {"content": shown.content})


@submission_routes.route("/api/v1/submissions/{submission}/attachments/{attachment}", methods=["GET"])
@endpoint(submission_routes)
def get_submission_attachment(exchange: Exchange, submission: str, attachment: str) -> Response:
    file, url = bootstrap.parts().submission_desk.download(caller(exchange), submission, attachment)
    return answer(exchange, file.document() | {"url": url, "expires_in": DOWNLOAD_LIFE})


def _receipt(head: Submission) -> dict[str, Any]:
    return {"id": head.id, "revision": head.revision, "state": head.state}


def summary(head: Submission) -> dict[str, Any]:
    """A submission as lists show it; instants are UTC."""
    return _receipt(head) | {
        "title": head.title,
        "department": head.department,
        "drafter": head.drafter,
        "category": head.category,
        "classification": head.classification,
        "importance": head.importance,
        "channels": list(head.channels),
        "audience": "all" if head.audience is None else list(head.audience),
        "publish_at": to_text(head.publish_at),
        "time_zone": head.time_zone,
        "stage": head.stage,
        "reason": head.reason,
        "created_at": to_text(head.created_at),
        "updated_at": to_text(head.updated_at),
        "catalog_number": head.catalog_number,
    }


def refused_summary(shown: "Shown", language: str) -> dict[str, Any]:
    """A refused request as lists show it; title and drafter only to those who may read it. Instants are UTC."""
    request = shown.request
    return {
        "id": request.id,
        "department": request.department,
        "state": request.standing,
        "received_at": to_text(request.received_at),
        "expires_at": to_text(request.expires_at),
        "message_id": request.message,
        "redrives": request.redrives,
        "idempotency_key": request.idempotency_key,
        "readable": shown.readable,
        "title": shown.title,
        "drafter": shown.drafter,
        "classification": request.classification,
        "sha256": request.sha256,
        "size": request.size,
        "problem": request.problem.document(language, request.message),
    }


def _amendment(amendment: "Amendment") -> dict[str, Any]:
    """What waits for its confirmation; `diff` as a reviewer sees it."""
    return {
        "amended_by": amendment.event.actor,
        "at": to_text(amendment.event.at),
        "reason": amendment.event.payload["reason"],
        "amends": amendment.before.number,
        "diff": amendment.changes,
    }


def _opinion(opinion: Mapping[str, Any]) -> dict[str, Any]:
    """An opinion without what verifies it, which its event has."""
    left_out = {"service_signature", "proof"}
    shown = {name: value for name, value in opinion.items() if name not in left_out}
    return shown | ({"proof": opinion["proof"]["kind"]} if "proof" in opinion else {})


def _event(event: Event) -> dict[str, Any]:
    return {**event.document(), "hash": event.hash}
