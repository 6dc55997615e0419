"""What the pages say, in their reader's language.

Templates are written in simplified Chinese; `translations/<language>.po` hold the other languages. `make` compiles
them with Babel into the `.mo` files that are read here. Words for values (states, channels, stages) are not repeated
there: pages, mails and the API take them from `core.messages`.
"""

import gettext
from functools import cache
from pathlib import Path

from chalicelib.core.messages import DEFAULT

TRANSLATIONS = Path(__file__).with_name("translations")


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations into one of `core.messages.LANGUAGES`. Raises OSError when `make` has not compiled them."""
    if language == DEFAULT:
        return gettext.NullTranslations()
    with (TRANSLATIONS / f"{language}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)
