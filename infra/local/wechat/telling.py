"""How the account tells the desk that a publication has ended: XML, signed, and sealed where there is a key."""

import base64
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from chalicelib.publication.channels.wechat.callback import SUCCESS, CallbackKeys, signature_of
from infra.local.wechat.account import Document, Job
from infra.local.wechat.faults import Faults, Telling

TRIES = 4
"""How often a message is posted at most: once, and three times more."""
_BLOCK = 32
_SECONDS = 5
Post = Callable[[str, bytes], str]
"""Posts a message, given the address's query and the body; answers what was said."""


@dataclass(kw_only=True)
class Teller:
    """Tells the desk. With `faults` it tells twice, nothing, or in another order."""

    keys: CallbackKeys
    now: Callable[[], datetime]
    post: Post
    faults: Faults
    held: list[tuple[str, bytes]] = field(default_factory=list)

    def __call__(self, job: Job, items: Sequence[Document]) -> None:
        """Tell of one publication; what is told in another order is kept for `tell_held`."""
        query, body = self.message(job, items)
        match self.faults.telling:
            case Telling.LOST:
                return
            case Telling.REVERSED:
                self.held.append((query, body))
                return
            case Telling.TWICE:
                self._tell(query, body)
        self._tell(query, body)

    def tell_held(self) -> None:
        """Tell what was kept, the last first."""
        while self.held:
            self._tell(*self.held.pop())

    def message(self, job: Job, items: Sequence[Document]) -> tuple[str, bytes]:
        """The query and the body of a message."""
        at, nonce = str(int(self.now().timestamp())), "nonce"
        xml = _event(job, items, at)
        said = {
            "signature": signature_of(self.keys.token, at, nonce),
            "timestamp": at,
            "nonce": nonce,
            "openid": "stand-in",
        }
        if self.keys.aes_key:
            sealed = seal(xml, self.keys)
            said |= {
                "encrypt_type": "aes",
                "msg_signature": signature_of(self.keys.token, at, nonce, sealed),
            }
            name = f"<ToUserName><![CDATA[gh_stand_in]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt>"
            xml = f"<xml>{name}</xml>".encode()
        return urlencode(said), xml

    def _tell(self, query: str, body: bytes) -> None:
        for _ in range(TRIES):
            if self.post(query, body) == SUCCESS:
                return


def posting_to(url: str) -> Post:
    """What posts to an address over HTTP; no answer is no success."""

    def post(query: str, body: bytes) -> str:
        request = Request(f"{url}?{query}", data=body, headers={"Content-Type": "text/xml"})  # noqa: S310 — ours
        try:
            with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 — as above
                return str(answer.read().decode())
        except (URLError, OSError):
            return ""

    return post


def seal(text: bytes, keys: CallbackKeys) -> str:
    """A message as the platform encrypts it."""
    key = base64.b64decode(f"{keys.aes_key}=")
    plain = os.urandom(16) + struct.pack(">I", len(text)) + text + keys.app_id.encode()
    missing = _BLOCK - len(plain) % _BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = encryptor.update(plain + bytes([missing]) * missing) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def _event(job: Job, items: Sequence[Document], at: str) -> bytes:
    parts = "".join(
        f"<item><idx>{item['idx']}</idx><article_url><![CDATA[{item['article_url']}]]></article_url></item>"
        for item in items
    )
    detail = f"<article_id><![CDATA[{escape(job.article_id)}]]></article_id>" if job.article_id else ""
    detail += f"<article_detail><count>{len(items)}</count>{parts}</article_detail>" if items else ""
    return (
        "<xml><ToUserName><![CDATA[gh_stand_in]]></ToUserName><FromUserName><![CDATA[stand-in]]></FromUserName>"
        f"<CreateTime>{at}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        "<Event><![CDATA[PUBLISHJOBFINISH]]></Event><PublishEventInfo>"
        f"<publish_id>{job.publish_id}</publish_id><publish_status>{job.status}</publish_status>{detail}"
        "</PublishEventInfo></xml>"
    ).encode()
