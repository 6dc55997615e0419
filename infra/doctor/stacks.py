"""Whether the stacks are there, whole, and as their templates say."""

import time
from collections.abc import Iterator

from infra.deployment import templates
from infra.deployment.errors import DeploymentError
from infra.deployment.formation import Formation
from infra.deployment.releases import State
from infra.deployment.stacks import TEMPLATES, parameters_of
from infra.doctor.findings import Finding, Patient, ok, warning, wrong
from infra.templates import load

_PATIENCE = 180
"""Seconds for looking for drift in all stacks."""
_PAUSE = 2
_SOUND = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})


def parameters(patient: Patient) -> Iterator[Finding]:
    """Whether the environment's file gives each stack what its template wants."""
    environment = patient.deployer.environment
    for stack in patient.stacks:
        template = load(TEMPLATES / stack.source)
        try:
            templates.arguments(stack.name, template, parameters_of(stack, environment))
        except DeploymentError as error:
            yield wrong(str(error), f"Put it right in the file of {environment.name}.")
        else:
            yield ok(f"{stack.name} has the parameters that it wants")


def statuses(patient: Patient) -> Iterator[Finding]:
    """Whether each stack stands, and is protected if it should be."""
    deployer = patient.deployer
    deploy = f"imprimatur deploy --env {deployer.environment.name}"
    for stack in patient.stacks:
        name = deployer.name(stack)
        found = deployer.formation(stack).describe(name)
        if found is None:
            yield warning(f"{name} is not there", f"{deploy} makes it.")
            continue
        status = found["StackStatus"]
        if status == "UPDATE_ROLLBACK_COMPLETE":
            yield warning(f"{name} is as before a change that failed", f"Read its events, then {deploy}.")
        elif str(status).endswith("_IN_PROGRESS"):
            yield warning(f"{name} is being changed ({status})", "Wait, and look again.")
        elif status not in _SOUND:
            yield wrong(
                f"{name} is in {status}",
                f"Read its events; {deploy} goes on from there, or says what is to do.",
            )
        elif deployer.environment.protected and not found.get("EnableTerminationProtection"):
            yield wrong(f"{name} is not protected from deletion", f"{deploy} protects it.")
        else:
            yield ok(f"{name} stands")


def release(patient: Patient) -> Iterator[Finding]:
    """Which release stands, and whether it was brought to its end."""
    deployer = patient.deployer
    if not deployer.depot.exists():
        yield warning("nothing was deployed yet", f"imprimatur deploy --env {deployer.environment.name}")
        return
    current = deployer.releases.current()
    if current is None:
        yield warning("no release stands", f"imprimatur deploy --env {deployer.environment.name}")
    elif current.state is State.LIVE:
        yield ok(f"release {current.id} of {current.source or 'unknown sources'} stands")
    else:
        yield warning(
            f"release {current.id} was begun by {current.by} and did not come to its end ({current.state})",
            f"imprimatur deploy --env {deployer.environment.name} goes on; rollback brings back the one before.",
        )


def drift(patient: Patient) -> Iterator[Finding]:
    """Whether somebody has changed by hand what a template describes."""
    deployer = patient.deployer
    begun = {
        stack: deployer.formation(stack).look_for_drift(deployer.name(stack)) for stack in patient.standing()
    }
    deadline = time.monotonic() + _PATIENCE
    for stack, detection in begun.items():
        name, formation = deployer.name(stack), deployer.formation(stack)
        drifted = _drifted(formation, name, detection, deadline)
        if drifted is None:
            yield warning(
                f"{name} could not be looked at in time", "Look for drift in CloudFormation's console."
            )
        elif drifted:
            yield warning(
                f"{name} is no longer what its template says: {', '.join(drifted)}",
                "Look at the differences in CloudFormation's console, Drifts; what is meant belongs into the template.",
            )
        else:
            yield ok(f"{name} is what its template says")


def _drifted(formation: Formation, name: str, detection: str, deadline: float) -> list[str] | None:
    while (found := formation.drifted(name, detection)) is None and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return found
