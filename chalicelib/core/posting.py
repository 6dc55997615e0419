"""Posting to an address that somebody else gave: to the open internet only, in bounded time, never led elsewhere.

The name is looked up once and the connection goes to the very address that was looked at, so that a name which answers
otherwise the second time leads nowhere. A deadline closes the connection, however slowly its other end goes on.
"""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from socket import IPPROTO_TCP, SHUT_RDWR, create_connection, getaddrinfo, socket
from threading import Timer
from typing import Protocol
from urllib.parse import urlsplit

PATIENCE = 10.0
"""Seconds for the whole of a call."""
MOST_BYTES = 16_000
"""Of an answer; what is longer is not read at all."""
_PORTS = {"https": 443, "http": 80}
_CARRYING = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
"""Networks whose addresses stand for addresses of the older kind."""
_Address = IPv4Address | IPv6Address


class PostError(Exception):
    """There is no answer: whoever was called may have heard all of it. `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotPostedError(PostError):
    """Whoever was to be called has heard nothing, for certain."""


@dataclass(frozen=True, kw_only=True)
class Posted:
    """An answer. `body` is what came of it in time, nothing when it was too long: the status counts all the same."""

    status: int
    body: bytes


class Post(Protocol):
    """Posts a body to an address, once."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """The answer, whatever its status. Raises PostError, whose message has nothing of address, headers or body."""
        ...


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    private: bool = False,
    patience: float = PATIENCE,
) -> Posted:
    """Post once and answer what came back, a redirect included. Raises NotPostedError or PostError.

    HTTPS with a certificate that holds for the name. With `private`, addresses of networks of one's own are reached,
    too, and this machine without HTTPS.
    """
    where = urlsplit(url)
    host = where.hostname or ""
    target = (where.path or "/") + (f"?{where.query}" if where.query else "")
    port = where.port or _PORTS.get(where.scheme, 0)
    addresses = _addresses(host, port, private=private)
    is_here = all(each.is_loopback for each in addresses)
    if where.scheme != "https" and not (where.scheme == "http" and is_here):
        raise NotPostedError("not_https")
    plain = _connected(addresses, port, patience)
    line = _over_tls(plain, host) if where.scheme == "https" else plain
    with closing(line), _deadline(line, patience):
        if isinstance(line, ssl.SSLSocket):
            try:
                line.do_handshake()
            except ssl.SSLCertVerificationError:
                raise NotPostedError("bad_certificate") from None
            except OSError:
                raise NotPostedError("unreachable") from None
        return _asked(line, where.netloc, target, body, headers)


def _addresses(host: str, port: int, *, private: bool) -> list[_Address]:
    """Where a name leads, the addresses of the older kind first: not every network has the newer."""
    try:
        found = {ip_address(each[4][0]) for each in getaddrinfo(host, port, proto=IPPROTO_TCP)}
    except (OSError, ValueError):
        raise NotPostedError("unknown_host") from None
    if not private and not all(map(_is_public, found)):
        raise NotPostedError("private_address")
    return sorted(found, key=lambda each: (each.version, str(each)))


def _is_public(address: _Address) -> bool:
    """Whether it is on the open internet, and no other address inside one that may lead home."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return True
    carries_another = address.sixtofour or address.teredo or any(address in each for each in _CARRYING)
    return not address.is_site_local and not carries_another


def _connected(addresses: Sequence[_Address], port: int, patience: float) -> socket:
    """A line to the first of the addresses that takes one."""
    for address in addresses:
        try:
            line = create_connection((str(address), port), timeout=patience / len(addresses))
        except OSError:
            continue
        line.settimeout(patience)
        return line
    raise NotPostedError("unreachable")


def _over_tls(plain: socket, host: str) -> ssl.SSLSocket:
    """The line, to be encrypted by its handshake."""
    return ssl.create_default_context().wrap_socket(
        plain, server_hostname=host, do_handshake_on_connect=False
    )


@contextmanager
def _deadline(line: socket, patience: float) -> Iterator[None]:
    """Close the line when its time is over: whoever reads from it then reads its end."""

    def end() -> None:
        with suppress(OSError):  # it has just ended by itself
            socket.shutdown(line, SHUT_RDWR)  # of the line itself: TLS would wait for its other end

    timer = Timer(patience, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _asked(line: socket, netloc: str, target: str, body: bytes, headers: Mapping[str, str]) -> Posted:
    connection = HTTPConnection(netloc)
    connection.sock = line
    try:
        connection.request("POST", target, body=body, headers={**headers, "Connection": "close"})
        answer = connection.getresponse()
    except (OSError, HTTPException):
        raise PostError("no_answer") from None
    with closing(answer):
        try:
            raw = answer.read(MOST_BYTES + 1)
        except (OSError, HTTPException):
            raw = b""
    return Posted(status=answer.status, body=raw if len(raw) <= MOST_BYTES else b"")
