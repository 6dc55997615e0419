"""What SES says of a mail that was sent with tags, put where AWS would put it: into the queue of mail events.

moto keeps neither tags nor event destinations, so its `SendEmail` is listened to. Addresses of SES's mailbox
simulator bounce and complain here, too.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from moto.sesv2.responses import SESV2Response

from chalicelib.core.clock import to_text, utc_now
from chalicelib.core.ids import new_id
from infra.local.mends import Method, replace

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Emit = Callable[[str], object]

_SIMULATED = re.compile(
    r"(bounce|complaint|suppressionlist|ooto)(\+.*)?@simulator\.amazonses\.com", re.IGNORECASE
)

_emit: Emit | None = None


def use(sqs: "SQSClient", queue_url: str) -> None:
    """Put events into this queue from now on."""
    global _emit  # noqa: PLW0603 — one cloud per process
    _emit = functools.partial(_send, sqs, queue_url)


@functools.cache
def apply() -> None:
    """Listen to moto in this process; a second call does nothing."""
    replace(SESV2Response, "send_email", _listened_to)


def _listened_to(original: Method) -> Method:
    def send_email(response: SESV2Response) -> Any:  # noqa: ANN401 — passes on whatever it gets
        answer = original(response)
        request = json.loads(response.body)
        if _emit is not None and request.get("ConfigurationSetName"):
            for event in events_of(request, json.loads(answer)["MessageId"]):
                _emit(json.dumps(event))
        return answer

    return send_email


def events_of(request: Mapping[str, Any], message_id: str) -> Iterator[dict[str, Any]]:
    """What SES would publish of a `SendEmail` that it has taken, in order."""
    (to,) = request["Destination"]["ToAddresses"]
    now = to_text(utc_now())
    mail = {
        "timestamp": now,
        "messageId": message_id,
        "source": request["FromEmailAddress"],
        "destination": [to],
        "tags": {tag["Name"]: [tag["Value"]] for tag in request.get("EmailTags", [])},
    }
    yield {"eventType": "Send", "mail": mail, "send": {}}
    found = _SIMULATED.fullmatch(to)
    what = found[1].lower() if found else "success"
    if what in {"bounce", "suppressionlist"}:
        bounce = {
            "bounceType": "Permanent",
            "bounceSubType": "General" if what == "bounce" else "OnAccountSuppressionList",
            "bouncedRecipients": [{"emailAddress": to, "action": "failed", "status": "5.1.1"}],
            "timestamp": now,
            "feedbackId": new_id("f"),
        }
        yield {"eventType": "Bounce", "mail": mail, "bounce": bounce}
        return
    delivery = {"timestamp": now, "recipients": [to], "smtpResponse": "250 ok"}
    yield {"eventType": "Delivery", "mail": mail, "delivery": delivery}
    if what == "ooto":
        bounce = {
            "bounceType": "Transient",
            "bounceSubType": "General",
            "bouncedRecipients": [{"emailAddress": to}],
            "timestamp": now,
            "feedbackId": new_id("f"),
        }
        yield {"eventType": "Bounce", "mail": mail, "bounce": bounce}
    if what == "complaint":
        complaint = {
            "complainedRecipients": [{"emailAddress": to}],
            "timestamp": now,
            "feedbackId": new_id("f"),
            "complaintFeedbackType": "abuse",
        }
        yield {"eventType": "Complaint", "mail": mail, "complaint": complaint}


def _send(sqs: "SQSClient", queue_url: str, body: str) -> None:
    sqs.send_message(QueueUrl=queue_url, MessageBody=body)
