"""One token for all functions: who asks for another, when, and how seldom."""

from datetime import timedelta

import pytest

from chalicelib.core.errors import ChannelBusy, DeliveryParked
from chalicelib.publication.channels.wechat.client import Grant
from chalicelib.publication.channels.wechat.store import read_token, token_key
from chalicelib.publication.channels.wechat.tokens import LEASE, OVERLAP, SharedTokens
from infra.local.wechat.account import TOKEN_LIFE, Account
from infra.simulation.table import MemoryTable
from tests.publication.wechat.accounts import APP_ID, Clock, Desk, Loopback


def test_two_functions_share_one_token(server: Loopback, desk: Desk, clock: Clock, account: Account) -> None:
    other = Desk(url=server.url, clock=clock, table=desk.table)
    assert desk.tokens.present() == other.tokens.present()
    assert len(account.tokens) == 1


def test_shortly_before_its_end_one_asks_and_the_other_goes_on_with_the_present_one(
    server: Loopback, desk: Desk, clock: Clock, account: Account
) -> None:
    first = desk.tokens.present()
    other = Desk(url=server.url, clock=clock, table=desk.table)
    clock.passes(seconds=(TOKEN_LIFE - OVERLAP).total_seconds() + 1)
    used: list[str] = []

    def asked(force: bool) -> Grant:  # noqa: FBT001 — as the grant's
        used.append(other.tokens.present())
        return desk.api.grant(force=force)

    desk.tokens.grant = asked
    second = desk.tokens.present()
    assert (used, second != first) == ([first], True)
    assert other.tokens.present() == second
    assert (other.pauses, len(account.tokens)) == (0, 2)
    for token in (first, second):
        account._check(token)


def test_where_none_counts_the_other_waits_for_who_asks(
    server: Loopback, desk: Desk, clock: Clock, account: Account
) -> None:
    other = Desk(url=server.url, clock=clock, table=desk.table)
    turn = []

    def asked(force: bool) -> Grant:  # noqa: FBT001 — as above
        with pytest.raises(ChannelBusy):
            other.tokens.present()
        turn.append(other.pauses)
        return desk.api.grant(force=force)

    desk.tokens.grant = asked
    token = desk.tokens.present()
    assert turn == [5]
    assert other.tokens.present() == token
    assert len(account.tokens) == 1


def test_who_died_while_asking_keeps_nobody_waiting_for_long(
    server: Loopback, desk: Desk, clock: Clock, account: Account
) -> None:
    def died(force: bool) -> Grant:  # noqa: FBT001 — as above
        raise KeyboardInterrupt(force)

    desk.tokens.grant = died
    with pytest.raises(KeyboardInterrupt):
        desk.tokens.present()
    other = Desk(url=server.url, clock=clock, table=desk.table)
    clock.passes(seconds=LEASE.total_seconds())
    assert other.tokens.present() in account.tokens


def test_a_refused_token_is_replaced_once_for_all(
    server: Loopback, desk: Desk, clock: Clock, account: Account
) -> None:
    other = Desk(url=server.url, clock=clock, table=desk.table)
    refused = desk.tokens.present()
    assert other.tokens.present() == refused
    account.tokens[refused] = clock()
    fresh = desk.tokens.renewed(refused)
    assert other.tokens.renewed(refused) == fresh != refused
    assert (len(account.tokens), account.forced) == (2, [])


def test_a_token_that_the_platform_calls_good_and_refuses_is_forced_out(
    desk: Desk, account: Account, clock: Clock
) -> None:
    good = desk.tokens.present()
    forced = desk.tokens.renewed(good)
    assert forced != good
    assert len(account.forced) == 1
    with pytest.raises(ChannelBusy):
        desk.tokens.renewed(forced)
    assert len(account.forced) == 1, "never twice within thirty seconds"
    clock.passes(seconds=60)
    assert desk.tokens.renewed(forced) != forced


def test_it_is_forced_out_twenty_times_a_day_at_most(clock: Clock) -> None:
    asked: list[bool] = []

    def grant(force: bool) -> Grant:  # noqa: FBT001 — as above
        asked.append(force)
        return Grant(token=f"token-{sum(asked)}", seconds=7200)

    table = MemoryTable()
    tokens = SharedTokens(table=table, app_id=APP_ID, now=clock, grant=grant, pause=lambda: None)
    token = tokens.present()
    for _ in range(20):
        clock.passes(seconds=31)
        token = tokens.renewed(token)
    clock.passes(seconds=31)
    with pytest.raises(ChannelBusy):
        tokens.renewed(token)
    assert sum(asked) == 20
    clock.passes(days=1)
    assert tokens.renewed(token) != token


def test_a_wrong_secret_is_a_persons(server: Loopback, clock: Clock, account: Account) -> None:
    wrong = Desk(url=server.url, clock=clock, secret="another")
    with pytest.raises(DeliveryParked, match="wechat_secret"):
        wrong.tokens.present()


def test_the_token_is_kept_until_its_end_and_shown_nowhere(desk: Desk, clock: Clock) -> None:
    token = desk.tokens.present()
    record = desk.table.get(token_key(APP_ID))
    assert record is not None
    assert record.expires_at == int((clock() + TOKEN_LIFE + timedelta(days=1)).timestamp())
    assert token not in repr((read_token(desk.table, APP_ID), desk.tokens, desk.client))
