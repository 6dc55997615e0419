"""What the files of a package must say together (clauses 1.3.1, 3.3.1, 3.5.2).

Builder and verifier ask the same questions, so what is built always verifies. The rules are those of
docs/archive-format.md.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.archive.model import layout
from chalicelib.archive.model.approvals import approved_by, stages_of, that_stand
from chalicelib.archive.model.catalog import parse
from chalicelib.archive.model.findings import Code, Finding
from chalicelib.archive.model.reading import OPINION_NAME, Payload, read, read_document
from chalicelib.archive.model.rescheduling import rescheduling_findings
from chalicelib.archive.model.signatures import is_signed, proof_not_accepted, signature_findings
from chalicelib.core.canonical import canonical
from chalicelib.core.clock import from_text, to_text
from chalicelib.ledger.model import GENESIS, Event


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One approval of the published revision: person id, and the instant in UTC."""

    stage: str
    reviewer: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a package says of itself. Instants are UTC; hashes are SHA-256 in hexadecimal."""

    catalog_number: str
    submission: str
    title: str
    revision: int
    content_digest: str
    approvals: tuple[Approval, ...]
    published_at: datetime
    event_count: int
    last_event_hash: str
    format_version: int
    attachment_count: int
    opinion_count: int = 0
    signed_count: int = 0
    """Opinions of all rounds, and those of them that carry signatures."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What an examination found; `facts` is None when the files cannot be read or end in no publication."""

    findings: tuple[Finding, ...]
    facts: Facts | None = None


@dataclass(frozen=True, kw_only=True)
class _Publication:
    """The last event, read, and the published form."""

    revision: int
    content_digest: str
    catalog_number: str
    published_at: datetime
    form: Mapping[str, Any]
    attachments: Sequence[Mapping[str, Any]]


def examine(files: Mapping[str, bytes], service_keys: Sequence[bytes] = ()) -> Examination:
    """Examine the files under `data/`, by path inside the package's top folder. Never raises.

    What the files say is examined only when all can be read. With the service's public keys (PEM) every opinion must
    be signed with one of them.
    """
    payload, findings = read(files)
    if findings:
        return Examination(findings=tuple(findings))
    findings += [*_chain_findings(payload), *_round_findings(payload), *_digest_findings(payload)]
    publication = _publication(payload)
    if publication is None:
        where = layout.event_name(len(payload.events))
        return Examination(findings=(*findings, Finding(where=where, code=Code.NOT_PUBLISHED)))
    findings += [
        *_publication_findings(payload, publication),
        *_amendment_findings(payload),
        *_approval_findings(payload, publication),
        *_opinion_findings(payload),
        *_signature_findings(payload, publication, service_keys),
        *rescheduling_findings(payload),
        *_delivery_findings(payload, publication),
        *_content_findings(payload, publication),
        *_attachment_findings(payload, publication),
    ]
    return Examination(findings=tuple(findings), facts=_facts(payload, publication))


def _chain_findings(payload: Payload) -> Iterator[Finding]:
    previous = GENESIS
    for number, event in enumerate(payload.events, start=1):
        name = layout.event_name(number)
        if event.seq != number:
            yield Finding(where=name, code=Code.SEQUENCE, params={"expected": number, "found": event.seq})
        if event.prev_hash != previous:
            yield Finding(where=name, code=Code.CHAIN)
        if event.submission != payload.events[0].submission:
            yield Finding(where=name, code=Code.OTHER_SUBMISSION, params={"found": event.submission})
        previous = _sha256(payload.files[name])


def _round_findings(payload: Payload) -> Iterator[Finding]:
    """Each revision came in with one event, in order; the first with the chain's first."""
    handed_in = [event for event in payload.events if layout.hands_in(event)]
    said = [layout.revision_of(event) for event in handed_in]
    first = [event.type == "Submitted" for event in handed_in]
    in_order = said == list(payload.contents) and first == [True, *[False] * (len(said) - 1)]
    if not in_order or payload.events[0] is not handed_in[0]:
        numbers = ", ".join(map(str, said)) or "-"
        counted = len(payload.contents)
        yield Finding(
            where="data/revisions", code=Code.ROUNDS, params={"events": numbers, "revisions": counted}
        )
        return
    for (number, content), event in zip(payload.contents.items(), handed_in, strict=True):
        name = layout.revision_name(number)
        if payload.files[name] != canonical(layout.revision_document(number, content, event)):
            yield Finding(where=name, code=Code.SUBMITTED_AT)


def _digest_findings(payload: Payload) -> Iterator[Finding]:
    """Every digest in an event is that of the revision which the event names (clause 1.3.1)."""
    digests = {number: _sha256(canonical(content)) for number, content in payload.contents.items()}
    amending = {layout.AMENDED, layout.CONFIRMED, layout.DECLINED}
    pinned = {"Submitted", "Resubmitted", "Decided", "Published", *amending}
    for number, event in enumerate(payload.events, start=1):
        revision = layout.revision_of(event)
        digest = None if revision is None else digests.get(revision)
        if (event.type in pinned or "content_digest" in event.payload) and (
            digest is None or event.payload.get("content_digest") != digest
        ):
            params = {"revision": str(revision)}
            yield Finding(where=layout.event_name(number), code=Code.CONTENT_DIGEST, params=params)


def _publication(payload: Payload) -> _Publication | None:
    """What the event that ends the package says, None when it is not a publication."""
    last = payload.events[-1]
    revision = layout.revision_of(last)
    number, digest = last.payload.get("catalog_number"), last.payload.get("content_digest")
    published_at = _instant(last.payload.get("published_at"))
    if (
        last.type != "Published"
        or revision is None
        or revision not in payload.contents
        or not isinstance(number, str)
        or not isinstance(digest, str)
        or published_at is None
    ):
        return None
    return _Publication(
        revision=revision,
        content_digest=digest,
        catalog_number=number,
        published_at=published_at,
        form=payload.contents[revision]["form"],
        attachments=payload.contents[revision]["attachments"],
    )


def _instant(text: object) -> datetime | None:
    """The instant that `to_text` writes in this way."""
    try:
        instant = from_text(str(text))
        return instant if to_text(instant) == text else None
    except (OverflowError, ValueError):
        return None


def _publication_findings(payload: Payload, publication: _Publication) -> Iterator[Finding]:
    number = publication.catalog_number
    last = len(payload.events)
    try:
        parse(number)
    except ValueError:
        yield Finding(where=layout.event_name(last), code=Code.CATALOG_NUMBER, params={"found": number})
    for seq, event in enumerate(payload.events, start=1):
        if event.type == "Published" and seq < last:
            yield Finding(where=layout.event_name(seq), code=Code.AFTER_PUBLICATION)


def _amendment_findings(payload: Payload) -> Iterator[Finding]:
    """What an editor amended was answered for by somebody else before anybody decided on it (2.1.3, 3.1.3)."""
    amended = {layout.revision_of(event): event for event in payload.events if event.type == layout.AMENDED}
    answered = set()
    for seq, event in enumerate(payload.events, start=1):
        revision = layout.revision_of(event)
        if event.type == layout.CONFIRMED and revision in amended:
            declared = event.payload.get("declaration")
            accepted = isinstance(declared, dict) and declared.get("accepted") is True
            if accepted and event.actor.startswith("p-") and event.actor != amended[revision].actor:
                answered.add(revision)
        elif event.type == "Decided" and revision in amended and revision not in answered:
            params = {"revision": str(revision)}
            yield Finding(where=layout.event_name(seq), code=Code.UNCONFIRMED, params=params)
        elif event.type == "Resubmitted" and "restores" in event.payload:
            number = event.payload["restores"]
            restored = payload.contents.get(number, {}) if type(number) is int else {}
            if event.payload.get("content_digest") != _sha256(canonical(restored)):
                params = {"revision": str(number)}
                yield Finding(where=layout.event_name(seq), code=Code.CONTENT_DIGEST, params=params)


def _approval_findings(payload: Payload, publication: _Publication) -> Iterator[Finding]:
    """Every stage in its order, by persons who did not write it, each after the revision came in (3.3.1)."""
    events = [
        (layout.event_name(seq), event)
        for seq, event in enumerate(payload.events, start=1)
        if layout.revision_of(event) == publication.revision
    ]
    yield from _procedure_findings(payload, [event for _, event in events])
    decided, handed_in = [], False
    for where, event in events:
        handed_in = handed_in or layout.hands_in(event)
        if event.type == "Decided":
            decided.append((where, event))
            if not handed_in:
                yield Finding(where=where, code=Code.APPROVED_BEFORE_SUBMITTED)
    round_ = [event for _, event in events]
    standing = that_stand(round_, recalls=payload.procedure is not None)
    if not approved_by(standing, round_, stages_of(payload.procedure)):
        said = [(event.payload.get("stage"), event.payload.get("decision")) for event in standing]
        found = ", ".join(f"{stage}: {decision}" for stage, decision in said) or "-"
        yield Finding(
            where="data/opinions",
            code=Code.APPROVALS,
            params={"revision": publication.revision, "found": found},
        )
    amending = [event for event in payload.events if event.type in {layout.AMENDED, layout.CONFIRMED}]
    wrote = {publication.form["drafter"], *(event.actor for event in amending)}
    for where, event in decided:
        if event.actor in wrote:
            yield Finding(where=where, code=Code.OWN_TEXT)
        if not event.actor.startswith("p-"):
            yield Finding(where=where, code=Code.NOT_A_PERSON, params={"actor": event.actor})


def _procedure_findings(payload: Payload, events: Sequence[Event]) -> Iterator[Finding]:
    """The procedure is the one that the round began with, and is there when the round names one."""
    named = next((event.payload.get("procedure") for event in events if layout.begins_round(event)), None)
    raw = payload.files.get(layout.PROCEDURE)
    if raw is None and named is not None:
        yield Finding(where=layout.PROCEDURE, code=Code.MISSING_FILE)
    elif raw is not None and (named != _sha256(raw) or not stages_of(payload.procedure)):
        yield Finding(where=layout.PROCEDURE, code=Code.PROCEDURE)


def _opinion_findings(payload: Payload) -> Iterator[Finding]:
    """Every decision of every round has its opinion, which says what the event says; there are no others."""
    decided = [
        (layout.event_name(seq), event)
        for seq, event in enumerate(payload.events, start=1)
        if event.type == "Decided"
    ]
    present = set(filter(OPINION_NAME.fullmatch, payload.files))
    for number, (event_name, event) in enumerate(decided, start=1):
        name = layout.opinion_name(number, event.payload.get("stage"))
        if name not in present:
            yield Finding(where=name, code=Code.MISSING_FILE)
            continue
        present.remove(name)
        members = _differing(layout.opinion_document(event), payload.files[name])
        if members:
            yield Finding(where=name, code=Code.OPINION, params={"event": event_name, "members": members})
    for name in sorted(present):
        yield Finding(where=name, code=Code.UNEXPECTED_FILE)


def _signature_findings(
    payload: Payload, publication: _Publication, service_keys: Sequence[bytes]
) -> Iterator[Finding]:
    """Every opinion that is signed is signed as it says; with keys of the service, every one is (clause 3.3.4).

    Those on the approved revision were proved as its procedure says; earlier rounds may have had another.
    """
    for seq, event in enumerate(payload.events, start=1):
        if event.type != "Decided":
            continue
        where = layout.event_name(seq)
        for code in signature_findings(event, service_keys):
            yield Finding(where=where, code=code)
        if layout.revision_of(event) == publication.revision:
            found = proof_not_accepted(event, payload.procedure, publication.form["classification"])
            if found is not None:
                yield Finding(where=where, code=Code.PROOF, params={"found": found})


def _delivery_findings(payload: Payload, publication: _Publication) -> Iterator[Finding]:
    """The record is what the events say last of each channel; rendered files are those delivered (3.5.2)."""
    deliveries: dict[str, dict[str, Any]] = {}
    for event in payload.events:
        if layout.revision_of(event) == publication.revision:
            deliveries |= {str(said["channel"]): said for said in layout.deliveries_in(event)}
    if payload.files[layout.DELIVERIES] != canonical(layout.deliveries_document(deliveries.values())):
        yield Finding(where=layout.DELIVERIES, code=Code.DELIVERIES)
    rendered: dict[str, dict[str, str]] = {channel: {} for channel in deliveries}
    for name in sorted(name for name in payload.files if name.startswith(layout.RENDERED)):
        channel = name.removeprefix(layout.RENDERED).partition("/")[0]
        if channel in deliveries:
            rendered[channel][name] = _sha256(payload.files[name])
        else:
            yield Finding(where=name, code=Code.UNEXPECTED_FILE)
    for channel, kept in rendered.items():
        receipt = deliveries[channel]["receipt"]
        files = receipt.get("files") if isinstance(receipt, dict) else None
        if isinstance(files, dict):
            delivered = {f"{layout.RENDERED}{channel}/{path}": digest for path, digest in files.items()}
            for name in sorted(kept.keys() | delivered.keys()):
                if kept.get(name) != delivered.get(name):
                    yield Finding(where=name, code=Code.RENDERED)


def _content_findings(payload: Payload, publication: _Publication) -> Iterator[Finding]:
    """Form, text and catalogue entry are those of the approved revision and its publication."""
    params = {"revision": publication.revision}
    if payload.files[layout.FORM] != canonical(payload.contents[publication.revision]):
        yield Finding(where=layout.FORM, code=Code.FORM, params=params)
    if payload.files[layout.CONTENT] != publication.form["body"].encode():
        yield Finding(where=layout.CONTENT, code=Code.CONTENT)
    entry = layout.catalog_document(
        catalog_number=publication.catalog_number,
        content_digest=publication.content_digest,
        department=publication.form["department"],
        form=publication.form,
        published_at=publication.published_at,
        revision=publication.revision,
        submission=payload.events[0].submission,
    )
    members = _differing(entry, payload.files[layout.CATALOG])
    if members:
        yield Finding(where=layout.CATALOG, code=Code.CATALOG, params={"members": members})


def _attachment_findings(payload: Payload, publication: _Publication) -> Iterator[Finding]:
    """The files are those of the approved form, each with the digest that was approved (1.3.4, 3.5.2)."""
    approved = {
        layout.attachment_name(number, each): (each["sha256"], each["size"])
        for number, each in enumerate(publication.attachments, start=1)
    }
    there = {name for name in payload.files if name.startswith(layout.ATTACHMENTS)}
    for name in sorted(approved.keys() | there):
        if name not in there:
            yield Finding(where=name, code=Code.MISSING_FILE)
        elif name not in approved:
            yield Finding(where=name, code=Code.UNEXPECTED_FILE)
        elif approved[name] != (_sha256(payload.files[name]), len(payload.files[name])):
            yield Finding(where=name, code=Code.ATTACHED)


def _facts(payload: Payload, publication: _Publication) -> Facts:
    return Facts(
        catalog_number=publication.catalog_number,
        submission=payload.events[0].submission,
        title=publication.form["title"],
        revision=publication.revision,
        content_digest=publication.content_digest,
        approvals=tuple(
            Approval(stage=str(event.payload.get("stage")), reviewer=event.actor, at=event.at)
            for event in that_stand(
                (each for each in payload.events if layout.revision_of(each) == publication.revision),
                recalls=payload.procedure is not None,
            )
            if event.payload.get("decision") == "approve"
        ),
        published_at=publication.published_at,
        event_count=len(payload.events),
        last_event_hash=payload.events[-1].hash,
        format_version=layout.format_version(payload.contents.values(), payload.events, payload.procedure),
        attachment_count=len(publication.attachments),
        opinion_count=sum(event.type == "Decided" for event in payload.events),
        signed_count=sum(event.type == "Decided" and is_signed(event) for event in payload.events),
    )


def _differing(expected: Mapping[str, Any], raw: bytes) -> str:
    """The members in which a document differs from the expected one, by name; "" when nothing differs."""
    if raw == canonical(expected):
        return ""
    found = read_document(raw)
    if found is None:
        return "JSON"
    absent = object()
    names = expected.keys() | found.keys()
    return ", ".join(sorted(n for n in names if expected.get(n, absent) != found.get(n, absent))) or "JSON"


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
