"""What becomes of announcements after they went out, and what is kept of them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.archive.model.container import read as read_container
from chalicelib.people.model import Role
from chalicelib.publication.channels.email.mailing import RecipientState, read_mail_event
from tests.publication.mailings import announced
from tests.world import EDITOR, OTHER_LIAISON, PEOPLE, World, a_person, a_world

BOUNCER = replace(a_person("bouncer", (Role.EMPLOYEE, "research")), email="bounce@simulator.amazonses.com")
ANGRY = replace(a_person("angry", (Role.EMPLOYEE, "research")), email="complaint@simulator.amazonses.com")
AWAY = replace(a_person("away", (Role.EMPLOYEE, "research")), email="ooto@simulator.amazonses.com")


def test_what_bounced_or_was_complained_of_gets_no_next_mail_and_what_was_away_does() -> None:
    """Clause 4.4.4: mailboxes are kept clean: a permanent bounce suppresses the next mail."""
    with a_world(*PEOPLE, BOUNCER, ANGRY, AWAY, wait_scale=100) as world:
        bounce_and_go_on(world)


def bounce_and_go_on(world: World) -> None:
    first = announced(world, audience=["research"])
    first.deliver()
    first.hear()
    assert first.states()[BOUNCER.id] == "bounced"
    assert first.states()[ANGRY.id] == "complained"
    assert first.states()[AWAY.id] == "sent"
    second = announced(world, audience=["research"])
    receipt = second.deliver()
    assert receipt["recipients"] == {"sent": 2, "suppressed": 2}
    assert second.envelopes() == {OTHER_LIAISON.email: 1, AWAY.email: 1}
    reasons = {each.person: each.reason for each in second.mailing().in_state(RecipientState.SUPPRESSED)}
    assert reasons == {BOUNCER.id: "bounce", ANGRY.id: "complaint"}


def said_of(kind: str, **what: Any) -> dict[str, Any]:  # noqa: ANN401 — as SES says it
    """An event of SES about one mail."""
    tags = {"submission": ["s-1"], "revision": ["1"], "recipient": ["r"]}
    document: dict[str, Any] = {
        "eventType": kind,
        "mail": {"tags": tags, "timestamp": "2026-03-02T08:00:00.000Z"},
    }
    suffering = [{"emailAddress": "a@b.example"}]
    sufferers = {"Bounce": {"bouncedRecipients": suffering}, "Complaint": {"complainedRecipients": suffering}}
    return document | {kind.lower(): {**sufferers.get(kind, {}), **what}}


BOUNCED, COMPLAINED, SENT = RecipientState.BOUNCED, RecipientState.COMPLAINED, RecipientState.SENT


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (said_of("Bounce", bounceType="Permanent", bounceSubType="NoEmail"), (BOUNCED, "bounce", 1)),
        (
            said_of("Bounce", bounceType="Permanent", bounceSubType="OnAccountSuppressionList"),
            (BOUNCED, "bounce", 1),
        ),
        (said_of("Bounce", bounceType="Transient", bounceSubType="General"), (SENT, None, 0)),
        (
            said_of("Bounce", bounceType="Transient", bounceSubType="MailboxFull"),
            (BOUNCED, "mailbox_full", 0),
        ),
        (
            said_of("Bounce", bounceType="Transient", bounceSubType="MessageTooLarge"),
            (BOUNCED, "too_large", 0),
        ),
        (
            said_of("Bounce", bounceType="Transient", bounceSubType="ContentRejected"),
            (BOUNCED, "content_rejected", 0),
        ),
        (
            said_of("Bounce", bounceType="Undetermined", bounceSubType="Undetermined"),
            (BOUNCED, "undetermined", 0),
        ),
        (said_of("Complaint", complaintFeedbackType="abuse"), (COMPLAINED, "complaint", 1)),
        (said_of("Complaint", complaintFeedbackType="other"), (COMPLAINED, "complaint", 1)),
        (said_of("Complaint", complaintSubType="OnAccountSuppressionList"), (COMPLAINED, "complaint", 1)),
        (said_of("Complaint", complaintFeedbackType="not-spam"), None),
        (said_of("Complaint", complaintFeedbackType="auth-failure"), None),
        (said_of("Reject", reason="Bad content"), (RecipientState.REFUSED, "reject", 0)),
        (said_of("DeliveryDelay", delayType="MailboxFull"), None),
    ],
)
def test_only_what_will_not_change_and_what_its_reader_complains_of_suppresses(
    document: dict[str, Any], told: tuple[RecipientState, str | None, int] | None
) -> None:
    """Clause 4.4.4: clean mailboxes, without losing those that are merely full."""
    event = read_mail_event(document)
    assert (None if event is None else (event.after, event.reason, len(event.addresses))) == told


def test_what_was_sent_may_bounce_later_and_what_bounced_was_sent_before() -> None:
    full = read_mail_event(said_of("Bounce", bounceType="Transient", bounceSubType="MailboxFull"))
    away = read_mail_event(said_of("Bounce", bounceType="Transient", bounceSubType="General"))
    assert full is not None
    assert away is not None
    assert full.following(SENT) is BOUNCED
    assert full.following(COMPLAINED) is None
    assert away.following(RecipientState.SENDING) is SENT
    assert away.following(SENT) is None
    assert away.following(BOUNCED) is None


def later_counts(world: World, submission: str) -> dict[str, int]:
    """What the center sees of the recipients by now."""
    (delivery,) = world.record(submission, as_=EDITOR)["deliveries"]
    return dict(delivery["receipt"]["recipients"])


def test_a_whole_life_by_mail_is_archived_with_the_mail_and_without_any_address() -> None:
    """Clause 5.3.1: names and addresses stay out of ledger and archive."""
    with a_world(*PEOPLE, BOUNCER) as world:
        submission = world.publish(channels=["email"], title="机房搬迁")
        assert world.state(submission) == "archived"
        told = world.events(submission, "Delivered")[0].payload["receipt"]
        assert later_counts(world, submission) == {"sent": 6, "bounced": 1}
        listed = world.plain_s3.list_objects_v2(Bucket=world.parts.settings.archive_bucket)["Contents"]
        package = world.plain_s3.get_object(Bucket=world.parts.settings.archive_bucket, Key=listed[0]["Key"])[
            "Body"
        ].read()
        files = read_container(package).entries
        kept = {name.partition("/")[2]: raw for name, raw in files.items()}
        assert kept["data/rendered/email/subject.txt"] == "机房搬迁".encode()
        assert "五月一日".encode() in kept["data/rendered/email/message.html"]
        assert set(told["files"]) == {"message.html", "message.txt", "subject.txt"}
        everything = (
            b"\n".join(files.values())
            + json.dumps([event.document() for event in world.events(submission)]).encode()
        )
        for person in (*PEOPLE, BOUNCER):
            assert person.email.encode() not in everything
        assert b"/u/" not in everything
