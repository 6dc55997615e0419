"""Two partners on the laptop: each takes what is signed rightly, once, and shows it at `/_local/partners`."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from chalicelib.bootstrap import Parts
from chalicelib.core.clock import utc_now
from chalicelib.core.posting import post
from chalicelib.publication.channels.partners import Partner, PartnersChannel
from chalicelib.submission.model import Category, Channel
from infra.local import pages

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/_local/partners"
_NAMES = {"daily": "江城日报 Jiangcheng Daily", "trade": "行业观察 Trade Review"}
_WANTS = {"trade": frozenset({Category.NEWS, Category.BUSINESS})}
_TOLERANCE = 300
"""Seconds by which a signature may be old."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a partner has taken. `calls` counts how often it came."""

    partner: str
    type: str
    title: str
    reason: str
    url: str
    receipt: str
    calls: int


class Partners:
    """What the partners of a laptop's desk have. Their keys live as long as it does."""

    def __init__(self) -> None:
        self._keys = {name: secrets.token_bytes(32) for name in _NAMES}
        self._taken: dict[str, Taken] = {}
        self._lock = threading.Lock()

    def join(self, parts: Parts, base_url: str) -> None:
        """Become the partners of this desk, and listen below that address."""
        channel = parts.adapters[Channel.PARTNERS]
        if not isinstance(channel, PartnersChannel):
            raise TypeError(type(channel).__name__)
        register = {
            name: Partner(
                id=name, name=said, url=f"{base_url}{PATH}/{name}", categories=_WANTS.get(name, frozenset())
            )
            for name, said in _NAMES.items()
        }
        keys = " ".join(f"{name}=whsec_{base64.b64encode(key).decode()}" for name, key in self._keys.items())
        joined = replace(channel, register=lambda: register, keys=keys, post=partial(post, private=True))
        parts.adapters = {**parts.adapters, Channel.PARTNERS: joined}

    def before(self, app: "WSGIApplication") -> "WSGIApplication":
        """The app, but that partners answer at their own addresses."""

        def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            request = Request(environ)
            if request.path == PATH or request.path.startswith(f"{PATH}/"):
                return self._answer(request)(environ, start_response)
            return app(environ, start_response)

        return answer

    def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix(PATH).strip("/")
        if request.method == "POST" and name in self._keys:
            status, said = self._hear(name, dict(request.headers.to_wsgi_list()), request.get_data())
            return Response(json.dumps(said), status=status, content_type="application/json")
        if name or request.method not in {"GET", "HEAD"}:
            return Response(status=404)
        taken = list(reversed(self._taken.values()))
        if "text/html" in request.accept_mimetypes.values():
            return pages.partners_page([(_NAMES[each.partner], each) for each in taken])
        return Response(
            json.dumps([asdict(each) for each in taken], ensure_ascii=False), content_type="application/json"
        )

    def _hear(self, partner: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        name, timestamp = headers.get("Webhook-Id", ""), headers.get("Webhook-Timestamp", "")
        signed = f"{name}.{timestamp}.".encode() + body
        own = base64.b64encode(hmac.digest(self._keys[partner], signed, hashlib.sha256)).decode()
        late = not timestamp.isdecimal() or abs(utc_now().timestamp() - int(timestamp)) > _TOLERANCE
        given = headers.get("Webhook-Signature", "").split(" ")
        if late or not any(hmac.compare_digest(each.encode(), f"v1,{own}".encode()) for each in given):
            return 401, {}
        document: dict[str, Any] = json.loads(body)
        told = document["data"]
        with self._lock:
            before = self._taken.get(name)
            self._taken[name] = Taken(
                partner=partner,
                type=document["type"],
                title=told.get("title", told["id"]),
                reason=told.get("reason", ""),
                url=told.get("url") or "",
                receipt=before.receipt if before else f"{partner}-{len(self._taken) + 1}",
                calls=before.calls + 1 if before else 1,
            )
            return 200, {"receipt": self._taken[name].receipt}
