"""An amended text that nobody confirms does not hide, and none is amended that nobody else could review."""

from chalicelib.people.model import Role
from chalicelib.review.store import tasks_of
from tests.notices.told import about
from tests.submission.test_amendments import amend, confirm
from tests.world import DIRECTOR, LIAISON, PEOPLE, SECOND_EDITOR, a_person, a_roster, a_world

LEAVER = a_person("leaver", (Role.LIAISON, "marketing"))


def test_whoever_may_confirm_is_reminded_until_somebody_does_and_no_editor_is_left_alone_with_it() -> None:
    """Clause 2.1.3: the drafter answers for an edited text, or a liaison of the department for the drafter."""
    with a_world(*PEOPLE, SECOND_EDITOR, LEAVER) as world:
        submission = world.submit(as_=LEAVER)
        world.cloud.settle()
        assert amend(world, submission).status == 201
        world.cloud.settle()
        assert [mail.to for mail in about(world, submission)] == [LEAVER.email]
        world.parts.roster_keeper.apply(a_roster(*PEOPLE, SECOND_EDITOR), world.now())
        world.sweep()
        reminded = world.events(submission, "ConfirmationReminded")
        assert len(reminded) == 1, "waits are a thousand times shorter here than two working days"
        assert [mail.to for mail in about(world, submission) if "仍待确认" in mail.subject] == [LIAISON.email]
        assert confirm(world, submission, as_=LIAISON).status == 200
        world.sweep()
        assert world.events(submission, "ConfirmationReminded") == reminded

        world.parts.roster_keeper.apply(a_roster(*PEOPLE), world.now())
        other = world.submit()
        refused = amend(world, other)
        assert (refused.status, refused.body["code"]) == (409, "no_other_editor")
        assert world.state(other) == "in_review"
        world.parts.roster_keeper.apply(a_roster(*PEOPLE, DIRECTOR), world.now())
        assert amend(world, other).status == 201, "where all editors wrote it, their superior is asked"
        assert confirm(world, other).status == 200
        world.cloud.settle()
        (task,) = (each for each in tasks_of(world.plain_table, other) if each.revision == 2)
        assert task.reviewers == (DIRECTOR.id,)
