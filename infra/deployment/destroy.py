"""Gives an environment up, and refuses where data would be lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.deployment.deployer import Deployer
from infra.deployment.errors import DeploymentError
from infra.deployment.formation import StackResource
from infra.deployment.removal import fate, left, remove
from infra.deployment.stacks import Stack


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """A stack that would go, with what is in it; or, of one that is `gone` already, what an earlier run left."""

    stack: Stack
    name: str
    protected: bool = False
    gone: bool = False
    resources: tuple[StackResource, ...]


def destroy(deployer: Deployer, stacks: Sequence[Stack], *, keep_data: bool) -> None:
    """Remove the environment's stacks, last made first, or with `keep_data` only those that keep none.

    Raises DeploymentError, telling every reason at once, when something holds data or is protected, or when somebody
    else is at it; DeclinedError when nobody has typed the environment's name.
    """
    with deployer.alone() as alone:
        _destroy(alone, stacks, keep_data=keep_data)


def _destroy(deployer: Deployer, stacks: Sequence[Stack], *, keep_data: bool) -> None:
    terminal, environment = deployer.terminal, deployer.environment
    doomed = list(_doomed(deployer, [stack for stack in reversed(stacks) if not (keep_data and stack.stays)]))
    whole = not keep_data and deployer.depot.exists()
    if not doomed and not whole:
        terminal.say(f"Nothing of {environment.name} is there.")
        return
    reasons = [reason for one in doomed for reason in _reasons(deployer, one)]
    reasons += [
        f"the stack {deployer.name(stack)} was deployed, and the environment's file no longer names it: "
        f"{deployer.remedy(stack)}"
        for stack in deployer.forgotten()
        if not (keep_data and stack.stays)
    ]
    if reasons:
        hint = "" if keep_data else "\nTo remove the app and keep the data, give --keep-data."
        raise DeploymentError("\n  ".join([f"{environment.name} is not removed:", *reasons]) + hint)
    _show(deployer, doomed, whole=whole)
    terminal.agree_in_person("This cannot be undone.", environment.name)
    for one in doomed:
        deployer.hold()
        remove(
            one.name,
            one.resources,
            formation=deployer.formation(one.stack),
            remains=deployer.remains(one.stack),
            leftovers=deployer.leftovers,
            terminal=terminal,
            gone=one.gone,
        )
    if whole:
        deployer.hold()
        deployer.depot.remove()
        terminal.say(f"{deployer.depot.bucket} is gone.")


def _doomed(deployer: Deployer, stacks: Sequence[Stack]) -> Iterator[Doomed]:
    for stack in stacks:
        name, formation = deployer.name(stack), deployer.formation(stack)
        found = None if formation.settled(name) is None else formation.describe(name)
        if found is None:
            if rest := deployer.leftovers.of(name):
                yield Doomed(stack=stack, name=name, gone=True, resources=tuple(rest))
        else:
            yield Doomed(
                stack=stack,
                name=name,
                protected=bool(found.get("EnableTerminationProtection")),
                resources=tuple(formation.resources(name)),
            )


def _reasons(deployer: Deployer, doomed: Doomed) -> Iterator[str]:
    """Why the stack must not go."""
    if doomed.protected:
        yield (
            f'the stack {doomed.name} is protected: put "protected": false into the environment\'s file, and deploy '
            "it once more"
        )
    remains = deployer.remains(doomed.stack)
    for resource in doomed.resources:
        for reason in (remains.holding(resource), remains.guarded(resource)):
            if reason is not None:
                yield reason


def _show(deployer: Deployer, doomed: Sequence[Doomed], *, whole: bool) -> None:
    terminal = deployer.terminal
    terminal.say(f"Of {deployer.environment.name} would be removed, in account {deployer.caller.account}:")
    for one in doomed:
        what = "what is left of the stack" if one.gone else "the stack"
        terminal.warn(f"  {what} {one.name}, with {len(one.resources)} resources")
        remains = deployer.remains(one.stack)
        for resource in left(one.resources):
            becomes = fate(resource) if remains.removable(resource) else "left behind, for you to remove"
            terminal.warn(f"    {resource.logical_id} ({resource.type}) {resource.physical_id}: {becomes}")
    if whole:
        terminal.warn(f"  the bucket {deployer.depot.bucket}, with every release that could be brought back")
