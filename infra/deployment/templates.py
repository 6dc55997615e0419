"""What a deployment reads of templates: parameters and deletion policies, and the files that they name."""

import copy
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.deployment.errors import WrongParametersError
from infra.deployment.stacks import OUTPUT
from infra.templates import Template

_FILES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
    "AWS::Lambda::Function": "Code",
}
"""Where a template names a file beside it. CloudFormation wants a place in S3 there."""


def arguments(stack: str, template: Template, given: Mapping[str, str]) -> list[dict[str, str]]:
    """The parameters as CloudFormation takes them.

    Raises WrongParametersError, telling each that the template does not know, does not allow, or wants.
    """
    declared: Mapping[str, Mapping[str, Any]] = template.get("Parameters", {})
    wrong = [
        f"stacks.{stack}.{name}: the template knows no such parameter"
        for name in given.keys() - declared.keys()
    ]
    wrong += [
        f"stacks.{stack}.{name}: is missing. {' '.join(str(one.get('Description', '')).split())}".rstrip()
        for name, one in declared.items()
        if name not in given and "Default" not in one
    ]
    wrong += [
        f"stacks.{stack}.{name}: {fault}"
        for name in given.keys() & declared.keys()
        if (fault := _fault_of(given[name], declared[name]))
    ]
    if wrong:
        raise WrongParametersError("Parameters are wrong:", sorted(wrong))
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in sorted(given.items())]


def _fault_of(value: str, declared: Mapping[str, Any]) -> str | None:
    """What CloudFormation would say of the value, or None. The value is not repeated: it may be a secret misplaced."""
    if OUTPUT.fullmatch(value):
        return None  # it is known when that stack stands
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], value):
        return f"is not of the form {declared['AllowedPattern']}"
    if "AllowedValues" in declared and value not in map(str, declared["AllowedValues"]):
        return f"is none of {', '.join(map(str, declared['AllowedValues']))}"
    return None


def retained(template: Template) -> set[str]:
    """The resources that stay when the stack goes."""
    return {
        name
        for name, one in template.get("Resources", {}).items()
        if isinstance(one, dict)  # a loop is a list
        and one.get("DeletionPolicy", "Delete") not in {"Delete", "Snapshot"}
    }


def with_files_at(template: Template, bucket: str, upload: Callable[[str], str]) -> Template:
    """The template with each file that it names replaced by its place; `upload` takes the name and gives the key."""
    placed = copy.deepcopy(template)
    for one in placed["Resources"].values():
        key = _FILES.get(one["Type"])
        name = one.get("Properties", {}).get(key)
        if key is None or not isinstance(name, str) or name.startswith("s3://"):
            continue
        place = upload(Path(name).name)
        plain = one["Type"] == "AWS::Lambda::Function"
        one["Properties"][key] = (
            {"S3Bucket": bucket, "S3Key": place} if plain else {"Bucket": bucket, "Key": place}
        )
    return placed


def dump(template: Template) -> bytes:
    """The same bytes for the same template."""
    return (json.dumps(template, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
