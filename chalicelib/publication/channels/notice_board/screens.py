"""What screens play, in the site's bucket: slides that never change, the playlist, and the page that plays it.

Everything lies in the internal part: the boards hang inside the company, whatever is on them.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from jinja2 import Environment, StrictUndefined

from chalicelib.core.clock import Now, from_text
from chalicelib.core.errors import Stale
from chalicelib.publication.channels.notice_board.board import (
    POSTER,
    SLIDE,
    BoardItem,
    BoardRules,
    playlist,
)
from chalicelib.publication.channels.website.entry import INTERNAL
from chalicelib.publication.channels.website.sections import the_plan
from chalicelib.publication.channels.website.site import LOST, TRIES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

FOLDER = f"{INTERNAL}/board"
PLAYLIST = "playlist.json"
PAGE = "index.html"
PLAYER = ("player.js", "plan.js", "worker.js", "player.css")
"""What the page that plays it needs (`player/`). Screens ask for all of it again at every start."""
CONTENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "html": "text/html; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "json": "application/json; charset=utf-8",
        "pdf": "application/pdf",
        "png": "image/png",
    }
)
_FOREVER, _ANEW = "private, max-age=31536000, immutable", "private, no-cache"
_HERE = Path(__file__).with_name("player")


@dataclass(frozen=True, kw_only=True)
class Screens:
    """The board in the site's bucket. `items` lists what hangs or has hung there, strongly consistent."""

    s3: "Callable[[], S3Client]"
    bucket: str
    items: Callable[[], Sequence[BoardItem]]
    rules: BoardRules
    now: Now

    def keep(self, submission: str, revision: int, name: str, made: bytes) -> bytes:
        """Write a poster or slide once, and answer what is there: the first that was made stays."""
        request = self._request(f"{submission}/{revision}/{name}", made, _FOREVER)
        request["IfNoneMatch"] = "*"
        for _ in range(TRIES):
            lost = self._put(request)
            if lost is None:
                return made
            if lost == "PreconditionFailed":
                return self.read(submission, revision, name)
        raise Stale(key=request["Key"])

    def read(self, submission: str, revision: int, name: str) -> bytes:
        """A poster or slide as it was written, byte for byte."""
        key = f"{FOLDER}/{submission}/{revision}/{name}"
        return self.s3().get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def poster_and_slide(self, submission: str, revision: int) -> dict[str, bytes]:
        """Both, by name."""
        return {name: self.read(submission, revision, name) for name in (POSTER, SLIDE)}

    def remove(self, submission: str, revision: int) -> None:
        """Take away poster and slide; what has gone already is gone."""
        for name in (POSTER, SLIDE):
            self.s3().delete_object(Bucket=self.bucket, Key=f"{FOLDER}/{submission}/{revision}/{name}")

    def refresh_if_any(self) -> bool:
        """As `refresh`, but that nothing is asked for where nothing has ever hung."""
        return bool(self.items()) and self.refresh()

    def refresh(self) -> bool:
        """Bring the playlist up to date and answer whether it had to be written. Raises Stale in too great a crowd.

        It is written when what it lists has changed, or half the time is over for which screens believe it; the
        page beside it whenever it is another than it was.
        """
        for _ in range(TRIES):
            seen = self._head()
            now = self.now()
            document = playlist(self.items(), self.rules, now)
            listed = hashlib.sha256(json.dumps(document["items"]).encode()).hexdigest()
            if seen is not None and seen["listed"] == listed and seen["player"] == _player_digest():
                believed = from_text(seen["valid-until"]) - now
                if believed > self.rules.playlist / 2:
                    return False
            if seen is None or seen["player"] != _player_digest():
                self._write_player()
            request = self._request(PLAYLIST, _document(document), _ANEW)
            request["Metadata"] = {
                **request["Metadata"],
                "listed": listed,
                "player": _player_digest(),
                "valid-until": document["valid_until"],
            }
            if seen is None:
                request["IfNoneMatch"] = "*"
            else:
                request["IfMatch"] = seen["etag"]
            if self._put(request) not in LOST:
                return True
        raise Stale(key=PLAYLIST)

    def _write_player(self) -> None:
        for name, content in player().items():
            self._put(self._request(name, content, _ANEW))

    def _head(self) -> dict[str, str] | None:
        try:
            head = self.s3().head_object(Bucket=self.bucket, Key=f"{FOLDER}/{PLAYLIST}")
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return None
            raise
        return {"etag": head["ETag"], **head["Metadata"]}

    def _request(self, path: str, content: bytes, cache: str) -> "PutObjectRequestTypeDef":
        return {
            "Bucket": self.bucket,
            "Key": f"{FOLDER}/{path}",
            "Body": content,
            "ContentType": CONTENT_TYPES[path.rpartition(".")[2]],
            "CacheControl": cache,
            "Metadata": {"sha256": hashlib.sha256(content).hexdigest()},
        }

    def _put(self, request: "PutObjectRequestTypeDef") -> str | None:
        """Write; the answer is the code in `LOST` when the request's condition was not met."""
        try:
            self.s3().put_object(**request)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in LOST:
                raise
            return code
        return None


@cache
def player() -> dict[str, bytes]:
    """The files of the page that plays, by name."""
    files = {name: (_HERE / name).read_bytes() for name in PLAYER}
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        (_HERE / f"{PAGE}.jinja").read_text(encoding="utf-8")
    )
    page = template.render(name=the_plan().name, strapline=the_plan().strapline)
    return {**files, PAGE: (page + "\n").encode()}


@cache
def _player_digest() -> str:
    return hashlib.sha256(b"".join(player().values())).hexdigest()


def _document(document: Mapping[str, object]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
