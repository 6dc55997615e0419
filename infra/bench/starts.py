"""The CPU of fresh interpreters, from their start to the end of a program, with bytecode: what a cold start pays."""

import json
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
        "import json, sys; from app import app; answer = app(json.load(sys.stdin), None); "
        "assert answer['statusCode'] == 201, answer['body']"
    ),
}
_CLOCK = "; import time; print(time.process_time())"
"""Said before the interpreter cleans up, which a function never does."""


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
    command = (sys.executable, "-c", program + _CLOCK)
    ran = subprocess.run(  # noqa: S603 — our own interpreter and programs
        command, check=True, cwd=ROOT, env=environment, input=given, stdout=subprocess.PIPE
    )
    return float(ran.stdout)
