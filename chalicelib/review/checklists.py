"""What a reviewer confirms at each stage (clauses 3.2.2, 3.3.2, 3.3.3).

The lists live in `policies/checklists.json`, so that the center can change them without code.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chalicelib.submission.model import ReviewStage


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    """One thing to confirm. `id` is unique over all stages; `text` is by language.

    `fields` are those of the publication request that it looks at, where it looks at some more than at others.
    """

    id: str
    clause: str
    text: Mapping[str, str]
    fields: tuple[str, ...] = ()


class Checklists:
    """The checklists of a policies folder, read once."""

    def __init__(self, folder: Path) -> None:
        """Raise OSError, ValueError or KeyError when the file is missing, broken or lacks a stage."""
        stages = json.loads((folder / "checklists.json").read_text("utf-8"))
        self._items = {
            stage: tuple(
                ChecklistItem(
                    id=item["id"],
                    clause=item["clause"],
                    text=item["text"],
                    fields=tuple(item.get("fields", ())),
                )
                for item in stages[stage.value]
            )
            for stage in ReviewStage
        }

    def items(self, stage: ReviewStage) -> tuple[ChecklistItem, ...]:
        """The items of a stage in the order in which a reviewer sees them."""
        return self._items[stage]
