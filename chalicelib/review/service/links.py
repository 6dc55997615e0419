"""A reviewer's link: it opens for its own reviewer, and whoever else tries is told of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.core import logs
from chalicelib.core.errors import NotFound, Stale
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Found, Key
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person
from chalicelib.review.model import ReviewLink, ReviewTask
from chalicelib.review.store import draft_key, link_key, put_draft, put_refusal, read_link, refusal_key
from chalicelib.submission.model import Submission
from chalicelib.submission.service import Journal

DRAFT_LIFE = timedelta(minutes=15)
"""How long what was typed is kept for a reviewer who is away to sign in: as long as the way back is remembered."""


@dataclass(frozen=True, kw_only=True)
class Links:
    """Finds what a handle leads to."""

    journal: Journal

    @staticmethod
    def key(handle: str) -> Key[Any]:
        """Where a handle's link is, for whoever reads it together with the session."""
        return link_key(handle)

    def own(self, person: Person, handle: str, found: Found) -> ReviewLink:
        """The person's own link. Raises NotFound alike for an unknown, an expired and another's handle."""
        record = found.get(link_key(handle))
        if record is None:
            raise NotFound
        link = read_link(record)
        logs.note(submission=link.submission)
        if link.expires_at <= self.journal.now():
            raise NotFound
        if link.reviewer != person.id:
            self._record_refusal(link, person)
            raise NotFound
        return link

    @staticmethod
    def draft_key(handle: str, person: str) -> Key[Any]:
        """Where it is what a person has typed below a link, to be read likewise."""
        return draft_key(handle, person)

    def keep_draft(self, person: Person, handle: str, typed: Mapping[str, Any], found: Found) -> None:
        """Keep what a reviewer has typed, while the reviewer is away for a moment. Raises NotFound as `own` does."""
        self.own(person, handle, found)
        until = self.journal.now() + DRAFT_LIFE
        self.journal.table.put(put_draft(handle, person.id, typed, until))

    def draft(self, person: Person, handle: str, found: Found) -> Mapping[str, Any]:
        """What a reviewer has typed before, if it is still kept."""
        record = found.get(draft_key(handle, person.id))
        if record is None or (record.expires_at or 0) <= self.journal.now().timestamp():
            return {}
        typed: Mapping[str, Any] = record.typed
        return typed

    def _record_refusal(self, link: ReviewLink, person: Person) -> None:
        """Tell the ledger, once, that somebody else held a reviewer's link: a forwarded mail, or worse."""

        def step() -> None:
            if self.journal.table.get(refusal_key(link, person.id)) is not None:
                return
            head = self.journal.find(link.submission)
            if head is None:
                return
            draft = Draft(
                type="ReviewLinkRefused",
                cause=Cause(actor=person.id, correlation_id=head.correlation_id),
                payload={"revision": link.revision, "stage": link.stage, "reviewer": link.reviewer},
            )
            self.journal.commit(head, head, [draft], [put_refusal(link, person.id)])

        try:
            again_when_stale(step)
        except Stale:
            return  # the answer to the caller does not depend on it; the next try records it


def ensure_current(head: Submission, task: ReviewTask, link: ReviewLink) -> None:
    """Raise NotFound for a link of an older round: it shows its reviewer's own decision and nothing else."""
    if link.revision != head.revision and task.opinion_of(link.reviewer) is None:
        raise NotFound
