"""The reviewer's desk: what waits for a person, in the order of work, and what that person has decided.

Clause 1.3.2: by importance first, then by deadline. Policy decides what is seen, as it decides what may be reviewed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from itertools import islice

from chalicelib.core import logs
from chalicelib.core.clock import to_text
from chalicelib.core.errors import BadRequest, FieldError, InvalidInput, NotFound
from chalicelib.core.ids import fingerprint, new_secret
from chalicelib.core.listing import Page, page, position
from chalicelib.core.table import Found, Key, Table
from chalicelib.people.model import Person
from chalicelib.review.deadlines import Case, Deadlines
from chalicelib.review.model import LINK_LIFE, URGENCY, DeskEntry, Opinion, ReviewLink, ReviewTask
from chalicelib.review.service.decisions import Decisions, OpenedLink
from chalicelib.review.store import (
    DeskRecord,
    TaskRecord,
    desk_key,
    laid_before,
    may_wait,
    put_link,
    read_entry,
    read_task,
    task_key,
)
from chalicelib.submission.model import State, Submission
from chalicelib.submission.procedure import Stage
from chalicelib.submission.service import Journal, Procedures
from chalicelib.submission.store import head_key, read_head

Order = tuple[int, str, str, str]
_NAME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z#s-[a-z2-7]{20}#[0-9]{4,9}#[a-z][a-z0-9_]{0,39}"
)
"""An entry's id: whatever else somebody sends is no key to read by."""
_CHUNK = 100
"""Entries whose tasks are read at once."""


class Section(StrEnum):
    """The parts of a desk: what waits for its person, what that person decided, what of both is for somebody absent."""

    WAITING = "waiting"
    DECIDED = "decided"
    SUBSTITUTE = "substitute"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A task on a person's desk. `title` is None where policy keeps the text from that person by now.

    `left` is the working time until the deadline, `late` whether a deadline of it was missed; `instead_of` is the
    absent person for whom this one decides, or has decided.
    """

    id: str
    head: Submission
    task: ReviewTask
    stage: Stage
    title: str | None
    left: timedelta
    late: bool
    opinion: Opinion | None = None
    instead_of: str | None = None

    @property
    def order(self) -> Order:
        """Where it stands in the order of work, the most pressing first.

        By importance; of the same, what is late comes first, then what is due first, then what came first.
        """
        return (
            2 * URGENCY.index(self.head.importance) + (not self.late),
            to_text(self.task.deadline),
            to_text(self.task.opened_at),
            f"{self.head.id}#{self.task.revision}#{self.task.stage}",
        )

    @property
    def place(self) -> str:
        """The same as a place that a cursor can name."""
        rank, deadline, opened_at, name = self.order
        return f"{deadline}#{rank}#{opened_at}#{name}"


@dataclass(frozen=True, kw_only=True)
class ReviewDesk:
    """What a person sees of the own reviews, and opens there."""

    journal: Journal
    procedures: Procedures
    deadlines: Deadlines
    decisions: Decisions

    def waiting(self, person: Person) -> list[Row]:
        """Everything that waits for a person's opinion and that policy lets decide, the most pressing first."""
        entries: dict[Key[TaskRecord], DeskEntry] = {}
        for entry in may_wait(self._table, person.id, self.journal.now()):
            entries.setdefault(_task_of(entry), entry)  # of one task the latest deadline comes first
        heads = self._heads(entries.values())
        due = {key: entry for key, entry in entries.items() if _is_due(heads.get(entry.submission), entry)}
        found = self._table.batch(*due)
        rows = (
            self._row(person, entry, heads[entry.submission], read_task(record))
            for key, entry in due.items()
            if (record := found.get(key))
        )
        return sorted((row for row in rows if row and not row.opinion), key=lambda row: row.order)

    def listing(self, person: Person, *, section: str | None, cursor: str | None) -> Page[Row]:
        """A page of a section: what waits in the order of work; what was decided, the latest deadline first.

        Raises InvalidInput for no section, and BadRequest for a cursor that is not one of ours.
        """
        chosen = section or Section.WAITING
        if chosen not in set(Section):
            allowed = [each.value for each in Section]
            fault = FieldError(pointer="/section", code="not_one_of", params={"allowed": allowed})
            raise InvalidInput((fault,))
        place = None if cursor is None else position(cursor)
        if chosen == Section.WAITING:
            after = None if place is None else _order_at(place)
            rows = ((row.place, row) for row in self.waiting(person) if after is None or row.order > after)
            return page(rows, lambda _: True)
        if chosen == Section.DECIDED:
            return page(self._laid(person, place), lambda row: row.opinion is not None)
        return page(self._laid(person, place), lambda row: row.instead_of is not None)

    @staticmethod
    def entry_key(person: str | None, name: str) -> Key[DeskRecord]:
        """Where an entry of a desk is, to be read together with the session; where nothing is for what names none."""
        if person is not None and _NAME.fullmatch(name):
            with suppress(ValueError):
                return desk_key(DeskEntry.named(name, person))
        return Key(DeskRecord, "DESK#-", "-")

    def open(self, person: Person, key: Key[DeskRecord], found: Found) -> tuple[str, OpenedLink]:
        """Open what lies on the person's own desk as a mailed link would; answers a fresh handle with what it shows.

        Raises NotFound for what does not lie there, and what `Decisions.open` raises; then there is no link.
        """
        record = found.get(key)
        if record is None or read_entry(record).person != person.id:
            raise NotFound
        entry = read_entry(record)
        logs.note(submission=entry.submission)
        handle = new_secret()
        link = ReviewLink(
            fingerprint=fingerprint(handle),
            reviewer=person.id,
            submission=entry.submission,
            revision=entry.revision,
            stage=entry.stage,
            content_digest="",
            expires_at=self.journal.now() + LINK_LIFE,
        )
        opened = self.decisions.show(person, link)
        self._table.put(put_link(replace(link, content_digest=opened.task.content_digest)))
        return handle, opened

    @property
    def _table(self) -> Table:
        return self.journal.table

    def _laid(self, person: Person, below: str | None) -> Iterator[tuple[str, Row | None]]:
        """What lies on a desk, each with its place; None for what is nothing to that person any more."""
        entries = laid_before(self._table, person.id, below)
        seen: set[Key[TaskRecord]] = set()
        while chunk := list(islice(entries, _CHUNK)):
            found = self._table.batch(*map(_task_of, chunk))
            tasks = {entry: read_task(record) for entry in chunk if (record := found.get(_task_of(entry)))}
            tasks = {entry: task for entry, task in tasks.items() if _concerns(person, task)}
            listed_above = self._listed_above(person, tasks)
            heads = self._heads(tasks)
            for entry in chunk:
                row = None
                key, head, task = _task_of(entry), heads.get(entry.submission), tasks.get(entry)
                if head and task and key not in seen and entry not in listed_above:
                    seen.add(key)
                    row = self._row(person, entry, head, task)
                yield entry.id, row

    def _listed_above(self, person: Person, tasks: Mapping[DeskEntry, ReviewTask]) -> set[DeskEntry]:
        """Those that lie there with a later deadline, too, and are told of there."""
        renewed = {entry: DeskEntry.of(task, person.id) for entry, task in tasks.items()}
        renewed = {entry: later for entry, later in renewed.items() if later.id > entry.id}
        found = self._table.batch(*map(desk_key, renewed.values()))
        return {entry for entry, later in renewed.items() if found.get(desk_key(later))}

    def _heads(self, entries: Iterable[DeskEntry]) -> dict[str, Submission]:
        keys = {entry.submission: head_key(entry.submission) for entry in entries}
        found = self._table.batch(*keys.values())
        return {name: read_head(record) for name, key in keys.items() if (record := found.get(key))}

    def _row(self, person: Person, entry: DeskEntry, head: Submission, task: ReviewTask) -> Row | None:
        """What a person sees of a task: nothing, unless it was decided by that person or waits for that person."""
        now, case = self.journal.now(), Case.of(head, task.stage)
        stage = self.procedures.version(task.procedure)[task.stage]
        may, opinion = self.decisions.may(person, stage, task, head), task.opinion_of(person.id)
        if opinion is None and (task.is_closed or not may or not _is_due(head, entry)):
            return None
        return Row(
            id=entry.id,
            head=head,
            task=task,
            stage=stage,
            title=head.title if may else None,
            left=timedelta(0) if opinion else self.deadlines.left(now, task.deadline),
            late=opinion is None and (task.deadline <= now or self.deadlines.missed(task.steps, case)),
            opinion=opinion,
            instead_of=(
                opinion.instead_of if opinion else self.decisions.instead_of(person, stage, task, head)
            ),
        )


def _task_of(entry: DeskEntry) -> Key[TaskRecord]:
    return task_key(entry.submission, entry.revision, entry.stage)


def _is_due(head: Submission | None, entry: DeskEntry) -> bool:
    """Whether that very stage waits."""
    waits_for = head and (head.state, head.revision, head.stage)
    return waits_for == (State.IN_REVIEW, entry.revision, entry.stage)


def _concerns(person: Person, task: ReviewTask) -> bool:
    return not task.is_closed or task.opinion_of(person.id) is not None


def _order_at(place: str) -> Order:
    """The order of work at a place. Raises BadRequest."""
    try:
        deadline, rank, opened_at, name = place.split("#", 3)
        return int(rank), deadline, opened_at, name
    except ValueError as error:
        raise BadRequest("bad_cursor") from error
