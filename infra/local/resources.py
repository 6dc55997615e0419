"""Creates on the laptop what CloudFormation creates on AWS, from the same template: the two can't drift.

Strict on purpose: a resource type or property that is neither created here nor on the list of what a laptop
cannot honour is an error. So a line added to the template is either real in every test or refused by name.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from infra.local.clients import REGION, Clients

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

ACCOUNT = "123456789012"

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
    "DeletionPolicy": "there are no stacks to delete",
    "UpdateReplacePolicy": "there are no stacks to update",
}
"""Types, `Type.Property` pairs and resource attributes that are left out, each with its reason."""


class TemplateError(Exception):
    """The template holds something that would be lost on the laptop, or that it does not define."""


class _Intrinsic(dict[str, Any]):
    """`!Ref X` and the like, in their long form: {"Ref": X}."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> _Intrinsic:
    argument: Any
    if isinstance(node, yaml.ScalarNode):
        argument = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    else:
        raise TemplateError(f"!{suffix} with a mapping")
    return _Intrinsic({suffix: argument})


_Loader.add_multi_constructor("!", _intrinsic)


def load_template(path: Path) -> dict[str, Any]:
    """A template as plain data; `!Ref X` becomes {"Ref": X}, `!Sub` {"Sub": …}, and so on."""
    return _parse(path.read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=8)
def _parse(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    return parsed


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
    """What was created: the template's outputs by name (names, URLs and ARNs), and what feeds functions."""

    outputs: Mapping[str, str]
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

    def __init__(self, clients: Clients) -> None:
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
            "SSESpecification": encryption and {"Enabled": encryption["SSEEnabled"]},
            "DeletionProtectionEnabled": properties.take("DeletionProtectionEnabled"),
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
                        {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
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
        return _Made(name, {"Arn": f"arn:aws:s3:::{name}"})

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
    imports: Mapping[str, str]
    makers: Mapping[str, Callable[[_Properties], _Made]]
    made: dict[str, _Made] = field(default_factory=dict)

    def make(self, name: str) -> _Made:
        if name not in self.made:
            resource = dict(self.template["Resources"][name])
            properties = _Properties(resource.pop("Type"), self.resolve(resource.pop("Properties", {})))
            lost = resource.keys() - NOT_ON_A_LAPTOP.keys()
            if lost or properties.type not in self.makers:
                raise TemplateError(f"{name}: the laptop knows no {', '.join(lost) or properties.type}")
            self.made[name] = self.makers[properties.type](properties)
            properties.finish()
        return self.made[name]

    def resolve(self, value: Any) -> Any:  # noqa: ANN401 - a template's values have any shape
        if isinstance(value, _Intrinsic):
            ((function, argument),) = value.items()
            return self._evaluate(function, argument)
        if isinstance(value, dict) and value.keys() == {"Fn::ImportValue"}:
            return self._imported(self.resolve(value["Fn::ImportValue"]))
        if isinstance(value, dict):
            return {key: self.resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        return value

    def _imported(self, name: str) -> str:
        if name not in self.imports:
            raise TemplateError(f"nobody exports {name}")
        return self.imports[name]

    def _evaluate(self, function: str, argument: Any) -> Any:  # noqa: ANN401 - as above
        match function:
            case "Ref":
                return self._ref(argument)
            case "GetAtt":
                return self._attribute(argument)
            case "Sub":
                return re.sub(r"\$\{([\w:.]+)\}", lambda found: str(self._named(found[1])), argument)
            case _:
                raise TemplateError(f"the laptop knows no !{function}")

    def _named(self, name: str) -> Any:  # noqa: ANN401 - as above
        return self._attribute(name) if "." in name else self._ref(name)

    def _ref(self, name: str) -> Any:  # noqa: ANN401 - as above
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


def create(
    template: Path,
    prefix: str,
    clients: Clients,
    parameters: Mapping[str, str] | None = None,
    imports: Mapping[str, str] | None = None,
) -> Resources:
    """Create every resource of the template with these clients, parameters, and values of other stacks' exports.

    Raises TemplateError, naming it, for anything that would be dropped silently.
    """
    content = load_template(template)
    aws = _Aws(clients)
    stack = _Stack(
        template=content,
        parameters={name: one.get("Default") for name, one in content.get("Parameters", {}).items()}
        | {
            "Prefix": prefix,
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": REGION,
            "AWS::Partition": "aws",
        }
        | dict(parameters or {}),
        imports=imports or {},
        makers={
            "AWS::DynamoDB::Table": aws.table,
            "AWS::S3::Bucket": aws.bucket,
            "AWS::SQS::Queue": aws.queue,
            "AWS::Lambda::EventSourceMapping": aws.feed,
            "AWS::SES::ConfigurationSet": aws.configuration_set,
        },
    )
    for name, resource in content["Resources"].items():
        if resource["Type"] not in NOT_ON_A_LAPTOP:
            stack.make(name)
    return Resources(
        outputs={name: stack.resolve(output["Value"]) for name, output in content["Outputs"].items()},
        feeds=tuple(aws.feeds),
    )
