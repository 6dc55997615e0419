"""Submissions in the table: a small head that changes, and revisions that never do.

Everything of a submission shares a partition. The head's `seq` is the number of its last event and the version of
its optimistic lock: a head is written only together with the event that follows.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.attachment.model import attachment_from_document
from chalicelib.core import logs
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.ids import shard
from chalicelib.core.problems import Problem
from chalicelib.core.table import Check, DocumentAttribute, Key, Put, Record, Table
from chalicelib.ledger.store import partition_key
from chalicelib.submission.letters import KEPT_BYTES, RefusedRequest, Standing
from chalicelib.submission.model import (
    PLANNED,
    Category,
    Channel,
    Classification,
    Importance,
    Reason,
    Revision,
    State,
    Submission,
    form_from_document,
)
from chalicelib.submission.procedure import Procedure, ProcedureError, procedure_from_document

IN_FLIGHT_INDEX = "in_flight"
SHARDS = 16
"""How many keys the index of submissions in flight is spread over."""
PLANNED_INDEX = "planned"
PLANNED_SHARDS = 4
"""How many keys the index of publish times is spread over: as many calls read a month, 4,000 writes a second fit in."""
MOST_PLANNED = 250
"""Rows of one of these keys that are read at once."""


class SubmissionRecord(Record):
    """The head. The keys of an index are there only while the index should show it.

    `publish_at` is one of `facts` in what was stored before there was the index of publish times.
    """

    listing_key = UnicodeAttribute()
    listing_sort = UnicodeAttribute()
    in_flight = UnicodeAttribute(null=True)
    planned = UnicodeAttribute(null=True)
    publish_at = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    seq = NumberAttribute()
    facts = DocumentAttribute()


class RevisionRecord(Record):
    """One revision: the content document that is digested, as canonical JSON."""

    content = UnicodeAttribute()
    created_at = UnicodeAttribute()
    amended_by = UnicodeAttribute(null=True)


class RefusedRequestRecord(Record):
    """A message of a department's system that was refused, without its content."""

    listing_key = UnicodeAttribute()
    listing_sort = UnicodeAttribute()
    state = UnicodeAttribute()
    facts = DocumentAttribute()


class ProcedureRecord(Record):
    """A version of the procedure of review that some round keeps. It never changes, and stays."""

    document = DocumentAttribute()


class RefusedContentRecord(Record):
    """What was sent, as it was sent; apart, so that lists need not read it."""

    content = UnicodeAttribute()


def head_key(submission: str) -> Key[SubmissionRecord]:
    """Where a submission's head is."""
    return Key(SubmissionRecord, partition_key(submission), "HEAD")


def revision_key(submission: str, number: int) -> Key[RevisionRecord]:
    """Where a revision is."""
    return Key(RevisionRecord, partition_key(submission), f"REVISION#{number:04d}")


def procedure_key(version: str) -> Key[ProcedureRecord]:
    """Where a version of the procedure is."""
    return Key(ProcedureRecord, f"PROCEDURE#{version}", "PROCEDURE")


def put_procedure(procedure: Procedure) -> Put:
    """Describe the write of a version: whoever writes it writes the same."""
    key = procedure_key(procedure.version)
    return Put(record=ProcedureRecord(pk=key.pk, sk=key.sk, document=dict(procedure.document)))


def read_kept_procedure(record: ProcedureRecord) -> Procedure:
    """The procedure that a record holds. Raises ProcedureError when it is not what it is kept as."""
    procedure = procedure_from_document(record.document)
    if record.pk != procedure_key(procedure.version).pk:
        raise ProcedureError(f"{record.pk} holds another procedure")
    return procedure


def listing_key(department: str) -> str:
    """What a department's submissions are listed under."""
    return f"DEPARTMENT#{department}"


def shard_of(submission: str) -> str:
    """The key of the in-flight index that a submission falls under."""
    return f"in-flight-{shard(submission, SHARDS):02d}"


def planned_key(submission: str) -> str:
    """The key of the index of publish times that a submission falls under; short, for every head has it."""
    return _planned_keys()[ord(submission[-1]) % PLANNED_SHARDS]


def _planned_keys() -> tuple[str, ...]:
    return tuple(f"p{shard}" for shard in range(PLANNED_SHARDS))


def put_head(head: Submission, *, expected_seq: int) -> Put:
    """Describe the head's next version: only if nothing has happened since `expected_seq` (0: it is new)."""
    key = head_key(head.id)
    facts: dict[str, Any] = {
        "title": head.title,
        "drafter": head.drafter,
        "co_drafters": list(head.co_drafters) or None,
        "amended_by": head.amended_by,
        "category": head.category,
        "classification": head.classification,
        "importance": head.importance,
        "channels": list(head.channels),
        "audience": None if head.audience is None else list(head.audience),
        "time_zone": head.time_zone,
        "revision": head.revision,
        "stage": head.stage,
        "procedure": head.procedure,
        "attempt": head.attempt,
        "first_attempt": head.first_attempt,
        "content_digest": head.content_digest,
        "last_hash": head.last_hash,
        "updated_at": to_text(head.updated_at),
        "due_at": to_text(head.due_at) if head.due_at else None,
        "begun_at": to_text(head.begun_at) if head.begun_at else None,
        "catalog_number": head.catalog_number,
        "reason": head.reason,
        "again": list(head.again) or None,
        "request_digest": head.request_digest,
        "correlation_id": head.correlation_id,
    }
    record = SubmissionRecord(
        pk=key.pk,
        sk=key.sk,
        listing_key=listing_key(head.department),
        listing_sort=f"{to_text(head.created_at)}#{head.id}",
        in_flight=shard_of(head.id) if head.is_in_flight else None,
        planned=planned_key(head.id) if head.state in PLANNED else None,
        publish_at=to_text(head.publish_at),
        state=head.state.value,
        seq=head.seq,
        facts={name: value for name, value in facts.items() if value is not None},
    )
    condition = (
        SubmissionRecord.pk.does_not_exist() if expected_seq == 0 else SubmissionRecord.seq == expected_seq
    )
    return Put(record=record, condition=condition)


def read_head(record: SubmissionRecord) -> Submission:
    """The submission that a head holds; the log of whoever works on it learns which request it began with."""
    facts = record.facts
    submission = record.pk.removeprefix("SUBMISSION#")
    logs.note_correlation(submission, facts["correlation_id"])
    return Submission(
        id=submission,
        state=State(record.state),
        seq=int(record.seq),
        title=facts["title"],
        department=record.listing_key.removeprefix("DEPARTMENT#"),
        drafter=facts["drafter"],
        co_drafters=tuple(facts.get("co_drafters", ())),
        amended_by=facts.get("amended_by"),
        category=Category(facts["category"]),
        classification=Classification(facts["classification"]),
        importance=Importance(facts["importance"]),
        channels=tuple(map(Channel, facts["channels"])),
        audience=tuple(facts["audience"]) if "audience" in facts else None,
        publish_at=from_text(record.publish_at or facts["publish_at"]),
        time_zone=facts["time_zone"],
        revision=facts["revision"],
        stage=facts.get("stage"),
        procedure=facts.get("procedure"),
        attempt=facts["attempt"],
        first_attempt=facts["first_attempt"],
        content_digest=facts["content_digest"],
        last_hash=facts["last_hash"],
        created_at=from_text(record.listing_sort.partition("#")[0]),
        updated_at=from_text(facts["updated_at"]),
        due_at=from_text(facts["due_at"]) if "due_at" in facts else None,
        begun_at=from_text(facts["begun_at"]) if "begun_at" in facts else None,
        catalog_number=facts.get("catalog_number"),
        reason=Reason(facts["reason"]) if "reason" in facts else None,
        again=tuple(map(Channel, facts.get("again", ()))),
        request_digest=facts["request_digest"],
        correlation_id=facts["correlation_id"],
    )


def put_revision(revision: Revision) -> Put:
    """Describe a revision's only write."""
    key = revision_key(revision.submission, revision.number)
    record = RevisionRecord(
        pk=key.pk,
        sk=key.sk,
        content=revision.canonical.decode(),
        created_at=to_text(revision.created_at),
        amended_by=revision.amended_by,
    )
    return Put(record=record, condition=RevisionRecord.pk.does_not_exist())


def read_revision(record: RevisionRecord) -> Revision:
    """The revision that a record holds."""
    content = json.loads(record.content)
    return Revision(
        submission=record.pk.removeprefix("SUBMISSION#"),
        number=int(record.sk.removeprefix("REVISION#")),
        form=form_from_document(content["form"]),
        salt=content["salt"],
        created_at=from_text(record.created_at),
        attachments=tuple(map(attachment_from_document, content["attachments"])),
        amended_by=record.amended_by,
    )


_SWEEP_PAGE = 100


def in_flight(table: Table) -> Iterator[SubmissionRecord]:
    """The record of every submission that a machine must move on, as it stands now."""
    for number in range(SHARDS):
        below = None
        while True:
            items = table.index_page(
                IN_FLIGHT_INDEX, ("in_flight", f"in-flight-{number:02d}"), ("pk", below), limit=_SWEEP_PAGE
            )
            keys = [Key(SubmissionRecord, item["pk"]["S"], item["sk"]["S"]) for item in items]
            found = table.batch(*keys)
            yield from (record for record in map(found.get, keys) if record is not None)
            if len(items) < _SWEEP_PAGE:
                break
            below = items[-1]["pk"]["S"]


def planned_between(
    table: Table, since: datetime, until: datetime
) -> tuple[list[SubmissionRecord], datetime | None]:
    """The records of what is planned from one instant on and before another, by time, as they stand now.

    Where there is more than is read at once, the second is the instant from which the rest must be asked for; what lies
    at one single instant beyond that is left out. One call a shard, and one for every hundred records.
    """
    span = (to_text(since), to_text(until - timedelta(milliseconds=1)))
    rows: list[dict[str, Any]] = []
    rest: list[str] = []
    for key in _planned_keys():
        found = table.index_range(PLANNED_INDEX, ("planned", key), "publish_at", span, limit=MOST_PLANNED + 1)
        rows += found[:MOST_PLANNED]
        rest += [_planned_at(row) for row in found[MOST_PLANNED:]]
    just_after = to_text(since + timedelta(milliseconds=1))
    end = min((max(each, just_after) for each in rest), default=None)
    rows = sorted((row for row in rows if end is None or _planned_at(row) < end), key=_planned_at)
    keys = [Key(SubmissionRecord, row["pk"]["S"], row["sk"]["S"]) for row in rows]
    found_records = table.batch(*keys)
    records = [record for record in map(found_records.get, keys) if record is not None]
    return records, None if end is None else from_text(end)


def _planned_at(row: dict[str, Any]) -> str:
    return str(row["publish_at"]["S"])


def refused_key(refused_request: str) -> Key[RefusedRequestRecord]:
    """Where a refused request is."""
    return Key(RefusedRequestRecord, f"REFUSED_REQUEST#{refused_request}", "REQUEST")


def refused_content_key(refused_request: str) -> Key[RefusedContentRecord]:
    """Where its content is."""
    return Key(RefusedContentRecord, f"REFUSED_REQUEST#{refused_request}", "CONTENT")


def refused_listing_key(department: str) -> str:
    """What a department's refused requests are listed under."""
    return f"REFUSED#{department}"


def put_refused(request: RefusedRequest, *, before: tuple[Standing, ...] = ()) -> Put:
    """Describe a refused request's write: only while it stands as one of `before`; without any, if it is new."""
    key = refused_key(request.id)
    record = RefusedRequestRecord(
        pk=key.pk,
        sk=key.sk,
        listing_key=refused_listing_key(request.department),
        listing_sort=f"{to_text(request.received_at)}#{request.id}",
        state=request.standing.value,
        facts={
            "message": request.message,
            "redrives": request.redrives,
            "problem": request.problem.codes(),
            "idempotency_key": request.idempotency_key,
            "title": request.title,
            "drafter": request.drafter,
            "classification": request.classification,
            "sha256": request.sha256,
            "size": request.size,
        },
        expires_at=int(request.expires_at.timestamp()),
    )
    standing = [standing.value for standing in before]
    condition = (
        RefusedRequestRecord.state.is_in(*standing) if before else RefusedRequestRecord.pk.does_not_exist()
    )
    return Put(record=record, condition=condition)


def put_refused_content(request: RefusedRequest, content: str) -> Put | None:
    """Describe the write of what was sent; None if it is too long to be kept: its digest and size must do."""
    if request.size > KEPT_BYTES:
        return None
    key = refused_content_key(request.id)
    expires_at = int(request.expires_at.timestamp())
    return Put(record=RefusedContentRecord(pk=key.pk, sk=key.sk, content=content, expires_at=expires_at))


def read_refused(record: RefusedRequestRecord) -> RefusedRequest:
    """The refused request that a record holds."""
    facts = record.facts
    return RefusedRequest(
        id=record.pk.removeprefix("REFUSED_REQUEST#"),
        department=record.listing_key.removeprefix("REFUSED#"),
        message=facts["message"],
        redrives=facts["redrives"],
        standing=Standing(record.state),
        received_at=from_text(record.listing_sort.partition("#")[0]),
        problem=Problem.from_codes(facts["problem"]),
        idempotency_key=facts["idempotency_key"],
        title=facts["title"],
        drafter=facts["drafter"],
        classification=Classification(facts["classification"]),
        sha256=facts["sha256"],
        size=facts["size"],
    )


def not_refused(refused_request: str) -> Check:
    """Describe the condition that a letter has not been refused: of two deliveries of it, one is heeded."""
    condition = RefusedRequestRecord.pk.does_not_exist()
    return Check(key=refused_key(refused_request), condition=condition)


def not_submitted(submission: str) -> Check:
    """Describe the condition that there is no submission of this id: as `not_refused`, the other way round."""
    return Check(key=head_key(submission), condition=SubmissionRecord.pk.does_not_exist())
