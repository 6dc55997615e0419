"""Giving an environment up: refused where data would be lost, and thorough where there is none."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from infra.deployment.destroy import destroy
from infra.deployment.errors import DeclinedError, DeploymentError
from infra.deployment.releases import Deployed, Release
from infra.deployment.remains import BUCKET, KEY, LAYER, QUEUE, TABLE, TRAIL, VAULT
from infra.deployment.stacks import stacks_of
from tests.infra.formations import ACCOUNT, FUNCTION, STACKS, Yard, a_client, refused
from tests.infra.terminals import a_terminal, said

RECORDS, SITE, DEPOT = "desk-records", "desk-site", f"desk-deployments-{ACCOUNT}"


class Standing(Yard):
    """An environment that stands, with nothing in it, and the AWS that holds it."""

    def make(self) -> None:
        for service in ("dynamodb", "s3", "sqs"):
            setattr(self, service, a_client(service, "eu-west-1"))
        self.dynamodb.create_table(
            TableName=RECORDS,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        place = {"LocationConstraint": "eu-west-1"}
        self.s3.create_bucket(Bucket=SITE, CreateBucketConfiguration=place)
        self.s3.put_bucket_versioning(Bucket=SITE, VersioningConfiguration={"Status": "Enabled"})
        self.queue = self.sqs.create_queue(QueueName="desk-letters")["QueueUrl"]
        self.kms = a_client("kms", "eu-west-1")
        self.key = self.kms.create_key()["KeyMetadata"]["KeyId"]
        self.others["backup"] = self.vaults = Vaults()
        self.deployer().depot.make()
        release = self.deployer().begin()
        self.deployer().releases.record(release)
        for name in ("data", "app"):
            release = release.noting(name, Deployed(template="", parameters={}))
        self.release = self.deployer().releases.record(release)
        held = {
            "Records": resource(TABLE, RECORDS, kept=True),
            "Site": resource(BUCKET, SITE, kept=True),
            "Key": resource(KEY, self.key, kept=True),
            "Vault": resource(VAULT, "desk-backups", kept=True),
            "Detector": resource("AWS::GuardDuty::Detector", "detector-1", kept=True),
            "Letters": resource(QUEUE, self.queue),
        }
        self.formation.standing("desk-data", "CREATE_COMPLETE", {"Resources": held})
        self.formation.standing(
            "desk-app", "UPDATE_COMPLETE", {"Resources": {"Handler": resource(FUNCTION, "f")}}
        )

    dynamodb: Any
    s3: Any
    sqs: Any
    queue: str
    kms: Any
    key: str
    vaults: "Vaults"
    release: Release

    def give_up(self, *, keep_data: bool = False) -> None:
        destroy(self.deployer(), stacks_of(self.environment, STACKS), keep_data=keep_data)

    def deleted(self) -> list[str]:
        return [call.removeprefix("delete ") for call in self.formation.asked if call.startswith("delete ")]


class Vaults:
    """AWS Backup, which moto has not here."""

    def __init__(self) -> None:
        self.backups = 0
        self.deleted: list[str] = []

    def describe_backup_vault(self, *, BackupVaultName: str) -> dict[str, int]:  # noqa: N803 — AWS Backup's own names
        assert BackupVaultName == "desk-backups"
        return {"NumberOfRecoveryPoints": self.backups}

    def delete_backup_vault(self, *, BackupVaultName: str) -> None:  # noqa: N803 — as above
        self.deleted.append(BackupVaultName)


def resource(kind: str, name: str, *, kept: bool = False) -> dict[str, Any]:
    return {"Type": kind, "Properties": {"Name": name}, **({"DeletionPolicy": "Retain"} if kept else {})}


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Standing]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "deployer")
    with mock_aws():
        standing = Standing(terminal=a_terminal("staging"))
        standing.make()
        yield standing


def test_empty_environment_goes_last_made_first_with_what_cloudformation_leaves(yard: Standing) -> None:
    yard.give_up()
    assert yard.deleted() == ["desk-app", "desk-data"]
    assert yard.dynamodb.list_tables()["TableNames"] == []
    assert yard.s3.list_buckets()["Buckets"] == []
    told = said(yard.terminal)
    assert "Records (AWS::DynamoDB::Table) desk-records: empty, removed as well" in told
    assert f"Key (AWS::KMS::Key) {yard.key}: gone in 30 days" in told
    assert yard.kms.describe_key(KeyId=yard.key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert yard.vaults.deleted == ["desk-backups"]
    assert "Detector (AWS::GuardDuty::Detector) detector-1: left behind, for you to remove" in told
    assert told.index("This cannot be undone") < told.index("desk-app is gone")


def test_nothing_goes_unless_the_environments_name_is_typed(yard: Standing) -> None:
    yard.terminal = a_terminal("desk", assume_yes=True)
    with pytest.raises(DeclinedError):
        yard.give_up()
    assert yard.deleted() == []


def test_every_reason_to_refuse_is_told_at_once_with_what_to_do(yard: Standing) -> None:
    yard.dynamodb.put_item(TableName=RECORDS, Item={"pk": {"S": "1"}})
    yard.dynamodb.update_table(TableName=RECORDS, DeletionProtectionEnabled=True)
    yard.s3.put_object(Bucket=SITE, Key="index.html", Body=b"")
    yard.sqs.send_message(QueueUrl=yard.queue, MessageBody="letter")
    yard.vaults.backups = 3
    yard.formation.stacks["desk-app"].protected = True
    with pytest.raises(DeploymentError) as told_why:
        yard.give_up()
    told = str(told_why.value)
    assert 'the stack desk-app is protected: put "protected": false' in told
    assert "Records (desk-records) has items" in told
    assert "--no-deletion-protection-enabled" in told
    assert "Site (desk-site) has objects" in told
    assert "has 1 messages" in told
    assert "Vault (desk-backups) has 3 backups" in told
    assert "give --keep-data" in told
    assert yard.deleted() == []


def test_earlier_versions_of_objects_are_data(yard: Standing) -> None:
    yard.s3.put_object(Bucket=SITE, Key="index.html", Body=b"")
    yard.s3.delete_object(Bucket=SITE, Key="index.html")
    assert "Contents" not in yard.s3.list_objects_v2(Bucket=SITE)
    with pytest.raises(DeploymentError, match="earlier versions"):
        yard.give_up()


def test_archive_that_is_locked_is_told_as_such(yard: Standing) -> None:
    yard.s3.create_bucket(
        Bucket="desk-archive",
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
    )
    yard.s3.put_object(Bucket="desk-archive", Key="package.zip", Body=b"")
    held = {"Archive": resource(BUCKET, "desk-archive", kept=True)}
    yard.formation.stacks["desk-data"].template["Resources"] |= held
    with pytest.raises(DeploymentError, match=r"Archive \(desk-archive\) has locked objects"):
        yard.give_up()


def test_trail_must_be_stopped_before_its_bucket_can_be_empty(yard: Standing) -> None:
    trails = a_client("cloudtrail", "eu-west-1")
    trails.create_trail(Name="desk", S3BucketName=SITE)
    trails.start_logging(Name="desk")
    held = {"Trail": resource(TRAIL, "desk")}
    yard.formation.stacks["desk-data"].template["Resources"] |= held
    with pytest.raises(DeploymentError, match="aws cloudtrail stop-logging --region eu-west-1 --name desk"):
        yard.give_up()
    assert yard.deleted() == []
    trails.stop_logging(Name="desk")
    yard.give_up()
    assert yard.deleted() == ["desk-app", "desk-data"]


def test_nothing_goes_while_somebody_deploys(yard: Standing) -> None:
    with (
        yard.deployer().alone(),
        pytest.raises(DeploymentError, match="user/ops has been changing this environment"),
    ):
        yard.give_up()
    assert yard.deleted() == []


@pytest.mark.parametrize(
    ("name", "region"), [("department-marketing", "eu-west-1"), ("edge-global", "us-east-1")]
)
def test_stack_that_was_deployed_and_that_the_file_no_longer_names_is_not_forgotten(
    name: str, region: str, yard: Standing
) -> None:
    yard.deployer().releases.record(yard.release.noting(name, Deployed(template="", parameters={})))
    yard.client("cloudformation", region).standing(f"desk-{name}", "CREATE_COMPLETE")
    with pytest.raises(DeploymentError, match=f"the stack desk-{name} was deployed, and .* no longer names"):
        yard.give_up()
    assert yard.deleted() == []


def test_stack_of_which_nobody_knows_any_more_where_it_was_is_not_forgotten(yard: Standing) -> None:
    yard.deployer().releases.record(yard.release.noting("recovery", Deployed(template="", parameters={})))
    assert yard.environment.recovery_region is None
    with pytest.raises(
        DeploymentError, match=r"the stack desk-recovery was deployed.*put recovery_region back"
    ):
        yard.give_up()
    yard.environment = replace(yard.environment, recovery_region="eu-north-1")
    yard.give_up()
    assert yard.deleted() == ["desk-app", "desk-data"]


def test_stack_of_logs_that_the_file_no_longer_names_is_no_reason_to_keep_the_app(yard: Standing) -> None:
    yard.deployer().releases.record(yard.release.noting("edge-global", Deployed(template="", parameters={})))
    yard.client("cloudformation", "us-east-1").standing("desk-edge-global", "CREATE_COMPLETE")
    yard.give_up(keep_data=True)
    assert yard.deleted() == ["desk-app"]


def test_app_can_go_alone_while_there_is_data(yard: Standing) -> None:
    yard.dynamodb.put_item(TableName=RECORDS, Item={"pk": {"S": "1"}})
    yard.give_up(keep_data=True)
    assert yard.deleted() == ["desk-app"]
    assert yard.dynamodb.list_tables()["TableNames"] == [RECORDS]
    assert yard.deployer().depot.exists()


def test_deletion_that_failed_is_asked_for_anew(yard: Standing) -> None:
    yard.formation.outcomes["desk-app"] = [["DELETE_IN_PROGRESS", "DELETE_FAILED"]]
    with pytest.raises(DeploymentError, match=r"desk-app could not be deleted \(DELETE_FAILED\)"):
        yard.give_up()
    yard.terminal = a_terminal("staging")
    yard.give_up()
    assert yard.deleted() == ["desk-app", "desk-app", "desk-data"]


@pytest.fixture
def filled_meanwhile(yard: Standing) -> Standing:
    """An environment that was given up, and into whose table a record came in the last moment."""
    delete = yard.formation.delete_stack

    def with_a_last_record(**named: str) -> None:
        yard.dynamodb.put_item(TableName=RECORDS, Item={"pk": {"S": "1"}})
        delete(**named)

    yard.formation.delete_stack = with_a_last_record  # type: ignore[method-assign]
    with pytest.raises(DeploymentError, match=r"meanwhile Records .* has items"):
        yard.give_up()
    yard.terminal = a_terminal("staging")
    return yard


def test_data_that_come_in_meanwhile_are_kept_with_their_key_and_the_rest_goes(
    filled_meanwhile: Standing,
) -> None:
    yard = filled_meanwhile
    assert yard.dynamodb.list_tables()["TableNames"] == [RECORDS]
    assert yard.kms.describe_key(KeyId=yard.key)["KeyMetadata"]["KeyState"] == "Enabled"
    assert [bucket["Name"] for bucket in yard.s3.list_buckets()["Buckets"]] == [DEPOT]
    assert yard.vaults.deleted == ["desk-backups"]


def test_data_that_came_in_meanwhile_are_not_forgotten_by_the_next_run(filled_meanwhile: Standing) -> None:
    yard = filled_meanwhile
    with pytest.raises(DeploymentError, match=r"Records \(desk-records\) has items"):
        yard.give_up()
    yard.dynamodb.delete_item(TableName=RECORDS, Key={"pk": {"S": "1"}})
    yard.give_up()
    assert "what is left of the stack desk-data, with 2 resources" in said(yard.terminal)
    assert yard.deleted() == ["desk-app", "desk-data"]
    assert_nothing_is_left(yard)


def assert_nothing_is_left(yard: Standing) -> None:
    assert yard.dynamodb.list_tables()["TableNames"] == []
    assert yard.s3.list_buckets()["Buckets"] == []
    assert yard.kms.describe_key(KeyId=yard.key)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_key_that_an_interrupted_run_gave_up_is_no_hindrance_to_the_next(yard: Standing) -> None:
    class Scheduling:
        """KMS, which says, as it does and moto does not, that a key's deletion is scheduled already."""

        def schedule_key_deletion(self, **named: Any) -> None:  # noqa: ANN401 — KMS's own
            key = yard.kms.describe_key(KeyId=named["KeyId"])["KeyMetadata"]
            if key["KeyState"] == "PendingDeletion":
                raise refused("KMSInvalidStateException", f"{named['KeyId']} is pending deletion.")
            yard.kms.schedule_key_deletion(**named)
            raise KeyboardInterrupt

    yard.others["kms"] = Scheduling()
    with pytest.raises(KeyboardInterrupt):
        yard.give_up()
    yard.terminal = a_terminal("staging")
    yard.give_up()
    assert_nothing_is_left(yard)


def test_what_an_interrupted_run_left_is_taken_away_by_the_next(yard: Standing) -> None:
    class Interrupting:
        """DynamoDB that does as it is told, whereupon somebody presses Ctrl-C."""

        def delete_table(self, **named: str) -> None:
            yard.dynamodb.delete_table(**named)
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the client has
            return getattr(yard.dynamodb, name)

    yard.others["dynamodb"] = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        yard.give_up()
    del yard.others["dynamodb"]
    yard.terminal = a_terminal("staging")
    yard.give_up()
    assert yard.deleted() == ["desk-app", "desk-data"]
    assert_nothing_is_left(yard)


def test_what_aws_refuses_to_take_away_is_told_and_stays_on_the_list(yard: Standing) -> None:
    class Refusing:
        def delete_table(self, **_: str) -> None:
            raise refused("AccessDeniedException", "not authorized to perform dynamodb:DeleteTable")

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the client has
            return getattr(yard.dynamodb, name)

    yard.others["dynamodb"] = Refusing()
    with pytest.raises(
        DeploymentError, match=r"Records \(desk-records\) could not be removed: .*not authorized"
    ):
        yard.give_up()
    del yard.others["dynamodb"]
    yard.terminal = a_terminal("staging")
    yard.give_up()
    assert_nothing_is_left(yard)


def test_what_is_not_there_needs_no_answer(yard: Standing) -> None:
    yard.give_up()
    yard.terminal = a_terminal()
    yard.give_up()
    assert said(yard.terminal) == "Nothing of staging is there.\n"


def test_every_version_of_the_layer_goes_with_the_app(yard: Standing) -> None:
    class Layers:
        def __init__(self) -> None:
            self.deleted: list[tuple[str, int]] = []

        def get_paginator(self, _operation: str) -> "Layers":
            return self

        def paginate(self, **_: object) -> list[dict[str, Any]]:
            return [{"LayerVersions": [{"Version": 2}, {"Version": 1}]}]

        def delete_layer_version(self, *, LayerName: str, VersionNumber: int) -> None:  # noqa: N803 — Lambda's own names
            self.deleted.append((LayerName, VersionNumber))

    layers = yard.others["lambda"] = Layers()
    held = {
        "Dependencies": resource(
            LAYER, f"arn:aws:lambda:eu-west-1:{ACCOUNT}:layer:desk-dependencies:2", kept=True
        )
    }
    yard.formation.stacks["desk-app"].template["Resources"] |= held
    yard.give_up(keep_data=True)
    assert layers.deleted == [("desk-dependencies", 2), ("desk-dependencies", 1)]
