"""How the stream, the publication machine, the mail carrier's events and the clock reach publishing."""

import json
from typing import Any

from chalice.app import Blueprint

from chalicelib import bootstrap
from chalicelib.core.events import failed_messages, failed_records, job

publication_jobs = Blueprint(__name__)

BEGINS = frozenset({"Scheduled", "Rescheduled"})
"""What the publication machine begins with, besides what begins again."""
TOLD = frozenset(
    {"Published", "RecipientsChanged", "DeliveryFailed", "DeliveryParked", "Retracted", "Rescheduled"}
)
"""What a person is to be told of, or sent again, once it has happened."""


@publication_jobs.on_dynamodb_record(stream_arn="records", name="publication_events", batch_size=25)
@job
def publication_events(event: Any) -> dict[str, Any]:  # noqa: ANN401 — chalice has no types
    """Start the machine of what has been approved, or begins again after its approval; pass on what people are told.

    When a freeze ends, what it held back begins again.
    """

    def handle(document: dict[str, Any]) -> None:
        again = document["type"] == "WorkflowRestarted" and document["payload"]["stage"] is None
        if document["type"] in BEGINS or again:
            bootstrap.parts().schedule.start(document)
        elif document["type"] == "PublishingUnfrozen":
            bootstrap.parts().sweeper.release()
        if document["type"] in TOLD:
            bootstrap.parts().outbox.pass_on(document)

    return failed_records(event, handle)


@publication_jobs.lambda_function(name="last_check")
@job
def last_check(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Check everything at the moment of publishing."""
    return bootstrap.parts().publishing.last_check(event)


@publication_jobs.lambda_function(name="deliver")
@job
def deliver(event: dict[str, Any], _context: object) -> None:
    """Deliver to one channel."""
    bootstrap.parts().delivering.deliver(event)


@publication_jobs.on_sqs_message(queue="mail-events", batch_size=10, name="mail_events")
@job
def mail_events(event: Any) -> dict[str, Any]:  # noqa: ANN401 — chalice has no types
    """Take in what the carrier says of announcements; a message that fails comes again alone."""
    return failed_messages(event, lambda body: bootstrap.parts().mailings.heard(json.loads(body)))


@publication_jobs.schedule("rate(2 minutes)", name="sweep")
@job
def sweep(_event: object) -> dict[str, int]:
    """Repair what lost events left behind."""
    return {"examined": bootstrap.parts().sweeper.sweep()}
