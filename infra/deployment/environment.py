"""An environment as its file describes it: `infra/stacks/params/<name>.json`.

    {
      "prefix": "imprimatur-staging",        begins every name; one per environment and account
      "region": "ap-southeast-1",
      "recovery_region": "ap-southeast-2",   where it has a stack for recovery
      "account": "123456789012",             refuse every other account; optional unless `protected`
      "protected": true,                     optional: stacks cannot be deleted; default for `prod`
      "stacks": {"data": {"DeskOrigin": "https://…"}, "app": {…}},   parameters of each stack that it has
      "departments": {"marketing": {"SenderArn": "arn:…"}}           optional: departments' own systems
    }

A stack that the file does not name is not part of the environment.
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
_KEYS = {"prefix", "region", "recovery_region", "account", "protected", "stacks", "departments"}
_PREFIX = re.compile(r"[a-z][a-z0-9-]{2,30}")
"""As the templates' own pattern says."""
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_ACCOUNT = re.compile(r"\d{12}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")

Parameters = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """`stacks` and `departments` hold CloudFormation's parameters by the stack's or department's name."""

    name: str
    prefix: str
    region: str
    recovery_region: str | None = None
    account: str | None = None
    protected: bool = False
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
        raise WrongParametersError(f"{path} is not JSON: {error}") from error
    wrong = list(_faults(document))
    if wrong:
        raise WrongParametersError("\n".join([f"{path} cannot be used:", *(f"  {each}" for each in wrong)]))
    return Environment(
        name=name,
        prefix=document["prefix"],
        region=document["region"],
        recovery_region=document.get("recovery_region"),
        account=document.get("account"),
        protected=document.get("protected", name == PROD),
        stacks=_texts(document["stacks"]),
        departments=_texts(document.get("departments", {})),
    )


def _faults(document: object) -> Iterator[str]:
    if not isinstance(document, dict):
        yield "it must be one JSON object"
        return
    yield from (f"{key}: nobody knows it" for key in sorted(document.keys() - _KEYS))
    yield from (f"{key}: is missing" for key in ("prefix", "region", "stacks") if key not in document)
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
    for key in ("stacks", "departments"):
        yield from _faults_of_parameters(key, document.get(key, {}))


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
