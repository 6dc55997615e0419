"""What is wrong with templates and parameters, found out before anything is sent, by the checks of `make check`."""

from collections.abc import Mapping
from pathlib import Path

from infra.checks.catalogue import QUICK, SLOW, findings
from infra.checks.findings import Check
from infra.checks.node import VALIDATOR
from infra.checks.tree import Tree
from infra.package import TEMPLATE
from infra.templates import load

EVERY: Mapping[str, Check] = {**QUICK, **SLOW}
"""All checks of `make check`."""
_OF_NODE = "asl-validator"


def faults(package: Path, params: Path, checks: Mapping[str, Check] = EVERY) -> list[str]:
    """Everything that the checks find in this checkout and in that folder of environments' files.

    With the package in the folder `package`, if one was built there.
    """
    built = package / TEMPLATE
    tree = Tree(packaged=load(built) if built.exists() else None, params=params)
    if not VALIDATOR.exists():  # whoever deploys need not have Node; make check does
        checks = {name: check for name, check in checks.items() if name != _OF_NODE}
    return [
        f"{finding.file}: {finding.where}: {finding.message} [{name}]"
        for name, finding in findings(tree, checks)
    ]
