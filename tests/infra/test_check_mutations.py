"""Every check finds what it is for: one small fault at a time in a copy of the infrastructure, and who tells of it."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.checks import lint
from infra.checks.catalogue import QUICK, SLOW, findings
from infra.checks.findings import Check
from infra.checks.node import VALIDATOR
from infra.checks.runbooks import RUNBOOKS
from infra.checks.schedules import fault_of
from infra.checks.templates import merged, without
from infra.checks.tree import APP, DATA, DEPARTMENT, EDGE, EDGE_GLOBAL, RECOVERY, ROOT, WATCH, Tree
from infra.templates import parse

FOLDERS = ("stacks", "workflows", "roles", "chalice")
STACKS, WORKFLOWS, ROLES = "infra/stacks", "infra/workflows", "infra/roles"
CONFIG = "infra/chalice/config.json"
PROD = f"{STACKS}/params/prod.json"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A small edit: after `anchor`, the first `old` becomes `new`. Without either the file goes.

    `where` is the resource, state or parameter that the finding must name.
    """

    caught_by: str
    file: str
    old: str
    new: str
    where: str
    anchor: str = ""


def in_data(caught_by: str, anchor: str, old: str, new: str, where: str | None = None) -> Fault:
    """A fault in a resource of data.yaml."""
    return Fault(
        caught_by=caught_by,
        file=f"{STACKS}/{DATA}",
        anchor=f"\n  {anchor}:\n",
        old=old,
        new=new,
        where=where or anchor,
    )


def in_app(caught_by: str, anchor: str, old: str, new: str, where: str | None = None) -> Fault:
    """A fault in a resource of app.yaml."""
    return Fault(
        caught_by=caught_by,
        file=f"{STACKS}/{APP}",
        anchor=f"\n  {anchor}:\n",
        old=old,
        new=new,
        where=where or anchor,
    )


def in_prod(caught_by: str, old: str, new: str, where: str) -> Fault:
    """A fault in the parameters of production."""
    return Fault(caught_by=caught_by, file=PROD, old=old, new=new, where=where)


ARN = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:%s"
ARN_OF_RECORDS = ARN % ("dynamodb", "table/${Prefix}-records")
ARN_OF_REVIEW = ARN % ("states", "stateMachine:${Prefix}-review")
TLS_ONLY = 'Condition: {Bool: {aws:SecureTransport: "false"}}'
KEYED = 'SSEAlgorithm: "aws:kms", KMSMasterKeyID: !GetAtt Key.Arn'
ONE_BY_ONE = "            FunctionResponseTypes: [ReportBatchItemFailures]\n"
RETAINED = "    DeletionPolicy: Retain\n"

FAULTS: Mapping[str, Fault] = {
    # The table
    "no point-in-time recovery": in_data(
        "table", "Records", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"
    ),
    "expiry by another attribute": in_data(
        "table", "Records", "AttributeName: expires_at", "AttributeName: expires"
    ),
    "expiry off": in_data("table", "Records", "expires_at, Enabled: true", "expires_at, Enabled: false"),
    "another stream view": in_data("table", "Records", "NEW_IMAGE", "KEYS_ONLY"),
    "a key of AWS's for the table": in_data(
        "table", "Records", ", SSEType: KMS, KMSMasterKeyId: !GetAtt Key.Arn", ""
    ),
    "no deletion protection": in_data("table", "Records", "!Ref Protect", "false"),
    # Buckets
    "the archive open to the public": in_data(
        "buckets", "Archive", "BlockPublicPolicy: true", "BlockPublicPolicy: false"
    ),
    "attachments not versioned": in_data(
        "buckets", "Uploads", "      VersioningConfiguration: {Status: Enabled}\n", ""
    ),
    "attachments without a key of ours": in_data("buckets", "Uploads", KEYED, "SSEAlgorithm: AES256"),
    "the site with a key that CloudFront lacks": in_data("buckets", "Site", "SSEAlgorithm: AES256", KEYED),
    "broken uploads kept for ever": in_data(
        "buckets",
        "Site",
        "AbortIncompleteMultipartUpload: {DaysAfterInitiation: 2}",
        "ExpirationInDays: 9999",
    ),
    "ACLs again": in_data("buckets", "Archive", "BucketOwnerEnforced", "ObjectWriter"),
    "Object Lock off": in_data("locks", "Archive", "ObjectLockEnabled: true", "ObjectLockEnabled: false"),
    "a lock that nobody can undo": in_data("locks", "Archive", "Mode: GOVERNANCE", "Mode: COMPLIANCE"),
    "an archive that forgets": in_data(
        "locks",
        "Archive",
        "            AbortIncompleteMultipartUpload: {DaysAfterInitiation: 2}\n",
        "            AbortIncompleteMultipartUpload: {DaysAfterInitiation: 2}\n            ExpirationInDays: 30\n",
    ),
    "replication without versioning": in_data(
        "replication", "Archive", "VersioningConfiguration: {Status: Enabled}", "Tags: []"
    ),
    "deletions copied": in_data(
        "replication",
        "Archive",
        "DeleteMarkerReplication: {Status: Disabled}",
        "DeleteMarkerReplication: {Status: Enabled}",
    ),
    "encrypted objects not copied": in_data(
        "replication",
        "Archive",
        "              SourceSelectionCriteria: {SseKmsEncryptedObjects: {Status: Enabled}}\n",
        "",
    ),
    "the signed heads unlocked": Fault(
        caught_by="locks",
        file=f"{STACKS}/{RECOVERY}",
        anchor="\n  Heads:\n",
        old="      ObjectLockEnabled: true\n",
        new="",
        where="Heads",
    ),
    # Keys and TLS
    "a key that never turns": in_data("keys", "Key", "EnableKeyRotation: true", "EnableKeyRotation: false"),
    "a key for everybody": in_data(
        "keys", "Key", '                kms:CallerAccount: !Ref "AWS::AccountId"\n', ""
    ),
    "plain HTTP to the archive": in_data("encrypted-in-transit", "ArchivePolicy", TLS_ONLY, "", "Archive"),
    "plain HTTP to a queue": in_data("encrypted-in-transit", "SignInPolicy", TLS_ONLY, "", "SignIn"),
    "plain HTTP to a department's queue": Fault(
        caught_by="encrypted-in-transit",
        file=f"{STACKS}/{DEPARTMENT}",
        anchor="\n  RepliesPolicy:\n",
        old="Effect: Deny",
        new="Effect: Allow",
        where="Replies",
    ),
    # What stays
    "a table that goes with its stack": in_data("kept", "Records", RETAINED, ""),
    "an archive that an update replaces": in_data("kept", "Archive", "    UpdateReplacePolicy: Retain\n", ""),
    "a queue that an update empties": in_data(
        "kept", "Notices", "UpdateReplacePolicy: Retain", "UpdateReplacePolicy: Delete"
    ),
    # Queues
    "no dead letters": in_data(
        "dead-letters",
        "Notices",
        """      RedrivePolicy:
        deadLetterTargetArn: !GetAtt NoticesDeadLetters.Arn
        maxReceiveCount: 8
""",
        "",
    ),
    "dead letters that are soon gone": in_data(
        "dead-letters", "SignInDeadLetters", "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 3600"
    ),
    "FIFO with plain dead letters": in_data(
        "dead-letters",
        "SignIn",
        'QueueName: !Sub "${Prefix}-sign-in"',
        'QueueName: !Sub "${Prefix}-sign-in.fifo"\n      FifoQueue: true',
    ),
    "a queue in clear": in_data(
        "dead-letters", "MailEvents", "SqsManagedSseEnabled: true", "SqsManagedSseEnabled: false"
    ),
    "a batch fails as a whole": in_app("readers", "SendNotices", ONE_BY_ONE, ""),
    "a stream's failures lost": in_app(
        "readers",
        "PublicationEvents",
        """            DestinationConfig:
              OnFailure:
                Type: SQS
                Destination: !Sub "{{resolve:ssm:/${Prefix}/data/stream-failures-arn}}"
""",
        "",
    ),
    "a department's batch fails as a whole": Fault(
        caught_by="readers",
        file=f"{STACKS}/{DEPARTMENT}",
        old="      FunctionResponseTypes: [ReportBatchItemFailures]\n",
        new="",
        where="Feed",
    ),
    "hidden for too short": in_data(
        "visibility", "UploadsQueue", "VisibilityTimeout: 1800", "VisibilityTimeout: 300"
    ),
    "a department's letter hidden for too short": Fault(
        caught_by="visibility",
        file=f"{STACKS}/{DEPARTMENT}",
        old="VisibilityTimeout: 360",
        new="VisibilityTimeout: 60",
        where="Submissions",
    ),
    "a reader of no queue": in_app("visibility", "SendNotices", "${Prefix}-notices", "${Prefix}-notes"),
    # Functions
    "a role missing": Fault(
        caught_by="roles", file=f"{ROLES}/sweep.json", old="", new="", where="sweep.json"
    ),
    "a role of somebody else": Fault(
        caught_by="roles",
        file=CONFIG,
        old='"sweep": { "iam_policy_file": "roles/sweep.json"',
        new='"sweep": { "iam_policy_file": "roles/deliver.json"',
        where="sweep",
    ),
    "logs kept for ever": in_app("logs", "SweepLogs", ", RetentionInDays: !Ref LogRetentionDays", ""),
    "a log of one's own choice": in_app("logs", "Sweep", "!Ref SweepLogs", "!Ref ApiLogs"),
    "task tokens in the log": in_app(
        "logs-of-machines", "ReviewMachine", "IncludeExecutionData: false", "IncludeExecutionData: true"
    ),
    "paths in the access log": in_app("logs-of-api", "RestAPI", "$context.resourcePath", "$context.path"),
    "bodies in the execution log": in_app(
        "logs-of-api", "RestAPI", 'LoggingLevel: "OFF"', "LoggingLevel: INFO"
    ),
    "a machine without traces": in_app(
        "traces", "PublicationMachine", "Tracing: {Enabled: true}", "Tracing: {Enabled: false}"
    ),
    "an API without a throttle": in_app(
        "throttling", "RestAPI", "          ThrottlingRateLimit: !Ref RequestsPerSecond\n", ""
    ),
    "a queue that takes all": in_app(
        "throttling", "CheckAttachment", "            ScalingConfig: {MaximumConcurrency: 10}\n", ""
    ),
    "a name without the prefix": in_data("names", "Notices", "${Prefix}-notices", "notices"),
    "another name for the table": in_data(
        "known-by-name", "Records", "${Prefix}-records", "${Prefix}-record", "${Prefix}-records"
    ),
    # Permissions
    "a role for every resource": Fault(
        caught_by="permissions-of-roles",
        file=f"{ROLES}/sweep.json",
        anchor='"Sid": "Records"',
        old=f'{{\n        "Fn::Sub": "{ARN_OF_RECORDS}"\n      }}',
        new='"*"',
        where="sweep",
    ),
    "a role for every action": Fault(
        caught_by="permissions-of-roles",
        file=f"{ROLES}/sweep.json",
        old='"dynamodb:PutItem"',
        new='"dynamodb:*"',
        where="sweep",
    ),
    "a role for every table": Fault(
        caught_by="permissions-of-roles",
        file=f"{ROLES}/archive.json",
        old="table/${Prefix}-records",
        new="table/${Prefix}-*",
        where="archive",
    ),
    "a machine that may invoke everything": in_app(
        "permissions-of-roles",
        "ReviewMachine",
        "Resource: [!GetAtt OpenStage.Arn, !GetAtt RemindReviewers.Arn]",
        'Resource: "*"',
        "ReviewMachine.0",
    ),
    "a policy that nobody has read": in_data(
        "permissions-of-roles", "BackupRole", "AWSBackupServiceRolePolicyForBackup", "AdministratorAccess"
    ),
    "a topic for everybody's mails": in_data(
        "permissions-of-resources",
        "MailTopicPolicy",
        '            Condition: {StringEquals: {aws:SourceAccount: !Ref "AWS::AccountId"}}\n',
        "",
    ),
    "alarms of whomever CloudWatch acts for": Fault(
        caught_by="permissions-of-resources",
        file=f"{STACKS}/{WATCH}",
        anchor="\n  AlarmsPolicy:\n",
        old='            Condition: {StringEquals: {aws:SourceAccount: !Ref "AWS::AccountId"}}\n',
        new="",
        where="AlarmsPolicy",
    ),
    # Settings
    "an environment variable that nobody reads": Fault(
        caught_by="settings",
        file=f"{STACKS}/{APP}",
        old="        BASE_URL: !Ref BaseUrl\n",
        new="        BASE_URL: !Ref BaseUrl\n        DESK_URL: !Ref BaseUrl\n",
        where="DESK_URL",
    ),
    "an environment variable that is missing": Fault(
        caught_by="settings",
        file=f"{STACKS}/{APP}",
        old="        MAIL_FROM: !Ref MailFrom\n",
        new="",
        where="MAIL_FROM",
    ),
    "a default of one's own": Fault(
        caught_by="settings",
        file=f"{STACKS}/{APP}",
        old="    Default: 48\n",
        new="    Default: 24\n",
        where="MAX_LATENESS_HOURS",
    ),
    "a password that somebody must give": Fault(
        caught_by="secrets",
        file=f"{STACKS}/{APP}",
        anchor="\n  SmtpPasswordSecret:\n",
        old="    Type: String\n",
        new="    Type: String\n    NoEcho: true\n",
        where="SmtpPasswordSecret",
    ),
    "a password out of a parameter": Fault(
        caught_by="secrets",
        file=f"{STACKS}/{APP}",
        old='!If [HasSmtpPassword, !Sub "{{resolve:secretsmanager:${SmtpPasswordSecret}}}", ""]',
        new="!Ref SmtpPasswordSecret",
        where="SMTP_PASSWORD",
    ),
    # State machines
    "a dangling Next": Fault(
        caught_by="transitions",
        file=f"{WORKFLOWS}/publication.asl.json",
        old='"Next": "LastCheck"',
        new='"Next": "FirstCheck"',
        where="FirstCheck",
    ),
    "an error that nobody raises": Fault(
        caught_by="error-names",
        file=f"{WORKFLOWS}/publication.asl.json",
        old='"TooEarly"',
        new='"TooSoon"',
        where="LastCheck",
    ),
    "a state that ends before its function": Fault(
        caught_by="time-outs",
        file=f"{WORKFLOWS}/publication.asl.json",
        anchor='"Deliver": {',
        old='"TimeoutSeconds": 300',
        new='"TimeoutSeconds": 30',
        where="Deliver",
    ),
    "a wait for a token without an end": Fault(
        caught_by="time-outs",
        file=f"{WORKFLOWS}/review.asl.json",
        old='"States.Timeout", "States.HeartbeatTimeout"',
        new='"States.HeartbeatTimeout"',
        where="Review",
    ),
    "an unused substitution": in_app(
        "substitutions",
        "ReviewMachine",
        "        OpenStageFunction:",
        "        SweepFunction: !GetAtt Sweep.Arn\n        OpenStageFunction:",
    ),
    "a missing substitution": in_app(
        "substitutions", "PublicationMachine", "        ArchiveFunction: !GetAtt Archive.Arn\n", ""
    ),
    "a machine that may not invoke": in_app(
        "substitutions",
        "PublicationMachine",
        "!GetAtt LastCheck.Arn, !GetAtt Deliver.Arn, !GetAtt Archive.Arn]",
        "!GetAtt LastCheck.Arn, !GetAtt Deliver.Arn]",
    ),
    "a workflow that China refuses": Fault(
        caught_by="partitions",
        file=f"{WORKFLOWS}/review.asl.json",
        old="arn:${Partition}:",
        new="arn:aws:",
        where="Review",
    ),
    "a state of no kind": Fault(
        caught_by="statelint",
        file=f"{WORKFLOWS}/review.asl.json",
        old='"Type": "Succeed"',
        new='"Type": "Success"',
        where="",
    ),
    # Schedules
    "a bad cron": in_data("schedules", "BackupPlan", "cron(0 18 * * ? *)", "cron(0 18 * * *)"),
    "a cron of an hour that never comes": in_data(
        "schedules", "BackupPlan", "cron(0 18 * * ? *)", "cron(0 24 * * ? *)"
    ),
    "a backup of nothing": in_data(
        "backups", "BackupSelection", "Resources: [!GetAtt Records.Arn]", "Resources: []"
    ),
    "a backup in one region": in_data(
        "backups",
        "BackupPlan",
        "DestinationBackupVaultArn: !Ref BackupVaultArn",
        "DestinationBackupVaultArn: here",
    ),
    # The edge
    "old TLS": Fault(
        caught_by="distributions",
        file=f"{STACKS}/{EDGE}",
        anchor="\n  PublicSite:\n",
        old="TLSv1.2_2021",
        new="TLSv1.1_2016",
        where="PublicSite",
    ),
    "a desk that is cached": Fault(
        caught_by="behaviors",
        file=f"{STACKS}/{EDGE}",
        old="4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
        new="658327ea-f89d-4fab-a63d-7e88639e58f6",
        where="Desk",
    ),
    "the internal part for everybody": Fault(
        caught_by="distributions",
        file=f"{STACKS}/{EDGE}",
        old="WebACLId: !Ref InternalAclArn",
        new="WebACLId: !Ref OpenAclArn",
        where="InternalSite",
    ),
    "the public part shows the internal one": Fault(
        caught_by="origins",
        file=f"{STACKS}/{EDGE}",
        old="OriginPath: /public",
        new="OriginPath: /internal",
        where="PublicSite",
    ),
    "files that act as pages": Fault(
        caught_by="headers",
        file=f"{STACKS}/{EDGE}",
        old="sandbox; default-src",
        new="default-src",
        where="FileHeaders",
    ),
    "pages that run what they were given": Fault(
        caught_by="headers",
        file=f"{STACKS}/{EDGE}",
        old="script-src 'sha256-",
        new="script-src 'unsafe-inline' 'sha256-",
        where="PageHeaders",
    ),
    "a firewall that lets everybody in": Fault(
        caught_by="firewalls",
        file=f"{STACKS}/{EDGE_GLOBAL}",
        anchor="\n  InternalAcl:\n",
        old="DefaultAction: {Block: {}}",
        new="DefaultAction: {Allow: {}}",
        where="InternalAcl",
    ),
    "a firewall without a rate": Fault(
        caught_by="firewalls",
        file=f"{STACKS}/{EDGE_GLOBAL}",
        old="{RateBasedStatement: {AggregateKeyType: IP, Limit: !Ref RequestsOfOneAddress}}",
        new="{IPSetReferenceStatement: {Arn: !GetAtt CompanySet.Arn}}",
        where="OpenAcl",
    ),
    "an API that is open": Fault(
        caught_by="api-is-closed",
        file=f"{STACKS}/{EDGE}",
        anchor="\n  ApiAcl:\n",
        old="DefaultAction: {Block: {}}",
        new="DefaultAction: {Allow: {}}",
        where="ApiAcl",
    ),
    "an edge key in the template": Fault(
        caught_by="api-is-closed",
        file=f"{STACKS}/{EDGE}",
        anchor="OriginCustomHeaders",
        old='!Sub "{{resolve:secretsmanager:${EdgeKeyA}}}"',
        new="an-edge-key-for-everybody-to-read",
        where="Desk",
    ),
    "edge keys among the samples": Fault(
        caught_by="api-is-closed",
        file=f"{STACKS}/{EDGE}",
        anchor="\n  ApiAcl:\n",
        old="SampledRequestsEnabled: false",
        new="SampledRequestsEnabled: true",
        where="ApiAcl",
    ),
    "a second stage that nothing guards": in_app(
        "api-is-closed", "RestAPI", '      OpenApiVersion: "2.0"\n', ""
    ),
    "visitors who choose their address": Fault(
        caught_by="viewers-address",
        file=f"{STACKS}/{EDGE}",
        old='["x-viewer-address"]',
        new='["x-visitor-address"]',
        where="ViewerAddress",
    ),
    "a site for every distribution there is": Fault(
        caught_by="site-is-private",
        file=f"{STACKS}/{DATA}",
        anchor="Sid: CloudFrontReads",
        old="cloudfront::${AWS::AccountId}:distribution/*",
        new="cloudfront::*:distribution/*",
        where="SitePolicy",
    ),
    "a trail that can be changed unseen": Fault(
        caught_by="trail",
        file=f"{STACKS}/{RECOVERY}",
        old="EnableLogFileValidation: true",
        new="EnableLogFileValidation: false",
        where="Trail",
    ),
    # What rings
    "an alarm that does not say what to do": Fault(
        caught_by="runbooks",
        file=f"{STACKS}/{WATCH}",
        anchor="\n    - ErrorsOf${Function}:\n",
        old="docs/runbooks.md#a-function-fails",
        new="",
        where="ErrorsOfSweep",
    ),
    "an event that does not say what to do": Fault(
        caught_by="runbooks",
        file=f"{STACKS}/{WATCH}",
        anchor="\n  Findings:\n",
        old="docs/runbooks.md#guardduty-has-found-something",
        new="",
        where="Findings",
    ),
    "a runbook that is gone": Fault(
        caught_by="runbooks",
        file=RUNBOOKS,
        old="## Nothing is swept",
        new="## Nothing was swept",
        where="NothingSwept",
    ),
    # What stacks hand over
    "handed over under another name": in_data(
        "handed-over", "NoticesQueueUrlParameter", "data/notices-queue-url", "data/notices-queue", "Globals"
    ),
    "handed over to nobody": in_data(
        "handed-over",
        "TableNameParameter",
        "    Type: AWS::SSM::Parameter\n",
        '    Type: AWS::SSM::Parameter\n    Properties: {Type: String, Name: !Sub "/${Prefix}/data/more", Value: x}\n'
        "  Another:\n    Type: AWS::SSM::Parameter\n",
        "/${Prefix}/data/more",
    ),
    "an export again": Fault(
        caught_by="no-exports",
        file=f"{STACKS}/{EDGE}",
        old="    Value: !GetAtt Desk.DomainName\n",
        new="    Value: !GetAtt Desk.DomainName\n    Export: {Name: desk}\n",
        where="DeskDomain",
    ),
    "a reference to nothing": in_data("names-exist", "KeyAlias", "!Ref Key", "!Ref Kay"),
    "a parameter that nobody uses": Fault(
        caught_by="names-exist",
        file=f"{STACKS}/{RECOVERY}",
        old="ExpirationInDays: !Ref TrailRetentionDays",
        new="ExpirationInDays: 400",
        where="TrailRetentionDays",
    ),
    "a cycle in the translated template": Fault(
        caught_by="cycles",
        file=f"{STACKS}/{APP}",
        old=f'REVIEW_MACHINE_ARN: !Sub "{ARN_OF_REVIEW}"',
        new="REVIEW_MACHINE_ARN: !Ref ReviewMachine",
        where="ReviewMachine",
    ),
    # Environments
    "a parameter that the template does not know": in_prod(
        "parameters", '"MailFrom"', '"MailSender": "x", "MailFrom"', "stacks.app.MailSender"
    ),
    "a host with a path": in_prod(
        "parameters", '"desk.imprimatur.example"', '"desk.imprimatur.example/api"', "hosts.desk"
    ),
    "a password in a file": in_prod(
        "parameters",
        '"MailFrom"',
        '"SmtpPasswordSecret": "hunter2", "MailFrom"',
        "stacks.app.SmtpPasswordSecret",
    ),
    "an edge that is believed and not there": in_prod(
        "parameters", '"MailFrom"', '"BehindEdge": "yes", "MailFrom"', "stacks.app.BehindEdge"
    ),
    "an output that nobody puts out": Fault(
        caught_by="outputs",
        file=f"{STACKS}/{RECOVERY}",
        anchor="\nOutputs:\n",
        old="  BackupVaultArn:\n",
        new="  VaultArn:\n",
        where="data.BackupVaultArn",
    ),
    "the host of another environment": in_prod(
        "environments-apart",
        '"news.imprimatur.example"',
        '"news.dev.imprimatur.example"',
        "news.dev.imprimatur.example",
    ),
    "dev in production": in_prod(
        "prod",
        '"MailIdentity": "imprimatur.example"',
        '"MailIdentity": "dev.imprimatur.example"',
        "stacks.app.MailIdentity",
    ),
    "a production that can be deleted": in_prod("prod", '"Protect": true', '"Protect": false', "protected"),
    "a production without copies": in_prod("prod", '"recovery": {', '"recovered": {', "recovery"),
    "a production in one region": in_prod(
        "parameters", "ap-southeast-2", "ap-southeast-1", "recovery_region"
    ),
    "a production that forgets its archive": in_prod(
        "prod-survives",
        '"ArchiveRetentionDays": 3650',
        '"ArchiveRetentionDays": 30',
        "recovery.ArchiveRetentionDays",
    ),
    "a bucket policy with an action that does not exist": in_data(
        "parliament", "SitePolicy", "Action: s3:GetObject", "Action: s3:GetObjects"
    ),
    "an action that does not exist": Fault(
        caught_by="parliament",
        file=f"{ROLES}/sweep.json",
        old='"dynamodb:PutItem"',
        new='"dynamodb:PutItems"',
        where="sweep",
    ),
}
"""Each fault by what is wrong. The order is that of infra/checks/catalogue.py."""

BY_CFN_LINT: Mapping[str, Fault] = {
    "an attribute that a resource does not have": Fault(
        caught_by="cfn-lint",
        file=f"{STACKS}/{DEPARTMENT}",
        anchor="\n  SubmissionsPolicy:\n",
        old="!GetAtt Submissions.Arn",
        new="!GetAtt Submissions.ARN",
        where="SubmissionsPolicy",
    ),
    "a property that a resource does not have": Fault(
        caught_by="cfn-lint",
        file=f"{STACKS}/{DEPARTMENT}",
        old="MaximumMessageSize",
        new="MaximalMessageSize",
        where="Submissions",
    ),
}
"""Faults for which there is no check of our own: cfn-lint knows every resource of AWS."""


@pytest.fixture(scope="module")
def whole() -> Tree:
    return Tree()


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        shutil.copytree(ROOT / "infra" / folder, tmp_path / "infra" / folder)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / RUNBOOKS, tmp_path / RUNBOOKS)
    yield tmp_path
    shutil.rmtree(tmp_path)


def broken(fault: Fault, root: Path, whole: Tree) -> Tree:
    """The copy with the fault in it. What is packaged of it is what Chalice would merge."""
    path = root / fault.file
    if fault.old == fault.new == "":
        path.unlink()
    else:
        text = path.read_text(encoding="utf-8")
        before, anchor, after = text.partition(fault.anchor) if fault.anchor else ("", "", text)
        assert fault.old in after, "the fault no longer fits the file"
        assert anchor == fault.anchor
        path.write_text(before + anchor + after.replace(fault.old, fault.new, 1), encoding="utf-8")
    by_chalice = without(whole.packaged, whole.stacks[APP])
    return Tree(root, packaged=merged(parse((root / STACKS / APP).read_text(encoding="utf-8")), by_chalice))


def check_called(name: str) -> Mapping[str, Check]:
    return {name: {**QUICK, **SLOW}[name]}


def test_nothing_is_wrong_here(whole: Tree) -> None:
    assert list(findings(whole, QUICK)) == []


def test_the_package_of_a_copy_is_the_one_of_chalice(whole: Tree) -> None:
    app = whole.stacks[APP]
    assert merged(app, without(whole.packaged, app)) == whole.packaged


@pytest.mark.parametrize("what", FAULTS)
def test_the_fault_is_found_by_the_check_that_is_there_for_it(what: str, copy: Path, whole: Tree) -> None:
    """Clauses 5.2.1, 5.3.1, 5.4.1."""
    fault = FAULTS[what]
    found = [finding for _, finding in findings(broken(fault, copy, whole), check_called(fault.caught_by))]
    assert fault.where in {finding.where for finding in found}, found
    assert all(finding.message for finding in found)


@pytest.mark.parametrize("what", BY_CFN_LINT)
def test_cfn_lint_finds_what_only_it_knows(what: str, copy: Path, whole: Tree) -> None:
    fault = BY_CFN_LINT[what]
    tree = broken(fault, copy, whole)
    assert fault.where in {finding.where for finding in lint.of_file(tree, DEPARTMENT)}


@pytest.mark.skipif(not VALIDATOR.exists(), reason="make check installs it")
def test_asl_validator_finds_what_is_no_machine(copy: Path, whole: Tree) -> None:
    tree = broken(FAULTS["a state of no kind"], copy, whole)
    (found,) = [finding for _, finding in findings(tree, check_called("asl-validator"))]
    assert found.file == f"{WORKFLOWS}/review.asl.json"


def test_what_is_installed_of_node_is_for_the_node_of_debian_12() -> None:
    locked = json.loads((VALIDATOR.parents[2] / "package-lock.json").read_bytes())["packages"]
    asked = {
        name: re.match(r">= ?(\d+)", one["engines"]["node"])
        for name, one in locked.items()
        if "engines" in one
    }
    assert len(asked) > 5
    assert [name for name, least in asked.items() if least is None or int(least[1]) > 18] == []


def test_every_check_of_our_own_has_a_fault_that_it_finds() -> None:
    assert QUICK.keys() <= {fault.caught_by for fault in FAULTS.values()}
    assert len(FAULTS) >= 25


@pytest.mark.parametrize(
    ("expression", "is_sound"),
    [
        ("rate(5 minutes)", True),
        ("rate(1 minute)", True),
        ("rate(1 minutes)", False),
        ("rate(0 minutes)", False),
        ("rate(5 weeks)", False),
        ("cron(0 18 * * ? *)", True),
        ("cron(0/15 8-18 ? JAN-MAR MON-FRI 2026)", True),
        ("cron(0 10 L * ? *)", True),
        ("cron(0 10 ? * 6#3 *)", True),
        ("cron(0 18 * * * *)", False),
        ("cron(0 18 ? * ? *)", False),
        ("cron(0 18 * * ?)", False),
        ("cron(60 18 * * ? *)", False),
        ("cron(0 18 0 * ? *)", False),
        ("cron(0 18 ? * MOM *)", False),
        ("cron(0 18-8 * * ? *)", False),
        ("cron(*/0 18 * * ? *)", False),
        ("every day", False),
    ],
)
def test_a_schedule_is_sound_or_not(expression: str, is_sound: bool) -> None:  # noqa: FBT001 — a case's answer
    assert (fault_of(expression) is None) is is_sound
