"""The package with its dependencies, as Lambda gets it: nothing else of this machine is seen by what runs here."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from infra.package import AT_MOST, CODE, DEPENDENCIES, LAMBDA_ROOT, LAYER_ROOT, RENDERERS, build
from infra.packaging.archive import unpacked_size
from infra.renderers.handler import VERSION
from tests.infra.packages import (
    EVENTS,
    EXPECTED,
    Package,
    a_package,
    first_services,
    modules,
    spoil_sources,
    with_bytecode,
)

READS_METADATA = {
    "attr/__init__.py",
    "jsonschema/__init__.py",
    "markupsafe/__init__.py",
    "segno/__init__.py",
    "urllib3/http2/__init__.py",
}
"""Modules that ask for installed packages' metadata, and only when their version, HTTP/2 or a plugin is asked for."""


@pytest.fixture(scope="module")
def package(architecture: str, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return a_package(tmp_path_factory.mktemp("package"), with_dependencies=True, architecture=architecture)


def test_every_handler_gets_as_far_as_aws_with_code_and_layer_alone(package: Package) -> None:
    assert first_services(package) == EXPECTED


def test_every_module_of_code_and_layer_has_bytecode_that_is_never_checked(package: Package) -> None:
    assert package.layer is not None
    for folder, place in ((package.code, LAMBDA_ROOT), (package.layer, LAYER_ROOT)):
        assert len(modules(folder)) > len(EVENTS)
        assert with_bytecode(folder, place) == modules(folder)


def test_functions_run_from_bytecode_and_never_read_a_source(package: Package, tmp_path: Path) -> None:
    assert package.layer is not None
    spoilt = replace(package, code=tmp_path / "code", layer=tmp_path / "layer")
    shutil.copytree(package.code, tmp_path / "code")
    shutil.copytree(package.layer, tmp_path / "layer")
    spoil_sources(tmp_path)
    assert first_services(spoilt) == EXPECTED


def test_code_and_layer_are_small_enough(package: Package) -> None:
    assert unpacked_size(package.folder / CODE) + unpacked_size(package.folder / DEPENDENCIES) < AT_MOST


def test_nothing_reads_the_metadata_that_is_taken_away(package: Package) -> None:
    assert package.layer is not None
    layer = package.layer / "python"
    reading = {
        module.relative_to(layer).as_posix()
        for module in modules(layer)
        if re.search(r"importlib[._]metadata|pkg_resources", module.read_text("utf-8"))
    }
    assert reading == READS_METADATA


def test_packaging_twice_gives_the_same_bytes(package: Package, architecture: str, tmp_path: Path) -> None:
    build(tmp_path, with_dependencies=True, architecture=architecture)
    assert _digests(tmp_path) == _digests(package.folder)
    assert {CODE, DEPENDENCIES, RENDERERS} <= _digests(tmp_path).keys()


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_renderers_run_from_their_own_package_and_say_what_it_carries(
    package: Package, tmp_path: Path
) -> None:
    with zipfile.ZipFile(package.folder / RENDERERS) as packed:
        packed.extractall(tmp_path)
    assert with_bytecode(tmp_path, LAMBDA_ROOT) == modules(tmp_path)
    ask = "import json, renderers.handler as handler; print(json.dumps(handler.answer({'ask': 'versions'}, None)))"
    ran = subprocess.run(  # noqa: S603 — our own interpreter
        (sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {ask}"),
        check=True,
        capture_output=True,
        text=True,
    )
    said = json.loads(ran.stdout)
    assert said["renderers"] == VERSION
    assert said["carries"].keys() == {"segno", "typst"}
