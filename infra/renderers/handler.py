"""The function of the renderers' package: it says what it is and carries, and makes posters and slides.

It gets everything in its event and answers everything in its answer: it reads no table, no bucket and no settings,
and its role allows it nothing but its log.
"""

import platform
from collections.abc import Mapping
from importlib.metadata import distributions
from typing import Any

from .typesetting import Refused, poster, slide

VERSION = "2"
"""Of what may be asked and what is answered. Raise it when either changes."""


class UnknownRequest(ValueError):
    """It was asked for what this version does not know."""


def answer(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer `{"ask": "versions"}`, or as `typesetting` says; `{"refused": why, …}` for what cannot be shown.

    Raises UnknownRequest on anything else.
    """
    try:
        match event:
            case {"ask": "versions"}:
                return {
                    "renderers": VERSION,
                    "python": platform.python_version(),
                    "machine": platform.machine(),
                    "carries": {each.metadata["Name"]: each.version for each in distributions()},
                }
            case {"ask": "poster"}:
                return poster(event)
            case {"ask": "slide"}:
                return slide(event)
    except Refused as refused:
        return refused.answer
    raise UnknownRequest(f"the renderers know no {event.get('ask')!r}")
