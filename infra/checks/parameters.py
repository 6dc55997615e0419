"""What is said of each environment fits its templates, agrees with itself, and has nothing of another environment."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.checks.findings import Finding
from infra.checks.tree import Tree
from infra.deployment.stacks import OUTPUT

PROD = "prod"
NOT_IN_PROD = re.compile(
    r"\b(?:dev|test|testing|staging|demo|sandbox|localhost)\b|127\.0\.0\.1", re.IGNORECASE
)
LEAST_IN_PROD = {
    "ArchiveRetentionDays": 365,
    "HeadsRetentionDays": 365,
    "LogRetentionDays": 90,
    "TrailRetentionDays": 180,
}
_INJECTED = "Prefix"
"""`imprimatur deploy` gives it to every stack."""


def _file(environment: str) -> str:
    return f"infra/stacks/params/{environment}.json"


def _values(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every value as text, with where it is."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{where}", text) for where, text in _values(value))
        elif isinstance(value, list):
            yield from ((key, str(each)) for each in value)
        else:
            yield key, str(value)


def known(tree: Tree) -> Iterator[Finding]:
    """Every parameter is one of its template's and of its form, and every one without a default is given."""
    for environment, document in tree.environments.items():
        file = _file(environment)
        for stack, given in document["stacks"].items():
            template = tree.stacks.get(f"{stack}.yaml")
            if template is None:
                yield Finding(file=file, where=stack, message="there is no such stack")
                continue
            declared = template["Parameters"]
            for name in sorted(given.keys() - declared.keys()):
                yield Finding(
                    file=file, where=f"{stack}.{name}", message="the template knows no such parameter"
                )
            for name, one in declared.items():
                if name in given:
                    yield from _value_faults(file, f"{stack}.{name}", one, given[name])
                elif name != _INJECTED and "Default" not in one:
                    yield Finding(file=file, where=f"{stack}.{name}", message="is missing")


def outputs(tree: Tree) -> Iterator[Finding]:
    """Every output that is asked for is put out by a stack of the same environment, deployed before."""
    for environment, document in tree.environments.items():
        order = list(document["stacks"])
        for where, value in _values(document["stacks"]):
            for stack, output in OUTPUT.findall(value):
                there = tree.stacks.get(f"{stack}.yaml", {}).get("Outputs", {})
                if stack not in order or output not in there:
                    message = f"{stack} puts out no {output} here"
                elif order.index(stack) >= order.index(where.partition(".")[0]):
                    message = f"{stack} is deployed later"
                else:
                    continue
                yield Finding(file=_file(environment), where=where, message=message)


def _value_faults(file: str, where: str, declared: Mapping[str, Any], value: Any) -> Iterator[Finding]:  # noqa: ANN401 — JSON
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if OUTPUT.fullmatch(text) or isinstance(value, list):
        return
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], text):
        yield Finding(
            file=file, where=where, message=f"{text} is not of the form {declared['AllowedPattern']}"
        )
    if "AllowedValues" in declared and text not in map(str, declared["AllowedValues"]):
        yield Finding(
            file=file, where=where, message=f"{text} is none of the values that the template allows"
        )


def agreement(tree: Tree) -> Iterator[Finding]:
    """One host is said everywhere, SSM is read under the own prefix, and an edge that is believed is there."""
    for environment, document in tree.environments.items():
        stacks = document["stacks"]
        app, data, edge = (stacks.get(name, {}) for name in ("app", "data", "edge"))
        said: list[tuple[str, Any, Any]] = [
            ("app.BaseUrl", app.get("BaseUrl"), data.get("DeskOrigin")),
            ("app.TableStreamArn", app.get("TableStreamArn"), f"/{document['prefix']}/data/table-stream-arn"),
            ("app.BehindEdge", app.get("BehindEdge", "no"), "yes" if "edge" in stacks else "no"),
        ]
        if edge:
            said += [
                ("edge.RestApiId", edge.get("RestApiId"), f"/{document['prefix']}/app/rest-api-id"),
                ("edge.DeskHost", f"https://{edge.get('DeskHost')}", app.get("BaseUrl")),
                ("edge.PublicSiteHost", f"https://{edge.get('PublicSiteHost')}", app.get("PublicSiteUrl")),
                (
                    "edge.InternalSiteHost",
                    f"https://{edge.get('InternalSiteHost')}",
                    app.get("InternalSiteUrl"),
                ),
            ]
            said += [
                (f"edge-global.{host}", stacks.get("edge-global", {}).get(host), edge.get(host))
                for host in ("DeskHost", "PublicSiteHost", "InternalSiteHost")
            ]
        for where, value, wanted in said:
            if value != wanted:
                yield Finding(
                    file=_file(environment), where=where, message=f"is {value}, and elsewhere {wanted}"
                )
        hosts = [edge[host] for host in ("DeskHost", "PublicSiteHost", "InternalSiteHost") if host in edge]
        if len(set(hosts)) != len(hosts):
            yield Finding(file=_file(environment), where="edge", message="two of its hosts are the same")


def apart(tree: Tree) -> Iterator[Finding]:
    """No two environments share a prefix or a host."""
    taken: dict[str, str] = {}
    for environment, document in tree.environments.items():
        own = {document["prefix"]}
        own |= {
            value for where, value in _values(document["stacks"]) if re.search(r"Host$|Url$|Origin$", where)
        }
        for value in sorted(own):
            if taken.setdefault(value, environment) != environment:
                yield Finding(file=_file(environment), where=value, message=f"belongs to {taken[value]}")


def prod(tree: Tree) -> Iterator[Finding]:
    """Production has nothing of a trial in it, and is protected and whole."""
    document = tree.environments.get(PROD)
    if document is None:
        yield Finding(file=_file(PROD), where="", message="is missing")
        return
    for where, value in _values(document):
        if NOT_IN_PROD.search(value.replace("-", " ").replace("_", " ")):
            yield Finding(file=_file(PROD), where=where, message=f"{value} is of a trial")
    if document.get("protected") is not True or document["stacks"]["data"].get("Protect", True) is not True:
        yield Finding(file=_file(PROD), where="protected", message="its data can be deleted")
    for stack in sorted({"edge-global", "edge"} - document["stacks"].keys()):
        yield Finding(file=_file(PROD), where=stack, message="is missing")


def prod_survives(tree: Tree) -> Iterator[Finding]:
    """Production is copied to another region, and keeps what it must as long as it must."""
    if PROD not in tree.environments:
        return  # `prod` says so
    document = tree.environments[PROD]
    stacks = document["stacks"]
    if "recovery" not in stacks or document.get("recovery_region") in {None, document["region"]}:
        yield Finding(file=_file(PROD), where="recovery_region", message="nothing of it is in another region")
    for name in ("ReplicaBucketArn", "ReplicaKeyArn", "BackupVaultArn"):
        if not stacks["data"].get(name):
            yield Finding(file=_file(PROD), where=f"data.{name}", message="is missing: nothing is copied")
    for stack, given in stacks.items():
        for name, least in LEAST_IN_PROD.items():
            if int(given.get(name, least)) < least:
                yield Finding(file=_file(PROD), where=f"{stack}.{name}", message=f"is less than {least}")
