"""Whether the function answers at all; it touches nothing else, so that it is cheap to ask."""

from chalice.app import Blueprint, Response

from chalicelib.core.http import Exchange, answer, endpoint

health_routes = Blueprint(__name__)


@health_routes.route("/healthz", methods=["GET"])
@endpoint(health_routes)
def healthz(exchange: Exchange) -> Response:
    """Say that this function answers."""
    return answer(exchange, {"status": "ok"})
