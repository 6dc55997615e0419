"""The laptop's account: it runs by itself, tells the desk what has ended, and shows what it has."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from chalicelib.core.clock import utc_now
from chalicelib.core.ids import new_salt, new_secret
from chalicelib.publication.channels.wechat.callback import CallbackKeys
from infra.local.wechat.account import Account
from infra.local.wechat.server import Site, passing_time, serving
from infra.local.wechat.telling import Teller, posting_to

APP_ID = "wx1a2b3c4d5e6f7890"
CALLBACK = "/wechat/callback"
_TAKES = timedelta(seconds=1)
_KEY_LENGTH = 43


@contextmanager
def serving_account(desk: str) -> Iterator[Mapping[str, str]]:
    """The account for the length of a block; answers the settings by which the desk at that address reaches it."""
    letters = new_salt() + new_salt()  # a key is letters and digits, and no more
    keys = CallbackKeys(app_id=APP_ID, token=new_secret(), aes_key=letters[:_KEY_LENGTH])
    account = Account(app_id=APP_ID, secret=new_secret(), now=utc_now, takes=_TAKES, messages_a_day=100)
    post = posting_to(f"{desk}{CALLBACK}")
    account.tell = Teller(keys=keys, now=utc_now, post=post, faults=account.faults)
    with serving(Site(account)) as url, passing_time(account.pass_time):
        yield {
            "WECHAT_API": url,
            "WECHAT_APP_ID": APP_ID,
            "WECHAT_APP_SECRET": account.secret,
            "WECHAT_AUTHOR": "澄江精密",
            "WECHAT_CALLBACK_TOKEN": keys.token,
            "WECHAT_CALLBACK_KEY": keys.aes_key,
        }
