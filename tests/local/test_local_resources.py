from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.local.clients import Clients
from infra.local.cloud import Cloud
from infra.local.resources import Resources, TemplateError, create
from infra.templates import load
from tests.local.tiny import DATA

TEMPLATE = load(DATA)["Resources"]
RECORDS: dict[str, Any] = TEMPLATE["Records"]["Properties"]

CLIENTS = Clients()

BUCKETS = {"Site": "SITE_BUCKET", "Archive": "ARCHIVE_BUCKET"}


def refuse(tmp_path: Path, resource: str) -> str:
    """What the loader says to a template of this one resource."""
    template = tmp_path / "data.yaml"
    template.write_text(f"Resources:\n  Thing: {resource}\n", encoding="utf-8")
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
    default = rule["ApplyServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"] == expected["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
    assert default.get("KMSMasterKeyID") == (None if bucket == "Site" else the_key())
    assert rule["BucketKeyEnabled"] is expected.get("BucketKeyEnabled", False)
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


def test_key_turns_every_year_and_is_known_by_its_alias(cloud: Cloud) -> None:
    assert boto3.client("kms").get_key_rotation_status(KeyId=the_key())["KeyRotationEnabled"] is True


def the_key() -> str:
    """The ARN of what the alias stands for."""
    return str(boto3.client("kms").describe_key(KeyId="alias/imprimatur-data")["KeyMetadata"]["Arn"])


def make(tmp_path: Path, text: str, handed: Mapping[str, str] | None = None) -> Resources:
    """What the loader makes of a template."""
    template = tmp_path / "data.yaml"
    template.write_text(text, encoding="utf-8")
    return create(template, "test", CLIENTS, handed=handed)


def test_what_a_stack_hands_over_is_found_by_the_end_of_its_name(cloud: Cloud, tmp_path: Path) -> None:
    made = make(
        tmp_path,
        """
        Parameters: {Prefix: {Type: String}}
        Resources:
          Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${Prefix}-{{resolve:ssm:/test/x/name}}"}}
          Hand:
            Type: AWS::SSM::Parameter
            Properties: {Type: String, Name: !Sub "/${Prefix}/data/queue-url", Value: !Ref Queue}
        """,
        handed={"/test/x/name": "given"},
    )
    assert made.queues == {"given": made.handed["queue-url"]}
    assert made.handed["queue-url"].endswith("/test-given")


@pytest.mark.parametrize(("wanted", "seconds"), [("yes", "60"), ("no", "30")])
def test_conditions_hold_or_not(cloud: Cloud, tmp_path: Path, wanted: str, seconds: str) -> None:
    made = make(
        tmp_path,
        f"""
        Parameters: {{Wanted: {{Type: String, Default: "{wanted}"}}}}
        Conditions:
          Never: !Equals [a, b]
          IsWanted: !Not [!Equals [!Ref Wanted, "no"]]
        Resources:
          Unknown: {{Type: AWS::Kinesis::Stream, Condition: Never}}
          Queue:
            Type: AWS::SQS::Queue
            Properties:
              QueueName: test-{wanted}
              VisibilityTimeout: !If [IsWanted, 60, !Ref "AWS::NoValue"]
        """,
    )
    attributes = boto3.client("sqs").get_queue_attributes(
        QueueUrl=made.queues[wanted], AttributeNames=["VisibilityTimeout"]
    )["Attributes"]
    assert attributes["VisibilityTimeout"] == seconds


def test_unknown_section_and_unknown_condition_are_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="Mappings"):
        make(tmp_path, "Mappings: {}\nResources: {}")
    with pytest.raises(TemplateError, match="Fn::Or"):
        make(
            tmp_path,
            "Conditions: {C: !Or [!Equals [a, b], !Equals [a, a]]}\n"
            "Resources: {Q: {Type: AWS::SQS::Queue, Condition: C}}",
        )


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
