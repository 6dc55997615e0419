"""What holds data is encrypted, can be got back, and is nobody else's (clauses 5.2.1, 5.3.1)."""

from collections.abc import Iterator
from typing import Any

from chalicelib.identity.store import SessionRecord
from infra.checks.findings import Finding
from infra.checks.templates import listed, of_type, statements, text_of
from infra.checks.tree import DATA, RECOVERY, Tree

LOCKED = {(DATA, "Archive"), (RECOVERY, "Replica"), (RECOVERY, "Heads")}
"""Buckets whose objects nobody may change: without a lock they are no archive."""
OWN_KEYS: dict[tuple[str, str], str] = {
    (DATA, "Site"): "CloudFront would need our key, and what is there is published",
    (RECOVERY, "Heads"): "its writer is of another account",
    ("edge-global.yaml", "Logs"): "CloudFront cannot use a key of ours",
}
"""Buckets that are encrypted with S3's own key, each with its reason."""
WITH_ACLS: dict[tuple[str, str], str] = {
    ("edge-global.yaml", "Logs"): "CloudFront writes its logs with an ACL",
}
"""Buckets that take ACLs, each with its reason."""
_ALL_BLOCKED = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
_HOLD_DATA = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Backup::BackupVault"}


def table(tree: Tree) -> Iterator[Finding]:
    """Point-in-time recovery, expiry by the attribute that the code writes, images in the stream, a key of ours."""
    for name, one in of_type(tree.data, "AWS::DynamoDB::Table").items():

        def finding(message: str, name: str = name) -> Finding:
            return Finding(file=DATA, where=name, message=message)

        if one.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled") is not True:
            yield finding("has no point-in-time recovery")
        written = SessionRecord.expires_at.attr_name
        expiry = one.get("TimeToLiveSpecification", {})
        if expiry.get("AttributeName") != written or expiry.get("Enabled") is not True:
            yield finding(f"nothing expires: records say when in {written}")
        if one.get("StreamSpecification", {}).get("StreamViewType") != "NEW_IMAGE":
            yield finding("its stream does not hold new images, which the event filters look into")
        encryption = one.get("SSESpecification", {})
        if encryption.get("SSEType") != "KMS" or "KMSMasterKeyId" not in encryption:
            yield finding("is not encrypted with a key of ours")
        if one.get("DeletionProtectionEnabled") not in ({"Ref": "Protect"}, True):
            yield finding("its deletion is not refused where Protect says so")


def buckets(tree: Tree) -> Iterator[Finding]:
    """Closed, versioned, encrypted, without ACLs, and rid of broken uploads."""
    for file, template in tree.stacks.items():
        for name, one in of_type(template, "AWS::S3::Bucket").items():
            for message in _bucket_faults((file, name), one):
                yield Finding(file=file, where=name, message=message)


def _bucket_faults(which: tuple[str, str], one: dict[str, Any]) -> Iterator[str]:
    block = one.get("PublicAccessBlockConfiguration", {})
    if opened := _ALL_BLOCKED - {key for key, value in block.items() if value is True}:
        yield f"is not closed to the public: {', '.join(sorted(opened))}"
    if one.get("VersioningConfiguration") != {"Status": "Enabled"}:
        yield "is not versioned"
    (rule,) = one.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [{}])
    default = rule.get("ServerSideEncryptionByDefault", {})
    if which in OWN_KEYS:
        if default.get("SSEAlgorithm") != "AES256":
            yield f"must be encrypted with S3's own key: {OWN_KEYS[which]}"
    elif default.get("SSEAlgorithm") != "aws:kms" or "KMSMasterKeyID" not in default:
        yield "is not encrypted with a key of ours"
    elif rule.get("BucketKeyEnabled") is not True:
        yield "asks KMS for every object: BucketKeyEnabled is missing"
    ownership = "BucketOwnerPreferred" if which in WITH_ACLS else "BucketOwnerEnforced"
    if one.get("OwnershipControls", {}).get("Rules") != [{"ObjectOwnership": ownership}]:
        yield f"does not say {ownership}"
    rules = one.get("LifecycleConfiguration", {}).get("Rules", [])
    if not any("AbortIncompleteMultipartUpload" in each for each in rules):
        yield "keeps broken uploads for ever"


def locks(tree: Tree) -> Iterator[Finding]:
    """Object Lock in GOVERNANCE mode: COMPLIANCE could be undone by nobody, and permanence is a matter of terms."""
    for file, name in sorted(LOCKED):
        one = of_type(tree.stacks[file], "AWS::S3::Bucket").get(name, {})
        retention = one.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
        if one.get("ObjectLockEnabled") is not True or retention.get("Mode") != "GOVERNANCE":
            yield Finding(file=file, where=name, message="its objects are not locked in GOVERNANCE mode")
        expiring = [r["Id"] for r in one.get("LifecycleConfiguration", {}).get("Rules", []) if _expires(r)]
        if expiring:
            yield Finding(file=file, where=name, message=f"forgets objects: {', '.join(expiring)}")


def _expires(rule: dict[str, Any]) -> bool:
    return any(key in rule for key in ("ExpirationInDays", "ExpirationDate", "NoncurrentVersionExpiration"))


def replication(tree: Tree) -> Iterator[Finding]:
    """The archive is copied whole, encrypted, without deletions, and from a versioned bucket as S3 demands."""

    def finding(message: str) -> Finding:
        return Finding(file=DATA, where="Archive", message=message)

    archive = of_type(tree.data, "AWS::S3::Bucket")["Archive"]
    match archive.get("ReplicationConfiguration"):
        case {"Fn::If": ["Replicates", {"Rules": [rule]}, {"Ref": "AWS::NoValue"}]}:
            pass
        case _:
            yield finding("is not copied where ReplicaBucketArn is given")
            return
    if archive.get("VersioningConfiguration") != {"Status": "Enabled"}:
        yield finding("is to be copied and is not versioned")
    if rule["Status"] != "Enabled" or rule["Filter"] != {"Prefix": ""}:
        yield finding("is not copied whole")
    if rule["DeleteMarkerReplication"] != {"Status": "Disabled"}:
        yield finding("copies deletions")
    if "ReplicaKmsKeyID" not in rule["Destination"].get("EncryptionConfiguration", {}):
        yield finding("its copies are encrypted with no key of ours")
    if rule.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects") != {"Status": "Enabled"}:
        yield finding("its objects are encrypted by KMS, and such are not copied")


def keys(tree: Tree) -> Iterator[Finding]:
    """Each key turns every year, has an alias, and is used through services of this account only.

    A key pair cannot turn: what it signed is verified by the public half that people have.
    """
    for file, template in tree.stacks.items():
        aliased = {text_of(one["TargetKeyId"]) for one in of_type(template, "AWS::KMS::Alias").values()}
        for name, one in of_type(template, "AWS::KMS::Key").items():
            if one.get("KeyUsage") != "SIGN_VERIFY" and one.get("EnableKeyRotation") is not True:
                yield Finding(file=file, where=name, message="does not turn every year")
            if f"${{{name}}}" not in aliased:
                yield Finding(file=file, where=name, message="has no alias")
            for statement in statements(one["KeyPolicy"]):
                condition = statement.get("Condition", {}).get("StringEquals", {})
                if (
                    statement["Principal"] == {"AWS": "*"}
                    and not {"kms:CallerAccount", "kms:ViaService"} <= condition.keys()
                ):
                    yield Finding(file=file, where=name, message=f"{statement['Sid']}: anybody may use it")


def encrypted_in_transit(tree: Tree) -> Iterator[Finding]:
    """Every bucket, queue and topic refuses what does not come by TLS."""
    policed = (
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket", "s3:*"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues", "sqs:*"),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics", "sns:Publish"),
    )
    for file, template in tree.stacks.items():
        for kind, policy_kind, of, action in policed:
            refusing = {
                text_of(each).strip("${}")
                for policy in of_type(template, policy_kind).values()
                for each in listed(policy[of])
                if any(
                    _refuses_plain(statement, action) for statement in statements(policy["PolicyDocument"])
                )
            }
            for name in of_type(template, kind).keys() - refusing:
                yield Finding(file=file, where=name, message="takes what does not come by TLS")


def _refuses_plain(statement: dict[str, Any], action: str) -> bool:
    return (
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] == action
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    )


def kept(tree: Tree) -> Iterator[Finding]:
    """What holds data stays when its stack goes; a queue stays when an update replaces it."""
    for file, template in tree.stacks.items():
        for name, one in template["Resources"].items():
            policies = (one.get("DeletionPolicy"), one.get("UpdateReplacePolicy"))
            if one["Type"] in _HOLD_DATA and policies != ("Retain", "Retain"):
                yield Finding(file=file, where=name, message="holds data and goes with its stack")
            if file == DATA and one["Type"] == "AWS::SQS::Queue" and policies[1] != "Retain":
                yield Finding(
                    file=file, where=name, message="goes when an update replaces it, with all that is in it"
                )
