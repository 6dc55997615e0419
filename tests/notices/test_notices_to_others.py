"""Notices in other companies: other languages, nobody at the head of a department, a mailbox that refuses."""

from dataclasses import replace

import pytest

from chalicelib.core.mail import Mail
from chalicelib.core.messages import LANGUAGES
from tests.notices.told import about, returned
from tests.world import EDITOR, HEAD, LIAISON, PEOPLE, a_world


def test_drafter_and_editors_are_told_that_a_person_is_needed() -> None:
    """Clause 6.1.1: a stage that nobody may decide asks for a person."""
    with a_world(*(person for person in PEOPLE if person is not HEAD)) as world:
        submission = world.submit()
        world.approve("initial")
        world.cloud.settle()
        assert world.state(submission) == "needs_person"
        told = about(world, submission)
        assert {mail.to for mail in told} == {LIAISON.email, EDITOR.email}
        assert all("目前没有人可以进行这一环节的审核。" in mail.text for mail in told)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_is_told_in_the_language_chosen(language: str) -> None:
    expected = {"zh-Hans": "退回修改", "zh-Hant": "退回修改", "en": "Changes requested"}
    point = {
        "zh-Hans": "符合现行业务规定",
        "zh-Hant": "符合現行業務規定",
        "en": "agrees with the department",
    }
    people = [replace(person, language=language) for person in PEOPLE]
    with a_world(*people) as world:
        (mail,) = about(world, returned(world))
        assert expected[language] in mail.subject
        assert point[language] in mail.text
        assert f'<html lang="{language}">' in mail.html


def test_one_mailbox_that_refuses_holds_back_no_other() -> None:
    with a_world(*(person for person in PEOPLE if person is not HEAD)) as world:
        usual = world.parts.mailer

        class Choosy:
            tries = 0

            def send(self, mail: Mail) -> None:
                if mail.to == LIAISON.email and self.tries < 2:
                    self.tries += 1
                    raise TimeoutError
                usual.send(mail)

        choosy = Choosy()
        submission = world.submit()
        world.approve("initial")
        for name in ("notices",):
            world.parts.__dict__.pop(name, None)
        world.parts.__dict__["mailer"] = choosy
        world.cloud.settle()
        assert choosy.tries == 2
        assert sorted(mail.to for mail in about(world, submission)) == [EDITOR.email, LIAISON.email]
