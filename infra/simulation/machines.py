"""The state machines of `infra/workflows/` on an agenda: their waits cost nothing, their functions are the app's own.

So much of the Amazon States Language as they use; whatever else is an error, never a guess.
"""

import itertools
import json
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.core.clock import from_text
from infra.local.functions import Functions
from infra.simulation.agenda import Agenda

WORKFLOWS = Path(__file__).parents[1] / "workflows"
_INVOKE = "arn:${Partition}:states:::lambda:invoke"
_INVOKE_AND_WAIT = f"{_INVOKE}.waitForTaskToken"
_TIMEOUT = "States.Timeout"
_FIELDS = {
    "Wait": {"TimestampPath", "SecondsPath"},
    "Pass": set[str](),
    "Succeed": set[str](),
    "Choice": {"Choices", "Default"},
    "Task": {
        *("Resource", "Parameters", "OutputPath", "ResultPath", "Retry", "Catch"),
        *("TimeoutSeconds", "TimeoutSecondsPath"),
    },
    "Map": {"ItemsPath", "ItemSelector", "ItemProcessor", "ResultPath"},
}
"""What a state of each type may say besides what every state may."""

Data = Any
State = Mapping[str, Any]


class WorkflowFeatureError(NotImplementedError):
    """A workflow uses what is not interpreted here."""


class _StateError(Exception):
    """A state failed with an error of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class _Pause:
    """Until then, or until somebody answers the token."""

    until: datetime
    token: str | None = None


Course = Generator[_Pause, Data, Data]
"""What an execution does: it yields what it waits for, and gets the token's answer, None once the time has passed."""


class _Exceptions:
    """What the client raises, by the names of botocore's."""

    class ExecutionAlreadyExists(Exception):
        """An execution of that name has been there."""


class Machines:
    """All machines and their executions; to the app it is a client of Step Functions. A machine's ARN is its name."""

    exceptions = _Exceptions

    def __init__(self, *, agenda: Agenda, functions: Functions) -> None:
        self._agenda = agenda
        self._functions = functions
        self._names = functions.substitutions()
        self._definitions = {
            path.name.partition(".")[0]: json.loads(path.read_text("utf-8"))
            for path in WORKFLOWS.glob("*.asl.json")
        }
        self._numbers = itertools.count(1)
        self._known: set[str] = set()
        self._running: set[str] = set()
        self._open: set[str] = set()
        self._parked: dict[str, tuple[str, Course]] = {}
        self.failed: list[str] = []
        """The executions that ended in an error: each one's name, and the error's."""

    def start_execution(self, **request: str) -> None:
        """Start, once; a repeat while it runs changes nothing."""
        name = request["name"]
        if name in self._running:
            return
        if name in self._known:
            raise self.exceptions.ExecutionAlreadyExists(name)
        self._known.add(name)
        self._running.add(name)
        course = self._course(self._definitions[request["stateMachineArn"]], json.loads(request["input"]))
        self._agenda.at(self._agenda.now(), lambda: self._go(name, course, None))

    def send_task_success(self, **request: str) -> None:
        """Wake what waits with the token. Raises ClientError when nothing does."""
        token, output = request["taskToken"], json.loads(request["output"])
        if token not in self._open:
            raise ClientError({"Error": {"Code": "TaskTimedOut"}}, "SendTaskSuccess")
        self._open.discard(token)
        self._agenda.at(self._agenda.now(), lambda: self._wake(token, output))

    def _wake(self, token: str, answer: Data) -> None:
        self._open.discard(token)
        if token in self._parked:
            name, course = self._parked.pop(token)
            self._go(name, course, answer)

    def _go(self, name: str, course: Course, answer: Data) -> None:
        """Let an execution go on up to its next pause."""
        try:
            pause = course.send(answer)
        except StopIteration:
            self._running.discard(name)
            return
        except _StateError as error:
            self.failed.append(f"{name}: {error.name}")
            self._running.discard(name)
            return
        token = pause.token
        if token is None:
            self._agenda.at(pause.until, lambda: self._go(name, course, None))
            return
        self._parked[token] = (name, course)
        self._agenda.at(pause.until, lambda: self._wake(token, None) if token in self._open else None)

    def _course(self, machine: State, data: Data) -> Course:
        """Go through a machine's states, or those of a Map's item."""
        here = machine["StartAt"]
        while True:
            state = machine["States"][here]
            _ensure_known(here, state)
            here = state.get("Next")
            match state["Type"]:
                case "Wait":
                    yield _Pause(self._waited_for(state, data))
                case "Choice":
                    here = _chosen(state, data)
                case "Map":
                    for item in _at(state["ItemsPath"], data):
                        selected = _filled(state["ItemSelector"], data, {"$$.Map.Item.Value": item})
                        yield from self._course(state["ItemProcessor"], selected)
                case "Task":
                    data, caught = yield from self._task(state, data)
                    here = caught or here
            if here is None:
                return data

    def _waited_for(self, state: State, data: Data) -> datetime:
        if "TimestampPath" in state:
            return from_text(_at(state["TimestampPath"], data))
        return self._agenda.now() + timedelta(seconds=_at(state["SecondsPath"], data))

    def _task(self, state: State, data: Data) -> Generator[_Pause, Data, tuple[Data, str | None]]:
        """Its output, and where to go instead of to its Next when an error was caught."""
        tries = Counter[int]()
        while True:
            try:
                answer = yield from self._tried(state, data)
            except _StateError as error:
                delay = _delay(state.get("Retry", ()), error.name, tries)
                if delay is not None:
                    yield _Pause(self._agenda.now() + delay)
                    continue
                for catcher in state.get("Catch", ()):
                    if _means(catcher["ErrorEquals"], error.name):
                        return data, str(catcher["Next"])
                raise
            return (data if "ResultPath" in state else answer), None

    def _tried(self, state: State, data: Data) -> Course:
        """Invoke the function once; what it answers, or what is answered to its token."""
        began, token = self._agenda.now(), f"token-{next(self._numbers)}"
        waits = state["Resource"] == _INVOKE_AND_WAIT
        if waits:
            self._open.add(token)
        asked = _filled(state["Parameters"], data, {"$$.Task.Token": token})
        function = self._names[asked["FunctionName"].strip("${}")]
        answer = self._functions.invoke(function, json.dumps(asked["Payload"]).encode())
        if answer.failed:
            self._open.discard(token)
            raise _StateError(str(answer.value()["errorType"]))
        if not waits:
            return answer.value()
        seconds = _at(state["TimeoutSecondsPath"], data)
        output = yield _Pause(began + timedelta(seconds=seconds), token)
        if output is None:
            raise _StateError(_TIMEOUT)
        return output


def _ensure_known(name: str, state: State) -> None:
    """Raise WorkflowFeatureError for what would be overlooked."""
    known = {"Type", "Comment", "Next", "End"} | _FIELDS.get(state["Type"], set())
    strange = state.keys() - known
    if state["Type"] not in _FIELDS or strange:
        raise WorkflowFeatureError(f"{name}: {state['Type']} with {', '.join(sorted(strange))}")
    if state["Type"] == "Task":
        right: Mapping[str, set[object]] = {
            "Resource": {_INVOKE, _INVOKE_AND_WAIT},
            "ResultPath": {None},
            "OutputPath": {"$.Payload"},
        }
        for field, values in right.items():
            if field in state and state[field] not in values:
                raise WorkflowFeatureError(f"{name}: {field} {state[field]}")


def _at(path: str, data: Data) -> Data:
    """What a path of names leads to."""
    for name in path.removeprefix("$").split(".")[1:]:
        data = data[name]
    return data


def _filled(template: Data, data: Data, context: Mapping[str, Data]) -> Data:
    """A payload template: what ends in `.$` is looked up."""
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): (context[value] if value.startswith("$$") else _at(value, data))
        if name.endswith(".$")
        else _filled(value, data, context)
        for name, value in template.items()
    }


def _chosen(state: State, data: Data) -> str:
    for rule in state["Choices"]:
        if rule.keys() != {"Variable", "StringEquals", "Next"}:
            raise WorkflowFeatureError(f"a choice by {', '.join(sorted(rule))}")
        if _at(rule["Variable"], data) == rule["StringEquals"]:
            return str(rule["Next"])
    return str(state["Default"])


def _delay(retriers: Iterable[State], error: str, tries: Counter[int]) -> timedelta | None:
    """How long to wait before the next try; None when there is none."""
    for number, retrier in enumerate(retriers):
        if _means(retrier["ErrorEquals"], error):
            if tries[number] >= retrier.get("MaxAttempts", 3):
                return None
            tries[number] += 1
            seconds = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2) ** (tries[number] - 1)
            return timedelta(seconds=min(seconds, retrier.get("MaxDelaySeconds", seconds)))
    return None


def _means(names: Iterable[str], error: str) -> bool:
    return any(
        name in {error, "States.ALL"} or (name == "States.TaskFailed" and error != _TIMEOUT) for name in names
    )
