"""What the platform tells by itself: that a publication has come to its end.

Nothing is believed but that it is worth asking: what has become of the publication is asked of the platform. A message
counts only when it carries the account's signature, is five minutes old at most, and is this account's.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from xml.parsers import expat

from chalicelib.core.clock import Now
from chalicelib.core.errors import BadRequest
from chalicelib.core.table import Table
from chalicelib.publication.channels.wechat.store import put_heard, whose

AT_MOST = timedelta(minutes=5)
"""How far a message's time may be from ours."""
MOST_BYTES = 100_000
SUCCESS = "success"
"""What the platform wants to hear; after anything else it tells three times more."""
_BLOCK = 32
"""Bytes to which the platform pads, whatever the cipher's own block."""
_RANDOM, _LENGTH = 16, 4

Fields = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CallbackKeys:
    """What the account's messages are known by. Without `aes_key`, 43 characters, they come in the clear."""

    app_id: str
    token: str = field(repr=False)
    aes_key: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A publication that has come to an end."""

    publish_id: str
    status: int


def signature_of(*parts: str) -> str:
    """How the platform signs: SHA-1 over the sorted parts, which the account's token is one of."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Callback:
    """Hears the platform. `wake` sees to a delivery, given its submission and revision; it may be called twice."""

    keys: CallbackKeys
    table: Table
    now: Now
    wake: Callable[[str, int], None]

    def greet(self, query: Mapping[str, str]) -> str:
        """The answer to the platform's question whether this address is ours. Raises BadRequest."""
        self._ensure_signed(query, query.get("signature", ""))
        return query.get("echostr", "")

    def hear(self, query: Mapping[str, str], raw: bytes) -> str:
        """Take in a message; one that was taken in before, or is of something else, changes nothing.

        Raises BadRequest for one that is not the platform's.
        """
        told = ended(self._opened(query, raw))
        if told is not None:
            about = whose(self.table, told.publish_id, told.status)
            if about is not None:
                self.wake(*about)
                self.table.put(put_heard(told.publish_id, told.status, self.now()))
        return SUCCESS

    def _opened(self, query: Mapping[str, str], raw: bytes) -> Fields:
        """The fields of a message that is the platform's."""
        fields = read_fields(raw)
        if not self.keys.aes_key:
            self._ensure_signed(query, query.get("signature", ""))
            return fields
        sealed = fields.get("Encrypt", "")
        self._ensure_signed(query, query.get("msg_signature", ""), sealed)
        return read_fields(unsealed(sealed, self.keys))

    def _ensure_signed(self, query: Mapping[str, str], said: str, *also: str) -> None:
        at, nonce = query.get("timestamp", ""), query.get("nonce", "")
        expected = signature_of(self.keys.token, at, nonce, *also)
        if not hmac.compare_digest(expected.encode(), said.encode("utf-8", "replace")):
            raise BadRequest
        if not _is_near(at, self.now()):
            raise BadRequest


def _is_near(seconds: str, now: datetime) -> bool:
    # Twelve digits reach beyond every date that we could compare.
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 12):  # noqa: PLR2004 — as said
        return False
    return abs(now.timestamp() - int(seconds)) <= AT_MOST.total_seconds()


def read_fields(raw: bytes) -> dict[str, str]:
    """The texts of an XML document by their elements' names; of a name that comes again, the first.

    Raises BadRequest for what is no XML, is too large, or declares anything: entities are how a parser is led astray.
    """
    if len(raw) > MOST_BYTES:
        raise BadRequest
    found: dict[str, str] = {}
    names: list[str] = []
    texts: list[str] = []

    def begin(name: str, _attributes: object) -> None:
        names.append(name)
        texts.append("")

    def say(text: str) -> None:
        if texts:
            texts[-1] += text

    def end(_name: str) -> None:
        found.setdefault(names.pop(), texts.pop())

    def refuse(*_: object) -> int:
        raise BadRequest

    parser = expat.ParserCreate()
    parser.buffer_text = True  # or a text comes character by character, and a long one takes seconds
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = say
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = parser.UnparsedEntityDeclHandler = refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise BadRequest from error
    return found


def ended(fields: Fields) -> Ended | None:
    """The publication that a message tells the end of; None for every other message."""
    publish_id, status = fields.get("publish_id", ""), fields.get("publish_status", "")
    if not publish_id or not (status.isascii() and status.isdigit()):
        return None
    return Ended(publish_id=publish_id, status=int(status))


def unsealed(sealed: str, keys: CallbackKeys) -> bytes:
    """The XML of an encrypted message. Raises BadRequest when it is not this account's."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 — few events need it

    key = _key(keys.aes_key)
    try:
        raw = base64.b64decode(sealed, validate=True)
        decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
        padded = decryptor.update(raw) + decryptor.finalize()
    except (binascii.Error, ValueError) as error:
        raise BadRequest from error
    if not padded or not 1 <= padded[-1] <= _BLOCK or len(padded) < padded[-1] + _RANDOM + _LENGTH:
        raise BadRequest
    plain = padded[: -padded[-1]][_RANDOM:]
    (length,) = struct.unpack(">I", plain[:_LENGTH])
    text, app_id = plain[_LENGTH : _LENGTH + length], plain[_LENGTH + length :]
    if not hmac.compare_digest(app_id, keys.app_id.encode()):
        raise BadRequest
    return text


def _key(aes_key: str) -> bytes:
    return base64.b64decode(f"{aes_key}=")
