"""The laptop's desk as its first user meets it: `imprimatur demo` starts it, does the main job over HTTP, stops it."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "infra.cli", "demo", *arguments],
        cwd=PROJECT,
        env={**os.environ, "WAIT_SCALE": "50"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_returned_request_is_carried_to_the_archive_and_its_package_verified() -> None:
    ran = demo("--only", "returned-once", "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert lines[-1]["state"] == "archived"
    assert lines[-1]["catalog_number"].startswith("Z109-WS·")


def test_a_sample_that_does_not_exist_is_an_error() -> None:
    ran = demo("--only", "no-such-sample")
    assert ran.returncode == 2
    assert "no-such-sample" in ran.stderr
