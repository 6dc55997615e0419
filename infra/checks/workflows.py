"""The state machines lead where they say, name errors that are raised, and get the functions that they call."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chalice.utils import to_cfn_resource_name
from statelint.config import Config
from statelint.linter import Linter
from statelint.problem import ProblemType

from chalicelib.core import errors
from infra.checks.findings import Finding
from infra.checks.templates import of_type
from infra.checks.tree import PACKAGED, Tree

PARTITION = "Partition"
"""The one substitution that is no function: `aws`, or `aws-cn` in China."""
OF_THE_SERVICE = ("States.", "Lambda.")
_SUBSTITUTION = re.compile(r"\$\{(\w+)}")


def scopes(definition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The machine and every machine inside it: states refer to each other within one scope only."""
    yield definition
    for state in definition["States"].values():
        inner = [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]
        for each in inner:
            yield from scopes(each)


def states(definition: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every state, those inside others too."""
    return {key: state for scope in scopes(definition) for key, state in scope["States"].items()}


def file_of(workflow: str) -> str:
    """Where a workflow lies."""
    return f"infra/workflows/{workflow}.asl.json"


def as_deployed(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with something plausible put in for each substitution."""

    def put_in(found: re.Match[str]) -> str:
        return (
            "aws" if found[1] == PARTITION else f"arn:aws:lambda:us-east-1:123456789012:function:{found[1]}"
        )

    deployed: dict[str, Any] = json.loads(_SUBSTITUTION.sub(put_in, json.dumps(definition)))
    return deployed


def transitions(tree: Tree) -> Iterator[Finding]:
    """Every transition leads to a state of its scope, and every state is reached."""
    for workflow, definition in tree.workflows.items():
        for scope in scopes(definition):
            targets = {scope["StartAt"]}
            for state in scope["States"].values():
                ways = [state, *state.get("Choices", []), *state.get("Catch", [])]
                targets |= {way[key] for way in ways for key in ("Next", "Default") if key in way}
            for name in sorted(targets - scope["States"].keys()):
                yield Finding(file=file_of(workflow), where=name, message="is led to and is not there")
            for name in sorted(scope["States"].keys() - targets):
                yield Finding(file=file_of(workflow), where=name, message="is never reached")


def error_names(tree: Tree) -> Iterator[Finding]:
    """Every error that is retried or caught is a class of ours or a name of the service's."""
    for workflow, definition in tree.workflows.items():
        for name, state in states(definition).items():
            for way in (*state.get("Retry", []), *state.get("Catch", [])):
                for error in way["ErrorEquals"]:
                    own = getattr(errors, error, None)
                    is_own = isinstance(own, type) and issubclass(own, errors.ImprimaturError)
                    if not is_own and not error.startswith(OF_THE_SERVICE):
                        yield Finding(file=file_of(workflow), where=name, message=f"nothing raises {error}")


def time_outs(tree: Tree) -> Iterator[Finding]:
    """Every task ends: its function before its state, and a wait for a token with what is to be done then."""
    limits = {
        f"{to_cfn_resource_name(handler)}Function": own.get("lambda_timeout", tree.config["lambda_timeout"])
        for handler, own in tree.config["lambda_functions"].items()
    }
    for workflow, definition in tree.workflows.items():
        for name, state in states(definition).items():
            if state["Type"] == "Task":
                for message in _task_faults(state, limits):
                    yield Finding(file=file_of(workflow), where=name, message=message)


def _task_faults(task: dict[str, Any], limits: Mapping[str, int]) -> Iterator[str]:
    if not {"TimeoutSeconds", "TimeoutSecondsPath"} & task.keys():
        yield "has no time-out"
    function = str(task["Parameters"]["FunctionName"]).strip("${}")
    if function not in limits:
        yield f"calls {function}, which is no function of the app"
    elif task.get("TimeoutSeconds", limits[function]) < limits[function]:
        yield f"times out while its function may still run, for {limits[function]} s"
    if task["Resource"].endswith(".waitForTaskToken"):
        caught = {error for way in task.get("Catch", []) for error in way["ErrorEquals"]}
        if not {"States.Timeout", "States.HeartbeatTimeout"} <= caught:
            yield "waits for a token and does not catch both time-outs"


def substitutions(tree: Tree) -> Iterator[Finding]:
    """What a workflow wants is given, what is given is wanted, and the machine may invoke exactly that."""
    machines = of_type(tree.packaged, "AWS::Serverless::StateMachine")
    drawn = {machine["DefinitionUri"].removesuffix(".asl.json"): name for name, machine in machines.items()}
    for workflow in tree.workflows.keys() - drawn.keys():
        yield Finding(file=file_of(workflow), where=workflow, message="no machine is made of it")
    for workflow, name in drawn.items():
        if workflow not in tree.workflows:
            yield Finding(file=PACKAGED, where=name, message=f"there is no workflow {workflow}")
            continue
        machine = machines[name]
        given = machine.get("DefinitionSubstitutions", {})
        wanted = set(_SUBSTITUTION.findall(json.dumps(tree.workflows[workflow])))
        for each in sorted(wanted - given.keys()):
            yield Finding(
                file=PACKAGED, where=name, message=f"{each} is wanted by its workflow and not given"
            )
        for each in sorted(given.keys() - wanted):
            yield Finding(
                file=PACKAGED, where=name, message=f"{each} is given and not wanted by its workflow"
            )
        functions = {each: value for each, value in given.items() if each != PARTITION}
        for each, value in functions.items():
            if value != {"Fn::GetAtt": [each.removesuffix("Function"), "Arn"]}:
                yield Finding(file=PACKAGED, where=name, message=f"{each} is not the function of that name")
        invoked = [
            resource["Fn::GetAtt"][0]
            for policy in machine.get("Policies", [])
            for statement in policy["Statement"]
            if statement["Action"] == "lambda:InvokeFunction"
            for resource in statement["Resource"]
        ]
        if sorted(invoked) != sorted(each.removesuffix("Function") for each in functions):
            yield Finding(
                file=PACKAGED, where=name, message="may not invoke exactly the functions that it is given"
            )


def partitions(tree: Tree) -> Iterator[Finding]:
    """No ARN is of one partition only: China's is another."""
    for workflow, definition in tree.workflows.items():
        for name, state in states(definition).items():
            if str(state.get("Resource", "")).startswith("arn:aws:"):
                yield Finding(
                    file=file_of(workflow), where=name, message="is for one partition; say ${Partition}"
                )
    for file, template in tree.deployed.items():
        for name, one in template["Resources"].items():
            if "arn:aws:" in json.dumps(one):
                yield Finding(file=file, where=name, message="is for one partition; say ${AWS::Partition}")


def statelint(tree: Tree) -> Iterator[Finding]:
    """What statelint says."""
    whole_numbers = Config({ProblemType.FLOAT})  # it wants 2.0; to JSON and to AWS 2 is the same number
    for workflow, definition in tree.workflows.items():
        for problem in Linter.validate(as_deployed(definition), whole_numbers):
            yield Finding(file=file_of(workflow), where="", message=str(problem))
