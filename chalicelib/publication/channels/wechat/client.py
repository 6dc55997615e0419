"""The platform's calls over HTTP, each made once; what a no means is `policy.py`'s.

Two calls publish: `submit` and `send_to_all`. Of these an answer that is lost leaves nobody knowing; of all others it
only means that they are made again. The access token stands in the address, so nothing here tells an address.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from urllib.parse import urlencode

from chalicelib.core.errors import ChannelBusy, DeliveryParked, DeliveryRefused, OutcomeUnknown
from chalicelib.core.fetching import FetchError, NotSentError, asked
from chalicelib.core.ids import new_secret
from chalicelib.publication.channels.wechat.policy import (
    BUSY_SYSTEM,
    POLICY,
    REASONS,
    UNKNOWN_MEDIA,
    UNKNOWN_REASON,
    Meaning,
)

BASE = "https://api.weixin.qq.com"
PAGE = 20
"""Articles that one call lists at most."""
_PATIENCE = 10.0
"""Seconds for connecting, and for each read."""
_MOST_BYTES = 4_000_000
"""Of an answer: a draft comes back with its whole content."""
_JSON = "application/json; charset=utf-8"


class Exchange(Protocol):
    """How a request gets to the platform: `chalicelib.core.fetching.asked`."""

    def __call__(
        self,
        url: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
        patience: float,
        most_bytes: int,
        any_status: bool,
    ) -> dict[str, Any]:
        """The JSON object of the answer. Raises NotSentError or FetchError."""
        ...


class Tokens(Protocol):
    """Where the access token is kept."""

    def present(self) -> str:
        """A token to call with. Raises ChannelBusy when none can be had just now."""

    def renewed(self, refused: str) -> str:
        """Another token than the one that was refused. Raises ChannelBusy when none can be had just now."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A token, and for how many seconds it counts."""

    token: str = field(repr=False)
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A publication that the platform has taken on. `msg_data_id` is what its figures are kept under."""

    publish_id: str
    msg_data_id: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """What has become of a publication. `status` is the platform's own number."""

    status: int
    article_id: str = ""
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An article on the account: what it is known by, and where its parts lead and are read."""

    article_id: str
    sources: tuple[str, ...]
    urls: tuple[str, ...]


class Refused(Exception):
    """An answer that says no; `document` is all of it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.code = int(document["errcode"])
        super().__init__(self.code)
        self.document = document

    @property
    def meaning(self) -> Meaning | None:
        """What follows from it; None for a code that nobody has thought of."""
        return POLICY.get(self.code)

    def for_us(self) -> ChannelBusy | DeliveryParked | DeliveryRefused:
        """The same as the channel says it: nothing has happened, for certain."""
        facts = {"errcode": self.code}
        match self.meaning:
            case Meaning.RENEW:
                return ChannelBusy(reason="wechat_token", facts=facts)
            case Meaning.BUSY:
                return ChannelBusy(reason="wechat_busy", facts=facts)
            case Meaning.CONTENT:
                return DeliveryRefused(REASONS[self.code], facts)
        return DeliveryParked(REASONS.get(self.code, UNKNOWN_REASON), facts)


@dataclass(frozen=True, kw_only=True)
class WeChatApi:
    """What needs no token: asking for one."""

    app_id: str
    secret: str = field(repr=False)
    base: str = BASE
    exchange: Exchange = asked

    def grant(self, *, force: bool) -> Grant:
        """A token of the account's: the present one as long as it counts, or with `force` another at once.

        Raises ChannelBusy, and DeliveryParked where the account's secret or our address is refused.
        """
        document = {
            "grant_type": "client_credential",
            "appid": self.app_id,
            "secret": self.secret,
            "force_refresh": force,
        }
        try:
            said = self.call("/cgi-bin/stable_token", "", _raw(document), _JSON)
        except FetchError as error:
            raise ChannelBusy(reason="wechat_unreachable") from error
        except Refused as refused:
            if refused.meaning is Meaning.RENEW:  # where there is no token yet it is the secret that is wrong
                raise DeliveryParked(reason="wechat_secret", facts={"errcode": refused.code}) from None
            raise refused.for_us() from None
        return Grant(token=str(said["access_token"]), seconds=int(said["expires_in"]))

    def call(self, path: str, query: str, body: bytes, kind: str) -> dict[str, Any]:
        """Make one call. Raises FetchError, and Refused for every answer that says no."""
        said = self.exchange(
            f"{self.base}{path}{query}",
            body=body,
            headers={"Accept": "application/json", "Content-Type": kind},
            patience=_PATIENCE,
            most_bytes=_MOST_BYTES,
            any_status=True,
        )
        if said.get("errcode", 0):
            raise Refused(said)
        return said


@dataclass(frozen=True, kw_only=True)
class WeChatClient:
    """The calls that need a token.

    Raises ChannelBusy, DeliveryRefused and DeliveryParked: then nothing has happened. Calls that publish raise
    OutcomeUnknown beside these.
    """

    api: WeChatApi
    tokens: Tokens

    def upload_picture(self, name: str, content: bytes) -> str:
        """Put a picture where articles may show it from; answers its address."""
        return str(self._upload("/cgi-bin/media/uploadimg", {}, name, content)["url"])

    def add_cover(self, name: str, content: bytes) -> str:
        """Put a picture among the account's materials for good; answers its media id."""
        said = self._upload("/cgi-bin/material/add_material", {"type": "image"}, name, content)
        return str(said["media_id"])

    def add_draft(self, article: Mapping[str, Any]) -> str:
        """Make a draft of one article; answers its media id. Nobody but the account's people sees it."""
        return str(self._ask("/cgi-bin/draft/add", {"articles": [dict(article)]})["media_id"])

    def has_draft(self, media_id: str) -> bool:
        """Whether the draft is still in the draft box."""
        try:
            self._ask_raw("/cgi-bin/draft/get", {"media_id": media_id})
        except Refused as refused:
            if refused.code == UNKNOWN_MEDIA:
                return False
            raise refused.for_us() from None
        return True

    def submit(self, media_id: str) -> Accepted:
        """Have a draft published. This call is never made a second time here, whatever comes of it."""
        said = self._once("/cgi-bin/freepublish/submit", {"media_id": media_id})
        return Accepted(publish_id=str(said["publish_id"]), msg_data_id=str(said.get("msg_data_id", "")))

    def job(self, publish_id: str) -> Job:
        """What has become of a publication."""
        said = self._ask("/cgi-bin/freepublish/get", {"publish_id": publish_id})
        items = said.get("article_detail", {}).get("item", [])
        return Job(
            status=int(said["publish_status"]),
            article_id=str(said.get("article_id", "")),
            urls=tuple(str(item["article_url"]) for item in items),
        )

    def articles(self, offset: int) -> Sequence[Listed]:
        """So many published articles as one call lists, the newest first, after as many others."""
        said = self._ask("/cgi-bin/freepublish/batchget", {"offset": offset, "count": PAGE, "no_content": 1})
        return [
            Listed(
                article_id=str(item["article_id"]),
                sources=tuple(str(each.get("content_source_url", "")) for each in _news(item)),
                urls=tuple(str(each.get("url", "")) for each in _news(item)),
            )
            for item in said.get("item", [])
        ]

    def remove(self, article_id: str) -> None:
        """Take an article off the account, for good."""
        self._ask("/cgi-bin/freepublish/delete", {"article_id": article_id, "index": 0})

    def send_to_all(self, media_id: str, known_as: str) -> tuple[str, str]:
        """Send an article to every follower; answers msg id and msg data id.

        Under the same name it is sent once in 24 hours, however often this is called: a repeat answers the first's id.
        The call is never made a second time here.
        """
        document = {
            "filter": {"is_to_all": True},
            "mpnews": {"media_id": media_id},
            "msgtype": "mpnews",
            "send_ignore_reprint": 0,
            "clientmsgid": known_as,
        }
        said = self._once("/cgi-bin/message/mass/sendall", document)
        return str(said["msg_id"]), str(said.get("msg_data_id", ""))

    def sending(self, msg_id: str) -> str:
        """What has become of a message to every follower, in the platform's word."""
        return str(self._ask("/cgi-bin/message/mass/get", {"msg_id": msg_id})["msg_status"])

    def quota(self, path: str) -> dict[str, int]:
        """How often a call may be made in a day, was, and still may be: `daily_limit`, `used`, `remain`."""
        quota = self._ask("/cgi-bin/openapi/quota/get", {"cgi_path": path})["quota"]
        return {name: int(quota[name]) for name in ("daily_limit", "used", "remain")}

    def figures(self, day: date) -> Sequence[Mapping[str, Any]]:
        """The figures of what was published on a day of the platform's, in the platform's own words."""
        said = self._ask(
            "/datacube/getarticletotaldetail", {"begin_date": day.isoformat(), "end_date": day.isoformat()}
        )
        return list(said.get("list", []))

    def _upload(self, path: str, query: Mapping[str, str], name: str, content: bytes) -> dict[str, Any]:
        boundary = new_secret()
        kind = "image/png" if name.endswith(".png") else "image/jpeg"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="{name}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        )
        body = b"".join((head.encode(), content, f"\r\n--{boundary}--\r\n".encode()))
        try:
            return self._with_token(path, query, body, f"multipart/form-data; boundary={boundary}")
        except Refused as refused:
            raise refused.for_us() from None

    def _ask(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._ask_raw(path, document)
        except Refused as refused:
            raise refused.for_us() from None

    def _ask_raw(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        return self._with_token(path, {}, _raw(document), _JSON)

    def _with_token(self, path: str, query: Mapping[str, str], body: bytes, kind: str) -> dict[str, Any]:
        """A call that may be made again: with a new token, if the first was refused."""
        token = self.tokens.present()
        try:
            return self._called(path, {"access_token": token, **query}, body, kind)
        except Refused as refused:
            if refused.meaning is not Meaning.RENEW:
                raise
        return self._called(path, {"access_token": self.tokens.renewed(token), **query}, body, kind)

    def _called(self, path: str, query: Mapping[str, str], body: bytes, kind: str) -> dict[str, Any]:
        try:
            return self.api.call(path, f"?{urlencode(query)}", body, kind)
        except FetchError as error:
            raise ChannelBusy(reason="wechat_unreachable") from error

    def _once(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """A call that publishes. Only an answer, or no connection at all, says what has become of it.

        A refused token is made anew for the next time: that nothing has happened is certain, and who calls comes again.
        """
        token = self.tokens.present()
        query = urlencode({"access_token": token})
        try:
            return self.api.call(path, f"?{query}", _raw(document), _JSON)
        except NotSentError as error:
            raise ChannelBusy(reason="wechat_unreachable") from error
        except FetchError as error:
            raise OutcomeUnknown from error
        except Refused as refused:
            if refused.meaning is Meaning.ALREADY:
                return dict(refused.document)
            if refused.code == BUSY_SYSTEM:
                raise OutcomeUnknown from None
            if refused.meaning is Meaning.RENEW:
                self.tokens.renewed(token)
            raise refused.for_us() from None


def _raw(document: Mapping[str, Any]) -> bytes:
    """JSON with every character as itself: the platform shows escapes as they are written."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _news(item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return list(item.get("content", {}).get("news_item", []))
