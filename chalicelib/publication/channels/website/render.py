"""Entries to pages: pure, and the same bytes for the same records, so that a wiped site can be made again.

Pages refer to each other by relative links only and carry their style within them: an item's page is the same
under every prefix and stays whole wherever it is kept.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chalicelib.core.markdown import legible, to_html
from chalicelib.publication.channels.website.entry import (
    HOME,
    Entry,
    attached_files,
    day,
    item_key,
    item_path,
    marks,
    standing,
)
from chalicelib.publication.channels.website.policy import (
    SEARCH_SCRIPT,
    VIEWS_SCRIPT,
    policy,
    style,
    text_of,
)
from chalicelib.publication.channels.website.search import SEARCH
from chalicelib.publication.channels.website.sections import Section, the_plan

FEED = "feed.atom"
ENTER = "enter/index.html"
HOME_LENGTH = 20
SECTION_LENGTH = 30
"""With this many even the longest summaries stay under 60 KB."""

_HERE = Path(__file__).parent


def item_page(entry: Entry, body: str, url: str, views: str) -> bytes:
    """The item's own page. `body` is Markdown; the date is shown in the item's zone, with the zone's name.

    `url` is where all who may read it can, whatever part of the site they have it from: on paper, it is the way back.
    `views` is the address that is told when somebody looks at it.
    """
    told = urlsplit(views)
    return _page(
        "item",
        root="../../",
        here=the_plan().section_of(entry.category).id,
        entry=entry,
        body=_trusted(to_html(body)),
        files=attached_files(entry),
        pictures={picture.path: picture for picture in entry.pictures},
        url=url,
        views=views,
        script=_trusted(text_of(VIEWS_SCRIPT)),
        policy=policy(VIEWS_SCRIPT, f"{told.scheme}://{told.netloc}"),
    )


def replaced_page(entry: Entry) -> bytes:
    """What stands where an earlier revision stood: that there is a newer one, and why."""
    return _page("replaced", root="../../", here=the_plan().section_of(entry.category).id, entry=entry)


def retracted_page(entry: Entry) -> bytes:
    """What stands where an item stood that was taken back: when, and why."""
    return _page("retracted", root="../../", here=the_plan().section_of(entry.category).id, entry=entry)


def standing_pages(entry: Entry) -> dict[str, Callable[[], bytes]]:
    """By its path below a prefix, every page of the item that its entry alone tells: all but the text that stands."""
    page = retracted_page if entry.retraction else replaced_page
    gone = tuple(item_path(entry.submission, correction.replaces) for correction in entry.corrections)
    if entry.retraction:
        gone += (item_key(entry),)
    return dict.fromkeys(gone, partial(page, entry))


def home_page(entries: Sequence[Entry]) -> bytes:
    """The first page: the latest items of all sections. `entries` come newest first."""
    return _page("home", root="", here=HOME, entries=standing(entries)[:HOME_LENGTH])


def section_page(section: Section, entries: Sequence[Entry]) -> bytes:
    """A section's page (clause 4.1.2): its text, its latest items, and the way to each year.

    `entries` are all of the section's, newest first; what was taken back is counted in no year.
    """
    shown = standing(entries)
    years = Counter({entry.year: 0 for entry in entries})
    years.update(entry.year for entry in shown)
    return _page(
        "section",
        root="../",
        here=section.path,
        section=section,
        text=_trusted(to_html(section.text)),
        entries=shown[:SECTION_LENGTH],
        years=sorted(years.items(), reverse=True),
    )


def year_page(section: Section, year: int, entries: Sequence[Entry]) -> bytes:
    """Every item of one section and one year, one line each. `entries` are exactly those, newest first.

    What was taken back has a list of its own.
    """
    return _page(
        "year",
        root="../",
        here=section.id,
        section=section,
        year=year,
        entries=standing(entries),
        withdrawn=[entry for entry in entries if entry.retraction],
    )


def search_page(months: Sequence[str]) -> bytes:
    """The page that looks things up in the indexes of these months, newest first: no other page needs a script."""
    return _page(
        "search",
        root="../",
        here=SEARCH,
        months=months,
        script=_trusted(text_of(SEARCH_SCRIPT)),
        policy=policy(SEARCH_SCRIPT, "'self'"),
    )


def enter_page(desk_url: str) -> bytes:
    """What CloudFront shows of the internal part to who is not let in, or asks for what is not there."""
    return _page("enter", root="../", here=ENTER, desk=f"{desk_url}/me")


def _page(template: str, *, root: str, here: str, **context: object) -> bytes:
    page = _environment().get_template(f"{template}.html.jinja")
    return legible(page.render({"policy": policy(), "root": root, "here": here, **context})).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(day=day, moment=_moment, key=item_key, size=_size, marks=marks)
    environment.globals.update(
        plan=the_plan(),
        home=HOME,
        feed=FEED,
        search=SEARCH,
        style=_trusted(style()),
    )
    return environment


def _trusted(html: str) -> Markup:
    return Markup(html)  # noqa: S704 # sanitised by `markdown`, or our own style sheet


def _size(size: int) -> str:
    """A number of bytes as people say it."""
    for unit, many in (("MB", 1_000_000), ("KB", 1_000)):
        if size >= many:
            return f"{size / many:.1f} {unit}"
    return f"{size} B"


def _moment(instant: datetime) -> str:
    return f"{day(instant)} {instant:%H:%M}"
