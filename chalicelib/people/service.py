"""Keeping the roster: what a file would change, and changing it."""

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.core.clock import Now, utc_now
from chalicelib.core.table import Table
from chalicelib.people.model import Duty, Person
from chalicelib.people.roster import Change, Roster, difference
from chalicelib.people.store import (
    PeopleStore,
    all_persons,
    forget_email,
    put_department,
    put_email,
    put_person,
)


@dataclass(frozen=True, kw_only=True)
class RosterKeeper:
    """Compares and applies rosters. Applying again changes nothing, and finishes what was broken off."""

    table: Table
    people: PeopleStore
    now: Now = utc_now

    def present(self) -> Roster:
        """Everybody there is, those who have left included."""
        return Roster(
            departments=self.people.all_departments(),
            persons=tuple(all_persons(self.table)),
        )

    def changes(self, wanted: Roster) -> list[Change]:
        """What applying would change. Raises InvalidInput when a department's code differs."""
        return difference(_concerned(self.present(), wanted, self.now()), wanted)

    def apply(self, wanted: Roster, now: datetime) -> list[Change]:
        """Make it so, and answer what has changed. Raises InvalidInput as `changes` does; then nothing is written.

        Who is no longer in the file keeps a record whose duties end now. A changed person's version rises, so that a
        decision resting on the old duties fails.
        """
        present = self.present()
        changes = difference(_concerned(present, wanted, now), wanted)
        before = {person.id: person for person in present.persons}
        addresses = {person.email.casefold() for person in wanted.persons}
        for person in wanted.persons:
            old = before.pop(person.id, None)
            if old is not None and old.email.casefold() not in addresses:
                forget_email(self.table, old.email)
            self.table.put(put_email(person.email, person.id))
            self._put(person, old)
        for gone in before.values():
            self._put(replace(gone, duties=tuple(_ended(duty, now) for duty in gone.duties)), gone)
        holders = {d.id: set(d.duty_holders) for d in present.departments}
        for department in wanted.departments:
            everyone = tuple(sorted({*department.duty_holders, *holders.get(department.id, ())}))
            self.table.put(put_department(replace(department, duty_holders=everyone)))
        return changes

    def _put(self, person: Person, before: Person | None) -> None:
        if before is None or replace(person, version=before.version) != before:
            self.table.put(put_person(replace(person, version=1 if before is None else before.version + 1)))


def _concerned(present: Roster, wanted: Roster, now: datetime) -> Roster:
    """The present roster without what has ended of those who are not in the file: that is no change any more."""
    listed = {person.id for person in wanted.persons}
    staying = [person for person in present.persons if person.id in listed]
    leaving = [
        replace(person, duties=tuple(duty for duty in person.duties if _ended(duty, now) != duty))
        for person in present.persons
        if person.id not in listed
    ]
    return replace(present, persons=(*staying, *(person for person in leaving if person.duties)))


def _ended(duty: Duty, now: datetime) -> Duty:
    return duty if duty.until is not None and duty.until <= now else replace(duty, until=max(now, duty.since))
