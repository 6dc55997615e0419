"""Who an announcement reaches: of whom a form addresses, those on duty now whom policy lets read it (clause 4.4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.access.model import Action, Resource, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.people.audiences import PERSON, ROLE, Audience, Audiences, departments_in, is_addressed
from chalicelib.people.model import Person
from chalicelib.people.store import PeopleStore

MOST = 1000
"""Of so many people at most a preview looks at each."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Finds people. One query or one batch read for the departments, and one batch read for each hundred persons."""

    people: PeopleStore
    access: AccessControl
    audiences: Audiences

    def of(self, resource: Resource, now: datetime) -> tuple[Person, ...]:
        """Everybody whom a submission's mail reaches if it goes out now, by id.

        A mail holds what is published, so nobody gets one whom policy lets not read that (clause 5.3.1).
        """
        audience = self.audiences.spelled_out(resource.audience)
        return self._those(self._candidates(audience), audience, resource, now)

    def some(self, resource: Resource, now: datetime) -> tuple[tuple[Person, ...], bool]:
        """As `of`, among the first `MOST` of those who may be meant, and whether that is everybody."""
        audience = self.audiences.spelled_out(resource.audience)
        candidates = self._candidates(audience)
        return self._those(candidates[:MOST], audience, resource, now), len(candidates) <= MOST

    def _candidates(self, audience: Audience) -> list[str]:
        """Whoever may be meant, duties past and present, by id."""
        everywhere = audience is None or any(entry.startswith(ROLE) for entry in audience)
        departments = (
            self.people.all_departments()
            if everywhere
            else tuple(self.people.departments(departments_in(audience)).values())
        )
        named = {entry.removeprefix(PERSON) for entry in audience or () if entry.startswith(PERSON)}
        return sorted(named.union(*(department.duty_holders for department in departments)))

    def _those(
        self, candidates: Sequence[str], audience: Audience, resource: Resource, now: datetime
    ) -> tuple[Person, ...]:
        return tuple(
            person
            for person in self.people.persons(tuple(candidates))
            if is_addressed(person, audience, now)
            and self.access.allows(subject_of(person, now), Action.ARCHIVE_READ, resource)
        )
