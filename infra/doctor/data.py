"""Whether what must never be lost is kept as it should be."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.deployment.remains import BUCKET, TABLE
from infra.deployment.stacks import region_of
from infra.doctor.findings import Finding, Patient, ok, wrong

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOCKED = frozenset({"Archive", "Replica", "Heads"})
"""What templates call the buckets whose objects are locked."""
_AGAIN = "Find out who changed it, and set it again, in the console, as the template says."


def tables(patient: Patient) -> Iterator[Finding]:
    """Whether a table can be restored to any moment, and forgets what it should."""
    for stack, resource in patient.resources(TABLE):
        dynamodb = patient.deployer.clients("dynamodb", region_of(stack, patient.deployer.environment))
        table = dynamodb.describe_table(TableName=resource.physical_id)["Table"]
        backups = dynamodb.describe_continuous_backups(TableName=resource.physical_id)[
            "ContinuousBackupsDescription"
        ]
        forgets = dynamodb.describe_time_to_live(TableName=resource.physical_id)["TimeToLiveDescription"]
        faults = {
            "cannot be restored to a moment (point-in-time recovery is off)": backups.get(
                "PointInTimeRecoveryDescription", {}
            ).get("PointInTimeRecoveryStatus")
            != "ENABLED",
            "does not forget what has expired (time to live is off)": forgets.get("TimeToLiveStatus")
            not in {"ENABLED", "ENABLING"},
            "has no stream, so that no job is woken": not table.get("StreamSpecification", {}).get(
                "StreamEnabled"
            ),
            "can be deleted": patient.deployer.environment.protected
            and not table.get("DeletionProtectionEnabled"),
        }
        yield from _told(resource.physical_id, faults)


def buckets(patient: Patient) -> Iterator[Finding]:
    """Whether a bucket keeps what it holds, for itself."""
    for stack, resource in patient.resources(BUCKET):
        s3 = patient.deployer.clients("s3", region_of(stack, patient.deployer.environment))
        yield from _told(
            resource.physical_id, _faults(s3, resource.physical_id, locks=resource.logical_id in LOCKED)
        )


def _faults(s3: "S3Client", bucket: str, *, locks: bool) -> dict[str, bool]:
    """What may be wrong with a bucket, and whether it is."""
    closed = _setting(lambda: s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"])
    encrypted = _setting(lambda: s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"])
    faults = {
        "does not keep earlier versions": s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled",
        "can be opened to everybody (public access is not blocked)": not closed or not all(closed.values()),
        "is not encrypted": not encrypted,
    }
    if locks:
        lock = _setting(lambda: s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"])
        faults["does not lock what it holds"] = (lock or {}).get("ObjectLockEnabled") != "Enabled"
    return faults


def _setting(read: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """A setting, None when the bucket does not have it."""
    try:
        return read()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:  # noqa: PLR2004 — HTTP's own
            return None
        raise


def _told(name: str, faults: Mapping[str, bool]) -> Iterator[Finding]:
    found = [text for text, is_so in faults.items() if is_so]
    if found:
        yield from (wrong(f"{name} {text}", _AGAIN) for text in found)
    else:
        yield ok(f"{name} is kept as it should be")
