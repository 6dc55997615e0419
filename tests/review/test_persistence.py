"""What goes wrong around a review for days on end: refusing mailboxes, people who leave, records nobody can read."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.core.errors import RecipientRefused
from chalicelib.core.mail import Mail, Mailer
from chalicelib.people.model import Role
from chalicelib.review.service.rounds import MOST_RESTARTS
from tests.world import (
    ARCHIVIST,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    MISSED,
    PEOPLE,
    World,
    a_person,
    a_roster,
    a_world,
)

SECOND_EDITOR = a_person("zz-second-editor", (Role.CENTER_EDITOR, "center"))


class Postman:
    """A mailer to whom some addresses are closed."""

    def __init__(self, mailer: Mailer, *closed: str) -> None:
        self._mailer = mailer
        self.closed = set(closed)

    def send(self, mail: Mail) -> None:
        if mail.to in self.closed:
            raise RecipientRefused(reason="MessageRejected")
        self._mailer.send(mail)


def close(world: World, *addresses: str) -> None:
    """Let the mailer refuse these addresses; to be called before anything is reviewed."""
    world.parts.__dict__["mailer"] = Postman(world.parts.mailer, *addresses)


def test_a_mailbox_that_refuses_holds_back_no_other_reviewer() -> None:
    with a_world(*PEOPLE, SECOND_EDITOR) as world:
        close(world, EDITOR.email)
        submission = world.submit()
        world.cloud.settle()
        assert world.links(EDITOR) == []
        assert len(world.links(SECOND_EDITOR)) == 1
        world.passed += timedelta(seconds=20)
        world.parts.sweeper.sweep()
        assert world.plain_journal.head(submission).restarts == 0
        assert [ran.status for ran in world.cloud.executions()] == ["RUNNING"], "the machine waits, to remind"
        assert world.decide(SECOND_EDITOR).status == 200


def test_when_nobody_can_be_told_the_sweeper_tries_ever_more_rarely_and_then_asks_a_person() -> None:
    with a_world() as world:
        close(world, EDITOR.email)
        submission = world.submit()
        world.cloud.settle()
        restarts = []
        for _ in range(MOST_RESTARTS + 1):
            world.passed += timedelta(days=2)
            world.parts.sweeper.sweep()
            world.parts.sweeper.sweep()
            world.cloud.settle()
            restarts.append(world.plain_journal.head(submission).restarts)
        assert restarts == [*range(1, MOST_RESTARTS + 1), MOST_RESTARTS]
        record = world.record(submission)
        assert (record["state"], record["reason"]) == ("needs_person", "review_stuck")
        assert world.resubmit(submission, title="再次提交的通知").status == 201
        assert world.plain_journal.head(submission).restarts == 0


def test_the_sweepers_patience_doubles_with_each_restart_in_vain() -> None:
    with a_world() as world:
        close(world, EDITOR.email)
        submission = world.submit()
        world.cloud.settle()
        hour = timedelta(hours=1)
        rounds = replace(world.parts.rounds, grace=hour)
        for restarts, patience in enumerate((hour, 2 * hour, 4 * hour, 8 * hour)):
            for waited, expected in ((0.5 * patience, restarts), (0.6 * patience, restarts + 1)):
                world.passed += waited
                rounds.repair(world.plain_journal.head(submission))
                assert world.plain_journal.head(submission).restarts == expected
            world.cloud.settle()


def test_after_a_restart_a_stage_is_reminded_of_again_from_where_it_was() -> None:
    with a_world() as world:
        submission = world.submit()
        world.cloud.settle()
        world.let_lie(submission, steps=1)
        world.parts.journal.restart(world.plain_journal.head(submission), "service:review")
        world.cloud.settle()
        world.let_lie(submission, steps=MISSED - 1)
        assert len(world.events(submission, "ReviewReminded")) == 2, "it goes on where it was"
        assert len(world.events(submission, "ReviewOverdue")) == 1


def test_the_reminder_goes_to_whoever_has_the_duty_by_then() -> None:
    """Clause 3.3.4."""
    with a_world() as world:
        submission = world.submit()
        world.cloud.settle()
        successors = [person for person in PEOPLE if person is not EDITOR] + [SECOND_EDITOR]
        world.parts.roster_keeper.apply(a_roster(*successors), world.now())
        world.let_lie(submission, steps=1)
        (reminded,) = world.events(submission, "ReviewReminded")
        assert reminded.payload["reviewers"] == [SECOND_EDITOR.id]


def test_a_record_that_nobody_can_read_does_not_end_the_sweep(caplog: pytest.LogCaptureFixture) -> None:
    with a_world() as world:
        unreadable, healthy = world.submit(), world.submit(title="另一条通知")
        world.cloud.settle()
        world.kill(healthy)
        head = world.items()[f"SUBMISSION#{unreadable}", "HEAD"]
        world.put_raw(head | {"state": {"S": "of_a_later_version"}})
        with caplog.at_level(logging.ERROR):
            world.passed += timedelta(days=5)
            assert world.parts.sweeper.sweep() == 2
        assert unreadable in caplog.text
        assert world.plain_journal.head(healthy).restarts == 1


def test_a_reviewer_whose_duty_has_ended_sees_the_own_decision_and_no_text() -> None:
    """Clause 5.3.2: only authorised people reach a resource."""
    with a_world() as world:
        world.submit()
        world.cloud.settle()
        handle = world.links(EDITOR)[0]
        world.decide(EDITOR)
        left = [replace(p, duties=()) if p is EDITOR else p for p in PEOPLE]
        world.parts.roster_keeper.apply(a_roster(*left), world.now())
        seen = world.open_link(handle, EDITOR)
        assert seen.status == 200
        assert seen.body["decision"]["decision"] == "approve"
        assert (seen.body["submission"]["form"], seen.body["diff"]) == (None, None)


def test_what_is_archived_as_confidential_is_not_read_around_the_archive() -> None:
    """Clause 2.4.3: the archive is kept confidential."""
    with a_world() as world:
        submission = world.submit(classification="confidential", channels=["email"], audience=["research"])
        world.approve()
        world.finish()
        path = f"/api/v1/submissions/{submission}"
        assert world.state(submission) == "archived"
        assert world.call("GET", path, as_=EDITOR).status == 404
        for reader in (LIAISON, HEAD, EXECUTIVE, ARCHIVIST):
            assert world.call("GET", path, as_=reader).status == 200, reader.id
        listed = world.call("GET", "/api/v1/submissions", as_=EDITOR)
        assert listed.body["items"] == []
