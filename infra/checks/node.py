"""What asl-validator says of the state machines. It is of Node; `make check` installs it from the lock file here."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.checks.findings import Finding
from infra.checks.tree import Tree
from infra.checks.workflows import as_deployed, file_of

VALIDATOR = Path(__file__).parent / "node_modules" / ".bin" / "asl-validator"


def asl_validator(tree: Tree) -> Iterator[Finding]:
    """Each definition, with its substitutions made."""
    if not VALIDATOR.exists():
        yield Finding(
            file="infra/checks/package.json",
            where="asl-validator",
            message="is not installed; run make check",
        )
        return
    for workflow, definition in tree.workflows.items():
        with TemporaryDirectory() as folder:
            path = Path(folder) / "definition.json"
            path.write_text(json.dumps(as_deployed(definition)), encoding="utf-8")
            ran = subprocess.run(  # noqa: S603 — our own tool on our own file
                (VALIDATOR, "--json-path", path), check=False, capture_output=True, text=True
            )
        if ran.returncode != 0:
            said = " ".join((ran.stdout + ran.stderr).replace(str(path), "").split())
            yield Finding(file=file_of(workflow), where="", message=said)
