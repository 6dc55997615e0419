"""What departments' systems sent in vain, with a browser (clauses 3.1.1, 5.3.1)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.core import messages
from chalicelib.core.listing import PAGE
from chalicelib.people.model import Person, Role
from tests.browsing import Browser, Shown
from tests.senders import System, refused_requests_of
from tests.submission.test_refused_requests import CONFIDENTIAL, DIRECTOR
from tests.world import (
    ARCHIVIST,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    OTHER_LIAISON,
    PEOPLE,
    World,
    a_person,
    a_world,
)
from tests.xss import VECTORS, harm_in, skeleton

LIST = "/refused-requests"
FORMER = a_person("former", (Role.EMPLOYEE, "marketing"))
ELSEWHERE = a_person("elsewhere", (Role.CENTER_EDITOR, "sales"))
STRANGERS = (HEAD, EXECUTIVE, ARCHIVIST, FORMER, ELSEWHERE)


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(
        *PEOPLE, DIRECTOR, FORMER, ELSEWHERE, departments=("marketing", "research", "sales")
    ) as world:
        world.cloud.pumps._streams.clear()
        yield world


def refuse(world: World, **changes: Any) -> str:  # noqa: ANN401 — as in a_form
    """Send marketing's letter, which is refused; answers the refused request's id."""
    before = set(refused_requests_of(world))
    System(world=world).send(**changes)
    world.cloud.settle()
    (request,) = set(refused_requests_of(world)) - before
    return request


def text_of(shown: Shown) -> str:
    (main,) = shown.page.all("main")
    return main.text


def rows_of(shown: Shown) -> list[str]:
    """The ids that the list leads to."""
    links = [link.attributes["href"] for link in shown.page.all("a")]
    return [link.removeprefix(f"{LIST}/") for link in links if link.startswith(f"{LIST}/")]


def leads_there(shown: Shown) -> bool:
    (nav,) = shown.page.all("nav", aria_label="主导航")
    return bool(nav.all("a", href=LIST))


def test_a_refused_request_says_every_wrong_field_where_it_stands_and_what_to_do(world: World) -> None:
    """Clause 3.1.1."""
    request = refuse(world, title="", publish_at="soon")
    for person in (LIAISON, EDITOR, DIRECTOR):
        shown = Browser(world, person).get(f"{LIST}/{request}")
        assert shown.status == 200
        assert {"/title", "/publish_at"} <= {code.text for code in shown.page.all("code")}
        assert messages.text("field.too_short", "zh-Hans", {"limit": 1})[:2] in text_of(shown)
        assert "请部门更正上述各项后重新发送" in text_of(shown)
        assert "imprimatur queue redrive" not in text_of(shown)
        (content,) = shown.page.all("pre")
        assert json.loads(content.text)["publish_at"] == "soon"


@pytest.mark.parametrize("drafter", [HEAD.id, "p-aaaaaaaaaaaaaaaaaaaa"])
def test_where_the_roster_may_be_the_cause_the_command_that_sends_it_back_is_shown(
    world: World, drafter: str
) -> None:
    message = System(world=world).send(drafter=drafter)
    world.cloud.settle()
    (request,) = refused_requests_of(world)
    shown = Browser(world, LIAISON).get(f"{LIST}/{request}")
    command, _content = shown.page.all("pre")
    assert command.text == f"imprimatur queue redrive marketing --message {message}"
    world.parts.refused_requests.redriven(request)
    again = Browser(world, LIAISON).get(f"{LIST}/{request}")
    assert "已送回重新受理" in text_of(again)
    assert "imprimatur queue redrive" not in text_of(again)


def test_a_letter_that_is_wrong_beyond_the_roster_is_never_to_be_sent_back(world: World) -> None:
    request = refuse(world, drafter="p-aaaaaaaaaaaaaaaaaaaa", title="")
    assert "imprimatur queue redrive" not in text_of(Browser(world, LIAISON).get(f"{LIST}/{request}"))


def test_strangers_find_neither_list_nor_request_and_nothing_leads_there(world: World) -> None:
    """Clause 5.3.1."""
    request = refuse(world, title="")
    for person in STRANGERS:
        browser = Browser(world, person)
        assert browser.get(LIST).status == 404, person
        assert browser.get(f"{LIST}/{request}").status == 404, person
        assert not leads_there(browser.get("/")), person
    for person in (LIAISON, EDITOR, DIRECTOR):
        assert leads_there(Browser(world, person).get("/")), person
        assert rows_of(Browser(world, person).get(LIST)) == [request]


def test_a_liaison_of_another_department_sees_ones_own_only(world: World) -> None:
    """Clause 5.3.1."""
    request = refuse(world, title="")
    browser = Browser(world, OTHER_LIAISON)
    for path in (LIST, f"{LIST}?department=marketing"):
        assert browser.get(path).status == 200
        assert rows_of(browser.get(path)) == []
    assert browser.get(f"{LIST}/{request}").status == 404
    assert browser.get(f"{LIST}/f-1").status == 404


@pytest.mark.parametrize("path", [LIST, f"{LIST}/f-aaaaaaaaaaaaaaaaaaaa"])
def test_who_is_not_signed_in_is_asked_to(world: World, path: str) -> None:
    assert Browser(world).get(path).path == "/sign-in"


def test_an_editor_sees_why_but_neither_title_nor_content_of_a_confidential_text(world: World) -> None:
    """Clause 5.3.1."""
    request = refuse(world, **CONFIDENTIAL, drafter=HEAD.id)
    for path in (LIST, f"{LIST}/{request}"):
        assert "并购方案" not in Browser(world, EDITOR).get(path).html
        assert HEAD.name not in text_of(Browser(world, EDITOR).get(path))
        assert "标题不对您显示" in text_of(Browser(world, EDITOR).get(path))
        assert "并购方案" in text_of(Browser(world, DIRECTOR).get(path))
    assert "imprimatur queue redrive" in text_of(Browser(world, EDITOR).get(f"{LIST}/{request}"))


@pytest.mark.parametrize("person", [EDITOR, DIRECTOR, LIAISON])
def test_the_page_names_a_drafter_exactly_to_whom_the_api_does(world: World, person: Person) -> None:
    """Clause 5.3.1."""
    request = refuse(world, **CONFIDENTIAL, drafter=HEAD.id)
    told = world.call("GET", f"/api/v1{LIST}/{request}", as_=person).body["drafter"]
    assert told == (None if person is EDITOR else HEAD.id)
    page = text_of(Browser(world, person).get(f"{LIST}/{request}"))
    assert (HEAD.name in page) == (HEAD.id in page) == (told is not None)


def test_the_list_is_newest_first_page_by_page_and_by_department(world: World) -> None:
    empty = Browser(world, DIRECTOR).get(LIST)
    assert "没有未予受理的申请" in text_of(empty)
    for number in range(PAGE + 3):
        System(world=world).send(body=f"第 {number} 条")
    System(world=world, department="research").send(body="研究")
    world.cloud.settle()
    browser = Browser(world, DIRECTOR)
    first = browser.get(f"{LIST}?department=marketing")
    (older,) = first.page.all("a", rel="next")
    second = browser.get(older.attributes["href"])
    both = [*rows_of(first), *rows_of(second)]
    assert len(rows_of(first)) == PAGE
    assert len(set(both)) == len(both) == PAGE + 3
    assert not second.page.all("a", rel="next")
    (chosen,) = second.page.all("option", value="marketing", selected="")
    assert chosen.text
    assert len(rows_of(browser.get(f"{LIST}?department=research"))) == 1
    assert browser.get(f"{LIST}?department=No!").status == 422
    assert browser.get(f"{LIST}?cursor=x").status == 400


def test_each_reader_gets_it_in_ones_own_language_and_at_once_in_a_chosen_one(world: World) -> None:
    request = refuse(world, title="")
    for language, why in [
        ("zh-CN", "为何未予受理"),
        ("zh-TW", "為何未予受理"),
        ("en", "Why it was not taken in"),
    ]:
        shown = Browser(world, LIAISON, language=language).get(f"{LIST}/{request}")
        assert why in text_of(shown)
    chosen = Browser(world, LIAISON).get(f"{LIST}/{request}?language=en")
    problem = world.parts.refused_requests.read(LIAISON, request).request.problem
    told = problem.document("en", "")
    assert told["title"] in {each.text for each in chosen.page.all("p")}
    assert any(told["errors"][0]["message"] in each.text for each in chosen.page.all("li"))


def test_whatever_a_system_sends_stays_text(world: World) -> None:
    plain = Browser(world, LIAISON).get(
        f"{LIST}/{refuse(world, title='普通', wild='普通', drafter=LIAISON.id)}"
    )
    structure = skeleton(plain.page)
    for vector in VECTORS[::4]:
        System(world=world).send(
            title=vector[:100],
            drafter=LIAISON.id,
            wild=vector,
            attributes={"idempotency_key": "k<b>'\"&"},
        )
        System(world=world).send(body=f"{vector}\n</pre><script>alert(1)</script>")
    before = set(refused_requests_of(world))
    world.cloud.settle()
    wild = set(refused_requests_of(world)) - before
    assert len(wild) >= 2 * len(VECTORS[::4]) - len(VECTORS[::4])
    for request in wild:
        shown = Browser(world, LIAISON).get(f"{LIST}/{request}")
        assert harm_in(shown.page) == [], request
    assert harm_in(Browser(world, LIAISON).get(LIST).page) == []
    named = refuse(world, **{"title": VECTORS[0], "drafter": LIAISON.id, VECTORS[0]: VECTORS[1]})
    shown = Browser(world, LIAISON).get(f"{LIST}/{named}")
    assert harm_in(shown.page) == []
    assert skeleton(shown.page) == structure
    assert VECTORS[0] in text_of(shown)
