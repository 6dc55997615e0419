"""The functions' environment is what the code reads, neither more nor less."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any

from chalicelib.core.settings import Settings
from infra.checks.findings import Finding
from infra.checks.templates import text_of
from infra.checks.tree import PACKAGED, Tree


def settings(tree: Tree) -> Iterator[Finding]:
    """Every variable is a field of Settings, every field has its variable, and defaults are the same on both sides."""
    given = _given(tree)
    known = {field.name.upper(): field for field in fields(Settings)}
    for name in sorted(given.keys() - known.keys()):
        yield Finding(file=PACKAGED, where=name, message="no setting reads this variable")
    for name in sorted(known.keys() - given.keys()):
        yield Finding(file=PACKAGED, where=name, message="is a setting and is not given")
    for name in sorted(known.keys() & given.keys()):
        value, default = given[name], known[name].default
        said = _unless_given(value, tree.packaged["Parameters"])
        if default is not MISSING and str(said) != default:
            yield Finding(
                file=PACKAGED, where=name, message=f"is {said} here and {default} in the code unless given"
            )
        if (
            default is MISSING
            and not (said is MISSING or isinstance(said, dict))
            and "Ref" in value
            and value["Ref"] != "Prefix"
        ):
            yield Finding(file=PACKAGED, where=name, message="must be given, and has a default here")


def _given(tree: Tree) -> dict[str, Any]:
    given: dict[str, Any] = tree.packaged["Globals"]["Function"]["Environment"]["Variables"]
    return given


def _unless_given(value: Any, parameters: dict[str, Any]) -> Any:  # noqa: ANN401 — a template's values have any shape
    match value:
        case {"Ref": parameter}:
            return parameters[parameter].get("Default", MISSING)
        case {"Fn::If": [_, _, otherwise]}:
            return otherwise
    return value


def secrets(tree: Tree) -> Iterator[Finding]:
    """What the code shows nowhere is in Secrets Manager, and nobody gives it to CloudFormation."""
    given = _given(tree)
    for field in fields(Settings):
        name = field.name.upper()
        value = given.get(name, {})
        found = value["Fn::If"][1] if "Fn::If" in value else value
        if not field.repr and not text_of(found).startswith("{{resolve:secretsmanager:"):
            yield Finding(file=PACKAGED, where=name, message="is a secret; read it from Secrets Manager")
    for file, template in tree.deployed.items():
        for name, one in template.get("Parameters", {}).items():
            if "NoEcho" in one:
                message = "asks for a secret at every deployment; ask where Secrets Manager has it"
                yield Finding(file=file, where=name, message=message)
