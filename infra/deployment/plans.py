"""What a stack shall be, from the sources or from an earlier release: its template in the depot, and its parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.deployment import templates
from infra.deployment.depot import Depot
from infra.deployment.environment import Environment
from infra.deployment.releases import Deployed
from infra.deployment.stacks import Stack, parameters_of
from infra.templates import Template, parse

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`template` is a key of the depot, `arguments` are the parameters as CloudFormation takes them."""

    stack: Stack
    template: str
    arguments: Sequence[Mapping[str, str]]

    def deployed(self) -> Deployed:
        """How the record of a release tells it."""
        return Deployed(
            template=self.template,
            parameters={one["ParameterKey"]: one["ParameterValue"] for one in self.arguments},
        )


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A stack whose template was read and whose parameters are right."""

    stack: Stack
    raw: bytes
    template: Template
    arguments: list[dict[str, str]]


def from_sources(
    stacks: Sequence[Stack], environment: Environment, *, package: Path, folder: Path, depot: Depot, say: Say
) -> list[Plan]:
    """Plan the stacks as the sources say, and send to the depot what is not there yet.

    `package` is the folder that was built, `folder` that of the other templates. Raises WrongParametersError before
    anything is sent.
    """
    read = [_read(stack, environment, package if stack.packaged else folder) for stack in stacks]
    if depot.make():
        say(f"Made the bucket {depot.bucket}, for what is deployed.")
    return [_sent(one, package, depot, say) for one in read]


def _read(stack: Stack, environment: Environment, folder: Path) -> _Read:
    raw = (folder / stack.template).read_bytes()
    template = parse(raw.decode())
    arguments = templates.arguments(stack.name, template, parameters_of(stack, environment))
    return _Read(stack=stack, raw=raw, template=template, arguments=arguments)


def _sent(read: _Read, package: Path, depot: Depot, say: Say) -> Plan:
    raw = read.raw
    if read.stack.packaged:

        @cache  # many functions share one archive
        def send(name: str) -> str:
            key, new = depot.keep_file(package / name)
            say(f"{name} {'was sent' if new else 'is there already'}: {key}")
            return key

        raw = templates.dump(templates.with_files_at(read.template, depot.bucket, send))
    key, _ = depot.keep(raw, Path(read.stack.template).suffix)
    return Plan(stack=read.stack, template=key, arguments=read.arguments)


def from_record(stack: Stack, deployed: Deployed) -> Plan:
    """Plan the stack as a release had it."""
    given = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in sorted(deployed.parameters.items())
    ]
    return Plan(stack=stack, template=deployed.template, arguments=given)
