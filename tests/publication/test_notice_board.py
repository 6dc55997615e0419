"""The notice board as a channel (clause 4.3): what hangs, what screens are told, and what is kept of it."""

import hashlib
import json
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from chalicelib.publication.channels.notice_board.board import POSTER, SLIDE
from chalicelib.publication.channels.notice_board.screens import FOLDER, PLAYLIST, player
from chalicelib.publication.model import Item
from chalicelib.publication.store import deliveries_of
from chalicelib.submission.model import Channel
from chalicelib.submission.store import read_revision, revision_key
from tests.world import World, a_world

BOARD = {"channels": ["notice_board"], "title": "食堂春季菜单", "body": "每周一更新。"}


def read(world: World, name: str) -> bytes:
    found = world.plain_s3.get_object(Bucket=world.parts.settings.site_bucket, Key=f"{FOLDER}/{name}")
    return found["Body"].read()


def the_playlist(world: World) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read(world, PLAYLIST))
    return document


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

        assert channel.retract(item, "有误").left == ("printed_poster",)
        assert the_playlist(world)["items"] == []


def test_delivering_again_ends_the_same() -> None:
    with a_world() as world:
        submission = world.publish(**BOARD)
        before = read(world, f"{submission}/1/{POSTER}"), the_playlist(world)["items"]
        channel, item = world.parts.notice_board, an_item(world, submission)
        assert channel.prepare(item) == item.facts
        assert channel.deliver(item).receipt == item.delivery.receipt
        assert (read(world, f"{submission}/1/{POSTER}"), the_playlist(world)["items"]) == before


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
