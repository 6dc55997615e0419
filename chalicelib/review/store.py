"""Review tasks, links and waiting executions in the table."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute

from chalicelib.core.clock import from_text, to_text
from chalicelib.core.ids import fingerprint
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import DocumentAttribute, Key, Put, Record, Table
from chalicelib.ledger.store import partition_key
from chalicelib.review.model import (
    DESK_LIFE,
    DESK_PATIENCE,
    Decision,
    Delegation,
    DeskEntry,
    Opinion,
    ReviewLink,
    ReviewTask,
    Waiting,
)

TASKS = "TASK#"
_REMINDER_LIFE = timedelta(days=3)
_DESK_PAGE = 100
_FIRST, _LAST = "!", "~"
"""What sorts before and after every entry, and every place that a cursor may name."""


class RefusalRecord(Record):
    """That somebody else tried a reviewer's handle: kept so that the ledger tells it once."""


class TaskRecord(Record):
    """One stage of one round. Opinions come and stay; once it is `closed` there are no more."""

    place = NumberAttribute()
    procedure = UnicodeAttribute()
    content_digest = UnicodeAttribute()
    opened_at = UnicodeAttribute()
    deadline = UnicodeAttribute()
    next_at = UnicodeAttribute()
    reviewers = DocumentAttribute()
    mailed = UnicodeSetAttribute(null=True)
    steps = NumberAttribute(default=0)
    reminded = NumberAttribute(default=0)
    reminded_in = NumberAttribute(default=0)
    told = UnicodeSetAttribute(null=True)
    needed = NumberAttribute(default=1)
    raised = BooleanAttribute(null=True)
    opinions = DocumentAttribute(null=True)
    closed = BooleanAttribute(null=True)
    version = NumberAttribute(default=0)
    assigned = DocumentAttribute(null=True)
    delegations = DocumentAttribute(null=True)


class DraftRecord(Record):
    """An opinion as far as it was typed, while its reviewer is away to sign in with the company's account."""

    typed = DocumentAttribute()


class LinkRecord(Record):
    """What a handle leads to, found by the hash of the handle."""

    reviewer = UnicodeAttribute()
    submission = UnicodeAttribute()
    revision = NumberAttribute()
    stage = UnicodeAttribute()
    content_digest = UnicodeAttribute()
    used_at = UnicodeAttribute(null=True)


class WaitingRecord(Record):
    """The execution that waits, one per submission: the latest attempt's."""

    revision = NumberAttribute()
    stage = UnicodeAttribute()
    attempt = NumberAttribute()
    token = UnicodeAttribute()


class DeskRecord(Record):
    """That a task was laid on a person's desk; its key says it all."""


class ReminderRecord(Record):
    """That a person was reminded on a day, and of which task: nobody is reminded twice a day."""

    task = UnicodeAttribute()


def put_reminder(person: str, day: date, task: ReviewTask) -> Put:
    """Describe a person's one reminder of a day, unless it was about another task: the same one may come again."""
    about = f"{task.submission}#{task.revision}#{task.stage}#{task.steps}"
    ends = datetime.combine(day, time.min, UTC) + _REMINDER_LIFE
    return Put(
        record=ReminderRecord(
            pk=f"REMINDED#{person}", sk=day.isoformat(), task=about, expires_at=int(ends.timestamp())
        ),
        condition=ReminderRecord.pk.does_not_exist() | (ReminderRecord.task == about),
    )


def desk_partition(person: str) -> str:
    """What lies on a person's desk is under this key."""
    return f"DESK#{person}"


def desk_key(entry: DeskEntry) -> Key[DeskRecord]:
    """Where an entry of a desk is; they sort by deadline."""
    return Key(DeskRecord, desk_partition(entry.person), entry.id)


def desk_record(entry: DeskEntry, now: datetime) -> DeskRecord:
    """An entry as it is kept, from now on for as long as desks remember."""
    key = desk_key(entry)
    return DeskRecord(pk=key.pk, sk=key.sk, expires_at=int((now + DESK_LIFE).timestamp()))


def may_wait(table: Table, person: str, now: datetime) -> Iterator[DeskEntry]:
    """What lies on a desk and may wait still, the latest deadline first."""
    return _desk(table, person, above=to_text(now - DESK_PATIENCE), below=_LAST, page_size=None)


def laid_before(table: Table, person: str, name: str | None) -> Iterator[DeskEntry]:
    """Everything that lies below an entry of a desk, the latest deadline first; all of it without a name."""
    return _desk(table, person, above=_FIRST, below=name or _LAST, page_size=_DESK_PAGE)


def _desk(table: Table, person: str, *, above: str, below: str, page_size: int | None) -> Iterator[DeskEntry]:
    rows = table.between(DeskRecord, desk_partition(person), above=above, below=below, page_size=page_size)
    return map(read_entry, rows)


def read_entry(record: DeskRecord) -> DeskEntry:
    """The entry that a record holds."""
    return DeskEntry.named(record.sk, record.pk.removeprefix(desk_partition("")))


def task_key(submission: str, revision: int, stage: str) -> Key[TaskRecord]:
    """Where a stage of a round is."""
    return Key(TaskRecord, partition_key(submission), f"{TASKS}{revision:04d}#{stage}")


def link_key(handle: str) -> Key[LinkRecord]:
    """Where a handle leads."""
    return Key(LinkRecord, f"LINK#{fingerprint(handle)}", "LINK")


def draft_key(handle: str, person: str) -> Key[DraftRecord]:
    """Where it is kept what a person has typed below a link."""
    return Key(DraftRecord, f"LINK#{fingerprint(handle)}", f"DRAFT#{person}")


def put_draft(handle: str, person: str, typed: Mapping[str, Any], expires_at: datetime) -> Put:
    """Describe what a person has typed below a link so far."""
    key = draft_key(handle, person)
    return Put(
        record=DraftRecord(pk=key.pk, sk=key.sk, typed=dict(typed), expires_at=int(expires_at.timestamp()))
    )


def refusal_key(link: ReviewLink, person: str) -> Key[RefusalRecord]:
    """Where it is kept that a person tried another's handle."""
    return Key(RefusalRecord, f"LINK#{link.fingerprint}", f"REFUSED#{person}")


def put_refusal(link: ReviewLink, person: str) -> Put:
    """Describe the first time a person tried another's handle."""
    key = refusal_key(link, person)
    record = RefusalRecord(pk=key.pk, sk=key.sk, expires_at=int(link.expires_at.timestamp()))
    return Put(record=record, condition=RefusalRecord.pk.does_not_exist())


def waiting_key(submission: str) -> Key[WaitingRecord]:
    """Where the waiting execution of a submission is."""
    return Key(WaitingRecord, partition_key(submission), "WAITING")


def _task_record(task: ReviewTask) -> TaskRecord:
    key = task_key(task.submission, task.revision, task.stage)
    return TaskRecord(
        pk=key.pk,
        sk=key.sk,
        place=task.place,
        procedure=task.procedure,
        content_digest=task.content_digest,
        opened_at=to_text(task.opened_at),
        deadline=to_text(task.deadline),
        next_at=to_text(task.next_at),
        reviewers=list(task.reviewers),
        mailed=set(task.mailed) or None,
        steps=task.steps,
        reminded=task.reminded,
        reminded_in=task.reminded_in,
        told=set(task.told) or None,
        needed=task.needed,
        raised=task.raised or None,
        opinions=[_opinion_document(opinion) for opinion in task.opinions] or None,
        closed=task.is_closed or None,
        version=task.version + 1,
        assigned=list(task.assigned) or None,
        delegations=[[each.by, each.to] for each in task.delegations] or None,
    )


def _opinion_document(opinion: Opinion) -> dict[str, Any]:
    return {
        "reviewer": opinion.reviewer,
        "decision": opinion.decision,
        "comment": opinion.comment,
        "checklist": dict(opinion.checklist),
        "content_digest": opinion.content_digest,
        "at": to_text(opinion.at),
        **({"instead_of": opinion.instead_of} if opinion.instead_of else {}),
    }


def _read_opinion(raw: Mapping[str, Any]) -> Opinion:
    return Opinion(
        reviewer=raw["reviewer"],
        decision=Decision(raw["decision"]),
        comment=raw["comment"],
        checklist=raw["checklist"],
        content_digest=raw["content_digest"],
        at=from_text(raw["at"]),
        instead_of=raw.get("instead_of"),
    )


def put_new_task(task: ReviewTask) -> Put:
    """Describe the opening of a stage."""
    return Put(record=_task_record(task), condition=TaskRecord.pk.does_not_exist())


def put_open_task(task: ReviewTask) -> Put:
    """Describe a change to a stage that somebody is waited for in, as it was read: a batch read is no snapshot."""
    as_read = TaskRecord.closed.does_not_exist() & (TaskRecord.version == task.version)
    return Put(record=_task_record(task), condition=TaskRecord.pk.exists() & as_read)


def put_reopened_task(task: ReviewTask) -> Put:
    """Describe that a stage waits again, whose last opinion was taken back."""
    as_read = TaskRecord.closed.exists() & (TaskRecord.version == task.version)
    return Put(record=_task_record(task), condition=as_read)


def read_task(record: TaskRecord) -> ReviewTask:
    """The task that a record holds."""
    revision, stage = record.sk.removeprefix(TASKS).split("#")
    return ReviewTask(
        submission=record.pk.removeprefix("SUBMISSION#"),
        revision=int(revision),
        stage=stage,
        place=int(record.place),
        procedure=record.procedure,
        content_digest=record.content_digest,
        opened_at=from_text(record.opened_at),
        deadline=from_text(record.deadline),
        next_at=from_text(record.next_at),
        reviewers=tuple(record.reviewers),
        mailed=frozenset(record.mailed or ()),
        steps=int(record.steps),
        reminded=int(record.reminded),
        reminded_in=int(record.reminded_in),
        told=frozenset(record.told or ()),
        needed=int(record.needed),
        raised=bool(record.raised),
        version=int(record.version),
        assigned=tuple(record.assigned or ()),
        delegations=tuple(Delegation(by=by, to=to) for by, to in record.delegations or ()),
        opinions=tuple(map(_read_opinion, record.opinions or ())),
    )


def tasks_of(table: Table, submission: str) -> tuple[ReviewTask, ...]:
    """Every task of a submission, by round and in the order of its stages."""
    tasks = map(read_task, table.partition(TaskRecord, partition_key(submission), TASKS))
    return tuple(sorted(tasks, key=lambda task: (task.revision, task.place)))


def mark_mailed(table: Table, task: ReviewTask, reviewer: str) -> None:
    """Note that a reviewer's mail went out."""
    where = task_key(task.submission, task.revision, task.stage)
    again_when_stale(lambda: table.add_to(where, member=("mailed", reviewer)))


def _link_record(link: ReviewLink) -> LinkRecord:
    return LinkRecord(
        pk=f"LINK#{link.fingerprint}",
        sk="LINK",
        reviewer=link.reviewer,
        submission=link.submission,
        revision=link.revision,
        stage=link.stage,
        content_digest=link.content_digest,
        expires_at=int(link.expires_at.timestamp()),
        used_at=to_text(link.used_at) if link.used_at else None,
    )


def put_link(link: ReviewLink) -> Put:
    """Describe a fresh link."""
    return Put(record=_link_record(link))


def lay_out(table: Table, entry: DeskEntry, link: ReviewLink | None, now: datetime) -> None:
    """Lay a task on a person's desk, and keep the link that is about to be mailed, if one is."""
    table.put_side_by_side(desk_record(entry, now), *([_link_record(link)] if link else []))


def put_used_link(link: ReviewLink, used_at: datetime) -> Put:
    """Describe a link's single use; or its next, after what it was used for has been taken back."""
    unused = LinkRecord.used_at.does_not_exist()
    as_read = unused if link.used_at is None else LinkRecord.used_at == to_text(link.used_at)
    return Put(
        record=_link_record(replace(link, used_at=used_at)), condition=LinkRecord.pk.exists() & as_read
    )


def read_link(record: LinkRecord) -> ReviewLink:
    """The link that a record holds."""
    return ReviewLink(
        fingerprint=record.pk.removeprefix("LINK#"),
        reviewer=record.reviewer,
        submission=record.submission,
        revision=int(record.revision),
        stage=record.stage,
        content_digest=record.content_digest,
        expires_at=datetime.fromtimestamp(int(record.expires_at or 0), UTC),
        used_at=from_text(record.used_at) if record.used_at else None,
    )


def put_waiting(waiting: Waiting) -> Put:
    """Describe that an execution waits: over an earlier attempt's, never over a later one's."""
    key = waiting_key(waiting.submission)
    record = WaitingRecord(
        pk=key.pk,
        sk=key.sk,
        revision=waiting.revision,
        stage=waiting.stage,
        attempt=waiting.attempt,
        token=waiting.token,
    )
    return Put(
        record=record,
        condition=WaitingRecord.pk.does_not_exist() | (WaitingRecord.attempt <= waiting.attempt),
    )


def read_waiting(record: WaitingRecord) -> Waiting:
    """The waiting execution that a record holds."""
    return Waiting(
        submission=record.pk.removeprefix("SUBMISSION#"),
        revision=int(record.revision),
        stage=record.stage,
        attempt=int(record.attempt),
        token=record.token,
    )
