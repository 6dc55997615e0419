"""Creates on the laptop what CloudFormation creates on AWS, from the same template: the two can't drift.

Strict on purpose: a resource type or property that is neither created here nor on the list of what a laptop
cannot honour is an error. So a line added to the template is either real in every test or refused by name.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from infra.local.clients import REGION, Clients
from infra.templates import load

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

ACCOUNT = "123456789012"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
_HANDED = re.compile(r"\{\{resolve:ssm:([^}]+)\}\}")
"""A dynamic reference: what another stack has handed over."""
_NO_VALUE = object()
"""What `AWS::NoValue` stands for: the property is not there."""

NOT_ON_A_LAPTOP = {
    "AWS::CloudWatch::Alarm": "nobody is on call",
    "AWS::S3::BucketPolicy": "the laptop speaks plain HTTP and has one user",
    "AWS::S3::Bucket.LifecycleConfiguration": "nothing lives long enough here",
    "AWS::Lambda::EventSourceMapping.ScalingConfig": "there is one process",
    "DependsOn": "resources come to be in the order in which they refer to each other",
    "AWS::SES::ConfigurationSetEventDestination": "infra/local/mail_events.py puts the events into the queue",
    "AWS::SNS::Topic": "as above: nothing but these events goes through it",
    "AWS::SNS::TopicPolicy": "as above",
    "AWS::SNS::Subscription": "as above",
    "AWS::SQS::QueuePolicy": "as above; the laptop has one user",
    "AWS::KMS::Key.PendingWindowInDays": "no key is ever deleted here",
    "DeletionPolicy": "there are no stacks to delete",
    "UpdateReplacePolicy": "there are no stacks to update",
}
"""Types, `Type.Property` pairs and resource attributes that are left out, each with its reason."""

_SECTIONS = {
    "AWSTemplateFormatVersion": "says nothing",
    "Description": "as above",
    "Rules": "they check what an operator gives; here nobody gives anything",
    "Parameters": "",
    "Conditions": "",
    "Resources": "",
    "Outputs": "",
}
"""The sections of a template that are heeded, or left out for a reason."""


class TemplateError(Exception):
    """The template holds something that would be lost on the laptop, or that it does not define."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A queue that feeds a function, as its event source mapping says."""

    url: str
    function: str
    batch_size: int
    partial: bool
    """Whether the function's `batchItemFailures` are heeded."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What was created.

    `handed` is what the stack hands over to others: names, URLs and ARNs by the names of their SSM parameters,
    without what these begin with. `queues` are the URLs of its queues by their names, without the prefix.
    """

    handed: Mapping[str, str]
    queues: Mapping[str, str]
    feeds: tuple[Feed, ...] = ()


@dataclass(frozen=True)
class _Made:
    """A resource that exists: what Ref gives, and what GetAtt gives by attribute."""

    ref: str
    attributes: Mapping[str, str]


@dataclass
class _Properties:
    """The properties of one resource. Each is taken once; what nobody took is an error."""

    type: str
    left: dict[str, Any]

    def take(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - a property may have any shape
        return self.left.pop(name, default)

    def finish(self) -> None:
        lost = [name for name in self.left if f"{self.type}.{name}" not in NOT_ON_A_LAPTOP]
        if lost:
            raise TemplateError(f"{self.type}: the laptop knows no {', '.join(sorted(lost))}")


class _Aws:
    """The calls that make resources."""

    def __init__(self, clients: Clients, prefix: str) -> None:
        self.prefix = prefix
        self.kms = clients("kms")
        self.handed: dict[str, str] = {}
        self.queues: dict[str, str] = {}
        self.dynamodb: DynamoDBClient = clients("dynamodb")
        self.s3: S3Client = clients("s3")
        self.sqs: SQSClient = clients("sqs")
        self.feeds: list[Feed] = []
        self.sesv2: SESV2Client = clients("sesv2")

    def table(self, properties: _Properties) -> _Made:
        name = properties.take("TableName")
        encryption = properties.take("SSESpecification", {})
        stream = properties.take("StreamSpecification")
        optional = {
            "GlobalSecondaryIndexes": properties.take("GlobalSecondaryIndexes"),
            "StreamSpecification": stream and {"StreamEnabled": True, **stream},
            "SSESpecification": encryption
            and {("Enabled" if key == "SSEEnabled" else key): value for key, value in encryption.items()},
            "DeletionProtectionEnabled": properties.take("DeletionProtectionEnabled") in {True, "true"},
        }
        made = self.dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=properties.take("AttributeDefinitions"),
            KeySchema=properties.take("KeySchema"),
            BillingMode=properties.take("BillingMode"),
            **{key: value for key, value in optional.items() if value is not None},
        )["TableDescription"]
        if expiry := properties.take("TimeToLiveSpecification"):
            self.dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
        if recovery := properties.take("PointInTimeRecoverySpecification"):
            self.dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
        return _Made(name, {"Arn": made["TableArn"], "StreamArn": made.get("LatestStreamArn", "")})

    def bucket(self, properties: _Properties) -> _Made:
        name = properties.take("BucketName")
        self.s3.create_bucket(
            Bucket=name, ObjectLockEnabledForBucket=bool(properties.take("ObjectLockEnabled"))
        )
        if versioning := properties.take("VersioningConfiguration"):
            self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
        if lock := properties.take("ObjectLockConfiguration"):
            self.s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=lock)
        if encryption := properties.take("BucketEncryption"):
            self.s3.put_bucket_encryption(
                Bucket=name,
                ServerSideEncryptionConfiguration={
                    "Rules": [
                        {
                            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
                            "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
                        }
                        for rule in encryption["ServerSideEncryptionConfiguration"]
                    ]
                },
            )
        if ownership := properties.take("OwnershipControls"):
            self.s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=ownership)
        if block := properties.take("PublicAccessBlockConfiguration"):
            self.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
        if cors := properties.take("CorsConfiguration"):
            rules = [
                {"MaxAgeSeconds" if key == "MaxAge" else key: value for key, value in rule.items()}
                for rule in cors["CorsRules"]
            ]
            self.s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": cast("Any", rules)})
        if told := properties.take("NotificationConfiguration"):
            self.s3.put_bucket_notification_configuration(
                Bucket=name, NotificationConfiguration={"QueueConfigurations": _queues_told(told)}
            )
            for each in told["QueueConfigurations"]:
                self._take_test_event(each["Queue"])
        return _Made(
            name,
            {"Arn": f"arn:aws:s3:::{name}", "RegionalDomainName": f"{name}.s3.{REGION}.amazonaws.com"},
        )

    def _take_test_event(self, queue_arn: str) -> None:
        """Take out what S3 sends a queue that it is told of: here every cloud is new, and its queues begin empty."""
        url = self.sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        for message in self.sqs.receive_message(QueueUrl=url).get("Messages", []):
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def queue(self, properties: _Properties) -> _Made:
        name = properties.take("QueueName")
        attributes: Any = {
            key: json.dumps(value) if isinstance(value, dict | bool) else str(value)
            for key in (
                "VisibilityTimeout",
                "MessageRetentionPeriod",
                "MaximumMessageSize",
                "SqsManagedSseEnabled",
                "RedrivePolicy",
            )
            if (value := properties.take(key)) is not None
        }
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.queues[name.removeprefix(f"{self.prefix}-")] = url
        return _Made(url, {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", "QueueName": name})

    def feed(self, properties: _Properties) -> _Made:
        queue = properties.take("EventSourceArn").rpartition(":")[2]
        feed = Feed(
            url=self.sqs.get_queue_url(QueueName=queue)["QueueUrl"],
            function=properties.take("FunctionName"),
            batch_size=properties.take("BatchSize"),
            partial=properties.take("FunctionResponseTypes", []) == ["ReportBatchItemFailures"],
        )
        self.feeds.append(feed)
        return _Made(queue, {})

    def key(self, properties: _Properties) -> _Made:
        made = self.kms.create_key(
            Description=properties.take("Description"),
            Policy=json.dumps(properties.take("KeyPolicy")),
            KeySpec=properties.take("KeySpec", "SYMMETRIC_DEFAULT"),
            KeyUsage=properties.take("KeyUsage", "ENCRYPT_DECRYPT"),
        )["KeyMetadata"]
        if properties.take("EnableKeyRotation"):
            self.kms.enable_key_rotation(KeyId=made["KeyId"])
        return _Made(made["KeyId"], {"Arn": made["Arn"]})

    def alias(self, properties: _Properties) -> _Made:
        name = properties.take("AliasName")
        self.kms.create_alias(AliasName=name, TargetKeyId=properties.take("TargetKeyId"))
        return _Made(name, {})

    def parameter(self, properties: _Properties) -> _Made:
        """Kept here and not in Systems Manager: nothing on a laptop looks there."""
        if properties.take("Type") != "String":
            raise TemplateError("AWS::SSM::Parameter: the laptop knows no Type but String")
        name = properties.take("Name")
        self.handed[name] = properties.take("Value")
        return _Made(name, {})

    def configuration_set(self, properties: _Properties) -> _Made:
        name = properties.take("Name")
        self.sesv2.create_configuration_set(ConfigurationSetName=name)
        return _Made(name, {})


def _queues_told(notification: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of botocore's many shapes
    """CloudFormation's notifications as the API wants them. Raises TemplateError for any but those to queues."""
    if notification.keys() != {"QueueConfigurations"}:
        raise TemplateError("AWS::S3::Bucket: the laptop knows no notification but to queues")
    return [
        {
            "QueueArn": each["Queue"],
            "Events": [each["Event"]],
            "Filter": {"Key": {"FilterRules": each["Filter"]["S3Key"]["Rules"]}},
        }
        for each in notification["QueueConfigurations"]
    ]


@dataclass
class _Stack:
    """One template being created. A resource comes to be when first referred to: order doesn't matter."""

    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    handed: Mapping[str, str]
    makers: Mapping[str, Callable[[_Properties], _Made]]
    made: dict[str, _Made] = field(default_factory=dict)

    def make(self, name: str) -> _Made:
        if name not in self.made:
            if not self.is_wanted(name):
                raise TemplateError(f"{name} is referred to where its Condition does not hold")
            resource = dict(self.template["Resources"][name])
            resource.pop("Condition", None)
            properties = _Properties(resource.pop("Type"), self.resolve(resource.pop("Properties", {})))
            lost = resource.keys() - NOT_ON_A_LAPTOP.keys()
            if lost or properties.type not in self.makers:
                raise TemplateError(f"{name}: the laptop knows no {', '.join(lost) or properties.type}")
            self.made[name] = self.makers[properties.type](properties)
            properties.finish()
        return self.made[name]

    def resolve(self, value: Any) -> Any:  # noqa: ANN401 - a template's values have any shape
        if isinstance(value, dict):
            if function := _function(value):
                return self._evaluate(function, value[function])
            resolved = {key: self.resolve(item) for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not _NO_VALUE}
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NO_VALUE]
        return self._with_what_was_handed(value) if isinstance(value, str) else value

    def _with_what_was_handed(self, text: str) -> str:
        for name in _HANDED.findall(text):
            if name not in self.handed:
                raise TemplateError(f"nobody hands over {name}")
        return _HANDED.sub(lambda found: self.handed[found[1]], text)

    def is_wanted(self, name: str) -> bool:
        """Does the resource's condition, if it has one, hold?"""
        resource = self.template["Resources"][name]
        return "Condition" not in resource or self.holds({"Condition": resource["Condition"]})

    def holds(self, condition: Any) -> bool:  # noqa: ANN401 - as above
        """Evaluate a condition's functions."""
        ((function, argument),) = condition.items()
        match function:
            case "Condition":
                if argument not in self.template.get("Conditions", {}):
                    raise TemplateError(f"there is no Condition called {argument}")
                return self.holds(self.template["Conditions"][argument])
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::Equals":
                first, second = (str(self.resolve(each)) for each in argument)
                return first == second
            case _:
                raise TemplateError(f"the laptop knows no condition {function}")

    def _evaluate(self, function: str, argument: Any) -> Any:  # noqa: ANN401 - as above
        match function:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                return self._attribute(".".join(argument))
            case "Fn::Sub":
                text = re.sub(r"\$\{([\w:.]+)\}", lambda found: str(self._named(found[1])), argument)
                return self._with_what_was_handed(text)
            case "Fn::If":
                condition, yes, no = argument
                return self.resolve(yes if self.holds({"Condition": condition}) else no)
            case _:
                raise TemplateError(f"the laptop knows no {function}")

    def _named(self, name: str) -> Any:  # noqa: ANN401 - as above
        return self._attribute(name) if "." in name else self._ref(name)

    def _ref(self, name: str) -> Any:  # noqa: ANN401 - as above
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self.parameters:
            return self.parameters[name]
        if name not in self.template["Resources"]:
            raise TemplateError(f"nothing is called {name}")
        return self.make(name).ref

    def _attribute(self, path: str) -> str:
        name, _, attribute = path.partition(".")
        if name not in self.template["Resources"]:
            raise TemplateError(f"nothing is called {name}")
        return self.make(name).attributes[attribute]


def _function(value: Mapping[str, Any]) -> str | None:
    """The name of CloudFormation's function, if the mapping is a call of one."""
    names = [name for name in value if name == "Ref" or name.startswith("Fn::")]
    return names[0] if len(names) == len(value) == 1 else None


def create(
    template: Path,
    prefix: str,
    clients: Clients,
    parameters: Mapping[str, str] | None = None,
    handed: Mapping[str, str] | None = None,
) -> Resources:
    """Create every resource of the template with these clients and parameters, and what other stacks handed over.

    Raises TemplateError, naming it, for anything that would be dropped silently.
    """
    content = load(template)
    if unknown := content.keys() - _SECTIONS.keys():
        raise TemplateError(f"{template.name}: the laptop knows no {', '.join(sorted(unknown))}")
    aws = _Aws(clients, prefix)
    stack = _Stack(
        template=content,
        parameters={name: one.get("Default") for name, one in content.get("Parameters", {}).items()}
        | PSEUDO_PARAMETERS
        | {"Prefix": prefix}
        | dict(parameters or {}),
        handed=handed or {},
        makers={
            "AWS::DynamoDB::Table": aws.table,
            "AWS::S3::Bucket": aws.bucket,
            "AWS::SQS::Queue": aws.queue,
            "AWS::Lambda::EventSourceMapping": aws.feed,
            "AWS::SES::ConfigurationSet": aws.configuration_set,
            "AWS::KMS::Key": aws.key,
            "AWS::KMS::Alias": aws.alias,
            "AWS::SSM::Parameter": aws.parameter,
        },
    )
    for name, resource in content["Resources"].items():
        if resource["Type"] not in NOT_ON_A_LAPTOP and stack.is_wanted(name):
            stack.make(name)
    begins = re.compile(rf"/{re.escape(prefix)}/[^/]+/")
    return Resources(
        handed={begins.sub("", name): value for name, value in aws.handed.items()},
        queues=aws.queues,
        feeds=tuple(aws.feeds),
    )
