"""The publishing calendar with a browser: a month or a list of its days, and the same as a file for calendar programs.

The file is for downloading by whoever is signed in: an address to subscribe to would be a secret in a URL.
"""

from datetime import date, timedelta

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core import messages
from chalicelib.core.errors import InvalidInput
from chalicelib.core.http import Exchange
from chalicelib.core.icalendar import MEDIA_TYPE, Entry, calendar_file
from chalicelib.identity.caller import visit
from chalicelib.publication.calendar import a_day, a_month, month_of
from chalicelib.submission.model import State, Submission
from chalicelib.web.pages import download, page, page_view

calendar_pages = Blueprint(__name__)

VIEWS = ("month", "agenda")
FILE = "calendar.ics"
AHEAD = timedelta(days=61)
"""What the file shows, from today on, where nothing else was asked for."""
_CLASSES = {"public": "PUBLIC", "internal": "PRIVATE", "confidential": "CONFIDENTIAL"}


@calendar_pages.route("/calendar", methods=["GET"])
@page_view(calendar_pages)
def show_calendar(exchange: Exchange) -> Response:
    present, _ = visit(exchange)
    parts = bootstrap.parts()
    planning, wrong = parts.planning, False
    today = planning.today()
    try:
        first, last = a_month(exchange.query.get("month"), today)
    except InvalidInput:
        wrong, (first, last) = True, month_of(today)
    plan = planning.plan(present.person, first, last)
    departments = {department.id: department.name for department in parts.people.all_departments()}
    view = exchange.query.get("view")
    return page(
        exchange,
        "calendar",
        status=422 if wrong else 200,
        visit=present,
        wrong=wrong,
        plan=plan,
        weeks=_weeks(first, last),
        days={each.day: each for each in plan.days},
        month=first,
        before=first - timedelta(days=1),
        after=last + timedelta(days=1),
        last=last,
        today=today,
        view=view if view in VIEWS else VIEWS[0],
        views=VIEWS,
        departments=departments,
        zone=planning.zone.key,
        center=planning.zone,
    )


@calendar_pages.route("/calendar.ics", methods=["GET"])
@page_view(calendar_pages)
def download_calendar(exchange: Exchange) -> Response:
    present, _ = visit(exchange)
    parts = bootstrap.parts()
    planning = parts.planning
    today = planning.today()
    first = a_day(exchange.query, "from", today)
    last = a_day(exchange.query, "to", first + AHEAD)
    plan = planning.plan(present.person, first, last)
    host = parts.settings.base_url.partition("://")[2]
    language, stamp = exchange.language, parts.now()
    entries = [
        Entry(
            uid=f"{day.day.isoformat()}@{host}",
            at=day.day,
            stamp=stamp,
            summary=day.holiday or messages.text("word.calendar.made_up", language, {}),
        )
        for day in plan.days
        if day.holiday or day.made_up
    ]
    entries += [_entry(head, host, parts.settings.base_url, language, plan.openable) for head in plan.items]
    name = messages.text("word.calendar.name", language, {})
    return download(exchange, FILE, MEDIA_TYPE, calendar_file(name, entries))


def _entry(head: Submission, host: str, base_url: str, language: str, openable: frozenset[str]) -> Entry:
    channels = messages.text("word.calendar.channels", language, {"channel": list(head.channels)})
    state = messages.text(f"word.state.{head.state}", language, {})
    return Entry(
        uid=f"{head.id}@{host}",
        at=head.publish_at,
        stamp=head.updated_at,
        sequence=head.seq,
        summary=head.title,
        status="TENTATIVE" if head.state in {State.IN_REVIEW, State.AWAITING_CONFIRMATION} else "CONFIRMED",
        classification=_CLASSES[head.classification],
        description=f"{state}\n{channels}",
        url=f"{base_url}/submissions/{head.id}" if head.id in openable else "",
    )


def _weeks(first: date, last: date) -> list[list[date | None]]:
    """The days of a month by weeks from Monday; None for what is of the months beside it."""
    start = first - timedelta(days=first.weekday())
    days = [start + timedelta(days=number) for number in range(42)]
    shown = [day if first <= day <= last else None for day in days]
    weeks = [shown[at : at + 7] for at in range(0, 42, 7)]
    return [week for week in weeks if any(week)]
