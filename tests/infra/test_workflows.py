"""The workflow files, checked without running them: what the laptop's interpreter would accept unseen."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.utils import to_cfn_resource_name
from statelint.config import Config
from statelint.linter import Linter
from statelint.problem import ProblemType

from app import app
from chalicelib.core import errors
from infra.package import ROOT

WORKFLOWS = {
    path.name.removesuffix(".asl.json"): path for path in (ROOT / "infra" / "workflows").glob("*.asl.json")
}
each_workflow = pytest.mark.parametrize("name", sorted(WORKFLOWS))


def machine(name: str) -> dict[str, Any]:
    """The definition, read."""
    definition: dict[str, Any] = json.loads(WORKFLOWS[name].read_bytes())
    return definition


def scopes(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The machine and every machine inside it: states refer to each other within one scope only."""
    yield definition
    for state in definition["States"].values():
        inner = [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]
        for each in inner:
            yield from scopes(each)


def states(name: str) -> dict[str, dict[str, Any]]:
    """Every state of a workflow, those inside others too."""
    return {key: state for scope in scopes(machine(name)) for key, state in scope["States"].items()}


def test_there_are_a_review_and_a_publication() -> None:
    assert WORKFLOWS.keys() == {"review", "publication"}


@each_workflow
def test_statelint_finds_nothing(name: str) -> None:
    whole_numbers = Config({ProblemType.FLOAT})  # it wants 2.0; to JSON and to AWS 2 is the same number
    assert Linter.validate(machine(name), whole_numbers) == []


@each_workflow
def test_every_transition_leads_to_a_state_and_every_state_is_reached(name: str) -> None:
    for scope in scopes(machine(name)):
        targets = {scope["StartAt"]}
        for state in scope["States"].values():
            ways = [state, *state.get("Choices", []), *state.get("Catch", [])]
            targets |= {way[key] for way in ways for key in ("Next", "Default") if key in way}
        assert targets == scope["States"].keys()


@each_workflow
def test_every_error_name_is_a_class_of_ours_or_of_the_service(name: str) -> None:
    handled = [
        way for state in states(name).values() for way in (*state.get("Retry", []), *state.get("Catch", []))
    ]
    names = {error for way in handled for error in way["ErrorEquals"]}
    own = {error for error in names if not error.startswith(("States.", "Lambda."))}
    for error in own:
        assert issubclass(getattr(errors, error), errors.ImprimaturError), error
    assert names - own


def test_publication_names_the_errors_that_mean_not_yet() -> None:
    assert {"TooEarly", "ChannelsFrozen"} <= set(re.findall(r"\w+", json.dumps(machine("publication"))))


def test_a_freeze_is_not_tried_again_but_ends_what_it_holds_back() -> None:
    found = states("publication")
    for name, following in (("LastCheck", "Frozen"), ("Deliver", "Undelivered"), ("Archive", "Frozen")):
        assert found[name]["Retry"][0] == {"ErrorEquals": ["ChannelsFrozen"], "MaxAttempts": 0}, name
        assert [way["Next"] for way in found[name]["Catch"]] == [following]
    assert found["Frozen"]["Type"] == "Succeed"


@each_workflow
def test_every_task_has_a_time_out_and_every_wait_for_a_token_catches_it(name: str) -> None:
    tasks = {key: state for key, state in states(name).items() if state["Type"] == "Task"}
    assert tasks
    for key, task in tasks.items():
        assert {"TimeoutSeconds", "TimeoutSecondsPath"} & task.keys(), key
        if task["Resource"].endswith(".waitForTaskToken"):
            caught = {error for way in task["Catch"] for error in way["ErrorEquals"]}
            assert {"States.Timeout", "States.HeartbeatTimeout"} <= caught
            assert "$$.Task.Token" in json.dumps(task["Parameters"])


@each_workflow
def test_every_substitution_is_a_handler_of_the_app(name: str) -> None:
    used = set(re.findall(r"\$\{(\w+)}", WORKFLOWS[name].read_text("utf-8")))
    assert used
    assert used <= {f"{to_cfn_resource_name(handler)}Function" for handler in app.handler_map}


@each_workflow
def test_function_has_ended_when_its_state_times_out(name: str) -> None:
    config = json.loads((ROOT / "infra" / "chalice" / "config.json").read_bytes())
    limits = {
        f"{to_cfn_resource_name(handler)}Function": own.get("lambda_timeout", config["lambda_timeout"])
        for handler, own in config["lambda_functions"].items()
    }
    fixed = [state for state in states(name).values() if "TimeoutSeconds" in state]
    assert fixed
    for state in fixed:
        assert limits[state["Parameters"]["FunctionName"].strip("${}")] <= state["TimeoutSeconds"]
