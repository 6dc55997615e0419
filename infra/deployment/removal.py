"""Takes a stack away, and then what CloudFormation leaves of it, as long as that is empty."""

from collections.abc import Iterable

from infra.deployment.errors import DeploymentError
from infra.deployment.formation import Formation, StackResource
from infra.deployment.remains import KEY, KEY_WAITS, Remains
from infra.deployment.terminal import Terminal


def left(resources: Iterable[StackResource]) -> list[StackResource]:
    """What CloudFormation would leave behind; keys last, for what they have encrypted must be gone by then."""
    return sorted((one for one in resources if one.retained), key=lambda one: one.type == KEY)


def fate(resource: StackResource) -> str:
    """What becomes of something that is left behind empty, in words."""
    return f"gone in {KEY_WAITS} days" if resource.type == KEY else "empty, removed as well"


def remove(
    name: str,
    resources: Iterable[StackResource],
    *,
    formation: Formation,
    remains: Remains,
    terminal: Terminal,
) -> None:
    """Take away the stack with these resources. Raises DeploymentError when data came into one meanwhile."""
    formation.delete(name)
    for resource in left(resources):
        if not remains.removable(resource):
            terminal.warn(f"{resource.type} {resource.physical_id} is left behind.")
            continue
        if (reason := remains.holding(resource)) is not None:
            raise DeploymentError(
                f"{name} is gone, but meanwhile {reason}. It is kept, outside of any stack: save what is in it, "
                "then remove it by hand."
            )
        remains.remove(resource)
        terminal.say(f"  {resource.physical_id}: {fate(resource)}.")
    terminal.say(f"{name} is gone.")
