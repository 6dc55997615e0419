"""Emulated AWS for these tests: ministack in a virtual environment of its own, which `make test-deploy` makes."""

import json
import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from infra.package import ROOT
from infra.packaging.target import ARCHITECTURES
from tests.deployed.cloud import CREDENTIALS, HERE, Cloud

PYTHON = ROOT / "build" / "emulator" / "bin" / "python"
PATIENCE = 60
"""Seconds until it answers."""


def _tools(folder: str, names: list[str]) -> set[str]:
    """What a package is not made of: the checks' programs. The font of posters is."""
    left_out = {"__pycache__", *(("node_modules",) if Path(folder).name == "checks" else ())}
    return left_out & {*names}


@pytest.fixture(scope="session")
def architecture() -> str:
    """Lambda's word for this machine's processor, or pytest's own way of saying that there is none."""
    machine = platform.machine().lower().replace("amd64", "x86_64")
    return next(name for name, word in ARCHITECTURES.items() if word == machine)


@pytest.fixture(scope="session")
def cloud(architecture: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("emulator")
    port = _free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 — the emulator's own interpreter, our own script
            (PYTHON, HERE / "emulated_aws.py"),
            cwd=folder,
            env={
                **kept,
                **CREDENTIALS,
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "TMPDIR": str(folder),
                "AUTH": "true",  # policies of roles, buckets and queues are enforced
                "MINISTACK_ACCOUNT_ID": CREDENTIALS["AWS_ACCESS_KEY_ID"],
                "IOT_MTLS_ENABLED": "0",  # it would listen for everybody
                "SFTP_ENABLED": "0",  # as above
                "TZ": "UTC",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as server,
    ):
        try:
            _wait(server, f"http://127.0.0.1:{port}/_ministack/health", log)
            yield Cloud(endpoint=f"http://127.0.0.1:{port}", architecture=architecture)
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE)
            shutil.copyfile(log, ROOT / "build" / "emulator.log")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(address, timeout=1) as answer:  # noqa: S310 — our own emulator
                assert json.loads(answer.read())["auth"] == "enabled"
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the emulator did not come up:\n{log.read_text('utf-8', 'replace')[-3000:]}")


@pytest.fixture(scope="session")
def changed_sources(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A copy of what is deployed, to be changed and deployed in its turn."""

    def copy(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        for part in ("chalicelib", "policies", "schemas", "infra", "docs"):
            shutil.copytree(ROOT / part, folder / part, ignore=_tools)
        shutil.copyfile(ROOT / "app.py", folder / "app.py")
        return folder

    return copy
