"""What the state machines do on the laptop: called functions, waits, tokens, and when they rest."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from infra.local.clients import Clients
from infra.local.cloud import Cloud
from infra.local.interpreter import Ran
from infra.local.machines import WorkflowError, create
from infra.local.resources import ACCOUNT
from tests.local.tiny import Document, Seen, chain, task, tiny_app, tiny_files

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

Start = Callable[..., Cloud]


@pytest.fixture
def start(seen: Seen, tmp_path: Path) -> Iterator[Start]:
    """Start one execution of a machine in a cloud of its own."""
    with ExitStack() as stack:

        def start(machine: Document, value: Document, *, wait_scale: float = 1000) -> Cloud:
            files = tiny_files(tmp_path, review=machine)
            cloud = stack.enter_context(Cloud(app=tiny_app(seen), files=files, wait_scale=wait_scale))
            states().start_execution(
                stateMachineArn=cloud.environment["REVIEW_MACHINE_ARN"], name="one", input=json.dumps(value)
            )
            return cloud

        yield start


def states() -> "SFNClient":
    return boto3.client("stepfunctions")


def only(cloud: Cloud) -> Ran:
    (ran,) = cloud.executions()
    return ran


def wait(**how: object) -> Document:
    return {"Type": "Wait", **how}


def test_function_of_the_app_is_called_and_each_state_entry_counted(start: Start, seen: Seen) -> None:
    cloud = start(
        chain(
            A=task("Double"),
            B=task(
                "Double",
                Parameters={
                    "FunctionName": "${DoubleFunction}",
                    "Payload": {"input": {"number.$": "$.Payload.doubled"}},
                },
            ),
        ),
        {"number": 3},
    )
    cloud.settle()
    assert seen.of("double") == [{"input": {"number": 3}}, {"input": {"number": 6}}]
    ran = only(cloud)
    assert (ran.machine, ran.name, ran.status) == ("imprimatur-review", "one", "SUCCEEDED")
    assert (ran.entered, ran.entries) == ({"A": 1, "B": 1}, 2)


def test_error_is_caught_by_its_class_name_after_its_retries(start: Start, seen: Seen) -> None:
    retry = {"ErrorEquals": ["TooEarly"], "IntervalSeconds": 5, "MaxAttempts": 3, "BackoffRate": 1}
    caught = {"ErrorEquals": ["TooEarly"], "Next": "C"}
    refuse = task("Refuse", Retry=[retry], Catch=[caught], Next="C")
    cloud = start(chain(A=refuse, C={"Type": "Succeed"}), {})
    cloud.settle()
    assert len(seen.of("refuse")) == 4
    assert (only(cloud).status, only(cloud).entered) == ("SUCCEEDED", {"A": 1, "C": 1})


def test_uncaught_error_is_reported(start: Start) -> None:
    cloud = start(chain(A=task("Refuse")), {})
    cloud.settle()
    assert (only(cloud).status, only(cloud).error) == ("FAILED", "TooEarly")


def test_execution_that_waits_for_a_token_rests_until_it_is_answered(start: Start, seen: Seen) -> None:
    cloud = start(chain(A=task("Ask", token=True, TimeoutSeconds=86_400)), {"of": "you"}, wait_scale=1)
    cloud.settle()
    assert only(cloud).status == "RUNNING"
    states().send_task_success(taskToken=seen.tokens[0], output="{}")
    cloud.settle()
    assert only(cloud).status == "SUCCEEDED"


def test_token_that_nobody_answers_times_out_sooner_at_a_larger_scale(start: Start) -> None:
    ask = task(
        "Ask", token=True, TimeoutSeconds=100, Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Late"}]
    )
    cloud = start({"StartAt": "A", "States": {"A": ask | {"End": True}, "Late": {"Type": "Succeed"}}}, {})
    while only(cloud).entered != {"A": 1, "Late": 1}:
        cloud.settle()
    cloud.settle()
    assert only(cloud).status == "SUCCEEDED"


def test_wait_whose_time_has_not_come_is_rest_unless_told_otherwise(start: Start, seen: Seen) -> None:
    cloud = start(chain(W=wait(Seconds=500), A=task("Double")), {"number": 1})
    cloud.settle()
    assert seen.calls == []
    cloud.settle(through_waits=True)
    assert only(cloud).status == "SUCCEEDED"


def test_wait_until_an_instant_never_ends_before_it(start: Start) -> None:
    begun = datetime.now(UTC)
    due = (begun + timedelta(seconds=2)).replace(microsecond=0)
    left = (due - begun).total_seconds()
    cloud = start(chain(W=wait(TimestampPath="$.due")), {"due": f"{due:%Y-%m-%dT%H:%M:%SZ}"}, wait_scale=10)
    before = time.monotonic()
    cloud.settle(through_waits=True)
    assert only(cloud).status == "SUCCEEDED"
    assert 0.5 * left / 10 < time.monotonic() - before < left


def test_wait_until_something_that_is_no_instant_fails(start: Start) -> None:
    cloud = start(chain(W=wait(TimestampPath="$.due")), {"due": "2026-08-01T08:00:00+08:00"})
    cloud.settle()
    assert (only(cloud).status, only(cloud).error) == ("FAILED", "States.Runtime")


def test_settle_waits_for_every_branch_and_item(start: Start, seen: Seen) -> None:
    each = {
        "Type": "Map",
        "ItemsPath": "$.numbers",
        "ItemSelector": {"number.$": "$$.Map.Item.Value"},
        "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **chain(Each=task("Double"))},
    }
    asked = chain(Ask=task("Ask", token=True, TimeoutSeconds=86_400))
    both = {"Type": "Parallel", "Branches": [chain(Each=each), asked]}
    cloud = start(chain(Both=both), {"numbers": [1, 2, 3]}, wait_scale=1)
    cloud.settle()
    assert sorted(call["input"]["number"] for call in seen.of("double")) == [1, 2, 3]
    assert only(cloud).status == "RUNNING"
    states().send_task_success(taskToken=seen.tokens[0], output="{}")
    cloud.settle()
    assert (only(cloud).status, only(cloud).entered) == ("SUCCEEDED", {"Both": 1, "Each": 4, "Ask": 1})


@pytest.mark.parametrize(
    "state", [task("Ask", token=True, TimeoutSeconds=86_400), wait(Seconds=86_400)], ids=["token", "wait"]
)
def test_stopped_execution_ends_as_aborted(start: Start, state: Document) -> None:
    cloud = start(chain(A=state, B=task("Double")), {"number": 1}, wait_scale=1)
    cloud.settle()
    (listed,) = states().list_executions(stateMachineArn=cloud.environment["REVIEW_MACHINE_ARN"])[
        "executions"
    ]
    states().stop_execution(executionArn=listed["executionArn"])
    cloud.settle()
    assert (only(cloud).status, only(cloud).entered) == ("ABORTED", {"A": 1})


def test_same_name_and_input_start_one_execution(start: Start) -> None:
    cloud = start(chain(W=wait(Seconds=86_400)), {}, wait_scale=1)
    states().start_execution(
        stateMachineArn=cloud.environment["REVIEW_MACHINE_ARN"], name="one", input=json.dumps({})
    )
    assert only(cloud).status == "RUNNING"


def test_settle_says_what_does_not_rest(start: Start) -> None:
    cloud = start(chain(W=wait(Seconds=86_400)), {}, wait_scale=1)
    with pytest.raises(TimeoutError, match="imprimatur-review/one"):
        cloud.settle(timeout=0.01, through_waits=True)


def test_workflow_that_names_an_unknown_function_is_refused(tmp_path: Path) -> None:
    files = tiny_files(tmp_path, review=chain(A=task("Triple")))
    with pytest.raises(WorkflowError, match="TripleFunction"):
        create(files.workflows, "tiny", Clients()("stepfunctions"), {})


def test_execution_that_is_just_being_made_breaks_no_answer_to_another(start: Start, seen: Seen) -> None:
    cloud = start(chain(A=task("Ask", token=True, TimeoutSeconds=86_400)), {}, wait_scale=1)
    cloud.settle()
    (backend,) = stepfunctions_parser_backends[ACCOUNT].values()
    (machine,) = backend.state_machines
    unmade: Any = Execution.__new__(Execution)
    unmade.exec_status = None
    machine.executions.insert(0, unmade)
    states().send_task_success(taskToken=seen.tokens[0], output="{}")
    cloud.settle()
    assert only(cloud).status == "SUCCEEDED"


def test_execution_can_be_found_by_its_token_before_its_thread_runs(start: Start) -> None:
    start(chain(W=wait(Seconds=86_400)), {}, wait_scale=1)
    (backend,) = stepfunctions_parser_backends[ACCOUNT].values()
    execution: Any
    ((execution,),) = (machine.executions for machine in backend.state_machines)
    assert execution._get_start_execution_worker().env is not None
