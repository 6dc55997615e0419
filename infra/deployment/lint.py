"""What is wrong with templates, found out before anything is sent."""

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cfnlint.api import lint  # type: ignore[import-untyped]  # it ships none

_CHECKS = "infra.checks"
_ROOT = Path(__file__).parents[2]


def faults(templates: Mapping[Path, str]) -> list[str]:
    """Everything that the offline checks find, and cfn-lint in these templates, each for its region."""
    return _of_checks() + [
        f"{path.name}: {match}"
        for path, region in templates.items()
        for match in lint(path.read_text(encoding="utf-8"), regions=[region])
    ]


def _of_checks() -> list[str]:
    """What `python -m infra.checks` says when it fails, if this checkout has it."""
    if importlib.util.find_spec(_CHECKS) is None:
        return []
    ran = subprocess.run(  # noqa: S603 — our own interpreter and module
        (sys.executable, "-m", _CHECKS), cwd=_ROOT, check=False, capture_output=True, text=True
    )
    return [] if ran.returncode == 0 else [*ran.stdout.splitlines(), *ran.stderr.splitlines()]
