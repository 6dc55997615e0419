"""Events in the table: put once, never changed, in the partition of their submission, or of a chain of the desk's."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from pynamodb.attributes import UnicodeAttribute

from chalicelib.core.ids import new_id
from chalicelib.core.table import Key, Put, Record, Table
from chalicelib.ledger.model import Chain, Draft, Event, event_from_document

PREFIX = "EVENT#"


class EventRecord(Record):
    """One event. `document` is its canonical JSON; `event_type` repeats the type for stream filters."""

    event_type = UnicodeAttribute()
    document = UnicodeAttribute()


def partition_key(submission: str) -> str:
    """The partition that holds everything of a submission, or the events of a chain of the desk's own."""
    return f"SUBMISSION#{submission}"


def event_key(submission: str, seq: int) -> Key[EventRecord]:
    """Where the event of that number is."""
    return Key(EventRecord, partition_key(submission), f"{PREFIX}{seq:06d}")


def put_event(event: Event) -> Put:
    """Describe the event's write: it fails when the chain already has an event of that number."""
    key = event_key(event.submission, event.seq)
    record = EventRecord(
        pk=key.pk,
        sk=key.sk,
        event_type=event.type,
        document=event.canonical.decode(),
    )
    return Put(record=record, condition=EventRecord.pk.does_not_exist())


def append(chain: Chain, drafts: Sequence[Draft], now: datetime) -> tuple[list[Put], Chain]:
    """Describe the writes of the events that follow a chain's end, and answer the chain that ends with them."""
    puts = []
    for draft in drafts:
        event, chain = chain.append(draft, event_id=new_id("e"), at=now)
        puts.append(put_event(event))
    return puts, chain


def read_event(record: EventRecord) -> Event:
    """The event that a record holds."""
    return event_from_document(json.loads(record.document))


def events_of(table: Table, submission: str) -> Iterator[Event]:
    """The whole chain of a submission, in order."""
    return (read_event(record) for record in table.partition(EventRecord, partition_key(submission), PREFIX))


def newest_events(table: Table, submission: str) -> Iterator[Event]:
    """The same chain from its end on; no more is read than is asked for, a page at a time."""
    records = table.partition(EventRecord, partition_key(submission), PREFIX, newest_first=True)
    return map(read_event, records)
