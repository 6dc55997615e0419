"""Telling people what has happened, in their language, with no secret in it (clause 3.2.3).

A notice is claimed before its mail and confirmed after. One whose outcome nobody knows is sent again: being told twice
harms nobody, not being told does. One that was confirmed never is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.access.model import Action, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core import messages, metrics
from chalicelib.core.clock import from_text
from chalicelib.core.errors import Stale
from chalicelib.core.events import report
from chalicelib.core.ids import derived_id
from chalicelib.core.letters import Block, Button, Points, Quotation, letter
from chalicelib.core.mail import Mail, Mailer, Stamp
from chalicelib.ledger.model import Event
from chalicelib.ledger.store import event_key, read_event
from chalicelib.notices.model import Kind, Notice, NoticeState, kind_of
from chalicelib.notices.store import put_claim, put_end
from chalicelib.people.model import CENTER, Person, Role
from chalicelib.people.store import PeopleStore
from chalicelib.publication.model import DeliveryState
from chalicelib.publication.store import deliveries_of
from chalicelib.review.store import read_task, task_key
from chalicelib.submission.model import Classification, Form, Submission
from chalicelib.submission.procedure import Procedure
from chalicelib.submission.service import Journal, Procedures, resource_of
from chalicelib.submission.store import head_key, read_head, read_revision, revision_key

_CONFIRM = frozenset({Kind.AMENDED, Kind.UNCONFIRMED})
"""What asks for a confirmation."""
_FOR_EDITORS = frozenset({Kind.NEEDS_PERSON, Kind.DELIVERY_FAILED, Kind.DELIVERY_PARKED, Kind.RETRACTED})
_WITH_REASON = frozenset(
    {Kind.WITHDRAWN, Kind.AMENDED, Kind.AMENDMENT_DECLINED, Kind.RETRACTED, Kind.RESCHEDULED}
)
_WITH_ACTOR = frozenset(
    {Kind.LINK_TRIED, Kind.AMENDED, Kind.AMENDMENT_DECLINED, Kind.RETRACTED, Kind.RESCHEDULED}
)


@dataclass(frozen=True, kw_only=True)
class Notices:
    """Tells people. `base_url` is where they look at their requests."""

    journal: Journal
    people: PeopleStore
    access: AccessControl
    procedures: Procedures
    mailer: Mailer
    base_url: str

    def tell(self, message: str, submission: str, seq: int) -> int | None:
        """Mail whoever is to be told of an event; answers the revision of which mails are to be sent again, if any.

        One mailbox that refuses holds back no other; the last failure is raised once all had their turn.
        """
        found = self.journal.table.batch(event_key(submission, seq), head_key(submission))
        event_record, head_record = found.get(event_key(submission, seq)), found.get(head_key(submission))
        if event_record is None or head_record is None:
            return None
        event, head = read_event(event_record), read_head(head_record)
        if event.type == "RecipientsChanged":
            resend = any(change["after"] == "pending" for change in event.payload["changes"])
            return int(event.payload["revision"]) if resend else None
        kind = kind_of(event)
        if kind is None:
            return None
        failure: Exception | None = None
        for notice, mail in self._letters(kind, event, head, message):
            try:
                self._send(kind, notice, mail)
            except Exception as error:  # noqa: BLE001 — whatever the carrier or the table raises
                report(error, "notice")
                failure = error
        if failure is not None:
            raise failure
        return None

    def _send(self, kind: Kind, notice: Notice, mail: Mail) -> None:
        try:
            self.journal.table.put(put_claim(notice))
        except Stale:
            return  # told, or another message is at it and comes again itself if it fails
        self.mailer.send(mail)
        self.journal.table.put(put_end(replace(notice, state=NoticeState.SENT)))
        metrics.count(metrics.NOTICES, kind)

    def _letters(
        self, kind: Kind, event: Event, head: Submission, message: str
    ) -> Iterator[tuple[Notice, Mail]]:
        """A letter for everybody who is to be told and may still read of it."""
        record = self.journal.table.get(revision_key(head.id, event.payload["revision"]))
        if record is None:
            return
        form = read_revision(record).form
        deliveries = (
            deliveries_of(self.journal.table, head.id, head.revision) if kind is Kind.PUBLISHED else ()
        )
        now, procedure = self.journal.now(), self.procedures.of(head)
        for person in self._told(kind, event, form, head):
            if self.access.allows(subject_of(person, now), Action.READ, resource_of(head)):
                notice = Notice(event=event.id, person=person.id, holder=message, claimed_at=now)
                channels = [(d.channel.value, _addresses(d.receipt)) for d in deliveries if _is_done(d.state)]
                yield notice, self._letter(kind, event, form, procedure, person, channels)

    def _told(self, kind: Kind, event: Event, form: Form, head: Submission) -> tuple[Person, ...]:
        """The drafter, or whom the event itself names; the editors, too, when a person is needed."""
        if kind is Kind.WITHDRAWN:
            return self.people.persons(self._reviewers(event, head))
        if kind is Kind.ESCALATED:
            return self.people.persons(tuple(event.payload["told"]))
        if kind is Kind.LINK_TRIED:
            return self.people.persons((event.payload["reviewer"],))
        if kind is Kind.AMENDMENT_DECLINED:
            return self.people.persons((event.payload["amended_by"],))
        if kind in _CONFIRM:
            return self._confirming(kind, form, head)
        own_doing = kind is Kind.RESCHEDULED and event.actor == form.drafter
        told: dict[str, None] = {} if own_doing else {form.drafter: None}
        if kind in _FOR_EDITORS:
            center = self.people.departments((CENTER,)).get(CENTER)
            now = self.journal.now()
            editors = self.people.persons(center.duty_holders if center else ())
            told |= dict.fromkeys(p.id for p in editors if p.holds(Role.CENTER_EDITOR, CENTER, now))
        return self.people.persons(tuple(told))

    def _confirming(self, kind: Kind, form: Form, head: Submission) -> tuple[Person, ...]:
        """The drafter; everybody of the department who may confirm, where the drafter may not, or nobody has yet."""
        department = self.people.departments((form.department,)).get(form.department)
        holders = {form.drafter, *(department.duty_holders if department else ())}
        now, resource = self.journal.now(), resource_of(head)
        able = tuple(
            person
            for person in self.people.persons(tuple(sorted(holders)))
            if self.access.allows(subject_of(person, now), Action.CONFIRM, resource)
        )
        drafter = tuple(person for person in able if person.id == form.drafter)
        return drafter if drafter and kind is Kind.AMENDED else able

    def _reviewers(self, event: Event, head: Submission) -> tuple[str, ...]:
        """Who was asked to review what was withdrawn, and has not answered."""
        stage = event.payload["stage"]
        if stage is None:
            return ()
        record = self.journal.table.get(task_key(head.id, event.payload["revision"], stage))
        return () if record is None else read_task(record).waits_for

    def _awaited(self, said: Mapping[str, Any]) -> tuple[Person, ...]:
        """Whom a stage waits for: those whom it asks, unless some have spoken."""
        return self.people.persons(tuple(said.get("waits_for", said["reviewers"])))

    def _letter(
        self,
        kind: Kind,
        event: Event,
        form: Form,
        procedure: Procedure,
        person: Person,
        channels: list[tuple[str, list[str]]],
    ) -> Mail:
        language, said = person.language, event.payload
        page = f"{self.base_url}/submissions/{event.submission}"
        awaited = self._awaited(said) if kind is Kind.ESCALATED else ()
        did = self.people.persons((event.actor,)) if kind in _WITH_ACTOR else ()
        hidden = form.classification is Classification.CONFIDENTIAL
        params: dict[str, object] = {
            "name": person.name,
            "title": messages.text("mail.confidential", language, {}) if hidden else form.title,
            "stage": procedure.name(str(said.get("stage")), language),
            "reason": said.get("reason"),
            "fault": said.get("reason"),
            "channel": said.get("channel"),
            "catalog_number": said.get("catalog_number"),
            "reviewers": [each.name for each in awaited],
            "who": [each.name for each in did] or [event.actor],
            **(_times(said) if kind is Kind.RESCHEDULED else {}),
        }
        blocks: dict[str, Block] = {
            "link": Button(label="confirm", address=f"{page}/confirm")
            if kind in _CONFIRM
            else Button(label="request", address=page)
        }
        if kind in {Kind.RETURNED, Kind.REJECTED}:
            blocks |= _opinion(said, procedure, language, hidden=hidden)
        elif kind in _WITH_REASON and str(said["reason"]).strip() and not hidden:
            blocks["comment"] = Quotation(text=str(said["reason"]))
        elif kind is Kind.PUBLISHED:
            lines = [
                " ".join([messages.text(f"word.channel.{name}", language, {}), *addresses])
                for name, addresses in channels
            ]
            blocks |= {"channels": Points(items=lines)} if lines else {}
        stamp = Stamp(id=derived_id("m", event.id, person.id), at=event.at)
        return letter(person.email, kind.value, language, params, blocks, stamp=stamp)


def _times(said: Mapping[str, Any]) -> dict[str, str]:
    """From when to when it was moved, by the clocks of the place that was chosen."""
    zone = said["time_zone"]
    before, after = (from_text(said[name]).astimezone(ZoneInfo(zone)) for name in ("from", "to"))
    return {"before": f"{before:%Y-%m-%d %H:%M}", "after": f"{after:%Y-%m-%d %H:%M}", "zone": zone}


def _opinion(
    said: Mapping[str, Any], procedure: Procedure, language: str, *, hidden: bool
) -> dict[str, Block]:
    """What a reviewer found; of a confidential text only which items failed: a comment may quote it."""
    texts = {item.id: item.text[language] for item in procedure.checklist(said["stage"])}
    failed = [texts.get(item, item) for item, passed in said["checklist"].items() if not passed]
    blocks: dict[str, Block] = {"items": Points(items=failed)} if failed else {}
    if said["comment"].strip() and not hidden:
        blocks["comment"] = Quotation(text=said["comment"])
    return blocks


def _is_done(state: DeliveryState) -> bool:
    return state is DeliveryState.DONE


def _addresses(receipt: Mapping[str, Any] | None) -> list[str]:
    """Where a channel shows it, as its receipt tells."""
    return [str(address) for address in (receipt or {}).get("urls", ())]
