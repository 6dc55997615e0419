"""The bucket of what is deployed: archives and templates by the digest of their content, and what was released.

It makes itself. Nothing in it is overwritten but a release's own record, the lock and the lists of leftovers,
and nothing expires: a rollback needs it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.deployment.clients import Caller
from infra.deployment.errors import DeploymentError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ARTEFACTS = "artefacts/"
_KEPT_DAYS = 365
"""For how long earlier versions of records are kept."""


_NOT_FOUND = 404
_NOT_AS_SEEN = frozenset({_NOT_FOUND, 409, 412})
"""What S3 answers when there is something else, nothing more, or somebody who writes in the same moment."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An object, and what S3 knows this state of it by."""

    content: bytes
    etag: str


@dataclass(frozen=True, kw_only=True)
class Depot:
    """One environment's bucket. It must be the caller's own account's: others can guess its name, and take it."""

    s3: "S3Client"
    bucket: str
    caller: Caller
    region: str

    def make(self) -> bool:
        """Make the bucket unless it is there, and set it up; answers whether it was new.

        Raises DeploymentError when somebody else has a bucket of that name.
        """
        new = not self.exists()
        if new:
            place: Any = (
                {}
                if self.region == "us-east-1"
                else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
            )
            self.s3.create_bucket(Bucket=self.bucket, ObjectOwnership="BucketOwnerEnforced", **place)
        self._set_up()
        return new

    def exists(self) -> bool:
        """Whether it is there. Raises DeploymentError when it is not ours."""
        try:
            self.s3.head_bucket(Bucket=self.bucket, ExpectedBucketOwner=self.caller.account)
        except ClientError as error:
            if _status(error) == _NOT_FOUND:
                return False
            raise DeploymentError(
                f"The bucket {self.bucket} is not ours, or may not be read: {error}\nIf it belongs to another "
                "account, choose another prefix."
            ) from error
        return True

    def _set_up(self) -> None:
        self.s3.put_public_access_block(
            Bucket=self.bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.s3.put_bucket_encryption(
            Bucket=self.bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(self._only_tls()))
        self.s3.put_bucket_lifecycle_configuration(
            Bucket=self.bucket,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": "forget-old-versions",
                        "Status": "Enabled",
                        "Filter": {"Prefix": ""},
                        "NoncurrentVersionExpiration": {"NoncurrentDays": _KEPT_DAYS},
                    }
                ]
            },
        )

    def _only_tls(self) -> dict[str, Any]:
        arn = f"arn:{self.caller.partition}:s3:::{self.bucket}"
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "OnlyTls",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [arn, f"{arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }

    def keep(self, content: bytes, suffix: str) -> tuple[str, bool]:
        """Put the content under its own digest unless it is there already; answers its key, and whether it was new."""
        key = f"{_ARTEFACTS}{hashlib.sha256(content).hexdigest()}{suffix}"
        try:
            self.s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=content,
                IfNoneMatch="*",
                ExpectedBucketOwner=self.caller.account,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "PreconditionFailed":
                return key, False
            raise
        return key, True

    def keep_file(self, path: Path) -> tuple[str, bool]:
        """The same for a file. What is there already is not sent again."""
        content = path.read_bytes()
        key = f"{_ARTEFACTS}{hashlib.sha256(content).hexdigest()}{path.suffix}"
        return (key, False) if self.has(key) else self.keep(content, path.suffix)

    def has(self, key: str) -> bool:
        """Whether something is under the key."""
        try:
            self.s3.head_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=self.caller.account)
        except ClientError as error:
            if _status(error) == _NOT_FOUND:
                return False
            raise
        return True

    def read(self, key: str) -> bytes:
        """What is under the key."""
        return self.s3.get_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=self.caller.account)[
            "Body"
        ].read()

    def write(self, key: str, content: bytes) -> None:
        """Put a record there; its earlier versions are kept."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, ExpectedBucketOwner=self.caller.account)

    def look(self, key: str) -> Seen | None:
        """What is under the key now, None when nothing is."""
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=self.caller.account)
        except ClientError as error:
            if _status(error) == _NOT_FOUND:
                return None
            raise
        return Seen(content=found["Body"].read(), etag=found["ETag"])

    def swap(self, key: str, content: bytes, *, seen: str | None) -> str | None:
        """Put the content there if that is still in the state that was `seen`, None if nothing was.

        Answers the new state, None when somebody else was there. No two contents may be the same: so a call that comes
        twice, because its answer was lost, finds its own.
        """
        expected: Any = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": seen}
        try:
            put = self.s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=content,
                ExpectedBucketOwner=self.caller.account,
                **expected,
            )
        except ClientError as error:
            if _status(error) not in _NOT_AS_SEEN:
                raise
            there = self.look(key)
            return there.etag if there is not None and there.content == content else None
        return put["ETag"]

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that begin so, in their order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            yield from (one["Key"] for one in page.get("Contents", ()))

    def remove(self) -> None:
        """Take the bucket away, with everything in it."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        for page in pages:
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                self.s3.delete_object(Bucket=self.bucket, Key=one["Key"], VersionId=one["VersionId"])
        self.s3.delete_bucket(Bucket=self.bucket)

    def url(self, key: str) -> str:
        """Where CloudFormation finds it, read with the caller's own rights."""
        return f"{self.s3.meta.endpoint_url}/{self.bucket}/{key}"


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
