"""The few files that pages load, a stylesheet and small scripts, at addresses that change with their content."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("static")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def content_of(name: str) -> bytes | None:
    """The file of that name, None where there is none. Anybody may ask for any name: nothing is kept of that."""
    return _files().get(name)


@cache
def version_of(name: str) -> str:
    """What changes when the file does: the beginning of its SHA-256. Raises KeyError where there is none."""
    content = content_of(name)
    if content is None:
        raise KeyError(name)
    return hashlib.sha256(content).hexdigest()[:16]


@cache
def _files() -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix in TYPES}


def address_of(name: str) -> str:
    """Where a page finds the file; what is there never changes. Raises KeyError where there is none."""
    return f"/static/{version_of(name)}/{name}"
