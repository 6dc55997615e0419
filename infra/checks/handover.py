"""What a stack reads of another, the other hands over, and before it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.checks.findings import Finding
from infra.checks.templates import HANDED, of_type, references, text_of, walk
from infra.checks.tree import APP, IN_ORDER, Tree

READ_BY_TYPE = "AWS::SSM::Parameter::Value<String>"
_DEFAULT_PREFIX = "/imprimatur/"


def parameters(tree: Tree) -> Iterator[Finding]:
    """Every SSM parameter that is read is written by a stack deployed before, and every one written is read."""
    written: dict[str, str] = {}
    read: set[str] = set()
    for file in IN_ORDER:
        template = tree.stacks[file]
        own = {text_of(one["Name"]): name for name, one in of_type(template, "AWS::SSM::Parameter").items()}
        stack = file.removesuffix(".yaml")
        for parameter, name in own.items():
            if not re.fullmatch(rf"/\$\{{Prefix}}/{stack}/[a-z-]+", parameter):
                yield Finding(file=file, where=name, message=f"{parameter} is not below /${{Prefix}}/{stack}")
        for where, parameter in _reads(template):
            read.add(parameter)
            if parameter not in written:
                yield Finding(
                    file=file, where=where, message=f"{parameter} is handed over by no stack before this one"
                )
        written |= dict.fromkeys(own, file)
    for parameter in sorted(written.keys() - read):
        yield Finding(file=written[parameter], where=parameter, message="is handed over and read by nobody")


def _reads(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, one in {**template["Resources"], "Globals": template.get("Globals", {})}.items():
        for value in walk(one):
            for parameter in HANDED.findall(value) if isinstance(value, str) else ():
                yield name, parameter
    for name, one in template.get("Parameters", {}).items():
        if one["Type"] == READ_BY_TYPE:
            yield name, one.get("Default", "").replace(_DEFAULT_PREFIX, "/${Prefix}/", 1)


def no_exports(tree: Tree) -> Iterator[Finding]:
    """No stack imports: an export cannot be changed as long as it is imported."""
    for file, template in tree.deployed.items():
        for name, output in template.get("Outputs", {}).items():
            if "Export" in output:
                yield Finding(file=file, where=name, message="is exported; hand it over by an SSM parameter")
        if any(isinstance(value, dict) and "Fn::ImportValue" in value for value in walk(template)):
            yield Finding(file=file, where="", message="imports; read an SSM parameter")


def names_exist(tree: Tree) -> Iterator[Finding]:
    """Everything that is referred to is there, and every parameter and condition is used."""
    for file, template in tree.deployed.items():
        known = template["Resources"].keys() | template.get("Parameters", {}).keys()
        for name, one in template["Resources"].items():
            for missing in sorted(references(one) - known):
                yield Finding(file=file, where=name, message=f"refers to {missing}, which is not there")
    for file, template in tree.stacks.items():
        whole = [
            template["Resources"],
            template.get("Outputs"),
            template.get("Globals"),
            template.get("Conditions"),
            template.get("Rules"),
        ]
        used = references([part for part in whole if part is not None])
        if file == APP:
            used |= references(list(tree.roles.values()))
        for name in sorted(template.get("Parameters", {}).keys() - used):
            yield Finding(file=file, where=name, message="is asked for and not used")


def cycles(tree: Tree) -> Iterator[Finding]:
    """No resource of the translated template waits, by way of others, for itself."""
    resources = tree.translated["Resources"]
    waits = {
        name: (
            references(one)
            | set(
                one.get("DependsOn", []) if isinstance(one.get("DependsOn"), list) else [one.get("DependsOn")]
            )
        )
        & resources.keys()
        for name, one in resources.items()
    }
    free: set[str] = set()
    while found := {name for name, on in waits.items() if name not in free and on <= free}:
        free |= found
    for name in sorted(waits.keys() - free):
        if name in _reached(waits, waits[name] - free):
            yield Finding(file="the translated app.yaml", where=name, message="waits for itself")


def _reached(waits: Mapping[str, set[str]], start: set[str]) -> set[str]:
    reached: set[str] = set()
    ahead = set(start)
    while ahead:
        reached |= ahead
        ahead = {each for name in ahead for each in waits[name]} - reached
    return reached
