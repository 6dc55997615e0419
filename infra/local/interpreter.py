"""moto's Step Functions interpreter, made to wait exactly, call this process and say when it rests.

Mended once per process, like the rest of moto; `use` says whose functions are called and how long waits
take. Left alone, moto ends a Wait up to a second early and reads its timestamp in local time, StopExecution
does not end an execution that waits for a token, answering a token fails while any other execution is just
starting, the workflow is parsed again for every execution, and each call of a function makes a new client.
"""

import functools
import io
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import Timeout
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback as callback_task,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp import Timestamp
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS

from infra.local.functions import Functions
from infra.local.mends import Method, replace
from infra.local.resources import ACCOUNT

Internal = Any
"""moto's own objects, which its interpreter passes around; they have no public face."""

RUNNING = "RUNNING"
_POLL = 0.02
"""Seconds between two looks of a waiting thread at whether its execution was stopped."""


@dataclass(frozen=True, kw_only=True)
class _Rest:
    """A branch of an execution that waits; `woken` tells when it was called but has not yet got up."""

    until: float
    """On the monotonic clock, in seconds."""
    timed: bool
    """True for Wait, false for a task token."""
    woken: Callable[[], bool]

    def asleep(self, *, through_waits: bool) -> bool:
        return not (self.timed and through_waits) and time.monotonic() < self.until and not self.woken()


@dataclass
class Runtime:
    """What the state machines of one cloud run on; `wait_scale` times shorter is every wait of theirs."""

    functions: Functions
    wait_scale: float
    _resting: dict[int, _Rest] = field(default_factory=dict)
    _closed: threading.Event = field(default_factory=threading.Event)

    def sleep(self, seconds: float) -> None:
        """Wait before a retry."""
        self._closed.wait(seconds / self.wait_scale)

    def wait(self, environment: Internal, seconds: float) -> None:
        """Wait as a Wait state does, unless the execution is stopped."""
        until = time.monotonic() + seconds / self.wait_scale
        with self.rests(environment, _Rest(until=until, timed=True, woken=lambda: False)):
            while environment.is_running() and (left := until - time.monotonic()) > 0:
                self._closed.wait(min(left, _POLL))

    @contextmanager
    def rests(self, environment: Internal, rest: _Rest) -> Iterator[None]:
        """Mark the branch as waiting."""
        self._resting[id(environment)] = rest
        try:
            yield
        finally:
            del self._resting[id(environment)]

    def quiet(self, *, through_waits: bool = False) -> bool:
        """Is no function called and every running execution waiting for a token or for a time to come?

        With `through_waits` an execution in a Wait counts as busy.
        """
        return self.functions.in_flight == 0 and all(
            self._is_quiet(execution, through_waits) for execution in _running()
        )

    def _is_quiet(self, execution: Internal, through_waits: bool) -> bool:  # noqa: FBT001 - private
        environment = execution.exec_worker.env
        return environment.is_running() and all(
            (rest := self._resting.get(id(leaf))) is not None and rest.asleep(through_waits=through_waits)
            for leaf in _leaves(environment)
        )

    def close(self, timeout: float = 5) -> None:
        """Stop every execution and wait for its threads; raises TimeoutError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while any(thread.is_alive() for thread in TMP_THREADS):
            for execution in _running():
                execution.stop(stop_date=datetime.now(UTC), error=None, cause=None)
            self._closed.set()
            if time.monotonic() > deadline:
                raise TimeoutError("state machines do not stop")
            time.sleep(0.001)
        TMP_THREADS.clear()


def _leaves(environment: Internal) -> Iterator[Internal]:
    """The branches at work: where a Parallel, Map or Task is open, those within."""
    inner = [frame for frame in list(environment._frames) if frame.is_running()]  # noqa: SLF001 - no other way in
    if not inner:
        yield environment
    for frame in inner:
        yield from _leaves(frame)


def _all_executions() -> Iterator[tuple[str, Internal]]:
    for backend in stepfunctions_parser_backends[ACCOUNT].values():
        for machine in list(backend.state_machines):
            for execution in list(machine.executions):
                if execution.status is not None:
                    yield machine.name, execution


def _running() -> list[Internal]:
    return [execution for _, execution in _all_executions() if execution.status == RUNNING]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One execution, running or ended."""

    machine: str
    name: str
    status: str
    entered: Mapping[str, int]
    """How often each state was entered; a retry enters none."""
    events: int
    """Of its history; AWS ends an execution at 25,000."""
    largest_input: int
    """Bytes of the largest input of a state; AWS takes 256 KB."""
    error: str | None
    cause: str | None

    @property
    def entries(self) -> int:
        """All state entries together: what AWS bills, but for retries."""
        return sum(self.entered.values())


def executions() -> list[Ran]:
    """Every execution there has been, in the order of machines and starts."""
    return [_ran(machine, execution) for machine, execution in _all_executions()]


def _ran(machine: str, execution: Internal) -> Ran:
    history = execution.exec_worker.env.event_manager.get_event_history()
    entered = [event["stateEnteredEventDetails"] for event in history if "stateEnteredEventDetails" in event]
    return Ran(
        machine=machine,
        name=execution.name,
        status=execution.status,
        entered=Counter(state["name"] for state in entered),
        events=len(history),
        largest_input=max((len(state["input"].encode()) for state in entered), default=0),
        error=execution.error,
        cause=execution.cause,
    )


def steps_taken() -> int:
    """A number that grows with everything any execution does."""
    return sum(
        execution.exec_worker.env.event_manager._event_id_gen._next_id  # noqa: SLF001 - counts without copying
        for _, execution in _all_executions()
    )


_runtime: Runtime | None = None


def use(runtime: Runtime) -> None:
    """From now on, executions call this runtime's functions and wait at its scale."""
    global _runtime  # noqa: PLW0603 - moto's interpreter is global as well
    _runtime = runtime


def _current() -> Runtime:
    if _runtime is None:
        raise RuntimeError("no cloud is running")
    return _runtime


@functools.cache
def apply() -> None:
    """Mend the interpreter in this process; a second call does nothing."""
    # It logs every expected failure, with whole states and payloads. What ran is in `executions`.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    replace(lambda_eval_utils, "boto_client_for", lambda _original: _function_client)
    replace(AmazonStateLanguageParser, "parse", functools.lru_cache(maxsize=32))
    replace(ExecutionWorker, "_get_evaluation_environment", _made_once)
    replace(Execution, "_get_start_execution_worker", _with_environment)
    replace(Execution, "status", lambda _original: property(_status))
    replace(Execution, "stop", _stopped_at_once)
    replace(Environment, "set_error", _stop_is_final)
    replace(Timestamp, "_get_wait_seconds", _to_the_instant)
    replace(WaitFunction, "_wait_interval", lambda _original: _scaled_wait)
    replace(callback_task.StateTaskServiceCallback, "_eval_wait_for_task_token", _resting_for_token)
    replace(callback_task.StateTaskServiceCallback, "from_state_props", _scaled_time_out)
    replace(retrier_decl, "time", lambda _original: _Sleeper)


class _Sleeper:
    """Stands where the retrier finds the `time` module."""

    @staticmethod
    def sleep(seconds: float) -> None:
        _current().sleep(seconds)


class _FunctionClient:
    """Stands where the interpreter finds a Lambda client."""

    def invoke(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
        answer = _current().functions.invoke(parameters["FunctionName"], parameters.get("Payload") or b"{}")
        response = {"StatusCode": 200, "Payload": io.BytesIO(answer.payload), "ExecutedVersion": "$LATEST"}
        return response | ({"FunctionError": "Unhandled"} if answer.failed else {})


def _function_client(**_: Any) -> _FunctionClient:  # noqa: ANN401 - as moto's own
    return _FunctionClient()


def _made_once(original: Method) -> Method:
    return lambda worker: worker.env or original(worker)


def _with_environment(original: Method) -> Method:
    """An execution can be found by its token, and be stopped, as soon as it counts as running."""

    def worker_of(execution: Internal) -> Internal:
        worker = original(execution)
        worker.env = worker._get_evaluation_environment()  # noqa: SLF001 - moto's own next step
        return worker

    return worker_of


def _status(execution: Internal) -> str | None:
    """None while it is being made, when moto's own answer is an AttributeError."""
    return execution.exec_status and str(execution.exec_status.value)


def _stopped_at_once(original: Method) -> Method:
    def stop(execution: Internal, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passes on
        original(execution, *args, **kwargs)
        for endpoint in list(execution.exec_worker.env.callback_pool_manager._pool.values()):  # noqa: SLF001
            endpoint.interrupt_all()

    return stop


def _stop_is_final(original: Method) -> Method:
    def set_error(environment: Internal, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passes on
        if not isinstance(environment.program_state(), ProgramStopped):
            original(environment, *args, **kwargs)

    return set_error


def _to_the_instant(original: Method) -> Method:
    """Fractions of a second kept, UTC whatever the machine's zone; a wrong timestamp is moto's to report."""

    def seconds(wait: Internal, env: Internal) -> float:
        wait.string.eval(env=env)
        text = env.stack[-1]
        if not wait._is_valid_timestamp_pattern(text):  # noqa: SLF001 - moto's own rule
            env.stack.pop()
            failed: float = original(wait, env)
            return failed
        return (datetime.fromisoformat(env.stack.pop()) - datetime.now(UTC)).total_seconds()

    return seconds


def _scaled_wait(_function: Internal, env: Internal, wait_seconds: float) -> None:
    _current().wait(env, wait_seconds)


def _resting_for_token(original: Method) -> Method:
    def wait(
        task: Internal,
        env: Internal,
        timeout_seconds: float,
        callback_endpoint: Internal,
        **kwargs: Any,  # noqa: ANN401 - passes on
    ) -> Any:  # noqa: ANN401 - as above
        rest = _Rest(
            until=time.monotonic() + timeout_seconds,
            timed=False,
            woken=callback_endpoint._notify_event.is_set,  # noqa: SLF001 - no other way in
        )
        with _current().rests(env, rest):
            return original(
                task, env=env, timeout_seconds=timeout_seconds, callback_endpoint=callback_endpoint, **kwargs
            )

    return wait


class _ScaledTimeout(Timeout):
    """The time-out of a task that waits for a token: a wait like any other."""

    def __init__(self, inner: Internal) -> None:
        self._inner = inner

    def is_default_value(self) -> bool:
        return bool(self._inner.is_default_value())

    def _eval_seconds(self, env: Internal) -> Any:  # noqa: ANN401 - moto says int, and takes fractions
        return self._inner._eval_seconds(env) / _current().wait_scale  # noqa: SLF001 - moto's own next step


def _scaled_time_out(original: Method) -> Method:
    def from_state_props(task: Internal, state_props: Internal) -> None:
        original(task, state_props)
        if task.resource.condition == ResourceCondition.WaitForTaskToken:
            task.timeout = _ScaledTimeout(task.timeout)

    return from_state_props
