"""Zip files whose bytes depend on their contents alone, with bytecode that is never checked against its source."""

import zipfile
from pathlib import Path

from infra.packaging.tools import run_python

_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644


def compile_all(folder: Path, place: str) -> None:
    """Compile every module; `place` is where Lambda unpacks the folder, which tracebacks then name.

    Unchecked hash (PEP 552): zip files keep dates of two seconds, so that checking by date would compile again at
    every cold start, and reading the source to check by hash costs half of what the bytecode saves.
    Raises PackagingError when a module cannot be compiled.
    """
    run_python(
        *("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", place, str(folder)),
    )


def pack(folder: Path, archive: Path) -> None:
    """Write everything in the folder, in a fixed order, with fixed dates and rights."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            member.external_attr = _READABLE << 16
            packed.writestr(member, path.read_bytes(), zipfile.ZIP_DEFLATED)


def unpacked_size(archive: Path) -> int:
    """Bytes of everything in it, as Lambda counts."""
    with zipfile.ZipFile(archive) as packed:
        return sum(member.file_size for member in packed.infolist())
