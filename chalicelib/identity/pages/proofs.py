"""One's own proofs of person: what is enrolled, enrolling, confirming and taking back (clause 5.3.1)."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.errors import BadRequest, FieldError, InvalidInput, NotFound, NotProved
from chalicelib.core.http import Exchange
from chalicelib.core.table import Found, Key
from chalicelib.core.validation import checked, read_json
from chalicelib.identity.caller import Visit, claimed, posted, session_of, visit
from chalicelib.web.pages import FORM, faults_by_field, page, page_view, see_other, told_of

if TYPE_CHECKING:  # services are loaded when `bootstrap` makes them, not with the app
    from chalicelib.identity.service.enrolling import Hand

proof_pages = Blueprint(__name__)

PROOFS = "/me/proofs"
_PATH = f"{PROOFS}/"


@proof_pages.route(PROOFS, methods=["GET"])
@page_view(proof_pages)
def show_proofs(exchange: Exchange) -> Response:
    present, found = visit(exchange, *_keys(exchange))
    return _page(exchange, present, found)


@proof_pages.route(f"{_PATH}invitation", methods=["POST"], content_types=[FORM])
@page_view(proof_pages)
def redeem_invitation(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    parts.limits.count_handle(parts.address_of(exchange))

    def step(form: Mapping[str, str], present: Visit, found: Found) -> str:
        code = "".join(form["code"].lower().split())
        try:
            parts.enrolling.redeem(_hand(exchange, present, found), code)
        except NotFound:
            raise InvalidInput((FieldError(pointer="/invitation", code="invitation_wrong"),)) from None
        return "invited"

    return _act(exchange, step)


@proof_pages.route(f"{_PATH}confirmation", methods=["POST"], content_types=[FORM])
@page_view(proof_pages)
def confirm_person(exchange: Exchange) -> Response:
    def step(form: Mapping[str, str], present: Visit, found: Found) -> str:
        proof = checked("proof", proof_of(form))
        bootstrap.parts().enrolling.confirm(_hand(exchange, present, found), proof, found)
        return "confirmed"

    return _act(exchange, step)


@proof_pages.route(f"{_PATH}passkeys", methods=["POST"], content_types=[FORM])
@page_view(proof_pages)
def enrol_passkey(exchange: Exchange) -> Response:
    def step(form: Mapping[str, str], present: Visit, found: Found) -> str:
        said = checked("new_passkey", {"name": form["name"].strip(), **proof_of(form, name="passkey")})
        hand = _hand(exchange, present, found)
        bootstrap.parts().enrolling.enrol_passkey(hand, said["passkey"], said["name"], found)
        return "enrolled"

    return _act(exchange, step)


@proof_pages.route(f"{_PATH}app", methods=["POST"], content_types=[FORM])
@page_view(proof_pages)
def enrol_app(exchange: Exchange) -> Response:
    """Show a secret, or, with a code that follows from it, enrol the app."""

    def step(form: Mapping[str, str], present: Visit, found: Found) -> str:
        hand, enrolling = _hand(exchange, present, found), bootstrap.parts().enrolling
        if form["begin"]:
            enrolling.begin_app(hand, found)
            return "begun"
        enrolling.enrol_app(hand, checked("proof", {"code": _digits(form["code"])})["code"], found)
        return "enrolled"

    return _act(exchange, step)


@proof_pages.route(f"{_PATH}revocation", methods=["POST"], content_types=[FORM])
@page_view(proof_pages)
def revoke_proof(exchange: Exchange) -> Response:
    def step(form: Mapping[str, str], present: Visit, found: Found) -> str:
        bootstrap.parts().enrolling.revoke(_hand(exchange, present, found), form["proof"], found)
        return "revoked"

    return _act(exchange, step)


def proof_of(form: Mapping[str, str], *, name: str | None = None) -> dict[str, object]:
    """What a form offers as proof, as its schema knows it; with `name` that alone. What was left empty is left out."""
    offered: dict[str, object] = {}
    if form["passkey"]:
        try:
            offered["passkey"] = read_json(form["passkey"])
        except BadRequest:
            offered["passkey"] = form["passkey"]
    if form["code"]:
        offered["code"] = _digits(form["code"])
    return offered if name is None else {name: offered[name]} if name in offered else {}


def _digits(code: str) -> str:
    """A code as apps show it is in two groups: without the gap."""
    return "".join(code.split())


def _act(exchange: Exchange, step: Callable[[Mapping[str, str], Visit, Found], str]) -> Response:
    """Take a step of somebody at the own page, and show it again: with what was done, or with what is wrong."""
    form = exchange.form()
    present, found = posted(exchange, form, *_keys(exchange))
    try:
        done = step(Filled(form), present, found)
    except (InvalidInput, NotProved) as error:
        return _page(exchange, present, found, error=error, typed=Filled(form))
    return see_other(exchange, f"{PROOFS}?done={done}")


class Filled(dict[str, str]):
    """The first value of each field; a field that is not there is empty."""

    def __init__(self, form: Mapping[str, Sequence[str]]) -> None:
        super().__init__({name: values[0] for name, values in form.items()})

    def __missing__(self, name: str) -> str:
        return ""


def _page(
    exchange: Exchange,
    present: Visit,
    found: Found,
    *,
    error: InvalidInput | NotProved | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    parts = bootstrap.parts()
    standing = parts.enrolling.look(present.person, session_of(exchange, found), found)
    pending = standing.proofs.pending if standing.proved else None
    return page(
        exchange,
        "proofs",
        status=200 if error is None else error.status,
        visit=present,
        standing=standing,
        pending=None if pending is None else parts.enrolling.shown(pending, present.person),
        accounts=bool(parts.settings.oidc_issuer),
        zone=parts.settings.center_time_zone,
        done=exchange.query.get("done"),
        told=told_of(error, exchange.language) if isinstance(error, NotProved) else None,
        wrong=faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {},
        typed=Filled({}) if typed is None else typed,
    )


def _keys(exchange: Exchange) -> tuple[Key[Any], ...]:
    return bootstrap.parts().enrolling.keys(claimed(exchange) or "")


def _hand(exchange: Exchange, present: Visit, found: Found) -> "Hand":
    return bootstrap.parts().enrolling.hand(
        present.person, session_of(exchange, found), exchange.correlation_id
    )
