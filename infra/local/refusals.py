"""What API Gateway answers by itself, as the stack's template has it: to a wrong address, or to too large a body."""

from pathlib import Path

from werkzeug.wrappers import Response

from chalicelib.core.ids import new_id
from infra.templates import load

TEMPLATE = Path(__file__).parents[1] / "stacks" / "app.yaml"
NOTHING_THERE = "MISSING_AUTHENTICATION_TOKEN"
"""The type of response that API Gateway has for an address or a method that there is not."""
REFUSED = "DEFAULT_4XX"
"""Its type for whatever else it refuses."""


def refusal(kind: str, *, status: int | None = None) -> Response:
    """The response of that type; `status` is API Gateway's own, which counts where the template says nothing."""
    said = load(TEMPLATE)["Resources"]["RestAPI"]["Properties"]["GatewayResponses"][kind]
    headers = {name: value[1:-1] for name, value in said["ResponseParameters"]["Headers"].items()}
    (text,) = said["ResponseTemplates"].values()
    body = text.replace("$context.requestId", new_id("c"))
    return Response(body, status=said.get("StatusCode", status), headers=headers)
