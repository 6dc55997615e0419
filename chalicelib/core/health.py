"""Whether the function answers at all; it touches nothing else, so that it is cheap to ask."""

from chalice.app import Blueprint, Response

from chalicelib.core.http import Exchange, answer, chalice_refusals_as_problems, endpoint, logged

health_routes = Blueprint(__name__)
# Chalice gives a blueprint's middleware to the whole app; this is the blueprint that knows no subject.
health_routes.register_middleware(logged, "http")
health_routes.register_middleware(chalice_refusals_as_problems, "http")


@health_routes.route("/healthz", methods=["GET"])
@endpoint(health_routes)
def healthz(exchange: Exchange) -> Response:
    """Say that this function answers."""
    return answer(exchange, {"status": "ok"})
