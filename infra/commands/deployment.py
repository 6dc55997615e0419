"""`imprimatur deploy`, `rollback` and `destroy`: an environment's stacks, from the command line."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.core.clock import utc_now
from infra import package
from infra.deployment import environment, lint
from infra.deployment.clients import Clients
from infra.deployment.deployer import Deployer
from infra.deployment.destroy import destroy as remove
from infra.deployment.errors import DeploymentError, WrongParametersError
from infra.deployment.plans import from_sources
from infra.deployment.rollback import roll_back
from infra.deployment.source import described
from infra.deployment.stacks import APP, TEMPLATES, Stack, stacks_of
from infra.deployment.terminal import Terminal
from infra.packaging.errors import PackagingError

DONE, NOT_DONE, UNUSABLE = 0, 1, 2
"""Exit statuses: what was asked for is there; it is not; the environment's file or an option is wrong."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line says of every one of these commands. `params` is the folder of environments' files."""

    env: str
    params: Path
    endpoint: str | None
    yes: bool = False

    def deployer(self) -> Deployer:
        """Whoever does it. Raises WrongParametersError and, when AWS is not to be used so, DeploymentError."""
        found = environment.read(self.env, self.params)
        clients = Clients(self.endpoint)
        caller = clients.caller(found.region)
        if found.protected and found.account is None:
            raise WrongParametersError(
                f"{found.name} is protected, and its file names no account that it belongs into. You are signed in to "
                f'{caller.account} as {caller.arn}: if that is the one, put "account": "{caller.account}" into the '
                "file, so that nobody changes another one by mistake."
            )
        if found.account not in {None, caller.account}:
            raise DeploymentError(
                f"{found.name} belongs into account {found.account}, and you are signed in to {caller.account} as "
                f"{caller.arn}. Sign in to the other one (AWS_PROFILE), then run this again."
            )
        return Deployer(
            environment=found,
            clients=clients,
            caller=caller,
            terminal=Terminal(assume_yes=self.yes),
            now=utc_now,
            source=described(package.ROOT),
        )


def deploy(asked: Asked, *, only: str | None, architecture: str) -> int:
    """Build, check, show, ask, change, try: every stack of the environment, or `only` one."""
    return guarded(lambda: _deploy(asked.deployer(), asked.params, only, architecture))


def _deploy(deployer: Deployer, params: Path, only: str | None, architecture: str) -> None:
    stacks = _chosen(stacks_of(deployer.environment), only)
    terminal, region = deployer.terminal, deployer.environment.region
    terminal.say(
        f"{deployer.environment.name}: {', '.join(stack.name for stack in stacks)} in account "
        f"{deployer.caller.account}, {region}"
    )
    with TemporaryDirectory() as folder:
        built = Path(folder)
        if any(stack.packaged for stack in stacks):
            terminal.say(f"Building the package for {architecture} …")
            package.build(built, with_dependencies=True, architecture=architecture)
        if wrong := lint.faults(built, params):
            raise DeploymentError("\n  ".join(["These are wrong, and nothing was sent:", *wrong]))
        plans = from_sources(
            stacks,
            deployer.environment,
            package=built,
            folder=TEMPLATES,
            depot=deployer.depot,
            say=terminal.say,
        )
    release = deployer.deploy(plans)
    terminal.say(f"\n{deployer.environment.name} is as the sources say: release {release.id}.")
    if any(stack.name == APP for stack in stacks):
        terminal.say(f"The desk is at https://{deployer.environment.hosts['desk']}")


def _chosen(stacks: tuple[Stack, ...], only: str | None) -> tuple[Stack, ...]:
    if only is None:
        return stacks
    chosen = tuple(stack for stack in stacks if stack.name == only)
    if not chosen:
        known = ", ".join(stack.name for stack in stacks)
        raise WrongParametersError(f"The environment has no stack {only}; it has {known}.")
    return chosen


def rollback(asked: Asked, *, to: str | None) -> int:
    """Bring back the release before, or the one called `to`."""

    def bring_back() -> None:
        deployer = asked.deployer()
        release = roll_back(deployer, stacks_of(deployer.environment), to=to)
        deployer.terminal.say(f"\nRelease {release.restores} is back, as {release.id}.")

    return guarded(bring_back)


def destroy(asked: Asked, *, keep_data: bool) -> int:
    """Give the environment up, or with `keep_data` only what keeps none."""

    def give_up() -> None:
        deployer = asked.deployer()
        remove(deployer, stacks_of(deployer.environment), keep_data=keep_data)

    return guarded(give_up)


def guarded(command: Callable[[], int | None]) -> int:
    """Run it; what is wrong becomes a message and an exit status."""
    try:
        return command() or DONE
    except WrongParametersError as error:
        print(f"imprimatur: {error}", file=sys.stderr)
        return UNUSABLE
    except (DeploymentError, PackagingError) as error:
        print(f"imprimatur: {error}", file=sys.stderr)
        return NOT_DONE
    except (ClientError, BotoCoreError) as error:
        print(
            f"imprimatur: AWS does not do that: {error}\nRun it again once that is put right.",
            file=sys.stderr,
        )
        return NOT_DONE
    except KeyboardInterrupt:
        print(
            "\nimprimatur: interrupted. What CloudFormation has begun goes on; run this again to follow it.",
            file=sys.stderr,
        )
        raise
