"""The function of the renderers' package. So far it renders nothing: it says what it is and what it carries.

It gets everything in its event and answers everything in its answer: it reads no table, no bucket and no settings,
and its role allows it nothing but its log.
"""

import platform
from collections.abc import Mapping
from importlib.metadata import distributions
from typing import Any

VERSION = "1"
"""Of what may be asked and what is answered. Raise it when either changes."""


class UnknownRequest(ValueError):
    """It was asked for what this version does not know."""


def answer(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer `{"ask": "versions"}`. Raises UnknownRequest on anything else."""
    match event:
        case {"ask": "versions"}:
            return {
                "renderers": VERSION,
                "python": platform.python_version(),
                "machine": platform.machine(),
                "carries": {each.metadata["Name"]: each.version for each in distributions()},
            }
    raise UnknownRequest(f"the renderers know no {event.get('ask')!r}")
