"""A checkout as the checks see it: its templates, workflows, roles and parameters, each read once."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from infra.deployment.stacks import STACKS
from infra.templates import Template, parse

ROOT = Path(__file__).parents[2]
DATA, APP, DEPARTMENT = "data.yaml", "app.yaml", "department.yaml"
EDGE, EDGE_GLOBAL, RECOVERY = "edge.yaml", "edge-global.yaml", "recovery.yaml"
WATCH = "watch.yaml"
IN_ORDER = tuple(stack.source for stack in STACKS)
"""The stacks' templates as they are deployed, one after the other."""
PACKAGED = "the packaged app.yaml"
"""What findings call the template that AWS gets: Chalice's with app.yaml merged in."""
_PLACES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}
"""What the translator wants to lie in S3."""


class Tree:
    """`root` holds `infra/`. `packaged` is given where the root is not this checkout, whose code alone is packaged.

    `params` is the folder of the environments' files, the root's own unless given.
    """

    def __init__(
        self, root: Path = ROOT, packaged: Template | None = None, params: Path | None = None
    ) -> None:
        self.root = root
        self.params = params or root / "infra" / "stacks" / "params"
        self._packaged = packaged

    def text(self, path: str) -> str:
        """A file's text."""
        return (self.root / path).read_text(encoding="utf-8")

    @cached_property
    def stacks(self) -> Mapping[str, Template]:
        """The templates as they are written, by file name.

        What a loop makes is left out: cfn-lint unrolls it, and `runbooks` sees alarms, which alone are made so.
        """
        return {name: _without_loops(parse(self.text(f"infra/stacks/{name}"))) for name in IN_ORDER}

    @property
    def data(self) -> Template:
        """`data.yaml`."""
        return self.stacks[DATA]

    @cached_property
    def packaged(self) -> Template:
        """What AWS gets as the app's template."""
        if self._packaged is not None:
            return self._packaged
        from infra.package import build  # noqa: PLC0415 — Chalice is heavy, and most checks need no package

        with TemporaryDirectory() as folder:
            return parse(build(Path(folder), with_dependencies=False).read_text(encoding="utf-8"))

    @cached_property
    def deployed(self) -> Mapping[str, Template]:
        """Every template as AWS gets it, by the name that findings give it."""
        return {
            PACKAGED if name == APP else name: self.packaged if name == APP else one
            for name, one in self.stacks.items()
        }

    @cached_property
    def translated(self) -> Template:
        """The packaged template without SAM: what CloudFormation makes of it before it begins."""
        template = json.loads(json.dumps(self.packaged))
        for one in template["Resources"].values():
            if one["Type"] in _PLACES:
                one["Properties"][_PLACES[one["Type"]]] = "s3://bucket/key"
            elif one["Type"] == "AWS::Lambda::Function":
                one["Properties"]["Code"] = {"S3Bucket": "bucket", "S3Key": "key"}
        translator = Translator(
            managed_policy_map={}, sam_parser=Parser(), boto_session=boto3.Session(region_name="us-east-1")
        )
        translated: Template = translator.translate(template, {})
        return translated

    @cached_property
    def workflows(self) -> Mapping[str, dict[str, Any]]:
        """The state machines by their files' names without `.asl.json`, with their substitutions still to be made."""
        folder = self.root / "infra" / "workflows"
        return {
            path.name.removesuffix(".asl.json"): json.loads(path.read_bytes())
            for path in sorted(folder.glob("*.asl.json"))
        }

    @cached_property
    def roles(self) -> Mapping[str, dict[str, Any]]:
        """The functions' policies by their files' names."""
        folder = self.root / "infra" / "roles"
        return {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}

    @cached_property
    def config(self) -> dict[str, Any]:
        """Chalice's configuration."""
        config: dict[str, Any] = json.loads(self.text("infra/chalice/config.json"))
        return config


def _without_loops(template: Template) -> Template:
    resources = template["Resources"].items()
    return {**template, "Resources": {name: one for name, one in resources if "::" not in name}}
