"""What cfn-lint says of each template, as it is written and as SAM translates it."""

import json
from collections.abc import Iterator

from cfnlint.api import lint as cfn_lint  # type: ignore[import-untyped]  # it ships none

from infra.checks.findings import Finding
from infra.checks.tree import APP, EDGE_GLOBAL, PACKAGED, Tree

REGION, GLOBAL = "ap-southeast-1", "us-east-1"
"""A region that has everything, and the one in which `edge-global.yaml` must be."""


def as_written(tree: Tree) -> Iterator[Finding]:
    """The templates of the stacks, the packaged one among them."""
    for file in tree.stacks:
        yield from of_file(tree, file)


def of_file(tree: Tree, file: str) -> Iterator[Finding]:
    """What cfn-lint says of one stack's template."""
    name = PACKAGED if file == APP else file
    text = json.dumps(tree.packaged) if file == APP else tree.text(f"infra/stacks/{file}")
    yield from _of(name, text, GLOBAL if file == EDGE_GLOBAL else REGION)


def as_translated(tree: Tree) -> Iterator[Finding]:
    """What CloudFormation gets of the app, where only references and cycles show that SAM has made."""
    yield from _of("the translated app.yaml", json.dumps(tree.translated), REGION)


def _of(name: str, text: str, region: str) -> Iterator[Finding]:
    for match in cfn_lint(text, regions=[region]):
        path = [str(part) for part in match.path or []]
        where = ".".join(path[1:2] or path)
        yield Finding(file=name, where=where, message=f"{match.rule.id} {match.message}")
