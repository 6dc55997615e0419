"""Every kind of page is looked at: here for its language, in tests/browser for everything that a browser finds."""

import re
from collections.abc import Iterator

import pytest

from tests.browsing import Browser, Element
from tests.page_kinds import ENGLISH, Sight, a_desk_with_everything, kinds, routes
from tests.world import World, route_of

CHINESE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]+")
"""Han characters, and punctuation as wide as they are."""


@pytest.fixture(scope="module")
def desk() -> Iterator[tuple[World, list[Sight]]]:
    with a_desk_with_everything(ENGLISH) as desk:
        yield desk


def test_every_kind_of_page_and_every_route_of_one_can_be_seen(desk: tuple[World, list[Sight]]) -> None:
    _, sights = desk
    assert {sight.template for sight in sights} == kinds()
    assert {route_of(sight.path.partition("?")[0])[0] for sight in sights if sight.fields is None} == routes()
    assert len({sight.name for sight in sights}) == len(sights)


def test_a_page_is_in_the_language_just_chosen_and_in_no_other(desk: tuple[World, list[Sight]]) -> None:
    """Words of values, checklists and errors included; only what people wrote is as they wrote it."""
    world, sights = desk
    found = {}
    for sight in sights:
        path = f"{sight.path}{'&' if '?' in sight.path else '?'}language=en"
        shown = Browser(world, sight.person).send(
            "GET" if sight.fields is None else "POST", path, sight.fields
        )
        assert shown.status == sight.status, sight
        (page,) = shown.page.all("html", lang="en")
        found[sight.name] = sorted(set(chinese_in(page)))
    assert {name: texts for name, texts in found.items() if texts} == {}


def chinese_in(element: Element) -> Iterator[str]:
    """What is Chinese in texts and attributes, but for what says that it is."""
    if element.attributes.get("lang", "").startswith("zh"):
        return
    for text in (*element.parts, *element.attributes.values()):
        yield from CHINESE.findall(text)
    for child in element.children:
        yield from chinese_in(child)
