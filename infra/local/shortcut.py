"""The way from a client to moto within one process, without HTTP between them.

A call of a service that speaks JSON was signed, made into an HTTP request, taken apart again and compared with hundreds
of addresses: two thirds of what it cost, and a test's life is made of such calls. Here the serialized body goes to
moto's handler as it is, and its answer to botocore's own parser. What is asked, what moto checks and answers, what the
client makes of it and what its listeners hear is the same (`tests/local/test_local_shortcut.py`).

An answer that is an error is not tried again. While moto's IAM decides, which looks at signatures, calls go by HTTP.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from moto import settings
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber
from moto.core.responses import BaseResponse
from moto.dynamodb.responses import DynamoHandler
from moto.dynamodbstreams.responses import DynamoDBStreamsHandler
from moto.kms.responses import KmsResponse
from moto.sqs.responses import SQSResponse
from moto.stepfunctions.responses import StepFunctionResponse

Method = Callable[..., Any]

_HANDLERS: Mapping[str, type[BaseResponse]] = {
    "dynamodb": DynamoHandler,
    "dynamodbstreams": DynamoDBStreamsHandler,
    "kms": KmsResponse,
    "sqs": SQSResponse,
    "stepfunctions": StepFunctionResponse,
}
_ERRORS = 300
"""From this status on an answer is an error, as botocore sees it."""


@dataclass(frozen=True)
class _Request:
    """As much of a request as moto's handlers of JSON look at."""

    url: str
    headers: Mapping[str, str]
    data: bytes
    region: str

    method: ClassVar = "POST"
    values: ClassVar[Mapping[str, str]] = {}

    @property
    def content_type(self) -> str:
        return self.headers["Content-Type"]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


def without_http(original: Method) -> Method:
    """`BaseClient._make_request`, by the short way where there is one."""

    def make(client: BaseClient, operation: Any, request: dict[str, Any], context: Any) -> Any:  # noqa: ANN401 — botocore's
        handler = _HANDLERS.get(operation.service_model.service_name)
        if handler is None or not botocore_stubber.enabled or _signatures_matter():
            return original(client, operation, request, context)
        return _called(client, handler, operation, request)

    return make


def set_up(original: Method) -> Method:
    """`BaseResponse.setup_class`, which takes a request apart; ours is in parts."""

    def setup(response: Any, request: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 — moto's
        if not isinstance(request, _Request):
            original(response, request, *args, **kwargs)
            return
        response.is_werkzeug_request = False
        response.normalized_request = request
        response.raw_body = request.data
        response.body = request.data.decode()
        response.uri, response.path, response.raw_path = request.url, request.path, request.path
        response.parsed_url = urlsplit(request.url)
        response.form_data, response.querystring, response.data, response.uri_match = {}, {}, {}, {}
        response.method = request.method
        response.headers = request.headers
        response.region = request.region
        response.partition = "aws"
        response.response_headers = {"server": "amazon.com"}
        if response.automated_parameter_parsing:
            response.parse_parameters(request)
        response.access_key = response.get_access_key()
        response.current_account = response.get_current_account()

    return setup


def _signatures_matter() -> bool:
    return not math.isinf(settings.INITIAL_NO_AUTH_ACTION_COUNT)


def _called(
    client: Any,  # noqa: ANN401 — botocore's
    handler: type[BaseResponse],
    operation: Any,  # noqa: ANN401 — botocore's
    request: dict[str, Any],
) -> tuple[AWSResponse, dict[str, Any]]:
    """The answer and what it says, as `Endpoint.make_request` gives them."""
    region = client.meta.region_name
    key = client._request_signer._credentials.get_frozen_credentials().access_key  # noqa: SLF001 — as the signer does
    headers = {**request["headers"], "Authorization": f"AWS4-HMAC-SHA256 Credential={key}, unsigned"}
    body = request["body"]
    asked = _Request(request["url"], headers, body if isinstance(body, bytes) else body.encode(), region)
    status, answered, text = handler.dispatch(asked, asked.url, headers)
    http = AWSResponse(asked.url, int(status), answered, MockRawResponse(text))
    answer = {
        "headers": http.headers,
        "status_code": http.status_code,
        "context": {"operation_name": operation.name},
        "body": http.content,
    }
    return http, _read(client, operation, answer)


def _read(client: Any, operation: Any, answer: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 — as above
    """As `Endpoint._do_get_response` does."""
    endpoint, service = client._endpoint, operation.service_model  # noqa: SLF001 — as above
    client.meta.events.emit(
        f"before-parse.{service.service_id.hyphenize()}.{operation.name}",
        operation_model=operation,
        response_dict=answer,
        customized_response_dict={},
    )
    parser = endpoint._response_parser_factory.create_parser(service.resolved_protocol)  # noqa: SLF001 — as above
    parsed: dict[str, Any] = parser.parse(answer, operation.output_shape)
    if answer["status_code"] >= _ERRORS:
        endpoint._add_modeled_error_fields(answer, parsed, operation, parser)  # noqa: SLF001 — as above
    return parsed
