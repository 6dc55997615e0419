"""Sending the sign-in mails that were asked for."""

import json
from typing import Any

from chalice.app import Blueprint

from chalicelib import bootstrap
from chalicelib.core.events import failed_messages, job

identity_jobs = Blueprint(__name__)


@identity_jobs.on_sqs_message(queue="sign-in", batch_size=10, name="send_sign_in_links")
@job
def send_sign_in_links(event: Any) -> dict[str, Any]:  # noqa: ANN401 — chalice has no types
    """Mail a link for each message; a message that fails comes again alone."""

    def handle(body: str) -> None:
        asked = json.loads(body)
        bootstrap.parts().sign_in.send_link(asked["email"], asked.get("browser"))

    return failed_messages(event, handle)
