"""What a package is built for: a Python that Lambda has, and one of its two processors.

The interpreter that packages is the one that Lambda runs: bytecode and wheels of another would be of no use there.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from infra.packaging.errors import PackagingError

ARM64, X86_64 = "arm64", "x86_64"
ARCHITECTURES: Mapping[str, str] = {ARM64: "aarch64", X86_64: "x86_64"}
"""Lambda's word for a processor, and that of wheels."""
RECOMMENDED = (3, 13)
"""On Amazon Linux 2023, with wheels of every dependency, and no longer new."""
_GLIBC: Mapping[tuple[int, int], int] = {(3, 11): 26, (3, 12): 34, (3, 13): 34, (3, 14): 34}
"""For each Python that Lambda runs the minor version of its glibc 2: Amazon Linux 2 up to 3.11, then 2023."""
_OLDEST_GLIBC = 17


@dataclass(frozen=True, kw_only=True)
class Target:
    """`python` is major and minor version; `architecture` one of ARCHITECTURES."""

    python: tuple[int, int]
    architecture: str

    @property
    def runtime(self) -> str:
        """Lambda's name for this Python."""
        return f"python{_dotted(self.python)}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """The tags of wheels that run there, newest first: pip takes each literally and infers no older one."""
        machine = ARCHITECTURES[self.architecture]
        newest = _GLIBC[self.python]
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, _OLDEST_GLIBC - 1, -1)]
        return (*tags, f"manylinux2014_{machine}")


def target(architecture: str = ARM64, python: tuple[int, int] | None = None) -> Target:
    """The target of this interpreter. Raises PackagingError when Lambda has no such Python."""
    version = python or (sys.version_info.major, sys.version_info.minor)
    if version not in _GLIBC:
        known = ", ".join(map(_dotted, _GLIBC))
        raise PackagingError(
            f"Lambda has no runtime for Python {_dotted(version)}. Package with one of {known}, best with "
            f"{_dotted(RECOMMENDED)}: make clean, then make package PYTHON=python{_dotted(RECOMMENDED)}"
        )
    return Target(python=version, architecture=architecture)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
