"""The runbooks as tests read them: sections by the anchor that GitHub gives them."""

import re
from functools import cache
from pathlib import Path

RUNBOOKS = Path(__file__).parents[1] / "docs" / "runbooks.md"


def section_of(heading: str) -> str:
    """The anchor of a heading: letters, digits, hyphens; spaces become hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def sections() -> dict[str, str]:
    """The text of every section of the second level, by its anchor."""
    parts = re.split(r"^## (.*)$", RUNBOOKS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {section_of(heading): text for heading, text in zip(parts[1::2], parts[2::2], strict=True)}
