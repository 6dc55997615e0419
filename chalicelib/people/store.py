"""Persons and departments in the table.

A person is one erasable item holding name, e-mail and duties; the e-mail's look-up item holds only its hash.
"""

from collections.abc import Iterable, Iterator

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.core.clock import from_text, to_text
from chalicelib.core.ids import fingerprint
from chalicelib.core.table import Check, DocumentAttribute, Key, Put, Record, Table
from chalicelib.people.model import Department, Duty, Person, Role

_DEPARTMENTS = "DEPARTMENTS"


class PersonRecord(Record):
    """One person."""

    name = UnicodeAttribute()
    email = UnicodeAttribute()
    language = UnicodeAttribute()
    duties = DocumentAttribute()
    version = NumberAttribute()


class EmailRecord(Record):
    """From the hash of an e-mail address to a person's id."""

    person = UnicodeAttribute()


class DepartmentRecord(Record):
    """One department."""

    name = UnicodeAttribute()
    code = UnicodeAttribute()
    duty_holders = DocumentAttribute()


def person_key(person: str) -> Key[PersonRecord]:
    """Where a person is."""
    return Key(PersonRecord, f"PERSON#{person}", "PERSON")


def email_key(email: str) -> Key[EmailRecord]:
    """Where an address leads to; case does not matter."""
    return Key(EmailRecord, f"EMAIL#{fingerprint(email.strip().casefold())}", "EMAIL")


def department_key(department: str) -> Key[DepartmentRecord]:
    """Where a department is."""
    return Key(DepartmentRecord, _DEPARTMENTS, department)


def read_person(record: PersonRecord) -> Person:
    """The person that a record holds."""
    return Person(
        id=record.pk.removeprefix("PERSON#"),
        name=record.name,
        email=record.email,
        language=record.language,
        version=int(record.version),
        duties=tuple(
            Duty(
                role=Role(duty["role"]),
                department=duty["department"],
                since=from_text(duty["since"]),
                until=from_text(duty["until"]) if duty["until"] else None,
                instead_of=duty.get("instead_of"),
            )
            for duty in record.duties
        ),
    )


def put_person(person: Person) -> Put:
    """Describe the write of a person, whoever was there before."""
    key = person_key(person.id)
    return Put(
        record=PersonRecord(
            pk=key.pk,
            sk=key.sk,
            name=person.name,
            email=person.email,
            language=person.language,
            version=person.version,
            duties=[
                {
                    "role": duty.role.value,
                    "department": duty.department,
                    "since": to_text(duty.since),
                    "until": to_text(duty.until) if duty.until else None,
                    **({"instead_of": duty.instead_of} if duty.instead_of else {}),
                }
                for duty in person.duties
            ],
        )
    )


def put_email(email: str, person: str) -> Put:
    """Describe the write of an address's look-up item."""
    key = email_key(email)
    return Put(record=EmailRecord(pk=key.pk, sk=key.sk, person=person))


def read_department(record: DepartmentRecord) -> Department:
    """The department that a record holds."""
    return Department(
        id=record.sk, name=record.name, code=record.code, duty_holders=tuple(record.duty_holders)
    )


def put_department(department: Department) -> Put:
    """Describe the write of a department."""
    key = department_key(department.id)
    return Put(
        record=DepartmentRecord(
            pk=key.pk,
            sk=key.sk,
            name=department.name,
            code=department.code,
            duty_holders=list(department.duty_holders),
        )
    )


def unchanged(person: Person) -> Check:
    """Describe the condition that a person's duties are still those that were read."""
    return Check(key=person_key(person.id), condition=PersonRecord.version == person.version)


class PeopleStore:
    """Reading people."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def persons(self, ids: tuple[str, ...]) -> tuple[Person, ...]:
        """Those persons that exist, in the order asked for."""
        keys = [person_key(person) for person in ids]
        if not keys:
            return ()
        found = self._table.batch(*keys)
        return tuple(read_person(record) for record in map(found.get, keys) if record is not None)

    def by_email(self, email: str) -> Person | None:
        """Whose address it is."""
        link = self._table.get(email_key(email))
        if link is None:
            return None
        persons = self.persons((link.person,))
        return persons[0] if persons else None

    def departments(self, ids: tuple[str, ...]) -> dict[str, Department]:
        """Those departments that exist, by id."""
        keys = [department_key(department) for department in ids]
        if not keys:
            return {}
        found = self._table.batch(*keys)
        return {r.sk: read_department(r) for r in map(found.get, keys) if r is not None}

    def names(
        self, persons: Iterable[str], departments: Iterable[str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """The names of those persons and of those departments that exist, by id, read together."""
        of_persons = {person: person_key(person) for person in persons}
        of_departments = {department: department_key(department) for department in departments}
        found = self._table.batch(*of_persons.values(), *of_departments.values())
        return (
            {name: person.name for name, key in of_persons.items() if (person := found.get(key))},
            {name: department.name for name, key in of_departments.items() if (department := found.get(key))},
        )

    def all_departments(self) -> tuple[Department, ...]:
        """Every department, by id."""
        return tuple(map(read_department, self._table.partition(DepartmentRecord, _DEPARTMENTS)))


def all_persons(table: Table) -> Iterator[Person]:
    """Everybody, in no order: a scan, for operations only."""
    return map(read_person, table.scan(PersonRecord, "PERSON#"))


def forget_email(table: Table, email: str) -> None:
    """Remove an address's look-up item."""
    table.delete(email_key(email))
