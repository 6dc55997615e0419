"""What the site's search looks things up in: small files of pairs of characters, one for each month.

Chinese has no spaces, so its words are found by the pairs of neighbouring characters that they are made of; other
scripts by whole words. `search.js` splits what is typed in the same way.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from chalicelib.core.markdown import legible
from chalicelib.publication.channels.website.entry import Entry, item_key, marks
from chalicelib.publication.channels.website.sections import the_plan

SEARCH = "search/index.html"

PAIRED = r"\u2e80-\u2fff\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Characters that are looked up in pairs, as a part of a regular expression; so are those of U+20000 and above."""

_PAIRED = rf"[{PAIRED}\U00020000-\U0003ffff]"
_RUN = re.compile(rf"({_PAIRED}+)|((?:(?!{_PAIRED})[^\W_])+)")


def index_path(entry: Entry) -> str:
    """Where the index lives, below a prefix, that has the item: that of the month under which readers see it."""
    return f"search/{entry.month}.json"


def terms(text: str) -> frozenset[str]:
    """What a text is found by. Width and case of letters make no difference; the script that was chosen does."""
    folded = unicodedata.normalize("NFKC", legible(text)).lower()
    return frozenset(term for run in _RUN.finditer(folded) for term in _terms_of(*run.groups()))


def _terms_of(paired: str | None, word: str | None) -> Iterator[str]:
    if not paired:
        yield word or ""
    elif len(paired) == 1:
        yield paired
    else:
        yield from map("".join, pairwise(paired))


def month_index(entries: Sequence[Entry]) -> bytes:
    """The index of one month's items, newest first: what a result shows of each, and under each term their numbers."""
    found: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        for term in terms(" ".join((entry.title, entry.summary, *_facts(entry)))):
            found.setdefault(term, []).append(number)
    items = [
        [
            item_key(entry),
            entry.title,
            f"{entry.local_time:%Y-%m-%d}",
            entry.summary,
            *_facts(entry),
            marks(entry),
        ]
        for entry in entries
    ]
    return _document({"items": items, "terms": dict(sorted(found.items()))})


def months(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Those that have an index, newest first."""
    return tuple(sorted({entry.month for entry in entries}, reverse=True))


def _facts(entry: Entry) -> tuple[str, ...]:
    category = the_plan().category_names[entry.category]
    return (category, entry.department_name, " ".join(entry.keywords))


def _document(document: object) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f"{legible(text)}\n".encode()
