"""An account of the stand-in on loopback, a clock, and what calls it: the very client that calls the platform."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from chalicelib.core.settings import Settings
from chalicelib.core.table import Table
from chalicelib.publication.channels.wechat.callback import CallbackKeys
from chalicelib.publication.channels.wechat.client import WeChatApi, WeChatClient
from chalicelib.publication.channels.wechat.tokens import SharedTokens
from infra.local.wechat.account import Account
from infra.local.wechat.server import Site, serving
from infra.local.wechat.telling import Teller
from infra.simulation.table import MemoryTable
from tests.world import World

APP_ID, SECRET = "wx0123456789abcdef", "the-secret-of-the-account"
KEYS = CallbackKeys(app_id=APP_ID, token="the-token", aes_key="abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")
CALLBACK = "/wechat/callback"
MADE_OF_SETTINGS = (
    "adapters",
    "archiving",
    "delivering",
    "publishing",
    "register",
    "sweeper",
    "wechat_callback",
    "wechat_channel",
)
"""What a world must make anew when its account comes or goes."""
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


@contextmanager
def account_of(world: World, mode: str = "publish") -> Iterator[Account]:
    """An account that the product publishes on for the length of a block; it tells over HTTP what has ended.

    Its time passes when a test lets it: `pass_time`.
    """
    before = world.parts.settings
    account = Account(app_id=APP_ID, secret=SECRET, now=world.now, takes=timedelta(0))

    def post(query: str, body: bytes) -> str:
        answer = world.cloud.http.post(f"{CALLBACK}?{query}", data=body, headers={"Content-Type": "text/xml"})
        return answer.get_data(as_text=True)

    account.tell = Teller(keys=KEYS, now=world.now, post=post, faults=account.faults)
    with serving(Site(account)) as url:
        _put(
            world,
            replace(
                before,
                wechat_app_id=APP_ID,
                wechat_app_secret=SECRET,
                wechat_mode=mode,
                wechat_callback_token=KEYS.token,
                wechat_callback_key=KEYS.aes_key,
                wechat_api=url,
            ),
        )
        try:
            yield account
        finally:
            _put(world, before)


def _put(world: World, settings: Settings) -> None:
    world.parts.settings = settings
    for name in MADE_OF_SETTINGS:
        vars(world.parts).pop(name, None)
