"""`python -m infra.bench [--json]`: measures, and judges nothing: the exit status is 0 unless it could not measure."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

from infra.bench.canned import HOST, Control
from infra.bench.recording import record
from infra.bench.report import Report, report
from infra.bench.starts import ROOT, starts
from infra.bench.tape import Tape

ROUNDS = 100
STARTS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="make bench", description="Speed and cost as ratios taken in one run."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often the life is lived")
    parser.add_argument("--starts", type=int, default=STARTS, help="how often each interpreter is started")
    options = parser.parse_args(arguments)
    measured = measure(options.rounds, options.starts)
    print(json.dumps(measured.as_json(), ensure_ascii=False) if options.json else "\n".join(measured.lines()))
    return 0


def measure(rounds: int, started: int) -> Report:
    """Record, replay, start. Raises BrokenLifeError, DriftError or CalledProcessError when it cannot measure."""
    tape = record()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tape.json"
        tape.write(path)
        with _canned_answers(path) as port:
            environment = _environment(tape, port)
            spent = json.loads(_run("infra.bench.replay", path, port, rounds, environment=environment))
            with closing(Control(port)) as control:
                begun = starts(tape, control, environment, started)
    return report(tape, put_item=spent["put_item"], steps=spent["steps"], starts=begun)


def _environment(tape: Tape, port: int) -> dict[str, str]:
    """Nothing of this process's own that would lead to AWS or leave the bytecode away."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return kept | {
        **tape.environment,
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": HOST,
    }


@contextmanager
def _canned_answers(tape: Path) -> Iterator[int]:
    command = (sys.executable, "-m", "infra.bench.canned", str(tape))
    with subprocess.Popen(  # noqa: S603 — our own interpreter and module
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            yield int(cast("IO[str]", server.stdout).readline())
        finally:
            server.terminate()


def _run(module: str, *arguments: object, environment: Mapping[str, str]) -> bytes:
    return subprocess.run(  # noqa: S603 — our own interpreter and modules
        (sys.executable, "-m", module, *map(str, arguments)),
        check=True,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
