"""What the functions import from others: installed for Lambda's machine from the lock file, less what none reads."""

import re
import shutil
from collections import defaultdict
from pathlib import Path

from infra.packaging.target import Target
from infra.packaging.tools import run_python

REQUIREMENTS = Path(__file__).parents[1] / "requirements"

SERVICES = frozenset({"dynamodb", "kms", "lambda", "s3", "sesv2", "sqs", "stepfunctions"})
"""The AWS services whose clients the functions make. botocore's descriptions of all others are left out."""

_USELESS_FOLDERS = ("tests", "test", "benchmarks", "bin", "node_modules")
"""npm's own files are in pycasbin's wheel by mistake."""
_USELESS_FILES = ("*.pyi", "py.typed", "*.c", "*.h", "*.pyx", "*.pxd", "*.pc", "*.cmake")

_OF_FONTS_AND_AVIF = (
    "_avif.*",
    "_imagingft.*",
    "_imagingtk.*",
    "libavif-*",
    "libbrotli*",
    "libfreetype-*",
    "libharfbuzz-*",
)
"""What Pillow brings for writing letters and for a format that is attached to nothing; renderers may need it."""


def runtime_requirements() -> str:
    """The locked requirements without Chalice and what only Chalice needs: it packs its own runtime itself."""
    text = (REQUIREMENTS / "runtime.txt").read_text(encoding="utf-8")
    entries: dict[str, str] = defaultdict(str)  # one name may have a version per Python
    for entry in re.findall(r"^\w.*\n(?: .*\n)*", text, re.MULTILINE):
        entries[entry.partition("==")[0]] += entry
    wanted_by = {
        name: set(" ".join(re.findall(r"^ +# (.*)", entry, re.MULTILINE)).split()) - {"via"}
        for name, entry in entries.items()
    }
    dropped: set[str] = set()
    found = {"chalice", "setuptools"}  # of setuptools the lock file only says which one Chalice gets
    while found:
        dropped |= found
        found = {name for name, by in wanted_by.items() if by <= dropped} - dropped
    return "".join(entry for name, entry in entries.items() if name not in dropped)


def renderers_requirements() -> str:
    """What the renderers' package carries."""
    return (REQUIREMENTS / "renderers.txt").read_text(encoding="utf-8")


def install(requirements: str, folder: Path, target: Target) -> None:
    """Fill the folder with locked requirements, as wheels for the target; nothing is built here.

    It needs a package index. Raises PackagingError when there is no wheel, or one with another digest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "requirements.txt"
    listed.write_text(requirements, encoding="utf-8")
    platforms = [word for platform in target.platforms for word in ("--platform", platform)]
    run_python(
        *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"),
        *("--require-hashes", "--only-binary", ":all:", "--implementation", "cp"),
        *("--python-version", ".".join(map(str, target.python)), *platforms),
        *("--target", str(folder), "--requirement", str(listed)),
    )
    listed.unlink()


def prune(folder: Path, *, metadata: bool = False) -> None:
    """Take away what no function reads: half of what is installed.

    `metadata` keeps what `importlib.metadata` reads, which is the packages' names and versions.
    """
    data = folder / "botocore" / "data"
    for described in data.iterdir() if data.exists() else ():
        if described.is_dir() and described.name not in SERVICES:
            shutil.rmtree(described)
    for name in _USELESS_FOLDERS:
        for useless in sorted(folder.rglob(name)):
            if useless.is_dir():
                shutil.rmtree(useless)
    for pattern in _USELESS_FILES:
        for file in sorted(folder.rglob(pattern)):
            file.unlink()
    for information in sorted(folder.glob("*.dist-info")):
        kept = (information / "METADATA").read_bytes() if metadata else None
        shutil.rmtree(information)
        if kept is not None:
            information.mkdir()
            (information / "METADATA").write_bytes(kept)


def prune_pillow(folder: Path) -> None:
    """Take away what the functions need nothing of: letters in pictures, AVIF, windows."""
    for pattern in _OF_FONTS_AND_AVIF:
        for file in (*folder.glob(f"PIL/{pattern}"), *folder.glob(f"pillow.libs/{pattern}")):
            file.unlink()
