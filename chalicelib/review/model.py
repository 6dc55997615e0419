"""Reviews: tasks, opinions, and what a state machine is told (clauses 3.2 and 3.3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.core.clock import from_text, to_text
from chalicelib.core.errors import FieldError, InvalidInput
from chalicelib.submission.model import Importance, State, Submission

LINK_LIFE = timedelta(days=30)
DESK_LIFE = timedelta(days=400)
"""How long a desk remembers what was laid on it, from the last mail on."""
DESK_PATIENCE = timedelta(days=7)
"""For how long after its deadline a task may still wait: by then a deadline is renewed, or a person is asked."""
URGENCY = (Importance.URGENT, Importance.IMPORTANT, Importance.ROUTINE)
"""In which order reviewers work (clause 1.3.2)."""


class Decision(StrEnum):
    """What a reviewer can say."""

    APPROVE = "approve"
    REQUEST_CHANGES = "request_changes"
    REJECT = "reject"


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """A reviewer's decision, pinned to the digest of the very text that was seen (clauses 1.3.1, 3.3.4)."""

    reviewer: str
    decision: Decision
    comment: str
    checklist: Mapping[str, bool]
    content_digest: str
    at: datetime
    instead_of: str | None = None
    """The absent person whose substitute decided."""

    @property
    def seat(self) -> str:
        """In whose name it is: each has one opinion, whoever gives it."""
        return self.instead_of or self.reviewer

    def same_as(self, other: "Opinion") -> bool:
        """Whether another says the same thing in the same name, at whatever time."""
        mine = (self.reviewer, self.decision, self.comment, dict(self.checklist), self.content_digest)
        return mine == (
            other.reviewer,
            other.decision,
            other.comment,
            dict(other.checklist),
            other.content_digest,
        )


@dataclass(frozen=True, kw_only=True)
class Delegation:
    """That a reviewer handed one stage over: who did, and who decides instead. Persons are ids."""

    by: str
    to: str


@dataclass(frozen=True, kw_only=True)
class ReviewTask:
    """One stage of one round, from its opening to its last opinion. `mailed` are the reviewers whose mail went out.

    `place` is the stage's number in the round, from 1, under that version of the procedure. It takes `needed`
    approvals, or one opinion against it. `assigned` are the only ones to be asked, of those who could be, none for all;
    `delegations` say who handed it over. `raised` says that the reviewers' superiors are asked instead of them, who all
    wrote the text.

    `steps` counts what has been done about a stage that nobody decides, `reminded` the part of it since the machine
    began its attempt `reminded_in`; `told` are those who were told although they are no reviewers. `next_at` is when
    the next step is due, in scaled time.
    """

    submission: str
    revision: int
    stage: str
    place: int
    procedure: str
    content_digest: str
    opened_at: datetime
    deadline: datetime
    next_at: datetime
    reviewers: tuple[str, ...]
    needed: int = 1
    raised: bool = False
    assigned: tuple[str, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    mailed: frozenset[str] = field(default_factory=frozenset)
    steps: int = 0
    reminded: int = 0
    reminded_in: int = 0
    told: frozenset[str] = field(default_factory=frozenset)
    version: int = 0
    opinions: tuple[Opinion, ...] = ()

    @property
    def is_approved(self) -> bool:
        """Whether as many as must have approved it, and nobody spoke against it."""
        return not self._against and len(self.opinions) >= self.needed

    @property
    def is_closed(self) -> bool:
        """Whether nobody is waited for any more."""
        return self._against or self.is_approved

    @property
    def awaited(self) -> int:
        """How many approvals are still needed."""
        return 0 if self.is_closed else self.needed - len(self.opinions)

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The reviewers who are asked and have not spoken."""
        spoke = {opinion.reviewer for opinion in self.opinions}
        return () if self.is_closed else tuple(each for each in self.reviewers if each not in spoke)

    @property
    def told_as_asked(self) -> dict[str, list[str]]:
        """How events tell of whom it asks, and of whom it still waits for where some have spoken."""
        asked = {"reviewers": list(self.reviewers)}
        return asked | ({"waits_for": list(self.waits_for)} if self.opinions else {})

    def opinion_of(self, reviewer: str) -> Opinion | None:
        """What a reviewer said."""
        return next((opinion for opinion in self.opinions if opinion.reviewer == reviewer), None)

    @property
    def _against(self) -> bool:
        return any(opinion.decision is not Decision.APPROVE for opinion in self.opinions)


@dataclass(frozen=True, kw_only=True)
class ReviewLink:
    """What a handle leads to. The handle itself is known only to the mail that carries it."""

    fingerprint: str
    reviewer: str
    submission: str
    revision: int
    stage: str
    content_digest: str
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DeskEntry:
    """That a task was laid on a person's desk, with the deadline that it had then.

    One whose deadline was missed lies there once more, with the new one. `id` names it on that desk.
    """

    person: str
    submission: str
    revision: int
    stage: str
    deadline: datetime

    @property
    def id(self) -> str:
        """Deadline, submission, revision and stage: so entries sort by their deadlines."""
        return f"{to_text(self.deadline)}#{self.submission}#{self.revision:04d}#{self.stage}"

    @classmethod
    def of(cls, task: ReviewTask, person: str) -> "DeskEntry":
        """A task's, as it stands."""
        return cls(
            person=person,
            submission=task.submission,
            revision=task.revision,
            stage=task.stage,
            deadline=task.deadline,
        )

    @classmethod
    def named(cls, name: str, person: str) -> "DeskEntry":
        """The one with that id. Raises ValueError for what is no id of one."""
        deadline, submission, revision, stage = name.split("#")
        return cls(
            person=person,
            submission=submission,
            revision=int(revision),
            stage=stage,
            deadline=from_text(deadline),
        )


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The execution that waits for a stage's decision; its token never leaves the database."""

    submission: str
    revision: int
    stage: str
    attempt: int
    token: str


def statement_of(link: ReviewLink, opinion: Opinion, nonce: str) -> dict[str, Any]:
    """What a reviewer's passkey signs (clause 3.3.4); docs/archive-format.md freezes it.

    `nonce` is a number used once, so that no assertion counts for another opinion.
    """
    return {
        "purpose": "opinion",
        "submission": link.submission,
        "revision": link.revision,
        "stage": link.stage,
        "content_digest": opinion.content_digest,
        "decision": opinion.decision,
        "comment": opinion.comment,
        "checklist": dict(opinion.checklist),
        "reviewer": opinion.reviewer,
        "nonce": nonce,
    }


def recorded(link: ReviewLink, opinion: Opinion, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the service signs of an opinion: all that its event says, whose and of what (as above)."""
    return {
        "purpose": "opinion-recorded",
        "submission": link.submission,
        "reviewer": opinion.reviewer,
        **payload,
    }


def ensure_complete(opinion: Opinion, checklist: frozenset[str], also: Iterable[FieldError] = ()) -> None:
    """Raise InvalidInput unless the opinion answers its checklist (clause 3.2.2), and for what `also` is wrong.

    Every item is answered; an approval has none failed; a return or refusal names a failed item and says why.
    """
    errors = [
        FieldError(pointer=f"/checklist/{item}", code="required")
        for item in sorted(checklist - set(opinion.checklist))
    ]
    errors += [
        FieldError(pointer=f"/checklist/{item}", code="unknown_field")
        for item in sorted(set(opinion.checklist) - checklist)
    ]
    failed = sorted(item for item, passed in opinion.checklist.items() if not passed)
    if opinion.decision is Decision.APPROVE:
        errors += [FieldError(pointer=f"/checklist/{item}", code="failed_but_approved") for item in failed]
    else:
        if not failed:
            errors.append(FieldError(pointer="/checklist", code="no_failed_item"))
        if not opinion.comment.strip():
            errors.append(FieldError(pointer="/comment", code="blank"))
    errors += also
    if errors:
        raise InvalidInput(tuple(errors))


def wait_for(
    *,
    submission: str,
    revision: int,
    attempt: int,
    stage: str | None,
    timeout_seconds: int,
    correlation_id: str | None,
    reminded: int = 0,
    hold_seconds: int = 0,
) -> dict[str, Any]:
    """What the review machine works on: a stage that is due, or None when its round has ended.

    `timeout_seconds` is how long the machine waits before it reminds; `reminded` how often it has. `hold_seconds` is
    how long it waits before it opens the stage. `correlation_id` is for the log: which request led to it.
    """
    return {
        "submission": submission,
        "revision": revision,
        "attempt": attempt,
        "stage": stage,
        "timeout_seconds": timeout_seconds,
        "reminded": reminded,
        "hold_seconds": hold_seconds,
        "correlation_id": correlation_id,
        "outcome": "ended" if stage is None else "hold" if hold_seconds else "review",
    }


def due_stage(head: Submission, *, revision: int, attempt: int) -> str | None:
    """The stage that waits for a decision in that round and attempt.

    None when the round has ended (approved, returned, rejected, withdrawn) or a later attempt has taken over.
    """
    return head.stage if head.is_at(State.IN_REVIEW, revision=revision, attempt=attempt) else None


def approved_stages(tasks: Iterable[ReviewTask], content_digest: str) -> tuple[str, ...]:
    """The stages that approved this very content."""
    return tuple(
        task.stage
        for task in tasks
        if task.is_approved and {opinion.content_digest for opinion in task.opinions} == {content_digest}
    )
