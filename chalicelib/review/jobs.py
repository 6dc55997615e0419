"""How the stream and the review machine reach the reviews."""

from typing import Any

from chalice.app import Blueprint

from chalicelib import bootstrap
from chalicelib.core.events import failed_records, job

review_jobs = Blueprint(__name__)

STARTING = frozenset(
    {"Submitted", "Resubmitted", "AmendmentConfirmed", "WorkflowRestarted", "DecisionRecalled"}
)
ENDING = frozenset({"Decided", "Amended", "Withdrawn", "PersonNeeded"})
CALLING = frozenset({"TaskDelegated", "TaskReassigned"})
TOLD = frozenset(
    {
        "ReviewOverdue",
        "ReviewLinkRefused",
        "ConfirmationReminded",
        "AmendmentDeclined",
        "DecisionRecalled",
    }
)


@review_jobs.on_dynamodb_record(stream_arn="records", name="review_events", batch_size=25)
@job
def review_events(event: Any) -> dict[str, Any]:  # noqa: ANN401 — chalice has no types
    """Start a round's machine, or wake it after a decision; pass on what people are told."""

    def handle(document: dict[str, Any]) -> None:
        rounds = bootstrap.parts().rounds
        if document["type"] in STARTING and document["payload"]["stage"] is not None:
            rounds.start(document)
        elif document["type"] in CALLING:
            rounds.call_in(document["submission"])
        elif document["type"] in ENDING:
            rounds.go_on(document["submission"])
            if document["payload"].get("decision") != "approve":  # the next stage's mail tells of that
                bootstrap.parts().outbox.pass_on(document)
        if document["type"] in TOLD:
            bootstrap.parts().outbox.pass_on(document)

    return failed_records(event, handle)


@review_jobs.lambda_function(name="open_stage")
@job
def open_stage(event: dict[str, Any], _context: object) -> None:
    """Open a stage and wait for its decision; `task_token` wakes the machine."""
    bootstrap.parts().rounds.open_stage(event["work"], event["task_token"])


@review_jobs.lambda_function(name="remind_reviewers")
@job
def remind_reviewers(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take the next step about a stage that nobody has decided."""
    return bootstrap.parts().rounds.remind(event)
