"""Whoever is woken finds what to do (clause 5.2.2): everything that rings names its section of the runbooks."""

import re
from collections.abc import Iterator

from infra.checks.findings import Finding
from infra.checks.tree import IN_ORDER, Tree
from infra.expanded import Expanded

RUNBOOKS = "docs/runbooks.md"
TOPIC = "<Alarms>"
"""What is sent there is read by people."""
_NAMED = re.compile(r"docs/runbooks\.md#([a-z0-9-]+)$")


def section_of(heading: str) -> str:
    """The anchor that GitHub gives a heading: letters, digits, hyphens; spaces become hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def sections(text: str) -> dict[str, str]:
    """The text of every section of the second level, by its anchor."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return {section_of(heading): text for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def alarms(tree: Tree) -> Iterator[Finding]:
    """What every alarm says, and every event that people are told, ends with a section that is there."""
    there = sections(tree.text(RUNBOOKS)).keys()
    for file in IN_ORDER:
        for name, words in _told(Expanded(tree.root / "infra" / "stacks" / file)):
            named = _NAMED.search(words)
            if named is None:
                yield Finding(file=file, where=name, message=f"does not end with {RUNBOOKS}#section")
            elif named[1] not in there:
                yield Finding(file=file, where=name, message=f"{RUNBOOKS} has no section {named[1]}")


def _told(template: Expanded) -> Iterator[tuple[str, str]]:
    for name, alarm in template.of("CloudWatch::Alarm").items():
        yield name, alarm.get("AlarmDescription", "")
    for name, rule in template.of("Events::Rule").items():
        for target in rule["Targets"]:
            if target["Arn"] == TOPIC:
                yield name, target.get("InputTransformer", {}).get("InputTemplate", "").strip('"')
