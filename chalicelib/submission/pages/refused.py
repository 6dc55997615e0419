"""What departments' systems sent in vain, with a browser: why, and what to do about it (clauses 3.1.1, 5.3.1)."""

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import NotFound
from chalicelib.core.http import Exchange
from chalicelib.core.validation import schema
from chalicelib.identity.caller import visit
from chalicelib.web.pages import page, page_view

refused_pages = Blueprint(__name__)


@refused_pages.route("/refused-requests", methods=["GET"])
@page_view(refused_pages)
def show_refused_requests(exchange: Exchange) -> Response:
    present, _ = visit(exchange)
    parts = bootstrap.parts()
    departments = parts.refused_requests.departments(present.person)
    if not departments:
        raise NotFound
    chosen = {name: exchange.query.get(name) or None for name in ("department", "cursor")}
    shown = parts.refused_requests.listing(present.person, **chosen, among=departments)
    return page(
        exchange,
        "refused_requests",
        visit=present,
        rows=[
            (each, each.request.problem.document(exchange.language, each.request.message)["title"])
            for each in shown.rows
        ],
        cursor=shown.cursor,
        chosen=chosen,
        departments={department.id: department.name for department in departments},
        zone=parts.settings.center_time_zone,
    )


@refused_pages.route("/refused-requests/{refused_request}", methods=["GET"])
@page_view(refused_pages)
def show_refused_request(exchange: Exchange, refused_request: str) -> Response:
    present, _ = visit(exchange)
    parts = bootstrap.parts()
    shown = parts.refused_requests.read(present.person, refused_request)
    request, drafter = shown.request, shown.drafter
    names, departments = parts.people.names([drafter] if drafter else [], [request.department])
    return page(
        exchange,
        "refused_request",
        visit=present,
        shown=shown,
        request=request,
        problem=request.problem.document(exchange.language, request.message),
        fields=frozenset(schema("submission").rules["properties"]),
        department=departments.get(request.department, request.department),
        drafter=names.get(drafter, drafter) if drafter else None,
        zone=parts.settings.center_time_zone,
    )
