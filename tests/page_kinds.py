"""Every kind of page of the desk, and a desk on which each can be seen.

A page is of a kind by its template, and is found at a route, so both tell what there is: whoever adds a page is told
by `tests/web/test_page_kinds.py` to add a sight of it here, and then every language, width and colour scheme
is looked at.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from app import app
from chalicelib.attachment.model import MediaType
from chalicelib.core.clock import to_second_text
from chalicelib.core.ids import new_secret
from chalicelib.identity.model import ACCOUNT_PAGE
from chalicelib.people.model import Person
from chalicelib.publication.store import put_unsubscribe
from chalicelib.web.pages import TEMPLATES
from tests.attachment.files import a_picture, attach
from tests.browsing import Browser
from tests.proving import PROOFS, company_of, given_passkey
from tests.publication.deliveries import leave_to_a_person
from tests.senders import System, refused_requests_of
from tests.submission.desk_visits import NEW, typed
from tests.world import (
    DIRECTOR,
    EDITOR,
    HEAD,
    LIAISON,
    OTHER_LIAISON,
    PEOPLE,
    REVIEWERS,
    SECOND_EDITOR,
    World,
    a_form,
    a_world,
)

LEAD_ELSEWHERE = frozenset(
    {
        "/archive/{catalog_number}/download",
        "/calendar.ics",
        "/submissions/{submission}/attachments/{attachment}",
        "/wechat/callback",
    }
)
"""Routes of pages that never show one."""
CHINESE = {
    "title": "六月安全生产月活动安排",
    "summary": "安全生产月期间的检查、培训和演练安排，请各部门按时上报计划。",
    "body": "## 时间安排\n\n- 六月五日前上报计划\n\n| 日期 | 事项 |\n|---|---|\n| 六月二十日 | 集中检查 |\n",
    "keyword": "安全",
    "comment": "请补充联系电话。\n其余同意。",
    "picture": "集合地点示意图.png",
    "table": "时间表.csv",
}
ENGLISH = {
    "title": "Safety month in June",
    "summary": "Checks, courses and drills of the month; send your plans in time.",
    "body": "## Dates\n\n- plans by 5 June\n\n| day | what |\n|---|---|\n| 20 June | checks |\n",
    "keyword": "safety",
    "comment": "Please add a telephone number.\nThe rest is fine.",
    "picture": "where-to-meet.png",
    "table": "dates.csv",
}


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A page as somebody gets to see it: opened at its path, or the answer to a form with these fields."""

    name: str
    template: str
    path: str
    person: Person | None = None
    fields: Mapping[str, str | Sequence[str]] | None = field(default=None, repr=False)
    status: int = 200


def kinds() -> set[str]:
    """The templates that are pages of their own."""
    return {
        path.name.removesuffix(".html.jinja")
        for path in TEMPLATES.glob("*.jinja")
        if path.read_text("utf-8").startswith('{% extends "base.html.jinja" %}')
    }


def routes() -> set[str]:
    """The routes that show a page when they are opened."""
    return {
        route
        for route, methods in app.routes.items()
        if "GET" in methods and ".pages" in methods["GET"].view_function.__module__
    } - LEAD_ELSEWHERE


@contextmanager
def a_desk_with_everything(words: Mapping[str, str]) -> Iterator[tuple[World, list[Sight]]]:
    """A desk in whose pages people have written these words, and a sight of each kind of page on it."""
    with (
        a_world(*PEOPLE, SECOND_EDITOR, DIRECTOR, departments=("marketing",)) as world,
        company_of(world),
    ):
        text: dict[str, Any] = {name: words[name] for name in ("title", "summary", "body")}
        text["keywords"] = [words["keyword"]]
        text["attachments"] = [
            attach(world, a_picture(size=(640, 400)), MediaType.PNG, name=words["picture"]),
            attach(world, name=words["table"]),
        ]
        archived = world.submit(**text)
        for reviewer in REVIEWERS.values():
            world.cloud.settle()
            assert world.decide(reviewer, comment=words["comment"]).status == 200
        world.finish()
        scheduled = a_scheduled(world, words, text)
        later = to_second_text(world.now() + timedelta(days=1)).replace("Z", "+00:00")
        returned = world.submit(**text, publish_at=later)
        world.cloud.settle()
        assert world.decide(EDITOR, "request_changes", comment=words["comment"]).status == 200
        reviewed = world.submit(**text, publish_at=later)
        world.cloud.settle()
        assert world.decide(EDITOR, "request_changes", comment=words["comment"]).status == 200
        world.cloud.settle()
        assert world.resubmit(reviewed, **text, publish_at=later, audience=["marketing"]).status == 201
        world.cloud.settle()
        assert world.decide(EDITOR, comment=words["comment"]).status == 200
        decided = world.links(EDITOR)[0]
        world.cloud.settle()
        amendable = world.submit(**text, publish_at=later)
        world.cloud.settle()
        to_amend = world.links(EDITOR)[0]
        amended = world.submit(**text, publish_at=later, channels=["website", "email"])
        world.cloud.settle()
        send_amendment(world, amended, words)
        for wrong in ({"drafter": HEAD.id}, {"title": "", "publish_at": "soon"}):
            form = a_form(world.now(), **{**text, "attachments": [], **wrong})
            System(world=world).send(body=json.dumps(form, ensure_ascii=False))
        world.cloud.settle()
        token = new_secret()
        world.plain_table.put(put_unsubscribe(token, HEAD.id, world.now()))
        number = quote(str(world.record(archived)["catalog_number"]))
        frozen = {"scope": "email", "reason": words["comment"]}
        assert world.call("POST", "/api/v1/freezes", frozen, as_=EDITOR).status == 200
        yield (
            world,
            [
                *_without_session(token),
                *_of_the_liaison(
                    world,
                    words,
                    text["attachments"],
                    archived=archived,
                    returned=returned,
                    reviewed=reviewed,
                ),
                *_of_reviewers(world, decided, reviewed),
                *_of_amendments(world, amendable, amended, to_amend),
                *_of_the_switch(world, archived),
                *_of_the_schedule(world, scheduled),
                *_of_proofs(world),
                Sight(
                    name="refused-requests",
                    template="refused_requests",
                    path="/refused-requests",
                    person=LIAISON,
                ),
                *(
                    Sight(
                        name=f"refused-request-{nth}",
                        template="refused_request",
                        path=f"/refused-requests/{refused}",
                        person=LIAISON,
                    )
                    for nth, refused in enumerate(refused_requests_of(world), start=1)
                ),
                Sight(name="archive", template="archive", path="/archive", person=LIAISON),
                Sight(
                    name="archive-wrong",
                    template="archive",
                    path="/archive?category=gossip&year=20x6",
                    person=LIAISON,
                    status=422,
                ),
                Sight(
                    name="archive-entry", template="archive_entry", path=f"/archive/{number}", person=LIAISON
                ),
            ],
        )


def a_scheduled(world: World, words: Mapping[str, str], text: Mapping[str, Any]) -> str:
    """A request that waits for its time, which an editor has moved."""
    day, two = (world.now() + timedelta(days=number) for number in (1, 2))
    form = dict(text) | {"publish_at": to_second_text(day).replace("Z", "+00:00")}
    submission = world.submit(**form)
    for reviewer in REVIEWERS.values():
        world.cloud.settle()
        assert world.decide(reviewer, comment=words["comment"]).status == 200
    world.cloud.settle()
    moved = {"publish_at": to_second_text(two), "time_zone": "Etc/UTC", "reason": words["comment"]}
    path = f"/api/v1/submissions/{submission}/schedule"
    assert world.call("POST", path, moved, as_=EDITOR).status == 200
    world.cloud.settle()
    return submission


def _of_the_schedule(world: World, scheduled: str) -> list[Sight]:
    moving = f"/submissions/{scheduled}/schedule"
    mark = Browser(world, LIAISON).get(moving).form(moving)["csrf"]
    wrong = {
        "csrf": mark,
        "publish_date": "2001-02-28",
        "publish_time": "",
        "time_zone": "Moon/Base",
        "reason": "",
    }
    return [
        Sight(name="request-scheduled", template="request", path=f"/submissions/{scheduled}", person=LIAISON),
        Sight(name="calendar", template="calendar", path="/calendar", person=LIAISON),
        Sight(name="calendar-agenda", template="calendar", path="/calendar?view=agenda", person=LIAISON),
        Sight(
            name="calendar-wrong",
            template="calendar",
            path="/calendar?month=soon",
            person=LIAISON,
            status=422,
        ),
        Sight(name="schedule", template="reschedule", path=moving, person=LIAISON),
        Sight(
            name="schedule-wrong",
            template="reschedule",
            path=moving,
            person=LIAISON,
            fields=wrong,
            status=422,
        ),
    ]


def send_amendment(world: World, submission: str, words: Mapping[str, str]) -> None:
    """An editor changes a little of everything."""
    record = world.record(submission)
    form = {
        name: value
        for name, value in record["form"].items()
        if name not in {"department", "drafter", "declaration"}
    }
    changed = {
        "title": f"{words['title'][:60]} 2",
        "body": f"{words['body']}\n\n{words['comment']}",
        "channels": ["website"],
        "attachments": form["attachments"][:1],
        "reason": words["comment"],
        "content_digest": record["content_digest"],
    }
    path = f"/api/v1/submissions/{submission}/amendment"
    answer = world.call("POST", path, {**form, **changed}, as_=EDITOR)
    assert answer.status == 201, answer


def _of_amendments(world: World, amendable: str, amended: str, handle: str) -> list[Sight]:
    amending, confirming = f"/submissions/{amendable}/amend", f"/submissions/{amended}/confirm"
    by_editor = {"csrf": Browser(world, EDITOR).get(amending).form(amending)["csrf"]}
    by_liaison = {"csrf": Browser(world, LIAISON).get(confirming).form(confirming)["csrf"]}
    form, answer = "request_form", "confirm_amendment"
    return [
        Sight(
            name="review-amendable", template="review", path="/r", person=EDITOR, fields={"handle": handle}
        ),
        Sight(name="amend", template=form, path=amending, person=EDITOR),
        Sight(name="amend-wrong", template=form, path=amending, person=EDITOR, fields=by_editor, status=422),
        Sight(name="request-amended", template="request", path=f"/submissions/{amended}", person=LIAISON),
        Sight(name="confirm", template=answer, path=confirming, person=LIAISON),
        Sight(
            name="confirm-wrong",
            template=answer,
            path=confirming,
            person=LIAISON,
            fields={**by_liaison, "decision": "confirm", "content_digest": "x"},
            status=422,
        ),
    ]


def _of_proofs(world: World) -> list[Sight]:
    given_passkey(world, HEAD)
    browser = Browser(world, HEAD)
    shown = browser.get(PROOFS)
    mark = shown.form(f"{PROOFS}/app")["csrf"]
    assert browser.submit(shown, f"{PROOFS}/app").status == 200
    return [
        Sight(name="proofs-none", template="proofs", path=PROOFS, person=LIAISON),
        Sight(name="proofs", template="proofs", path=PROOFS, person=HEAD),
        Sight(
            name="proofs-wrong",
            template="proofs",
            path=f"{PROOFS}/app",
            person=HEAD,
            fields={"csrf": mark, "code": "1"},
            status=422,
        ),
        Sight(name="leaving", template="leaving", path=ACCOUNT_PAGE, fields={"next": PROOFS}),
        Sight(name="account-refused", template="account_refused", path=ACCOUNT_PAGE, status=502),
        Sight(name="nothing-to-go-on-with", template="trouble", path="/r/again", person=HEAD, status=404),
    ]


def _of_the_switch(world: World, archived: str) -> list[Sight]:
    leave_to_a_person(world, archived)
    path = f"/submissions/{archived}/deliveries/website"
    mark = Browser(world, DIRECTOR).get(path).form(path)["csrf"]
    return [
        Sight(name="publishing", template="publishing", path="/publishing", person=DIRECTOR),
        Sight(name="delivery", template="delivery", path=path, person=DIRECTOR),
        Sight(
            name="delivery-wrong",
            template="delivery",
            path=path,
            person=DIRECTOR,
            fields={"csrf": mark, "answer": "", "comment": "", "url": "x"},
            status=422,
        ),
        Sight(name="retract", template="retract", path=f"/submissions/{archived}/retract", person=DIRECTOR),
        Sight(
            name="lift-freeze",
            template="lift_freeze",
            path="/publishing/lift?scope=email",
            person=DIRECTOR,
        ),
    ]


def _without_session(token: str) -> list[Sight]:
    nobody = "x" * 43
    return [
        Sight(name="sign-in", template="sign_in", path="/sign-in"),
        Sight(name="sign-in-wrong", template="sign_in", path="/sign-in", fields={"email": "?"}, status=422),
        Sight(name="mail-sent", template="mail_sent", path="/sign-in", fields={"email": "x@example.com"}),
        Sight(name="open-link", template="open_link", path="/s"),
        Sight(name="open-review-link", template="open_link", path="/r"),
        Sight(
            name="link-not-open", template="link_not_open", path="/s", fields={"handle": nobody}, status=404
        ),
        Sight(name="unsubscribe", template="unsubscribe", path=f"/u/{token}"),
        Sight(
            name="unsubscribed",
            template="unsubscribe",
            path=f"/u/{token}",
            fields={"List-Unsubscribe": "One-Click"},
        ),
        Sight(
            name="unsubscribe-gone",
            template="unsubscribe",
            path=f"/u/{nobody}",
            fields={"List-Unsubscribe": "One-Click"},
            status=404,
        ),
        Sight(name="interrupted", template="interrupted", path="/sign-out", fields={"note": "x"}, status=401),
    ]


def _of_the_liaison(
    world: World,
    words: Mapping[str, str],
    attachments: Sequence[str],
    *,
    archived: str,
    returned: str,
    reviewed: str,
) -> list[Sight]:
    browser = Browser(world, LIAISON)
    filled: dict[str, str | Sequence[str]] = {
        **browser.get(NEW).form(NEW),
        **typed(world, title=words["title"], summary=words["summary"], body=words["body"]),
        "keywords": words["keyword"],
        "attachments": attachments,
    }
    empty = {"csrf": filled["csrf"]}
    withdrawing = f"/submissions/{returned}/withdraw"
    return [
        Sight(name="my-requests", template="my_requests", path="/", person=LIAISON),
        Sight(name="my-requests-none", template="my_requests", path="/", person=OTHER_LIAISON),
        Sight(name="form", template="request_form", path=NEW, person=LIAISON),
        Sight(name="form-wrong", template="request_form", path=NEW, person=LIAISON, fields=empty, status=422),
        Sight(
            name="preview",
            template="request_form",
            path=NEW,
            person=LIAISON,
            fields={**filled, "intent": "preview"},
        ),
        Sight(name="revise", template="request_form", path=f"/submissions/{returned}/revise", person=LIAISON),
        Sight(name="request-returned", template="request", path=f"/submissions/{returned}", person=LIAISON),
        Sight(name="request-reviewed", template="request", path=f"/submissions/{reviewed}", person=LIAISON),
        Sight(name="request-archived", template="request", path=f"/submissions/{archived}", person=LIAISON),
        Sight(name="withdraw", template="withdraw_request", path=withdrawing, person=LIAISON),
        Sight(
            name="withdraw-wrong",
            template="withdraw_request",
            path=withdrawing,
            person=LIAISON,
            fields={**empty, "reason": "x" * 5000},
            status=422,
        ),
        Sight(name="me", template="me", path="/me", person=LIAISON),
        Sight(
            name="form-stale",
            template="interrupted",
            path=NEW,
            person=LIAISON,
            fields={**filled, "csrf": "of the session before"},
            status=403,
        ),
        Sight(
            name="not-found",
            template="trouble",
            path="/submissions/s-aaaaaaaaaaaaaaaaaaaa",
            person=LIAISON,
            status=404,
        ),
        Sight(
            name="trouble", template="trouble", path="/archive?cursor=nonsense", person=LIAISON, status=400
        ),
    ]


def _of_reviewers(world: World, decided: str, reviewed: str) -> list[Sight]:
    handle = world.links(HEAD)[0]
    shown = Browser(world, HEAD).post("/r", {"handle": handle})
    waiting = Browser(world, HEAD).get("/tasks").form("/tasks")
    reviewers = f"/submissions/{reviewed}/reviewers"
    return [
        Sight(name="review", template="review", path="/r", person=HEAD, fields={"handle": handle}),
        Sight(
            name="review-wrong",
            template="review",
            path="/r/decision",
            person=HEAD,
            fields=shown.form("/r/decision"),
            status=422,
        ),
        Sight(
            name="review-recorded", template="review", path="/r", person=EDITOR, fields={"handle": decided}
        ),
        Sight(name="requests-of-a-reviewer", template="my_requests", path="/", person=HEAD),
        Sight(name="reviewers", template="reviewers", path=reviewers, person=DIRECTOR),
        Sight(
            name="reviewers-wrong",
            template="reviewers",
            path=reviewers,
            person=DIRECTOR,
            fields={"csrf": Browser(world, DIRECTOR).get(reviewers).form(reviewers)["csrf"]},
            status=422,
        ),
        Sight(name="tasks", template="tasks", path="/tasks", person=HEAD),
        Sight(name="tasks-none", template="tasks", path="/tasks", person=EDITOR),
        Sight(name="tasks-decided", template="tasks", path="/tasks?section=decided", person=EDITOR),
        Sight(name="tasks-as-substitute", template="tasks", path="/tasks?section=substitute", person=HEAD),
        Sight(name="review-from-the-desk", template="review", path="/tasks", person=HEAD, fields=waiting),
    ]
