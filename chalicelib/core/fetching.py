"""Asking another server over HTTPS: short patience, no redirects, no more than a page of answer."""

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

_PATIENCE = 4.0
"""Seconds for connecting, and for each read."""
_FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 200_000
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})


class FetchError(Exception):
    """No answer, or none that can be read."""


class Fetch(Protocol):
    """Asks an address for JSON, with a GET, or a POST of form fields."""

    def __call__(self, url: str, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object of the answer. Raises FetchError."""
        ...


def fetch_json(url: str, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON object at an address, or the answer to form fields posted there.

    Raises FetchError for everything else, and for an address that is not HTTPS beyond this machine.
    """
    from urllib3 import PoolManager  # noqa: PLC0415 — few events need it
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 — as above

    where = urlsplit(url)
    if where.scheme != "https" and not (where.scheme == "http" and where.hostname in _LOOPBACK):
        raise FetchError(f"not https: {where.scheme}://{where.netloc}")
    try:
        with PoolManager() as pool:
            answer = pool.request(
                "GET" if fields is None else "POST",
                url,
                body=None if fields is None else urlencode(fields).encode(),
                headers={"Accept": "application/json"} | ({} if fields is None else {"Content-Type": _FORM}),
                timeout=_PATIENCE,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            raw = answer.read(_MOST_BYTES + 1, decode_content=True)
            answer.release_conn()
    except HTTPError as error:
        raise FetchError(f"no answer from {where.netloc}: {type(error).__name__}") from error
    if answer.status != 200 or len(raw) > _MOST_BYTES:  # noqa: PLR2004 — HTTP's success
        raise FetchError(f"{where.netloc} answered {answer.status}")
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise FetchError(f"{where.netloc} answered no JSON") from error
    if not isinstance(document, dict):
        raise FetchError(f"{where.netloc} answered no JSON object")
    return document
