"""A realistic dossier, and the tools of a forger who knows the format."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.archive.model.container import write
from chalicelib.archive.model.package import Dossier
from chalicelib.attachment.model import Attachment, MediaType
from chalicelib.core.canonical import canonical
from chalicelib.core.clock import to_text
from chalicelib.ledger.model import GENESIS, Cause, Chain, Draft, Event, PolicyReference
from chalicelib.submission.model import Revision, deliveries_in, form_from_document, opinions_in

NUMBER = "Z109-WS·2026-D10-AQB-0007"
FOLDER = "Z109-WS_2026-D10-AQB-0007"
SUBMISSION = "s-jx5rkq2mwz7c3v4naf6t"
DRAFTER = "p-draftermnhvc2q7x5wkz"
EDITOR = "p-editorkzq3mf6vx2cwtj"
OTHER_EDITOR = "p-othermq3z6kfvx2cwtjnz5"
THIRD_EDITOR = "p-thirdx7vq2mzk5wc3ntjf"
HEAD = "p-headq5wtz7xkcnm3v2rj"
EXECUTIVE = "p-execv4jmq6zwx2ckt7nf"
PUBLICATION = "service:publication"
START = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
PUBLISHED_AT = datetime(2026, 3, 4, 0, 0, 5, 120_000, tzinfo=UTC)

FORM: dict[str, Any] = {
    "attachments": [],
    "audience": "all",
    "body": "## 背景\n\n三号车间行车 3 月 6 日检修，𠮷师傅带班。\n",
    "category": "notice",
    "channels": ["website", "notice_board"],
    "classification": "internal",
    "declaration": {"accepted": True, "version": "2026-01"},
    "department": "safety",
    "drafter": DRAFTER,
    "importance": "urgent",
    "keywords": ["安全", "检修"],
    "publish_at": "2026-03-04T08:00:00+08:00",
    "summary": "检修期间三号车间东门封闭。",
    "time_zone": "Asia/Shanghai",
    "title": "关于三号车间行车检修的安全提示",
}
RENDERED = {
    "website/index.html": "<!doctype html><title>行车检修</title><p>三号车间行车检修。</p>".encode(),
    "website/item.json": b'{"revision":2}',
}
ATTACHED = {"时间表.csv": "车间,时间\n三号,8:00\n".encode(), "示意图.PNG": b"\x89PNG-like bytes"}

Step = tuple[str, str, dict[str, Any]]
Files = dict[str, bytes]


def a_revision(number: int, **form: object) -> Revision:
    return Revision(
        submission=SUBMISSION,
        number=number,
        form=form_from_document(FORM | form),
        salt=f"{number:032x}",
        created_at=START,
    )


def the_steps(first: Revision, second: Revision) -> list[Step]:
    """Returned once by the department head, handed in again, approved three times, published."""
    one = {"revision": 1, "content_digest": first.content_digest}
    two = {"revision": 2, "content_digest": second.content_digest}
    receipt = {
        "files": {
            path.removeprefix("website/"): hashlib.sha256(raw).hexdigest() for path, raw in RENDERED.items()
        },
        "urls": ["https://site.example/internal/notice/s-jx5r/"],
    }
    return [
        ("Submitted", DRAFTER, {**one, "stage": "initial"}),
        ("TaskOpened", "service:review", {"revision": 1, "stage": "initial", "reviewers": [EDITOR]}),
        ("Decided", EDITOR, _decision(one, "initial", "approve", "格式齐全。")),
        ("Decided", HEAD, _decision(one, "department_head", "request_changes", "请写明封闭的是东门。")),
        ("Resubmitted", DRAFTER, {**two, "stage": "initial"}),
        ("Decided", EDITOR, _decision(two, "initial", "approve", "已改。")),
        ("ReviewLinkRefused", "p-someoneelse", {"revision": 2, "stage": "department_head"}),
        ("Decided", HEAD, _decision(two, "department_head", "approve", "同意。")),
        ("Decided", EXECUTIVE, _decision(two, "executive", "approve", "同意发布。")),
        _started(two, website="pending", notice_board="waiting_for_adapter"),
        (
            "Delivered",
            PUBLICATION,
            {"revision": 2, "channel": "website", "state": "delivered", "receipt": receipt},
        ),
        _published(two),
    ]


def the_shortest_steps(only: Revision) -> list[Step]:
    """Approved three times, published on a channel that has no adapter."""
    one = {"revision": 1, "content_digest": only.content_digest}
    return [
        ("Submitted", DRAFTER, one),
        ("Decided", EDITOR, _decision(one, "initial", "approve", "")),
        ("Decided", HEAD, _decision(one, "department_head", "approve", "")),
        ("Decided", EXECUTIVE, _decision(one, "executive", "approve", "")),
        _started(one, notice_board="waiting_for_adapter"),
        _published(one),
    ]


def _started(pin: Mapping[str, Any], **channels: str) -> Step:
    return ("PublishingStarted", PUBLICATION, {**pin, "channels": channels})


def _published(pin: Mapping[str, Any]) -> Step:
    payload = {**pin, "catalog_number": NUMBER, "published_at": to_text(PUBLISHED_AT)}
    return ("Published", PUBLICATION, payload)


def _decision(pin: Mapping[str, Any], stage: str, decision: str, comment: str) -> dict[str, Any]:
    checklist = {"format": True, "complete": decision == "approve"}
    return {**pin, "stage": stage, "decision": decision, "comment": comment, "checklist": checklist}


def a_chain(steps: Iterable[Step]) -> tuple[Event, ...]:
    chain = Chain(submission=SUBMISSION)
    events = []
    for number, (event_type, actor, payload) in enumerate(steps, start=1):
        policy = PolicyReference(digest="ab" * 32, line=number) if event_type == "Decided" else None
        draft = Draft(
            type=event_type,
            cause=Cause(actor=actor, correlation_id="c-1", policy=policy),
            payload=payload,
        )
        event, chain = chain.append(
            draft, event_id=f"e-{number:020d}", at=START + timedelta(minutes=number, milliseconds=7)
        )
        events.append(event)
    return tuple(events)


def a_dossier() -> Dossier:
    """Two revisions, two channels, one of them delivered."""
    first = a_revision(1, body="三号车间行车检修。\n")
    second = a_revision(2)
    return _dossier((first, second), the_steps(first, second), RENDERED)


def a_short_dossier() -> Dossier:
    """One revision, nothing rendered."""
    only = a_revision(1, channels=["notice_board"])
    return _dossier((only,), the_shortest_steps(only), {})


def a_dossier_under(
    procedure: Mapping[str, Any], approvals: Iterable[tuple[str, str]], asked: Mapping[str, list[str]]
) -> Dossier:
    """One revision, approved at these stages by these persons in this order, where these were asked."""
    only = a_revision(1, channels=["notice_board"])
    one = {"revision": 1, "content_digest": only.content_digest}
    version = hashlib.sha256(canonical(dict(procedure))).hexdigest()
    steps: list[Step] = [
        ("Submitted", DRAFTER, {**one, "procedure": version}),
        *(
            ("TaskOpened", "service:review", {"revision": 1, "stage": stage, "reviewers": reviewers})
            for stage, reviewers in asked.items()
        ),
        *(("Decided", person, _decision(one, stage, "approve", "")) for stage, person in approvals),
        _started(one, notice_board="waiting_for_adapter"),
        _published(one),
    ]
    return replace(_dossier((only,), steps, {}), procedure=procedure)


def an_attached_dossier() -> Dossier:
    """One revision with two files."""
    files = tuple(
        Attachment(
            id=f"a-{letter * 20}",
            name=name,
            media_type=MediaType.CSV if name.endswith("csv") else MediaType.PNG,
            size=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
        )
        for letter, (name, raw) in zip("ab", ATTACHED.items(), strict=True)
    )
    only = replace(
        a_revision(1, channels=["notice_board"], attachments=[file.id for file in files]), attachments=files
    )
    dossier = _dossier((only,), the_shortest_steps(only), {})
    return replace(
        dossier, attachments=dict(zip((file.id for file in files), ATTACHED.values(), strict=True))
    )


def an_amended_dossier() -> Dossier:
    """Amended and declined, amended by another and confirmed, approved three times by others."""
    first = a_revision(1, channels=["notice_board"])
    declined = replace(_amended(first, title="检修提示"), number=2, salt="2" * 32, amended_by=EDITOR)
    restored = replace(first, number=3)
    amended = replace(_amended(first, title="行车检修提示"), number=4, salt="4" * 32, amended_by=OTHER_EDITOR)
    one, two, three, four = (
        {"revision": each.number, "content_digest": each.content_digest}
        for each in (first, declined, restored, amended)
    )
    declaration = {"accepted": True, "version": "2026-01"}
    steps: list[Step] = [
        ("Submitted", DRAFTER, one),
        ("Amended", EDITOR, {**two, "amends": 1, "reason": "从简。"}),
        ("AmendmentDeclined", DRAFTER, {**two, "reason": "原题更清楚。"}),
        ("Resubmitted", DRAFTER, {**three, "restores": 1}),
        ("Amended", OTHER_EDITOR, {**four, "amends": 3, "reason": "写明行车。"}),
        ("AmendmentConfirmed", DRAFTER, {**four, "declaration": declaration}),
        ("Decided", THIRD_EDITOR, _decision(four, "initial", "approve", "")),
        ("Decided", HEAD, _decision(four, "department_head", "approve", "")),
        ("Decided", EXECUTIVE, _decision(four, "executive", "approve", "")),
        _started(four, notice_board="waiting_for_adapter"),
        _published(four),
    ]
    return _dossier((first, declined, restored, amended), steps, {})


def a_rescheduled_dossier() -> Dossier:
    """Approved three times, its time moved by the drafter and then by an editor, published after that."""
    only = a_revision(1, channels=["notice_board"])
    one = {"revision": 1, "content_digest": only.content_digest}
    planned, sooner, later = (to_text(START + timedelta(minutes=minutes)) for minutes in (2790, 5, 7))
    steps = the_shortest_steps(only)
    steps[-2:-2] = [
        ("Scheduled", "service:review", {"revision": 1, "publish_at": planned, "due_at": planned}),
        ("Rescheduled", DRAFTER, _moved(planned, sooner, "提前检修。")),
        ("Rescheduled", EDITOR, _moved(sooner, later, "让位于紧急通知。")),
    ]
    assert steps[-2] == _started(one, notice_board="waiting_for_adapter")
    return _dossier((only,), steps, {})


def _moved(before: str, after: str, reason: str) -> dict[str, Any]:
    times = {"from": before, "to": after, "due_at": after, "time_zone": "Asia/Shanghai"}
    return {"revision": 1, "attempt": 2, **times, "reason": reason}


def _amended(revision: Revision, **form: object) -> Revision:
    """With another text, for which nobody has made a declaration."""
    document = {name: value for name, value in revision.form.document.items() if name != "declaration"}
    return replace(revision, form=form_from_document(document | form))


def _dossier(
    revisions: tuple[Revision, ...], steps: Iterable[Step], rendered: Mapping[str, bytes]
) -> Dossier:
    events = a_chain(steps)
    return Dossier(
        catalog_number=NUMBER,
        submission=SUBMISSION,
        department="safety",
        revisions=revisions,
        approved_revision=len(revisions),
        events=events,
        opinions=tuple(opinions_in(events)),
        deliveries=tuple(deliveries_in(events, len(revisions))),
        rendered=rendered,
        published_at=PUBLISHED_AT,
    )


def files_of(package: bytes) -> Files:
    """The files of a sound package, by path inside its top folder."""
    with zipfile.ZipFile(io.BytesIO(package)) as container:
        return {name.partition("/")[2]: container.read(name) for name in container.namelist()}


def repacked(files: Mapping[str, bytes], *, folder: str = FOLDER) -> bytes:
    """A package whose manifests and container are right again, whatever the files say."""
    payload = {name: raw for name, raw in files.items() if name.startswith("data/")}
    last = files[max(name for name in files if name.startswith("data/events/"))]
    info = files["bag-info.txt"].decode().splitlines()
    info[2] = f"Payload-Oxum: {sum(map(len, payload.values()))}.{len(payload)}"
    info[4] = f"Last-Event-Hash: {hashlib.sha256(last).hexdigest()}"
    tags = {
        "bag-info.txt": "".join(f"{line}\n" for line in info).encode(),
        "bagit.txt": files["bagit.txt"],
        "manifest-sha256.txt": _manifest(payload),
    }
    tags["tagmanifest-sha256.txt"] = _manifest(tags)
    return write({f"{folder}/{name}": raw for name, raw in (payload | tags).items()})


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode()


def edited(files: Files, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file in place, in canonical form."""
    document = json.loads(files[name])
    change(document)
    files[name] = canonical(document)


def event_names(files: Mapping[str, bytes]) -> list[str]:
    return sorted(name for name in files if name.startswith("data/events/"))


def rechained(files: Files) -> None:
    """Number and chain the events anew, as a forger of the whole chain would."""
    names = event_names(files)
    documents = [json.loads(files.pop(name)) for name in names]
    previous = GENESIS
    for seq, document in enumerate(documents, start=1):
        raw = canonical(document | {"seq": seq, "prev_hash": previous})
        files[f"data/events/{seq:06d}.json"] = raw
        previous = hashlib.sha256(raw).hexdigest()


def with_swapped(files: Files, one: str, other: str) -> None:
    files[one], files[other] = files[other], files[one]
