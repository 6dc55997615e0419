"""What has happened to a submission and what is still to come, as steps that people follow.

Made from the ledger's events. What only machines and guards care about (restarts, refused links) is not a step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.core.clock import from_text
from chalicelib.ledger.model import Event
from chalicelib.submission.model import State, Submission
from chalicelib.submission.procedure import Procedure


class Kind(StrEnum):
    """What a step is about."""

    HANDED_IN = "handed_in"
    REVIEW = "review"
    AMENDED = "amended"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    PERSON_NEEDED = "person_needed"
    SCHEDULED = "scheduled"
    RESCHEDULED = "rescheduled"
    PUBLISHING = "publishing"
    ARCHIVING = "archiving"
    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"


class Mark(StrEnum):
    """How far a step is."""

    DONE = "done"
    NOW = "now"
    STOPPED = "stopped"
    TO_COME = "to_come"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step. Persons are ids; `at` is when it was done or began, None for what is to come.

    `procedure` is the version that a review's round keeps. A review that ended without its decision is `STOPPED` and
    has none. `missed` are the deadlines that passed, `told` who was told of that. `restores` is the revision whose text
    was handed in again because an amendment was declined.
    """

    kind: Kind
    mark: Mark
    at: datetime | None = None
    revision: int = 0
    restores: int | None = None
    actor: str | None = None
    stage: str | None = None
    procedure: str | None = None
    reviewers: tuple[str, ...] = ()
    deadline: datetime | None = None
    reminded: tuple[datetime, ...] = ()
    missed: tuple[datetime, ...] = ()
    told: tuple[str, ...] = ()
    decision: str | None = None
    comment: str = ""
    failed: tuple[str, ...] = ()
    instead_of: str | None = None
    recalled: bool = False
    reason: str | None = None
    publish_at: datetime | None = None

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Who has still to speak."""
        return self.reviewers if self.mark is Mark.NOW else ()


def timeline(head: Submission, events: Iterable[Event], procedure: Procedure) -> tuple[Step, ...]:
    """The steps of a submission in their order, those to come under its round's procedure included."""
    steps: list[Step] = []
    for event in events:
        read = _READERS.get(event.type)
        if read is not None:
            read(steps, event, event.payload)
    return (*steps, *_to_come(head, steps, procedure))


def persons_in(steps: Iterable[Step]) -> set[str]:
    """The ids of everybody whom the steps name."""
    named = {
        person
        for step in steps
        for person in (*step.reviewers, *step.told, step.actor, step.instead_of)
        if person
    }
    return {person for person in named if not person.startswith("service:")}


def _handed_in(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    _lapse(steps)
    steps.append(
        Step(
            kind=Kind.HANDED_IN,
            mark=Mark.DONE,
            at=event.at,
            actor=event.actor,
            revision=payload["revision"],
            procedure=payload.get("procedure"),
            restores=payload.get("restores"),
        )
    )


def _amended(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    _lapse(steps)
    steps.append(
        Step(
            kind=Kind.AMENDED,
            mark=Mark.NOW,
            at=event.at,
            actor=event.actor,
            revision=payload["revision"],
            comment=payload["reason"],
        )
    )


def _confirmation_reminded(steps: list[Step], event: Event, _payload: Mapping[str, Any]) -> None:
    if steps and steps[-1].mark is Mark.NOW:
        steps[-1] = replace(steps[-1], reminded=(*steps[-1].reminded, event.at))


def _confirmed(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    _finish(steps)
    steps.append(
        Step(
            kind=Kind.CONFIRMED,
            mark=Mark.DONE,
            at=event.at,
            actor=event.actor,
            revision=payload["revision"],
        )
    )


def _declined(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    _lapse(steps)
    steps.append(
        Step(
            kind=Kind.DECLINED,
            mark=Mark.STOPPED,
            at=event.at,
            actor=event.actor,
            revision=payload["revision"],
            comment=payload["reason"],
        )
    )


def _procedure_in(steps: list[Step]) -> str | None:
    """The version that the present round keeps."""
    return next((step.procedure for step in reversed(steps) if step.kind is Kind.HANDED_IN), None)


def _opened(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    steps.append(
        Step(
            kind=Kind.REVIEW,
            mark=Mark.NOW,
            at=event.at,
            revision=payload["revision"],
            stage=payload["stage"],
            procedure=_procedure_in(steps),
            reviewers=tuple(payload["reviewers"]),
            deadline=from_text(payload["deadline"]),
        )
    )


def _awaited(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Whom an event says that a stage waits for: those whom it asks, unless some have spoken."""
    return tuple(payload.get("waits_for", payload["reviewers"]))


def _reminded(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    if steps and steps[-1].mark is Mark.NOW:
        steps[-1] = replace(steps[-1], reminded=(*steps[-1].reminded, event.at), reviewers=_awaited(payload))


def _overdue(steps: list[Step], _event: Event, payload: Mapping[str, Any]) -> None:
    if steps and steps[-1].mark is Mark.NOW:
        steps[-1] = replace(
            steps[-1],
            missed=(*steps[-1].missed, from_text(payload["missed"])),
            deadline=from_text(payload["deadline"]),
            reviewers=_awaited(payload),
            told=(*steps[-1].told, *payload.get("told", ())),
        )


def _decided(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    """A decision ends the stage that is under way, unless others must approve it, too."""
    opened = steps.pop() if steps and steps[-1].mark is Mark.NOW else Step(kind=Kind.REVIEW, mark=Mark.NOW)
    steps.append(
        replace(
            opened,
            mark=Mark.DONE if payload["decision"] == "approve" else Mark.STOPPED,
            at=event.at,
            actor=event.actor,
            revision=payload["revision"],
            stage=payload["stage"],
            procedure=_procedure_in(steps),
            decision=payload["decision"],
            comment=payload["comment"],
            instead_of=payload.get("instead_of"),
            failed=tuple(item for item, passed in payload["checklist"].items() if not passed),
        )
    )
    if payload.get("awaited"):
        left = tuple(person for person in opened.reviewers if person != event.actor)
        steps.append(replace(opened, reviewers=left, reminded=(), missed=(), told=()))


def _handed_over(steps: list[Step], _event: Event, payload: Mapping[str, Any]) -> None:
    if steps and steps[-1].mark is Mark.NOW:
        steps[-1] = replace(steps[-1], reviewers=_awaited(payload))


def _recalled(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    """The decision was taken back: the stage is under way again, as it was."""
    while steps and steps[-1].kind is not Kind.REVIEW:
        steps.pop()
    if steps and steps[-1].mark is Mark.NOW:  # others must approve, too, and still must
        steps.pop()
    for place, step in reversed(list(enumerate(steps))):
        if step.decision and (step.actor, step.stage) == (event.actor, payload["stage"]):
            steps[place] = replace(step, mark=Mark.STOPPED, recalled=True)
            steps.append(
                replace(
                    step,
                    mark=Mark.NOW,
                    at=event.at,
                    actor=None,
                    decision=None,
                    comment="",
                    failed=(),
                    instead_of=None,
                    reminded=(),
                    missed=(),
                    told=(),
                    reviewers=_awaited(payload),
                )
            )
            return


def _person_needed(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    _lapse(steps)
    steps.append(Step(kind=Kind.PERSON_NEEDED, mark=Mark.STOPPED, at=event.at, reason=str(payload["reason"])))


def _scheduled(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    steps.append(
        Step(kind=Kind.SCHEDULED, mark=Mark.NOW, at=event.at, publish_at=from_text(payload["publish_at"]))
    )


def _rescheduled(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    _finish(steps)
    steps.append(
        Step(
            kind=Kind.RESCHEDULED,
            mark=Mark.NOW,
            at=event.at,
            actor=event.actor,
            publish_at=from_text(payload["to"]),
            comment=payload["reason"],
        )
    )


def _publishing(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    _finish(steps)
    steps.append(Step(kind=Kind.PUBLISHING, mark=Mark.NOW, at=event.at, revision=payload["revision"]))


def _published(steps: list[Step], event: Event, _payload: Mapping[str, Any]) -> None:
    _finish(steps)
    steps.append(Step(kind=Kind.ARCHIVING, mark=Mark.NOW, at=event.at))


def _archived(steps: list[Step], event: Event, _payload: Mapping[str, Any]) -> None:
    if steps:
        steps[-1] = replace(steps[-1], mark=Mark.DONE, at=event.at)


def _withdrawn(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    _lapse(steps)
    steps.append(
        Step(
            kind=Kind.WITHDRAWN,
            mark=Mark.STOPPED,
            at=event.at,
            actor=event.actor,
            comment=payload["reason"],
        )
    )


def _retracted(steps: list[Step], event: Event, payload: Mapping[str, Any]) -> None:
    _lapse(steps)
    steps.append(
        Step(
            kind=Kind.RETRACTED,
            mark=Mark.STOPPED,
            at=event.at,
            actor=event.actor,
            comment=payload["reason"],
        )
    )


_READERS = {
    "Submitted": _handed_in,
    "Resubmitted": _handed_in,
    "Amended": _amended,
    "ConfirmationReminded": _confirmation_reminded,
    "AmendmentConfirmed": _confirmed,
    "AmendmentDeclined": _declined,
    "TaskOpened": _opened,
    "ReviewReminded": _reminded,
    "ReviewOverdue": _overdue,
    "Decided": _decided,
    "TaskDelegated": _handed_over,
    "TaskReassigned": _handed_over,
    "DecisionRecalled": _recalled,
    "PersonNeeded": _person_needed,
    "Scheduled": _scheduled,
    "Rescheduled": _rescheduled,
    "PublishingStarted": _publishing,
    "Published": _published,
    "Archived": _archived,
    "Withdrawn": _withdrawn,
    "Retracted": _retracted,
}


def _lapse(steps: list[Step]) -> None:
    """What was under way ended without having been done."""
    if steps and steps[-1].mark is Mark.NOW:
        steps[-1] = replace(steps[-1], mark=Mark.STOPPED)


def _finish(steps: list[Step]) -> None:
    if steps and steps[-1].mark is Mark.NOW:
        steps[-1] = replace(steps[-1], mark=Mark.DONE)


def _to_come(head: Submission, steps: list[Step], procedure: Procedure) -> list[Step]:
    """What follows if all goes well; a stage that is due and not opened yet is under way."""
    last = steps[-1] if steps else None
    ahead: list[Step] = []
    if head.stage is not None:
        opened = last is not None and last.kind is Kind.REVIEW and last.mark is Mark.NOW
        for stage in procedure.ids[procedure.place(head.stage) - 1 + opened :]:
            mark = Mark.NOW if stage == head.stage else Mark.TO_COME
            ahead.append(
                Step(
                    kind=Kind.REVIEW,
                    mark=mark,
                    stage=stage,
                    procedure=procedure.version,
                    revision=head.revision,
                )
            )
    if head.state is State.AWAITING_CONFIRMATION:
        ahead += [
            Step(
                kind=Kind.REVIEW,
                mark=Mark.TO_COME,
                stage=stage,
                procedure=procedure.version,
                revision=head.revision,
            )
            for stage in procedure.ids
        ]
    if head.state in {State.IN_REVIEW, State.AWAITING_CONFIRMATION, State.SCHEDULED}:
        ahead.append(Step(kind=Kind.PUBLISHING, mark=Mark.TO_COME, publish_at=head.publish_at))
    if head.state in {State.IN_REVIEW, State.AWAITING_CONFIRMATION, State.SCHEDULED, State.PUBLISHING}:
        ahead.append(Step(kind=Kind.ARCHIVING, mark=Mark.TO_COME))
    return ahead
