"""A template as CloudFormation would make it: loops unrolled, parameters and maps filled in."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.templates import load

PLACE = re.compile(r"\$\{([^!}][^}]*)\}")


class Expanded:
    """The resources of a template; what only the deployed stack would know stays as `<name>`."""

    def __init__(self, path: Path, **parameters: str) -> None:
        self._whole = load(path)
        self._known = {
            name: str(one.get("Default", f"<{name}>"))
            for name, one in self._whole.get("Parameters", {}).items()
        } | parameters
        self.resources = {
            name: self._value(resource, bound)
            for name, resource, bound in self._unrolled(self._whole["Resources"], {})
        }

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of each resource of an `AWS::` type."""
        found = self.resources.items()
        return {name: one.get("Properties", {}) for name, one in found if one["Type"] == f"AWS::{kind}"}

    def _unrolled(
        self, resources: Mapping[str, Any], bound: Mapping[str, str]
    ) -> Iterator[tuple[str, Any, dict[str, str]]]:
        for name, resource in resources.items():
            if not name.startswith("Fn::ForEach::"):
                yield self._filled(name, bound), resource, dict(bound)
                continue
            variable, values, body = resource
            for value in values:
                yield from self._unrolled(body, {**bound, variable: value})

    def _value(self, node: Any, bound: Mapping[str, str]) -> Any:  # noqa: ANN401 — a template's values have any shape
        if isinstance(node, list):
            return [self._value(each, bound) for each in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "Ref" or str(name).startswith("Fn::"):
                return self._evaluated(name, argument, bound)
        return {key: self._value(each, bound) for key, each in node.items()}

    def _evaluated(self, function: str, argument: Any, bound: Mapping[str, str]) -> Any:  # noqa: ANN401 — as above
        match function, argument:
            case "Ref", str(name):
                return bound.get(name) or self._known.get(name, f"<{name}>")
            case "Fn::Sub", str(text):
                return self._filled(text, bound)
            case "Fn::Sub", [text, variables]:
                return self._filled(text, {**bound, **self._value(variables, bound)})
            case "Fn::FindInMap", [name, first, second]:
                return self._whole["Mappings"][name][self._value(first, bound)][self._value(second, bound)]
            case "Fn::GetAtt", [name, attribute]:
                properties = self._whole["Resources"].get(name, {}).get("Properties", {})
                return self._value(properties.get(attribute, f"<{name}.{attribute}>"), bound)
        return f"<{function.removeprefix('Fn::')}>"

    def _filled(self, text: str, bound: Mapping[str, Any]) -> str:
        known = {**self._known, **bound}
        filled = PLACE.sub(lambda found: str(known.get(found[1], f"<{found[1]}>")), text)
        return filled.replace("${!", "${")
