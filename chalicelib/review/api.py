"""Review links over HTTP. The handle travels in the body, never in an address."""

from typing import Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.clock import to_text
from chalicelib.core.http import Exchange, answer, endpoint
from chalicelib.core.validation import checked
from chalicelib.identity.caller import caller
from chalicelib.review.model import Opinion

review_routes = Blueprint(__name__)


@review_routes.route("/api/v1/review-links", methods=["POST"])
@endpoint(review_routes)
def open_review_link(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(exchange.address)
    person = caller(exchange)
    seen = parts.decisions.open(person, checked("review_link", exchange.body())["handle"])
    body = {
        "stage": seen.task.stage,
        "deadline": to_text(seen.task.deadline),
        "checklist": [
            {"id": item.id, "text": item.text[exchange.language]}
            for item in parts.checklists.items(seen.task.stage)
        ],
        "submission": {
            "id": seen.head.id,
            "revision": seen.task.revision,
            "state": seen.head.state,
            "form": None if seen.revision is None else seen.revision.form.document,
        },
        "content_digest": seen.task.content_digest,
        "diff": seen.changes,
        "decision": None if seen.opinion is None else _decision(seen.opinion),
    }
    return answer(exchange, body)


@review_routes.route("/api/v1/review-links/decision", methods=["POST"])
@endpoint(review_routes)
def decide(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(exchange.address)
    person = caller(exchange)
    form = checked("decision", exchange.body())
    head = parts.decisions.decide(person, form["handle"], form, correlation_id=exchange.correlation_id)
    return answer(exchange, {"state": head.state})


def _decision(opinion: Opinion) -> dict[str, Any]:
    return {
        "decision": opinion.decision,
        "comment": opinion.comment,
        "checklist": dict(opinion.checklist),
        "reviewer": opinion.reviewer,
        "at": to_text(opinion.at),
    }
