"""What a change set would do, in words, and what of it could lose data."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

HOLDS_DATA = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::DynamoDB::GlobalTable",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::KMS::Key",
        "AWS::Backup::BackupVault",
    }
)
"""Types whose resources hold, or open, what nobody can make again. A key takes along all that it has encrypted."""


class Kind(StrEnum):
    """What happens to a resource, by the sign that stands before it."""

    ADDED = "+"
    CHANGED = "~"
    REPLACED = "±"
    MAY_BE_REPLACED = "?"
    REMOVED = "-"
    IMPORTED = ">"
    UNKNOWN = "*"


_WORDS: Mapping[Kind, str] = {
    Kind.ADDED: "added",
    Kind.CHANGED: "changed",
    Kind.REPLACED: "replaced",
    Kind.MAY_BE_REPLACED: "perhaps replaced",
    Kind.REMOVED: "removed",
    Kind.IMPORTED: "taken over",
    Kind.UNKNOWN: "told only when it happens",
}

_ACTIONS: Mapping[str, Kind] = {"Add": Kind.ADDED, "Remove": Kind.REMOVED, "Import": Kind.IMPORTED}
_REPLACING: Mapping[str, Kind] = {"True": Kind.REPLACED, "Conditional": Kind.MAY_BE_REPLACED}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource. `properties` are those that change; `retained`: the old one stays behind."""

    kind: Kind
    resource: str
    type: str
    physical: str = ""
    properties: tuple[str, ...] = ()
    retained: bool = False

    @property
    def endangers_data(self) -> bool:
        """Whether what it holds goes, or is left behind where nothing looks for it any more."""
        return self.type in HOLDS_DATA and self.kind in {
            Kind.REMOVED,
            Kind.REPLACED,
            Kind.MAY_BE_REPLACED,
            Kind.UNKNOWN,
        }

    def line(self) -> str:
        """One line for a person."""
        words = [f"{self.kind} {self.resource}", f"({self.type})", _WORDS[self.kind]]
        if self.kind is not Kind.ADDED and self.physical:
            words.append(self.physical)
        if self.properties:
            words.append(f"in {', '.join(self.properties)}")
        if self.retained:
            words.append("— the old one is kept, outside the stack")
        return " ".join(words)


def read(changes: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """The changes as DescribeChangeSet gives them: what endangers data first, then by kind and name."""
    read = [_read(each["ResourceChange"]) for each in changes if "ResourceChange" in each]
    order = [
        Kind.REMOVED,
        Kind.REPLACED,
        Kind.MAY_BE_REPLACED,
        Kind.UNKNOWN,
        Kind.IMPORTED,
        Kind.ADDED,
        Kind.CHANGED,
    ]
    return tuple(sorted(read, key=lambda one: (not one.endangers_data, order.index(one.kind), one.resource)))


def _read(change: Mapping[str, Any]) -> Change:
    return Change(
        kind=_kind(change),
        resource=change["LogicalResourceId"],
        type=change["ResourceType"],
        physical=change.get("PhysicalResourceId", ""),
        properties=tuple(dict.fromkeys(_properties(change))),
        retained=change.get("PolicyAction") in {"Retain", "ReplaceAndRetain"},
    )


def _kind(change: Mapping[str, Any]) -> Kind:
    if change["Action"] == "Modify":
        return _REPLACING.get(change.get("Replacement", "False"), Kind.CHANGED)
    return _ACTIONS.get(change["Action"], Kind.UNKNOWN)


def _properties(change: Mapping[str, Any]) -> Iterator[str]:
    for detail in change.get("Details", ()):
        target = detail.get("Target", {})
        yield target.get("Name") or target.get("Attribute", "")
