"""One server for all of these tests, with an account of its own for each."""

from collections.abc import Iterator

import pytest

from infra.local.wechat.account import Account
from tests.publication.wechat.accounts import Clock, Desk, Loopback, loopback


@pytest.fixture(scope="session")
def server() -> Iterator[Loopback]:
    with loopback() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(server: Loopback, clock: Clock) -> Account:
    return server.open(clock)


@pytest.fixture
def desk(server: Loopback, clock: Clock, account: Account) -> Desk:
    return Desk(url=server.url, clock=clock)
