"""What pages may do: run and look as the files beside this one say, each named by its digest, and nothing else.

`infra/stacks/edge.yaml` says the same of scripts in a header of every page, and a check compares the two.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
SEARCH_SCRIPT = "search.js"
VIEWS_SCRIPT = "views.js"
SCRIPTS = (SEARCH_SCRIPT, VIEWS_SCRIPT)
"""Every script that some page has."""
_STYLE = "style.css"


@cache
def text_of(name: str) -> str:
    """A script's or style sheet's text, as a page carries it."""
    return (_HERE / name).read_text(encoding="utf-8")


def style() -> str:
    """The style sheet of every page."""
    return text_of(_STYLE)


def script_sources() -> str:
    """What a policy for every page says of scripts: ours, and no other."""
    return " ".join(_source(text_of(name)) for name in SCRIPTS)


def policy(script: str | None = None, connect: str | None = None) -> str:
    """A page's own policy: it runs that script, if any, which calls nothing but `connect`."""
    parts = [
        "default-src 'none'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        f"style-src {_source(style())}",
    ]
    if script and connect:
        parts += [f"script-src {_source(text_of(script))}", f"connect-src {connect}"]
    return "; ".join(parts)


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
