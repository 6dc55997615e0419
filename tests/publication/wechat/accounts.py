"""An account of the stand-in on loopback, a clock, and what calls it: the very client that calls the platform."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chalicelib.core.table import Table
from chalicelib.publication.channels.wechat.client import WeChatApi, WeChatClient
from chalicelib.publication.channels.wechat.tokens import SharedTokens
from infra.local.wechat.account import Account
from infra.local.wechat.server import Site, serving
from infra.simulation.table import MemoryTable

APP_ID, SECRET = "wx0123456789abcdef", "the-secret-of-the-account"
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Noon in Shanghai."""


@dataclass(kw_only=True)
class Clock:
    """The time of desk and platform alike: it passes when a test lets it."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **time: float) -> None:
        """Let so much time pass."""
        self.at += timedelta(**time)


@dataclass(kw_only=True)
class Loopback:
    """A server whose account each test puts anew."""

    site: Site
    url: str

    def open(self, clock: Clock) -> Account:
        """A fresh account."""
        self.site.account = Account(app_id=APP_ID, secret=SECRET, now=clock, base=self.url)
        return self.site.account


@contextmanager
def loopback() -> Iterator[Loopback]:
    """The stand-in's server for the length of a block."""
    site = Site(Account(app_id=APP_ID, secret=SECRET, now=Clock()))
    with serving(site) as url:
        yield Loopback(site=site, url=url)


@dataclass(kw_only=True)
class Desk:
    """One function of the desk: its own memory, everybody's table."""

    url: str
    clock: Clock
    secret: str = field(default=SECRET, repr=False)
    table: Table = field(default_factory=MemoryTable)
    pauses: int = 0

    def __post_init__(self) -> None:
        self.api = WeChatApi(app_id=APP_ID, secret=self.secret, base=self.url)
        self.tokens = SharedTokens(
            table=self.table,
            app_id=APP_ID,
            now=self.clock,
            grant=lambda force: self.api.grant(force=force),
            pause=self.pause,
        )
        self.client = WeChatClient(api=self.api, tokens=self.tokens)

    def pause(self) -> None:
        """Count instead of waiting."""
        self.pauses += 1
        self.clock.passes(seconds=1)
