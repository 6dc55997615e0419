"""Uploads in the table, and files in a bucket of their own.

`uploads/<id>` is what somebody sent, `checked/<id>/<sha256>` what passed the check; both expire. What a submission
uses is copied to `kept/<submission>/<id>`, which never does; a copy that no revision came to name is removed.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from pynamodb.attributes import UnicodeAttribute

from chalicelib.attachment.model import (
    UPLOADS,
    Attachment,
    KeptCopy,
    Refusal,
    Upload,
    UploadState,
    attachment_from_document,
    content_type,
    disposition,
)
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.table import DocumentAttribute, Key, Put, Record

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = frozenset({"NoSuchKey", "404"})
_KEPT = "kept/"
_KEPT_KEY = re.compile(rf"{_KEPT}(s-[a-z2-7]{{20}})/(a-[a-z2-7]{{20}})")


class AttachmentRecord(Record):
    """One upload. It goes by itself when it has expired; what was kept of it stays."""

    state = UnicodeAttribute()
    facts = DocumentAttribute()


def attachment_key(attachment: str) -> Key[AttachmentRecord]:
    """Where an upload is."""
    return Key(AttachmentRecord, f"ATTACHMENT#{attachment}", "ATTACHMENT")


def _put(upload: Upload) -> AttachmentRecord:
    key = attachment_key(upload.file.id)
    return AttachmentRecord(
        pk=key.pk,
        sk=key.sk,
        state=upload.state.value,
        expires_at=int(upload.expires_at.timestamp()) + 1,
        facts={
            "file": upload.file.document(),
            "department": upload.department,
            "uploader": upload.uploader,
            "expires_at": to_text(upload.expires_at),
            "refusal": upload.refusal,
        },
    )


def put_new_upload(upload: Upload) -> Put:
    """Describe an upload's first write. Its id is fresh, and nobody knows it before: a repeat is the same write."""
    return Put(record=_put(upload))


def put_checked_upload(upload: Upload) -> Put:
    """Describe what the check came to: once, the first time stands."""
    return Put(record=_put(upload), condition=AttachmentRecord.state == UploadState.AWAITING_UPLOAD.value)


def read_upload(record: AttachmentRecord) -> Upload:
    """The upload that a record holds."""
    facts = record.facts
    return Upload(
        file=attachment_from_document(facts["file"]),
        department=facts["department"],
        uploader=facts["uploader"],
        state=UploadState(record.state),
        expires_at=from_text(facts["expires_at"]),
        refusal=Refusal(facts["refusal"]) if facts["refusal"] else None,
    )


@dataclass(frozen=True, kw_only=True)
class FileStore:
    """The bucket of attachments. No address but a signed one of a few minutes leads into it."""

    client: "Callable[[], S3Client]"
    bucket: str

    def upload_form(self, file: Attachment, seconds: int) -> dict[str, Any]:
        """The address and the form fields with which exactly this file can be posted for so many seconds.

        S3 itself refuses another size, type, digest or place (clause 1.3.4).
        """
        fields = {
            "Content-Type": file.media_type.value,
            "x-amz-checksum-algorithm": "SHA256",
            "x-amz-checksum-sha256": _base64(file.sha256),
        }
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        return self.client().generate_presigned_post(
            Bucket=self.bucket,
            Key=f"{UPLOADS}{file.id}",
            Fields=fields,
            Conditions=[*conditions, ["content-length-range", file.size, file.size]],
            ExpiresIn=seconds,
        )

    def origin(self) -> str:
        """Scheme, host and port to which `upload_form` posts: what a page must allow that wants to."""
        form = self.client().generate_presigned_post(Bucket=self.bucket, Key=UPLOADS, ExpiresIn=1)
        address = urlsplit(form["url"])
        return f"{address.scheme}://{address.netloc}"

    def uploaded(self, attachment: str, limit: int) -> bytes | None:
        """What was sent, None where nothing was; of more than `limit` bytes only the first of them and one more."""
        try:
            found = self.client().get_object(Bucket=self.bucket, Key=f"{UPLOADS}{attachment}")
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return None
        return found["Body"].read(limit + 1)

    def put_checked(self, file: Attachment, content: bytes) -> None:
        """Store what passed the check, under its own digest: a check that is repeated takes nothing from another."""
        self.client().put_object(
            Bucket=self.bucket,
            Key=_checked(file),
            Body=content,
            ContentType=file.media_type.value,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=_base64(file.sha256),
        )

    def keep(self, submission: str, file: Attachment) -> bool:
        """Copy a checked file to where it never expires; False when it is gone. A repeat changes nothing."""
        try:
            self.client().copy_object(
                Bucket=self.bucket,
                Key=_kept(submission, file),
                CopySource={"Bucket": self.bucket, "Key": _checked(file)},
                ChecksumAlgorithm="SHA256",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return False
        return True

    def holds(self, submission: str, file: Attachment) -> bool:
        """Whether the kept file is there with its very digest, as S3 itself computed it when it was written."""
        try:
            found = self.client().head_object(
                Bucket=self.bucket, Key=_kept(submission, file), ChecksumMode="ENABLED"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return False
        return found.get("ChecksumSHA256") == _base64(file.sha256)

    def kept(self, submission: str, file: Attachment) -> bytes:
        """The bytes of a kept file, whatever they are by now."""
        return self.client().get_object(Bucket=self.bucket, Key=_kept(submission, file))["Body"].read()

    def kept_copies(self) -> Iterator[KeptCopy]:
        """Every copy that was ever made to be kept and is still there, a submission's next to each other."""
        pages = self.client().get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=_KEPT)
        for page in pages:
            for listed in page.get("Versions", ()):
                named = _KEPT_KEY.fullmatch(listed["Key"])
                if named is not None:
                    yield KeptCopy(
                        submission=named[1],
                        attachment=named[2],
                        version=listed["VersionId"],
                        made_at=listed["LastModified"],
                    )

    def remove(self, copy: KeptCopy) -> None:
        """Remove this one copy for good; any other of the same file stays. A repeat changes nothing."""
        key = f"{_KEPT}{copy.submission}/{copy.attachment}"
        self.client().delete_object(Bucket=self.bucket, Key=key, VersionId=copy.version)

    def download_url(self, submission: str, file: Attachment, seconds: int) -> str:
        """An address at which anyone can download the file for so many seconds, under its own name."""
        return self.client().generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": _kept(submission, file),
                "ResponseContentDisposition": disposition(file),
                "ResponseContentType": content_type(file),
            },
            ExpiresIn=seconds,
        )


def _checked(file: Attachment) -> str:
    return f"checked/{file.id}/{file.sha256}"


def _kept(submission: str, file: Attachment) -> str:
    return f"{_KEPT}{submission}/{file.id}"


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
