"""Before anybody approves it, it is seen whom a mail would reach: how many, where, who not, and some names (4.4.3)."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.access.model import Resource
from chalicelib.people.model import Person, Role
from chalicelib.publication.channels.email import audience
from chalicelib.publication.channels.email.mailing import MailRules
from chalicelib.publication.service.preview import NAMES, Preview
from chalicelib.publication.store import put_subscription, put_suppression
from chalicelib.submission.model import Importance
from tests.browsing import Browser
from tests.faults import FaultyAws
from tests.publication.mailings import announced, staff
from tests.submission.desk_visits import NEW, fill_in
from tests.world import EDITOR, EXECUTIVE, HEAD, LIAISON, OTHER_LIAISON, PEOPLE, World, a_person, a_world

RULES = MailRules(per_day=1, per_week=5, uncounted=frozenset({Importance.IMPORTANT}))
TWIN = replace(a_person("twin", (Role.EMPLOYEE, "research")), email=OTHER_LIAISON.email.upper())
NOWHERE = replace(a_person("nowhere", (Role.EMPLOYEE, "research")), email="")
LEFT = replace(a_person("left", (Role.EMPLOYEE, "research")), duties=())


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(*PEOPLE, TWIN, NOWHERE, LEFT, mail_rules=RULES) as world:
        yield world


def previewed(world: World, *named: str, reader: Person = EDITOR, importance: str = "routine") -> Preview:
    resource = Resource(
        department="marketing", drafter=LIAISON.id, classification="internal", audience=named or None
    )
    return world.parts.previews.of(reader, resource, Importance(importance))


def test_what_is_foreseen_is_what_becomes_of_it(world: World) -> None:
    """Clause 4.4.3: who gets it, who does not and why, counted as the mailing counts."""
    announced(world, audience=["list:leadership"]).deliver()
    world.plain_table.put(put_subscription(EDITOR.id, announcements=False))
    world.plain_table.put(put_suppression(LIAISON.email, "complaint", world.now()))
    foreseen = previewed(world)
    text = announced(world)
    counts = text.deliver()["recipients"]
    assert foreseen.reached == counts["sent"] == 2
    assert foreseen.held_back == {"capped": 2, "suppressed": 1, "unreachable": 1, "unsubscribed": 1}
    assert counts == {"sent": 2, "suppressed": 2, "capped": 2, "refused": 1}
    assert sum(foreseen.by_department.values()) == foreseen.reached


def test_what_is_important_is_foreseen_to_reach_those_who_have_had_enough(world: World) -> None:
    announced(world, audience=["marketing"]).deliver()
    assert previewed(world, "marketing").held_back == {"capped": 3}
    assert previewed(world, "marketing", importance="important").by_department == {"marketing": 3}


def test_everybody_is_counted_in_one_department_and_under_one_address(world: World) -> None:
    found = previewed(world, "role:department_head", "role:liaison", "research")
    assert found.by_department == {"marketing": 2, "research": 1}
    assert found.reached == 3, "two who share a mailbox get one mail"
    assert previewed(world, "list:of-old").reached == 0


def test_names_are_for_the_center_and_few(world: World) -> None:
    """Clause 5.3.1: whoever may hand in sees numbers and collects no names."""
    names = previewed(world).names
    assert names is not None
    assert len(names) == NAMES
    assert {*names} < {person.name for person in (*PEOPLE, TWIN)}
    for other in (LIAISON, HEAD, EXECUTIVE):
        assert previewed(world, reader=other).names is None


def test_a_preview_takes_a_bounded_number_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """One query, one read for each hundred persons, three for each hundred who are meant; never beyond `MOST`."""
    aws = FaultyAws()
    with a_world(*PEOPLE, *staff(120 - len(PEOPLE)), aws=aws) as world:
        aws.begin()
        assert (previewed(world).reached, len(aws.calls)) == (120, 1 + 2 + 4)
        monkeypatch.setattr(audience, "MOST", 100)
        aws.begin()
        some = previewed(world)
        assert (some.reached, some.complete, len(aws.calls)) == (100, False, 1 + 1 + 3)
        assert all(call.startswith(("BatchGetItem", "Query")) for call in aws.calls), "nothing is written"


def told(html: str) -> str:
    return html[html.index("邮件会发给谁") :][:900]


def test_the_forms_preview_says_whom_the_mail_reaches_without_names(world: World) -> None:
    """Clause 4.4.3: seen by the drafter before it is handed in."""
    browser = Browser(world, LIAISON)
    shown = fill_in(world, browser, intent="preview", channels=["email"], declaration=[])
    assert "今天发出会有 6 人收到邮件。" in told(shown.html)
    assert "例如：" not in shown.html
    assert "因故不收 1" in told(shown.html)
    without = fill_in(world, browser, intent="preview", channels=["website"], declaration=[])
    assert "邮件会发给谁" not in without.html
    wrong = fill_in(world, browser, intent="preview", channels=["email"], classification="", declaration=[])
    assert (wrong.status, "邮件会发给谁" in wrong.html) == (422, False)


def test_a_reviewer_sees_whom_the_mail_reaches_while_deciding(world: World) -> None:
    """Clause 4.4.3: seen by those who approve it, with names for the center."""
    world.submit(channels=["email"], audience=["role:department_head"])
    world.cloud.settle()
    shown = Browser(world, EDITOR).post("/r", {"handle": world.links(EDITOR)[0]})
    assert "今天发出会有 1 人收到邮件。" in told(shown.html)
    assert f"例如：{HEAD.name}" in told(shown.html)
    assert "部门负责人" in shown.html, "the audience in words"
    world.decide(EDITOR)
    world.cloud.settle()
    headed = Browser(world, HEAD).post("/r", {"handle": world.links(HEAD)[0]})
    assert "今天发出会有 1 人收到邮件。" in told(headed.html)
    assert "例如：" not in headed.html


def test_the_form_offers_roles_and_lists_and_takes_them(world: World) -> None:
    """Clause 4.4.1: to whom it concerns."""
    browser = Browser(world, LIAISON)
    page = browser.get(NEW).page
    offered = [element.attributes["value"] for element in page.all("input", name="audience")]
    assert {"research", "role:department_head", "list:leadership"} <= {*offered}
    assert "role:employee" not in offered
    shown = fill_in(
        world, browser, reach="departments", audience=["research", "role:liaison", "list:leadership"]
    )
    submission = shown.path.rpartition("/")[2]
    assert world.record(submission)["audience"] == ["research", "role:liaison", "list:leadership"]
    assert "部门专人" in shown.html
    assert "管理层" in shown.html


ASKED = {
    "department": "marketing",
    "audience": ["research"],
    "classification": "internal",
    "importance": "routine",
}


def test_programs_foresee_it_too(world: World) -> None:
    """Clause 4.4.3: for whoever may hand in for the department, and for the center with names."""
    path = "/api/v1/audience-preview"
    mine = world.call("POST", path, ASKED, as_=LIAISON)
    assert (mine.status, mine.body["reached"], mine.body["names"]) == (200, 1, None)
    assert mine.body["by_department"] == [{"department": "research", "count": 1}]
    assert mine.body["held_back"] == [{"reason": "unsaid", "count": 1}], (
        "one person's reason is that person's"
    )
    seen = world.call("POST", path, ASKED, as_=EDITOR).body
    assert (seen["names"], seen["held_back"]) == (
        [OTHER_LIAISON.name],
        [{"reason": "unreachable", "count": 1}],
    )
    for nobody in (OTHER_LIAISON, EXECUTIVE, TWIN):
        assert world.call("POST", path, ASKED, as_=nobody).status == 403
    wrong = world.call("POST", path, ASKED | {"audience": ["nowhere", "role:employee"]}, as_=LIAISON)
    assert {error["pointer"]: error["code"] for error in wrong.body["errors"]} == {
        "/audience/0": "unknown_department",
        "/audience/1": "unknown_role",
    }
