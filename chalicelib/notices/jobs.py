"""How the queue of what has happened reaches people's mailboxes."""

import json
from typing import Any

from chalice.app import Blueprint

from chalicelib import bootstrap
from chalicelib.core import logs
from chalicelib.core.events import failed_messages, job

notices_jobs = Blueprint(__name__)


@notices_jobs.on_sqs_message(queue="notices", batch_size=10, name="send_notices")
@job
def send_notices(event: Any) -> dict[str, Any]:  # noqa: ANN401 — chalice has no types
    """Mail what each message's event has to tell; a message that fails comes again alone."""

    def handle(body: str) -> None:
        message = json.loads(body)
        logs.note(submission=message["submission"], correlation_id=message.get("correlation_id"))
        again = bootstrap.parts().notices.tell(message["id"], message["submission"], message["seq"])
        if again is not None:
            bootstrap.parts().mailings.send_again(message["submission"], again)

    return failed_messages(event, handle)
