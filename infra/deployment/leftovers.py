"""What CloudFormation leaves of a stack and is still to be taken away, in the depot, until that has happened.

    leftovers/imprimatur-data.json

It is written before the stack goes: whatever breaks off afterwards, the next run finds what no stack tells any more.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from infra.deployment.depot import Depot
from infra.deployment.formation import StackResource

_FOLDER = "leftovers/"


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """Those of one environment. Without a depot none are known."""

    depot: Depot

    def of(self, name: str) -> list[StackResource]:
        """What is left of the stack, if that has gone."""
        seen = self.depot.look(_key(name))
        return [StackResource(**one) for one in json.loads(seen.content)] if seen else []

    def note(self, name: str, resources: Iterable[StackResource]) -> None:
        """Keep what will be left, or still is."""
        if self.depot.exists():
            self.depot.write(_key(name), json.dumps([asdict(one) for one in resources]).encode())


def _key(name: str) -> str:
    return f"{_FOLDER}{name}.json"
