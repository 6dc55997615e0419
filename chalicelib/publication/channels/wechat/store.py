"""What the WeChat channel keeps: the access token, articles as handed over, and whose publication is which."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.core.clock import from_text, to_text
from chalicelib.core.table import DocumentAttribute, Key, Put, Record, Table

ARTICLE_LIFE = timedelta(days=400)
"""How long an article is kept here as it was handed over; the archive keeps it for good."""
PUBLICATION_LIFE = timedelta(days=30)
"""How long it is known whose publication is which: the platform tells within minutes."""


class TokenRecord(Record):
    """The account's access token, and who may ask for another.

    `turn` counts the writes: who has read one writes only over that one. `lease_until` is until when somebody is asking
    for a token, `forced` lists when tokens were asked for that replace a good one. `expires_at` is the token's end.
    """

    turn = NumberAttribute()
    token = UnicodeAttribute(null=True)
    valid_until = UnicodeAttribute(null=True)
    lease_until = UnicodeAttribute(null=True)
    forced = DocumentAttribute()


class ArticleRecord(Record):
    """An article as it was handed over, compressed."""

    content = BinaryAttribute(legacy_encoding=False)


class PublicationRecord(Record):
    """Whose publication it is that the platform tells of."""

    submission = UnicodeAttribute()
    revision = NumberAttribute()


class HeardRecord(Record):
    """What the platform has told once."""


@dataclass(frozen=True, kw_only=True)
class KeptToken:
    """What is known of the account's token; `turn` 0 is that nothing is."""

    turn: int = 0
    token: str | None = field(default=None, repr=False)
    valid_until: datetime | None = None
    lease_until: datetime | None = None
    forced: tuple[datetime, ...] = ()


def token_key(app_id: str) -> Key[TokenRecord]:
    """Where an account's token is."""
    return Key(TokenRecord, f"WECHAT#TOKEN#{app_id}", "TOKEN")


def read_token(table: Table, app_id: str) -> KeptToken:
    """What is known of an account's token."""
    record = table.get(token_key(app_id))
    if record is None:
        return KeptToken()
    return KeptToken(
        turn=int(record.turn),
        token=record.token,
        valid_until=from_text(record.valid_until) if record.valid_until else None,
        lease_until=from_text(record.lease_until) if record.lease_until else None,
        forced=tuple(map(from_text, record.forced)),
    )


def put_token(app_id: str, before: KeptToken, after: KeptToken) -> Put:
    """Describe what is known from now on: only if nobody has written since `before` was read."""
    key = token_key(app_id)
    record = TokenRecord(
        pk=key.pk,
        sk=key.sk,
        turn=after.turn,
        token=after.token,
        valid_until=to_text(after.valid_until) if after.valid_until else None,
        lease_until=to_text(after.lease_until) if after.lease_until else None,
        forced=[to_text(each) for each in after.forced],
        expires_at=_end(after.valid_until, timedelta(days=1)) if after.valid_until else None,
    )
    unchanged = TokenRecord.pk.does_not_exist() if before.turn == 0 else TokenRecord.turn == before.turn
    return Put(record=record, condition=unchanged)


def _article_key(submission: str, revision: int, digest: str) -> Key[ArticleRecord]:
    return Key(ArticleRecord, f"WECHAT#ARTICLE#{submission}", f"ARTICLE#{revision:04d}#{digest}")


def put_article(
    submission: str, revision: int, digest: str, article: Mapping[str, Any], now: datetime
) -> Put:
    """Describe an article that is about to be handed over; `digest` is its content's SHA-256 in hexadecimal."""
    key = _article_key(submission, revision, digest)
    content = zlib.compress(json.dumps(dict(article), ensure_ascii=False, sort_keys=True).encode(), 9)
    return Put(
        record=ArticleRecord(pk=key.pk, sk=key.sk, content=content, expires_at=_end(now, ARTICLE_LIFE))
    )


def read_article(table: Table, submission: str, revision: int, digest: str) -> dict[str, Any] | None:
    """An article as it was handed over, if it was."""
    record = table.get(_article_key(submission, revision, digest))
    if record is None:
        return None
    article: dict[str, Any] = json.loads(zlib.decompress(record.content))
    return article


def _publication_key(publish_id: str) -> Key[PublicationRecord]:
    return Key(PublicationRecord, f"WECHAT_PUBLICATION#{publish_id}", "PUBLISH")


def put_publication(publish_id: str, submission: str, revision: int, now: datetime) -> Put:
    """Describe whose publication it is."""
    key = _publication_key(publish_id)
    return Put(
        record=PublicationRecord(
            pk=key.pk,
            sk=key.sk,
            submission=submission,
            revision=revision,
            expires_at=_end(now, PUBLICATION_LIFE),
        )
    )


def heard_key(publish_id: str, status: int) -> Key[HeardRecord]:
    """Where it is kept that something was told once."""
    return Key(HeardRecord, f"WECHAT_PUBLICATION#{publish_id}", f"HEARD#{status}")


def put_heard(publish_id: str, status: int, now: datetime) -> Put:
    """Describe that it was told."""
    key = heard_key(publish_id, status)
    return Put(record=HeardRecord(pk=key.pk, sk=key.sk, expires_at=_end(now, PUBLICATION_LIFE)))


def whose(table: Table, publish_id: str, status: int) -> tuple[str, int] | None:
    """The submission and the revision that are told of; None when it is nobody's, or was told before."""
    key, heard = _publication_key(publish_id), heard_key(publish_id, status)
    found = table.batch(key, heard)
    record = found.get(key)
    return None if record is None or found.has(heard) else (record.submission, int(record.revision))


def _end(begin: datetime, life: timedelta) -> int:
    return int((begin + life).timestamp())
