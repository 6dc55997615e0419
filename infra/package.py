"""`imprimatur package`: everything that `imprimatur deploy` uploads, in one folder.

Chalice packs the application and writes its template; this adds what Chalice leaves out: policies, schemas, the
workflow files and the bytecode, without which a function's cold start takes twice as long. The dependencies are a
layer that all functions share. What is too heavy for them, renderers, is a package with a function of its own
(docs/decisions/0017-heavy-renderers-are-a-package-of-their-own.md).
"""

import json
import shutil
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from infra.packaging.archive import compile_all, pack, unpacked_size
from infra.packaging.dependencies import (
    install,
    prune,
    prune_pillow,
    renderers_requirements,
    runtime_requirements,
)
from infra.packaging.errors import PackagingError
from infra.packaging.fonts import add_fonts
from infra.packaging.target import ARM64, Target, target
from infra.packaging.tools import run_python

ROOT = Path(__file__).parents[1]
TEMPLATE = "sam.json"
CODE, DEPENDENCIES, RENDERERS = "deployment.zip", "dependencies.zip", "renderers.zip"
LAMBDA_ROOT, LAYER_ROOT = "/var/task", "/opt"
"""Where Lambda unpacks a function's code and its layers: the folders that tracebacks name."""
AT_MOST = 60_000_000
"""Bytes of a function's code and layer, unpacked. Lambda takes four times that, but every cold start reads it."""
RENDERER = "Renderer"
"""What the function of the renderers' package is called in `infra/stacks/app.yaml`."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "examples", "cases.csv")
"""What only tests read."""
_OF_NPM = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules", "package*.json", ".npmrc")
"""What brings the renderers' font: the font itself is added by name."""
_STAGE = "aws"


def main(out: Path, *, architecture: str = ARM64) -> int:
    """Package with all dependencies (that needs a package index) and say what came of it; answers the exit status."""
    try:
        template = build(out, with_dependencies=True, architecture=architecture)
    except PackagingError as error:
        print(f"imprimatur: there is no package: {error}", file=sys.stderr)
        return 1
    print(template)
    for name in (CODE, DEPENDENCIES, RENDERERS):
        archive = out / name
        packed, unpacked = archive.stat().st_size / 1e6, unpacked_size(archive) / 1e6
        print(f"{archive}: {packed:.1f} MB, unpacked {unpacked:.1f} MB")
    return 0


def build(out: Path, *, with_dependencies: bool, architecture: str = ARM64) -> Path:
    """Fill the folder with the template, the archives and the workflows; answers the template's path.

    An earlier package is overwritten. The same sources, interpreter and dependencies give the same bytes.
    Without dependencies there is the application's code, and no archive for the layer and the renderers.
    Raises PackagingError when Lambda has no such Python, Chalice cannot package, a dependency has no wheel for
    Lambda, a module cannot be compiled, or the whole is larger than AT_MOST.
    """
    chosen = target(architecture)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        stage = Path(folder)
        _run_chalice(_staged(stage / "project", chosen), out)
        _add_bytecode(out / CODE, stage / "code")
        if with_dependencies:
            _pack_dependencies(stage / "layer", chosen, out / DEPENDENCIES)
            _pack_renderers(stage / "renderers", chosen, out / RENDERERS)
            _keep_small(out)
    _rewrite_as_json(out / "sam.yaml", out / TEMPLATE, chosen)
    for workflow in (ROOT / "infra" / "workflows").glob("*.asl.json"):
        shutil.copyfile(workflow, out / workflow.name)
    return out / TEMPLATE


def _staged(project: Path, chosen: Target) -> Path:
    """The folder that Chalice packages; what is in `vendor/` lands beside `app.py`."""
    require_catalogues(ROOT / "chalicelib" / "web" / "translations")
    shutil.copytree(ROOT / "chalicelib", project / "chalicelib", ignore=_LEFT_OUT)
    shutil.copyfile(ROOT / "app.py", project / "app.py")
    for data in ("policies", "schemas"):
        shutil.copytree(ROOT / data, project / "vendor" / data, ignore=_LEFT_OUT)
    shutil.copytree(ROOT / "infra" / "roles", project / ".chalice" / "roles")
    config = json.loads((ROOT / "infra" / "chalice" / "config.json").read_bytes())
    config["lambda_architecture"] = chosen.architecture
    (project / ".chalice" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (project / "requirements.txt").touch()
    return project


def require_catalogues(folder: Path) -> None:
    """Raise PackagingError unless the pages' catalogues are there as functions read them, which `make` compiles."""
    for catalogue in sorted(folder.glob("*.po")):
        if not catalogue.with_suffix(".mo").exists():
            raise PackagingError(
                f"{catalogue.with_suffix('.mo')} is missing. make package builds it, and then the package."
            )


def _run_chalice(project: Path, out: Path) -> None:
    """Run it in a fresh interpreter, which imports the staged app and not the one at hand.

    It asks for a region, though it calls nothing there.
    """
    template = ROOT / "infra" / "stacks" / "app.yaml"
    run_python(
        *("-c", "from chalice.cli import main; main()", "--project-dir", str(project)),
        *("package", "--stage", _STAGE, "--merge-template", str(template), str(out.resolve())),
        environment={"AWS_DEFAULT_REGION": "us-east-1"},
    )


def _add_bytecode(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    compile_all(folder, LAMBDA_ROOT)
    pack(folder, archive)


def _pack_dependencies(folder: Path, chosen: Target, archive: Path) -> None:
    install(runtime_requirements(), folder / "python", chosen)
    prune(folder / "python")
    prune_pillow(folder / "python")
    compile_all(folder, LAYER_ROOT)
    pack(folder, archive)


def _pack_renderers(folder: Path, chosen: Target, archive: Path) -> None:
    install(renderers_requirements(), folder, chosen)
    prune(folder, metadata=True)  # it answers the versions of what it carries
    shutil.copytree(ROOT / "infra" / "renderers", folder / "renderers", ignore=_OF_NPM)
    add_fonts(folder / "renderers" / "fonts")
    compile_all(folder, LAMBDA_ROOT)
    pack(folder, archive)


def _keep_small(out: Path) -> None:
    unpacked = unpacked_size(out / CODE) + unpacked_size(out / DEPENDENCIES)
    if unpacked > AT_MOST:
        raise PackagingError(
            f"code and layer are {unpacked / 1e6:.1f} MB unpacked, more than {AT_MOST / 1e6:.0f} MB. What only "
            "renderers need belongs into infra/requirements/renderers.in; what nothing reads is taken away in "
            "infra/packaging/dependencies.py."
        )


def _rewrite_as_json(source: Path, rewritten: Path, chosen: Target) -> None:
    """CloudFormation knows no YAML aliases, which Chalice may write; and the templates do not know the target."""
    template = yaml.safe_load(source.read_text(encoding="utf-8"))
    _complete(template["Resources"], chosen)
    rewritten.write_text(json.dumps(template, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    source.unlink()


def _complete(resources: dict[str, Any], chosen: Target) -> None:
    """Say to what Chalice knows nothing of which target it is for, and what the renderer's role allows."""
    resources["Dependencies"]["Properties"] |= {
        "CompatibleRuntimes": [chosen.runtime],
        "CompatibleArchitectures": [chosen.architecture],
    }
    resources[RENDERER]["Properties"] |= {
        "Runtime": chosen.runtime,
        "Architectures": [chosen.architecture],
    }
    allowed = json.loads((ROOT / "infra" / "roles" / "renderer.json").read_bytes())
    resources[f"{RENDERER}Role"]["Properties"]["Policies"] = [
        {"PolicyName": "renderer", "PolicyDocument": allowed}
    ]
