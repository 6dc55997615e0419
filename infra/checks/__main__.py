"""`python -m infra.checks`: every check on this checkout. Exit status 1 when one of them finds something."""

import sys

from infra.checks.catalogue import QUICK, SLOW, findings
from infra.checks.tree import Tree


def main() -> int:
    """Print every finding on a line of its own: file, resource, what is wrong, and the check that says so."""
    found = 0
    for name, finding in findings(Tree(), {**QUICK, **SLOW}):
        found += 1
        where = f" {finding.where}:" if finding.where else ""
        print(f"{finding.file}:{where} {finding.message} [{name}]")
    print(f"{len(QUICK) + len(SLOW)} checks of the infrastructure, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
