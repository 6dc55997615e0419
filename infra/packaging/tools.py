"""Runs Python's own tools apart from this process, and without what its environment says."""

import os
import subprocess
import sys
from collections.abc import Mapping

from infra.packaging.errors import PackagingError


def run_python(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What this interpreter says when run with these arguments. Raises PackagingError when it fails.

    AWS's and Python's variables are taken away: packaging calls nothing there, and must not depend on them.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    ran = subprocess.run(  # noqa: S603 — our own interpreter with our own arguments
        (sys.executable, *arguments),
        check=False,
        env=kept
        | {
            "PYTHONDONTWRITEBYTECODE": "1",  # it would be packed
            "PYTHONHASHSEED": "0",  # or sets of constants come in another order each time
        }
        | dict(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode != 0:
        raise PackagingError(ran.stdout)
    return ran.stdout
