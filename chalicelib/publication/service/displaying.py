"""What people know of the board and say of it: places, and whether a sheet hangs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from chalicelib.access.model import Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.errors import Conflict, NotFound
from chalicelib.core.ids import is_id
from chalicelib.core.retry import again_when_stale
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person
from chalicelib.publication.channels.notice_board.board import (
    BoardItem,
    BoardRules,
    Places,
    places_of,
    planned,
)
from chalicelib.publication.store import board_items, board_key, put_board_item, read_board_item
from chalicelib.submission.model import Channel
from chalicelib.submission.service import Journal, reading, resource_of
from chalicelib.submission.store import head_key, read_head


@dataclass(frozen=True, kw_only=True)
class Displaying:
    """What people of the center say of the sheets."""

    journal: Journal
    access: AccessControl
    rules: BoardRules

    def confirm(
        self, person: Person, submission: str, *, revision: int, correlation_id: str
    ) -> tuple[str, ...]:
        """Record that a person has seen a revision's sheet hang; answers who has. A repeat changes nothing.

        Raises NotFound and NotPermitted by policy, Conflict when another revision's sheet is on the board, or none.
        """
        return again_when_stale(
            lambda: self._confirmed(person, submission, revision=revision, correlation_id=correlation_id)
        )

    def places(self, departments: Iterable[str]) -> dict[str, Places]:
        """What there is of places for each department."""
        items, now = board_items(self.journal.table), self.journal.now()
        return {each: places_of(items, self.rules.slots, each, now) for each in departments}

    def _confirmed(
        self, person: Person, submission: str, *, revision: int, correlation_id: str
    ) -> tuple[str, ...]:
        if not is_id("s", submission):
            raise NotFound
        where = board_key(submission)
        found = self.journal.table.batch(head_key(submission), where)
        head_record, record = found.get(head_key(submission)), found.get(where)
        if head_record is None:
            raise NotFound
        head, now = read_head(head_record), self.journal.now()
        subject, resource = subject_of(person, now), resource_of(head)
        if not all(self.access.allows(subject, each, resource) for each in reading(head)):
            raise NotFound
        grant = self.access.grant(subject, Action.CONFIRM_DISPLAY, resource)
        if record is None:
            raise Conflict("not_on_the_board")
        item = read_board_item(record)
        if item.revision != revision:
            raise Conflict("other_sheet")
        if not self._hangs(item):
            raise Conflict("not_on_the_board")
        if person.id in item.confirmed:
            return item.confirmed
        draft = Draft(
            type="DisplayConfirmed",
            cause=Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id),
            payload={"revision": revision, "channel": Channel.NOTICE_BOARD},
        )
        after = replace(item, confirmed=(*item.confirmed, person.id))
        self.journal.commit(head, head, [draft], [put_board_item(after, before=record)])
        return after.confirmed

    def _hangs(self, item: BoardItem) -> bool:
        showings = planned(board_items(self.journal.table), self.rules.slots)
        return any(
            each.item.submission == item.submission and each.at(self.journal.now()) for each in showings
        )
