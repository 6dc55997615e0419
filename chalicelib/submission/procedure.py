"""The reviews that a publication request goes through, as data (clauses 2.2.1, 3.2.1, 3.3.1).

The center keeps them in `policies/stages.yaml`. Each version is known by the digest of what it says, and a round of
review keeps the one that it began with.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from chalicelib.core.canonical import digest
from chalicelib.core.messages import DEFAULT, LANGUAGES
from chalicelib.identity.model import ProofKind
from chalicelib.people.model import CENTER, Role

CONFIDENTIAL = "confidential"
_ANY, _STRICT = frozenset(ProofKind), frozenset({ProofKind.PASSKEY, ProofKind.OIDC})
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")


class ProcedureError(ValueError):
    """A procedure that leaves something open, or names what does not exist."""


class Place(StrEnum):
    """Where a duty is held."""

    CENTER = "center"
    DEPARTMENT = "department"
    """The department that the text is from."""


@dataclass(frozen=True, kw_only=True)
class Post:
    """Whom a stage asks: who holds a role, in the center or in the department that the text is from."""

    role: Role
    of: Place

    def duty(self, department: str) -> tuple[Role, str]:
        """The role and the department that it is held in, for a text from that department."""
        return self.role, CENTER if self.of is Place.CENTER else department


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    """One thing to confirm. `id` is unique over all stages; `text` is by language.

    `fields` are those of the publication request that it looks at, where it looks at some more than at others.
    """

    id: str
    clause: str
    text: Mapping[str, str]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One review.

    `superior` stands above the reviewers: told when a deadline has passed, asked instead of them where all of them
    wrote the text; None where nobody does. `quorum` is how many must approve, None for everybody who is asked.
    `proofs` says, by classification, how a reviewer may prove to be there.
    """

    id: str
    clause: str
    names: Mapping[str, str]
    reviewers: Post
    superior: Post | None
    quorum: int | None
    checklist: tuple[ChecklistItem, ...]
    reconfirm: frozenset[str] = frozenset()
    """The fields of the form that may differ from what was approved before, to be confirmed again in one step."""
    proofs: Mapping[str, frozenset[ProofKind]] = field(default_factory=dict)

    def accepted(self, classification: str) -> frozenset[ProofKind]:
        """Which proofs of person are enough to decide on a text so classified (clauses 3.3.4, 5.3.1).

        A round that began with a procedure that does not say needs the strictest for what is confidential.
        """
        return self.proofs.get(classification, _STRICT if classification == CONFIDENTIAL else _ANY)

    def name(self, language: str) -> str:
        """What the stage is called."""
        return self.names.get(language, self.names[DEFAULT])

    def needed(self, asked: int) -> int:
        """How many approvals make it, of so many reviewers who are asked."""
        return asked if self.quorum is None else self.quorum

    @cached_property
    def items(self) -> frozenset[str]:
        """The ids of what its reviewers confirm."""
        return frozenset(item.id for item in self.checklist)


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """All reviews in their order. `version` is the SHA-256 of the document, in hexadecimal.

    `recall` is for how long a decision may be taken back, and for how long what follows it waits.
    """

    version: str
    stages: tuple[Stage, ...]
    recall: timedelta
    document: Mapping[str, Any]

    @property
    def ids(self) -> tuple[str, ...]:
        """The stages, by id, in their order."""
        return tuple(stage.id for stage in self.stages)

    def __getitem__(self, stage: str) -> Stage:
        """The stage of that id. Raises KeyError where there is none."""
        return self._by_id[stage]

    @cached_property
    def _by_id(self) -> Mapping[str, Stage]:
        return {stage.id: stage for stage in self.stages}

    def place(self, stage: str) -> int:
        """The number of a stage, from 1."""
        return self.ids.index(stage) + 1

    def following(self, stage: str) -> str | None:
        """The stage that follows an approval, None after the last."""
        place = self.place(stage)
        return self.ids[place] if place < len(self.ids) else None

    def checklist(self, stage: str) -> tuple[ChecklistItem, ...]:
        """What a stage's reviewers confirm: nothing that is known where this procedure has no such stage."""
        known = self._by_id.get(stage)
        return () if known is None else known.checklist

    def name(self, stage: str, language: str) -> str:
        """What a stage is called: by its id where this procedure has none of it."""
        known = self._by_id.get(stage)
        return stage if known is None else known.name(language)


def read_procedure(folder: Path) -> Procedure:
    """The present procedure of a policies folder. Raises OSError or ProcedureError."""
    from yaml import CSafeLoader, YAMLError, load  # noqa: PLC0415 — heavy, and few events need it

    try:
        return procedure_from_document(load((folder / "stages.yaml").read_text("utf-8"), CSafeLoader))
    except YAMLError as error:
        raise ProcedureError(f"stages.yaml: {error}") from error


def procedure_from_document(document: Mapping[str, Any]) -> Procedure:
    """Read a procedure. Raises ProcedureError for what cannot be followed."""
    try:
        stages = tuple(_stage(**each) for each in document["stages"])
        version = digest(dict(document))
        recall = timedelta(minutes=document["recall_minutes"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProcedureError(f"stages.yaml: {error}") from error
    ids = [stage.id for stage in stages]
    items = [item.id for stage in stages for item in stage.checklist]
    if not ids or len(set(ids)) < len(ids) or len(set(items)) < len(items):
        raise ProcedureError("stages.yaml: there is no stage, or two stages or items have one id")
    if recall < timedelta(0):
        raise ProcedureError("stages.yaml: recall_minutes is less than none")
    return Procedure(version=version, stages=stages, recall=recall, document=document)


def _stage(  # noqa: PLR0913 — a stage has these members
    *,
    id: str,  # noqa: A002 — as above
    clause: str,
    name: Mapping[str, str],
    reviewers: Mapping[str, str],
    quorum: int | str,
    checklist: Sequence[Mapping[str, Any]],
    superior: Mapping[str, str] | None = None,
    reconfirm: Sequence[str] = (),
    proof: Mapping[str, Sequence[str]] | None = None,
) -> Stage:
    if not _ID.fullmatch(id):
        raise ValueError(f"{id!r} is no id of a stage")
    if quorum != "all" and (not isinstance(quorum, int) or quorum < 1):
        raise ValueError(f"{id}: {quorum!r} is no quorum")
    if not checklist:
        raise ValueError(f"{id}: nothing to confirm")
    return Stage(
        id=id,
        clause=clause,
        names=_in_every_language(id, name),
        reviewers=_post(**reviewers),
        superior=None if superior is None else _post(**superior),
        quorum=None if isinstance(quorum, str) else quorum,
        checklist=tuple(_item(**each) for each in checklist),
        reconfirm=frozenset(reconfirm),
        proofs={} if proof is None else _proofs(id, **proof),
    )


def _proofs(
    stage: str, *, public: Sequence[str], internal: Sequence[str], confidential: Sequence[str]
) -> Mapping[str, frozenset[ProofKind]]:
    said = {"public": public, "internal": internal, CONFIDENTIAL: confidential}
    proofs = {name: frozenset(map(ProofKind, kinds)) for name, kinds in said.items()}
    if not all(proofs.values()):
        raise ValueError(f"{stage}: nothing is enough of a proof")
    return proofs


def _post(*, role: str, of: str) -> Post:
    return Post(role=Role(role), of=Place(of))


def _item(*, id: str, clause: str, text: Mapping[str, str], fields: Sequence[str] = ()) -> ChecklistItem:  # noqa: A002 — as above
    if not _ID.fullmatch(id):
        raise ValueError(f"{id!r} is no id of an item")
    return ChecklistItem(id=id, clause=clause, text=_in_every_language(id, text), fields=tuple(fields))


def _in_every_language(what: str, texts: Mapping[str, str]) -> Mapping[str, str]:
    if missing := [language for language in LANGUAGES if not texts.get(language)]:
        raise ValueError(f"{what}: no text in {', '.join(missing)}")
    return texts
