"""Files of what is published by mail only: every one of the audience gets them, nobody else does (4.4.1, 5.3.1)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from chalicelib.attachment.model import MediaType
from chalicelib.core.mail import Mail
from chalicelib.people.model import Person, Role
from chalicelib.people.store import put_person
from tests.attachment.files import CSV, PDF, attach
from tests.browsing import Browser
from tests.world import EDITOR, HEAD, LIAISON, LONG_AGO, OTHER_LIAISON, PEOPLE, World, a_person, a_world

READER = a_person("reader", (Role.EMPLOYEE, "research"))
COLLEAGUE = a_person("colleague", (Role.EMPLOYEE, "marketing"))
ROOT = a_person("root", (Role.ADMINISTRATOR, "research"))
GONE = replace(
    READER, id="p-gone", email="gone@example.com", duties=(replace(READER.duties[0], until=LONG_AGO),)
)
TO_RESEARCH: dict[str, Any] = {
    "channels": ["email"],
    "audience": ["research"],
    "classification": "confidential",
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, READER, COLLEAGUE, ROOT, GONE) as world:
        yield world


@pytest.fixture(scope="module")
def file(world: World) -> str:
    return attach(world)


@pytest.fixture(scope="module")
def mailed(world: World, file: str) -> str:
    """A confidential text for one department, with a file, by mail and nowhere else."""
    return world.publish(title="带附件的通知", attachments=[file], **TO_RESEARCH)


def path_of(submission: str, file: str) -> str:
    return f"/submissions/{submission}/attachments/{file}"


def statuses(world: World, person: Person, submission: str, file: str) -> tuple[int, int]:
    """What a person is answered for a file: by the page, and as JSON."""
    path = path_of(submission, file)
    page = Browser(world, person).send("GET", path)
    return page.status, world.call("GET", f"/api/v1{path}", as_=person).status


GIVEN, NOT_FOUND = (303, 200), (404, 404)


def test_the_mail_leads_each_of_its_audience_who_signs_in_to_the_file(
    world: World, mailed: str, file: str
) -> None:
    """Clause 4.4.1: what is attached reaches its audience, too."""
    mail = next(mail for mail in world.cloud.mails() if mail.to == READER.email)
    assert "时间表.csv" in mail.text
    (link,) = (link for link in mail.links if "/attachments/" in link)
    path = link.removeprefix("https://desk.test")
    assert path == path_of(mailed, file)
    assert Browser(world).get(path).path == "/sign-in"
    for person in (READER, OTHER_LIAISON):
        answer = Browser(world, person).send("GET", path)
        assert answer.status == 303
        assert requests.get(answer.headers["location"], timeout=30).content == CSV
        assert "X-Amz-Expires=60" in answer.headers["location"]


def test_whoever_is_not_of_the_audience_is_told_of_nothing(world: World, mailed: str, file: str) -> None:
    """Clause 5.3.1: classified resources, different rights."""
    nowhere = path_of(f"s-{'z' * 20}", file)
    for person in (COLLEAGUE, ROOT, GONE):
        assert statuses(world, person, mailed, file) == NOT_FOUND, person
        mine, none = (
            world.call("GET", f"/api/v1{path}", as_=person).body for path in (path_of(mailed, file), nowhere)
        )
        assert mine | {"correlation_id": "", "instance": ""} == none | {"correlation_id": "", "instance": ""}
        browser = Browser(world, person)
        shown, other = (browser.send("GET", path) for path in (path_of(mailed, file), nowhere))
        assert shown.html.replace(mailed, "") == other.html.replace(f"s-{'z' * 20}", "")
    assert world.call("GET", f"/api/v1{path_of(mailed, file)}").status == 401


def test_who_has_left_the_audience_gets_nothing_any_more(world: World, mailed: str, file: str) -> None:
    """Clause 5.3.3: rights end with duties."""
    assert statuses(world, READER, mailed, file) == GIVEN
    world.plain_table.put(put_person(replace(READER, duties=COLLEAGUE.duties)))
    try:
        assert statuses(world, READER, mailed, file) == NOT_FOUND
    finally:
        world.plain_table.put(put_person(READER))


def test_the_audience_gets_nothing_of_a_text_before_it_is_published_nor_of_another_file(
    world: World, mailed: str, file: str
) -> None:
    other = attach(world)
    submission = world.submit(attachments=[other], **TO_RESEARCH)
    world.cloud.settle()
    assert statuses(world, READER, submission, other) == NOT_FOUND, "in review"
    assert statuses(world, EDITOR, submission, other) == GIVEN
    world.withdraw(submission)
    world.cloud.settle()
    assert statuses(world, READER, submission, other) == NOT_FOUND, "taken back"
    assert statuses(world, READER, mailed, other) == NOT_FOUND
    assert statuses(world, READER, mailed, "nonsense") == NOT_FOUND


def test_the_files_are_there_as_soon_as_the_mail_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = attach(world)
    submission = world.submit(title="即刻可读", attachments=[kept], **TO_RESEARCH)
    world.approve()
    usual, seen = world.parts.mailer, list[tuple[str, tuple[int, int]]]()

    class Reading:
        def send(self, mail: Mail) -> None:
            usual.send(mail)
            if mail.to == READER.email:
                seen.append((world.state(submission), statuses(world, READER, submission, kept)))

    monkeypatch.setitem(world.parts.__dict__, "mailer", Reading())
    world.finish()
    assert seen == [("publishing", GIVEN)]


def test_the_audience_gets_the_files_that_were_published_and_none_of_an_earlier_revision(
    world: World,
) -> None:
    old = attach(world)
    submission = world.submit(attachments=[old], **TO_RESEARCH)
    world.cloud.settle()
    world.decide(EDITOR, "request_changes")
    fresh = attach(world, PDF, MediaType.PDF)
    assert world.resubmit(submission, attachments=[fresh], **TO_RESEARCH).status == 201
    world.approve()
    world.finish()
    assert statuses(world, READER, submission, fresh) == GIVEN
    assert statuses(world, READER, submission, old) == NOT_FOUND
    assert statuses(world, HEAD, submission, old) == GIVEN, "who may read the request, reads all of it"


def test_what_is_for_everybody_is_for_everybody_with_a_duty_and_what_is_not_mailed_is_on_its_page(
    world: World,
) -> None:
    for_all, on_site = attach(world), attach(world)
    mailed = world.publish(attachments=[for_all], channels=["email"])
    assert statuses(world, COLLEAGUE, mailed, for_all) == GIVEN
    assert statuses(world, GONE, mailed, for_all) == NOT_FOUND
    shown = world.publish(attachments=[on_site], channels=["website"])
    assert statuses(world, COLLEAGUE, shown, on_site) == NOT_FOUND
    assert statuses(world, LIAISON, shown, on_site) == GIVEN
