"""How S3 and people who doubt it reach the check of uploads."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from chalice.app import Blueprint

from chalicelib import bootstrap
from chalicelib.attachment.model import UPLOADS
from chalicelib.core import logs
from chalicelib.core.events import failed_messages, job
from chalicelib.core.ids import is_id

attachment_jobs = Blueprint(__name__)


@attachment_jobs.on_sqs_message(queue="uploads", batch_size=1, name="check_attachment")
@job
def check_attachment(event: Any) -> dict[str, Any]:  # noqa: ANN401 — chalice has no types
    """Check each file that a message names."""

    def handle(body: str) -> None:
        for attachment in _named(json.loads(body)):
            logs.note(attachment=attachment if is_id("a", attachment) else None)
            bootstrap.parts().checking.check(attachment)

    return failed_messages(event, handle)


def _named(message: dict[str, Any]) -> Iterator[str]:
    """The uploads that a message is about: S3's own of a new object, or our own; S3's test of the queue has none."""
    if "attachment" in message:
        yield message["attachment"]
    for record in message.get("Records", ()):
        yield unquote_plus(record["s3"]["object"]["key"]).removeprefix(UPLOADS)
