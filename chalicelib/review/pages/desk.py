"""The reviewer's desk with a browser: what waits, in the order of work, one after another (clause 1.3.2).

What lies there is opened by a form, not by an address: opening makes a fresh link, whose handle stands in no address.
Each is decided on its own page, where its text is; nothing here decides.
"""

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.http import Exchange
from chalicelib.identity.caller import claimed, posted, visit
from chalicelib.review.pages.reviews import review_page, standing_of
from chalicelib.web.pages import FORM, page, page_view

desk_pages = Blueprint(__name__)


@desk_pages.route("/tasks", methods=["GET"])
@page_view(desk_pages)
def show_tasks(exchange: Exchange) -> Response:
    present, _ = visit(exchange)
    parts = bootstrap.parts()
    chosen = {name: exchange.query.get(name) or None for name in ("section", "cursor")}
    shown = parts.review_desk.listing(present.person, **chosen)
    persons = {person for row in shown.rows for person in (row.head.drafter, row.instead_of) if person}
    names, departments = parts.people.names(persons, {row.head.department for row in shown.rows})
    return page(
        exchange,
        "tasks",
        visit=present,
        rows=shown.rows,
        cursor=shown.cursor,
        chosen=chosen,
        names=names,
        departments=departments,
        zone=parts.settings.center_time_zone,
    )


@desk_pages.route("/tasks", methods=["POST"], content_types=[FORM])
@page_view(desk_pages)
def open_task(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    form = exchange.form()
    parts.limits.count_handle(parts.address_of(exchange))
    key = parts.review_desk.entry_key(claimed(exchange), form.get("task", [""])[0])
    present, found = posted(exchange, form, key, *parts.enrolling.keys(claimed(exchange) or ""))
    handle, opened = parts.review_desk.open(present.person, key, found)
    standing = standing_of(exchange, present, found)
    return review_page(exchange, present, handle, opened, standing=standing)
