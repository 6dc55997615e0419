"""Submissions in the table: a small head that changes, and revisions that never do.

Everything of a submission shares a partition. The head's `seq` is the number of its last event and the version of
its optimistic lock: a head is written only together with the event that follows.
"""

import json
from collections.abc import Iterator
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.attachment.model import attachment_from_document
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.table import DocumentAttribute, Key, Put, Record, Table
from chalicelib.ledger.store import partition_key
from chalicelib.submission.model import (
    IN_FLIGHT,
    Category,
    Channel,
    Classification,
    Importance,
    Reason,
    ReviewStage,
    Revision,
    State,
    Submission,
    form_from_document,
)

IN_FLIGHT_INDEX = "in_flight"
SHARDS = 16
"""How many keys the index of submissions in flight is spread over."""
_SWEEP_PAGE = 100


class SubmissionRecord(Record):
    """The head. The two index keys are there only while the index should show it."""

    listing_key = UnicodeAttribute()
    listing_sort = UnicodeAttribute()
    in_flight = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    seq = NumberAttribute()
    facts = DocumentAttribute()


class RevisionRecord(Record):
    """One revision: the content document that is digested, as canonical JSON."""

    content = UnicodeAttribute()
    created_at = UnicodeAttribute()


def head_key(submission: str) -> Key[SubmissionRecord]:
    """Where a submission's head is."""
    return Key(SubmissionRecord, partition_key(submission), "HEAD")


def revision_key(submission: str, number: int) -> Key[RevisionRecord]:
    """Where a revision is."""
    return Key(RevisionRecord, partition_key(submission), f"REVISION#{number:04d}")


def listing_key(department: str) -> str:
    """What a department's submissions are listed under."""
    return f"DEPARTMENT#{department}"


def shard_of(submission: str) -> str:
    """The key of the in-flight index that a submission falls under."""
    return f"in-flight-{ord(submission[-1]) % SHARDS:02d}"


def put_head(head: Submission, *, expected_seq: int) -> Put:
    """Describe the head's next version: only if nothing has happened since `expected_seq` (0: it is new)."""
    key = head_key(head.id)
    facts: dict[str, Any] = {
        "title": head.title,
        "drafter": head.drafter,
        "co_drafters": list(head.co_drafters) or None,
        "category": head.category,
        "classification": head.classification,
        "importance": head.importance,
        "channels": list(head.channels),
        "audience": None if head.audience is None else list(head.audience),
        "publish_at": to_text(head.publish_at),
        "time_zone": head.time_zone,
        "revision": head.revision,
        "stage": head.stage,
        "attempt": head.attempt,
        "first_attempt": head.first_attempt,
        "content_digest": head.content_digest,
        "last_hash": head.last_hash,
        "updated_at": to_text(head.updated_at),
        "due_at": to_text(head.due_at) if head.due_at else None,
        "catalog_number": head.catalog_number,
        "reason": head.reason,
        "request_digest": head.request_digest,
        "correlation_id": head.correlation_id,
    }
    record = SubmissionRecord(
        pk=key.pk,
        sk=key.sk,
        listing_key=listing_key(head.department),
        listing_sort=f"{to_text(head.created_at)}#{head.id}",
        in_flight=shard_of(head.id) if head.state in IN_FLIGHT else None,
        state=head.state.value,
        seq=head.seq,
        facts={name: value for name, value in facts.items() if value is not None},
    )
    condition = (
        SubmissionRecord.pk.does_not_exist() if expected_seq == 0 else SubmissionRecord.seq == expected_seq
    )
    return Put(record=record, condition=condition)


def read_head(record: SubmissionRecord) -> Submission:
    """The submission that a head holds."""
    facts = record.facts
    return Submission(
        id=record.pk.removeprefix("SUBMISSION#"),
        state=State(record.state),
        seq=int(record.seq),
        title=facts["title"],
        department=record.listing_key.removeprefix("DEPARTMENT#"),
        drafter=facts["drafter"],
        co_drafters=tuple(facts.get("co_drafters", ())),
        category=Category(facts["category"]),
        classification=Classification(facts["classification"]),
        importance=Importance(facts["importance"]),
        channels=tuple(map(Channel, facts["channels"])),
        audience=tuple(facts["audience"]) if "audience" in facts else None,
        publish_at=from_text(facts["publish_at"]),
        time_zone=facts["time_zone"],
        revision=facts["revision"],
        stage=ReviewStage(facts["stage"]) if "stage" in facts else None,
        attempt=facts["attempt"],
        first_attempt=facts["first_attempt"],
        content_digest=facts["content_digest"],
        last_hash=facts["last_hash"],
        created_at=from_text(record.listing_sort.partition("#")[0]),
        updated_at=from_text(facts["updated_at"]),
        due_at=from_text(facts["due_at"]) if "due_at" in facts else None,
        catalog_number=facts.get("catalog_number"),
        reason=Reason(facts["reason"]) if "reason" in facts else None,
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
    )


def in_flight(table: Table) -> Iterator[SubmissionRecord]:
    """The record of every submission that a machine must move on, as it stands now."""
    for shard in range(SHARDS):
        below = None
        while True:
            items = table.index_page(
                IN_FLIGHT_INDEX, ("in_flight", f"in-flight-{shard:02d}"), ("pk", below), limit=_SWEEP_PAGE
            )
            keys = [Key(SubmissionRecord, item["pk"]["S"], item["sk"]["S"]) for item in items]
            found = table.batch(*keys)
            yield from (record for record in map(found.get, keys) if record is not None)
            if len(items) < _SWEEP_PAGE:
                break
            below = items[-1]["pk"]["S"]
