"""The tag files that make a package a BagIt 1.0 bag (RFC 8493), all of them derived from its payload.

Written directly, because BagIt leaves choices that a package must not have. Paths need no percent-encoding:
the container allows none of the characters that would.
"""

import hashlib
from collections.abc import Mapping

from chalicelib.archive.model.evidence import Facts

PAYLOAD = "data/"
DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"


def declaration() -> bytes:
    """The contents of `bagit.txt`, the same in every package."""
    return b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def info(payload: Mapping[str, bytes], facts: Facts) -> bytes:
    """The contents of `bag-info.txt`; the bagging date is the day of publication in UTC."""
    lines = {
        "Bagging-Date": facts.published_at.strftime("%Y-%m-%d"),
        "External-Identifier": facts.catalog_number,
        "Payload-Oxum": f"{sum(map(len, payload.values()))}.{len(payload)}",
        "Imprimatur-Format": str(facts.format_version),
        "Last-Event-Hash": facts.last_event_hash,
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items()).encode()


def manifest(files: Mapping[str, bytes]) -> bytes:
    """The manifest over these files: one line each, sorted by path."""
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode()


def recorded_digests(raw: bytes) -> dict[str, str]:
    """What a manifest says, by path; lines that say nothing are left out."""
    lines = (line.partition("  ") for line in raw.decode("ascii", "replace").split("\n"))
    return {name: digest for digest, separator, name in lines if separator}


def tag_files(payload: Mapping[str, bytes], facts: Facts) -> dict[str, bytes]:
    """All four tag files, by path in the bag."""
    tags = {DECLARATION: declaration(), INFO: info(payload, facts), MANIFEST: manifest(payload)}
    return tags | {TAG_MANIFEST: manifest(tags)}
