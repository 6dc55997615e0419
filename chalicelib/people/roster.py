"""The roster file: departments, persons and duties as people keep them, and what applying it would change.

A file lists everybody: who is not in it any more loses every duty, and `difference` says so beforehand.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.core.clock import to_second_text
from chalicelib.core.errors import FieldError, InvalidInput
from chalicelib.core.validation import schema
from chalicelib.people.model import REPRESENTED, Department, Duty, Person, Role

Entry = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Roster:
    """All departments and persons, in the order of the file; duties are with their persons."""

    departments: tuple[Department, ...] = ()
    persons: tuple[Person, ...] = ()


class ChangeKind(StrEnum):
    """What applying a roster does to one department, person or duty; the value is its sign in a listing."""

    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference. `subject` is department, person or duty; `id` is the department's or the person's."""

    kind: ChangeKind
    subject: str
    id: str
    text: str

    def __str__(self) -> str:
        """Print as one line, such as `+ duty p-7f3k…: liaison of safety since …`."""
        return f"{self.kind} {self.subject} {self.id}: {self.text}"


def parse(document: object) -> Roster:
    """Read a roster from what a YAML or JSON file holds; its shape is `schemas/roster.json`.

    Days become instants at their beginning in the file's time zone. Raises InvalidInput with every fault at
    once: wrong shape; unknown person, department, role or zone; repeated id, code, e-mail (case ignored) or
    duty; a duty that ends before it begins.
    """
    plain = _days_as_text(document)
    errors = schema("roster").errors(plain)
    malformed = {"/".join(error.pointer.split("/")[:3]) for error in errors}
    if isinstance(plain, dict) and "" not in malformed:
        errors += tuple(_contradictions(plain, malformed))
    if errors or not isinstance(plain, dict):
        raise InvalidInput(errors)
    return _read(plain)


def difference(present: Roster, wanted: Roster) -> list[Change]:
    """List what applying `wanted` over `present` would change: departments, then persons, then duties.

    Raises InvalidInput when a department's code differs, because catalogue numbers hold it for good.
    """
    return [
        *_department_changes(present, wanted),
        *_person_changes(present, wanted),
        *_duty_changes(present, wanted),
    ]


def _days_as_text(value: object) -> object:
    """YAML reads a bare 2026-01-31 as a date; JSON Schema knows only text."""
    if isinstance(value, dict):
        return {key: _days_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_days_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _contradictions(document: Entry, malformed: set[str]) -> Iterator[FieldError]:
    """Find what a schema cannot say, in the entries whose pointer is not among `malformed`."""

    def sound(name: str) -> dict[str, Entry]:
        entries = document.get(name)
        listed = enumerate(entries if isinstance(entries, list) else ())
        return {f"/{name}/{place}": entry for place, entry in listed if f"/{name}/{place}" not in malformed}

    departments, persons, duties = sound("departments"), sound("persons"), sound("duties")
    absences = sound("absences")
    yield from _repeated(departments, "id")
    yield from _repeated(departments, "code")
    yield from _repeated(persons, "id")
    yield from _repeated(persons, "email")
    yield from _repeated(duties, "person", "role", "department", "since")
    known = {"person": _ids(document.get("persons")), "department": _ids(document.get("departments"))}
    for pointer, duty in duties.items():
        for field, ids in known.items():
            if duty[field] not in ids:
                yield FieldError(
                    pointer=f"{pointer}/{field}", code=f"unknown_{field}", params={"id": duty[field]}
                )
        yield from _wrong_days(pointer, duty)
    yield from _wrong_absences(absences, known["person"])


def _wrong_absences(absences: Mapping[str, Entry], known: set[object]) -> Iterator[FieldError]:
    """A substitute is somebody else and there: so there are neither chains nor circles."""
    earlier: list[Entry] = []
    for pointer, absence in absences.items():
        for field in ("person", "substitute"):
            if absence[field] not in known:
                yield FieldError(
                    pointer=f"{pointer}/{field}", code="unknown_person", params={"id": absence[field]}
                )
        yield from _wrong_days(pointer, absence)
        if _is_absent(absence["substitute"], absence, absences.values()):
            yield FieldError(pointer=f"{pointer}/substitute", code="substitute_is_absent")
        if _is_absent(absence["person"], absence, earlier):
            yield FieldError(pointer=pointer, code="duplicate")
        earlier.append(absence)


def _wrong_days(pointer: str, entry: Entry) -> Iterator[FieldError]:
    """What is wrong with the days of a duty or an absence."""
    wrong = [field for field in ("since", "until") if field in entry and not _is_day(entry[field])]
    yield from (FieldError(pointer=f"{pointer}/{field}", code="bad_date") for field in wrong)
    if entry.get("until", entry["since"]) < entry["since"]:
        yield FieldError(pointer=f"{pointer}/until", code="until_before_since")


def _is_absent(person: str, meanwhile: Entry, absences: Iterable[Entry]) -> bool:
    """Whether a person is absent on some day of an absence."""
    return any(
        other["person"] == person
        and meanwhile["since"] < other["until"]
        and other["since"] < meanwhile["until"]
        for other in absences
    )


def _repeated(entries: Mapping[str, Entry], *fields: str) -> Iterator[FieldError]:
    """Point at the field, or at the entry if fields are several, that agrees with an earlier one."""
    leaf = f"/{fields[0]}" if len(fields) == 1 else ""
    seen = set()
    for pointer, entry in entries.items():
        key = tuple(entry[field].casefold() for field in fields)
        if key in seen:
            yield FieldError(pointer=pointer + leaf, code="duplicate")
        seen.add(key)


def _ids(entries: object) -> set[object]:
    """The ids of a list's entries, of the malformed ones too: a duty may name them all the same."""
    listed = entries if isinstance(entries, list) else ()
    return {entry["id"] for entry in listed if isinstance(entry, dict) and isinstance(entry.get("id"), str)}


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _read(document: Entry) -> Roster:
    zone = ZoneInfo(document["time_zone"])

    def begin(day: str) -> datetime:
        return datetime.combine(date.fromisoformat(day), time.min, zone).astimezone(UTC)

    def own_duties(person: str) -> tuple[Duty, ...]:
        return tuple(
            Duty(
                role=Role(entry["role"]),
                department=entry["department"],
                since=begin(entry["since"]),
                until=begin(entry["until"]) if "until" in entry else None,
            )
            for entry in document["duties"]
            if entry["person"] == person
        )

    absences = document.get("absences", [])

    def duties_of(person: str) -> tuple[Duty, ...]:
        """A person's own, and those of whom the person stands in for, for so long."""
        return own_duties(person) + tuple(
            taken_over
            for absence in absences
            if absence["substitute"] == person
            for duty in own_duties(absence["person"])
            if (
                taken_over := _taken_over(
                    duty, absence["person"], begin(absence["since"]), begin(absence["until"])
                )
            )
        )

    duties_in: dict[str, set[str]] = {entry["id"]: set() for entry in document["departments"]}
    for duty in document["duties"]:
        stands_in = [a["substitute"] for a in absences if a["person"] == duty["person"]]
        duties_in[duty["department"]] |= {duty["person"], *stands_in}

    return Roster(
        departments=tuple(
            Department(
                id=entry["id"],
                name=entry["name"],
                code=entry["code"],
                duty_holders=tuple(sorted(duties_in[entry["id"]])),
            )
            for entry in document["departments"]
        ),
        persons=tuple(
            Person(
                id=entry["id"],
                name=entry["name"],
                email=entry["email"],
                language=entry.get("language", "zh-Hans"),
                duties=duties_of(entry["id"]),
            )
            for entry in document["persons"]
        ),
    )


def _taken_over(duty: Duty, absent: str, since: datetime, until: datetime) -> Duty | None:
    """A duty as the substitute has it, or None where there is nothing to take over."""
    begins, ends = max(duty.since, since), min(duty.until or until, until)
    if duty.role not in REPRESENTED or begins >= ends:
        return None
    return replace(duty, since=begins, until=ends, instead_of=absent)


def _department_changes(present: Roster, wanted: Roster) -> Iterator[Change]:
    before = {department.id: department for department in present.departments}
    recoded = tuple(
        FieldError(pointer=f"/departments/{index}/code", code="never_changes")
        for index, new in enumerate(wanted.departments)
        if new.id in before and before[new.id].code != new.code
    )
    if recoded:
        raise InvalidInput(recoded)
    for new in wanted.departments:
        old = before.pop(new.id, None)
        if old is None:
            yield Change(
                kind=ChangeKind.ADDED, subject="department", id=new.id, text=f"{new.name} ({new.code})"
            )
        elif old.name != new.name:
            yield Change(
                kind=ChangeKind.CHANGED, subject="department", id=new.id, text=f"name {old.name} → {new.name}"
            )
    for old in before.values():
        yield Change(
            kind=ChangeKind.REMOVED, subject="department", id=old.id, text=f"{old.name}: not in file"
        )


def _person_changes(present: Roster, wanted: Roster) -> Iterator[Change]:
    before = {person.id: person for person in present.persons}
    for new in wanted.persons:
        old = before.pop(new.id, None)
        if old is None:
            yield Change(kind=ChangeKind.ADDED, subject="person", id=new.id, text=f"{new.name} <{new.email}>")
        elif texts := _personal_changes(old, new):
            yield Change(kind=ChangeKind.CHANGED, subject="person", id=new.id, text=", ".join(texts))
    for old in before.values():
        yield Change(
            kind=ChangeKind.REMOVED,
            subject="person",
            id=old.id,
            text=f"{old.name}: not in file: duties end now",
        )


def _personal_changes(old: Person, new: Person) -> list[str]:
    texts = []
    if old.name != new.name:
        texts.append(f"name {old.name} → {new.name}")
    if old.email.casefold() != new.email.casefold():
        texts.append(f"email {old.email} → {new.email}")
    if old.language != new.language:
        texts.append(f"language {old.language} → {new.language}")
    return texts


DutyKey = tuple[str, Role, str, datetime, str | None]


def _duty_changes(present: Roster, wanted: Roster) -> Iterator[Change]:
    before, after = _duties(present), _duties(wanted)
    for key, until in after.items():
        if key not in before:
            end = "" if until is None else f" until {to_second_text(until)}"
            yield _duty_change(ChangeKind.ADDED, key, end)
        elif before[key] != until:
            yield _duty_change(ChangeKind.CHANGED, key, f": until {_end(before[key])} → {_end(until)}")
    for key in before:
        if key not in after:
            yield _duty_change(ChangeKind.REMOVED, key, ": not in file: ends now")


def _duties(roster: Roster) -> dict[DutyKey, datetime | None]:
    return {
        (person.id, duty.role, duty.department, duty.since, duty.instead_of): duty.until
        for person in roster.persons
        for duty in person.duties
    }


def _end(until: datetime | None) -> str:
    return "without end" if until is None else to_second_text(until)


def _duty_change(kind: ChangeKind, key: DutyKey, rest: str) -> Change:
    person, role, department, since, instead_of = key
    place = f" instead of {instead_of}" if instead_of else ""
    text = f"{role} of {department}{place} since {to_second_text(since)}{rest}"
    return Change(kind=kind, subject="duty", id=person, text=text)
