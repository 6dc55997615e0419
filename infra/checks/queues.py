"""Nothing that was put into a queue is dropped unseen (clause 1.3.3 and every other that promises an answer)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.checks.findings import Finding
from infra.checks.templates import HANDED, of_type, text_of
from infra.checks.tree import DATA, DEPARTMENT, PACKAGED, Tree

TIMES = 6
"""How many time-outs of its reader a queue must hide a message for, as Lambda advises."""
LONGEST = 14 * 24 * 3600
"""For how many seconds SQS keeps a message at most."""
MOST_TRIES = 10
"""After so many a message is for a person."""
NO_DEAD_LETTERS = {
    (DATA, "StreamFailures"): "is itself where the streams' dead letters go",
    (DEPARTMENT, "Replies"): "is read by the department's own system",
}
"""Queues without dead letters, each with its reason."""


def _queues(tree: Tree) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file, template in tree.stacks.items():
        for name, one in of_type(template, "AWS::SQS::Queue").items():
            yield file, name, one


def dead_letters(tree: Tree) -> Iterator[Finding]:
    """Every queue has dead letters or is for them; these are kept as long as can be, and are of the same kind."""
    queues = {(file, name): one for file, name, one in _queues(tree)}
    target = {
        (file, name): text_of(one.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        .strip("${}")
        .removesuffix(".Arn")
        for (file, name), one in queues.items()
    }
    buried = {(file, to) for (file, _), to in target.items() if to}
    for (file, name), one in queues.items():
        to = queues.get((file, target[file, name]))
        if to is None and (file, name) not in buried and (file, name) not in NO_DEAD_LETTERS:
            yield Finding(file=file, where=name, message="has no dead letters")
        if to is not None and not 1 <= int(one["RedrivePolicy"].get("maxReceiveCount", 0)) <= MOST_TRIES:
            yield Finding(file=file, where=name, message=f"is not tried between one and {MOST_TRIES} times")
        if (file, name) in buried | NO_DEAD_LETTERS.keys() and one.get("MessageRetentionPeriod") != LONGEST:
            yield Finding(file=file, where=name, message="does not keep what is in it as long as can be")
        if to is not None and bool(one.get("FifoQueue")) != bool(to.get("FifoQueue")):
            yield Finding(file=file, where=name, message="and its dead letters must both be FIFO, or neither")
        if bool(one.get("FifoQueue")) != text_of(one.get("QueueName")).endswith(".fifo"):
            yield Finding(
                file=file, where=name, message="a FIFO queue, and no other, is called something.fifo"
            )
        if one.get("SqsManagedSseEnabled") is not True:
            yield Finding(
                file=file,
                where=name,
                message="is not encrypted; with a key of ours S3 and SNS could not send",
            )


def _sources(tree: Tree) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """File, name, reading function and properties of whatever feeds batches to a function."""
    for name, function in of_type(tree.packaged, "AWS::Serverless::Function").items():
        for event in function.get("Events", {}).values():
            if event["Type"] in {"SQS", "DynamoDB"}:
                yield PACKAGED, name, name, event["Properties"]
    handed = {
        text_of(one["Name"]): text_of(one["Value"]).strip("${}").removesuffix(".Arn")
        for one in of_type(tree.packaged, "AWS::SSM::Parameter").values()
    }
    for name, one in of_type(tree.stacks[DEPARTMENT], "AWS::Lambda::EventSourceMapping").items():
        (parameter,) = HANDED.findall(text_of(one["FunctionName"]))
        yield DEPARTMENT, name, handed.get(parameter, ""), one


def readers(tree: Tree) -> Iterator[Finding]:
    """Whoever reads batches says which of a batch have failed; readers of the stream start early and give up late."""
    for file, name, _, source in _sources(tree):
        if source.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield Finding(file=file, where=name, message="one bad message of a batch fails all of it")
        if "Stream" not in source:
            continue
        if source.get("StartingPosition") != "TRIM_HORIZON":
            yield Finding(file=file, where=name, message="misses what was written before it was deployed")
        if (
            source.get("BisectBatchOnFunctionError") is not True
            or not 0 < source.get("MaximumRetryAttempts", -1) <= MOST_TRIES
        ):
            yield Finding(file=file, where=name, message="one bad record holds up its shard")
        destination = source.get("DestinationConfig", {}).get("OnFailure", {})
        if destination.get("Type") != "SQS" or "stream-failures-arn" not in text_of(
            destination.get("Destination")
        ):
            yield Finding(file=file, where=name, message="what it gives up is lost")


def visibility(tree: Tree) -> Iterator[Finding]:
    """A queue hides a message for six time-outs of its reader; else it comes again while it is still being read."""
    functions = of_type(tree.packaged, "AWS::Serverless::Function")
    queues = {_short(text_of(one["QueueName"])): (file, name, one) for file, name, one in _queues(tree)} | {
        f"{name}.Arn": (file, name, one) for file, name, one in _queues(tree) if file == DEPARTMENT
    }
    for file, name, function, source in _sources(tree):
        queue = text_of(source.get("Queue") or source.get("EventSourceArn"))
        if not queue or "Stream" in source:
            continue
        if function not in functions:
            yield Finding(
                file=file, where=name, message=f"feeds {function or 'a function'} that is not there"
            )
            continue
        found = queues.get(_short(queue.rpartition(":")[2].strip("${}") if queue.startswith("${") else queue))
        if found is None:
            yield Finding(file=file, where=name, message=f"no stack has the queue {queue}")
            continue
        holder, logical, one = found
        least = TIMES * int(functions[function]["Timeout"])
        if int(one.get("VisibilityTimeout", 30)) < least:
            yield Finding(
                file=holder, where=logical, message=f"hides messages for less than {least} s, six time-outs"
            )


def _short(name: str) -> str:
    """A queue's name as both sides say it: without ARN, prefix and department."""
    return re.sub(r"^.*\$\{Prefix}-", "", name)
