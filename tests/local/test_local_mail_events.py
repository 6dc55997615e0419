"""The laptop says of a mail what SES would."""

from typing import Any

import pytest

from chalicelib.publication.channels.email.mailing import read_mail_event
from infra.local.mail_events import events_of


def a_request(to: str) -> dict[str, Any]:
    return {
        "FromEmailAddress": "desk@example.com",
        "Destination": {"ToAddresses": [to]},
        "ConfigurationSetName": "announcements",
        "EmailTags": [
            {"Name": "submission", "Value": "s-1"},
            {"Name": "revision", "Value": "2"},
            {"Name": "recipient", "Value": "0" * 32},
        ],
    }


@pytest.mark.parametrize(
    ("to", "kinds"),
    [
        ("li@example.com", ["Send", "Delivery"]),
        ("success@simulator.amazonses.com", ["Send", "Delivery"]),
        ("bounce@simulator.amazonses.com", ["Send", "Bounce"]),
        ("bounce+7@simulator.amazonses.com", ["Send", "Bounce"]),
        ("suppressionlist@simulator.amazonses.com", ["Send", "Bounce"]),
        ("ooto@simulator.amazonses.com", ["Send", "Delivery", "Bounce"]),
        ("complaint@simulator.amazonses.com", ["Send", "Delivery", "Complaint"]),
    ],
)
def test_an_address_has_the_events_that_ses_promises_for_it(to: str, kinds: list[str]) -> None:
    said = list(events_of(a_request(to), "message-1"))
    assert [event["eventType"] for event in said] == kinds
    read = [read_mail_event(event) for event in said]
    assert all(event is not None and (event.submission, event.revision) == ("s-1", 2) for event in read)
    suppressed = {address for event in read if event is not None for address in event.addresses}
    assert suppressed == ({to} if to.startswith(("bounce", "suppression", "complaint")) else set())


def test_who_suffers_is_not_shown() -> None:
    (_, bounce) = events_of(a_request("bounce@simulator.amazonses.com"), "message-1")
    assert "bounce@" not in repr(read_mail_event(bounce))
