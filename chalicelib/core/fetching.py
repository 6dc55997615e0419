"""Asking another server over HTTPS: short patience, no redirects, no retries, no more of an answer than expected."""

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

_PATIENCE = 4.0
"""Seconds for connecting, and for each read."""
_FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 200_000
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_SUCCESS = 200


class FetchError(Exception):
    """No answer, or none that can be read. What was asked for may have happened all the same."""


class NotSentError(FetchError):
    """No connection came about: whoever was to be asked has heard nothing."""


class Fetch(Protocol):
    """Asks an address for JSON, with a GET, or a POST of form fields."""

    def __call__(self, url: str, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object of the answer. Raises FetchError."""
        ...


def fetch_json(url: str, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON object at an address, or the answer to form fields posted there.

    Raises FetchError for everything else, and for an address that is not HTTPS beyond this machine.
    """
    headers = {"Accept": "application/json"} | ({} if fields is None else {"Content-Type": _FORM})
    return asked(url, body=None if fields is None else urlencode(fields).encode(), headers=headers)


def asked(
    url: str,
    *,
    body: bytes | None,
    headers: Mapping[str, str],
    patience: float = _PATIENCE,
    most_bytes: int = _MOST_BYTES,
    any_status: bool = False,
) -> dict[str, Any]:
    """The JSON object that a server answers to a GET, or to the POST of a body: asked once, and never again.

    With `any_status` it counts whatever its HTTP status: some servers tell how it went in the object alone.

    Raises NotSentError when no connection came about, FetchError for whatever else is no such answer. Neither says more
    of the address than its host: the rest may hold a secret.
    """
    from urllib3 import PoolManager  # noqa: PLC0415 — few events need it
    from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError  # noqa: PLC0415 — as above

    where = urlsplit(url)
    if where.scheme != "https" and not (where.scheme == "http" and where.hostname in _LOOPBACK):
        raise NotSentError(f"not https: {where.scheme}://{where.netloc}")
    try:
        with PoolManager() as pool:
            answer = pool.request(
                "GET" if body is None else "POST",
                url,
                body=body,
                headers=dict(headers),
                timeout=patience,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            raw = answer.read(most_bytes + 1, decode_content=True)
            answer.release_conn()
    except (NewConnectionError, ConnectTimeoutError) as error:
        raise NotSentError(f"no way to {where.netloc}: {type(error).__name__}") from None
    except HTTPError as error:
        raise FetchError(f"no answer from {where.netloc}: {type(error).__name__}") from None
    if (answer.status != _SUCCESS and not any_status) or len(raw) > most_bytes:
        raise FetchError(f"{where.netloc} answered {answer.status}")
    try:
        document = json.loads(raw)
    except ValueError:
        raise FetchError(f"{where.netloc} answered no JSON") from None
    if not isinstance(document, dict):
        raise FetchError(f"{where.netloc} answered no JSON object")
    return document
