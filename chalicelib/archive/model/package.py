"""The archive package: everything about one publication in one file that proves itself (clause 3.5.2).

docs/archive-format.md describes the format. It is frozen: a change is a new format version beside this one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.archive.model import container, layout
from chalicelib.archive.model.bag import tag_files
from chalicelib.archive.model.catalog import ascii_name
from chalicelib.archive.model.evidence import examine
from chalicelib.core.canonical import canonical
from chalicelib.ledger.model import Event
from chalicelib.submission.model import Revision


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """What goes into a package.

    `events` is the submission's chain from its first event to `Published`, which ends the package. `opinions`
    has one mapping for each `Decided` event of every round, in order: the event's payload with `reviewer`
    (person id), `at` and `policy_line`. `deliveries` has `channel`, `state`, `at` and `receipt` of each one.
    `rendered` has what each channel was given, by path that begins with the channel: `website/index.html`.
    `attachments` has the bytes of the approved revision's, by id. `procedure` is the document of the reviews that the
    approved revision went through; None where no event names one.
    `at` is text as `core.clock.to_text` gives it; `published_at` is UTC, the instant in `Published`.
    """

    catalog_number: str
    submission: str
    department: str
    revisions: tuple[Revision, ...]
    approved_revision: int
    events: tuple[Event, ...]
    opinions: tuple[Mapping[str, Any], ...]
    deliveries: tuple[Mapping[str, Any], ...]
    rendered: Mapping[str, bytes]
    published_at: datetime
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    procedure: Mapping[str, Any] | None = None


def build(dossier: Dossier) -> bytes:
    """The package: the same dossier always gives the same bytes (clauses 3.5.1, 3.5.2).

    Raises ValueError when the dossier contradicts itself, saying how: what is built always passes `verify`.
    """
    payload = _payload(dossier)
    examination = examine(payload)
    if examination.facts is None or examination.findings:
        said = "; ".join(f"{finding.where}: {finding.message('en')}" for finding in examination.findings)
        raise ValueError(f"the dossier of {dossier.submission} contradicts itself: {said}")
    files = payload | tag_files(payload, examination.facts)
    folder = ascii_name(dossier.catalog_number)
    return container.write({f"{folder}/{name}": raw for name, raw in files.items()})


def _payload(dossier: Dossier) -> dict[str, bytes]:
    revisions = {revision.number: revision for revision in dossier.revisions}
    approved = revisions.get(dossier.approved_revision)
    if approved is None or any(revision.submission != dossier.submission for revision in dossier.revisions):
        raise ValueError(f"the revisions are not those of {dossier.submission}")
    handed_in = {layout.revision_of(event): event for event in dossier.events if layout.hands_in(event)}
    if not revisions.keys() <= handed_in.keys():
        raise ValueError(f"no event hands in some revision of {dossier.submission}")
    documents: dict[str, Mapping[str, Any]] = {
        layout.FORM: approved.content_document(),
        layout.CATALOG: _catalog_entry(dossier, approved),
        layout.DELIVERIES: layout.deliveries_document(dossier.deliveries),
    }
    if dossier.procedure is not None:
        documents[layout.PROCEDURE] = dossier.procedure
    for seq, event in enumerate(dossier.events, start=1):
        documents[layout.event_name(seq)] = event.document()
    for number, revision in revisions.items():
        document = layout.revision_document(number, revision.content_document(), handed_in[number])
        documents[layout.revision_name(number)] = document
    for number, opinion in enumerate(dossier.opinions, start=1):
        documents[layout.opinion_name(number, opinion.get("stage"))] = opinion
    files = {name: canonical(document) for name, document in documents.items()}
    rendered = {f"{layout.RENDERED}{path}": raw for path, raw in dossier.rendered.items()}
    attached = {
        layout.attachment_name(number, file.document()): dossier.attachments[file.id]
        for number, file in enumerate(approved.attachments, start=1)
        if file.id in dossier.attachments
    }
    return {**files, **rendered, **attached, layout.CONTENT: approved.form.body.encode()}


def _catalog_entry(dossier: Dossier, approved: Revision) -> dict[str, Any]:
    return layout.catalog_document(
        catalog_number=dossier.catalog_number,
        content_digest=approved.content_digest,
        department=dossier.department,
        form=approved.form.document,
        published_at=dossier.published_at,
        revision=approved.number,
        submission=dossier.submission,
    )
