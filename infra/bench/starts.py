"""The CPU of fresh interpreters, from their start to their end, with bytecode: what a cold start pays."""

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.bench.canned import Control
from infra.bench.tape import SUBMIT, Tape

ROOT = Path(__file__).parents[2]
BASE, IMPORT, FIRST_ANSWER = "base", "import", "first_answer"
PROGRAMS = {
    BASE: "import boto3; boto3.client('dynamodb')",
    IMPORT: "import app",
    FIRST_ANSWER: (
        "import json, sys; from app import app; "
        "sys.exit(app(json.load(sys.stdin), None)['statusCode'] != 201)"
    ),
}


def starts(
    tape: Tape, control: Control, environment: Mapping[str, str], rounds: int
) -> dict[str, list[float]]:
    """Seconds of CPU of each program, in each round; a round before them writes the bytecode.

    Raises CalledProcessError when one fails.
    """
    number, submitted = next(
        (number, step) for number, step in enumerate(tape.steps, start=1) if step.name == SUBMIT
    )
    event = json.dumps(submitted.event).encode()
    spent: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(1 + rounds):
        for name, program in PROGRAMS.items():
            if name == FIRST_ANSWER:
                control.begin(number)
            spent[name].append(_seconds(program, environment, event))
    return {name: seconds[1:] for name, seconds in spent.items()}


def _seconds(program: str, environment: Mapping[str, str], given: bytes) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 — our own interpreter and programs
        (sys.executable, "-c", program), check=True, cwd=ROOT, env=environment, input=given
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
