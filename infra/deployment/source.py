"""Which sources are being deployed, for whoever reads the record of a release later."""

import subprocess
from pathlib import Path


def described(root: Path) -> str:
    """The commit, with `-dirty` when files differ from it; empty where there is no repository."""
    try:
        said = subprocess.run(
            ("git", "describe", "--always", "--dirty", "--exclude=*"),  # noqa: S607 — whichever git there is
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()
