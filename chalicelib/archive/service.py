"""Archiving at once after publishing, and finding it again (clauses 3.5.1 to 3.5.3, 2.4.1)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.access.model import Action, Resource, service_subject, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.archive.model.catalog import CatalogRules, catalog_number, is_catalog_number
from chalicelib.archive.model.filters import Filters
from chalicelib.archive.model.package import Dossier, build
from chalicelib.archive.model.record import DOWNLOAD_LIFE, ArchiveRecord
from chalicelib.archive.store import (
    CatalogRecord,
    PackageStore,
    catalog_key,
    listing_key,
    put_archived,
    put_serial,
    read_archived,
    series_key,
)
from chalicelib.attachment.service import Shelf
from chalicelib.core import logs, metrics
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.errors import ChannelsFrozen, DeliveryUnfinished, NotFound, NotPermitted
from chalicelib.core.listing import Page, newest, page
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Found, Key
from chalicelib.ledger.model import Cause, Draft, Event
from chalicelib.ledger.store import events_of
from chalicelib.people.model import Department, Person
from chalicelib.people.store import PeopleStore
from chalicelib.publication.model import UNFINISHED, Adapter, Item, awaits_person, is_published
from chalicelib.publication.store import FREEZES_KEY, deliveries_of, read_freezes
from chalicelib.review.model import approved_stages
from chalicelib.review.store import tasks_of
from chalicelib.submission.model import Channel, Reason, State, Submission, deliveries_in, opinions_in
from chalicelib.submission.service import Journal, Procedures, resource_of

ACTOR = "service:archive"


@dataclass(frozen=True, kw_only=True)
class Archiving:
    """The last step of the publication machine."""

    journal: Journal
    people: PeopleStore
    access: AccessControl
    rules: CatalogRules
    procedures: Procedures
    adapters: Mapping[Channel, Adapter]
    packages: PackageStore
    shelf: Shelf
    zone: ZoneInfo

    def archive(self, work: Mapping[str, Any]) -> None:
        """Reserve the catalogue number, build the package, store it once, mark it archived.

        A crash anywhere leaves no gap in the numbers and no second object: the number is reserved together with the
        `Published` event, which ends the package, so the package comes out the same whenever it is built again.
        One that has failed, or waits for a person, holds nothing back, unless it is on no other channel: then the
        answer is waited for. On no channel at all, it needs a person itself. Raises DeliveryUnfinished while a channel
        has not ended, ChannelsFrozen when only frozen ones are left.
        """
        head = self.journal.head(work["submission"])
        if head.is_at(State.PUBLISHING, revision=work["revision"], attempt=work["attempt"]):
            head = again_when_stale(lambda: self._published(work))
        if head.is_at(State.PUBLISHED, revision=work["revision"], attempt=work["attempt"]):
            self._keep(head)

    def _published(self, work: Mapping[str, Any]) -> Submission:
        """Publishing is complete: reserve the number and say so in one transaction."""
        head = self.journal.head(work["submission"])
        if not head.is_at(State.PUBLISHING, revision=work["revision"], attempt=work["attempt"]):
            return head
        deliveries = deliveries_of(self.journal.table, head.id, head.revision)
        left = [delivery.channel for delivery in deliveries if delivery.state in UNFINISHED]
        if left:
            freezes = read_freezes(self.journal.table.get(FREEZES_KEY))
            raise ChannelsFrozen if freezes.stop(left, self.journal.now()) else DeliveryUnfinished
        states = {delivery.state for delivery in deliveries}
        if awaits_person(states):
            return head  # the person's answer begins this again
        if not is_published(states):
            return self._ask_person(head)
        tasks = tasks_of(self.journal.table, head.id)
        approved = tuple(
            approved_stages([t for t in tasks if t.revision == head.revision], head.content_digest)
        )
        required = self.procedures.of(head).ids
        resource: Resource = replace(resource_of(head), required_stages=required, approved_stages=approved)
        grant = self.access.grant(service_subject("archive"), Action.ARCHIVE, resource)
        now = self.journal.now()
        series = self.rules.series(
            category=head.category,
            department_code=self.people.departments((head.department,))[head.department].code,
            year=now.astimezone(self.zone).year,
        )
        counted = self.journal.table.get(series_key(series))
        last = 0 if counted is None else int(counted.last)
        number = catalog_number(series, last + 1)
        draft = Draft(
            type="Published",
            cause=Cause(actor=ACTOR, policy=grant.policy, correlation_id=head.correlation_id),
            payload={
                "revision": head.revision,
                "content_digest": head.content_digest,
                "catalog_number": number,
                "published_at": to_text(now),
            },
        )
        after = replace(head, state=State.PUBLISHED, catalog_number=number)
        return self.journal.commit(head, after, [draft], [put_serial(series, last)])

    def _ask_person(self, head: Submission) -> Submission:
        """It is on no channel, so there is nothing to archive."""
        draft = Draft(
            type="PersonNeeded",
            cause=Cause(actor=ACTOR, correlation_id=head.correlation_id),
            payload={"revision": head.revision, "stage": None, "reason": Reason.NOT_DELIVERED},
        )
        after = replace(head, state=State.NEEDS_PERSON, reason=Reason.NOT_DELIVERED)
        return self.journal.commit(head, after, [draft])

    def _keep(self, head: Submission) -> None:
        """Build the package, store it and mark it archived."""
        dossier = self._dossier(head)
        package = build(dossier)
        version_id = self.packages.keep(dossier.catalog_number, package)
        entry = ArchiveRecord(
            catalog_number=dossier.catalog_number,
            submission=head.id,
            revision=head.revision,
            title=head.title,
            category=head.category,
            department=head.department,
            drafter=head.drafter,
            classification=head.classification,
            audience=head.audience,
            published_at=dossier.published_at,
            sha256=hashlib.sha256(package).hexdigest(),
            size=len(package),
            version_id=version_id,
        )
        again_when_stale(lambda: self._archived(head, entry))

    def _archived(self, head: Submission, entry: ArchiveRecord) -> None:
        present = self.journal.head(head.id)
        if not present.is_at(State.PUBLISHED, revision=head.revision, attempt=head.attempt):
            return
        draft = Draft(
            type="Archived",
            cause=Cause(actor=ACTOR, correlation_id=head.correlation_id),
            payload={
                "revision": entry.revision,
                "catalog_number": entry.catalog_number,
                "sha256": entry.sha256,
                "size": entry.size,
                "version_id": entry.version_id,
            },
        )
        self.journal.commit(present, replace(present, state=State.ARCHIVED), [draft], [put_archived(entry)])
        took = self.journal.now() - entry.published_at
        metrics.emit({metrics.ARCHIVE_SECONDS: took.total_seconds()})

    def _dossier(self, head: Submission) -> Dossier:
        events: list[Event] = []
        for event in events_of(self.journal.table, head.id):
            events.append(event)
            if event.type == "Published":
                break
        published = events[-1]
        revisions = tuple(self.journal.revision(head.id, number) for number in range(1, head.revision + 1))
        rendered: dict[str, bytes] = {}
        said = deliveries_in(events, head.revision)
        kept = {each["channel"]: each["receipt"] for each in said if (each["receipt"] or {}).get("files")}
        for delivery in deliveries_of(self.journal.table, head.id, head.revision):
            if delivery.channel in kept:
                then = replace(delivery, receipt=kept[delivery.channel])
                item = Item(head=head, revision=revisions[-1], delivery=then)
                rendered |= self.adapters[delivery.channel].rendered(item)
        return Dossier(
            catalog_number=published.payload["catalog_number"],
            submission=head.id,
            department=head.department,
            revisions=revisions,
            approved_revision=head.revision,
            events=tuple(events),
            opinions=tuple(opinions_in(events)),
            deliveries=tuple(said),
            rendered=rendered,
            procedure=None if head.procedure is None else self.procedures.of(head).document,
            published_at=from_text(published.payload["published_at"]),
            attachments={file.id: self.shelf.read(head.id, file) for file in revisions[-1].attachments},
        )


@dataclass(frozen=True, kw_only=True)
class ReadingRoom:
    """Finding and fetching what is archived."""

    journal: Journal
    people: PeopleStore
    access: AccessControl
    packages: PackageStore
    zone: ZoneInfo

    @staticmethod
    def keys(number: str) -> tuple[Key[CatalogRecord], ...]:
        """Where an entry is, for whoever reads it together with the session; nowhere for what is no number."""
        return (catalog_key(number),) if is_catalog_number(number) else ()

    def entry(self, person: Person, number: str, found: Found) -> ArchiveRecord:
        """A catalogue entry. Raises NotFound where there is none, or none that the person may know of."""
        record = next(filter(None, map(found.get, self.keys(number))), None)
        if record is None:
            raise NotFound
        entry = read_archived(record)
        logs.note(submission=entry.submission)
        if not self.may(person, Action.ARCHIVE_READ, entry):
            raise NotFound
        return entry

    def download(self, person: Person, number: str, found: Found) -> tuple[ArchiveRecord, str]:
        """A catalogue entry and an address to download its package from. Raises NotFound or NotPermitted."""
        entry = self.entry(person, number, found)
        if not self.may(person, Action.ARCHIVE_DOWNLOAD, entry):
            raise NotPermitted
        return entry, self.packages.download_url(number, entry.version_id, DOWNLOAD_LIFE)

    def listing(
        self,
        person: Person,
        filters: Filters,
        *,
        cursor: str | None,
        departments: Sequence[Department] | None = None,
    ) -> Page[ArchiveRecord]:
        """A page of what the person may read, newest first (clause 3.5.3: by category and publish time).

        `departments` are all there are, for whoever has read them already.
        """
        if filters.department is not None:
            ids = [filters.department]
        else:
            ids = [d.id for d in departments or self.people.all_departments()]
        rows = newest(self.journal.table, CatalogRecord, map(listing_key, ids), cursor=cursor)
        entries = ((position, None if record is None else read_archived(record)) for position, record in rows)

        def wanted(entry: ArchiveRecord) -> bool:
            return (
                filters.category in {None, entry.category}
                and filters.year in {None, entry.published_at.astimezone(self.zone).year}
                and self.may(person, Action.ARCHIVE_READ, entry)
            )

        return page(entries, wanted)

    def may(self, person: Person, action: Action, entry: ArchiveRecord) -> bool:
        """Whether the person may do this to what the entry describes."""
        resource = Resource(
            department=entry.department,
            drafter=entry.drafter,
            classification=entry.classification,
            audience=entry.audience,
        )
        return self.access.allows(subject_of(person, self.journal.now()), action, resource)
