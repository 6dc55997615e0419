"""What becomes of announcements after they went out, and what is kept of them."""

import json
from dataclasses import replace

from chalicelib.archive.model.container import read as read_container
from chalicelib.people.model import Role
from chalicelib.publication.channels.email.mailing import RecipientState
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
