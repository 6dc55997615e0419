"""Nobody may more than he needs: no wildcard actions, no resource that is everything (clause 5.3.1)."""

import re
from collections.abc import Iterator
from typing import Any

from infra.checks.findings import Finding
from infra.checks.templates import listed, of_type, statements, text_of
from infra.checks.tree import PACKAGED, Tree

NO_RESOURCES = {
    "xray:PutTraceSegments": "X-Ray knows no resources",
    "xray:PutTelemetryRecords": "as above",
    "dynamodb:ListStreams": "listing names no stream",
    "logs:CreateLogDelivery": "CloudWatch knows no resources for the delivery of logs",
    "logs:GetLogDelivery": "as above",
    "logs:UpdateLogDelivery": "as above",
    "logs:DeleteLogDelivery": "as above",
    "logs:ListLogDeliveries": "as above",
    "logs:PutResourcePolicy": "as above",
    "logs:DescribeResourcePolicies": "as above",
    "logs:DescribeLogGroups": "as above",
}
"""Actions for which AWS takes no resource but `*`, each with its reason."""
SEVERAL_NAMES = {
    "${Prefix}-submissions-*": "each department has a queue of its own",
    "${Prefix}-submission-replies-*": "as above",
    "${Prefix}-submission-dead-letters-*": "as above",
}
"""Names with a wildcard, each with its reason."""
OF_A_KEY = {"kms:*", "kms:ReEncrypt*", "kms:GenerateDataKey*"}
"""What a key's own policy may say: in it `*` is the key itself, and AWS says ReEncrypt and GenerateDataKey so."""
MANAGED = {
    "AWSBackupServiceRolePolicyForBackup": "what AWS Backup needs changes with what it learns to do",
    "AmazonAPIGatewayPushToCloudWatchLogs": "what API Gateway needs for an account's logs, as AWS says it",
}
"""AWS's own policies that a role may have, each with its reason."""
FOR_ANYBODY = {
    ("events.amazonaws.com", "sns:Publish"): "EventBridge tells SNS nothing that a condition could look at"
}
"""What a service may do for whomever it acts, each with its reason."""


def of_roles(tree: Tree) -> Iterator[Finding]:
    """What functions, machines and services may do."""
    documents = {(f"infra/roles/{name}.json", name): role for name, role in tree.roles.items()}
    for file, template in tree.deployed.items():
        for name, machine in of_type(template, "AWS::Serverless::StateMachine").items():
            documents |= {
                (file, f"{name}.{n}"): policy for n, policy in enumerate(machine.get("Policies", []))
            }
        for name, role in of_type(template, "AWS::IAM::Role").items():
            if file != PACKAGED or name not in _made_by_chalice(tree):
                documents |= {
                    (file, f"{name}.{n}"): policy["PolicyDocument"]
                    for n, policy in enumerate(role.get("Policies", []))
                }
            for arn in map(text_of, role.get("ManagedPolicyArns", [])):
                if arn.rpartition("/")[2] not in MANAGED:
                    yield Finding(
                        file=file, where=name, message=f"has a policy that nobody here has read: {arn}"
                    )
    for (file, where), document in documents.items():
        for statement in statements(document):
            for message in _faults(statement):
                yield Finding(file=file, where=where, message=message)


def _made_by_chalice(tree: Tree) -> set[str]:
    """Roles whose policy is a file of infra/roles, which is read there."""
    return {
        text_of(function.get("Role")).strip("${}").removesuffix(".Arn")
        for function in of_type(tree.packaged, "AWS::Serverless::Function", "AWS::Lambda::Function").values()
    }


def _faults(statement: dict[str, Any]) -> Iterator[str]:
    if statement["Effect"] != "Allow":
        return
    actions = listed(statement["Action"])
    for action in actions:
        if "*" in action:
            yield f"{action}: name the actions"
    for resource in map(text_of, listed(statement["Resource"])):
        if resource == "*" and not set(actions) <= NO_RESOURCES.keys():
            yield f"{', '.join(actions)}: name the resources"
        elif resource != "*" and "*" in re.sub(r"[/:]\*$", "", resource) and not _is_of_several(resource):
            yield f"{resource}: name the one that is meant"
    if "NotAction" in statement or "NotResource" in statement:
        yield "says what is not meant; say what is"


def _is_of_several(resource: str) -> bool:
    return any(resource.endswith(f":{name}") for name in SEVERAL_NAMES)


def of_resources(tree: Tree) -> Iterator[Finding]:
    """What buckets, queues, topics and keys let others do."""
    for file, template in tree.deployed.items():
        for name, one in template["Resources"].items():
            is_key = one["Type"] == "AWS::KMS::Key"
            document = one.get("Properties", {}).get("KeyPolicy" if is_key else "PolicyDocument")
            if document is None or one["Type"].startswith("AWS::IAM"):
                continue
            for statement in statements(document):
                if statement["Effect"] != "Allow":
                    continue
                for action in listed(statement["Action"]):
                    if "*" in action and not (is_key and action in OF_A_KEY):
                        yield Finding(file=file, where=name, message=f"{action}: name the actions")
                if "*" in (statement["Principal"], *_principals(statement)) and not statement.get(
                    "Condition"
                ):
                    yield Finding(file=file, where=name, message=f"{statement.get('Sid')}: anybody may")
                if _is_a_service(statement) and not _says_for_whom(statement):
                    yield Finding(
                        file=file,
                        where=name,
                        message=f"{statement.get('Sid')}: for whomever the service acts",
                    )


def _principals(statement: dict[str, Any]) -> list[Any]:
    principal = statement["Principal"]
    return (
        [each for value in principal.values() for each in listed(value)]
        if isinstance(principal, dict)
        else []
    )


def _is_a_service(statement: dict[str, Any]) -> bool:
    return isinstance(statement["Principal"], dict) and "Service" in statement["Principal"]


def _says_for_whom(statement: dict[str, Any]) -> bool:
    asked = {(who, what) for who in _principals(statement) for what in listed(statement["Action"])}
    return asked <= FOR_ANYBODY.keys() or any(
        key in {"aws:SourceArn", "aws:SourceAccount"}
        for test in statement.get("Condition", {}).values()
        for key in test
    )
