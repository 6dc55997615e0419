"""Refused requests, for those who must know of them: the center, and the department itself (clause 3.1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.access.model import Action, Resource, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.errors import FieldError, InvalidInput, NotFound
from chalicelib.core.ids import is_id
from chalicelib.core.listing import Page, newest, page
from chalicelib.people.model import Department, Person, is_department_id
from chalicelib.people.store import PeopleStore
from chalicelib.submission.letters import RefusedRequest, Standing
from chalicelib.submission.model import Classification
from chalicelib.submission.service.journal import Journal
from chalicelib.submission.store import (
    RefusedRequestRecord,
    put_refused,
    read_refused,
    refused_content_key,
    refused_key,
    refused_listing_key,
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A refused request as a person may see it; `readable` says whether title, drafter and content may be shown."""

    request: RefusedRequest
    readable: bool
    content: str | None = None
    """What was sent, if it was asked for, is kept and may be shown."""

    @property
    def title(self) -> str | None:
        """The title, if the form soundly says one and it may be shown."""
        return self.request.title if self.readable else None

    @property
    def drafter(self) -> str | None:
        """The drafter's id, likewise."""
        return self.request.drafter if self.readable else None


@dataclass(frozen=True, kw_only=True)
class RefusedRequests:
    """Lists and reads refused requests; those whose time is over are not there."""

    journal: Journal
    people: PeopleStore
    access: AccessControl

    def listing(
        self,
        person: Person,
        *,
        department: str | None,
        cursor: str | None,
        among: Sequence[Department] | None = None,
    ) -> Page[Shown]:
        """A page of what the person may know of, newest first, from one department or from all.

        `among` is what `departments` answered, where that is known already: it saves reading them again.
        Raises InvalidInput for what is no department's id.
        """
        if department is not None and not is_department_id(department):
            raise InvalidInput((FieldError(pointer="/department", code="bad_id"),))
        if department:
            names = [department] if self._may_know(person, department) else []
        else:
            names = [each.id for each in (self.departments(person) if among is None else among)]
        keys = [refused_listing_key(name) for name in names]
        rows = newest(self.journal.table, RefusedRequestRecord, keys, cursor=cursor)
        present = ((position, self._shown(person, record)) for position, record in rows)
        return page(present, lambda _shown: True)

    def departments(self, person: Person) -> tuple[Department, ...]:
        """The departments whose refused requests the person may know of."""
        return tuple(each for each in self.people.all_departments() if self._may_know(person, each.id))

    def read(self, person: Person, refused_request: str) -> Shown:
        """One of them with its content. Raises NotFound where policy forbids even to know of it."""
        if not is_id("f", refused_request):
            raise NotFound
        content_key = refused_content_key(refused_request)
        found = self.journal.table.batch(refused_key(refused_request), content_key)
        shown = self._shown(person, found.get(refused_key(refused_request)))
        if shown is None:
            raise NotFound
        kept = found.get(content_key)
        return replace(shown, content=kept.content) if kept is not None and shown.readable else shown

    def redriven(self, refused_request: str) -> None:
        """Note that it was sent back into its queue; nothing happens if there is none, or its time is over."""
        record = self.journal.table.get(refused_key(refused_request))
        if record is not None:
            request = replace(read_refused(record), standing=Standing.REDRIVEN)
            self.journal.table.put(put_refused(request, before=tuple(Standing)))

    def _shown(self, person: Person, record: RefusedRequestRecord | None) -> Shown | None:
        if record is None:
            return None
        request = read_refused(record)
        if request.expires_at <= self.journal.now() or not self._may_know(person, request.department):
            return None
        readable = self._may(person, request.department, request.drafter or "", request.classification)
        return Shown(request=request, readable=readable)

    def _may_know(self, person: Person, department: str) -> bool:
        """Whether the person may know that there is one and why: nothing of its text, so nothing confidential."""
        return self._may(person, department, "", Classification.INTERNAL)

    def _may(self, person: Person, department: str, drafter: str, classification: Classification) -> bool:
        resource = Resource(department=department, drafter=drafter, classification=classification)
        subject = subject_of(person, self.journal.now())
        return self.access.allows(subject, Action.REFUSED_READ, resource)
