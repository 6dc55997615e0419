"""What becomes of a text between an editor and its drafter: amended, then confirmed or declined (clause 2.1.3).

An amendment ends the round: nobody decides on a text that its drafter has not answered for (clause 3.1.3). What is
confirmed begins a round of its own at the first stage; what is declined gives way to the text before it, to the byte.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.access.model import Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.canonical import digest
from chalicelib.core.clock import from_text
from chalicelib.core.errors import (
    Conflict,
    FieldError,
    IllegalTransition,
    InvalidSubmission,
    NotPermitted,
)
from chalicelib.core.ids import new_salt
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Write
from chalicelib.core.validation import checked
from chalicelib.ledger.model import Cause, Draft, Event
from chalicelib.people.model import CENTER, Person
from chalicelib.people.store import PeopleStore, unchanged
from chalicelib.submission.differences import difference
from chalicelib.submission.form import ChannelRules, sound_fields, validate_amendment
from chalicelib.submission.model import (
    Form,
    Revision,
    State,
    Submission,
    in_review,
    with_amendment,
    with_revision,
)
from chalicelib.submission.procedure import Post
from chalicelib.submission.service.desk import Record, SubmissionDesk
from chalicelib.submission.service.journal import Journal, resource_of, round_of
from chalicelib.submission.service.procedures import Procedures
from chalicelib.submission.store import put_revision


@dataclass(frozen=True, kw_only=True)
class Amendment:
    """A text that waits for its confirmation, the one before it, and the event that says who amended it and why."""

    before: Revision
    after: Revision
    event: Event

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What differs, field by field."""
        return difference(self.before.form, self.after.form)


@dataclass(frozen=True, kw_only=True)
class Amendments:
    """Amending, confirming, declining."""

    journal: Journal
    people: PeopleStore
    access: AccessControl
    rules: ChannelRules
    desk: SubmissionDesk
    procedures: Procedures

    def amend(self, person: Person, submission: str, document: object, *, correlation_id: str) -> Submission:
        """Put an editor's text in the place of the one in initial review; the same again changes nothing.

        Raises InvalidSubmission with every wrong field at once, NotPermitted, IllegalTransition when no initial review
        is due, Conflict `text_changed` when another text was amended, and `no_other_editor` when nobody else could
        then make the initial review.
        """
        return again_when_stale(lambda: self._amended(person, submission, document, correlation_id))

    def faults(self, person: Person, submission: str, document: object) -> tuple[FieldError, ...]:
        """Every wrong field that `amend` would tell; nothing is written."""
        head = self.desk.seen(person, submission)
        try:
            self._text(self.journal.revision(head.id, head.revision), document)
        except InvalidSubmission as error:
            return error.errors
        return ()

    def confirm(
        self, person: Person, submission: str, document: object, *, correlation_id: str
    ) -> Submission:
        """Confirm an amended text and answer for it, or decline it; the same again changes nothing.

        Raises InvalidInput, NotPermitted, IllegalTransition when nothing waits for it, and Conflict `text_changed`
        when another text was seen.
        """
        said = checked("confirmation", document)
        return again_when_stale(lambda: self._confirmed(person, submission, said, correlation_id))

    def waiting(self, record: Record) -> Amendment | None:
        """What of a submission waits for its confirmation, if anything does."""
        if record.head.state is not State.AWAITING_CONFIRMATION:
            return None
        event = next(each for each in reversed(record.events) if each.type == "Amended")
        before = self.journal.revision(record.head.id, event.payload["amends"])
        return Amendment(before=before, after=record.revision, event=event)

    def ensure_another_editor(self, person: Person, head: Submission) -> None:
        """Raise Conflict `no_other_editor` unless enough others could make the initial review of what the person wrote.

        Else the text would be confirmed and then stand still for want of a reviewer. Where nobody else has the duty
        that the stage asks for, their superiors are asked, as in every stage.
        """
        stage = self.procedures.present.stages[0]
        departments = self.people.departments((head.department, CENTER))
        holders = {each for department in departments.values() for each in department.duty_holders}
        persons = self.people.persons(tuple(sorted(holders)))
        after = replace(head, co_drafters=(*head.co_drafters, person.id))
        asked = self._able(persons, after, stage.reviewers)
        if not asked and stage.superior is not None:
            asked = self._able(persons, after, stage.superior)
        if asked < max(1, stage.needed(asked)):
            raise Conflict("no_other_editor")

    def _able(self, persons: Iterable[Person], head: Submission, post: Post) -> int:
        """How many of them policy lets decide a stage that asks for that post."""
        resource, now = replace(resource_of(head), asked=post.duty(head.department)), self.journal.now()
        able = [self.access.allows(subject_of(each, now), Action.REVIEW, resource) for each in persons]
        return able.count(True)

    def _amended(self, person: Person, submission: str, document: object, correlation_id: str) -> Submission:
        head = self.desk.seen(person, submission)
        asked = _fingerprint(person, document)
        if head.request_digest == asked:
            return head
        subject = subject_of(person, self.journal.now())
        grant = self.access.grant(subject, Action.AMEND, resource_of(head))
        if not self.desk.is_amendable(head):
            raise IllegalTransition(state=head.state.value)
        if not self.desk.may_decide(person, head):
            raise NotPermitted
        before = self.journal.revision(head.id, head.revision)
        form = self._text(before, document)
        said = sound_fields(document, ())
        if said["content_digest"] != head.content_digest:
            raise Conflict("text_changed")
        self.ensure_another_editor(person, head)
        files = {file.id: file for file in before.attachments}
        revision = Revision(
            submission=head.id,
            number=head.revision + 1,
            form=form,
            salt=new_salt(),
            created_at=self.journal.now(),
            attachments=tuple(files[each] for each in form.attachments),
            amended_by=person.id,
        )
        payload = {
            "revision": revision.number,
            "amends": head.revision,
            "content_digest": revision.content_digest,
            "reason": said["reason"],
        }
        cause = Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id)
        return self.journal.commit(
            head,
            with_amendment(head, revision, asked),
            [Draft(type="Amended", cause=cause, payload=payload)],
            [put_revision(revision), unchanged(person)],
        )

    def _text(self, before: Revision, document: object) -> Form:
        """The text that an amendment makes. Raises InvalidSubmission with every wrong field at once."""
        form: Form | None = None
        errors: tuple[FieldError, ...] = ()
        try:
            form = validate_amendment(document, before=before.form, now=self.journal.now(), rules=self.rules)
        except InvalidSubmission as error:
            errors = error.errors
        sound = sound_fields(document, errors)
        errors += tuple(self.desk.unknown_addressees(sound))
        if not _same_slot(sound, before.form):
            errors += tuple(self.desk.slot_faults(sound, own=before.submission))
        if form is None or errors:
            raise InvalidSubmission(errors)
        return form

    def _confirmed(
        self, person: Person, submission: str, said: Mapping[str, Any], correlation_id: str
    ) -> Submission:
        found = self.journal.table.batch(self.desk.key(submission), self.procedures.key)
        head = self.desk.seen(person, submission, found)
        asked = _fingerprint(person, said)
        if head.request_digest == asked:
            return head
        subject = subject_of(person, self.journal.now())
        grant = self.access.grant(subject, Action.CONFIRM, resource_of(head))
        if head.state is not State.AWAITING_CONFIRMATION:
            raise IllegalTransition(state=head.state.value)
        if said["content_digest"] != head.content_digest:
            raise Conflict("text_changed")
        cause = Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id)
        step = self._declined if said["decision"] == "decline" else self._taken_over
        after, drafts, also = step(replace(head, request_digest=asked), said, cause)
        also += self.procedures.to_keep(found)
        return self.journal.commit(head, after, drafts, [*also, unchanged(person)])

    def _taken_over(
        self, head: Submission, said: Mapping[str, Any], cause: Cause
    ) -> tuple[Submission, list[Draft], list[Write]]:
        """The amended text goes into review, and whoever confirmed it answers for it (clause 3.1.3)."""
        wrote = {*head.co_drafters, cause.actor} - {head.drafter}
        after = in_review(replace(head, co_drafters=tuple(sorted(wrote))), self.procedures.present)
        payload = {
            **round_of(after),
            "amended_by": head.amended_by,
            "declaration": dict(said["declaration"]),
        }
        return after, [Draft(type="AmendmentConfirmed", cause=cause, payload=payload)], []

    def _declined(
        self, head: Submission, said: Mapping[str, Any], cause: Cause
    ) -> tuple[Submission, list[Draft], list[Write]]:
        """The text before goes into review again, as a revision with the same digest: its declaration covers it."""
        before = self.journal.revision(head.id, head.revision - 1)
        restored = replace(before, number=head.revision + 1, created_at=self.journal.now())
        after = with_revision(head, restored, head.request_digest, self.procedures.present)
        declined = {
            "revision": head.revision,
            "content_digest": head.content_digest,
            "amended_by": head.amended_by,
            "reason": said["reason"],
        }
        again = {**round_of(after), "restores": before.number}
        drafts = [
            Draft(type="AmendmentDeclined", cause=cause, payload=declined),
            Draft(type="Resubmitted", cause=cause, payload=again),
        ]
        return after, drafts, [put_revision(restored)]


def _fingerprint(person: Person, document: object) -> str:
    """What tells a repeat from another request; empty, as no digest is, for what cannot be digested."""
    try:
        return digest({"by": person.id, "said": document})
    except ValueError:
        return ""


def _same_slot(sound: Mapping[str, Any], form: Form) -> bool:
    """Whether time, channels and importance, as far as they are sound, are those of the form."""
    match sound:
        case {"publish_at": publish_at, "channels": channels, "importance": importance}:
            slot = (from_text(publish_at), tuple(channels), importance)
            return slot == (form.publish_at, form.channels, form.importance)
    return True
