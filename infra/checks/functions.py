"""Every function has a role, a name and a log of its own, and says whom it serves in a trace."""

import re
from collections.abc import Iterator

from chalice.utils import to_cfn_resource_name

from infra.checks.findings import Finding
from infra.checks.templates import of_type, text_of
from infra.checks.tree import PACKAGED, Tree

FUNCTION, MACHINE, API = "AWS::Serverless::Function", "AWS::Serverless::StateMachine", "AWS::Serverless::Api"
PLAIN = "AWS::Lambda::Function"
OTHERS = {"renderer": "Renderer"}
"""Handlers that are not Chalice's: each is a package of its own, and still has a role's file, a name and a log."""
_NAMED = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SES::ConfigurationSet": "Name",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SSM::Parameter": "Name",
    "AWS::Backup::BackupVault": "BackupVaultName",
    "AWS::Events::Rule": "Name",
    FUNCTION: "FunctionName",
    PLAIN: "FunctionName",
    MACHINE: "Name",
}
"""What people and other stacks know by its name."""


def roles(tree: Tree) -> Iterator[Finding]:
    """One role per function, made from the file of its name, and no file without a function."""
    config = tree.config["lambda_functions"]
    for name, own in config.items():
        if own.get("iam_policy_file") != f"roles/{name}.json":
            yield Finding(file="infra/chalice/config.json", where=name, message="has no role of its own")
    for name in config.keys() - tree.roles.keys():
        yield Finding(file="infra/roles", where=f"{name}.json", message="is missing")
    for name in tree.roles.keys() - config.keys() - OTHERS.keys():
        yield Finding(file=f"infra/roles/{name}.json", where=name, message="belongs to no function")
    functions = of_type(tree.packaged, FUNCTION, PLAIN)
    given = [text_of(function.get("Role")) for function in functions.values()]
    for name, function in functions.items():
        if given.count(text_of(function.get("Role"))) != 1 or not text_of(function.get("Role")):
            yield Finding(file=PACKAGED, where=name, message="shares its role, or has none")
    for handler in config:
        if _logical(handler) not in functions:
            yield Finding(
                file="infra/chalice/config.json", where=handler, message="is no function of the app"
            )
    for name in functions.keys() - {_logical(handler) for handler in config} - set(OTHERS.values()):
        yield Finding(file=PACKAGED, where=name, message="is not in infra/chalice/config.json")


def _logical(handler: str) -> str:
    """What Chalice calls a handler's function in its template."""
    return "APIHandler" if handler == "api_handler" else str(to_cfn_resource_name(handler))


def logs(tree: Tree) -> Iterator[Finding]:
    """Logs end: every group forgets, and every function writes into its own, as its role lets it."""
    groups = of_type(tree.packaged, "AWS::Logs::LogGroup")
    for name, group in groups.items():
        if "RetentionInDays" not in group:
            yield Finding(file=PACKAGED, where=name, message="keeps logs for ever")
    functions = of_type(tree.packaged, FUNCTION, PLAIN)
    handlers = {_logical(handler): handler for handler in (*tree.config["lambda_functions"], *OTHERS)}
    for name, function in functions.items():
        group = groups.get(text_of(function.get("LoggingConfig", {}).get("LogGroup")).strip("${}"), {})
        wanted = f"/aws/lambda/{text_of(function.get('FunctionName'))}"
        if text_of(group.get("LogGroupName")) != wanted:
            yield Finding(file=PACKAGED, where=name, message=f"does not log into a group called {wanted}")
        role = tree.roles.get(handlers.get(name, ""), {"Statement": []})
        writes = [text_of(s["Resource"]) for s in role["Statement"] if "logs:PutLogEvents" in s["Action"]]
        if not any(resource.endswith(f":log-group:{wanted}:*") for resource in writes):
            yield Finding(
                file=PACKAGED, where=name, message="its role does not let it write into its own log alone"
            )


def logs_of_machines(tree: Tree) -> Iterator[Finding]:
    """Machines log every step, and nothing of what goes through it."""
    for name, machine in of_type(tree.packaged, MACHINE).items():
        logging = machine.get("Logging", {})
        if logging.get("Level") != "ALL" or not logging.get("Destinations"):
            yield Finding(file=PACKAGED, where=name, message="does not log its steps")
        if logging.get("IncludeExecutionData") is not False:
            yield Finding(
                file=PACKAGED, where=name, message="logs what goes through it, task tokens included"
            )


def logs_of_api(tree: Tree) -> Iterator[Finding]:
    """The API logs who asked for which route, no path and no body."""
    for name, api in of_type(tree.packaged, API).items():
        log = api.get("AccessLogSetting", {})
        if "DestinationArn" not in log:
            yield Finding(file=PACKAGED, where=name, message="has no access log")
        if "$context.path" in log.get("Format", ""):
            yield Finding(
                file=PACKAGED, where=name, message="logs paths, which may hold tokens; log the route"
            )
        settings = api.get("MethodSettings", [])
        if any(
            each.get("LoggingLevel") != "OFF" or each.get("DataTraceEnabled") is not False
            for each in settings
        ):
            yield Finding(file=PACKAGED, where=name, message="has an execution log, which holds bodies")


def traces(tree: Tree) -> Iterator[Finding]:
    """A request can be followed from the API through functions and machines."""
    for name, function in of_type(tree.packaged, FUNCTION).items():
        if function.get("Tracing") != "Active":
            yield Finding(file=PACKAGED, where=name, message="is not traced")
    for name, function in of_type(tree.packaged, PLAIN).items():
        if function.get("TracingConfig") != {"Mode": "Active"}:
            yield Finding(file=PACKAGED, where=name, message="is not traced")
    for name, machine in of_type(tree.packaged, MACHINE).items():
        if machine.get("Tracing") != {"Enabled": True}:
            yield Finding(file=PACKAGED, where=name, message="is not traced")
    for name, api in of_type(tree.packaged, API).items():
        if api.get("TracingEnabled") is not True:
            yield Finding(file=PACKAGED, where=name, message="is not traced")


def throttling(tree: Tree) -> Iterator[Finding]:
    """A flood finds an end: the API is throttled, and no queue takes all of the account's concurrency."""
    for name, api in of_type(tree.packaged, API).items():
        everywhere = [
            s for s in api.get("MethodSettings", []) if (s["ResourcePath"], s["HttpMethod"]) == ("/*", "*")
        ]
        if not any({"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= s.keys() for s in everywhere):
            yield Finding(file=PACKAGED, where=name, message="is not throttled")
    for name, function in of_type(tree.packaged, FUNCTION).items():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS" and "MaximumConcurrency" not in event["Properties"].get(
                "ScalingConfig", {}
            ):
                yield Finding(
                    file=PACKAGED, where=name, message="its queue may take all of the account's concurrency"
                )


def names(tree: Tree) -> Iterator[Finding]:
    """What has a name has one that begins with the prefix: it stays, and environments do not meet."""
    for file, template in tree.deployed.items():
        for logical, one in template["Resources"].items():
            key = _NAMED.get(one["Type"])
            if key is None:
                continue
            name = text_of(one.get("Properties", {}).get(key))
            if not re.search(r"(?:^|/)\$\{Prefix}", name):
                yield Finding(file=file, where=logical, message=f"its {key} does not begin with the prefix")


def known_by_name(tree: Tree) -> Iterator[Finding]:
    """What roles and settings compute from the prefix is there under that name."""
    keys = {"TableName", "BucketName", "QueueName", "Name", "FunctionName"}
    held = {
        re.sub(r"-\$\{(?:AWS::AccountId|Department)}$", "", text_of(one.get("Properties", {}).get(key)))
        for template in tree.deployed.values()
        for one in template["Resources"].values()
        for key in keys
    }
    used = {f"infra/roles/{name}.json": role for name, role in tree.roles.items()}
    arn = re.compile(
        r":(?:table/|stateMachine:|function:|configuration-set/|log-group:/aws/lambda/)?(\$\{Prefix}-[a-z_-]+)"
    )
    for file, document in {**used, PACKAGED: tree.packaged["Globals"]}.items():
        for name in sorted({found.removesuffix("-") for found in arn.findall(str(document))} - held):
            yield Finding(file=file, where=name, message="nothing has this name")
