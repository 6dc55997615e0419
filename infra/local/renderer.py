"""The renderers' function on the laptop: its own handler, called in this process where moto would look for Docker."""

import functools
from typing import Any
from urllib.parse import unquote

from moto import backends

from infra.local.functions import invoked
from infra.local.mends import Method, replace

NAME = "renderer"
"""What the function is called after the environment's prefix."""


@functools.cache
def apply() -> None:
    """Mend moto in this process, once it has loaded its Lambda: that costs as much as all that a test needs."""
    replace(backends, "_import_backend", _with_renderer)


def _with_renderer(original: Method) -> Method:
    def imported(module_name: str, backends_name: str) -> Any:  # noqa: ANN401 — passes on whatever it gets
        backend = original(module_name, backends_name)
        if module_name == "awslambda":
            _answer_for_it()
        return backend

    return imported


@functools.cache
def _answer_for_it() -> None:
    from moto.awslambda.responses import LambdaResponse  # noqa: PLC0415 — as above

    replace(LambdaResponse, "invoke", _rendered)


def _rendered(original: Method) -> Method:
    def invoke(response: Any) -> Any:  # noqa: ANN401 — moto's
        if not unquote(response.path.rsplit("/", 2)[-2]).endswith(f"-{NAME}"):
            return original(response)
        from infra.renderers import handler  # noqa: PLC0415 — the typesetter is heavy, and needed for few tests

        answer = invoked(handler.answer, NAME, response.body.encode(), None)
        headers = {"content-type": "application/json"}
        return 200, headers | ({"x-amz-function-error": "Unhandled"} if answer.failed else {}), answer.payload

    return invoke
