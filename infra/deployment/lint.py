"""What is wrong with the templates, found out before anything is sent, by the checks of `make check`."""

from pathlib import Path

from infra.checks.catalogue import QUICK, SLOW, findings
from infra.checks.node import VALIDATOR
from infra.checks.tree import Tree
from infra.package import TEMPLATE
from infra.templates import load

_OF_NODE = "asl-validator"


def faults(package: Path) -> list[str]:
    """Everything that the checks find in this checkout, with the package in that folder if one was built there."""
    built = package / TEMPLATE
    tree = Tree(packaged=load(built) if built.exists() else None)
    checks = {**QUICK, **SLOW}
    if not VALIDATOR.exists():
        del checks[_OF_NODE]  # whoever deploys need not have Node; make check does
    return [
        f"{finding.file}: {finding.where}: {finding.message} [{name}]"
        for name, finding in findings(tree, checks)
    ]
