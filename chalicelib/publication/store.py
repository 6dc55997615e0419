"""Deliveries, the website's entries and the freeze in the table."""

from collections.abc import Sequence

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.attachment.model import attachment_from_document
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.table import DocumentAttribute, Key, Put, Record, Table
from chalicelib.ledger.store import partition_key
from chalicelib.publication.channels.website.entry import Entry
from chalicelib.publication.model import Delivery, DeliveryState
from chalicelib.submission.model import Category, Channel, Classification

DELIVERIES = "DELIVERY#"


class DeliveryRecord(Record):
    """One channel's delivery of one revision."""

    state = UnicodeAttribute()
    started_at = UnicodeAttribute()
    fence = NumberAttribute()
    receipt = DocumentAttribute(null=True)


class EntryRecord(Record):
    """One item that the website shows under a prefix."""

    facts = DocumentAttribute()


class FreezeRecord(Record):
    """That publishing is frozen: there while it is."""

    reason = UnicodeAttribute()


FREEZE_KEY = Key(FreezeRecord, "FREEZE", "ALL")


def delivery_key(submission: str, revision: int, channel: Channel) -> Key[DeliveryRecord]:
    """Where a channel's delivery is."""
    return Key(DeliveryRecord, partition_key(submission), f"{DELIVERIES}{revision:04d}#{channel}")


def _delivery_record(delivery: Delivery) -> DeliveryRecord:
    key = delivery_key(delivery.submission, delivery.revision, delivery.channel)
    return DeliveryRecord(
        pk=key.pk,
        sk=key.sk,
        state=delivery.state.value,
        started_at=to_text(delivery.started_at),
        fence=delivery.fence,
        receipt=None if delivery.receipt is None else dict(delivery.receipt),
    )


def put_new_delivery(delivery: Delivery) -> Put:
    """Describe a delivery that begins."""
    return Put(record=_delivery_record(delivery), condition=DeliveryRecord.pk.does_not_exist())


def put_delivery(delivery: Delivery) -> Put:
    """Describe a claim or a confirmation: never over a later attempt's, never over what is done."""
    condition = (DeliveryRecord.fence <= delivery.fence) & (DeliveryRecord.state != DeliveryState.DONE.value)
    return Put(record=_delivery_record(delivery), condition=condition)


def read_delivery(record: DeliveryRecord) -> Delivery:
    """The delivery that a record holds."""
    revision, _, channel = record.sk.removeprefix(DELIVERIES).partition("#")
    return Delivery(
        submission=record.pk.removeprefix("SUBMISSION#"),
        revision=int(revision),
        channel=Channel(channel),
        state=DeliveryState(record.state),
        started_at=from_text(record.started_at),
        fence=int(record.fence),
        receipt=record.receipt,
    )


def deliveries_of(table: Table, submission: str, revision: int) -> tuple[Delivery, ...]:
    """Every channel's delivery of a revision."""
    prefix = f"{DELIVERIES}{revision:04d}#"
    return tuple(map(read_delivery, table.partition(DeliveryRecord, partition_key(submission), prefix)))


def put_entry(prefix: str, entry: Entry) -> Put:
    """Describe that an item is shown under a prefix; the same item again is the same write."""
    return Put(
        record=EntryRecord(
            pk=f"SITE#{prefix}",
            sk=f"{to_text(entry.published_at)}#{entry.submission}",
            facts={
                "revision": entry.revision,
                "title": entry.title,
                "summary": entry.summary,
                "category": entry.category,
                "department_name": entry.department_name,
                "time_zone": entry.time_zone,
                "keywords": list(entry.keywords),
                "classification": entry.classification,
                **(
                    {"attachments": [file.document() for file in entry.attachments]}
                    if entry.attachments
                    else {}
                ),
            },
        )
    )


def entries_under(table: Table, prefix: str) -> Sequence[Entry]:
    """Everything that is shown under a prefix, newest first, strongly consistent."""
    return [
        _read_entry(record) for record in table.partition(EntryRecord, f"SITE#{prefix}", newest_first=True)
    ]


def _read_entry(record: EntryRecord) -> Entry:
    published_at, _, submission = record.sk.partition("#")
    facts = record.facts
    return Entry(
        submission=submission,
        revision=facts["revision"],
        title=facts["title"],
        summary=facts["summary"],
        category=Category(facts["category"]),
        department_name=facts["department_name"],
        published_at=from_text(published_at),
        time_zone=facts["time_zone"],
        keywords=tuple(facts["keywords"]),
        classification=Classification(facts["classification"]),
        attachments=tuple(map(attachment_from_document, facts.get("attachments", ()))),
    )
