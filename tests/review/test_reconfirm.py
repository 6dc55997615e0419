"""Confirming again in one step what was approved before, where the procedure lets so little pass."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.clock import to_second_text
from tests.browsing import Browser
from tests.world import EDITOR, EXECUTIVE, HEAD, PEOPLE, World, a_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE) as world:
        yield world


def returned_by_the_executive(world: World, **changes: Any) -> None:  # noqa: ANN401 — fields of a form
    """A request that the head has approved comes back to the head, changed in some fields."""
    submission = world.submit()
    world.approve("initial", "department_head")
    world.cloud.settle()
    assert world.decide(EXECUTIVE, "request_changes").status == 200
    assert world.resubmit(submission, **changes).status == 201
    world.approve("initial")
    world.cloud.settle()


def a_day_later(world: World) -> str:
    return to_second_text(world.now() + timedelta(days=1)).replace("Z", "+00:00")


def test_where_only_the_time_has_changed_the_opinion_is_filled_in_and_is_another_opinion(
    world: World,
) -> None:
    """Clause 3.3.4: rounds kept; an approval never carries over by itself."""
    returned_by_the_executive(world, publish_at=a_day_later(world))
    shown = Browser(world, HEAD).post("/r", {"handle": world.links(HEAD)[0]})
    form = shown.form("/r/decision")
    assert form["decision"] == ["approve"]
    assert {form[name][0] for name in form if name.startswith("item-")} == {"yes"}
    assert "您已通过第 1 版" in shown.page.text
    seen = world.open_link(world.links(HEAD)[0], HEAD).body
    assert (seen["confirmed"]["reviewer"], seen["confirmed"]["decision"]) == (HEAD.id, "approve")
    done = Browser(world, HEAD).submit(shown, "/r/decision")
    assert "审核意见已记录" in done.page.text
    submission = seen["submission"]["id"]
    digests = [e.payload["content_digest"] for e in world.events(submission, "Decided") if e.actor == HEAD.id]
    assert len(set(digests)) == 2


def test_where_more_has_changed_or_the_stage_lets_nothing_pass_the_form_is_empty(world: World) -> None:
    """Clause 3.3.2: the content is looked at anew."""
    returned_by_the_executive(
        world, publish_at=a_day_later(world), summary="摘要改过了，请重新核对全部内容。"
    )
    shown = Browser(world, HEAD).post("/r", {"handle": world.links(HEAD)[0]})
    assert "decision" not in shown.form("/r/decision")
    assert world.open_link(world.links(HEAD)[0], HEAD).body["confirmed"] is None
    of_the_editor = Browser(world, EDITOR).post("/r", {"handle": world.links(EDITOR)[0]})
    assert "您已通过第 1 版" not in of_the_editor.page.text
