"""What screens are told, in its bucket: after runs that break off at any call, repeat, or race."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from chalicelib.core.errors import Stale
from chalicelib.publication.channels.notice_board.board import SLIDE, BoardItem
from chalicelib.publication.channels.notice_board.screens import FOLDER, PLAYLIST, Screens, player
from tests.publication.test_board import NOON, RULES, an_item
from tests.publication.website_builders import BUCKET, MemoryBucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class BreakingBucket(MemoryBucket):
    """The call at `breaks_at` takes effect, and then nobody hears of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.breaks_at: int | None = None

    def put_object(self, **request: Any) -> None:  # noqa: ANN401 — as S3's
        super().put_object(**request)
        self._break()

    def head_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803 — as S3's
        try:
            return super().head_object(Key=Key)
        finally:
            self._break()

    def _break(self) -> None:
        self.calls += 1
        if self.calls == self.breaks_at:
            raise ConnectionError


def some_screens(bucket: MemoryBucket, items: Callable[[], list[BoardItem]], now: datetime = NOON) -> Screens:
    return Screens(
        s3=lambda: cast("S3Client", bucket), bucket=BUCKET, items=items, rules=RULES, now=lambda: now
    )


def listed(bucket: MemoryBucket) -> list[str]:
    document = json.loads(bucket.bodies()[f"{FOLDER}/{PLAYLIST}"])
    return [each["id"] for each in document["items"]]


def test_broken_off_at_any_call_and_repeated_it_ends_the_same() -> None:
    whole = BreakingBucket()
    assert some_screens(whole, lambda: [an_item()]).refresh()
    for point in range(1, whole.calls + 1):
        bucket = BreakingBucket()
        bucket.breaks_at = point
        screens = some_screens(bucket, lambda: [an_item()])
        with pytest.raises(ConnectionError):
            screens.refresh()
        screens.refresh()
        assert bucket.bodies() == whole.bodies(), point


def test_whoever_publishes_at_once_is_in_the_playlist() -> None:
    bucket, recorded = MemoryBucket(), list[BoardItem]()

    def publish(number: int) -> None:
        recorded.append(an_item(number, department=f"d-{number}"))
        some_screens(bucket, lambda: list(recorded)).refresh()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish, range(12)))
    assert sorted(listed(bucket)) == sorted(item.submission for item in recorded)


def test_who_loses_every_race_is_told() -> None:
    bucket, recorded = MemoryBucket(), list[BoardItem]()

    def always() -> list[BoardItem]:
        recorded.append(an_item(len(recorded), department=f"d-{len(recorded)}"))
        some_screens(bucket, lambda: list(recorded)).refresh()
        return list(recorded)

    with pytest.raises(Stale):
        some_screens(bucket, always).refresh()


def test_a_new_design_of_the_page_comes_with_the_next_playlist() -> None:
    bucket = MemoryBucket()
    some_screens(bucket, lambda: [an_item()]).refresh()
    playlist = bucket.objects[f"{FOLDER}/{PLAYLIST}"]
    playlist["Metadata"] = {**playlist["Metadata"], "player": "another"}
    bucket.objects[f"{FOLDER}/player.js"]["Body"] = b"old"
    assert some_screens(bucket, lambda: [an_item()]).refresh()
    assert bucket.bodies()[f"{FOLDER}/player.js"] == player()["player.js"]


def test_browsers_learn_what_a_file_is_and_how_long_to_keep_it() -> None:
    bucket = MemoryBucket()
    screens = some_screens(bucket, lambda: [an_item()])
    screens.refresh()
    screens.keep("s-001", 1, SLIDE, b"png")
    kept = {key.removeprefix(f"{FOLDER}/"): each for key, each in bucket.objects.items()}
    assert kept[f"s-001/1/{SLIDE}"]["ContentType"] == "image/png"
    assert kept[f"s-001/1/{SLIDE}"]["CacheControl"] == "private, max-age=31536000, immutable"
    assert kept[PLAYLIST]["CacheControl"] == kept["index.html"]["CacheControl"] == "private, no-cache"
    assert kept["worker.js"]["ContentType"].startswith("text/javascript")


def test_page_that_plays_loads_nothing_from_elsewhere_and_is_small() -> None:
    files = player()
    assert b"default-src 'none'; script-src 'self'" in files["index.html"]
    assert not any(b"http:" in content or b"https:" in content for content in files.values())
    assert sum(map(len, files.values())) < 20_000
