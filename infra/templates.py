"""Templates as plain data, in CloudFormation's long form, whatever form they were written in."""

import functools
import json
from pathlib import Path
from typing import Any

import yaml

Template = dict[str, Any]

_SHORT = {"Ref", "Condition"}
"""Short forms whose long form has no `Fn::`."""


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short forms; the parser in C, since templates are long."""


def _long_form(loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    argument: Any
    match node:
        case yaml.ScalarNode():
            argument = loader.construct_scalar(node)
        case yaml.SequenceNode():
            argument = loader.construct_sequence(node, deep=True)
        case _:
            argument = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # a MappingNode
    if suffix == "GetAtt" and isinstance(argument, str):
        argument = argument.split(".", 1)
    return {suffix if suffix in _SHORT else f"Fn::{suffix}": argument}


_Loader.add_multi_constructor("!", _long_form)


@functools.lru_cache(maxsize=64)
def parse(text: str) -> Template:
    """A template in YAML or JSON. The same text gives the same object: nobody changes it."""
    parsed: Template = json.loads(text) if text.startswith("{") else yaml.load(text, _Loader)  # noqa: S506 — safe
    return parsed


def load(path: Path) -> Template:
    """The template in a file."""
    return parse(path.read_text(encoding="utf-8"))
