"""Reviewing with a browser (clauses 3.2.1 to 3.3.4): opening a link shows, and only a filled-in form decides.

The handle comes in a form, from the script that takes it out of the address; the page carries it on in its own form.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.access.model import Action
from chalicelib.core.errors import Conflict, FieldError, InvalidInput, NotFound, NotSignedIn, RateLimited
from chalicelib.core.http import Exchange, cookie
from chalicelib.core.table import Found, Key
from chalicelib.core.validation import checked
from chalicelib.identity.caller import (
    Visit,
    claimed,
    posted,
    refuse_foreign_page,
    session_of,
    session_proof,
    visit,
)
from chalicelib.identity.model import ProofKind, SessionProof
from chalicelib.identity.pages.accounts import AGAIN, leave
from chalicelib.identity.pages.proofs import Filled, proof_of
from chalicelib.review.model import Decision, Opinion, ReviewTask
from chalicelib.submission.model import Channel
from chalicelib.web.pages import (
    FORM,
    RETURN_COOKIE,
    SIGN_IN,
    faults_by_field,
    page,
    page_view,
    place_to_return_to,
    readable,
    return_cookie,
    see_other,
    told_of,
)

if TYPE_CHECKING:  # services are loaded when `bootstrap` makes them, not with the app
    from chalicelib.identity.service.enrolling import Standing
    from chalicelib.review.service import OpenedLink

review_pages = Blueprint(__name__)

HANDLE = re.compile(r"[A-Za-z0-9_-]{43}")
ITEM = "item-"
"""What the names of the checklist's fields begin with."""
ANSWERS = {"yes": True, "no": False}
MOST_ITEMS, MOST_COMMENT = 50, 2000
"""As `schemas/decision.json` has them: no more is kept while somebody signs in."""
_REMEMBERED = re.compile(rf"/r#({HANDLE.pattern})")


@review_pages.route("/r", methods=["GET"])
@page_view(review_pages)
def show_review_link(exchange: Exchange) -> Response:
    return page(exchange, "open_link", action="/r")


@review_pages.route("/r", methods=["POST"], content_types=[FORM])
@page_view(review_pages)
def open_review(exchange: Exchange) -> Response:
    refuse_foreign_page(exchange)
    return _open(exchange, _handle_of(exchange.form()))


@review_pages.route(AGAIN, methods=["GET"])
@page_view(review_pages)
def open_review_again(exchange: Exchange) -> Response:
    """Go on where one was before signing in with the company's account, with what was typed by then."""
    match = _REMEMBERED.fullmatch(place_to_return_to(exchange) or "")
    if match is None:
        raise NotFound
    answer = _open(exchange, match[1])
    answer.headers.setdefault("Set-Cookie", [cookie(RETURN_COOKIE, "", life=0)])
    return answer


def _open(exchange: Exchange, handle: str) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))
    try:
        present, found = visit(exchange, *_keys(exchange, handle))
    except NotSignedIn:
        return see_other(exchange, SIGN_IN, cookies=[return_cookie(f"/r#{handle}")])
    opened = parts.decisions.open(present.person, handle, found)
    typed = parts.links.draft(present.person, handle, found) or None
    standing = standing_of(exchange, present, found)
    return review_page(exchange, present, handle, opened, standing=standing, typed=typed)


@review_pages.route("/r/account", methods=["POST"], content_types=[FORM])
@page_view(review_pages)
def confirm_with_account(exchange: Exchange) -> Response:
    """Keep what was typed, and lead to the provider of the company's accounts."""
    handle, present, found = _posted(exchange)
    kept = _kept(_typed(exchange.form()))
    bootstrap.parts().links.keep_draft(present.person, handle, kept, found)
    return leave(exchange, f"/r#{handle}")


@review_pages.route("/r/decision", methods=["POST"], content_types=[FORM])
@page_view(review_pages)
def decide_by_page(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    handle, present, found = _posted(exchange)
    typed, decisions = _typed(exchange.form()), parts.decisions
    session = session_proof(exchange, found)
    try:
        opinion = checked("decision", {"handle": handle, **typed})
        decisions.decide(
            present.person,
            handle,
            opinion,
            found,
            session=session,
            correlation_id=exchange.correlation_id,
        )
    except (Conflict, InvalidInput, RateLimited) as error:
        opened = decisions.open(present.person, handle, found)
        told = (
            _with_what_is_missing(error, opened, typed, session) if isinstance(error, InvalidInput) else error
        )
        standing = standing_of(exchange, present, found)
        return review_page(exchange, present, handle, opened, standing=standing, typed=typed, error=told)
    opened = decisions.open(present.person, handle, found)
    return review_page(
        exchange, present, handle, opened, standing=standing_of(exchange, present, found), done=True
    )


@review_pages.route("/r/recall", methods=["POST"], content_types=[FORM])
@page_view(review_pages)
def recall_by_page(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    handle, present, found = _posted(exchange)
    try:
        parts.recalling.recall(present.person, handle, found, correlation_id=exchange.correlation_id)
    except Conflict as error:
        opened, standing = (
            parts.decisions.open(present.person, handle, found),
            standing_of(exchange, present, found),
        )
        return review_page(exchange, present, handle, opened, standing=standing, error=error)
    opened, standing = (
        parts.decisions.open(present.person, handle, found),
        standing_of(exchange, present, found),
    )
    return review_page(exchange, present, handle, opened, standing=standing)


@review_pages.route("/r/delegation", methods=["POST"], content_types=[FORM])
@page_view(review_pages)
def delegate_by_page(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    handle, present, found = _posted(exchange)
    (to, *_) = exchange.form().get("to", [""])
    error: Conflict | InvalidInput | None = None
    try:
        if to:
            session = session_proof(exchange, found)
            parts.prover.ensure_proved(present.person, session, found, pointer="/to")
        parts.handing_over.delegate(
            present.person, handle, to or None, found, correlation_id=exchange.correlation_id
        )
    except (Conflict, InvalidInput) as refusal:
        error = refusal
    opened, standing = (
        parts.decisions.open(present.person, handle, found),
        standing_of(exchange, present, found),
    )
    return review_page(exchange, present, handle, opened, standing=standing, error=error)


def _posted(exchange: Exchange) -> tuple[str, Visit, Found]:
    """A review's handle that a page posted, who did, and what the handle leads to."""
    parts, form = bootstrap.parts(), exchange.form()
    handle = _handle_of(form)
    parts.limits.count_handle(parts.address_of(exchange))
    present, found = posted(exchange, form, *_keys(exchange, handle))
    return handle, present, found


def standing_of(exchange: Exchange, present: Visit, found: Found) -> "Standing":
    """What the reviewer has enrolled, and what the session has proved."""
    return bootstrap.parts().enrolling.look(present.person, session_of(exchange, found), found)


def _keys(exchange: Exchange, handle: str) -> tuple[Key[Any], ...]:
    """What is read together with the session: the link, what was typed, and what the person has enrolled."""
    parts, person = bootstrap.parts(), claimed(exchange) or ""
    return parts.links.key(handle), parts.links.draft_key(handle, person), *parts.enrolling.keys(person)


def _kept(typed: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth keeping of what was typed: of the opinion as much as the page may hold, and no proof."""
    checklist = dict(islice(typed["checklist"].items(), MOST_ITEMS))
    kept = {"decision": typed.get("decision", "")[:40], "comment": typed.get("comment", "")[:MOST_COMMENT]}
    return {**kept, "checklist": {name[:40]: passed for name, passed in checklist.items()}}


def _handle_of(form: Mapping[str, Sequence[str]]) -> str:
    (handle, *_) = form.get("handle", [""])
    if not HANDLE.fullmatch(handle):
        raise NotFound
    return handle


def _typed(form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The opinion as it was filled in; what was left open is left out."""
    typed: dict[str, Any] = {
        name: form[name][0] for name in ("decision", "comment", "content_digest") if form.get(name)
    }
    typed |= proof_of(Filled(form))
    typed["checklist"] = {
        name.removeprefix(ITEM): ANSWERS[values[0]]
        for name, values in form.items()
        if name.startswith(ITEM) and values[0] in ANSWERS
    }
    return typed


def _with_what_is_missing(
    error: InvalidInput, opened: "OpenedLink", typed: Mapping[str, Any], session: SessionProof | None
) -> InvalidInput:
    """Every fault at once: items without an answer and a missing proof, too, though the form was wrong before."""
    left_open = {f"/checklist/{item}" for item in opened.stage.items - set(typed["checklist"])}
    lacking = bootstrap.parts().decisions.lacking_proof(
        opened, passkey=typed.get("passkey"), code=typed.get("code"), session=session
    )
    more = [*(FieldError(pointer=pointer, code="required") for pointer in sorted(left_open)), *lacking]
    told = {fault.pointer for fault in error.errors}
    return InvalidInput((*error.errors, *(fault for fault in more if fault.pointer not in told)))


def review_page(
    exchange: Exchange,
    present: Visit,
    handle: str,
    opened: "OpenedLink",
    *,
    standing: "Standing",
    typed: Mapping[str, Any] | None = None,
    error: Conflict | InvalidInput | RateLimited | None = None,
    done: bool = False,
) -> Response:
    """The page of a review; once that is decided, with a way to the next that waits for the same person."""
    parts = bootstrap.parts()
    earlier = parts.decisions.history(opened)
    signed = [*opened.opinions, *(opinion for task in earlier for opinion in task.opinions)]
    waiting = parts.review_desk.waiting(present.person) if not opened.is_asked else None
    named = {person for opinion in signed for person in (opinion.reviewer, opinion.instead_of) if person}
    named |= {row.instead_of for row in (waiting or [])[:1] if row.instead_of}
    amended_by = opened.revision.amended_by if opened.revision else None
    named |= {amended_by} if amended_by else set()
    named |= {person for each in opened.task.delegations for person in (each.by, each.to)}
    people = parts.people.persons(tuple(sorted({opened.head.drafter, *named})))
    items = opened.stage.checklist
    wrong = faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {}
    form = None if opened.revision is None else opened.revision.form
    return page(
        exchange,
        "review",
        status=200 if error is None else error.status,
        visit=present,
        proving=_proving(opened, standing),
        proved_at=None if standing.proved is None else standing.proved.at,
        handle=handle,
        opened=opened,
        form=form,
        body=None if form is None else readable(form.body),
        items=[(item.id, item.text[exchange.language]) for item in items],
        decisions=list(Decision),
        zone=parts.settings.center_time_zone,
        names={person.id: person.name for person in people},
        departments={department.id: department.name for department in parts.people.all_departments()}
        | parts.audiences.names(exchange.language),
        files=_file_names(opened),
        reach=_reach(present, opened),
        history=[spoken for task in earlier for spoken in _spoken(task, exchange.language)],
        typed={"decision": None, "comment": "", "checklist": {}, **(typed or _confirmed_again(opened))},
        confirmed=opened.confirmed if typed is None else None,
        wrong=wrong,
        summary=_summary(wrong, [item.id for item in items]),
        told=told_of(error, exchange.language) if error else None,
        amendable=Action.AMEND in parts.submission_desk.steps(present.person, opened.head),
        done=done,
        waiting=waiting,
        **_steps(present, opened),
    )


def _reach(present: Visit, opened: "OpenedLink") -> object | None:
    """Whom the mail would reach if it went out now, for whoever still decides on it (clause 4.4.3)."""
    head = opened.head
    if not opened.may_decide or Channel.EMAIL not in head.channels:
        return None
    return bootstrap.parts().previews.of_submission(present.person, head)


def _confirmed_again(opened: "OpenedLink") -> dict[str, Any]:
    """The opinion on the revision before, to be confirmed again in one step, where the procedure lets it be."""
    if opened.confirmed is None:
        return {}
    return {"decision": opened.confirmed.decision, "checklist": dict(opened.confirmed.checklist)}


def _steps(present: Visit, opened: "OpenedLink") -> dict[str, Any]:
    """What else the reviewer can do: hand the stage over, take that back, or take the own decision back."""
    parts, task, me = bootstrap.parts(), opened.task, present.person.id
    handed_over = next((each.to for each in task.delegations if each.by == me), None)
    opinion = task.opinion_of(me)
    until = None if opinion is None else parts.recalling.until(task, opinion)
    return {
        "handed_over": handed_over,
        "stand_ins": parts.handing_over.could_stand_in(opened.head, task)
        if opened.is_asked and me in task.reviewers and handed_over is None
        else (),
        "recall_until": until if until is not None and parts.now() <= until else None,
    }


def _proving(opened: "OpenedLink", standing: "Standing") -> dict[str, bool]:
    """Which ways to prove who one is the page offers; `account_now` says that it has just been done."""
    parts = bootstrap.parts()
    accepted, enrolled = opened.stage.accepted(opened.head.classification), standing.proofs.kinds
    proved = standing.proved is not None and standing.proved.kind == ProofKind.OIDC
    return {
        "passkey": ProofKind.PASSKEY in accepted & enrolled,
        "code": ProofKind.TOTP in accepted & enrolled,
        "account": ProofKind.OIDC in accepted and bool(parts.settings.oidc_issuer),
        "account_now": ProofKind.OIDC in accepted and proved,
        "code_is_enough": ProofKind.TOTP in accepted,
    }


def _summary(
    wrong: Mapping[str, Sequence[str]], items: Sequence[str]
) -> list[tuple[str | None, int | None, str]]:
    """What is wrong, in the order of the page: the field that each leads to, its number in the checklist, and words.

    What concerns the checklist as a whole leads to its first item; what no field of the page holds leads nowhere.
    """
    numbered = {f"/checklist/{item}": (f"{ITEM}{item}", number) for number, item in enumerate(items, start=1)}
    places: dict[str, tuple[str | None, int | None]] = {
        **numbered,
        "/checklist": (f"{ITEM}{items[0]}" if items else None, None),
        "/decision": ("decision", None),
        "/comment": ("comment", None),
        "/code": ("code", None),
        "/passkey": ("prove", None),
        "/proof": ("prove", None),
    }
    pointers = dict.fromkeys((*places, *wrong))
    return [(*places.get(each, (None, None)), text) for each in pointers for text in wrong.get(each, ())]


def _file_names(opened: "OpenedLink") -> dict[str, str]:
    """The names of the files of both revisions that are compared, by id."""
    compared = filter(None, (opened.before, opened.revision))
    return {file.id: file.name for revision in compared for file in revision.attachments}


def _spoken(task: ReviewTask, language: str) -> Iterator[tuple[int, str, Opinion, list[str]]]:
    """Every opinion of a stage, with its revision, the stage's name, and what was found wanting, in words."""
    procedure = bootstrap.parts().procedures.version(task.procedure)
    texts = {item.id: item.text[language] for item in procedure.checklist(task.stage)}
    for opinion in task.opinions:
        failed = [texts.get(item, item) for item, passed in opinion.checklist.items() if not passed]
        yield task.revision, procedure.name(task.stage, language), opinion, failed
