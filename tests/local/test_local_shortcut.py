import copy
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError

from infra.local.clients import Clients
from infra.local.cloud import PREFIX, Cloud

CLIENTS = Clients()
TABLE = f"{PREFIX}-records"
KEY = {"pk": {"S": "A#1"}, "sk": {"S": "中"}}
ITEM = {
    **KEY,
    "n": {"N": "1"},
    "m": {"M": {"l": {"L": [{"BOOL": True}, {"NULL": True}]}}},
    "s": {"SS": ["a"]},
}
ONCE = "attribute_not_exists(pk)"

CALLS: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "an item is put": ("dynamodb", "put_item", {"TableName": TABLE, "Item": ITEM}),
    "an item is read": ("dynamodb", "get_item", {"TableName": TABLE, "Key": KEY}),
    "there is no item": ("dynamodb", "get_item", {"TableName": TABLE, "Key": {**KEY, "sk": {"S": "-"}}}),
    "many are read": ("dynamodb", "batch_get_item", {"RequestItems": {TABLE: {"Keys": [KEY]}}}),
    "a condition fails": (
        *("dynamodb", "put_item"),
        {"TableName": TABLE, "Item": ITEM, "ConditionExpression": ONCE},
    ),
    "a transaction fails": (
        *("dynamodb", "transact_write_items"),
        {"TransactItems": [{"Put": {"TableName": TABLE, "Item": ITEM, "ConditionExpression": ONCE}}]},
    ),
    "there is no table": ("dynamodb", "scan", {"TableName": "none"}),
    "a key is missing": ("dynamodb", "get_item", {"TableName": TABLE, "Key": {"pk": {"S": "A"}}}),
    "streams are listed": ("dynamodbstreams", "list_streams", {"TableName": TABLE}),
    "a queue is found": ("sqs", "get_queue_url", {"QueueName": f"{PREFIX}-sign-in"}),
    "there is no queue": ("sqs", "get_queue_url", {"QueueName": "none"}),
    "queues are listed": ("sqs", "list_queues", {}),
    "a key is described": ("kms", "describe_key", {"KeyId": f"alias/{PREFIX}-signing"}),
    "there is no key": ("kms", "describe_key", {"KeyId": "alias/none"}),
    "machines are listed": ("stepfunctions", "list_state_machines", {}),
    "there is no execution": (
        *("stepfunctions", "describe_execution"),
        {"executionArn": "arn:aws:states:us-east-1:123456789012:execution:none:none"},
    ),
}


def answered(
    client: Any,  # noqa: ANN401 - boto3's own
    method: str,
    arguments: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the same call is answered over HTTP, and the short way."""
    over_http: list[dict[str, Any]] = []
    sent: list[str] = []

    def ask_over_http(model: object, params: dict[str, Any], **_: object) -> None:
        over_http.append(client._endpoint.make_request(model, copy.deepcopy(params))[1])

    def count(request: AWSPreparedRequest, **_: object) -> None:
        sent.append(request.url)

    listeners = (("before-call", ask_over_http), ("before-send", count))
    for event, listener in listeners:
        client.meta.events.register_first(event, listener)
    try:
        short = getattr(client, method)(**arguments)
    except ClientError as error:
        short = dict(error.response)
    finally:
        for event, listener in listeners:
            client.meta.events.unregister(event, listener)
    assert len(sent) == 1, "only one of the two is over HTTP"
    return over_http[0], short


@pytest.mark.parametrize("what", CALLS)
def test_the_short_way_and_http_lead_to_the_same_answer(what: str, cloud: Cloud) -> None:
    service, method, arguments = CALLS[what]
    CLIENTS("dynamodb").put_item(TableName=TABLE, Item=ITEM)
    over_http, short = answered(CLIENTS(service), method, arguments)
    said = [answer.pop("ResponseMetadata") for answer in (over_http, short)]
    assert short == over_http
    assert said[0]["HTTPStatusCode"] == said[1]["HTTPStatusCode"] == (400 if "Error" in short else 200)
