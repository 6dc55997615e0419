"""What a check finds, and what a check is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.checks.tree import Tree


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `file` is below the tree's root; `where` is a resource, state or parameter in it."""

    file: str
    where: str
    message: str


Check = Callable[[Tree], Iterator[Finding]]
