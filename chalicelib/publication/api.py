"""Announcements over HTTP: who wants them, and what becomes of those whose outcome nobody knows."""

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.http import Exchange, answer, endpoint
from chalicelib.core.validation import checked
from chalicelib.identity.caller import caller

publication_routes = Blueprint(__name__)


@publication_routes.route("/api/v1/me/announcements", methods=["GET"])
@endpoint(publication_routes)
def get_subscription(exchange: Exchange) -> Response:
    person = caller(exchange)
    return answer(exchange, {"subscribed": bootstrap.parts().mailings.is_subscribed(person.id)})


@publication_routes.route("/api/v1/me/announcements", methods=["POST"])
@endpoint(publication_routes)
def post_subscription(exchange: Exchange) -> Response:
    person = caller(exchange)
    subscribed = checked("subscription", exchange.body())["subscribed"]
    bootstrap.parts().mailings.subscribe(person.id, announcements=subscribed)
    return answer(exchange, {"subscribed": subscribed})


@publication_routes.route("/api/v1/submissions/{submission}/deliveries/email/unknown", methods=["POST"])
@endpoint(publication_routes)
def settle_unknown_mails(exchange: Exchange, submission: str) -> Response:
    person = caller(exchange)
    resend = checked("unknown_mails", exchange.body())["resend"]
    settled, left = bootstrap.parts().mailings.settle(
        person, submission, resend=resend, correlation_id=exchange.correlation_id
    )
    return answer(exchange, {"settled": settled, "left": left})
