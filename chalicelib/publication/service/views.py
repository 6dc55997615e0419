"""How often an item's page is looked at, by whom nobody can say.

A visitor counts once a day and item. What tells the same visitor again is a digest of address, browser and item with a
salt of the day. The next day's salt takes the place of the last: from then on nobody can reckon any digest again, but
who restores the table as it was that day.
"""

import hmac
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from ipaddress import ip_address, ip_network

from chalicelib.core.clock import Now
from chalicelib.core.errors import NotFound, Stale
from chalicelib.core.ids import is_id, new_secret
from chalicelib.core.table import Table
from chalicelib.identity.model import Limit
from chalicelib.identity.service import RateLimits
from chalicelib.publication.store import (
    SALT_KEY,
    SaltRecord,
    count_view,
    put_salt,
    put_viewer,
    views_of,
)
from chalicelib.submission.model import Channel, State
from chalicelib.submission.service import Journal

VIEWS_PER_ADDRESS = Limit(name="views-address", tries=3000, seconds=600)
"""Views told from one network address, which a whole company may share; what is beyond is not counted."""

VIEWS_OF_ITEM = Limit(name="views-item", tries=300, seconds=86400)
"""Views of one item from one network address in a day: a company looks at it, and nobody makes up a public."""

_SHOWN = frozenset({State.PUBLISHING, State.PUBLISHED, State.ARCHIVED})
IPV6 = 6
_ROBOT = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|preview|headless|lighthouse|monitor|scrap|fetch"
    r"|^(?:curl|wget|python|java|go-http|okhttp|libwww|node|axios|php)",
    re.IGNORECASE,
)
"""What robots call themselves that run scripts, and programs that post what they like; a Cubot is a telephone.

Who lies is counted, once a day.
"""
_AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""Headers in which a browser says that it only fetches ahead."""


def _network(address: str) -> str:
    """The network that an address is counted by: whoever has one of IPv6 has a whole /64."""
    try:
        number = ip_address(address)
    except ValueError:
        return address
    return str(ip_network(f"{number}/64", strict=False)) if number.version == IPV6 else address


def is_somebody(headers: Mapping[str, str]) -> bool:
    """Whether a request is a person's looking at a page, as far as it tells."""
    agent = headers.get("user-agent", "")
    ahead = " ".join(headers.get(name, "") for name in _AHEAD).lower()
    return bool(agent) and not _ROBOT.search(agent) and "prefetch" not in ahead and "preview" not in ahead


class Views:
    """Counts views, and tells how many there were."""

    def __init__(self, *, table: Table, journal: Journal, limits: RateLimits, now: Now) -> None:
        self._table = table
        self._journal = journal
        self._limits = limits
        self._now = now
        self._salt: tuple[str, str] | None = None

    def seen(self, submission: str, *, address: str, headers: Mapping[str, str]) -> None:
        """Count a view of a published item, unless this visitor's was counted today; nothing tells which it was.

        Raises NotFound for what cannot be an item's id, and RateLimited. A view that is noted and breaks off before it
        is counted is lost.
        """
        if not is_id("s", submission):
            raise NotFound
        if not is_somebody(headers):
            return
        self._limits.count(VIEWS_PER_ADDRESS, _network(address))
        self._limits.count(VIEWS_OF_ITEM, f"{_network(address)}\x00{submission}")
        head = self._journal.find(submission)
        if head is None or head.state not in _SHOWN or Channel.WEBSITE not in head.channels:
            return
        now = self._now().astimezone(UTC)
        day, salt = self._salt_of(f"{now:%Y-%m-%d}")
        about = "\x00".join((address, headers.get("user-agent", ""), submission))
        viewer = hmac.digest(salt.encode(), about.encode("utf-8", "surrogatepass"), "sha256").hex()
        try:
            self._table.put(put_viewer(viewer, now))
        except Stale:
            return
        count_view(self._table, submission, day, viewer)

    def of(self, submission: str) -> int:
        """How often an item was looked at."""
        return sum(views_of(self._table, submission).values())

    def _salt_of(self, day: str) -> tuple[str, str]:
        """The day that is counted under and its salt, made by whoever comes first that day."""
        if self._salt is None or self._salt[0] < day:
            record = self._kept_salt()
            if record is None or record.day < day:
                with suppress(Stale):
                    self._table.put(put_salt(day, new_secret(), self._now()))
                record = self._kept_salt()
            if record is None:
                raise Stale(day=day)
            self._salt = (record.day, record.salt)
        return self._salt

    def _kept_salt(self) -> SaltRecord | None:
        return self._table.get(SALT_KEY)
