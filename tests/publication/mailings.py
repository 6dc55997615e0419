"""Announcements without the rest of a life: an approved text, delivered by mail."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.errors import OutcomeUnknown, Unready
from chalicelib.core.ids import new_id, new_salt
from chalicelib.ledger.model import Cause, Draft
from chalicelib.people.model import Person, Role
from chalicelib.publication.channels.email.mailing import TERM, Mailing, RecipientState
from chalicelib.publication.model import Delivery, DeliveryState, Item
from chalicelib.publication.store import read_mailing
from chalicelib.submission.model import (
    Channel,
    Revision,
    State,
    form_from_document,
    opened,
    with_revision,
)
from chalicelib.submission.store import put_revision
from tests.faults import CrashError
from tests.world import EDITOR, PROCEDURE, Answer, World, a_form, a_person

MOST_RUNS = 40


class DiedError(BaseException):
    """The process is gone: nothing of ours catches that."""


def staff(number: int, *, department: str = "research") -> tuple[Person, ...]:
    """So many employees of a department."""
    return tuple(a_person(f"staff-{n:03d}", (Role.EMPLOYEE, department)) for n in range(number))


@dataclass(frozen=True, kw_only=True)
class Announced:
    """A text on its way into mailboxes. `title` is no other's."""

    world: World
    submission: str
    title: str

    def deliver(self) -> dict[str, Any]:
        """One run of the channel; answers the receipt."""
        journal = self.world.plain_journal
        head, revision = journal.head(self.submission), journal.revision(self.submission, 1)
        delivery = Delivery(
            submission=self.submission,
            revision=1,
            channel=Channel.EMAIL,
            state=DeliveryState.CLAIMED,
            started_at=self.world.now(),
        )
        channel = self.world.parts.email_channel
        item = Item(head=head, revision=revision, delivery=delivery)
        channel.prepare(item)
        return dict(channel.deliver(item).receipt)

    def deliver_until_done(self) -> dict[str, Any]:
        """Run as often as it takes, hearing the carrier's events and letting time pass in between."""
        for _ in range(MOST_RUNS):
            self.hear()
            try:
                return self.deliver()
            except OutcomeUnknown:
                self.world.passed += TERM / 2 / self.world.parts.settings.scale
            except (CrashError, DiedError, Unready):
                continue
        raise AssertionError(self.mailing().recipients)

    def hear(self) -> None:
        """Let every event be heard."""
        self.world.cloud.settle()

    def mailing(self) -> Mailing:
        """The mailing as it is recorded."""
        mailing = read_mailing(self.world.plain_table, self.submission, 1)
        assert mailing is not None
        return mailing

    def states(self) -> dict[str, str]:
        """What has become of each person."""
        return {each.person: each.state.value for each in self.mailing().recipients}

    def is_tried(self) -> bool:
        """Whether everybody had a turn: nobody is pending."""
        mailing = read_mailing(self.world.plain_table, self.submission, 1)
        return mailing is not None and not mailing.in_state(RecipientState.PENDING)

    def unknown(self) -> int:
        """How many wait for a person's answer."""
        return len(self.mailing().in_state(RecipientState.UNKNOWN))

    def envelopes(self) -> Counter[str]:
        """How many mails went to each address."""
        return Counter(mail.to for mail in self.world.cloud.mails() if mail.subject == self.title)

    def answer(self, *, resend: bool, as_: Person = EDITOR) -> Answer:
        """A person answers for the unknown ones."""
        path = f"/api/v1/submissions/{self.submission}/deliveries/email/unknown"
        return self.world.call("POST", path, {"resend": resend}, as_=as_)


_TITLES = iter(range(1, 10_000))


def announced(world: World, **changes: Any) -> Announced:  # noqa: ANN401 — as in a_form
    """An approved text that is to be delivered; nothing else happens to it."""
    title = f"第 {next(_TITLES)} 号通知"
    form = form_from_document(a_form(world.now(), **{"channels": ["email"], "title": title} | changes))
    revision = Revision(submission=new_id("s"), number=1, form=form, salt=new_salt(), created_at=world.now())
    before = opened(
        submission=revision.submission, revision=revision, request_digest="", correlation_id="c-test"
    )
    after = replace(with_revision(before, revision, "", PROCEDURE), state=State.SCHEDULED, stage=None)
    draft = Draft(type="Prepared", cause=Cause(actor="service:test", correlation_id="c-test"))
    world.plain_journal.commit(before, after, [draft], [put_revision(revision)])
    return Announced(world=world, submission=revision.submission, title=title)
