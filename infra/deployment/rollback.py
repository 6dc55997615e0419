"""Brings back an earlier release, from its record and what the depot has kept."""

from collections.abc import Sequence
from dataclasses import replace

from infra.deployment.deployer import Deployer
from infra.deployment.errors import DeploymentError
from infra.deployment.plans import from_record
from infra.deployment.releases import Release, State
from infra.deployment.stacks import Stack


def roll_back(deployer: Deployer, stacks: Sequence[Stack], *, to: str | None = None) -> Release:
    """Bring back the release before the one that stands, or the one called `to`; answers the record of it.

    From a release that did not come to its end it is the one before, too: what of it stands, CloudFormation tells.
    Stacks that keep data stay as they are: what came into them since would be lost, and later releases only add to
    what earlier ones expect. Raises DeploymentError when there is nothing to go back to, it fails, or somebody else is
    at it.
    """
    with deployer.alone() as alone:
        return _roll_back(alone, stacks, to)


def _roll_back(deployer: Deployer, stacks: Sequence[Stack], to: str | None) -> Release:
    current = deployer.releases.current() if deployer.depot.exists() else None
    if current is None:
        raise DeploymentError(
            f"Nothing was ever deployed to {deployer.environment.name}: imprimatur deploy --env "
            f"{deployer.environment.name} does that."
        )
    target = _target(deployer, current, stacks, to)
    how = "stands" if current.state is State.LIVE else "was begun and not brought to its end"
    deployer.terminal.say(
        f"Release {current.id} {how}, of {current.source or 'unknown sources'}. Going back to {target.id}, of "
        f"{target.source or 'unknown sources'}, deployed at {target.at} by {target.by}."
    )
    plans = [from_record(stack, target.stacks[stack.name]) for stack in _different(stacks, target, current)]
    begun = deployer.releases.begin(
        at=deployer.now(), by=deployer.caller.arn, source=target.source, current=current
    )
    return deployer.apply(plans, replace(begun, before=target.before), restores=target.id)


def _target(deployer: Deployer, current: Release, stacks: Sequence[Stack], to: str | None) -> Release:
    """The release to go back to: one that differs in something that a rollback may change."""
    if to is not None:
        chosen = deployer.releases.get(to)
        if chosen is None:
            known = "\n".join(f"  {one.id}  {one.state}  {one.source}" for one in deployer.releases.all())
            raise DeploymentError(f"There is no release {to}. There are:\n{known}")
        if not _different(stacks, chosen, current):
            raise DeploymentError(f"What stands is what release {to} has; there is nothing to go back to.")
        return chosen
    before = deployer.releases.before(current)
    while before is not None and not _different(stacks, before, current):
        before = deployer.releases.before(before)
    if before is None:
        raise DeploymentError(f"There is no release before {current.id} to go back to.")
    return before


def _different(stacks: Sequence[Stack], release: Release, current: Release) -> list[Stack]:
    """The stacks that may differ: all of them when nobody saw how the current release ended."""
    return [
        stack
        for stack in stacks
        if not stack.keeps_data
        and stack.name in release.stacks
        and (current.state is not State.LIVE or release.stacks[stack.name] != current.stacks.get(stack.name))
    ]
