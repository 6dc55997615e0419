"""The publication request (信息发布申请表): its form, its states and what is legal in each."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from chalicelib.attachment.model import Attachment
from chalicelib.core.canonical import canonical
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.errors import IllegalTransition
from chalicelib.ledger.model import GENESIS, Chain, Event
from chalicelib.submission.procedure import Procedure


class Category(StrEnum):
    """What kind of information it is (clauses 2.1.3, 3.5.3)."""

    NEWS = "news"
    NOTICE = "notice"
    BUSINESS = "business"
    CULTURE = "culture"
    RULES = "rules"
    STAFF = "staff"


class Channel(StrEnum):
    """Where it can appear (clause 2.3.1)."""

    WEBSITE = "website"
    WECHAT = "wechat"
    NOTICE_BOARD = "notice_board"
    EMAIL = "email"
    PARTNERS = "partners"


class Classification(StrEnum):
    """Who may see it (clauses 1.3.4, 5.3.1)."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"


class Importance(StrEnum):
    """How it is weighed and how fast it must go (clause 1.3.2)."""

    ROUTINE = "routine"
    URGENT = "urgent"
    IMPORTANT = "important"


class State(StrEnum):
    """Where a submission stands."""

    IN_REVIEW = "in_review"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    CHANGES_REQUESTED = "changes_requested"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SCHEDULED = "scheduled"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    ARCHIVED = "archived"
    RETRACTED = "retracted"
    NEEDS_PERSON = "needs_person"


class Reason(StrEnum):
    """Why a person is needed; docs/operations.md says what to do about each."""

    NO_REVIEWER = "no_reviewer"
    REVIEW_STUCK = "review_stuck"
    TOO_LATE = "too_late"
    CONTENT_CHANGED = "content_changed"
    APPROVAL_MISSING = "approval_missing"
    CHANNEL_NOT_ALLOWED = "channel_not_allowed"
    NOT_PERMITTED = "not_permitted"
    NOT_DELIVERED = "not_delivered"


LEGAL: Mapping[State, frozenset[State]] = {
    State.IN_REVIEW: frozenset(
        {
            State.AWAITING_CONFIRMATION,
            State.CHANGES_REQUESTED,
            State.REJECTED,
            State.WITHDRAWN,
            State.SCHEDULED,
            State.NEEDS_PERSON,
        },
    ),
    State.AWAITING_CONFIRMATION: frozenset({State.IN_REVIEW, State.WITHDRAWN}),
    State.CHANGES_REQUESTED: frozenset({State.IN_REVIEW, State.WITHDRAWN}),
    State.SCHEDULED: frozenset({State.PUBLISHING, State.WITHDRAWN, State.NEEDS_PERSON, State.IN_REVIEW}),
    State.PUBLISHING: frozenset({State.PUBLISHED, State.NEEDS_PERSON, State.RETRACTED}),
    State.PUBLISHED: frozenset({State.ARCHIVED}),
    State.NEEDS_PERSON: frozenset({State.IN_REVIEW, State.WITHDRAWN}),
    State.REJECTED: frozenset({State.IN_REVIEW}),
    State.WITHDRAWN: frozenset(),
    State.ARCHIVED: frozenset({State.RETRACTED}),
    State.RETRACTED: frozenset(),
}
"""Which state may follow which; staying in a state is always legal.

From scheduled and rejected only a decision that is taken back leads into review again.
"""

REVISABLE = frozenset({State.AWAITING_CONFIRMATION, State.CHANGES_REQUESTED, State.NEEDS_PERSON})
"""The states in which a new text may be handed in: while reviewers look at a text, it stands."""

IN_FLIGHT = frozenset(
    {State.IN_REVIEW, State.AWAITING_CONFIRMATION, State.SCHEDULED, State.PUBLISHING, State.PUBLISHED}
)
"""The states in which a machine must see to it that something happens, or that people are reminded: the sweeper's."""


PLANNED = IN_FLIGHT | {State.ARCHIVED}
"""The states in which it has a place in the publishing calendar, at `publish_at`."""


def ensure_legal(present: State, following: State) -> None:
    """Raise IllegalTransition when `following` may not come after `present`."""
    if following is not present and following not in LEGAL[present]:
        raise IllegalTransition(state=present.value)


@dataclass(frozen=True, kw_only=True)
class Form:
    """The filled-in form, already valid against `schemas/submission.json`.

    `audience` is None for everybody. `publish_at` is UTC; `time_zone` is the IANA zone the person chose.
    `attachments` are ids. `document` is the JSON object as it was sent: what is digested, stored and archived.
    `declaration_version` is None in a text that an editor amended: nobody has answered for it before its confirmation.
    """

    title: str
    wechat_title: str | None
    summary: str
    body: str
    category: Category
    department: str
    drafter: str
    channels: tuple[Channel, ...]
    publish_at: datetime
    time_zone: str
    audience: tuple[str, ...] | None
    classification: Classification
    importance: Importance
    keywords: tuple[str, ...]
    attachments: tuple[str, ...]
    declaration_version: str | None
    document: Mapping[str, Any]


def form_from_document(document: Mapping[str, Any]) -> Form:
    """Read a form from a JSON object that the schema has accepted."""
    audience = document["audience"]
    return Form(
        title=document["title"],
        wechat_title=document.get("wechat_title"),
        summary=document["summary"],
        body=document["body"],
        category=Category(document["category"]),
        department=document["department"],
        drafter=document["drafter"],
        channels=tuple(Channel(name) for name in document["channels"]),
        publish_at=from_text(document["publish_at"]),
        time_zone=document["time_zone"],
        audience=None if audience == "all" else tuple(audience),
        classification=Classification(document["classification"]),
        importance=Importance(document["importance"]),
        keywords=tuple(document.get("keywords", ())),
        attachments=tuple(document.get("attachments", ())),
        declaration_version=document["declaration"]["version"] if "declaration" in document else None,
        document=document,
    )


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One immutable text of a submission. `number` counts from 1.

    `salt` goes into the digest, so that the digest in the ledger tells nothing of a short confidential text.
    `amended_by` is the editor whose text it is, None for one that the department handed in.
    """

    submission: str
    number: int
    form: Form
    salt: str
    created_at: datetime
    attachments: tuple[Attachment, ...] = ()
    amended_by: str | None = None

    def content_document(self) -> dict[str, Any]:
        """What `content_digest` covers: the whole form, the attachments' hashes and the salt."""
        return {
            "attachments": [file.document() for file in self.attachments],
            "form": dict(self.form.document),
            "salt": self.salt,
        }

    @cached_property
    def canonical(self) -> bytes:
        """The canonical content document: what is stored, archived and digested."""
        return canonical(self.content_document())

    @cached_property
    def content_digest(self) -> str:
        """SHA-256 in hexadecimal: what reviewers approve and the last check compares (clauses 1.3.1, 3.4.2)."""
        return hashlib.sha256(self.canonical).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Where a publication request stands: its head, small and without its text.

    `stage` is the review that is due while in review, `procedure` the version of the procedure that the round keeps;
    None for what was stored without it. `co_drafters` wrote, amended or sent in a revision, or answered for one: like
    the drafter they never decide. `amended_by` is the editor who amended the present revision. `attempt` counts the
    workflow's starts and fences off older ones; `first_attempt` is the one that the present stage began with. `seq` and
    `last_hash` are the end of its chain of events. `publish_at` and `time_zone` are the form's, until somebody moves
    the time of what is scheduled. `due_at` is the instant from which it may be published: `publish_at`, unless waits
    are scaled. `begun_at` is when the machine that now sees to it was begun, None for what was stored without it.
    `reason` says in a stable word why a person is needed.
    `again` are the channels that are still to be served after its publication, or to be taken off once it is retracted.
    """

    id: str
    state: State
    revision: int
    stage: str | None
    procedure: str | None = None
    attempt: int
    first_attempt: int
    seq: int
    last_hash: str
    content_digest: str
    request_digest: str
    correlation_id: str
    title: str
    department: str
    drafter: str
    co_drafters: tuple[str, ...] = ()
    amended_by: str | None = None
    category: Category
    classification: Classification
    importance: Importance
    channels: tuple[Channel, ...]
    audience: tuple[str, ...] | None
    publish_at: datetime
    time_zone: str
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None = None
    begun_at: datetime | None = None
    catalog_number: str | None = None
    reason: Reason | None = None
    again: tuple[Channel, ...] = ()

    @property
    def is_in_flight(self) -> bool:
        """Whether a machine must see to it that something happens, or that people are reminded."""
        return self.state in IN_FLIGHT or bool(self.again)

    @property
    def chain(self) -> Chain:
        """The end of its chain of events."""
        return Chain(submission=self.id, seq=self.seq, hash=self.last_hash)

    @property
    def restarts(self) -> int:
        """How often the workflow was begun again since the present stage began."""
        return self.attempt - self.first_attempt

    def is_at(self, state: State, *, revision: int, attempt: int) -> bool:
        """Whether it is in that state for that very attempt: the fence against late wake-ups."""
        return (self.state, self.revision, self.attempt) == (state, revision, attempt)


def execution_name(submission: str, revision: int, attempt: int) -> str:
    """The name of an attempt's executions: the same attempt never starts a machine twice."""
    return f"{submission}-{revision}-{attempt}"


def opened(*, submission: str, revision: Revision, request_digest: str, correlation_id: str) -> Submission:
    """The head of a new submission, before its first event."""
    return Submission(
        id=submission,
        state=State.IN_REVIEW,
        revision=0,
        stage=None,
        attempt=0,
        first_attempt=0,
        seq=0,
        last_hash=GENESIS,
        content_digest="",
        request_digest=request_digest,
        correlation_id=correlation_id,
        **form_facts(revision.form),
        created_at=revision.created_at,
        updated_at=revision.created_at,
    )


def with_revision(
    head: Submission, revision: Revision, request_digest: str, procedure: Procedure
) -> Submission:
    """The head as it stands when a revision goes into review: first stage, new round, new attempt."""
    if head.revision and head.state not in REVISABLE:
        raise IllegalTransition(state=head.state.value)
    return in_review(_with_text(head, revision, request_digest), procedure)


def in_review(head: Submission, procedure: Procedure) -> Submission:
    """The head as it stands when a round of a procedure begins for its present text: first stage, new attempt."""
    ensure_legal(head.state, State.IN_REVIEW)
    return replace(
        head,
        state=State.IN_REVIEW,
        stage=procedure.ids[0],
        procedure=procedure.version,
        attempt=head.attempt + 1,
        first_attempt=head.attempt + 1,
        due_at=None,
        reason=None,
    )


def may_be_amended(head: Submission, procedure: Procedure) -> bool:
    """Whether an editor may amend its text now, whoever it is: in its round's first stage (clause 2.1.3)."""
    return head.state is State.IN_REVIEW and head.stage == procedure.ids[0]


def with_amendment(head: Submission, revision: Revision, request_digest: str) -> Submission:
    """The head as it stands when an editor has amended the text: no review is due before the drafter confirms it."""
    ensure_legal(head.state, State.AWAITING_CONFIRMATION)
    amended = _with_text(head, revision, request_digest)
    return replace(amended, state=State.AWAITING_CONFIRMATION, stage=None)


def _with_text(head: Submission, revision: Revision, request_digest: str) -> Submission:
    wrote = {*head.co_drafters, head.drafter, *filter(None, [revision.amended_by])} - {revision.form.drafter}
    return replace(
        head,
        revision=revision.number,
        content_digest=revision.content_digest,
        request_digest=request_digest,
        co_drafters=tuple(sorted(wrote)),
        amended_by=revision.amended_by,
        **form_facts(revision.form),
    )


def form_facts(form: Form) -> dict[str, Any]:
    """What the head repeats of the form, so that lists and policy need no text."""
    return {
        "title": form.title,
        "department": form.department,
        "drafter": form.drafter,
        "category": form.category,
        "classification": form.classification,
        "importance": form.importance,
        "channels": form.channels,
        "audience": form.audience,
        "publish_at": form.publish_at,
        "time_zone": form.time_zone,
    }


def that_stand(events: Iterable[Event]) -> list[Event]:
    """The events without the decisions that were taken back."""
    standing: list[Event] = []
    for event in events:
        if event.type == "DecisionRecalled":
            recalled = (event.actor, event.payload["revision"], event.payload["stage"])
            standing = [
                each
                for each in standing
                if each.type != "Decided"
                or (each.actor, each.payload["revision"], each.payload["stage"]) != recalled
            ]
        standing.append(event)
    return standing


def opinions_in(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The signed opinions of every round, in order, as the ledger has them (clause 3.3.4)."""
    return [
        {
            **event.payload,
            "reviewer": event.actor,
            "at": to_text(event.at),
            "policy_line": event.policy.line if event.policy else None,
        }
        for event in events
        if event.type == "Decided"
    ]


DELIVERY_EVENTS = frozenset(
    {"Delivered", "DeliveryFailed", "DeliveryParked", "DeliverySettled", "DeliveryRetracted"}
)
"""The events that say how one channel's delivery stands."""


def deliveries_in(events: Iterable[Event], revision: int) -> list[dict[str, Any]]:
    """What became of each channel of a revision: the last that the ledger says of it."""
    deliveries: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.payload.get("revision") != revision:
            continue
        if event.type == "PublishingStarted":
            for channel, state in event.payload["channels"].items():
                deliveries[channel] = {
                    "channel": channel,
                    "state": state,
                    "at": to_text(event.at),
                    "receipt": None,
                }
        elif event.type in DELIVERY_EVENTS:
            channel = event.payload["channel"]
            deliveries[channel] = {
                "channel": channel,
                "state": event.payload["state"],
                "at": to_text(event.at),
                "receipt": event.payload["receipt"],
                **({"reason": event.payload["reason"]} if "reason" in event.payload else {}),
            }
    return list(deliveries.values())


def with_later_outcomes(deliveries: list[dict[str, Any]], events: Iterable[Event]) -> list[dict[str, Any]]:
    """The deliveries of a revision, brought up to what later events say of recipients and of sheets that hang.

    For whoever looks now; the archive keeps what was known when the text was published.
    """
    counts = {
        delivery["channel"]: Counter(delivery["receipt"]["recipients"])
        for delivery in deliveries
        if "recipients" in (delivery["receipt"] or {})
    }
    seen: list[dict[str, str]] = []
    for event in events:
        if event.type == "RecipientsChanged" and event.payload["channel"] in counts:
            counted = counts[event.payload["channel"]]
            for change in event.payload["changes"]:
                counted[change["before"]] -= 1
                counted[change["after"]] += 1
        elif event.type == "PublishingStarted":
            seen = []  # of the sheet of an earlier revision
        elif event.type == "DisplayConfirmed":
            seen.append({"by": event.actor, "at": to_text(event.at)})
    later: dict[str, dict[str, Any]] = {
        channel: {"recipients": dict(+counted)} for channel, counted in counts.items()
    }
    if seen:
        later[Channel.NOTICE_BOARD] = {"confirmed": seen}
    return [
        delivery | {"receipt": {**(delivery["receipt"] or {}), **later[delivery["channel"]]}}
        if delivery["channel"] in later
        else delivery
        for delivery in deliveries
    ]
