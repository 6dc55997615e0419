"""`imprimatur package`: everything that `aws cloudformation package` and `deploy` need, in one folder.

Chalice packs the code and writes the template; this adds what Chalice leaves out: policies, schemas, the workflow
files and the bytecode, without which a function's cold start takes twice as long.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from chalice.constants import MISSING_DEPENDENCIES_TEMPLATE

ROOT = Path(__file__).parents[1]
TEMPLATE = "sam.json"
CODE = "deployment.zip"
LAMBDA_ROOT = "/var/task"
"""Where Lambda unpacks the code: the folder that tracebacks name."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "examples", "cases.csv")
"""What only tests read."""
_STRAY = "node_modules"
"""npm's own files, which pycasbin's wheel carries by mistake."""
_STAGE = "aws"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MISSING = MISSING_DEPENDENCIES_TEMPLATE.partition("%s")[0].strip()
"""What Chalice says, and succeeds, when there is no wheel for Lambda."""


class PackagingError(Exception):
    """There is no package, or none that would run; the message is what the tool said."""


def main(out: Path) -> int:
    """Package with all dependencies (that needs a package index) and say what came of it."""
    template = build(out, with_dependencies=True)
    with zipfile.ZipFile(out / CODE) as code:
        unpacked = sum(member.file_size for member in code.infolist())
    packed = (out / CODE).stat().st_size
    print(f"{template}\n{out / CODE}: {packed / 1e6:.1f} MB, unpacked {unpacked / 1e6:.1f} MB (at most 250)")
    return 0


def build(out: Path, *, with_dependencies: bool) -> Path:
    """Fill the folder with the template, the code and the workflows; answers the template's path.

    An earlier package is overwritten. The same sources, interpreter and dependencies give the same bytes.
    Without dependencies the code is complete but for what `infra/requirements/runtime.txt` names.
    Raises PackagingError when Chalice cannot package, misses a dependency, or a module cannot be compiled.
    """
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        _stage(project, runtime_requirements() if with_dependencies else "")
        _run_chalice(project, out)
        _add_bytecode(out / CODE, Path(folder) / "code")
    _rewrite_as_json(out / "sam.yaml", out / TEMPLATE)
    for workflow in (ROOT / "infra" / "workflows").glob("*.asl.json"):
        shutil.copyfile(workflow, out / workflow.name)
    return out / TEMPLATE


def runtime_requirements() -> str:
    """The locked requirements without Chalice and what only Chalice needs: it packs its own runtime itself."""
    text = (ROOT / "infra" / "requirements" / "runtime.txt").read_text(encoding="utf-8")
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


def _stage(project: Path, requirements: str) -> None:
    """Lay out the folder that Chalice packages; what is in `vendor/` lands beside `app.py`."""
    shutil.copytree(ROOT / "chalicelib", project / "chalicelib", ignore=_LEFT_OUT)
    shutil.copyfile(ROOT / "app.py", project / "app.py")
    for data in ("policies", "schemas"):
        shutil.copytree(ROOT / data, project / "vendor" / data, ignore=_LEFT_OUT)
    shutil.copytree(ROOT / "infra" / "roles", project / ".chalice" / "roles")
    shutil.copyfile(ROOT / "infra" / "chalice" / "config.json", project / ".chalice" / "config.json")
    (project / "requirements.txt").write_text(requirements, encoding="utf-8")


def _run_chalice(project: Path, out: Path) -> None:
    """Run it in a fresh interpreter, which imports the staged app and not the one at hand."""
    template = ROOT / "infra" / "stacks" / "app.yaml"
    said = _run(
        *("-c", "from chalice.cli import main; main()", "--project-dir", str(project)),
        *("package", "--stage", _STAGE, "--merge-template", str(template), str(out.resolve())),
    )
    if _MISSING in said:
        raise PackagingError(said)


def _add_bytecode(archive: Path, folder: Path) -> None:
    """Compile every module, never to be checked against its source again, and pack with fixed order and dates."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    shutil.rmtree(folder / _STRAY, ignore_errors=True)
    _run(
        *("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", LAMBDA_ROOT, str(folder)),
    )
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            member.external_attr = 0o644 << 16
            packed.writestr(member, path.read_bytes(), zipfile.ZIP_DEFLATED)


def _run(*arguments: str) -> str:
    """Run Python without AWS's variables; packaging asks for a region, though it calls nothing there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    ran = subprocess.run(  # noqa: S603 — our own interpreter with our own arguments
        (sys.executable, *arguments),
        check=False,
        env=kept
        | {
            "AWS_DEFAULT_REGION": "us-east-1",
            "PYTHONDONTWRITEBYTECODE": "1",  # Chalice would pack it
            "PYTHONHASHSEED": "0",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode != 0:
        raise PackagingError(ran.stdout)
    return ran.stdout


def _rewrite_as_json(source: Path, target: Path) -> None:
    """CloudFormation knows no YAML aliases, which Chalice may write."""
    template = yaml.safe_load(source.read_text(encoding="utf-8"))
    target.write_text(json.dumps(template, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    source.unlink()
