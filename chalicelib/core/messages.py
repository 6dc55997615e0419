"""What people are told, in their language.

The catalogues beside this module (`messages/<language>.json`) hold one text per key: `field.<code>` for a
wrong field, `<code>.title` and `<code>.detail` for an error, `word.<parameter>.<value>` for a value that is
said in words, such as `word.channel.website`. A `{name}` in a text is replaced by the parameter of that name.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LANGUAGES = ("zh-Hans", "zh-Hant", "en")
DEFAULT = LANGUAGES[0]

_CATALOGUES = Path(__file__).with_name("messages")
_UNKNOWN = "…"
_REGIONS = {"tw": "zh-Hant", "hk": "zh-Hant", "mo": "zh-Hant"}


def negotiate(accept_language: str | None) -> str:
    """The best of our languages for an `Accept-Language` header (RFC 9110, 12.5.4); ours by default.

    Ranges that are malformed, refused (`q=0`) or of no language of ours count for nothing.
    """
    best, best_quality = DEFAULT, 0.0
    for item in (accept_language or "").split(","):
        tag, _, parameter = item.partition(";")
        language, quality = _language_of(tag.strip().lower()), _quality(parameter)
        if language and quality > best_quality:
            best, best_quality = language, quality
    return best


def text(code: str, language: str, params: Mapping[str, object]) -> str:
    """The text of a key with its parameters filled in; the key itself if there is no such text.

    A parameter that is missing shows as an ellipsis; one too many is ignored; no value makes this raise.
    """
    catalogue = _catalogue(language if language in LANGUAGES else DEFAULT)
    if code not in catalogue:
        return code
    shown = {name: _shown(name, value, catalogue) for name, value in params.items()}
    return catalogue[code].format_map(_WithEllipses(shown))


class _WithEllipses(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return _UNKNOWN


def _shown(name: str, value: object, catalogue: Mapping[str, str]) -> str:
    try:
        if isinstance(value, (list, tuple)):
            words = (catalogue.get(f"word.{name}.{each}", str(each)) for each in value)
            return catalogue["word.separator"].join(words)
        return catalogue.get(f"word.{name}.{value}", str(value))
    except (ValueError, RecursionError):  # too many digits, or too deep, for Python to write
        return _UNKNOWN


@cache
def _catalogue(language: str) -> Mapping[str, str]:
    catalogue: dict[str, str] = json.loads((_CATALOGUES / f"{language}.json").read_bytes())
    return catalogue


def _language_of(tag: str) -> str | None:
    primary, *rest = tag.split("-")
    if primary == "*":
        return DEFAULT
    if primary == "en":
        return "en"
    if primary != "zh":
        return None
    if "hans" in rest or "hant" in rest:
        return "zh-Hant" if "hant" in rest else "zh-Hans"
    return next((_REGIONS[part] for part in rest if part in _REGIONS), "zh-Hans")


def _quality(parameter: str) -> float:
    name, equals, value = parameter.strip().partition("=")
    if not equals:
        return 1.0 if not name else 0.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if name.strip().lower() == "q" and 0 <= quality <= 1 else 0.0
