"""A partner as docs/partners.md asks one to be, over real HTTP or in this process, and deliveries to such partners.

It checks signatures by what the standard says, with nothing of the desk's code.
"""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chalicelib.core.posting import NotPostedError, Post, Posted, PostError, post
from chalicelib.publication.channels.partners import Partner, PartnersChannel
from chalicelib.publication.model import Adapter
from chalicelib.submission.model import Category, Channel
from tests.publication.deliveries import Account, Due
from tests.world import a_form

TOLERANCE = timedelta(minutes=5)


class Way(StrEnum):
    """How a partner answers a call; whatever else it is told to say is a status."""

    TAKES = "takes it"
    SILENT = "takes it and says nothing"
    DEAF = "breaks off before it has taken it"
    SLOW = "takes it and does not come to an end"
    HUGE = "takes it and says far too much"


@dataclass(kw_only=True)
class PartnerOffice:
    """One partner. `ways` are how it answers in turn, the last for ever; `taken` is what it has, by `webhook-id`."""

    key: bytes
    now: Callable[[], datetime]
    ways: list[Way | int] = field(default_factory=lambda: [Way.TAKES])
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: set[bytes] = field(default_factory=set)
    forged: int = 0
    calls: int = 0

    @property
    def secret(self) -> str:
        """The key as it is handed over."""
        return f"whsec_{base64.b64encode(self.key).decode()}"

    def events(self) -> list[str]:
        """What it has taken, once each."""
        return [str(told["type"]) for told in self.taken.values()]

    def hear(self, headers: Mapping[str, str], body: bytes) -> tuple[Way | int, bytes]:
        """Take a call in, and say how to answer it, and with what."""
        self.calls += 1
        way = self.ways.pop(0) if len(self.ways) > 1 else self.ways[0]
        if way is Way.DEAF or isinstance(way, int):
            return way, b"{}"
        if not self._is_signed(headers, body):
            self.forged += 1
            return 401, b"{}"
        name = headers["webhook-id"]
        self.taken.setdefault(name, json.loads(body))
        self.bodies.add(body)
        return way, json.dumps({"receipt": f"copy-{list(self.taken).index(name) + 1}"}).encode()

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """As the standard says: `id.timestamp.body`, of now, by one of the signatures."""
        sent = datetime.fromtimestamp(int(headers["webhook-timestamp"]), self.now().tzinfo)
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        own = base64.b64encode(hmac.new(self.key, signed, hashlib.sha256).digest()).decode()
        given = headers["webhook-signature"].split(" ")
        return abs(self.now() - sent) < TOLERANCE and any(
            hmac.compare_digest(each, f"v1,{own}") for each in given
        )


@contextmanager
def listening(office: PartnerOffice) -> Iterator[str]:
    """A partner's webhook on loopback, for the length of a block."""
    over = threading.Event()

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            way, said = office.hear({name.lower(): value for name, value in self.headers.items()}, body)
            if way in {Way.DEAF, Way.SILENT}:
                return
            self.send_response(way if isinstance(way, int) else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(said) * (10_000_000 if way is Way.HUGE else 1)))
            if way is Way.SLOW:
                self.flush_headers()  # its end never comes
                over.wait()
            self.end_headers()
            self.wfile.write(said * (1000 if way is Way.HUGE else 1))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=partial(server.serve_forever, 0.01))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook"
        finally:
            over.set()
            server.shutdown()
            thread.join()


def by_hand(offices: Mapping[str, PartnerOffice]) -> Post:
    """Calls partners in this process: by address, each having its id for one."""

    def call(url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        if url not in offices:
            raise NotPostedError("unreachable")
        way, said = offices[url].hear(headers, body)
        if way in {Way.DEAF, Way.SILENT, Way.SLOW}:
            raise PostError("no_answer")
        return Posted(status=way if isinstance(way, int) else 200, body=b"" if way is Way.HUGE else said)

    return call


@dataclass(kw_only=True)
class DueToPartners(Due):
    """An item that is due to partners. `addresses` says where each listens; without, it is called in this process."""

    account: Account = field(default_factory=Account)
    channel: Channel = Channel.PARTNERS
    ways: Mapping[str, list[Way | int]] = field(default_factory=lambda: {"daily": [Way.TAKES]})
    offices: dict[str, PartnerOffice] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    wanting: Mapping[str, frozenset[Category]] = field(default_factory=dict)
    keyless: frozenset[str] = frozenset()
    haste: float = 10.0
    """Seconds that a call over HTTP may take."""

    def adapter(self) -> Adapter:
        """Partners who are patient for half an hour."""
        for name, ways in self.ways.items():
            key = hashlib.sha256(name.encode()).digest()
            self.offices.setdefault(name, PartnerOffice(key=key, now=self.now, ways=list(ways)))
        return self.partners

    @property
    def partners(self) -> PartnersChannel:
        """The channel."""
        return PartnersChannel(
            table=self.table,
            register=lambda: {
                name: Partner(
                    id=name,
                    name=name.title(),
                    url=self.addresses.get(name, name),
                    categories=self.wanting.get(name, frozenset()),
                )
                for name in self.offices
            },
            keys=" ".join(
                f"{name}={office.secret}" for name, office in self.offices.items() if name not in self.keyless
            ),
            post=partial(post, private=True, patience=self.haste)
            if self.addresses
            else by_hand(self.offices),
            now=self.now,
            site_url="https://site.test/public",
            scale=4.0,
        )

    def form(self) -> dict[str, Any]:
        """What partners are told of."""
        return a_form(self.now(), channels=["website", "partners"], classification="public")

    @property
    def told_of(self) -> dict[str, Any]:
        """What the ledger says has become of each partner."""
        found: dict[str, Any] = self.told[-1].payload["receipt"]["outcomes"]
        return found
