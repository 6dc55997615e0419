"""Reminders: one a day for each person, with all that waits (clause 3.3.4)."""

from typing import Any

from tests.world import EDITOR, World, a_world


def lie(world: World, submission: str) -> None:
    """Take the next step, and let the machine open the stage again, as it does after each."""
    work = world.lying(submission)
    world.parts.rounds.remind(work)
    world.parts.rounds.open_stage(work, "another-token")


def reminders(world: World) -> list[str]:
    """The texts of the editor's reminders, newest first."""
    return [
        mail.text
        for mail in world.cloud.mails()
        if mail.to == EDITOR.email and mail.subject.startswith("提醒审核")
    ]


def test_nobody_is_reminded_twice_a_day_and_the_one_mail_lists_all_that_waits() -> None:
    with a_world() as world:
        secret: dict[str, Any] = {
            "classification": "confidential",
            "channels": ["email"],
            "audience": ["marketing"],
        }
        first, second = world.submit(title="第一份"), world.submit(title="第二份")
        third = world.submit(title="秘密的题目", **secret)
        world.cloud.settle()
        for submission in (first, second, third):
            lie(world, submission)
        (told,) = reminders(world)
        assert "《第一份》正在等待您的初审意见" in told
        listed = [line for line in told.splitlines() if line.startswith("- ")]
        assert [line.partition("：")[0] for line in listed] == ["- 《（机密事项）》", "- 《第二份》"], (
            "by deadline"
        )
        assert "秘密" not in told
        with world.later(days=1):
            lie(world, second)
            lie(world, first)
        newest, _ = reminders(world)
        assert "《第二份》正在等待您的初审意见" in newest


def test_what_does_not_wait_any_more_is_not_listed_and_alone_there_is_no_list() -> None:
    with a_world() as world:
        other, submission = world.submit(title="另一份"), world.submit(title="这一份")
        world.cloud.settle()
        assert world.withdraw(other).status == 200
        world.cloud.settle()
        lie(world, submission)
        (told,) = reminders(world)
        assert "另一份" not in told
        assert "同时等待" not in told


def test_a_reminder_that_may_not_have_gone_out_comes_again_though_one_a_day_is_the_rule() -> None:
    with a_world() as world:
        submission = world.submit()
        world.cloud.settle()
        work = world.lying(submission)
        world.parts.rounds.remind(work)
        rounds, sent = world.parts.rounds, world.parts.mailer
        invitations = rounds.invitations

        class Broken:
            def send(self, _mail: object) -> None:
                raise TimeoutError

        object.__setattr__(invitations, "mailer", Broken())
        try:
            rounds.open_stage(work, "another-token")
        except TimeoutError:
            object.__setattr__(invitations, "mailer", sent)
        rounds.open_stage(work, "another-token")
        assert len(reminders(world)) == 1


def test_that_a_deadline_was_missed_is_told_however_often_one_was_reminded_that_day() -> None:
    with a_world() as world:
        submission = world.submit()
        world.cloud.settle()
        for _ in range(3):
            lie(world, submission)
        assert len(reminders(world)) == 1, "the second falls on the same day"
        assert sum(m.subject.startswith("已逾期") for m in world.cloud.mails()) == 1
