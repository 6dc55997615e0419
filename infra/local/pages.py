"""What a browser sees of the laptop's desk beside the desk itself: a beginning, who is who, and everybody's mailbox.

On a laptop anybody may read anybody's mail: that is how one person plays all parts. So nothing of this is in the
package for AWS. Mails hold what people wrote: they are shown as text, and what is HTML in them only in a frame that
runs nothing and reaches nothing.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.wrappers import Response

from chalicelib.people.model import Role
from chalicelib.people.roster import Roster
from chalicelib.web.static import address_of
from infra.local.mailbox import LINK, Sent

MOST_SHOWN = 100
"""Mails of a page."""
ROLES: Mapping[Role, tuple[str, str]] = {
    Role.LIAISON: ("部门专人", "liaison"),
    Role.DEPARTMENT_HEAD: ("部门负责人", "head of department"),
    Role.SUPERVISING_EXECUTIVE: ("分管领导", "supervising executive"),
    Role.CENTER_EDITOR: ("中心编辑", "center editor"),
    Role.CENTER_DIRECTOR: ("中心主任", "center director"),
    Role.SITE_ADMIN: ("网站管理员", "site administrator"),
    Role.WECHAT_ADMIN: ("公众号管理员", "WeChat administrator"),
    Role.ARCHIVIST: ("档案员", "archivist"),
    Role.ADMINISTRATOR: ("系统管理员", "administrator"),
    Role.EMPLOYEE: ("员工", "employee"),
}
"""Roles in words, Chinese and English: both are on every page here."""
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_FRAME_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


def addressed_to(mails: Sequence[Sent], to: str) -> list[Sent]:
    """The mails to an address, which may be written in small or capital letters; all when it is empty."""
    wanted = to.strip().lower()
    return [mail for mail in mails if wanted in {"", mail.to.lower()}]


def start_page() -> Response:
    """Where to begin."""
    return _page("start")


def mail_page(mails: Sequence[Sent], to: str) -> Response:
    """The newest mails, all or those to one address."""
    wanted = addressed_to(mails, to)
    shown = [(mail, _pieces(mail.text), mail_name(mail)) for mail in wanted[:MOST_SHOWN]]
    recipients = sorted({mail.to for mail in mails} | ({to} if to else set()))
    return _page("mail", shown=shown, number=len(wanted), to=to, recipients=recipients)


def mail_frame(mails: Sequence[Sent], name: str) -> Response | None:
    """The HTML of a mail, to be shown in a frame: without scripts, without an origin, without links that lead away."""
    for mail in mails:
        if mail.html and mail_name(mail) == name:
            headers = {"Content-Security-Policy": _FRAME_POLICY, "X-Content-Type-Options": "nosniff"}
            return Response(mail.html, content_type="text/html; charset=utf-8", headers=_quietly(headers))
    return None


def partners_page(shown: Sequence[tuple[str, object]]) -> Response:
    """What partners have taken, each with the partner's name."""
    return _page("partners", shown=shown)


def people_page(roster: Roster, now: datetime) -> Response:
    """Who is who, by department: as whom to sign in."""
    houses = []
    for department in roster.departments:
        duties = [
            (person, [ROLES[duty.role] for duty in person.duties_at(now) if duty.department == department.id])
            for person in roster.persons
        ]
        houses.append((department.name, [(person, roles) for person, roles in duties if roles]))
    houses.append(("", [(person, []) for person in roster.persons if not person.duties_at(now)]))
    return _page("people", houses=[(name, persons) for name, persons in houses if persons])


def people_json(roster: Roster, now: datetime) -> list[dict[str, object]]:
    """Who is who, for programs."""
    return [
        {
            "id": person.id,
            "name": person.name,
            "email": person.email,
            "duties": [{"role": duty.role, "department": duty.department} for duty in person.duties_at(now)],
        }
        for person in roster.persons
    ]


def mail_name(mail: Sent) -> str:
    """What a mail is called in an address: it has no id of its own."""
    return hashlib.sha256(json.dumps(asdict(mail)).encode()).hexdigest()[:32]


def _pieces(text: str) -> list[tuple[str, bool]]:
    """A text in pieces, each with whether it is a link."""
    pieces = re.split(f"({LINK.pattern})", text)
    return [(piece, number % 2 == 1) for number, piece in enumerate(pieces) if piece]


def _page(template: str, **context: object) -> Response:
    html = _templates().get_template(f"{template}.html.jinja").render(here=template, **context)
    headers = {
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(html, content_type="text/html; charset=utf-8", headers=_quietly(headers))


def _quietly(headers: Mapping[str, str]) -> dict[str, str]:
    return {"Cache-Control": "no-store", "Vary": "Accept", **headers}


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = address_of
    return environment
