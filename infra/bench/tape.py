"""A life on record: each request and invocation with the answers that AWS gave meanwhile."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

PUT_ITEM = "put_item"
SUBMIT, OPEN, DECIDE = "submit", "open", "decide"
"""The steps that come over HTTP; the others are jobs, by their handlers' names."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of AWS; `body` is text in UTF-8."""

    operation: str
    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call of the product: what it was given, when (RFC 3339), what came of it and what AWS answered.

    `outcome` is the status of an HTTP answer or the value that a job gave.
    """

    name: str
    at: str
    event: Mapping[str, Any]
    outcome: Any
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Tape:
    """A life, in order, the environment it was lived in, and the yardstick: a PutItem as boto3 makes it."""

    environment: Mapping[str, str]
    put_item: Step
    steps: list[Step]

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it back."""
        document = json.loads(path.read_bytes())
        put_item, *steps = (
            Step(**{**step, "answers": [Answer(**answer) for answer in step["answers"]]})
            for step in (document["put_item"], *document["steps"])
        )
        return cls(environment=document["environment"], put_item=put_item, steps=steps)


def outcome(name: str, result: Any) -> Any:  # noqa: ANN401 — as Step
    """What is compared between recording and replay: of an HTTP answer its status, for the rest holds fresh ids."""
    return result["statusCode"] if name in {SUBMIT, OPEN, DECIDE} else result
