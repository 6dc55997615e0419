"""The notice board as a channel (clause 4.3.1): what hangs, what screens are told, and what is kept of it."""

import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from chalicelib.ledger.model import chain_faults
from chalicelib.publication.channels.notice_board.board import POSTER, SLIDE
from chalicelib.publication.channels.notice_board.screens import FOLDER, PLAYLIST, player
from chalicelib.publication.model import Item, Retraction
from chalicelib.publication.store import deliveries_of, put_board_item
from chalicelib.submission.model import Channel
from chalicelib.submission.store import read_revision, revision_key
from tests.browsing import Browser, Shown
from tests.publication.test_board import DAY
from tests.publication.test_board import an_item as a_board_item
from tests.world import EDITOR, LIAISON, OTHER_LIAISON, World, a_world

DISPLAY = "/api/v1/submissions/{}/deliveries/notice_board/display"
BOARD = {"channels": ["notice_board"], "title": "食堂春季菜单", "body": "每周一更新。"}


def read(world: World, name: str) -> bytes:
    found = world.plain_s3.get_object(Bucket=world.parts.settings.site_bucket, Key=f"{FOLDER}/{name}")
    return found["Body"].read()


def the_playlist(world: World) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read(world, PLAYLIST))
    return document


def text_of(shown: Shown) -> str:
    """What the page says: its markup taken away, and its lines joined."""
    return " ".join(re.sub(r"<[^>]+>", "", shown.html).split())


def an_item(world: World, submission: str) -> Item:
    """A published submission as its channel is handed it."""
    head = world.plain_journal.head(submission)
    record = world.plain_table.get(revision_key(submission, head.revision))
    assert record is not None
    (delivery,) = (
        each
        for each in deliveries_of(world.plain_table, submission, head.revision)
        if each.channel is Channel.NOTICE_BOARD
    )
    return Item(head=head, revision=read_revision(record), delivery=delivery)


def test_what_is_approved_hangs_and_is_played_and_kept() -> None:
    with a_world() as world:
        submission = world.publish(**BOARD)
        assert world.state(submission) == "archived"
        (delivered,) = (each.payload for each in world.events(submission, "Delivered"))
        receipt = delivered["receipt"]
        poster, slide = (read(world, f"{submission}/1/{name}") for name in (POSTER, SLIDE))
        assert receipt["files"] == {
            POSTER: hashlib.sha256(poster).hexdigest(),
            SLIDE: hashlib.sha256(slide).hexdigest(),
        }
        assert (receipt["sheets"], receipt["paper"]) == (1, "a3")
        assert "食堂春季菜单" in PdfReader(BytesIO(poster)).pages[0].extract_text()
        (played,) = the_playlist(world)["items"]
        assert (played["id"], played["revision"]) == (submission, 1)
        assert played["sha256"] == hashlib.sha256(read(world, played["url"])).hexdigest()
        assert (played["start"], played["end"]) == (receipt["shown_from"], receipt["shown_until"])
        assert {name: read(world, name) for name in player()} == player()

        channel, item = world.parts.notice_board, an_item(world, submission)
        assert channel.rendered(item) == {f"notice_board/{POSTER}": poster, f"notice_board/{SLIDE}": slide}
        with world.later(days=2):
            assert channel.effect(item) == {"hours_shown": 48, "confirmations": 0}

        retraction = Retraction(at=world.now(), reason="有误")
        assert channel.retract(item, retraction).left == ("printed_poster",)
        assert the_playlist(world)["items"] == []
        with pytest.raises(world.plain_s3.exceptions.NoSuchKey):
            read(world, f"{submission}/1/{POSTER}")
        channel.deliver(item)  # a run that had broken off before
        assert the_playlist(world)["items"] == []


def test_delivering_again_ends_the_same() -> None:
    with a_world() as world:
        submission = world.publish(**BOARD)
        before = read(world, f"{submission}/1/{POSTER}"), the_playlist(world)["items"]
        channel, item = world.parts.notice_board, an_item(world, submission)
        assert channel.prepare(item) == item.facts
        assert channel.deliver(item).receipt == item.delivery.receipt
        assert (read(world, f"{submission}/1/{POSTER}"), the_playlist(world)["items"]) == before


def test_correction_takes_the_place_of_what_it_corrects_and_its_days_go_on() -> None:
    with a_world() as world:
        submission = world.publish(**BOARD)
        (before,) = the_playlist(world)["items"]
        channel, item = world.parts.notice_board, an_item(world, submission)
        later = replace(item.delivery, revision=2, started_at=world.now() + 3 * DAY, facts=None)
        facts = channel.prepare(replace(item, delivery=later))
        channel.deliver(replace(item, delivery=replace(later, facts=facts)))
        (after,) = the_playlist(world)["items"]
        assert (after["revision"], after["sha256"]) == (2, facts["files"][SLIDE])
        assert (after["start"], after["end"]) == (before["start"], before["end"])
        with pytest.raises(world.plain_s3.exceptions.NoSuchKey):
            read(world, before["url"])


def test_playlist_is_written_again_only_for_something() -> None:
    with a_world() as world:
        world.publish(**BOARD)
        screens = world.parts.screens
        assert not screens.refresh()
        with world.later(days=4):
            assert screens.refresh()  # or screens would soon believe it no more
            assert not screens.refresh()
        with world.later(days=15):
            assert screens.refresh()
            assert the_playlist(world)["items"] == []


def test_a_person_of_the_center_says_that_the_paper_hangs() -> None:
    """Clause 4.3.4: a display check by a person, in the chain and on the record."""
    with a_world() as world:
        submission = world.publish(**BOARD)
        path, page = DISPLAY.format(submission), f"/submissions/{submission}"
        assert world.call("POST", path, {"revision": 1}, as_=LIAISON).status == 403
        assert world.call("POST", path, {"revision": 1}, as_=OTHER_LIAISON).status == 404
        other = world.call("POST", path, {"revision": 2}, as_=EDITOR)
        assert (other.status, other.body["code"]) == (409, "other_sheet")

        browser = Browser(world, EDITOR)
        shown = browser.submit(browser.get(page), f"{page}/display")
        assert f"{EDITOR.name} 于" in text_of(shown)
        assert not shown.page.all("form", action=f"{page}/display")
        again = world.call("POST", path, {"revision": 1}, as_=EDITOR)
        assert again.body["confirmed"] == [EDITOR.id]
        (confirmed,) = world.events(submission, "DisplayConfirmed")
        assert (confirmed.actor, confirmed.payload["revision"]) == (EDITOR.id, 1)
        assert chain_faults(world.events(submission)) == []
        (delivery,) = world.record(submission)["deliveries"]
        assert [each["by"] for each in delivery["receipt"]["confirmed"]] == [EDITOR.id]
        assert world.parts.notice_board.effect(an_item(world, submission))["confirmations"] == 1

        with world.later(days=15):
            gone = world.call("POST", path, {"revision": 1}, as_=EDITOR)
            assert (gone.status, gone.body["code"]) == (409, "not_on_the_board")


def test_form_tells_that_the_department_has_no_place_left_and_from_when_on_it_has() -> None:
    """Clause 4.3.3: shown to whoever chooses the channel."""
    with a_world() as world:
        now = world.now()
        for number in (1, 2, 3):
            world.plain_table.put(put_board_item(a_board_item(number, since=now - number * DAY)))
        told = "3 个位置已满，现在提交的内容最早"
        shown = text_of(Browser(world, LIAISON).get("/submissions/new"))
        assert told in shown
        assert (now + 11 * DAY).astimezone(world.parts.settings.center_zone).strftime(
            "%Y-%m-%d %H:%M"
        ) in shown
        assert told not in text_of(Browser(world, OTHER_LIAISON).get("/submissions/new"))


def test_sweeper_tells_screens_what_has_left_the_board() -> None:
    with a_world() as world:
        world.publish(**BOARD)
        world.passed += timedelta(days=15)
        world.sweep()
        assert the_playlist(world)["items"] == []


@pytest.mark.parametrize(
    ("changes", "reason", "figures"),
    [
        ({"title": "节日快乐🎉"}, "characters_missing", {"characters": "🎉"}),
        ({"body": "春季菜单。" * 2500}, "too_long", {"most": 4}),
    ],
)
def test_what_cannot_be_shown_whole_is_refused_with_what_is_wrong(
    changes: dict[str, str], reason: str, figures: dict[str, Any]
) -> None:
    with a_world() as world:
        submission = world.publish(**{**BOARD, **changes})
        (failed,) = (each.payload for each in world.events(submission, "DeliveryFailed"))
        assert failed["reason"] == reason
        assert figures.items() <= failed["receipt"].items()
