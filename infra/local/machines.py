"""Creates the state machines from the same workflow files that AWS gets."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.resources import ACCOUNT

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

SUFFIX = ".asl.json"


class WorkflowError(Exception):
    """A workflow file says `${Name}` and nobody knows the name, or is not JSON once names are put in."""


def create(
    folder: Path, prefix: str, client: "SFNClient", substitutions: Mapping[str, str]
) -> dict[str, str]:
    """Create one state machine per `*.asl.json`, called `{prefix}-{stem}`; answers their ARNs by stem.

    `${Name}` is replaced as CloudFormation's DefinitionSubstitutions does. Raises WorkflowError.
    """
    return {
        path.name.removesuffix(SUFFIX): client.create_state_machine(
            name=f"{prefix}-{path.name.removesuffix(SUFFIX)}",
            definition=_definition(path, substitutions),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/{prefix}-states",
        )["stateMachineArn"]
        for path in sorted(folder.glob(f"*{SUFFIX}"))
    }


def _definition(path: Path, substitutions: Mapping[str, str]) -> str:
    text = path.read_text(encoding="utf-8")
    unknown = set(re.findall(r"\$\{(\w+)\}", text)) - substitutions.keys()
    if unknown:
        raise WorkflowError(f"{path.name}: nobody knows {', '.join(sorted(unknown))}")
    definition = re.sub(r"\$\{(\w+)\}", lambda found: substitutions[found[1]], text)
    try:
        json.loads(definition)
    except ValueError as error:
        raise WorkflowError(f"{path.name}: {error}") from error
    return definition
