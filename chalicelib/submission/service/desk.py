"""The liaison's desk: submit, revise, withdraw, look up (clauses 3.1.1 to 3.1.3, 3.2.3)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from chalicelib.access.model import Action, Grant, Resource, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.attachment.model import DOWNLOAD_LIFE, Attachment
from chalicelib.attachment.service import Selection, Shelf
from chalicelib.core.canonical import digest
from chalicelib.core.clock import from_text
from chalicelib.core.errors import (
    FieldError,
    IllegalTransition,
    InvalidInput,
    InvalidSubmission,
    KeyReused,
    NotFound,
    NotPermitted,
    Stale,
)
from chalicelib.core.ids import derived_id, is_id, new_id, new_salt
from chalicelib.core.listing import Page, newest, page
from chalicelib.core.retry import again_when_stale
from chalicelib.core.table import Found, Key, Write
from chalicelib.ledger.model import Cause, Draft, Event
from chalicelib.ledger.store import events_of
from chalicelib.people.audiences import Audiences, departments_in
from chalicelib.people.model import Department, Person, is_department_id
from chalicelib.people.store import PeopleStore, unchanged
from chalicelib.submission.form import ChannelRules, sound_fields, validate
from chalicelib.submission.hours import SOON
from chalicelib.submission.model import (
    LEGAL,
    REVISABLE,
    Channel,
    Classification,
    Form,
    Importance,
    Revision,
    State,
    Submission,
    may_be_amended,
    opened,
    with_revision,
)
from chalicelib.submission.service.journal import Journal, reading, resource_of, round_of
from chalicelib.submission.service.procedures import Procedures
from chalicelib.submission.service.slots import Slots
from chalicelib.submission.store import (
    SubmissionRecord,
    head_key,
    listing_key,
    put_revision,
    read_head,
    read_revision,
    revision_key,
)

Faults = Iterator[FieldError]

_SENT_OUT = frozenset({State.PUBLISHING, State.PUBLISHED, State.ARCHIVED})
"""The states in which its mails are on their way, or have come, and some may wait for a person."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A submission with its present text and everything that has happened to it."""

    head: Submission
    revision: Revision
    events: tuple[Event, ...]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """How a request came that a department's own system has sent.

    `submission` is the id that it gets, the same for every repeat; `also` are conditions of its being taken in.
    """

    department: str
    sender: str
    submission: str
    correlation_id: str
    also: tuple[Write, ...] = ()


class SubmissionDesk:
    """What a liaison does with publication requests."""

    def __init__(
        self,
        *,
        journal: Journal,
        people: PeopleStore,
        access: AccessControl,
        audiences: Audiences,
        rules: ChannelRules,
        shelf: Shelf,
        procedures: Procedures,
        slots: Slots,
    ) -> None:
        self._journal = journal
        self._people = people
        self._access = access
        self._audiences = audiences
        self._rules = rules
        self._shelf = shelf
        self._procedures = procedures
        self.slots = slots

    def submit(
        self,
        person: Person,
        document: object,
        found: Found,
        *,
        idempotency_key: str | None,
        correlation_id: str,
    ) -> Submission:
        """Take in a publication request; `found` was read from `procedure_key`.

        With an idempotency key the submission's id follows from person and key, so a repeat meets its first self:
        the same body gets the same answer, another body KeyReused. Raises InvalidSubmission with every wrong field
        at once, and NotPermitted unless the caller is the drafter and a liaison of the department now.
        """
        derived = None if idempotency_key is None else self.made_with(person, idempotency_key)
        submission = derived or new_id("s")
        try:
            form, files = self._validated(
                document, partial(_not_the_callers, person), person, derived=derived
            )
        except InvalidSubmission:
            earlier = self._replayed(submission, document) if derived else None
            if earlier is None:
                raise
            return earlier
        cause = _cause(person, self._may_submit(person, form), correlation_id)
        also = [unchanged(person), *self._procedures.to_keep(found)]
        return self._taken_in(submission, form, files, cause, also)

    def submit_sent(self, drafter: Person | None, document: object, sent: Sent, found: Found) -> Submission:
        """Take in what a department's own system sends in a drafter's name; None is a drafter who is unknown.

        A repeat meets its first self, whatever has become of drafter or time meanwhile. Raises what `submit` does with
        a key; the drafter must be a liaison of the department now.
        """
        try:
            form, files, person = self._sent_form(drafter, document, sent)
            grant = self._may_submit(person, form)
        except (InvalidSubmission, NotPermitted):
            earlier = self._replayed(sent.submission, document)
            if earlier is None:
                raise
            return earlier
        cause = Cause(
            actor=sent.sender,
            on_behalf_of=person.id,
            policy=grant.policy,
            correlation_id=sent.correlation_id,
        )
        also = [unchanged(person), *self._procedures.to_keep(found), *sent.also]
        return self._taken_in(sent.submission, form, files, cause, also)

    def _sent_form(
        self, drafter: Person | None, document: object, sent: Sent
    ) -> tuple[Form, Selection, Person]:
        ours = partial(_not_the_departments, sent.department, drafter)
        form, files = self._validated(document, ours, drafter, derived=sent.submission)
        if drafter is None:
            raise NotPermitted  # never reached: a form whose drafter is unknown is not valid
        return form, files, drafter

    def _may_submit(self, drafter: Person, form: Form) -> Grant:
        resource = Resource(
            department=form.department,
            drafter=form.drafter,
            classification=form.classification,
            audience=form.audience,
        )
        return self._access.grant(subject_of(drafter, self._journal.now()), Action.SUBMIT, resource)

    def _taken_in(
        self, submission: str, form: Form, files: Selection, cause: Cause, also: Sequence[Write]
    ) -> Submission:
        """The new submission, or the earlier one under this id if the same body made it.

        A repeat keeps no file: the earlier one is asked for first where there are any.
        """
        met = files.found.get(head_key(submission)) if files.found is not None else None
        if met is not None:
            return self._same(read_head(met), form.document)
        revision = self._revision(submission, 1, form, files.files)
        before = opened(
            submission=submission,
            revision=revision,
            request_digest=digest(form.document),
            correlation_id=cause.correlation_id,
        )
        after = with_revision(before, revision, before.request_digest, self._procedures.present)
        draft = _submitted("Submitted", after, form, cause)
        self._keep(submission, files)

        def step() -> Submission:
            try:
                return self._journal.commit(before, after, [draft], [put_revision(revision), *also])
            except Stale:
                earlier = self._replayed(submission, form.document)
                if earlier is None:
                    raise
                return earlier

        return again_when_stale(step)

    @staticmethod
    def made_with(person: Person, idempotency_key: str) -> str:
        """The id of the submission that a person's idempotency key makes, or has made."""
        return derived_id("s", person.id, idempotency_key)

    def faults(
        self, person: Person, document: object, *, earlier: Submission | None = None
    ) -> tuple[FieldError, ...]:
        """Every wrong field that `submit` would tell, or `revise` of that earlier submission; nothing is written."""
        department = None if earlier is None else earlier.department
        ours = partial(_not_the_callers, person, department=department)
        try:
            self._validated(document, ours, person, earlier=earlier)
        except InvalidSubmission as error:
            return error.errors
        return ()

    def departments_to_submit_for(self, person: Person) -> tuple[str, ...]:
        """The departments that policy lets the person hand in for now, by id."""
        now = self._journal.now()
        subject = subject_of(person, now)
        return tuple(
            department
            for department in sorted({duty.department for duty in person.duties_at(now)})
            if self._access.allows(
                subject,
                Action.SUBMIT,
                Resource(department=department, drafter=person.id, classification=Classification.INTERNAL),
            )
        )

    @staticmethod
    def may_be_withdrawn(head: Submission) -> bool:
        """Whether it is not too late to take it back, whoever wants to."""
        return State.WITHDRAWN in LEGAL[head.state]

    def steps(self, person: Person, head: Submission) -> frozenset[Action]:
        """What the person may do with a submission as it stands: all but to decide, which takes a link of one's own."""
        subject, resource = subject_of(person, self._journal.now()), resource_of(head)
        legal = {
            Action.REVISE: head.state in REVISABLE,
            Action.AMEND: self.is_amendable(head) and self.may_decide(person, head),
            Action.CONFIRM: head.state is State.AWAITING_CONFIRMATION,
            Action.WITHDRAW: self.may_be_withdrawn(head),
            Action.REASSIGN: head.state is State.IN_REVIEW,
            Action.RETRACT: State.RETRACTED in LEGAL[head.state],
            Action.SETTLE: head.state in {*_SENT_OUT, State.RETRACTED},
            Action.CONFIRM_DISPLAY: head.state in _SENT_OUT,
            Action.RESCHEDULE: head.state is State.SCHEDULED,
        }
        return frozenset(
            action for action, now in legal.items() if now and self._access.allows(subject, action, resource)
        )

    def is_amendable(self, head: Submission) -> bool:
        """Whether an editor may amend its text as it stands, whoever it is."""
        return head.stage is not None and may_be_amended(head, self._procedures.of(head))

    def may_decide(self, person: Person, head: Submission) -> bool:
        """Whether policy lets the person decide the stage that is due, as one of those whom it asks first."""
        if head.stage is None:
            return False
        post = self._procedures.of(head)[head.stage].reviewers
        resource = replace(resource_of(head), asked=post.duty(head.department))
        return self._access.allows(subject_of(person, self._journal.now()), Action.REVIEW, resource)

    def revise(self, person: Person, submission: str, document: object, *, correlation_id: str) -> Submission:
        """Hand in a new revision: a new round from the first stage. The same text again is the same revision.

        Raises IllegalTransition while reviewers look at another text, and what `submit` raises.
        """
        return again_when_stale(lambda: self._revised(person, submission, document, correlation_id))

    def _revised(self, person: Person, submission: str, document: object, correlation_id: str) -> Submission:
        found = self._journal.table.batch(self.key(submission), self.procedure_key)
        head = self.seen(person, submission, found)
        subject = subject_of(person, self._journal.now())
        grant = self._access.grant(subject, Action.REVISE, resource_of(head))
        under_review = head.state is State.IN_REVIEW and head.drafter == person.id
        if under_review and _is_digest_of(head.request_digest, document):
            return head
        ours = partial(_not_the_callers, person, department=head.department)
        form, files = self._validated(document, ours, person, earlier=head)
        if head.state not in REVISABLE:
            raise IllegalTransition(state=head.state.value)
        revision = self._revision(head.id, head.revision + 1, form, files.files)
        after = with_revision(head, revision, digest(form.document), self._procedures.present)
        draft = _submitted("Resubmitted", after, form, _cause(person, grant, correlation_id))
        self._keep(head.id, files)
        also = (put_revision(revision), *self._procedures.to_keep(found), unchanged(person))
        return self._journal.commit(head, after, [draft], also)

    def withdraw(self, person: Person, submission: str, reason: str, *, correlation_id: str) -> Submission:
        """Take a submission back, at any time before publishing begins. A repeat changes nothing."""
        return again_when_stale(lambda: self._withdrawn(person, submission, reason, correlation_id))

    def _withdrawn(self, person: Person, submission: str, reason: str, correlation_id: str) -> Submission:
        head = self.seen(person, submission)
        grant = self._access.grant(
            subject_of(person, self._journal.now()), Action.WITHDRAW, resource_of(head)
        )
        if head.state is State.WITHDRAWN:
            return head
        after = replace(head, state=State.WITHDRAWN, stage=None, reason=None)
        payload = {"revision": head.revision, "stage": head.stage, "reason": reason}
        draft = Draft(type="Withdrawn", cause=_cause(person, grant, correlation_id), payload=payload)
        return self._journal.commit(head, after, [draft], [unchanged(person)])

    @property
    def procedure_key(self) -> Key[Any]:
        """Where the present procedure is kept, for whoever reads it together with the session."""
        return self._procedures.key

    @staticmethod
    def key(submission: str) -> Key[SubmissionRecord]:
        """Where a submission is, for whoever reads it together with the session. Raises NotFound for what is no id."""
        if not is_id("s", submission):
            raise NotFound
        return head_key(submission)

    def read(self, person: Person, submission: str, found: Found | None = None) -> Record:
        """A submission with its text and its whole chain, its head perhaps read already from `key`.

        Raises NotFound where policy forbids even to know of it.
        """
        head = self.seen(person, submission, found)
        return Record(
            head=head,
            revision=self._journal.revision(head.id, head.revision),
            events=tuple(events_of(self._journal.table, head.id)),
        )

    def download(
        self, person: Person, submission: str, attachment: str, found: Found | None = None
    ) -> tuple[Attachment, str]:
        """A file of a submission, and an address that gives it for a minute.

        Whoever may read the submission gets a file of any revision; the audience of what was sent by mail, which names
        its files and carries none, one of the text that was sent. The head has perhaps been read already from `key`.
        Raises NotFound for everybody else, and where there is no such file.
        """
        head = self._known(submission, found)
        if self.may_read(person, head):
            file = self._kept_files(head, since=1).get(attachment)
        elif self._was_sent_to(person, head):
            file = self._kept_files(head, since=head.revision).get(attachment)
        else:
            raise NotFound
        if file is None:
            raise NotFound
        return file, self._shelf.files.download_url(head.id, file, DOWNLOAD_LIFE)

    def listing(
        self,
        person: Person,
        *,
        state: str | None,
        department: str | None,
        cursor: str | None,
        among: Sequence[Department] | None = None,
    ) -> Page[Submission]:
        """A page of what the person may read, newest first, from one department or from all.

        `among` is what `departments_open_to` answered, where that has been asked already.
        """
        errors = []
        if state is not None and state not in set(State):
            allowed = [known.value for known in State]
            errors.append(FieldError(pointer="/state", code="not_one_of", params={"allowed": allowed}))
        if department is not None and not is_department_id(department):
            errors.append(FieldError(pointer="/department", code="bad_id"))
        if errors:
            raise InvalidInput(tuple(errors))
        if department is not None:
            keys = [listing_key(department)]
        else:
            among = self.departments_open_to(person) if among is None else among
            keys = [listing_key(each.id) for each in among]
        rows = newest(self._journal.table, SubmissionRecord, keys, cursor=cursor, state=state)
        heads = ((position, None if record is None else read_head(record)) for position, record in rows)
        return page(heads, lambda head: self.may_read(person, head))

    def departments_open_to(self, person: Person) -> tuple[Department, ...]:
        """The departments of which policy might let the person read something of somebody else's, by id."""
        subject = subject_of(person, self._journal.now())
        return tuple(
            department
            for department in self._people.all_departments()
            if self._access.allows(
                subject,
                Action.READ,
                Resource(
                    department=department.id, drafter="somebody", classification=Classification.INTERNAL
                ),
            )
        )

    def _validated(
        self,
        document: object,
        senders_faults: Callable[[Mapping[str, Any]], Faults],
        uploader: Person | None,
        *,
        earlier: Submission | None = None,
        derived: str | None = None,
    ) -> tuple[Form, Selection]:
        """The form and its files, or every wrong field at once, those included that records or the sender tell.

        `earlier` is the submission that a revision is handed in for: it may use the files of its revisions again.
        `derived` is the id that a new one always gets: it is looked up together with its files.
        """
        form: Form | None = None
        errors: tuple[FieldError, ...] = ()
        try:
            form = validate(document, now=self._journal.now(), rules=self._rules)
        except InvalidSubmission as error:
            errors = error.errors
        sound = sound_fields(document, errors)
        also = () if derived is None else (head_key(derived),)
        files = Selection() if uploader is None else self._files(sound, uploader, earlier, also)
        errors += (*self.unknown_addressees(sound), *senders_faults(sound), *files.errors)
        errors += tuple(self.slot_faults(sound, own=None if earlier is None else earlier.id))
        if form is None or errors:
            raise InvalidSubmission(errors)
        return form, files

    def slot_faults(self, sound: Mapping[str, Any], *, own: str | None) -> Faults:
        """What is wrong with the time that sound fields choose for their channels; with one that is near, nothing."""
        match sound:
            case {"publish_at": publish_at, "channels": channels, "importance": importance}:
                at = from_text(publish_at)
                if at > self._journal.now() + SOON:
                    chosen = tuple(map(Channel, channels))
                    yield from self.slots.faults(at, chosen, Importance(importance), own=own)

    def _files(
        self,
        sound: Mapping[str, Any],
        person: Person,
        earlier: Submission | None,
        also: Sequence[Key[Any]],
    ) -> Selection:
        """The files that a form names, looked at when its department is sound, too."""
        ids = sound.get("attachments")
        if not ids or "department" not in sound:
            return Selection()
        known = {} if earlier is None else self._kept_files(earlier, since=1)
        return self._shelf.select(ids, person, sound["department"], known, *also)

    def _keep(self, submission: str, files: Selection) -> None:
        """See to it that the files outlast their uploads, before a revision names them.

        What comes to nothing after this leaves copies that no revision names: `Tidying` removes them.
        """
        gone = self._shelf.keep(submission, files)
        if gone:
            raise InvalidSubmission(gone)

    def _kept_files(self, head: Submission, *, since: int) -> dict[str, Attachment]:
        """The files of every revision from that number on, by id."""
        keys = [revision_key(head.id, number) for number in range(since, head.revision + 1)]
        found = self._journal.table.batch(*keys)
        revisions = [read_revision(record) for record in map(found.get, keys) if record is not None]
        return {file.id: file for revision in revisions for file in revision.attachments}

    def unknown_addressees(self, sound: Mapping[str, Any]) -> Faults:
        """What is wrong with the departments, roles and lists that an audience names."""
        audience = sound.get("audience")
        named = tuple(audience) if isinstance(audience, list) else ()
        known = self._people.departments(departments_in(named))
        return self._audiences.faults("/audience", named, known)

    def _revision(self, submission: str, number: int, form: Form, files: tuple[Attachment, ...]) -> Revision:
        return Revision(
            submission=submission,
            number=number,
            form=form,
            salt=new_salt(),
            created_at=self._journal.now(),
            attachments=files,
        )

    def seen(self, person: Person, submission: str, found: Found | None = None) -> Submission:
        """A submission as it stands, its head perhaps read already from `key`.

        Raises NotFound where policy forbids even to know of it.
        """
        head = self._known(submission, found)
        if not self.may_read(person, head):
            raise NotFound
        return head

    def _known(self, submission: str, found: Found | None) -> Submission:
        """A submission as it stands, whoever asks: the caller must ask policy. Raises NotFound."""
        key = self.key(submission)
        record = self._journal.table.get(key) if found is None else found.get(key)
        if record is None:
            raise NotFound
        return read_head(record)

    def may_read(self, person: Person, head: Submission) -> bool:
        """Whether the person may read it; what is archived is not read past the archive's own rule."""
        subject, resource = subject_of(person, self._journal.now()), resource_of(head)
        archived = Action.ARCHIVE_READ in reading(head) and head.drafter != person.id
        return self._access.allows(subject, Action.READ, resource) and (
            not archived or self._access.allows(subject, Action.ARCHIVE_READ, resource)
        )

    def _was_sent_to(self, person: Person, head: Submission) -> bool:
        """Whether it has gone out by mail, and policy lets the person read it as one of its audience.

        What is published is read by the archive's rule, from when publishing begins.
        """
        return (
            head.state in _SENT_OUT
            and Channel.EMAIL in head.channels
            and self._access.allows(
                subject_of(person, self._journal.now()), Action.ARCHIVE_READ, resource_of(head)
            )
        )

    def _replayed(self, submission: str, document: object) -> Submission | None:
        """The earlier submission under this id, if the same body made it. Raises KeyReused if another did."""
        earlier = self._journal.find(submission)
        return None if earlier is None else self._same(earlier, document)

    def _same(self, earlier: Submission, document: object) -> Submission:
        """The earlier submission as it was first answered. Raises KeyReused if another body made it."""
        if not _is_digest_of(self._first_digest(earlier), document):
            raise KeyReused
        return replace(earlier, revision=1, state=State.IN_REVIEW)

    def _first_digest(self, earlier: Submission) -> str:
        if earlier.revision == 1:
            return earlier.request_digest
        return digest(self._journal.revision(earlier.id, 1).form.document)


def _not_the_callers(person: Person, sound: Mapping[str, Any], *, department: str | None = None) -> Faults:
    """What the caller may not say of the form; `department` is the one that a revision must stay with."""
    if sound.get("drafter", person.id) != person.id:
        yield FieldError(pointer="/drafter", code="drafter_is_not_you")
    if department is not None and sound.get("department", department) != department:
        yield FieldError(pointer="/department", code="department_is_fixed")


def _not_the_departments(department: str, drafter: Person | None, sound: Mapping[str, Any]) -> Faults:
    """What a department's system may not say: it speaks for its own department, and for persons whom we know."""
    if "drafter" in sound and drafter is None:
        yield FieldError(pointer="/drafter", code="unknown_person", params={"id": sound["drafter"]})
    if sound.get("department", department) != department:
        yield FieldError(
            pointer="/department", code="department_is_not_the_queues", params={"id": department}
        )


def _is_digest_of(wanted: str, document: object) -> bool:
    try:
        return isinstance(document, dict) and digest(document) == wanted
    except ValueError:
        return False


def _cause(person: Person, grant: Grant, correlation_id: str) -> Cause:
    return Cause(actor=person.id, policy=grant.policy, correlation_id=correlation_id)


def _submitted(event_type: str, head: Submission, form: Form, cause: Cause) -> Draft:
    """The event that starts a round; the declaration is recorded with person and time (clause 3.1.3)."""
    return Draft(
        type=event_type,
        cause=cause,
        payload={
            **round_of(head),
            "declaration": {"accepted": True, "version": form.declaration_version},
        },
    )
