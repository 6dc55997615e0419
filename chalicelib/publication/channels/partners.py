"""Partners: outside media and partners get each public item over a signed webhook (clause 2.5.2).

What is sent, and to whom, is fixed before the first call, byte for byte. Each partner is called on its own, and what
became of it is recorded right after: a run that broke off goes on where it stopped, and one that is down holds back no
other. A call whose outcome nobody knows is made again: all calls about an item carry the same `webhook-id`, by which a
partner takes it once. Signatures are those of Standard Webhooks; docs/partners.md is what partners read.
"""

import base64
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pynamodb.attributes import BinaryAttribute, UnicodeAttribute

from chalicelib.core.canonical import Document, canonical
from chalicelib.core.clock import Now, from_text, to_text
from chalicelib.core.errors import ChannelBusy, DeliveryParked, DeliveryRefused, DeliveryUnfinished, Stale
from chalicelib.core.ids import derived_id
from chalicelib.core.markdown import to_html
from chalicelib.core.posting import NotPostedError, Post, Posted, PostError
from chalicelib.core.table import DocumentAttribute, Key, Put, Record, Table
from chalicelib.ledger.store import partition_key
from chalicelib.publication.channels.website.entry import item_path
from chalicelib.publication.model import Delivered, Item, Retraction, TakenBack
from chalicelib.publication.store import FREEZES_KEY, read_freezes
from chalicelib.submission.model import Category, Channel, Form, State
from chalicelib.submission.store import head_key, read_head

PATIENCE = timedelta(hours=2)
"""How long partners that do not answer are called before a person is asked."""
RETRACTION_PATIENCE = timedelta(days=2)
"""How long they are called about an item that is taken back, before the record says that they may keep it."""
RUN = timedelta(minutes=4)
"""How long one run calls; the function that delivers lives five minutes."""
FILE = "item.json"
COPIES = "partner_copies"
"""What cannot be recalled: what partners have who did not take the retraction."""
_BUSY = frozenset({408, 425, 429})
"""Answers by which a partner says that it has taken nothing and may be called again."""
_RECEIPT = re.compile(r"[!-~]{1,200}")
_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")


class Event(StrEnum):
    """What partners are told."""

    PUBLISHED = "item.published"
    RETRACTED = "item.retracted"


class Outcome(StrEnum):
    """What has become of one partner."""

    PENDING = "pending"
    """It has taken nothing."""
    UNKNOWN = "unknown"
    """It was called, and nobody knows whether it has taken it."""
    SENT = "sent"
    REFUSED = "refused"


_OPEN = frozenset({Outcome.PENDING, Outcome.UNKNOWN})


class Ending(StrEnum):
    """Why a delivery does not end well, as `word.fault.<reason>` tells people."""

    NO_PARTNER = "no_partner"
    REFUSED = "partners_refused"
    SILENT = "partners_silent"
    NOT_SET_UP = "partner_not_set_up"


class Fault(StrEnum):
    """Why there is no call at all; no waiting helps, only a person does."""

    NO_KEY = "no_key"
    PRIVATE_ADDRESS = "private_address"
    NOT_HTTPS = "not_https"


@dataclass(frozen=True, kw_only=True)
class Partner:
    """Who gets items, where, and which: no languages or no categories stand for all."""

    id: str
    name: str
    url: str
    languages: frozenset[str] = frozenset()
    categories: frozenset[Category] = frozenset()

    def wants(self, form: Form) -> bool:
        """Whether it asked for such an item."""
        return (not self.languages or language_of(form) in self.languages) and (
            not self.categories or form.category in self.categories
        )


def load_register(file: Path) -> Mapping[str, Partner]:
    """The partners of `policies/partners.json` by id. Raises ValueError for a file that its schema does not allow."""
    from chalicelib.core.validation import read_json, schema  # noqa: PLC0415 — heavy, and few deliveries need it

    document: Any = read_json(file.read_bytes())
    faults = [f"{error.pointer} {error.code}" for error in schema("partners").errors(document)]
    if faults:
        raise ValueError(f"{file.name}: {', '.join(faults)}")
    partners = [
        Partner(
            id=each["id"],
            name=each["name"],
            url=each["url"],
            languages=frozenset(each.get("languages", ())),
            categories=frozenset(map(Category, each.get("categories", ()))),
        )
        for each in document["partners"]
    ]
    if len({partner.id for partner in partners}) < len(partners):
        raise ValueError(f"{file.name}: two partners of the same id")
    return {partner.id: partner for partner in partners}


def keys_of(partner: str, keys: str) -> tuple[bytes, ...]:
    """A partner's keys out of all, none when there is none that can be used.

    `keys` is `<partner>=whsec_<base64>` of each, with spaces between; a partner that changes its key has two for a
    while, with a comma between.
    """
    for entry in keys.split():
        name, _, listed = entry.partition("=")
        if name == partner:
            with suppress(ValueError):
                read = [
                    base64.b64decode(key.removeprefix("whsec_"), validate=True) for key in listed.split(",")
                ]
                return tuple(read) if all(24 <= len(key) <= 64 for key in read) else ()  # noqa: PLR2004 — the standard's
    return ()


def signatures(keys: tuple[bytes, ...], name: str, timestamp: str, body: bytes) -> str:
    """`webhook-signature` of a call: one signature for each key."""
    signed = b".".join((name.encode(), timestamp.encode(), body))
    return " ".join(
        f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}" for key in keys
    )


def language_of(form: Form) -> str:
    """`zh` for a title with Chinese characters, `en` for any other."""
    return "zh" if _HAN.search(form.title) else "en"


def told_of(item: Item, site_url: str) -> Document:
    """What partners get of an item. Without the website there is no page to lead to, and no address of its files."""
    form = item.revision.form
    page = f"{site_url}/{item_path(item.head.id, item.revision.number)}"
    has_page = Channel.WEBSITE in form.channels
    at = to_text(item.delivery.started_at)
    return {
        "type": Event.PUBLISHED.value,
        "timestamp": at,
        "data": {
            "id": item.head.id,
            "revision": item.revision.number,
            "title": form.title,
            "summary": form.summary,
            "body_html": to_html(form.body),
            "body_markdown": form.body,
            "category": form.category.value,
            "language": language_of(form),
            "published_at": at,
            "url": page if has_page else None,
            "attachments": [
                {
                    "name": file.name,
                    "media_type": file.media_type.value,
                    "size": file.size,
                    "sha256": file.sha256,
                    "url": f"{page.rpartition('/')[0]}/files/{number}.{file.extension}" if has_page else None,
                }
                for number, file in enumerate(item.revision.attachments, start=1)
            ],
        },
    }


class SendingRecord(Record):
    """What partners are sent, compressed, and who they are: fixed at `fixed_at`."""

    partners = DocumentAttribute()
    content = BinaryAttribute(legacy_encoding=False)
    fixed_at = UnicodeAttribute()


class PartnerRecord(Record):
    """What has become of one partner; there is none as long as nothing has."""

    outcome = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    receipt = UnicodeAttribute(null=True)
    at = UnicodeAttribute()


@dataclass(frozen=True, kw_only=True)
class Called:
    """What has become of one partner, and when. `receipt` is what it calls its own copy, if it says so."""

    outcome: Outcome
    reason: str | None = None
    receipt: str | None = None
    at: str = ""

    def document(self) -> dict[str, str]:
        """As a receipt tells it, without what there is not."""
        told = {"outcome": self.outcome.value, "reason": self.reason, "receipt": self.receipt, "at": self.at}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, kw_only=True)
class Sending:
    """What is sent to whom, as it was fixed, and what has become of each by now."""

    submission: str
    revision: int
    event: Event
    body: bytes
    fixed_at: datetime
    partners: Mapping[str, Called]

    def in_outcome(self, *outcomes: Outcome) -> tuple[str, ...]:
        """The partners of whom one of these is so; those who were never called first."""
        found = [
            (bool(called.at), partner)
            for partner, called in self.partners.items()
            if called.outcome in outcomes
        ]
        return tuple(partner for _, partner in sorted(found))

    def document(self) -> dict[str, dict[str, str]]:
        """What has become of each, by partner."""
        return {partner: called.document() for partner, called in sorted(self.partners.items())}


@dataclass(frozen=True, kw_only=True)
class PartnersChannel:
    """Sends items to partners. `keys` is as `keys_of` reads it, `scale` shortens the patience."""

    table: Table
    register: Callable[[], Mapping[str, Partner]]
    keys: str = field(repr=False)
    post: Post
    now: Now
    site_url: str
    scale: float

    repeatable = True
    patience = timedelta(0)

    def prepare(self, item: Item) -> Mapping[str, Any]:
        """Fix what is sent and to whom, if it is not yet. Raises DeliveryRefused when nobody wants such an item."""
        if self._sending(item, Event.PUBLISHED) is None:
            form = item.revision.form
            wanted = sorted(partner.id for partner in self.register().values() if partner.wants(form))
            if not wanted:
                raise DeliveryRefused(Ending.NO_PARTNER)
            self._fix(item, Event.PUBLISHED, told_of(item, self.site_url), wanted)
        return item.facts

    def deliver(self, item: Item) -> Delivered:
        """Call everybody who has not taken it.

        Raises ChannelBusy or, after a while, DeliveryParked, both with what has become of whom; DeliveryRefused when
        all refuse, DeliveryUnfinished when its time is over, ChannelsFrozen during a freeze.
        """
        sending = self._served(item, Event.PUBLISHED)
        told = {"outcomes": sending.document()}
        files = {FILE: hashlib.sha256(sending.body).hexdigest()}
        if sending.in_outcome(*_OPEN):
            raise self._waiting(sending, {**told, "files": files})
        if not sending.in_outcome(Outcome.SENT):
            raise DeliveryRefused(Ending.REFUSED, told)
        return Delivered(receipt={**told, "files": files})

    def reconcile(self, item: Item) -> Delivered:
        """Each partner knows by itself whether it has taken it."""
        return self.deliver(item)

    def rendered(self, item: Item) -> Mapping[str, bytes]:
        """What was sent, as it was fixed."""
        sending = self._sending(item, Event.PUBLISHED)
        return {} if sending is None else {f"{Channel.PARTNERS}/{FILE}": sending.body}

    def retract(self, item: Item, retraction: Retraction) -> TakenBack:
        """Tell everybody who may have it that it is taken back. Raises ChannelBusy while somebody may yet take that.

        Who has refused the item has it not. All others may: a run may have died before it recorded a call.
        """
        published = self._sending(item, Event.PUBLISHED)
        may_have_it = () if published is None else published.in_outcome(Outcome.SENT, *_OPEN)
        if not may_have_it:
            return TakenBack(receipt={"outcomes": {}})
        if self._sending(item, Event.RETRACTED) is None:
            told = {
                "type": Event.RETRACTED.value,
                "timestamp": to_text(retraction.at),
                "data": {
                    "id": item.head.id,
                    "revision": item.revision.number,
                    "reason": retraction.reason,
                },
            }
            self._fix(item, Event.RETRACTED, told, sorted(may_have_it))
        sending = self._served(item, Event.RETRACTED)
        is_waited_for = self.now() < retraction.at + RETRACTION_PATIENCE / self.scale
        if sending.in_outcome(*_OPEN) and is_waited_for:
            raise ChannelBusy(Ending.SILENT)
        left = (COPIES,) if sending.in_outcome(Outcome.REFUSED, *_OPEN) else ()
        return TakenBack(receipt={"outcomes": sending.document()}, left=left)

    def effect(self, item: Item) -> Mapping[str, int]:
        """How many partners have taken it."""
        sending = self._sending(item, Event.PUBLISHED)
        return {"partners": 0 if sending is None else len(sending.in_outcome(Outcome.SENT))}

    def _served(self, item: Item, event: Event) -> Sending:
        """How all stand once everybody who was open has been called. Raises as `deliver`."""
        sending, ends_at = self._fixed(item, event), self.now() + RUN
        for partner in sending.in_outcome(*_OPEN):
            if self.now() >= ends_at:
                raise DeliveryUnfinished
            if event is Event.PUBLISHED:
                self._ensure_wanted(item)
            self._record(sending, partner, self._call(sending, partner))
        return self._fixed(item, event)

    def _ensure_wanted(self, item: Item) -> None:
        """Raise ChannelsFrozen during a freeze, and Stale once the item has been taken back."""
        key = head_key(item.head.id)
        found = self.table.batch(FREEZES_KEY, key)
        read_freezes(found.get(FREEZES_KEY)).ensure_free(Channel.PARTNERS, self.now())
        record = found.get(key)
        if record is None or read_head(record).state is State.RETRACTED:
            raise Stale

    def _call(self, sending: Sending, partner: str) -> Called:
        """Call one partner, once."""
        at, known = to_text(self.now()), self.register().get(partner)
        if known is None:
            return Called(outcome=Outcome.REFUSED, reason="left", at=at)
        keys = keys_of(partner, self.keys)
        if not keys:
            return Called(outcome=Outcome.PENDING, reason=Fault.NO_KEY, at=at)
        name = derived_id("w", sending.submission, str(sending.revision), partner, sending.event)
        timestamp = str(int(self.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "imprimatur",
            "Idempotency-Key": name,
            "webhook-id": name,
            "webhook-timestamp": timestamp,
            "webhook-signature": signatures(keys, name, timestamp, sending.body),
        }
        try:
            answer = self.post(known.url, sending.body, headers)
        except NotPostedError as error:
            return Called(outcome=Outcome.PENDING, reason=error.reason, at=at)
        except PostError as error:
            return Called(outcome=Outcome.UNKNOWN, reason=error.reason, at=at)
        return _judged(answer, at)

    def _waiting(self, sending: Sending, facts: Mapping[str, Any]) -> ChannelBusy | DeliveryParked:
        """What follows when somebody is left: another try, or, when waiting has not helped, a person."""
        reasons = {sending.partners[each].reason for each in sending.in_outcome(*_OPEN)}
        if reasons <= set(Fault):
            return DeliveryParked(Ending.NOT_SET_UP, facts)
        if self.now() >= sending.fixed_at + PATIENCE / self.scale:
            return DeliveryParked(Ending.SILENT, facts)
        return ChannelBusy(Ending.SILENT, facts)

    def _sending(self, item: Item, event: Event) -> Sending | None:
        """What is sent to whom, None while it is not fixed."""
        key = _sending_key(item, event)
        raw = {each["sk"]["S"]: each for each in self.table.raw_partition(key.pk, key.sk)}
        if key.sk not in raw:
            return None
        header = SendingRecord.from_raw_data(raw[key.sk])
        return Sending(
            submission=item.head.id,
            revision=item.revision.number,
            event=event,
            body=zlib.decompress(header.content),
            fixed_at=from_text(header.fixed_at),
            partners=dict(
                _called(header.partners, {sk.rpartition("#")[2]: each for sk, each in raw.items()})
            ),
        )

    def _fixed(self, item: Item, event: Event) -> Sending:
        sending = self._sending(item, event)
        if sending is None:
            raise Stale
        return sending

    def _fix(self, item: Item, event: Event, told: Document, partners: list[str]) -> None:
        key = _sending_key(item, event)
        record = SendingRecord(
            pk=key.pk,
            sk=key.sk,
            partners=partners,
            content=zlib.compress(canonical(told), 9),
            fixed_at=to_text(self.now()),
        )
        with suppress(Stale):  # another run was faster, and what it fixed is what counts
            self.table.put(Put(record=record, condition=SendingRecord.pk.does_not_exist()))

    def _record(self, sending: Sending, partner: str, called: Called) -> None:
        """Record what became of a call, unless another run has ended it meanwhile."""
        pk, sk = _place(sending.submission, sending.revision, sending.event)
        record = PartnerRecord(
            pk=pk,
            sk=f"{sk}#{partner}",
            outcome=called.outcome.value,
            reason=called.reason,
            receipt=called.receipt,
            at=called.at,
        )
        is_open = PartnerRecord.outcome.is_in(*(outcome.value for outcome in sorted(_OPEN)))
        with suppress(Stale):
            self.table.put(Put(record=record, condition=PartnerRecord.pk.does_not_exist() | is_open))


def _place(submission: str, revision: int, event: Event) -> tuple[str, str]:
    return partition_key(submission), f"PARTNERS#{revision:04d}#{event}"


def _sending_key(item: Item, event: Event) -> Key[SendingRecord]:
    return Key(SendingRecord, *_place(item.head.id, item.revision.number, event))


def _called(partners: list[str], raw: Mapping[str, Any]) -> Iterator[tuple[str, Called]]:
    """Each partner with what has become of it."""
    for partner in partners:
        if partner not in raw:
            yield partner, Called(outcome=Outcome.PENDING)
            continue
        record = PartnerRecord.from_raw_data(raw[partner])
        yield (
            partner,
            Called(
                outcome=Outcome(record.outcome), reason=record.reason, receipt=record.receipt, at=record.at
            ),
        )


def _judged(answer: Posted, at: str) -> Called:
    """What a partner's answer means. A redirect is none that is followed: the register says where a partner is."""
    reason = f"status_{answer.status}"
    match answer.status // 100:
        case 2:
            return Called(outcome=Outcome.SENT, receipt=_receipt_in(answer.body), at=at)
        case 5:
            return Called(outcome=Outcome.UNKNOWN, reason=reason, at=at)
    busy = answer.status in _BUSY
    return Called(outcome=Outcome.PENDING if busy else Outcome.REFUSED, reason=reason, at=at)


def _receipt_in(body: bytes) -> str | None:
    """What a partner calls its own copy, if it says so in a way that can be kept."""
    try:
        said = json.loads(body)["receipt"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return said if isinstance(said, str) and _RECEIPT.fullmatch(said) else None
