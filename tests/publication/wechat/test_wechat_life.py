"""A request for WeChat from its approval to the archive, with everything that the product has, over HTTP."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.publication.channels.wechat.callback import signature_of
from infra.local.wechat.faults import SUBMIT, Telling
from infra.local.wechat.server import passing_time
from tests.publication.wechat.accounts import CALLBACK, KEYS, account_of
from tests.world import World, a_world

PUBLIC: dict[str, Any] = {"channels": ["wechat"], "classification": "public", "body": "八时至十八时停电。"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


def test_what_is_approved_is_published_once_told_of_and_archived(world: World) -> None:
    """Clauses 3.4.1 and 4.2.1."""
    with account_of(world) as account:
        submission = world.submit(**PUBLIC)
        world.approve()
        world.cloud.settle()
        assert world.state(submission) == "publishing"
        account.pass_time()
        world.finish()
        assert world.state(submission) == "archived"
        assert account.publications == 1
        (delivered,) = world.events(submission, "Delivered")
        assert delivered.payload["receipt"]["article_id"] == "article-1"


def test_where_the_account_tells_nothing_it_is_asked(world: World) -> None:
    """Clause 3.4.1."""
    with account_of(world) as account, passing_time(account.pass_time, pause=0.01):
        account.faults.telling = Telling.LOST
        submission = world.publish(**PUBLIC)
        assert world.state(submission) == "archived"
        assert (account.publications, account.calls[SUBMIT]) == (1, 1)


def test_the_address_greets_the_platform_and_nobody_else(world: World) -> None:
    at = str(int(world.now().timestamp()))
    query = {
        "timestamp": at,
        "nonce": "n",
        "echostr": "<b>hello</b>",
        "signature": signature_of(KEYS.token, at, "n"),
    }
    http = world.cloud.http
    with account_of(world):
        greeted = http.get(f"{CALLBACK}?{urlencode(query)}")
        assert (greeted.status_code, greeted.get_data(as_text=True)) == (200, "<b>hello</b>")
        assert greeted.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert http.get(f"{CALLBACK}?{urlencode({**query, 'signature': 'another'})}").status_code == 400
        assert http.post(CALLBACK, data=b"<xml/>", headers={"Content-Type": "text/xml"}).status_code == 400
    assert http.get(f"{CALLBACK}?{urlencode(query)}").status_code == 404, "there is no account"
