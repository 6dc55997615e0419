"""CloudFormation in one region: what state a stack is in, what would change, changing it, and following the events.

CloudFormation remembers what was broken off, not this process: whatever state an earlier run has left is read from
the stack, waited for, cleared away or told.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.deployment import changes, templates
from infra.deployment.changes import Change
from infra.deployment.errors import DeploymentError
from infra.deployment.terminal import Terminal
from infra.templates import parse

REVIEW = "REVIEW_IN_PROGRESS"
"""Only a change set was made; the stack has nothing yet."""
GONE = "DELETE_COMPLETE"
_GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
_STANDING = _GOOD | {"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
_FIRST_FAILED = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
_NO_CHANGES = ("didn't contain changes", "no updates are to be performed")
_CONSEQUENCE = "cancelled"
"""What CloudFormation says of resources that failed only because another one did."""
_FOR_A_PERSON = "DNS Record"
"""What it says of a certificate whose record a person has to make."""
_SHORTEST, _LONGEST = 0.3, 5.0
"""Seconds between two looks."""

Pause = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class ChangeSet:
    """A change set that waits to be executed. One that is `empty` cannot be.

    One without `changes` need not be empty: those are of resources, and what a stack puts out is none.
    """

    stack: str
    stack_id: str
    id: str
    creates: bool
    changes: tuple[Change, ...]
    empty: bool


@dataclass(frozen=True, kw_only=True)
class StackResource:
    """A resource that a stack has made. `retained`: CloudFormation leaves it when the stack goes."""

    logical_id: str
    type: str
    physical_id: str
    retained: bool = False


class Formation:
    """One region's CloudFormation, spoken to on behalf of a person at a terminal.

    `hold` is called between an answer and what follows from it; it raises DeploymentError when it must not follow.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 — botocore makes its clients' classes at run time
        terminal: Terminal,
        pause: Pause = time.sleep,
        hold: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._terminal = terminal
        self._pause = pause
        self._hold = hold

    def describe(self, name: str) -> Mapping[str, Any] | None:
        """The stack as it is, None when there is none."""
        try:
            (stack,) = self._client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if _says(error, "does not exist"):
                return None
            raise
        return None if stack["StackStatus"] == GONE else dict(stack)

    def outputs(self, name: str) -> dict[str, str]:
        """The stack's outputs, none when there is no stack."""
        stack = self.describe(name) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}

    def physical(self, name: str, resource: str) -> str:
        """What a resource of the template is called here."""
        answer = self._client.describe_stack_resource(StackName=name, LogicalResourceId=resource)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def resources(self, name: str) -> list[StackResource]:
        """What the stack has made, and which of it stays when the stack goes."""
        retained = self._retained(name)
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=name)
        return [
            StackResource(
                logical_id=one["LogicalResourceId"],
                type=one["ResourceType"],
                physical_id=one["PhysicalResourceId"],
                retained=one["LogicalResourceId"] in retained,
            )
            for page in pages
            for one in page["StackResourceSummaries"]
            if one.get("PhysicalResourceId") and one["ResourceStatus"] != GONE
        ]

    def _retained(self, name: str) -> set[str]:
        body = self._client.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
        return templates.retained(parse(body) if isinstance(body, str) else body)

    def look_for_drift(self, name: str) -> str:
        """Have CloudFormation compare what is there with the template; answers under which id."""
        return str(self._client.detect_stack_drift(StackName=name)["StackDriftDetectionId"])

    def drifted(self, name: str, detection: str) -> list[str] | None:
        """The resources that differ, None as long as it still looks."""
        seen = self._client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if seen["DetectionStatus"] == "DETECTION_IN_PROGRESS":
            return None
        found = self._client.describe_stack_resource_drifts(
            StackName=name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"]
        )["StackResourceDrifts"]
        return [f"{one['LogicalResourceId']} ({one['StackResourceDriftStatus'].lower()})" for one in found]

    def prepare(self, name: str, clear: Callable[[str], None]) -> bool:
        """Bring the stack into a state that can be changed; answers whether it is there.

        Waits for what still runs, goes on with a rollback that got stuck, and has `clear` take away what is left of
        a first creation that failed. Raises DeploymentError when a person has to do something first, DeclinedError
        when one has not agreed.
        """
        status = self.settled(name)
        if status in {None, REVIEW}:
            return False
        if status in _FIRST_FAILED:
            self._terminal.warn(f"The first creation of {name} has failed ({status}).")
            self._terminal.agree("Remove what is left of it, and create it again?")
            clear(name)
            return False
        if status == "UPDATE_ROLLBACK_FAILED":
            self._go_on_rolling_back(name)
        elif status == "DELETE_FAILED":
            raise DeploymentError(
                f"{name} was being deleted, and that got stuck:\n{self._failures_of(name)}\nPut that right, then "
                "run imprimatur destroy again; only then can it be deployed anew."
            )
        elif status not in _STANDING:
            raise DeploymentError(
                f"{name} is in {status}, which a deployment cannot change. Look at its events in CloudFormation "
                "and roll it back there, then deploy again."
            )
        return True

    def settled(self, name: str) -> str | None:
        """The status once nothing is under way any more, whoever has begun it."""
        told = False
        for seconds in _pauses():
            stack = self.describe(name)
            status = None if stack is None else str(stack["StackStatus"])
            if status is None or status == REVIEW or not status.endswith("_IN_PROGRESS"):
                return status
            if not told:
                self._terminal.say(f"{name} is in {status}; waiting until that has ended …")
                told = True
            self._pause(seconds)
        raise AssertionError  # the pauses have no end

    def _go_on_rolling_back(self, name: str) -> None:
        self._terminal.warn(f"A rollback of {name} got stuck:\n{self._failures_of(name)}")
        self._terminal.agree("Is the cause put right, so that the rollback can go on?")
        self._hold()
        stack_id, mark = self._mark(name)
        self._client.continue_update_rollback(
            StackName=stack_id, ClientRequestToken=_token("continue", stack_id, mark)
        )
        status = self._follow(name, stack_id, mark)
        if status not in _STANDING:
            raise DeploymentError(
                f"The rollback of {name} got stuck again ({status}):\n{self._failures_of(name)}\nPut the cause right "
                "and deploy again. If it cannot be put right, continue the rollback in CloudFormation's console and "
                "skip that resource there."
            )

    def propose(
        self,
        name: str,
        *,
        exists: bool,
        template_url: str,
        parameters: Sequence[Mapping[str, Any]],
        capabilities: Sequence[str],
        label: str,
    ) -> ChangeSet:
        """Make a change set. Raises DeploymentError when CloudFormation refuses."""
        try:
            made = self._client.create_change_set(
                StackName=name,
                ChangeSetName=label,
                ChangeSetType="UPDATE" if exists else "CREATE",
                TemplateURL=template_url,
                Parameters=list(parameters),
                Capabilities=list(capabilities),
                ClientToken=_token("propose", name, label),
            )
            seen = self._described(made["Id"], made["StackId"])
        except ClientError as error:
            raise DeploymentError(
                f"CloudFormation refuses the change of {name}: {_message(error)}"
            ) from error
        return ChangeSet(
            stack=name,
            stack_id=made["StackId"],
            id=made["Id"],
            creates=not exists,
            changes=changes.read(seen or ()),
            empty=seen is None,
        )

    def _described(self, identifier: str, stack: str) -> list[Mapping[str, Any]] | None:
        """All changes of resources once the change set is complete, None when nothing at all would change."""
        for seconds in _pauses():
            first = self._client.describe_change_set(ChangeSetName=identifier, StackName=stack)
            if first["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
                break
            self._pause(seconds)
        if first["Status"] == "FAILED":
            reason = first.get("StatusReason", "without a reason")
            if any(words in reason.lower() for words in _NO_CHANGES):
                return None
            self._explain(first["StackName"], ChangeSetName=identifier)
            raise DeploymentError(f"CloudFormation refuses the change: {reason}")
        found, page = list(first["Changes"]), first
        while page.get("NextToken"):
            page = self._client.describe_change_set(
                ChangeSetName=identifier, StackName=stack, NextToken=page["NextToken"]
            )
            found += page["Changes"]
        return found

    def _explain(self, name: str, **of: str) -> None:
        """Tell what CloudFormation found wrong before it began, which the stack's own events only mention."""
        try:
            events = self._client.describe_events(**of, Filters={"FailedEvents": True})["OperationEvents"]
        except ClientError:
            return  # not in every region yet, and the events have been told
        newest = events[0].get("OperationId") if events else None
        for event in events:
            if event.get("OperationId") == newest and event["EventType"] == "VALIDATION_ERROR":
                self._terminal.warn(
                    f"  {name}: {event.get('LogicalResourceId')} {event.get('ValidationPath', '')}: "
                    f"{event.get('ValidationStatusReason', 'without a reason')}"
                )

    def drop(self, change_set: ChangeSet) -> None:
        """Take back a change set that is not executed, and the stack that stood for it, if it is still nothing else."""
        self._client.delete_change_set(ChangeSetName=change_set.id, StackName=change_set.stack_id)
        stack = self.describe(change_set.stack_id) if change_set.creates else None
        if stack is not None and stack["StackStatus"] == REVIEW:
            self._client.delete_stack(
                StackName=change_set.stack_id, ClientRequestToken=_token("drop", change_set.id)
            )

    def execute(self, change_set: ChangeSet) -> None:
        """Let the changes happen and wait for it, telling what happens.

        Raises DeploymentError when they fail; CloudFormation has then taken back what had changed. What a change
        that failed had made goes again, even what is kept when a stack goes: it is empty, and would be in the way.
        """
        _, mark = self._mark(change_set.stack_id)
        self._client.execute_change_set(
            ChangeSetName=change_set.id,
            StackName=change_set.stack_id,
            RetainExceptOnCreate=True,
            ClientRequestToken=_token("execute", change_set.id),
        )
        status = self._follow(change_set.stack, change_set.stack_id, mark)
        if status not in _GOOD:
            self._explain(change_set.stack, StackName=change_set.stack_id)
            after = (
                "Nothing of it stands; the next deployment clears away what is left."
                if change_set.creates
                else "It is as it was before."
                if status == "UPDATE_ROLLBACK_COMPLETE"
                else "It is neither as before nor as it should be; the next deployment goes on from there."
            )
            raise DeploymentError(
                f"{change_set.stack} could not be changed ({status}). {after} The reasons are above; put them right "
                "and deploy again."
            )

    def protect(self, name: str, *, protected: bool) -> None:
        """Forbid, or allow, that the stack is deleted."""
        stack = self.describe(name) or {}
        if bool(stack.get("EnableTerminationProtection")) == protected:
            return
        self._terminal.say(f"{name}: from now on it {'cannot' if protected else 'can'} be deleted.")
        self._client.update_termination_protection(StackName=name, EnableTerminationProtection=protected)

    def delete(self, name: str) -> None:
        """Delete the stack and wait for it. Raises DeploymentError when something of it could not be deleted."""
        stack_id, mark = self._mark(name)
        self._client.delete_stack(StackName=stack_id, ClientRequestToken=_token("delete", stack_id, mark))
        status = self._follow(name, stack_id, mark)
        if status != GONE:
            raise DeploymentError(
                f"{name} could not be deleted ({status}). The reasons are above; put them right and run this again."
            )

    def _mark(self, name: str) -> tuple[str, str]:
        """The stack's id, and its newest event: what comes after it is news."""
        newest = next(self._events(name))
        return newest["StackId"], newest["EventId"]

    def _events(self, stack: str) -> Iterator[Mapping[str, Any]]:
        """Newest first."""
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=stack)
        for page in pages:
            yield from page["StackEvents"]

    def _follow(self, name: str, stack_id: str, mark: str) -> str:
        """Tell what happens to the stack until it has ended; answers its status then."""
        ended = False
        for seconds in _pauses():
            news = []
            for event in self._events(stack_id):
                if event["EventId"] == mark:
                    break
                news.append(event)
            for event in reversed(news):
                self._tell(name, event)
                mark = event["EventId"]
                ended = ended or _ends(event)
            if ended:  # or what is to be followed has not begun yet
                (stack,) = self._client.describe_stacks(StackName=stack_id)["Stacks"]
                if not str(stack["StackStatus"]).endswith("_IN_PROGRESS"):
                    return str(stack["StackStatus"])
            self._pause(seconds)
        raise AssertionError  # the pauses have no end

    def _tell(self, name: str, event: Mapping[str, Any]) -> None:
        status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
        if status.endswith("_FAILED") and _CONSEQUENCE not in reason.lower():
            self._terminal.warn(
                f"  {name}: {event['LogicalResourceId']} {status}: {reason or 'without a reason'}"
            )
        elif _FOR_A_PERSON in reason:  # a certificate waits until it is in DNS
            self._terminal.warn(f"  {name}: {event['LogicalResourceId']} waits: {reason}")
        elif status.endswith("_COMPLETE"):
            self._terminal.say(f"  {name}: {event['LogicalResourceId']} {status}")

    def _failures_of(self, name: str) -> str:
        """Why the last operation failed, newest first, in lines."""
        lines = []
        for event in self._events(name):
            reason = event.get("ResourceStatusReason", "")
            if event["ResourceStatus"].endswith("_FAILED") and _CONSEQUENCE not in reason.lower():
                lines.append(f"  {event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
            if event.get("PhysicalResourceId") == event["StackId"] and reason == "User Initiated":
                break
        return "\n".join(lines) or "  CloudFormation gives no reason"


def _ends(event: Mapping[str, Any]) -> bool:
    """Whether the event says that something has come to its end for the stack as a whole."""
    whole = event.get("PhysicalResourceId") == event["StackId"]
    return whole and not str(event["ResourceStatus"]).endswith("_IN_PROGRESS")


def _pauses() -> Iterator[float]:
    """Seconds to wait between looks, longer and longer, without end."""
    seconds = _SHORTEST
    while True:
        yield seconds
        seconds = min(seconds * 1.5, _LONGEST)


def _token(*of: str) -> str:
    """What makes a call known again when it comes twice, because its first answer was lost."""
    return hashlib.sha256(" ".join(of).encode()).hexdigest()


def _message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", error))


def _says(error: ClientError, words: str) -> bool:
    return words in _message(error)
