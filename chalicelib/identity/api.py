"""Signing in over HTTP."""

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.clock import to_text
from chalicelib.core.http import Exchange, answer, endpoint
from chalicelib.core.validation import checked
from chalicelib.identity.caller import caller, caller_with, claimed, session_cookie, session_of
from chalicelib.people.model import Person

identity_routes = Blueprint(__name__)


@identity_routes.route("/api/v1/sign-in", methods=["POST"])
@endpoint(identity_routes)
def ask_for_sign_in(exchange: Exchange) -> Response:
    form = checked("sign_in", exchange.body())
    parts = bootstrap.parts()
    parts.sign_in.ask(form["email"], address=parts.address_of(exchange))
    return answer(exchange, {}, status=202)


@identity_routes.route("/api/v1/sessions", methods=["POST"])
@endpoint(identity_routes)
def open_session(exchange: Exchange) -> Response:
    form = checked("session", exchange.body())
    parts = bootstrap.parts()
    session = parts.sign_in.open(form["handle"], address=parts.address_of(exchange))
    body = {"person": as_json(session.person), "expires_at": to_text(session.expires_at)}
    if form.get("bearer"):
        body["token"] = session.token
    return answer(exchange, body, status=201, cookie=session_cookie(session.token))


@identity_routes.route("/api/v1/me", methods=["GET"])
@endpoint(identity_routes)
def me(exchange: Exchange) -> Response:
    return answer(exchange, {"person": as_json(caller(exchange))})


@identity_routes.route("/api/v1/me/passkeys/options", methods=["POST"])
@endpoint(identity_routes)
def ask_passkey(exchange: Exchange) -> Response:
    parts = bootstrap.parts()
    person, found = caller_with(exchange, *parts.enrolling.keys(claimed(exchange) or ""))
    form = checked("passkey_options", exchange.body())
    hand = parts.enrolling.hand(person, session_of(exchange, found), exchange.correlation_id)
    return answer(exchange, {"options": parts.enrolling.options(hand, form["purpose"], found)})


def as_json(person: Person) -> dict[str, object]:
    """A person as the API shows the person to himself, with the duties that count now."""
    return {
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "language": person.language,
        "duties": [
            {"role": duty.role, "department": duty.department}
            for duty in person.duties_at(bootstrap.parts().now())
        ],
    }
