"""The functions' environment is what the code reads, neither more nor less."""

from collections.abc import Iterator
from dataclasses import MISSING, fields

from chalicelib.core.settings import Settings
from infra.checks.findings import Finding
from infra.checks.tree import PACKAGED, Tree


def settings(tree: Tree) -> Iterator[Finding]:
    """Every variable is a field of Settings, every field has its variable, and defaults are the same on both sides."""
    given = tree.packaged["Globals"]["Function"]["Environment"]["Variables"]
    known = {field.name.upper(): field for field in fields(Settings)}
    for name in sorted(given.keys() - known.keys()):
        yield Finding(file=PACKAGED, where=name, message="no setting reads this variable")
    for name in sorted(known.keys() - given.keys()):
        yield Finding(file=PACKAGED, where=name, message="is a setting and is not given")
    parameters = tree.packaged["Parameters"]
    for name in sorted(known.keys() & given.keys()):
        value, default = given[name], known[name].default
        said = parameters[value["Ref"]].get("Default", MISSING) if "Ref" in value else value
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


def secrets(tree: Tree) -> Iterator[Finding]:
    """No parameter that is a secret has a value in any file."""
    for file, template in tree.deployed.items():
        hidden = {name for name, one in template.get("Parameters", {}).items() if one.get("NoEcho")}
        for name in hidden:
            if template["Parameters"][name].get("Default", "") != "":
                yield Finding(file=file, where=name, message="is a secret with a default")
        for environment, document in tree.environments.items():
            for stack, given in document["stacks"].items():
                for name in hidden & given.keys():
                    yield Finding(
                        file=f"infra/stacks/params/{environment}.json",
                        where=f"{stack}.{name}",
                        message="is a secret; give it at the deployment",
                    )
