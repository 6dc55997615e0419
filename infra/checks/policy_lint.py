"""What parliament says of each policy: actions that do not exist, resources that an action does not take."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from infra.checks.findings import Finding
from infra.checks.templates import listed, of_type, statements, text_of
from infra.checks.tree import Tree

KNOWN_BETTER = {
    ("ses:SendEmail", "configuration-set"): "AWS takes it; parliament's list is older",
    ("ses:SendRawEmail", "configuration-set"): "as above",
    ("states:SendTaskSuccess", "stateMachine"): "AWS takes the machine whose token it is",
}
"""Actions on kinds of resources about which parliament is wrong, each with its reason."""
_OF_RESOURCES = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
_ARNS = {
    "ReplicaBucketArn|Site|Archive|Uploads|Replica|Heads|TrailFiles|Logs": "arn:aws:s3:::name",
    r"\w*Queue|\w*DeadLetters|SignIn|Notices|MailEvents|StreamFailures|Submissions|Replies": (
        "arn:aws:sqs:us-east-1:123456789012:name"
    ),
    "MailTopic|Alarms": "arn:aws:sns:us-east-1:123456789012:name",
    r"\w+(?=\.Arn)": "arn:aws:lambda:us-east-1:123456789012:function:name",
}
"""What the resources are, whose ARNs a policy refers to by their names in the template."""
_HANDED = re.compile(r"^\{\{resolve:ssm:/\$\{Prefix}/([\w/-]+)}}$")
_HANDED_ARNS = {
    f"data/{name}-key-arn": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    for name in ("signing", "site")
}
"""What another stack has handed over."""
_PUT_IN = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "MainRegion": "us-east-1",
}


def parliament(tree: Tree) -> Iterator[Finding]:
    """Each role's file, and each policy in a template but those of keys, in which `*` is the key itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources, which tells everybody that it is old
        from parliament import analyze_policy_string  # type: ignore[import-untyped]  # noqa: PLC0415 — it ships none

    for file, where, document in _documents(tree):
        plain = {"Version": "2012-10-17", "Statement": [_plain(each) for each in statements(document)]}
        for found in analyze_policy_string(json.dumps(plain)).findings:
            if not _known_better(found, plain["Statement"]):
                yield Finding(file=file, where=where, message=f"{found.issue} {found.detail}")


def _documents(tree: Tree) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for name, role in tree.roles.items():
        yield f"infra/roles/{name}.json", name, role
    for file, template in tree.deployed.items():
        for name, machine in of_type(template, "AWS::Serverless::StateMachine").items():
            yield from ((file, name, policy) for policy in machine.get("Policies", []))
        if file in tree.stacks:  # the functions' roles in the packaged template are the files above
            for name, role in of_type(template, "AWS::IAM::Role").items():
                yield from ((file, name, policy["PolicyDocument"]) for policy in role.get("Policies", []))
        for name, one in of_type(template, *_OF_RESOURCES).items():
            yield file, name, one["PolicyDocument"]


def _plain(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement with something plausible put in for what a deployment puts in."""
    plain = {**statement, "Resource": [_arn(text_of(each)) for each in listed(statement["Resource"])]}
    for key in ("Principal", "Condition"):
        if isinstance(statement.get(key), dict):
            plain[key] = _put_in_texts(statement[key])
    return plain


def _put_in_texts(value: Any) -> Any:  # noqa: ANN401 — a policy's values have any shape
    match value:
        case {"Ref": "SenderArn" | "HeadsWriterArn"}:
            return "arn:aws:iam::123456789012:role/name"
        case str() | {"Ref": _} | {"Fn::Sub": _} | {"Fn::GetAtt": _}:
            return _arn(text_of(value))
        case dict():
            return {key: _put_in_texts(each) for key, each in value.items()}
        case list():
            return [_put_in_texts(each) for each in value]
    return value


def _arn(text: str) -> str:
    text = _HANDED.sub(lambda found: _HANDED_ARNS[found[1]], text)
    for kind, arn in _ARNS.items():
        text = re.sub(rf"^\$\{{(?:{kind})(?:\.Arn)?}}", arn, text)
    return re.sub(r"\$\{([\w:]+)}", lambda found: _PUT_IN.get(found[1], "name"), text)


def _known_better(found: Any, plain: Any) -> bool:  # noqa: ANN401 — parliament has no types
    """Is every complaint of the finding one about which parliament is wrong?"""
    if found.issue != "RESOURCE_MISMATCH":
        return False
    return all(
        any(
            (complaint["action"], kind) in KNOWN_BETTER
            for statement in plain
            if complaint["action"] in listed(statement["Action"])
            for resource in statement["Resource"]
            for kind in re.findall(r":(configuration-set|stateMachine)[/:]", resource)
        )
        for complaint in found.detail
    )
