"""The site's plan (clauses 4.1.2, 4.1.3): name and sections as data, for its administrator to change."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chalicelib.submission.model import Category

PLAN = Path(__file__).with_name("sections.json")

_ID = re.compile(r"[a-z]+")


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section. `categories` are those it lists; `text` is Markdown that stands above, or empty."""

    id: str
    name: str
    categories: tuple[Category, ...]
    text: str

    @property
    def path(self) -> str:
        """Where its index page lives below a prefix."""
        return f"{self.id}/index.html"

    def year_path(self, year: int) -> str:
        """Where the full list of one year lives below a prefix."""
        return f"{self.id}/{year}.html"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The whole site: names in zh-Hans, sections in the order of the navigation."""

    name: str
    strapline: str
    category_names: Mapping[Category, str]
    sections: tuple[Section, ...]

    def __post_init__(self) -> None:
        """Raise ValueError unless every category has a name and exactly one section, and every id fits a URL.

        An id without hyphen or digit can never be mistaken for a submission's; `search` and `enter` are taken.
        """
        ids = [section.id for section in self.sections]
        if len(set(ids)) < len(ids) or not all(
            _ID.fullmatch(name) and name not in {"search", "enter"} for name in ids
        ):
            raise ValueError(
                f"section ids must be different, of small letters, and not search or enter: {ids}"
            )
        homes = Counter(category for section in self.sections for category in section.categories)
        if homes != Counter(Category):
            raise ValueError(f"each category needs exactly one section: {homes}")
        if set(self.category_names) != set(Category):
            raise ValueError("each category needs a name")

    def section_of(self, category: Category) -> Section:
        """The section that lists this category."""
        return next(section for section in self.sections if category in section.categories)


def read_plan(path: Path) -> Plan:
    """Read a plan. Raises ValueError when it contradicts itself or names an unknown category."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Plan(
        name=document["name"],
        strapline=document["strapline"],
        category_names={Category(key): name for key, name in document["categories"].items()},
        sections=tuple(
            Section(
                id=section["id"],
                name=section["name"],
                categories=tuple(Category(category) for category in section["categories"]),
                text="\n".join(section["text"]),
            )
            for section in document["sections"]
        ),
    )


@cache
def the_plan() -> Plan:
    """The plan of this site, read once."""
    return read_plan(PLAN)
