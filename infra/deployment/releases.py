"""What was deployed: one record per release, in the depot, from which any release can be brought back.

    releases/20300102T030405678Z-1a2b3c4d.json

A record always describes the whole environment as it is: it begins as a copy of the one before, and each stack is
noted when its change begins, and as before again when that fails. Every parameter is in it: none is a secret, to which
`make check` sees.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from infra.deployment.depot import Depot

_FOLDER = "releases/"


class State(StrEnum):
    """How far a release has come."""

    APPLYING = "applying"
    """Under way, or broken off; the stack that was being changed last may be as before or as recorded."""
    LIVE = "live"
    STOPPED = "stopped"
    """A stack failed; those before it stand."""
    WITHDRAWN = "withdrawn"
    """Nothing of it stands: taken back, or never begun."""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A stack as it was. `template` is a key of the depot."""

    template: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Release:
    """`before` is the release that was there when this one began; a rollback leads there. Instants are UTC."""

    id: str
    at: str
    by: str
    source: str
    state: State = State.APPLYING
    stacks: Mapping[str, Deployed] = field(default_factory=dict)
    before: str | None = None
    restores: str | None = None

    def noting(self, stack: str, deployed: Deployed) -> "Release":
        """The release with one more stack standing."""
        return replace(self, stacks={**self.stacks, stack: deployed})


@dataclass(frozen=True, kw_only=True)
class Releases:
    """The records of one environment."""

    depot: Depot

    def all(self) -> list[Release]:
        """Every release, oldest first."""
        return [_read(self.depot.read(key)) for key in self.depot.keys(_FOLDER)]

    def current(self) -> Release | None:
        """The release that stands, wholly or in part; None before the first."""
        for key in sorted(self.depot.keys(_FOLDER), reverse=True):
            release = _read(self.depot.read(key))
            if release.state is not State.WITHDRAWN:
                return release
        return None

    def get(self, identifier: str) -> Release | None:
        """One release."""
        key = _key(identifier)
        return _read(self.depot.read(key)) if self.depot.has(key) else None

    def before(self, release: Release) -> Release | None:
        """The release to go back to, None when there is none.

        That is the newest before it that came to its end: no other is known to have worked. From one that was to bring
        another back, and did not come to its end, it is that other.
        """
        unfinished = release.state is not State.LIVE
        leads = release.restores if unfinished and release.restores else release.before
        found = self.get(leads) if leads else None
        return self.before(found) if found is not None and found.state is not State.LIVE else found

    def begin(self, *, at: datetime, by: str, source: str, current: Release | None) -> Release:
        """A release of now, upon what stands. It is recorded once there is something to record."""
        stamp = f"{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03}Z"
        digest = hashlib.sha256(f"{stamp} {by} {source}".encode()).hexdigest()[:8]
        return Release(
            id=f"{stamp}-{digest}",
            at=at.isoformat(timespec="seconds"),
            by=by,
            source=source,
            stacks=current.stacks if current else {},
            before=current.id if current else None,
        )

    def record(self, release: Release) -> Release:
        """Keep it as it is now."""
        document = json.dumps(asdict(release), indent=2, sort_keys=True, ensure_ascii=False)
        self.depot.write(_key(release.id), document.encode())
        return release


def _key(identifier: str) -> str:
    return f"{_FOLDER}{identifier}.json"


def _read(raw: bytes) -> Release:
    document = json.loads(raw)
    stacks = {name: Deployed(**one) for name, one in document.pop("stacks").items()}
    return Release(**{**document, "state": State(document["state"]), "stacks": stacks})
