"""Sheets and slides by typst: what is shown comes as data, and the same data gives the same bytes.

The templates beside this file are all that typst runs: content reaches them as JSON and is only ever shown. What cannot
be shown whole is refused with what is wrong, never clipped: a character that the font has not, more text than the
sheets hold, a table too wide.
"""

import base64
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import segno
import typst

FONTS = Path(__file__).with_name("fonts")
"""Noto Sans SC in two weights, brought by npm (`infra/packaging/fonts.py`). Nothing else is looked at."""
PAPERS = frozenset({"a4", "a3"})
POSTERS = (
    *({"size": size, "picture": 78} for size in (22, 19, 16.5, 14.5, 12.5, 11)),
    *({"size": size, "picture": 48} for size in (12.5, 11)),
)
"""What is tried on a sheet in turn: the body's size in points and the picture's height in millimetres, both on A4."""
SLIDES = (
    *({"body": True, "picture": True, "size": size} for size in (44, 40, 36, 32)),
    *({"body": True, "picture": False, "size": size} for size in (56, 48, 40, 36, 32)),
    *({"body": False, "picture": True, "size": size} for size in (52, 46, 40, 34, 30)),
    *({"body": False, "picture": False, "size": size} for size in (64, 56, 50, 44, 38)),
)
"""What is tried on a slide in turn: a body that does not fit whole is left out whole."""
WIDEST = 12
"""Columns of a table, beyond which cells have no room for a character."""
MOST_BYTES = 6 * 1024 * 1024
"""What Lambda gives in one answer."""

_STANDARDS: list[Any] = ["a-2a", "ua-1"]
_MISSING = re.compile(r'the text `"((?:[^"\\]|\\.)*)"` could not be displayed')
_TEMPLATES = ("parts.typ", "poster.typ", "slide.typ")


class Refused(Exception):
    """It cannot be shown; the answer says why, in stable words and figures."""

    def __init__(self, why: str, **figures: object) -> None:
        super().__init__(why)
        self.answer = {"refused": why, **figures}


def poster(event: Mapping[str, Any]) -> dict[str, Any]:
    """A PDF (PDF/A-2a and PDF/UA-1) of as few sheets as it takes, as `{"pdf": base64, "sheets": how many}`.

    `paper` is one of PAPERS, `most_sheets` how many there may be, `at` the document's date in seconds since 1970.
    Raises Refused.
    """
    if event["paper"] not in PAPERS:
        raise Refused("unknown_paper", paper=event["paper"])
    shapes = [{"paper": event["paper"], **shape} for shape in POSTERS]
    with _workshop(event) as (folder, content):
        typesetter, sheets = _first_that_fits(folder, "poster", content, shapes)
        if sheets > event["most_sheets"]:
            raise Refused("too_long", sheets=sheets, most=event["most_sheets"])
        return _within_limits({"pdf": _text(_pdf(typesetter, event["at"])), "sheets": sheets})


def slide(event: Mapping[str, Any]) -> dict[str, Any]:
    """A PNG of 1920 × 1080, as `{"png": base64}`. Raises Refused.

    What is on it is whole: title and summary always, the body where all of it can be read there.
    """
    pictured = bool(event["pictures"])
    shapes = [shape for shape in SLIDES if pictured or not shape["picture"]]
    with _workshop(event) as (folder, content):
        typesetter, sheets = _first_that_fits(folder, "slide", content, shapes)
        if sheets > 1:
            raise Refused("too_long", sheets=sheets, most=1)
        _pdf(typesetter, event["at"])  # only there is a missing character an error
        (png,) = _pages(typesetter.compile(format="png", ppi=72, timestamp=event["at"]))
        return _within_limits({"png": _text(png)})


@contextmanager
def _workshop(event: Mapping[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder with the templates and pictures, and the content that refers to them."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for template in _TEMPLATES:
            shutil.copyfile(Path(__file__).with_name(template), folder / template)
        content = dict(event["content"])
        content["body"] = list(_settled(content["body"]))
        content["pictures"] = []
        for number, each in enumerate(event["pictures"], start=1):
            file = f"picture-{number}.{'png' if each['png'] else 'jpg'}"
            (folder / file).write_bytes(base64.b64decode(each["data"], validate=True))
            content["pictures"].append({"name": file, "alt": each["alt"]})
        if address := content.pop("address", None):
            drawn = BytesIO()
            segno.make(address, error="m").save(drawn, kind="svg", border=0, xmldecl=False)
            content["code"] = drawn.getvalue().decode()
        yield folder, content


def _settled(blocks: Sequence[Mapping[str, Any]], above: int = 1) -> Iterator[Mapping[str, Any]]:
    """The blocks with no level of heading left out, as PDF/UA asks. Raises Refused for a table that is too wide."""
    for block in blocks:
        match block:
            case {"is": "heading", "level": int(level)}:
                above = min(level, above + 1)
                yield {**block, "level": above}
            case {"is": "table", "columns": columns} if len(columns) > WIDEST:
                raise Refused("table_too_wide", columns=len(columns), most=WIDEST)
            case {"is": "quote", "of": within}:
                yield {**block, "of": list(_settled(within, above))}
            case {"is": "list", "items": items}:
                yield {**block, "items": [list(_settled(item, above)) for item in items]}
            case _:
                yield block


def _first_that_fits(
    folder: Path, template: str, content: Mapping[str, Any], shapes: Sequence[Mapping[str, Any]]
) -> tuple[typst.Compiler, int]:
    """The typesetter of the first shape that takes one sheet, or of the last; and how many sheets that takes.

    The last is tried first: for a long text it is the only one that has to be.
    """
    for shape in (shapes[-1], *shapes):
        typesetter = typst.Compiler(
            folder / f"{template}.typ",
            root=folder,
            font_paths=_fonts(),
            sys_inputs={
                "content": json.dumps(content, ensure_ascii=False),
                "shape": json.dumps(shape),
            },
        )
        sheets = json.loads(typesetter.query("<sheets>", field="value", one=True))
        if (sheets > 1) is (shape is shapes[-1]):
            break
    return typesetter, sheets


def _pdf(typesetter: typst.Compiler, at: int) -> bytes:
    try:
        return _pages(typesetter.compile(format="pdf", pdf_standards=_STANDARDS, timestamp=at))[0]
    except typst.TypstError as error:
        missing = "".join(map(_unescaped, _MISSING.findall(error.diagnostic)))
        if not missing:
            raise Refused("unsettable", message=error.message) from error
        raise Refused("characters_missing", characters="".join(sorted(set(missing)))) from error


def _unescaped(text: str) -> str:
    """A text as typst quotes it in what it says."""
    text = re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\(.)", r"\1", text)


def _pages(made: bytes | list[bytes] | None) -> list[bytes]:
    return made if isinstance(made, list) else [made or b""]


def _text(made: bytes) -> str:
    return base64.b64encode(made).decode()


def _within_limits(answer: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(answer))
    if size > MOST_BYTES:
        raise Refused("too_large", bytes=size, most=MOST_BYTES)
    return answer


@cache
def _fonts() -> typst.Fonts:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])
    if not fonts.families():
        raise FileNotFoundError(f"no fonts in {FONTS}: `make fonts` brings them")
    return fonts
