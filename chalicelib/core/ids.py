"""Identifiers and secrets: the only source of randomness."""

import base64
import hashlib
import re
import secrets


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def new_id(prefix: str) -> str:
    """A fresh identifier of 100 random bits, such as `s-5yq3…`; safe in URLs, keys and execution names."""
    return f"{prefix}-{_base32(secrets.token_bytes(13))[:20]}"


def is_id(prefix: str, text: str) -> bool:
    """Whether a text has the form of `new_id`: whatever else a path may hold is no key to read by."""
    return re.fullmatch(rf"{prefix}-[a-z2-7]{{20}}", text) is not None


def shard(name: str, shards: int) -> int:
    """Under which of so many keys an identifier falls: its last character is as good as random."""
    return ord(name[-1]) % shards


def derived_id(prefix: str, *parts: str) -> str:
    """The identifier that these parts always give, in the form of `new_id`: a repeat meets its first self."""
    digest = hashlib.sha256("\x00".join(parts).encode()).digest()
    return f"{prefix}-{_base32(digest[:13])[:20]}"


def new_secret() -> str:
    """A secret of 256 random bits, URL-safe: a link's handle, a session's token."""
    return secrets.token_urlsafe(32)


def new_totp_secret() -> str:
    """160 random bits in base 32, as authenticator apps take them (RFC 4226, 4)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def new_spoken_code() -> str:
    """A secret of 100 random bits in five groups, such as `k7qd-…`: to be read from paper and typed in."""
    raw = _base32(secrets.token_bytes(13))[:20]
    return "-".join(raw[place : place + 4] for place in range(0, 20, 4))


def new_salt() -> str:
    """128 random bits in hexadecimal, mixed into a digest so that its content cannot be guessed."""
    return secrets.token_hex(16)


def fingerprint(secret: str) -> str:
    """SHA-256 in hexadecimal: what is stored instead of a secret. Any text has one, lone surrogates included."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
