"""Asking the renderers, which are a function of their own (`infra/renderers/`)."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import DeliveryRefused

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

MOST_BYTES = 6 * 1024 * 1024
"""What Lambda takes in one call; the renderers see to it that it can give their answer."""
TOO_LARGE = "too_large"
"""Why it takes no more, in the word that the renderers have for an answer that would be."""


class Renderers:
    """The renderers' function, by its name."""

    def __init__(self, *, client: "Callable[[], LambdaClient]", function: str) -> None:
        self._client = client
        self._function = function

    def ask(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What the renderers answer. Raises DeliveryRefused with their reason for what cannot be shown whole.

        What goes wrong in between raises as the client does, or RuntimeError: asking again may help.
        """
        payload = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        if len(payload) > MOST_BYTES:
            raise DeliveryRefused(TOO_LARGE, {"bytes": len(payload), "most": MOST_BYTES})
        answered = self._client().invoke(FunctionName=self._function, Payload=payload)
        answer: dict[str, Any] = json.loads(answered["Payload"].read())
        if "FunctionError" in answered:
            raise RuntimeError(f"the renderers failed: {answer.get('errorType')}")
        if "refused" in answer:
            raise DeliveryRefused(answer.pop("refused"), answer)
        return answer
