"""A delivery to the stand-in's account by the desk's own machinery, with time that passes and a table that may fail."""

from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from chalicelib.core.errors import BadRequest
from chalicelib.publication.channels.wechat.adapter import Mode, WeChatChannel
from chalicelib.publication.channels.wechat.article import Limits
from chalicelib.publication.channels.wechat.callback import Callback
from chalicelib.publication.channels.wechat.client import WeChatApi, WeChatClient
from chalicelib.publication.channels.wechat.tokens import SharedTokens
from chalicelib.publication.model import Item
from chalicelib.publication.service.delivering import Delivering
from chalicelib.publication.store import delivery_key, read_delivery
from chalicelib.submission.model import Channel
from chalicelib.submission.store import read_revision, revision_key
from infra.local.wechat.account import Account
from infra.local.wechat.telling import Teller
from tests.publication import deliveries
from tests.publication.wechat.accounts import APP_ID, KEYS, SECRET, Loopback


@dataclass(kw_only=True)
class Posting(deliveries.Due):
    """One delivery that is due on the account."""

    server: Loopback
    mode: Mode = Mode.PUBLISH
    account: deliveries.Account = field(default_factory=deliveries.Account)
    """Of the base, and in nobody's way here."""
    woken: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.wechat = Account(app_id=APP_ID, secret=SECRET, now=self.now, base=self.server.url)
        self.server.site.account = self.wechat
        api = WeChatApi(app_id=APP_ID, secret=SECRET, base=self.server.url)
        self.tokens = SharedTokens(
            table=self.table,
            app_id=APP_ID,
            now=self.now,
            grant=lambda force: api.grant(force=force),
            pause=lambda: None,
        )
        client = WeChatClient(api=api, tokens=self.tokens)
        self.served = WeChatChannel(
            client=lambda: client,
            mode=self.mode,
            table=self.table,
            picture=lambda _submission, _file: b"",
            department_name=lambda _department: "市场部",
            author="",
            site_url="https://site.test/public",
            now=self.now,
            scale=1.0,
            limits=Limits(),
        )
        self.hear = Callback(keys=KEYS, table=self.table, now=self.now, wake=self.wake)
        self.teller = Teller(keys=KEYS, now=self.now, post=self.post, faults=self.wechat.faults)
        self.wechat.tell = self.teller
        self.put(self.served)

    def put(self, channel: WeChatChannel) -> None:
        """Let this channel serve from now on."""
        self.served = channel
        adapters = {Channel.WECHAT: channel}
        self.delivering = Delivering(journal=self.journal, adapters=adapters, scale=1.0)

    def in_mode(self, mode: Mode) -> None:
        """Let the desk do something else on the account from now on."""
        self.put(replace(self.served, mode=mode))

    def wake(self, _submission: str, _revision: int) -> None:
        """What a callback leads to."""
        self.woken += 1

    def post(self, query: str, body: bytes) -> str:
        """How the account's messages come to the desk."""
        try:
            return self.hear.hear(dict(parse_qsl(query)), body)
        except BadRequest:
            return ""

    def run(self) -> None:
        """One run; what the platform has had time for is done before."""
        self.wechat.pass_time()
        self.teller.tell_held()
        super().run()

    def item(self) -> Item:
        """The delivery as a channel sees it."""
        record = self.table.get(revision_key(self.submission, 1))
        assert record is not None
        delivery = self.table.get(delivery_key(self.submission, 1, Channel.WECHAT))
        assert delivery is not None
        return Item(
            head=self.journal.head(self.submission),
            revision=read_revision(record),
            delivery=read_delivery(delivery),
        )
