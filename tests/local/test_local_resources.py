from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.local.clients import Clients
from infra.local.cloud import Cloud
from infra.local.resources import TemplateError, create, load_template
from tests.local.tiny import DATA

TEMPLATE = load_template(DATA)["Resources"]
RECORDS: dict[str, Any] = TEMPLATE["Records"]["Properties"]

CLIENTS = Clients()

BUCKETS = {"Site": "SITE_BUCKET", "Archive": "ARCHIVE_BUCKET"}


def refuse(tmp_path: Path, resource: str) -> str:
    """What the loader says to a template of this one resource."""
    template = tmp_path / "data.yaml"
    template.write_text(f"Resources:\n  Thing: {resource}\nOutputs: {{}}\n", encoding="utf-8")
    with pytest.raises(TemplateError) as refused:
        create(template, "test", CLIENTS)
    return str(refused.value)


def test_table_has_the_keys_indexes_and_stream_of_the_template(cloud: Cloud) -> None:
    table = boto3.client("dynamodb").describe_table(TableName=cloud.environment["TABLE_NAME"])["Table"]
    assert table["TableName"] == "imprimatur-records"
    assert table["KeySchema"] == RECORDS["KeySchema"]
    assert table["AttributeDefinitions"] == RECORDS["AttributeDefinitions"]
    assert table["BillingModeSummary"]["BillingMode"] == RECORDS["BillingMode"]
    assert table["StreamSpecification"]["StreamViewType"] == RECORDS["StreamSpecification"]["StreamViewType"]
    assert table["SSEDescription"]["Status"] == "ENABLED"
    assert table["DeletionProtectionEnabled"] is True
    made = {
        index["IndexName"]: (index["KeySchema"], index["Projection"])
        for index in table["GlobalSecondaryIndexes"]
    }
    assert made == {
        index["IndexName"]: (index["KeySchema"], index["Projection"])
        for index in RECORDS["GlobalSecondaryIndexes"]
    }


def test_table_expires_items_and_can_be_restored_to_a_point_in_time(cloud: Cloud) -> None:
    dynamodb, name = boto3.client("dynamodb"), cloud.environment["TABLE_NAME"]
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": RECORDS["TimeToLiveSpecification"]["AttributeName"],
    }
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


@pytest.mark.parametrize("bucket", BUCKETS)
def test_bucket_is_versioned_encrypted_and_closed_as_in_the_template(cloud: Cloud, bucket: str) -> None:
    s3, name, template = (
        boto3.client("s3"),
        cloud.environment[BUCKETS[bucket]],
        TEMPLATE[bucket]["Properties"],
    )
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == template["VersioningConfiguration"]["Status"]
    (rule,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    (expected,) = template["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ApplyServerSideEncryptionByDefault"] == expected["ServerSideEncryptionByDefault"]
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert block == template["PublicAccessBlockConfiguration"]
    assert all(block.values())


def test_archived_objects_are_locked_in_governance_mode(cloud: Cloud) -> None:
    s3, name = boto3.client("s3"), cloud.environment["ARCHIVE_BUCKET"]
    lock = s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    retention = lock["Rule"]["DefaultRetention"]
    assert (retention["Mode"], retention["Days"]) == ("GOVERNANCE", 3650)
    version = s3.put_object(Bucket=name, Key="package", Body=b"evidence")["VersionId"]
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=name, Key="package", VersionId=version)


def test_queue_has_the_visibility_and_dead_letters_of_the_template(cloud: Cloud) -> None:
    sqs, template = boto3.client("sqs"), TEMPLATE["SignIn"]["Properties"]
    attributes = sqs.get_queue_attributes(
        QueueUrl=cloud.environment["SIGN_IN_QUEUE_URL"], AttributeNames=["All"]
    )["Attributes"]
    assert attributes["VisibilityTimeout"] == str(template["VisibilityTimeout"])
    assert attributes["MessageRetentionPeriod"] == str(template["MessageRetentionPeriod"])
    assert attributes["SqsManagedSseEnabled"] == "true"
    assert '"maxReceiveCount":5' in attributes["RedrivePolicy"].replace(" ", "")
    assert "imprimatur-sign-in-dead-letters" in attributes["RedrivePolicy"]


def test_every_resource_that_holds_data_survives_its_stack() -> None:
    for name, resource in TEMPLATE.items():
        if resource["Type"] in {"AWS::DynamoDB::Table", "AWS::S3::Bucket"}:
            assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain", name


def test_unknown_property_is_refused_by_name(cloud: Cloud, tmp_path: Path) -> None:
    said = refuse(
        tmp_path, "{Type: AWS::SQS::Queue, Properties: {QueueName: q, FifoThroughputLimit: perQueue}}"
    )
    assert "FifoThroughputLimit" in said


def test_unknown_type_is_refused_by_name(cloud: Cloud, tmp_path: Path) -> None:
    assert "AWS::Kinesis::Stream" in refuse(tmp_path, "{Type: AWS::Kinesis::Stream}")


def test_unknown_resource_attribute_is_refused_by_name(cloud: Cloud, tmp_path: Path) -> None:
    said = refuse(tmp_path, "{Type: AWS::SQS::Queue, Condition: IsProd, Properties: {QueueName: q}}")
    assert "Condition" in said


def test_unknown_function_and_unknown_name_are_refused(cloud: Cloud, tmp_path: Path) -> None:
    queue = "{{Type: AWS::SQS::Queue, Properties: {{QueueName: {name}}}}}"
    assert "Join" in refuse(tmp_path, queue.format(name="!Join ['-', [a, b]]"))
    assert "Nobody" in refuse(tmp_path, queue.format(name="!Ref Nobody"))
    assert "Nobody" in refuse(tmp_path, queue.format(name='!Sub "x-${Nobody.Arn}"'))
