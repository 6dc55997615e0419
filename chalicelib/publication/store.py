"""Deliveries, the website's entries, freezes, and mailings with their recipients in the table."""

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from pynamodb.attributes import BinaryAttribute, BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.attachment.model import attachment_from_document
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.ids import fingerprint, new_id, shard
from chalicelib.core.table import DocumentAttribute, Found, Key, Put, Record, Table
from chalicelib.ledger.store import partition_key
from chalicelib.publication.channels.email.mailing import (
    RECORD_LIFE,
    UNSUBSCRIBE_LIFE,
    Announcement,
    Mailing,
    Recipient,
    RecipientState,
    Tally,
)
from chalicelib.publication.channels.notice_board.board import BoardItem
from chalicelib.publication.channels.website.entry import Correction, Entry
from chalicelib.publication.channels.website.pictures import picture_from_document
from chalicelib.publication.freeze import WHOLE, Freeze, Freezes
from chalicelib.publication.model import UNFINISHED, Delivery, DeliveryState, Retraction
from chalicelib.submission.model import Category, Channel, Classification, Submission

DELIVERIES = "DELIVERY#"


class DeliveryRecord(Record):
    """One channel's delivery of one revision."""

    state = UnicodeAttribute()
    started_at = UnicodeAttribute()
    fence = NumberAttribute()
    claim = UnicodeAttribute(null=True)
    called_at = UnicodeAttribute(null=True)
    facts = DocumentAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    receipt = DocumentAttribute(null=True)


class EntryRecord(Record):
    """One item that the website shows under a prefix, or did. `step` counts its corrections and retraction."""

    facts = DocumentAttribute()
    step = NumberAttribute(null=True)


class FreezeRecord(Record):
    """What is frozen, and the end of the chain that tells of it.

    An item of the first shape says a reason and nothing else, and freezes everything as long as it is there.
    """

    reason = UnicodeAttribute(null=True)
    seq = NumberAttribute(null=True)
    facts = DocumentAttribute(null=True)


FREEZES_KEY = Key(FreezeRecord, "FREEZE", "ALL")
"""Where everything is that a check before a delivery must know: one item, so one more key of a batch read."""
_SHAPE = 2
_UNKNOWN = "service:operations"
"""By whom a freeze of the first shape was."""


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
        claim=delivery.claim,
        called_at=None if delivery.called_at is None else to_text(delivery.called_at),
        facts=None if delivery.facts is None else dict(delivery.facts),
        reason=delivery.reason,
        receipt=None if delivery.receipt is None else dict(delivery.receipt),
    )


def put_new_delivery(delivery: Delivery) -> Put:
    """Describe a delivery that begins."""
    return Put(record=_delivery_record(delivery), condition=DeliveryRecord.pk.does_not_exist())


def put_delivery(before: Delivery, after: Delivery) -> Put:
    """Describe a delivery's next step: only if nobody has claimed it or taken a step since it was read.

    The same step of the same run, sent a second time because nobody heard of the first, is no other.
    """
    as_read = (DeliveryRecord.fence == before.fence) & (DeliveryRecord.state == before.state.value)
    own = (DeliveryRecord.claim == after.claim) & (DeliveryRecord.state == after.state.value)
    return Put(record=_delivery_record(after), condition=as_read if after.claim is None else as_read | own)


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
        claim=record.claim,
        called_at=None if record.called_at is None else from_text(record.called_at),
        facts=record.facts,
        reason=record.reason,
        receipt=record.receipt,
    )


def deliveries_of(table: Table, submission: str, revision: int) -> tuple[Delivery, ...]:
    """Every channel's delivery of a revision."""
    prefix = f"{DELIVERIES}{revision:04d}#"
    return tuple(map(read_delivery, table.partition(DeliveryRecord, partition_key(submission), prefix)))


class ParkedRecord(Record):
    """That a delivery was left to a person; whether it still is, head and delivery say."""


class ChannelRecord(Record):
    """When a channel last took something."""

    delivered_at = UnicodeAttribute()


SHARDS = 16
"""Over how many items it is spread when a channel last took something."""
PARKED_LIFE = timedelta(days=400)
"""How long it is kept that a delivery was left to a person."""


@dataclass(frozen=True, kw_only=True)
class Parked:
    """That a delivery was left to a person, and when, in UTC."""

    submission: str
    revision: int
    channel: Channel
    at: datetime


def put_parked(delivery: Delivery, at: datetime) -> Put:
    """Describe that a delivery is left to a person."""
    record = ParkedRecord(
        pk=f"PARKED#{delivery.channel}",
        sk=f"{to_text(at)}#{delivery.submission}#{delivery.revision:04d}",
        expires_at=int((at + PARKED_LIFE).timestamp()),
    )
    return Put(record=record)


def parked_on(table: Table, channel: Channel, most: int) -> tuple[Parked, ...]:
    """The last deliveries on a channel that were left to a person, newest first; some have been answered for since."""
    records = table.partition(ParkedRecord, f"PARKED#{channel}", newest_first=True)
    found = []
    for record in islice(records, most):
        at, submission, revision = record.sk.split("#")
        found.append(Parked(submission=submission, revision=int(revision), channel=channel, at=from_text(at)))
    return tuple(found)


def channel_keys(channel: Channel) -> tuple[Key[ChannelRecord], ...]:
    """Where it is kept when a channel last took something: the latest of these, of which none is hot."""
    return tuple(Key(ChannelRecord, f"CHANNEL#{channel}#{number:02d}", "LAST") for number in range(SHARDS))


def channel_key(channel: Channel, submission: str) -> Key[ChannelRecord]:
    """Which of them a submission's delivery is told in."""
    return Key(ChannelRecord, f"CHANNEL#{channel}#{shard(submission, SHARDS):02d}", "LAST")


def put_last(delivery: Delivery, at: datetime) -> Put:
    """Describe that a channel has taken something."""
    key = channel_key(delivery.channel, delivery.submission)
    return Put(record=ChannelRecord(pk=key.pk, sk=key.sk, delivered_at=to_text(at)))


def unfinished_of(table: Table, heads: Iterable[Submission]) -> dict[str, tuple[Channel, ...]]:
    """The channels of each submission that are not yet delivered to, by its id, read together."""
    keys = {
        (head.id, channel): delivery_key(head.id, head.revision, channel)
        for head in heads
        for channel in head.channels
    }
    if not keys:
        return {}
    found = table.batch(*keys.values())
    unfinished: dict[str, tuple[Channel, ...]] = {}
    for (submission, channel), key in keys.items():
        record = found.get(key)
        if record is not None and read_delivery(record).state in UNFINISHED:
            unfinished[submission] = (*unfinished.get(submission, ()), channel)
    return unfinished


def put_freezes(freezes: Freezes, before: FreezeRecord | None) -> Put:
    """Describe what is frozen from now on: only if nothing has happened since the item `before` was read."""
    record = FreezeRecord(
        pk=FREEZES_KEY.pk,
        sk=FREEZES_KEY.sk,
        v=_SHAPE,
        seq=freezes.seq,
        facts={
            "last_hash": freezes.last_hash,
            "standing": {scope: _freeze_facts(freeze) for scope, freeze in freezes.standing.items()},
            "ended": {scope: to_text(at) for scope, at in freezes.ended.items()},
        },
    )
    return Put(record=record, condition=_unchanged_since(before))


def _unchanged_since(before: FreezeRecord | None) -> Condition:
    if before is None:
        return FreezeRecord.pk.does_not_exist()
    return FreezeRecord.seq.does_not_exist() if before.seq is None else FreezeRecord.seq == before.seq


def _freeze_facts(freeze: Freeze) -> dict[str, Any]:
    return {
        "reason": freeze.reason,
        "by": freeze.by,
        "actor": freeze.actor,
        "since": to_text(freeze.since),
        "seq": freeze.seq,
        "until": to_text(freeze.until) if freeze.until else None,
    }


def read_freezes(record: FreezeRecord | None) -> Freezes:
    """What is frozen by the item, if there is one. Of an older shape, or lost, it does not know the chain's end."""
    if record is None:
        return Freezes()
    if record.seq is None:
        since = datetime.fromtimestamp(0, UTC)
        freeze = Freeze(
            scope=WHOLE, reason=record.reason or "", by=_UNKNOWN, actor=_UNKNOWN, since=since, seq=0
        )
        return Freezes(standing={WHOLE: freeze})
    facts = record.facts
    return Freezes(
        standing={scope: _read_freeze(scope, each) for scope, each in facts["standing"].items()},
        ended={scope: from_text(at) for scope, at in facts["ended"].items()},
        seq=int(record.seq),
        last_hash=facts["last_hash"],
    )


def _read_freeze(scope: str, facts: dict[str, Any]) -> Freeze:
    return Freeze(
        scope=scope,
        reason=facts["reason"],
        by=facts["by"],
        actor=facts["actor"],
        since=from_text(facts["since"]),
        seq=facts["seq"],
        until=from_text(facts["until"]) if facts["until"] else None,
    )


def site_partition(prefix: str) -> str:
    """The partition that holds every item which the website shows under a prefix."""
    return f"SITE#{prefix}"


def entry_key(prefix: str, entry: Entry) -> Key[EntryRecord]:
    """Where an item is kept that the website shows under a prefix, whichever its revision."""
    return Key(EntryRecord, site_partition(prefix), f"{to_text(entry.published_at)}#{entry.submission}")


def put_entry(prefix: str, entry: Entry) -> Put:
    """Describe that an item is shown under a prefix; the same item again is the same write.

    Never over a later step's: what was corrected or taken back stays so, however late an earlier delivery comes.
    """
    key = entry_key(prefix, entry)
    record = EntryRecord(pk=key.pk, sk=key.sk, facts=_entry_facts(entry), step=entry.step or None)
    earliest = EntryRecord.step.does_not_exist()
    return Put(
        record=record, condition=earliest | (EntryRecord.step <= entry.step) if entry.step else earliest
    )


def _entry_facts(entry: Entry) -> dict[str, Any]:
    """What is kept of an item beside its key; what it has none of is left out."""
    facts: dict[str, Any] = {
        "revision": entry.revision,
        "title": entry.title,
        "summary": entry.summary,
        "category": entry.category,
        "department_name": entry.department_name,
        "time_zone": entry.time_zone,
        "keywords": list(entry.keywords),
        "classification": entry.classification,
    }
    if entry.attachments:
        facts["attachments"] = [file.document() for file in entry.attachments]
    if entry.pictures:
        facts["pictures"] = [each.document() for each in entry.pictures]
    if entry.corrections:
        facts["corrections"] = [
            asdict(each) | {"at": to_text(each.at), "files": list(each.files)} for each in entry.corrections
        ]
    if entry.retraction:
        facts["retraction"] = asdict(entry.retraction) | {"at": to_text(entry.retraction.at)}
    return facts


def entries_under(table: Table, prefix: str) -> Sequence[Entry]:
    """Everything that is shown under a prefix or was, newest first, strongly consistent."""
    return [
        read_entry(record)
        for record in table.partition(EntryRecord, site_partition(prefix), newest_first=True)
    ]


def read_entry(record: EntryRecord) -> Entry:
    """The item that a record holds."""
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
        pictures=tuple(map(picture_from_document, facts.get("pictures", ()))),
        corrections=tuple(map(_read_correction, facts.get("corrections", ()))),
        retraction=_read_retraction(facts.get("retraction")),
    )


def _read_correction(facts: dict[str, Any]) -> Correction:
    return Correction(**facts | {"at": from_text(facts["at"]), "files": tuple(facts["files"])})


def _read_retraction(facts: dict[str, Any] | None) -> Retraction | None:
    return Retraction(**facts | {"at": from_text(facts["at"])}) if facts else None


BOARD = "BOARD#ITEMS"
"""The partition of what hangs on the notice board, or has."""
BOARD_LIFE = timedelta(days=400)
"""How long an item is kept after it has left: who waited for its place is still planned by it."""


class BoardRecord(Record):
    """One item of the notice board."""

    facts = DocumentAttribute()


def board_key(submission: str) -> Key[BoardRecord]:
    """Where a submission's item of the board is."""
    return Key(BoardRecord, BOARD, submission)


def put_board_item(item: BoardItem, before: BoardRecord | None = None) -> Put:
    """Describe that an item is on the board, or was; with `before` only if nothing has changed since that was read."""
    key = board_key(item.submission)
    return Put(
        condition=None if before is None else BoardRecord.facts == before.facts,
        record=BoardRecord(
            pk=key.pk,
            sk=key.sk,
            facts={
                "revision": item.revision,
                "department": item.department,
                "since": to_text(item.since),
                "display_s": int(item.display.total_seconds()),
                "duration_s": int(item.duration.total_seconds()),
                "priority": item.priority,
                "sha256": item.sha256,
                "removed_at": to_text(item.removed_at) if item.removed_at else None,
                "confirmed": list(item.confirmed),
            },
            expires_at=int((item.since + item.display + BOARD_LIFE).timestamp()),
        ),
    )


def read_board_item(record: BoardRecord) -> BoardItem:
    """The item that a record holds."""
    facts = record.facts
    return BoardItem(
        submission=record.sk,
        revision=facts["revision"],
        department=facts["department"],
        since=from_text(facts["since"]),
        display=timedelta(seconds=facts["display_s"]),
        duration=timedelta(seconds=facts["duration_s"]),
        priority=facts["priority"],
        sha256=facts["sha256"],
        removed_at=from_text(facts["removed_at"]) if facts["removed_at"] else None,
        confirmed=tuple(facts["confirmed"]),
    )


def board_item(table: Table, submission: str) -> BoardItem | None:
    """A submission's item of the board, if it has come there."""
    record = table.get(board_key(submission))
    return None if record is None else read_board_item(record)


def board_items(table: Table) -> tuple[BoardItem, ...]:
    """Everything that hangs on the board or has, strongly consistent."""
    return tuple(map(read_board_item, table.partition(BoardRecord, BOARD)))


LIST_PART = 2000
"""Recipients in one item of a list: about a quarter of what an item may hold."""
_LISTS, _LETTER, _MAILING, _RECIPIENT = "LIST#", "LETTER#", "MAILING", "RECIPIENT#"
_SUPPRESSION = "SUPPRESSION#"
MAILED_LIFE = timedelta(days=8)
"""How long is kept how often a person was written to: a day longer than any rule asks about."""


class MailingRecord(Record):
    """That a mailing's list is fixed, and how it ended. `generation` names the list and the letter that count."""

    generation = UnicodeAttribute()
    salt = UnicodeAttribute()
    fixed_at = UnicodeAttribute()
    changes = NumberAttribute()
    counts = DocumentAttribute(null=True)


class RecipientListRecord(Record):
    """A part of a list: person and key of each recipient."""

    recipients = DocumentAttribute()


class LetterRecord(Record):
    """What a mailing sends, compressed: the longest text would not fit otherwise."""

    content = BinaryAttribute(legacy_encoding=False)


class RecipientRecord(Record):
    """What has become of one recipient; there is none as long as nothing has."""

    person = UnicodeAttribute()
    state = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    claim = UnicodeAttribute(null=True)
    claimed_at = UnicodeAttribute(null=True)
    tries = NumberAttribute(default=0)


class UnsubscribeRecord(Record):
    """Whose announcements end, found by the hash of what a mail's address carries."""

    person = UnicodeAttribute()


class SubscriptionRecord(Record):
    """Whether a person wants announcements; everybody does who has none."""

    announcements = BooleanAttribute()


class MailedRecord(Record):
    """Which announcements a person was written to about in the last days. `serial` counts its versions."""

    mailings = DocumentAttribute()
    serial = NumberAttribute()


class SuppressionRecord(Record):
    """An address, by its hash, that announcements no longer go to: from `at` until it is lifted by somebody.

    An older one does not say since when.
    """

    reason = UnicodeAttribute()
    at = UnicodeAttribute(null=True)
    lifted_at = UnicodeAttribute(null=True)
    lifted_by = UnicodeAttribute(null=True)


def _mailing_pk(submission: str, revision: int) -> str:
    return f"MAILING#{submission}#{revision:04d}"


def mailing_key(submission: str, revision: int) -> Key[MailingRecord]:
    """Where a mailing's list is said to be fixed."""
    return Key(MailingRecord, _mailing_pk(submission, revision), _MAILING)


def recipient_key(submission: str, revision: int, recipient: str) -> Key[RecipientRecord]:
    """Where it is kept what has become of a recipient."""
    return Key(RecipientRecord, _mailing_pk(submission, revision), f"{_RECIPIENT}{recipient}")


def unsubscribe_key(token: str) -> Key[UnsubscribeRecord]:
    """Whom the token of a mail's unsubscribing address stands for."""
    return Key(UnsubscribeRecord, f"UNSUBSCRIBE#{fingerprint(token)}", "UNSUBSCRIBE")


def subscription_key(person: str) -> Key[SubscriptionRecord]:
    """Whether a person wants announcements."""
    return Key(SubscriptionRecord, f"SUBSCRIPTION#{person}", "SUBSCRIPTION")


def mailed_key(person: str) -> Key[MailedRecord]:
    """Where it is kept how often a person was written to lately."""
    return Key(MailedRecord, f"MAILED#{person}", "RECENT")


def read_tally(record: MailedRecord | None) -> Tally:
    """How often a person was written to lately."""
    entries = () if record is None else record.mailings
    return Tally(entries=tuple((date.fromisoformat(day), mailing) for day, mailing in entries))


def put_mailed(before: MailedRecord | None, person: str, tally: Tally, now: datetime) -> Put:
    """Describe that a person is written to once more: only if nobody else has counted since it was read."""
    key = mailed_key(person)
    record = MailedRecord(
        pk=key.pk,
        sk=key.sk,
        mailings=[[day.isoformat(), mailing] for day, mailing in tally.entries],
        serial=0 if before is None else int(before.serial) + 1,
        expires_at=int((now + MAILED_LIFE).timestamp()),
    )
    same = MailedRecord.pk.does_not_exist() if before is None else MailedRecord.serial == before.serial
    return Put(record=record, condition=same)


def suppression_key(email: str) -> Key[SuppressionRecord]:
    """Whether announcements no longer go to an address; case does not matter."""
    return Key(SuppressionRecord, f"{_SUPPRESSION}{fingerprint(email.strip().casefold())}", "SUPPRESSION")


def suppressed_hash(record: SuppressionRecord) -> str:
    """Which address it is about, as `fingerprint` of it in small letters."""
    return str(record.pk.removeprefix(_SUPPRESSION))


def put_suppression(email: str, reason: str, at: datetime) -> Put:
    """Describe that announcements no longer go to an address, whatever was known of it."""
    key = suppression_key(email)
    return Put(record=SuppressionRecord(pk=key.pk, sk=key.sk, reason=reason, at=to_text(at)))


def put_suppression_heard(
    before: SuppressionRecord | None, email: str, reason: str, at: datetime
) -> Put | None:
    """Describe what follows from what happened at `at` (UTC): nothing if it is suppressed, or was lifted since."""
    if before is not None and (before.lifted_at is None or before.lifted_at > to_text(at)):
        return None
    put = put_suppression(email, reason, at)
    condition = (
        SuppressionRecord.pk.does_not_exist()
        if before is None
        else SuppressionRecord.lifted_at == before.lifted_at
    )
    return replace(put, condition=condition)


def put_lifted(before: SuppressionRecord, by: str, at: datetime) -> Put:
    """Describe that announcements go to an address again: only if what suppresses it is what was read.

    It is kept, so that word of an older bounce that comes late, or again, does not suppress once more.
    """
    record = SuppressionRecord(
        pk=before.pk, sk=before.sk, reason=before.reason, at=before.at, lifted_at=to_text(at), lifted_by=by
    )
    same = SuppressionRecord.at.does_not_exist() if before.at is None else SuppressionRecord.at == before.at
    return Put(record=record, condition=same & SuppressionRecord.lifted_at.does_not_exist())


def suppressions(table: Table) -> Iterator[SuppressionRecord]:
    """Every address that is suppressed: a scan, for operations only."""
    return (each for each in table.scan(SuppressionRecord, _SUPPRESSION) if each.lifted_at is None)


def put_subscription(person: str, *, announcements: bool) -> Put:
    """Describe whether a person wants announcements."""
    key = subscription_key(person)
    return Put(record=SubscriptionRecord(pk=key.pk, sk=key.sk, announcements=announcements))


def put_unsubscribe(token: str, person: str, now: datetime) -> Put:
    """Describe a fresh token of a mail that goes out now."""
    key = unsubscribe_key(token)
    expires_at = int((now + UNSUBSCRIBE_LIFE).timestamp())
    return Put(record=UnsubscribeRecord(pk=key.pk, sk=key.sk, person=person, expires_at=expires_at))


def fix_mailing(
    table: Table,
    *,
    submission: str,
    revision: int,
    salt: str,
    recipients: Sequence[Recipient],
    announcement: Announcement,
    now: datetime,
) -> None:
    """Store list and letter, and only then that they are the mailing's. Raises Stale when it has others already.

    Each try stores under a name of its own, so that two at once never mix.
    """
    pk, generation = _mailing_pk(submission, revision), new_id("g")
    expires_at = int((now + RECORD_LIFE).timestamp())
    content = zlib.compress(json.dumps(asdict(announcement), ensure_ascii=False).encode(), 9)
    letter = LetterRecord(pk=pk, sk=f"{_LETTER}{generation}", content=content, expires_at=expires_at)
    table.put(Put(record=letter))
    for start in range(0, len(recipients), LIST_PART):
        part = RecipientListRecord(
            pk=pk,
            sk=f"{_LISTS}{generation}#{start:06d}",
            recipients=[[each.person, each.key] for each in recipients[start : start + LIST_PART]],
            expires_at=expires_at,
        )
        table.put(Put(record=part))
    record = MailingRecord(
        pk=pk,
        sk=_MAILING,
        generation=generation,
        salt=salt,
        fixed_at=to_text(now),
        changes=0,
        expires_at=expires_at,
    )
    table.put(Put(record=record, condition=MailingRecord.pk.does_not_exist()))


def read_mailing(table: Table, submission: str, revision: int) -> Mailing | None:
    """A mailing with everybody on its list as recorded, None while its list is not fixed."""
    raw = {item["sk"]["S"]: item for item in table.raw_partition(_mailing_pk(submission, revision))}
    if _MAILING not in raw:
        return None
    header = MailingRecord.from_raw_data(raw[_MAILING])
    letter = LetterRecord.from_raw_data(raw[f"{_LETTER}{header.generation}"])
    recipients = []
    for sk in sorted(sk for sk in raw if sk.startswith(f"{_LISTS}{header.generation}#")):
        for person, key in RecipientListRecord.from_raw_data(raw[sk]).recipients:
            known = raw.get(f"{_RECIPIENT}{key}")
            recipients.append(
                Recipient(person=person, key=key)
                if known is None
                else read_recipient(RecipientRecord.from_raw_data(known))
            )
    return Mailing(
        submission=submission,
        revision=revision,
        generation=header.generation,
        salt=header.salt,
        fixed_at=from_text(header.fixed_at),
        changes=int(header.changes),
        counts=header.counts,
        announcement=Announcement(**json.loads(zlib.decompress(letter.content))),
        recipients=tuple(recipients),
    )


def read_recipient(record: RecipientRecord) -> Recipient:
    """The recipient that a record holds."""
    return Recipient(
        person=record.person,
        key=record.sk.removeprefix(_RECIPIENT),
        state=RecipientState(record.state),
        reason=record.reason,
        claim=record.claim,
        claimed_at=from_text(record.claimed_at) if record.claimed_at else None,
        tries=int(record.tries),
    )


def put_recipient(
    submission: str, revision: int, before: Recipient, after: Recipient, expires_at: int
) -> Put:
    """Describe what becomes of a recipient: only from what it was when it was read."""
    key = recipient_key(submission, revision, after.key)
    record = RecipientRecord(
        pk=key.pk,
        sk=key.sk,
        person=after.person,
        state=after.state.value,
        reason=after.reason,
        claim=after.claim,
        claimed_at=to_text(after.claimed_at) if after.claimed_at else None,
        tries=after.tries,
        expires_at=expires_at,
    )
    if before.claim is None and before.state is RecipientState.PENDING:
        return Put(record=record, condition=RecipientRecord.pk.does_not_exist())
    same = (RecipientRecord.state == before.state.value) & (
        RecipientRecord.claim.does_not_exist()
        if before.claim is None
        else RecipientRecord.claim == before.claim
    )
    return Put(record=record, condition=same)


def put_mailing(record: MailingRecord, **changes: Any) -> Put:  # noqa: ANN401 — as its attributes
    """Describe a mailing's next version: only if it has not changed, nor been closed, since it was read."""
    attributes = ("pk", "sk", "generation", "salt", "fixed_at", "changes", "counts", "expires_at")
    present = {name: getattr(record, name) for name in attributes}
    condition = (MailingRecord.changes == record.changes) & MailingRecord.counts.does_not_exist()
    return Put(record=MailingRecord(**present | changes), condition=condition)


def unwanted(found: Found, person: str, email: str) -> str | None:
    """Why a person gets no announcements, in a word: unsubscribed, or what has become of the address."""
    subscription = found.get(subscription_key(person))
    if subscription is not None and not subscription.announcements:
        return "unsubscribed"
    suppression = found.get(suppression_key(email))
    return None if suppression is None or suppression.lifted_at else str(suppression.reason)


VIEW_SHARDS = 4
"""Partitions of an item's views: what everybody opens at once is written in several places."""
_VIEWER_LIFE = timedelta(days=2)


class SaltRecord(Record):
    """The salt of a day's viewers. The next day's takes its place; older ones are in the table's backups alone."""

    day = UnicodeAttribute()
    salt = UnicodeAttribute()


class ViewerRecord(Record):
    """That somebody's view of an item was counted today."""


class ViewsRecord(Record):
    """How often an item was looked at on one day, as far as one shard knows."""

    views = NumberAttribute()


SALT_KEY = Key(SaltRecord, "VIEWER#SALT", "SALT")


def put_salt(day: str, salt: str, now: datetime) -> Put:
    """Describe a day's salt: only if no one has made it, and never over a later day's."""
    expires_at = int((now + _VIEWER_LIFE).timestamp())
    record = SaltRecord(pk=SALT_KEY.pk, sk=SALT_KEY.sk, day=day, salt=salt, expires_at=expires_at)
    return Put(record=record, condition=SaltRecord.day.does_not_exist() | (SaltRecord.day < day))


def put_viewer(viewer: str, now: datetime) -> Put:
    """Describe that a view is counted: only if this viewer's was not."""
    record = ViewerRecord(
        pk=f"VIEWER#{viewer}", sk="VIEWER", expires_at=int((now + _VIEWER_LIFE).timestamp())
    )
    return Put(record=record, condition=ViewerRecord.pk.does_not_exist())


def count_view(table: Table, submission: str, day: str, viewer: str) -> None:
    """Count one view, in the shard that its viewer falls in."""
    table.add_to(
        Key(ViewsRecord, views_partition(submission, int(viewer[:8], 16) % VIEW_SHARDS), day),
        number=("views", 1),
    )


def views_of(table: Table, submission: str) -> dict[str, int]:
    """Views of an item by day (UTC)."""
    by_day: dict[str, int] = {}
    for number in range(VIEW_SHARDS):
        for record in table.partition(ViewsRecord, views_partition(submission, number)):
            by_day[record.sk] = by_day.get(record.sk, 0) + int(record.views)
    return by_day


def views_partition(submission: str, number: int) -> str:
    """The partition that holds a share of an item's views, day by day."""
    return f"VIEWS#{submission}#{number}"
