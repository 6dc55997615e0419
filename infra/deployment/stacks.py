"""The stacks of an environment, in the order in which they are made. The one list of them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from infra.deployment.environment import Environment
from infra.deployment.errors import WrongParametersError

TEMPLATES = Path(__file__).parents[1] / "stacks"
RECOVERY, DATA, APP, EDGE_GLOBAL, EDGE = "recovery", "data", "app", "edge-global", "edge"
DEPARTMENT = "department"
IAM = "CAPABILITY_IAM"
MACROS = "CAPABILITY_AUTO_EXPAND"
OUTPUT = re.compile(r"\{\{output:([a-z-]+):(\w+)}}")
"""What a parameter says to be given another stack's output, from whichever region."""


Derive = Callable[[Environment], str]
"""Tells a parameter from the rest of the environment's file."""


class Place(StrEnum):
    """Which of an environment's regions a stack is in."""

    MAIN = "main"
    GLOBAL = "global"
    """us-east-1, where CloudFront's certificates and firewalls are."""
    RECOVERY = "recovery"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One stack. `template` is a file in `infra/stacks`, or in the built package when it is `packaged`.

    What `keeps_data` is changed by deployments only, never taken back by a rollback. What `stays` is removed only when
    the environment is given up as a whole.
    `depends` names the stacks that must be there before. `derived` are the parameters that follow from the rest of the
    environment's file, so that nobody gives them and they cannot disagree with it.
    """

    name: str
    template: str
    place: Place = Place.MAIN
    capabilities: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    keeps_data: bool = False
    keeps_logs: bool = False
    packaged: bool = False
    department: str | None = None
    derived: Mapping[str, Derive] = field(default_factory=dict, hash=False)

    @property
    def stays(self) -> bool:
        """Whether it outlasts the app."""
        return self.keeps_data or self.keeps_logs

    @property
    def source(self) -> str:
        """The file in `infra/stacks` that a person reads and changes."""
        return f"{self.name}.yaml" if self.packaged else self.template


def _host(which: str) -> Derive:
    return lambda environment: environment.hosts[which]


def _origin(which: str) -> Derive:
    return lambda environment: f"https://{environment.hosts[which]}"


def _handed_over(stack: str, name: str) -> Derive:
    """The name of the SSM parameter in which a stack hands something over."""
    return lambda environment: f"/{environment.prefix}/{stack}/{name}"


def _outputs(stack: str, *names: str) -> dict[str, Derive]:
    """Outputs of a stack in another region, for parameters of the same names; empty where there is no such stack."""

    def output(name: str) -> Derive:
        return lambda environment: f"{{{{output:{stack}:{name}}}}}" if stack in environment.stacks else ""

    return {name: output(name) for name in names}


_HOSTS: Mapping[str, Derive] = {
    "DeskHost": _host("desk"),
    "PublicSiteHost": _host("public"),
    "InternalSiteHost": _host("internal"),
}

STACKS = (
    Stack(
        name=RECOVERY,
        template="recovery.yaml",
        place=Place.RECOVERY,
        capabilities=(IAM,),
        keeps_data=True,
        derived={"MainRegion": lambda environment: environment.region},
    ),
    Stack(
        name=DATA,
        template="data.yaml",
        capabilities=(IAM,),
        keeps_data=True,
        derived={
            "DeskOrigin": _origin("desk"),
            **_outputs(RECOVERY, "ReplicaBucketArn", "ReplicaKeyArn", "BackupVaultArn"),
        },
    ),
    Stack(
        name=APP,
        template="sam.json",
        capabilities=(IAM, MACROS),
        depends=(DATA,),
        packaged=True,
        derived={
            "TableStreamArn": _handed_over(DATA, "table-stream-arn"),
            "BaseUrl": _origin("desk"),
            "PublicSiteUrl": _origin("public"),
            "InternalSiteUrl": _origin("internal"),
            "BehindEdge": lambda environment: "yes" if EDGE in environment.stacks else "no",
        },
    ),
    # Its bucket holds what the distributions log.
    Stack(
        name=EDGE_GLOBAL,
        template="edge-global.yaml",
        place=Place.GLOBAL,
        depends=(APP,),
        keeps_logs=True,
        derived=_HOSTS,
    ),
    Stack(
        name=EDGE,
        template="edge.yaml",
        depends=(APP, EDGE_GLOBAL),
        derived={
            "RestApiId": _handed_over(APP, "rest-api-id"),
            "HostedZoneId": lambda environment: environment.stacks[EDGE_GLOBAL].get("HostedZoneId", ""),
            **_HOSTS,
            **_outputs(
                EDGE_GLOBAL,
                "DeskCertificateArn",
                "PublicSiteCertificateArn",
                "InternalSiteCertificateArn",
                "OpenAclArn",
                "InternalAclArn",
                "LogsDomain",
            ),
        },
    ),
    Stack(name="watch", template="watch.yaml", capabilities=(MACROS,), depends=(DATA, APP)),
    Stack(name=DEPARTMENT, template="department.yaml", depends=(APP,)),
)
"""`department` stands for one stack per department that has a system of its own."""


def stacks_of(environment: Environment, known: Sequence[Stack] = STACKS) -> tuple[Stack, ...]:
    """The environment's stacks, in order.

    Raises WrongParametersError when its file names others, or not what they need.
    """
    if wrong := list(_faults(environment, known)):
        raise WrongParametersError(f"The file of {environment.name} cannot be used:", wrong)
    return tuple(_present(environment, known))


def _present(environment: Environment, known: Sequence[Stack]) -> Iterator[Stack]:
    for stack in known:
        if stack.name == DEPARTMENT:
            for department in environment.departments:
                yield replace(stack, name=f"{DEPARTMENT}-{department}", department=department)
        elif stack.name in environment.stacks:
            yield stack


def recorded(name: str, known: Sequence[Stack] = STACKS) -> Stack:
    """The stack that a release calls so, which the environment's file need not name any more."""
    listed = next((stack for stack in known if stack.name == name), None)
    return listed or Stack(name=name, template="")  # a department's, or one that the sources no longer have


def _faults(environment: Environment, known: Sequence[Stack]) -> Iterator[str]:
    named = {stack.name: stack for stack in known if stack.name != DEPARTMENT}
    for name, given in environment.stacks.items():
        if name not in named:
            yield f"stacks.{name}: there is no such stack; there are {', '.join(named)}"
            continue
        stack = named[name]
        yield from (
            f"stacks.{name}: needs the stack {needed}, at least as {{}}"
            for needed in stack.depends
            if needed not in environment.stacks
        )
        yield from (
            f"stacks.{name}.{parameter}: follows from the rest of the file; leave it out"
            for parameter in sorted(given.keys() & stack.derived.keys())
        )
        if stack.place is Place.RECOVERY and environment.recovery_region is None:
            yield f"stacks.{name}: needs recovery_region"
    yield from _faults_of_outputs(environment, named)
    if environment.departments and APP not in environment.stacks:
        yield "departments: need the stack app"


def _faults_of_outputs(environment: Environment, named: Mapping[str, Stack]) -> Iterator[str]:
    """Each output that is asked for must come from a stack that is made before."""
    order = [name for name in named if name in environment.stacks]
    asking = [
        (f"stacks.{name}", given, order[: order.index(name)] if name in order else order)
        for name, given in environment.stacks.items()
    ]
    asking += [(f"departments.{name}", given, order) for name, given in environment.departments.items()]
    for where, given, before in asking:
        for parameter, value in given.items():
            yield from (
                f"{where}.{parameter}: {source} is not a stack of it that is made before"
                for source, _ in OUTPUT.findall(value)
                if source not in before
            )


def region_of(stack: Stack, environment: Environment) -> str:
    """The AWS region that the stack is in."""
    match stack.place:
        case Place.GLOBAL:
            return "us-east-1"
        case Place.RECOVERY if environment.recovery_region is not None:
            return environment.recovery_region
    return environment.region


def parameters_of(stack: Stack, environment: Environment) -> dict[str, str]:
    """What the environment's file gives for the stack, what follows from it, and the prefix, which every one wants."""
    if stack.department is not None:
        given = {"Department": stack.department, **environment.departments[stack.department]}
    else:
        given = dict(environment.stacks[stack.name])
    derived = {name: derive(environment) for name, derive in stack.derived.items()}
    return {"Prefix": environment.prefix, **given, **derived}


def deployed_name(stack: Stack, environment: Environment) -> str:
    """CloudFormation's name of the stack."""
    return f"{environment.prefix}-{stack.name}"
