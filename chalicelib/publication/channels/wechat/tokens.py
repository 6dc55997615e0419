"""The account's one access token, shared by all functions through the table.

Each new token ends the one before it, five minutes later at the latest. So only one function asks at a time, the
others call with the present one as long as it counts, and a token that the platform refuses is replaced once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.core.clock import Now
from chalicelib.core.errors import ChannelBusy, Stale
from chalicelib.core.table import Table
from chalicelib.publication.channels.wechat.client import Grant
from chalicelib.publication.channels.wechat.store import KeptToken, put_token, read_token

OVERLAP = timedelta(minutes=5)
"""For so long before its end another token is asked for: both count then."""
LEASE = timedelta(seconds=30)
"""How long who asks keeps others from asking: longer than the call takes."""
FORCED_APART = timedelta(seconds=30)
FORCED_A_DAY = 20
_DAY = timedelta(days=1)
_LOOKS = 5
"""How often it is looked whether somebody else has got a token, with a pause between."""


def _wait() -> None:
    time.sleep(1)


@dataclass(kw_only=True)
class SharedTokens:
    """Keeps the token of one account. `grant` asks the platform for one, `pause` waits until it is looked again."""

    table: Table
    app_id: str
    now: Now
    grant: Callable[[bool], Grant]
    pause: Callable[[], None] = _wait
    _mine: KeptToken = field(default_factory=KeptToken, init=False, repr=False)
    """What was read last: most calls need no other."""

    def present(self) -> str:
        """A token that counts for some minutes more, if one can be had; the present one while somebody else asks."""
        token = self._mine.token
        if token is not None and _counts(self._mine, self.now() + OVERLAP):
            return token
        for _ in range(_LOOKS):
            kept = self._mine = read_token(self.table, self.app_id)
            now = self.now()
            if kept.token is not None and _counts(kept, now + OVERLAP):
                return kept.token
            if not _leased(kept, now) and (fresh := self._asked(kept, force=False)) is not None:
                return fresh
            if kept.token is not None and _counts(kept, now):
                return kept.token
            self.pause()
        raise ChannelBusy(reason="wechat_token")

    def renewed(self, refused: str) -> str:
        """Another token than the one that was refused: another function's, the platform's present one, or a forced one.

        A good token is forced out at most 20 times a day, and never twice within 30 seconds.
        """
        for _ in range(_LOOKS):
            kept = self._mine = read_token(self.table, self.app_id)
            if kept.token not in {None, refused} and _counts(kept, self.now()):
                return str(kept.token)
            if not _leased(kept, self.now()):
                fresh = self._asked(kept, force=False, refused=refused)
                if fresh is not None and fresh != refused:
                    return fresh
            self.pause()
        raise ChannelBusy(reason="wechat_token")

    def _asked(self, kept: KeptToken, *, force: bool, refused: str | None = None) -> str | None:
        """Ask the platform, as the only one; None when somebody else was faster. A refused answer is forced out."""
        now = self.now()
        forced = tuple(each for each in kept.forced if now - each < _DAY)
        if force:
            if len(forced) >= FORCED_A_DAY or (forced and now - forced[-1] < FORCED_APART):
                raise ChannelBusy(reason="wechat_token")
            forced = (*forced, now)  # written before the call: one that breaks off counts as well
        claimed = replace(kept, turn=kept.turn + 1, lease_until=now + LEASE, forced=forced)
        try:
            self.table.put(put_token(self.app_id, kept, claimed))
        except Stale:
            return None
        grant = self.grant(force)
        if grant.token == refused and not force:
            return self._asked(claimed, force=True, refused=refused)
        known = replace(
            claimed,
            turn=claimed.turn + 1,
            token=grant.token,
            valid_until=now + timedelta(seconds=grant.seconds),
            lease_until=None,
        )
        self._mine = known
        try:
            self.table.put(put_token(self.app_id, claimed, known))
        except (
            Stale
        ):  # the lease was over and somebody else has asked since; what was given counts all the same
            self._mine = KeptToken()
        return grant.token


def _counts(kept: KeptToken, at: datetime) -> bool:
    return kept.token is not None and kept.valid_until is not None and at < kept.valid_until


def _leased(kept: KeptToken, now: datetime) -> bool:
    return kept.lease_until is not None and now < kept.lease_until
