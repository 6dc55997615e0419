"""Lives a recorded life again and again: `python -m infra.bench.replay TAPE PORT ROUNDS`, a process of its own.

Prints as JSON what CPU, user and system, each step took. The yardstick is measured again before each step, so that a
drift of the machine touches both alike.
"""

import copy
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3

from app import app
from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core.clock import from_text, utc_now
from chalicelib.core.settings import from_environment
from infra.bench.canned import Control, DriftError
from infra.bench.tape import DECIDE, OPEN, PUT_ITEM, SUBMIT, Step, Tape, outcome

WARM_UP = 2
"""Rounds in which clients are made and caches filled."""

Handler = Callable[[Any, Any], Any]


class Player:
    """The product, at the instant of the step that is lived."""

    def __init__(self) -> None:
        self._at = utc_now()
        self._client = boto3.client("dynamodb")
        bootstrap.use(Parts(from_environment(), now=lambda: self._at))
        self._handlers: dict[str, Handler] = {**app.handler_map, PUT_ITEM: self._put_item}
        self._handlers |= dict.fromkeys((SUBMIT, OPEN, DECIDE), app)

    def seconds(self, step: Step) -> float:
        """The CPU of one step. Raises DriftError when another thing comes of it than when it was recorded."""
        self._at = from_text(step.at)
        handler, event = self._handlers[step.name], copy.deepcopy(step.event)
        before = time.process_time()
        result = handler(event, None)
        spent = time.process_time() - before
        if outcome(step.name, result) != step.outcome:
            raise DriftError(f"{step.name}: {result}")
        return spent

    def _put_item(self, event: Mapping[str, Any], _context: object) -> int:
        answer = self._client.put_item(**event)
        return answer["ResponseMetadata"]["HTTPStatusCode"]


def replay(tape: Tape, control: Control, rounds: int) -> dict[str, list[list[float]]]:
    """Seconds of CPU, in each round, of each step and of the yardstick before it."""
    player = Player()
    spent: dict[str, list[list[float]]] = {"put_item": [], "steps": []}
    for _ in range(WARM_UP + rounds):
        measured = {"put_item": list[float](), "steps": list[float]()}
        for number, step in enumerate(tape.steps, start=1):
            control.begin(0)
            measured["put_item"].append(player.seconds(tape.put_item))
            control.begin(number)
            measured["steps"].append(player.seconds(step))
        for name, seconds in measured.items():
            spent[name].append(seconds)
    return {name: samples[WARM_UP:] for name, samples in spent.items()}


def main() -> None:
    """Replay and print."""
    _, tape, port, rounds = sys.argv
    with closing(Control(int(port))) as control:
        print(json.dumps(replay(Tape.read(Path(tape)), control, int(rounds))))


if __name__ == "__main__":
    main()
