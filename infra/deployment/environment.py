"""An environment as its file describes it: `infra/stacks/params/<name>.json`.

    {
      "prefix": "imprimatur-staging",        begins every name; one per environment and account
      "region": "ap-southeast-1",
      "recovery_region": "ap-southeast-2",   where it has a stack for recovery
      "account": "123456789012",             refuse every other account; optional unless `protected`
      "protected": true,                     optional: stacks cannot be deleted; default for `prod`
      "hosts": {"desk": "desk.example.com", "public": "news.example.com", "internal": "intranet.example.com"},
      "stacks": {"data": {"ArchiveRetentionDays": 3650}, "app": {…}},   parameters of each stack that it has
      "departments": {"marketing": {"SenderArn": "arn:…"}}           optional: departments' own systems
    }

A stack that the file does not name is not part of the environment. What follows from the rest of the file is no
parameter to give (`derived` in `infra/deployment/stacks.py`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.deployment.errors import WrongParametersError

PARAMS = Path(__file__).parents[1] / "stacks" / "params"
PROD = "prod"
_KEYS = {"prefix", "region", "recovery_region", "account", "protected", "hosts", "stacks", "departments"}
HOSTS = ("desk", "public", "internal")
"""What people meet: the desk, the public and the internal part of the website."""
_PREFIX = re.compile(r"[a-z][a-z0-9-]{2,30}")
"""As the templates' own pattern says."""
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ACCOUNT = re.compile(r"\d{12}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_HOST = re.compile(r"[a-z0-9.-]+")

Parameters = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """`stacks` and `departments` hold CloudFormation's parameters by the stack's or department's name.

    `hosts` are by what people meet there, as in `HOSTS`.
    """

    name: str
    prefix: str
    region: str
    recovery_region: str | None = None
    account: str | None = None
    protected: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict)
    stacks: Mapping[str, Parameters] = field(default_factory=dict)
    departments: Mapping[str, Parameters] = field(default_factory=dict)


def read(name: str, folder: Path = PARAMS) -> Environment:
    """The environment of that name. Raises WrongParametersError, which tells everything that is wrong at once."""
    if not _NAME.fullmatch(name):
        raise WrongParametersError(f"{name!r} is no name of an environment.")
    path = folder / f"{name}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(each.stem for each in folder.glob("*.json"))) or "none"
        raise WrongParametersError(
            f"There is no {path}. Environments in that folder: {known}. Copy one of them and change it, or name "
            "another folder with --params."
        ) from None
    except ValueError as error:
        raise WrongParametersError(f"{path} cannot be read:", [f"JSON: {error}"]) from error
    if wrong := list(_faults(document)):
        raise WrongParametersError(f"{path} cannot be used:", wrong)
    return Environment(
        name=name,
        prefix=document["prefix"],
        region=document["region"],
        recovery_region=document.get("recovery_region"),
        account=document.get("account"),
        protected=document.get("protected", name == PROD),
        hosts=document["hosts"],
        stacks=_texts(document["stacks"]),
        departments=_texts(document.get("departments", {})),
    )


def _faults(document: object) -> Iterator[str]:
    if not isinstance(document, dict):
        yield "it must be one JSON object"
        return
    yield from (f"{key}: nobody knows it" for key in sorted(document.keys() - _KEYS))
    yield from (
        f"{key}: is missing" for key in ("prefix", "region", "hosts", "stacks") if key not in document
    )
    shapes = {
        "prefix": (_PREFIX, "3 to 31 small letters, digits and hyphens, a letter first"),
        "region": (_REGION, "a region, such as ap-southeast-1"),
        "recovery_region": (_REGION, "a region, such as ap-southeast-2"),
        "account": (_ACCOUNT, "12 digits, as text"),
    }
    for key, (shape, words) in shapes.items():
        value = document.get(key)
        if key in document and not (isinstance(value, str) and shape.fullmatch(value)):
            yield f"{key}: must be {words}"
    if document.get("recovery_region") is not None and document["recovery_region"] == document.get("region"):
        yield "recovery_region: must be another region than region"
    if not isinstance(document.get("protected", False), bool):
        yield "protected: must be true or false"
    if "hosts" in document:
        yield from _faults_of_hosts(document["hosts"])
    for key in ("stacks", "departments"):
        yield from _faults_of_parameters(key, document.get(key, {}))


def _faults_of_hosts(value: object) -> Iterator[str]:
    if not isinstance(value, dict) or value.keys() != set(HOSTS):
        yield f"hosts: must be an object with {', '.join(HOSTS)}"
        return
    for name, host in value.items():
        if not (isinstance(host, str) and _HOST.fullmatch(host)):
            yield f"hosts.{name}: must be a host, such as desk.example.com"
    if len(set(map(str, value.values()))) < len(HOSTS):
        yield "hosts: two of them are the same"


def _faults_of_parameters(key: str, value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{key}: must be an object with an object of parameters for each name"
        return
    for name, parameters in value.items():
        if not _NAME.fullmatch(name):
            yield f"{key}.{name}: is no name"
        if not isinstance(parameters, dict):
            yield f"{key}.{name}: must be an object of parameters, {{}} if there are none"
            continue
        for parameter, given in parameters.items():
            if not isinstance(given, (str, int, bool)) and not _is_list_of_texts(given):
                yield f"{key}.{name}.{parameter}: must be text, a number, true, false or a list of texts"


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _texts(stacks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Values as CloudFormation takes them."""
    return {
        stack: {name: _text(value) for name, value in parameters.items()}
        for stack, parameters in stacks.items()
    }


def _text(value: Any) -> str:  # noqa: ANN401 — checked above
    match value:
        case bool():
            return str(value).lower()
        case list():
            return ",".join(value)
    return str(value)
