"""Who was told of what, in the table; all with an end."""

from pynamodb.attributes import UnicodeAttribute

from chalicelib.core.clock import from_text, to_text
from chalicelib.core.table import Key, Put, Record
from chalicelib.notices.model import LEASE, RECORD_LIFE, Notice, NoticeState


class NoticeRecord(Record):
    """One event told, or being told, to one person."""

    state = UnicodeAttribute()
    holder = UnicodeAttribute()
    claimed_at = UnicodeAttribute()


def notice_key(event: str, person: str) -> Key[NoticeRecord]:
    """Where it is kept whether a person was told of an event."""
    return Key(NoticeRecord, f"NOTICE#{event}", person)


def _record(notice: Notice) -> NoticeRecord:
    key = notice_key(notice.event, notice.person)
    return NoticeRecord(
        pk=key.pk,
        sk=key.sk,
        state=notice.state.value,
        holder=notice.holder,
        claimed_at=to_text(notice.claimed_at),
        expires_at=int((notice.claimed_at + RECORD_LIFE).timestamp()),
    )


def put_claim(notice: Notice) -> Put:
    """Describe a claim: over nothing, over the same message's own, or over one that has died; never over the end."""
    lapsed = NoticeRecord.claimed_at < to_text(notice.claimed_at - LEASE)
    condition = NoticeRecord.pk.does_not_exist() | (
        (NoticeRecord.state == NoticeState.CLAIMED.value) & ((NoticeRecord.holder == notice.holder) | lapsed)
    )
    return Put(record=_record(notice), condition=condition)


def put_end(notice: Notice) -> Put:
    """Describe that it was told."""
    return Put(record=_record(notice))


def read_notice(record: NoticeRecord) -> Notice:
    """The notice that a record holds."""
    return Notice(
        event=record.pk.removeprefix("NOTICE#"),
        person=record.sk,
        holder=record.holder,
        claimed_at=from_text(record.claimed_at),
        state=NoticeState(record.state),
    )
