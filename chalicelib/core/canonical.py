"""Canonical JSON (RFC 8785) and digests over it: the form of everything that is hashed."""

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785

Document = Mapping[str, Any]


def canonical(document: Document) -> bytes:
    """The one byte string that RFC 8785 gives for a JSON object.

    Raises ValueError on what JSON cannot hold, and on nesting too deep for Python's stack.
    """
    try:
        return rfc8785.dumps(dict(document))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def digest(document: Document) -> str:
    """SHA-256 over the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(document)).hexdigest()
