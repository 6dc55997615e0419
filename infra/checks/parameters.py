"""What is said of each environment is what a deployment takes, and has nothing of another environment."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra.checks.findings import Finding
from infra.checks.tree import Tree
from infra.deployment.environment import PROD, Environment, read
from infra.deployment.errors import WrongParametersError
from infra.deployment.stacks import APP, DATA, EDGE, EDGE_GLOBAL, OUTPUT, RECOVERY, parameters_of, stacks_of
from infra.deployment.templates import arguments

NOT_IN_PROD = re.compile(
    r"\b(?:dev|test|testing|staging|demo|sandbox|localhost)\b|127\.0\.0\.1", re.IGNORECASE
)
LEAST_IN_PROD = {
    "ArchiveRetentionDays": 365,
    "HeadsRetentionDays": 365,
    "LogRetentionDays": 90,
    "TrailRetentionDays": 180,
}


def _files(tree: Tree) -> list[Path]:
    return sorted(tree.params.glob("*.json"))


def _environments(tree: Tree) -> Iterator[tuple[str, Environment]]:
    """Each file that can be read, and its environment; `sound` tells of the others."""
    for path in _files(tree):
        with suppress(WrongParametersError):
            yield path.name, read(path.stem, tree.params)


def sound(tree: Tree) -> Iterator[Finding]:
    """A deployment takes each file: its form, its stacks and their parameters."""
    for path in _files(tree):
        try:
            environment = read(path.stem, tree.params)
            for stack in stacks_of(environment):
                arguments(stack.name, tree.stacks[stack.source], parameters_of(stack, environment))
        except WrongParametersError as error:
            for fault in error.faults:
                where, _, message = fault.partition(": ")
                yield Finding(file=path.name, where=where, message=message)


def outputs(tree: Tree) -> Iterator[Finding]:
    """Every output that a parameter is made of is one of its stack's."""
    for file, environment in _environments(tree):
        with suppress(WrongParametersError):
            for stack in stacks_of(environment):
                for name, value in parameters_of(stack, environment).items():
                    for source, output in OUTPUT.findall(value):
                        if output not in tree.stacks[f"{source}.yaml"].get("Outputs", {}):
                            message = f"{source} puts out no {output}"
                            yield Finding(file=file, where=f"{stack.name}.{name}", message=message)


def apart(tree: Tree) -> Iterator[Finding]:
    """No two environments share a prefix or a host."""
    taken: dict[str, str] = {}
    for file, environment in _environments(tree):
        for value in (environment.prefix, *environment.hosts.values()):
            if taken.setdefault(value, environment.name) != environment.name:
                yield Finding(file=file, where=value, message=f"belongs to {taken[value]}")


def prod(tree: Tree) -> Iterator[Finding]:
    """Production has nothing of a trial in it, and is protected and whole."""
    for file, environment in _production(tree):
        for where, value in _values(asdict(environment)):
            if NOT_IN_PROD.search(value.replace("-", " ").replace("_", " ")):
                yield Finding(file=file, where=where, message=f"{value} is of a trial")
        if not environment.protected or environment.stacks.get(DATA, {}).get("Protect", "true") != "true":
            yield Finding(file=file, where="protected", message="its data can be deleted")
        for stack in sorted({RECOVERY, DATA, APP, EDGE_GLOBAL, EDGE} - environment.stacks.keys()):
            yield Finding(file=file, where=stack, message="is missing")


def prod_survives(tree: Tree) -> Iterator[Finding]:
    """Production keeps what it must as long as it must."""
    for file, environment in _production(tree):
        for stack, given in environment.stacks.items():
            for name, least in LEAST_IN_PROD.items():
                if int(given.get(name, least)) < least:
                    yield Finding(file=file, where=f"{stack}.{name}", message=f"is less than {least}")


def _production(tree: Tree) -> Iterator[tuple[str, Environment]]:
    return (each for each in _environments(tree) if each[1].name == PROD)


def _values(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every value as text, with where it is."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{where}", text) for where, text in _values(value))
        else:
            yield key, str(value)
