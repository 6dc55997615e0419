"""Takes a stack away, and then what CloudFormation leaves of it, as long as that is empty."""

from collections.abc import Iterable

from botocore.exceptions import ClientError

from infra.deployment.errors import DeploymentError
from infra.deployment.formation import Formation, StackResource
from infra.deployment.leftovers import Leftovers
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
    leftovers: Leftovers,
    terminal: Terminal,
    gone: bool = False,
) -> None:
    """Take away the stack with these resources, or what is left of it when it is `gone` already.

    Raises DeploymentError once everything else is gone, when data came into something meanwhile or AWS refuses. Keys
    stay then: somebody may have to read what is kept.
    """
    rest = left(resources)
    leftovers.note(name, rest)
    if not gone:
        formation.delete(name)
    reasons: list[str] = []
    for resource in tuple(rest):
        if not remains.removable(resource):
            terminal.warn(f"{resource.type} {resource.physical_id} is left behind.")
        elif reasons and resource.type == KEY:
            continue
        elif (reason := _take(resource, remains)) is not None:
            reasons.append(reason)
            continue
        else:
            terminal.say(f"  {resource.physical_id}: {fate(resource)}.")
        rest.remove(resource)
        leftovers.note(name, rest)
    if reasons:
        raise DeploymentError(
            f"{name} is gone, but meanwhile {'; '.join(reasons)}. It is kept, outside of any stack: save what is in "
            "it, then remove it by hand and run this again."
        )
    terminal.say(f"{name} is gone.")


def _take(resource: StackResource, remains: Remains) -> str | None:
    """Take it away if it is empty; answers why it is not gone, None when it is."""
    try:
        if (held := remains.holding(resource)) is not None:
            return held
        remains.remove(resource)
    except ClientError as error:
        return f"{resource.logical_id} ({resource.physical_id}) could not be removed: {error}"
    return None
