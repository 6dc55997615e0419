"""Whether a resource holds data, and how it is taken away once it does not.

CloudFormation keeps what holds data when its stack goes. So that nothing is left that nobody knows of, an environment
that is given up takes these away itself, and only when they are empty.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from infra.deployment.clients import Client
from infra.deployment.formation import StackResource

TABLE, BUCKET, QUEUE = "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue"
LAYER, KEY, VAULT = "AWS::Lambda::LayerVersion", "AWS::KMS::Key", "AWS::Backup::BackupVault"
TRAIL = "AWS::CloudTrail::Trail"
KEY_WAITS = 30
"""Days until a key that is given up is gone: the longest that AWS lets one change one's mind."""
_MISSING = frozenset(
    {
        "404",
        "NoSuchBucket",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "TrailNotFoundException",
    }
)
_SCHEDULED = "KMSInvalidStateException"
"""What KMS says of a key whose deletion is scheduled already."""


@dataclass(frozen=True, kw_only=True)
class Remains:
    """The resources of one region."""

    clients: Client
    region: str

    def holding(self, resource: StackResource) -> str | None:
        """What it holds, in words; None when it is empty, gone, or of a type that holds nothing."""
        look: Mapping[str, Callable[[str], str | None]] = {
            TABLE: self._items,
            BUCKET: self._objects,
            QUEUE: self._messages,
            VAULT: self._backups,
        }
        words = self._seen(look, resource)
        return None if words is None else f"{resource.logical_id} ({resource.physical_id}) {words}"

    def guarded(self, resource: StackResource) -> str | None:
        """What forbids its deletion, in words, with what to do; None when nothing does."""
        look: Mapping[str, Callable[[str], str | None]] = {TABLE: self._protection, TRAIL: self._recording}
        return self._seen(look, resource)

    def _seen(self, look: Mapping[str, Callable[[str], str | None]], resource: StackResource) -> str | None:
        """What there is to say of a resource, None when its type has no look, or it is gone."""
        if resource.type not in look:
            return None
        try:
            return look[resource.type](resource.physical_id)
        except ClientError as error:
            if _is_missing(error):
                return None
            raise

    def removable(self, resource: StackResource) -> bool:
        """Whether `remove` knows its type."""
        return resource.type in {TABLE, BUCKET, QUEUE, LAYER, KEY, VAULT}

    def remove(self, resource: StackResource) -> None:
        """Take away what is empty. What is gone already is no error; what is not empty AWS itself refuses."""
        try:
            self._remove(resource)
        except ClientError as error:
            if not _is_missing(error) and _code(error) != _SCHEDULED:
                raise

    def _remove(self, resource: StackResource) -> None:
        if resource.type == TABLE:
            self.clients("dynamodb", self.region).delete_table(TableName=resource.physical_id)
        elif resource.type == BUCKET:
            self.clients("s3", self.region).delete_bucket(Bucket=resource.physical_id)
        elif resource.type == QUEUE:
            self.clients("sqs", self.region).delete_queue(QueueUrl=resource.physical_id)
        elif resource.type == LAYER:
            self._remove_layer(resource.physical_id.split(":")[6])
        elif resource.type == VAULT:
            self.clients("backup", self.region).delete_backup_vault(BackupVaultName=resource.physical_id)
        elif resource.type == KEY:
            self.clients("kms", self.region).schedule_key_deletion(
                KeyId=resource.physical_id, PendingWindowInDays=KEY_WAITS
            )

    def _remove_layer(self, layer: str) -> None:
        """Every version: earlier ones are no longer in the stack, and were kept for a rollback only."""
        functions = self.clients("lambda", self.region)
        pages = functions.get_paginator("list_layer_versions").paginate(LayerName=layer)
        versions = [version["Version"] for page in pages for version in page["LayerVersions"]]
        for version in versions:
            functions.delete_layer_version(LayerName=layer, VersionNumber=version)

    def _items(self, table: str) -> str | None:
        seen = self.clients("dynamodb", self.region).scan(TableName=table, Limit=1, ConsistentRead=True)
        return "has items" if seen["Items"] else None

    def _objects(self, bucket: str) -> str | None:
        seen = self.clients("s3", self.region).list_object_versions(Bucket=bucket, MaxKeys=1)
        if not seen.get("Versions") and not seen.get("DeleteMarkers"):
            return None
        return "has locked objects" if self._is_locked(bucket) else "has objects, or earlier versions of them"

    def _is_locked(self, bucket: str) -> bool:
        try:
            self.clients("s3", self.region).get_object_lock_configuration(Bucket=bucket)
        except ClientError as error:
            if _code(error) == "ObjectLockConfigurationNotFoundError":
                return False
            raise
        return True

    def _backups(self, vault: str) -> str | None:
        seen = self.clients("backup", self.region).describe_backup_vault(BackupVaultName=vault)
        count = seen.get("NumberOfRecoveryPoints", 0)
        return f"has {count} backups" if count else None

    def _protection(self, name: str) -> str | None:
        table = self.clients("dynamodb", self.region).describe_table(TableName=name)["Table"]
        if not table.get("DeletionProtectionEnabled"):
            return None
        return (
            f"the table {name} is protected from deletion: turn that off in DynamoDB's console, or by aws dynamodb "
            f"update-table --region {self.region} --table-name {name} --no-deletion-protection-enabled"
        )

    def _recording(self, trail: str) -> str | None:
        if not self.clients("cloudtrail", self.region).get_trail_status(Name=trail)["IsLogging"]:
            return None
        return (
            f"the trail {trail} writes on, so that its bucket is never empty: stop it by aws cloudtrail stop-logging "
            f"--region {self.region} --name {trail}, and empty its bucket only when nothing more arrives there"
        )

    def _messages(self, queue: str) -> str | None:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        seen = self.clients("sqs", self.region).get_queue_attributes(
            QueueUrl=queue, AttributeNames=list(names)
        )
        count = sum(int(seen["Attributes"][name]) for name in names)
        return f"has {count} messages" if count else None


def _is_missing(error: ClientError) -> bool:
    return _code(error) in _MISSING


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
