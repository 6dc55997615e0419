"""One deployment of an environment at a time: whoever is at it holds a lock in the depot, and lets others know.

    lock.json: {"by": "arn:aws:iam::…:user/ops", "since": "2030-01-02T03:04:05+00:00", "until": …}

It ends by itself after a quarter of an hour, so that a deployment that crashed does not hold it for ever; one that goes
on renews it. S3 decides between two who want it: each writes only upon what it has seen.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from infra.deployment.depot import Depot
from infra.deployment.errors import DeploymentError

_KEY = "lock.json"
_LASTS, _RENEWED_AFTER = timedelta(minutes=15), timedelta(minutes=1)
_ENDED = timedelta()


@dataclass(frozen=True, kw_only=True)
class _Holder:
    by: str
    since: str
    until: str

    def __str__(self) -> str:
        return f"{self.by} has been changing this environment since {self.since}"


class Lock:
    """One environment's, for `by`. `now` gives UTC."""

    def __init__(self, depot: Depot, by: str, now: Callable[[], datetime]) -> None:
        self._depot = depot
        self._by = by
        self._now = now
        self._since = self._written = now()
        self._etag: str | None = None

    @contextmanager
    def held(self) -> Iterator["Lock"]:
        """Take it, and give it back afterwards, whatever happens."""
        self.take()
        try:
            yield self
        finally:
            self._write(_ENDED)  # in vain if somebody else has it by now, or it has gone with the depot

    def take(self) -> None:
        """Hold it from now on. Raises DeploymentError, which tells who does, when somebody else holds it."""
        holder, self._etag = self._seen()
        if holder is not None and datetime.fromisoformat(holder.until) > self._now():
            raise DeploymentError(
                f"{holder}. Run this again when that has ended. If it has crashed, its lock ends by itself at "
                f"{holder.until}."
            )
        if not self._write(_LASTS):
            raise DeploymentError("Somebody else has begun in the same moment. Run this again to see who.")

    def keep(self) -> None:
        """Go on holding it. Raises DeploymentError when it had ended, and somebody else has taken it."""
        if self._now() - self._written >= _RENEWED_AFTER and not self._write(_LASTS):
            raise DeploymentError(
                f"This deployment was out of touch for too long: meanwhile {self._seen()[0]}. It stops here; see how "
                "that ends before you run it again."
            )

    def _seen(self) -> tuple[_Holder | None, str | None]:
        """Who had it last, and the state in which that was seen."""
        seen = self._depot.look(_KEY)
        return (_Holder(**json.loads(seen.content)), seen.etag) if seen else (None, None)

    def _write(self, lasting: timedelta) -> bool:
        now = self._now()
        holder = _Holder(by=self._by, since=self._since.isoformat(), until=(now + lasting).isoformat())
        etag = self._depot.swap(_KEY, json.dumps(asdict(holder)).encode(), seen=self._etag)
        if etag is not None:
            self._etag, self._written = etag, now
        return etag is not None
