"""Whether work has got stuck: dead letters, and executions that failed."""

import json
from collections.abc import Iterator
from datetime import timedelta

from infra.deployment.remains import QUEUE
from infra.deployment.stacks import region_of
from infra.doctor.findings import Finding, Patient, ok, warning

_MACHINE = "AWS::StepFunctions::StateMachine"
_MAPPING = "AWS::Lambda::EventSourceMapping"
_LATELY = timedelta(days=2)


def dead_letters(patient: Patient) -> Iterator[Finding]:
    """Whether a queue of what was given up holds anything."""
    queues = patient.resources(QUEUE)
    ends = _ends(patient)
    for stack, resource in queues:
        sqs = patient.deployer.clients("sqs", region_of(stack, patient.deployer.environment))
        names = ["QueueArn", "ApproximateNumberOfMessages"]
        seen = sqs.get_queue_attributes(QueueUrl=resource.physical_id, AttributeNames=names)["Attributes"]
        name = seen["QueueArn"].rpartition(":")[2]
        if seen["QueueArn"] not in ends:
            continue
        if count := int(seen["ApproximateNumberOfMessages"]):
            yield warning(
                f"{name} holds {count} messages that were given up",
                "docs/runbooks.md says of each such queue what is in it, and what to do.",
            )
        else:
            yield ok(f"{name} is empty")


def _ends(patient: Patient) -> set[str]:
    """The ARNs of queues into which others, or readers of streams, put what they give up."""
    ends = set()
    for stack, resource in patient.resources(QUEUE):
        sqs = patient.deployer.clients("sqs", region_of(stack, patient.deployer.environment))
        seen = sqs.get_queue_attributes(QueueUrl=resource.physical_id, AttributeNames=["RedrivePolicy"]).get(
            "Attributes", {}
        )
        if "RedrivePolicy" in seen:
            ends.add(json.loads(seen["RedrivePolicy"])["deadLetterTargetArn"])
    for stack, resource in patient.resources(_MAPPING):
        functions = patient.deployer.clients("lambda", region_of(stack, patient.deployer.environment))
        mapping = functions.get_event_source_mapping(UUID=resource.physical_id)
        ends.add(mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", ""))
    return ends


def executions(patient: Patient) -> Iterator[Finding]:
    """Whether state machines have failed lately. The sweeper begins again what they left, but there is a cause."""
    for stack, resource in patient.resources(_MACHINE):
        machines = patient.deployer.clients("stepfunctions", region_of(stack, patient.deployer.environment))
        name = resource.physical_id.rpartition(":")[2]
        failed = machines.list_executions(
            stateMachineArn=resource.physical_id, statusFilter="FAILED", maxResults=1
        )
        lately = [one for one in failed["executions"] if patient.deployer.now() - one["startDate"] < _LATELY]
        if lately:
            yield warning(
                f"{name} has failed lately, last with {lately[0]['name']}",
                "Look at that execution in Step Functions' console; its name begins with the submission's id.",
            )
        else:
            yield ok(f"{name} has not failed lately")
