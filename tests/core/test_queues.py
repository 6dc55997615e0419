"""Queues by their names."""

import boto3
import pytest
from moto import mock_aws

from chalicelib.core.aws import Aws
from chalicelib.core.queues import Queues

QUEUES = Queues(client=Aws(region="us-east-1").sqs, url_prefix="https://sqs.test/123456789012/desk-")


def test_a_queues_url_follows_from_its_name() -> None:
    assert QUEUES.url("submissions-it") == "https://sqs.test/123456789012/desk-submissions-it"


def test_a_queue_of_another_environment_is_not_ours() -> None:
    assert QUEUES.own_name("desk-submissions-it") == "submissions-it"
    for other in ("desk2-submissions-it", "submissions-it", ""):
        with pytest.raises(ValueError, match="desk-"):
            QUEUES.own_name(other)


def test_a_message_is_sent_with_its_attributes_as_text() -> None:
    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        url = sqs.create_queue(QueueName="desk-replies")["QueueUrl"]
        queues = Queues(client=Aws(region="us-east-1").sqs, url_prefix=url.removesuffix("replies"))
        queues.send("replies", "正文", {"reason": "not_json"})
        (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
        assert message["Body"] == "正文"
        assert message["MessageAttributes"] == {"reason": {"StringValue": "not_json", "DataType": "String"}}
