"""Events as Lambda hands them to the handlers."""

import json
from typing import Any

A_TICK = {
    "version": "0",
    "account": "123456789012",
    "region": "us-east-1",
    "detail": {},
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "time": "2030-01-01T00:00:00Z",
    "id": "1",
    "resources": [],
}
"""What EventBridge sends on a schedule."""


def a_record(event_type: str, stage: str | None = "initial") -> dict[str, Any]:
    """A stream record of an inserted ledger event."""
    payload = {
        "revision": 1,
        "attempt": 1,
        "stage": stage,
        "importance": "routine",
        "publish_at": "2030-01-01T00:00:00.000Z",
    }
    document = {
        "id": "e-1",
        "type": event_type,
        "submission": "s-1",
        "correlation_id": "c-1",
        "at": "2029-12-31T00:00:00.000Z",
        "payload": payload,
    }
    return {
        "eventName": "INSERT",
        "eventID": "1",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/records/stream/1",
        "dynamodb": {
            "ApproximateCreationDateTime": 0,
            "Keys": {},
            "SizeBytes": 1,
            "StreamViewType": "NEW_IMAGE",
            "SequenceNumber": "1",
            "NewImage": {"event_type": {"S": event_type}, "document": {"S": json.dumps(document)}},
        },
    }


def a_message(body: dict[str, Any]) -> dict[str, Any]:
    """A queue's message, alone in its batch."""
    return {"Records": [{"messageId": "1", "receiptHandle": "1", "body": json.dumps(body)}]}


A_BOUNCE = {
    "eventType": "Bounce",
    "mail": {
        "timestamp": "2026-03-02T08:00:00.000Z",
        "tags": {"submission": ["s-1"], "revision": ["1"], "recipient": ["0" * 32]},
    },
    "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "li@example.com"}]},
}
"""What SES publishes of an announcement that came back for good."""
