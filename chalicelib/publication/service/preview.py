"""Who would get an announcement if it went out now: shown before anybody approves it (clause 4.4.3)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.access.model import Action, Resource, subject_of
from chalicelib.access.service import AccessControl
from chalicelib.core.addresses import is_email
from chalicelib.core.clock import Now
from chalicelib.core.errors import InvalidInput, NotPermitted
from chalicelib.core.table import Found
from chalicelib.people.audiences import Audiences, departments_in
from chalicelib.people.model import Person
from chalicelib.publication.channels.email.adapter import EmailChannel
from chalicelib.publication.channels.email.mailing import listed
from chalicelib.publication.store import mailed_key, read_tally, subscription_key, suppression_key, unwanted
from chalicelib.submission.model import Importance, Submission
from chalicelib.submission.service import resource_of

FEW = 5
"""Of fewer than so many, who sees no names is not told why they get none: it would tell what somebody has chosen."""
UNSAID = "unsaid"
NAMES = 5
"""Of so many people the name is shown, to whom policy shows names."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """How many would get it, and how many of those addressed would not, by reason.

    `by_department` counts each of those who get it once, most first. `names` are some of them, None for a reader whom
    policy does not show names. It is not `complete` when more are addressed than are looked at.
    """

    reached: int
    by_department: Mapping[str, int]
    held_back: Mapping[str, int]
    names: tuple[str, ...] | None
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Previews:
    """Looks at an audience as the channel would, and writes nothing.

    At most 42 calls, however many are addressed: one or two for the departments, one for each hundred of the `MOST`
    persons that are looked at, three for each hundred of those who are meant. 120 people take seven.
    """

    channel: EmailChannel
    access: AccessControl
    audiences: Audiences
    now: Now

    def of(self, reader: Person, resource: Resource, importance: Importance) -> Preview:
        """What a mail of that importance about the resource would come to."""
        now = self.now()
        meant, complete = self.channel.reach.some(resource, now)
        by_id = {person.id: person for person in meant}
        persons = [by_id[recipient.person] for recipient in listed(meant, "")]
        found = self.channel.table.batch(
            *(subscription_key(person.id) for person in persons),
            *(suppression_key(person.email) for person in persons),
            *(mailed_key(person.id) for person in persons),
        )
        reasons = {person.id: self._held_back(person, found, importance, now) for person in persons}
        reached = [person for person in persons if reasons[person.id] is None]
        named = set(departments_in(self.audiences.spelled_out(resource.audience)))
        departments = Counter(_department(person, named, now) for person in reached)
        may_see = self.access.allows(subject_of(reader, now), Action.SEE_RECIPIENTS, resource)
        held_back = Counter(filter(None, reasons.values()))
        if not may_see and held_back.total() < FEW:
            held_back = Counter({UNSAID: held_back.total()}) + Counter()
        return Preview(
            reached=len(reached),
            by_department=dict(sorted(departments.items(), key=lambda each: (-each[1], each[0]))),
            held_back=dict(sorted(held_back.items())),
            names=tuple(person.name for person in reached[:NAMES]) if may_see else None,
            complete=complete,
        )

    def asked(self, person: Person, said: Mapping[str, Any]) -> Preview:
        """What a mail of the department would come to, by four fields of a form, one more read for these.

        Raises NotPermitted unless the person may hand in for the department, or see recipients, and InvalidInput for
        whom nobody can address.
        """
        audience = None if said["audience"] == "all" else tuple(said["audience"])
        resource = Resource(
            department=said["department"],
            drafter=person.id,
            classification=said["classification"],
            audience=audience,
        )
        subject = subject_of(person, self.now())
        if not any(
            self.access.allows(subject, each, resource) for each in (Action.SUBMIT, Action.SEE_RECIPIENTS)
        ):
            raise NotPermitted
        known = self.channel.people.departments(departments_in(audience))
        faults = tuple(self.audiences.faults("/audience", audience or (), known))
        if faults:
            raise InvalidInput(faults)
        return self.of(person, resource, Importance(said["importance"]))

    def of_submission(self, reader: Person, head: Submission) -> Preview:
        """What the mail of a submission would come to."""
        return self.of(reader, resource_of(head), head.importance)

    def _held_back(self, person: Person, found: Found, importance: Importance, now: datetime) -> str | None:
        """Why a person would get none now, in a word; what an address has bounced for is nobody's business here."""
        if not is_email(person.email):
            return "unreachable"
        why = unwanted(found, person.id, person.email)
        if why is not None:
            return why if why == "unsubscribed" else "suppressed"
        tally, day = read_tally(found.get(mailed_key(person.id))), self.channel.day_of(now)
        rules = self.channel.rules
        return "capped" if rules.counts(importance) and rules.is_enough(tally, day) else None


def _department(person: Person, named: set[str], now: datetime) -> str:
    """Where somebody is counted: in the first department that is addressed, or else the first of all."""
    own = [duty.department for duty in person.duties_at(now)]
    return next((department for department in own if department in named), own[0])
