"""Who may do what, as data: subjects, resources and the named rules that policy lines combine (clause 5.3.1).

`policies/policy.csv` says which holder may take which action under which rule; a rule is a function of this
module. Casbin and the rules are handed plain data only, so that a policy has no method of ours to call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from chalicelib.ledger.model import PolicyReference
from chalicelib.people.audiences import PERSON, ROLE
from chalicelib.people.model import CENTER, Person, Role

CONFIDENTIAL = "confidential"
CLASSIFICATIONS = frozenset({"public", "internal", CONFIDENTIAL})
"""The classifications that policy knows, by value; whatever else a resource claims to be is a denial."""

ANYONE = "anyone"
"""The holder that every subject is, services included: for lines that deny."""

ON_DUTY = "on_duty"
"""The holder that a person is who holds any duty now, in the departments of all of them."""

DEPARTMENT_DUTY = "department_duty"
"""The holder that a person is who hands in for departments, heads or supervises them, in those departments."""

_OF_DEPARTMENTS = frozenset({Role.LIAISON, Role.DEPARTMENT_HEAD, Role.SUPERVISING_EXECUTIVE})

HOLDERS = frozenset(
    {
        ANYONE,
        ON_DUTY,
        DEPARTMENT_DUTY,
        *(f"role:{role}" for role in Role),
        *(f"service:{name}" for name in ("review", "publication", "archive", "operations")),
    }
)
"""Whom a policy line may name."""


class Action(StrEnum):
    """Every step that asks for permission; the policy names them by value."""

    ATTACH = "attachment.upload"
    SUBMIT = "submission.submit"
    REVISE = "submission.revise"
    WITHDRAW = "submission.withdraw"
    AMEND = "submission.amend"
    CONFIRM = "submission.confirm"
    READ = "submission.read"
    REVIEW = "review.decide"
    STAND_IN = "review.stand_in"
    REASSIGN = "review.reassign"
    SCHEDULE = "publication.schedule"
    RESCHEDULE = "publication.reschedule"
    PUBLISH = "publication.publish"
    SETTLE = "publication.settle"
    RETRACT = "publication.retract"
    CONFIRM_DISPLAY = "publication.confirm_display"
    SEE_RECIPIENTS = "publication.see_recipients"
    FREEZE = "publication.freeze"
    UNFREEZE = "publication.unfreeze"
    ARCHIVE = "archive.write"
    ARCHIVE_READ = "archive.read"
    ARCHIVE_DOWNLOAD = "archive.download"
    REFUSED_READ = "refused_request.read"


class SubjectData(TypedDict):
    """A subject as the policy sees it; `holds` maps each holder it is to the departments it is that in."""

    id: str
    holds: dict[str, tuple[str, ...]]


class ResourceData(TypedDict):
    """A resource as the policy sees it; persons are subject ids, `asked` is a holder and its department."""

    department: str
    drafter: str
    authors: tuple[str, ...]
    amended_by: str | None
    classification: str
    audience: tuple[str, ...] | None
    asked: tuple[str, str] | None
    stand_ins: tuple[str, ...]
    handed_over: tuple[str, ...]
    approved: tuple[str, ...]
    required: tuple[str, ...]


def _user(person: str) -> str:
    return f"user:{person}"


def _holder(role: Role) -> str:
    return f"role:{role}"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who asks: `user:<person id>` or `service:<name>`, and (role, department) of each duty that counts now.

    The prefix keeps an id from ever equalling a holder's name in the policy (`role:…`, `service:…`).
    """

    id: str
    roles: tuple[tuple[Role, str], ...] = ()

    def data(self) -> SubjectData:
        """Every holder that this subject is, as plain data. Raises ValueError for an unknown role."""
        holds: dict[str, tuple[str, ...]] = {ANYONE: ()}
        if self.id.startswith("service:"):
            holds[self.id] = ()
        for role, department in self.roles:
            of_departments = (DEPARTMENT_DUTY,) if role in _OF_DEPARTMENTS else ()
            for holder in (_holder(Role(role)), ON_DUTY, *of_departments):
                holds[holder] = (*holds.get(holder, ()), department)
        return {"id": self.id, "holds": holds}


def subject_of(person: Person, now: datetime) -> Subject:
    """The person with the duties that count at `now` (UTC); past and future ones are left out."""
    duties = person.duties_at(now)
    return Subject(id=_user(person.id), roles=tuple((duty.role, duty.department) for duty in duties))


def service_subject(name: str) -> Subject:
    """One of our own services, such as `publication`: what acts when no person does."""
    return Subject(id=f"service:{name}")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """The submission or archive entry that is asked for.

    `drafter` is a person id, and so is each of `co_drafters`: whoever else drafted, sent in or amended a revision.
    `amended_by` is the editor who amended the present one, if any did. `classification` is a `Classification`;
    `audience` holds entries as a form has them, None for everybody. `asked` is the role, and the department that it is
    held in, whose holders the stage under review asks; `delegations` are who of them handed it over, and to whom.
    `required_stages` are the stages that the text must pass, by id, `approved_stages` those that approved the present
    content digest.
    """

    department: str
    drafter: str
    classification: str
    audience: tuple[str, ...] | None = None
    asked: tuple[Role, str] | None = None
    delegations: tuple[tuple[str, str], ...] = ()
    required_stages: tuple[str, ...] = ()
    approved_stages: tuple[str, ...] = ()
    co_drafters: tuple[str, ...] = ()
    amended_by: str | None = None

    def data(self) -> ResourceData:
        """The resource as plain data. Raises ValueError when classification, role or department is none."""
        if self.classification not in CLASSIFICATIONS:
            raise ValueError("unknown classification")
        if not self.department:
            raise ValueError("no department")
        return {
            "department": self.department,
            "drafter": _user(self.drafter),
            "authors": tuple(_user(person) for person in (self.drafter, *self.co_drafters)),
            "amended_by": None if self.amended_by is None else _user(self.amended_by),
            "classification": str(self.classification),
            "audience": self.audience,
            "asked": None if self.asked is None else (_holder(Role(self.asked[0])), self.asked[1]),
            "stand_ins": tuple(_user(to) for _, to in self.delegations),
            "handed_over": tuple(_user(by) for by, _ in self.delegations),
            "approved": tuple(self.approved_stages),
            "required": tuple(self.required_stages),
        }


DESK = Resource(department=CENTER, drafter="-", classification="internal")
"""The desk as a whole, for what concerns no single submission."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a rule judges: a subject, the departments in which it is the line's holder, and the resource.

    `holds` has every holder that the subject is.
    """

    subject: str
    holds: Mapping[str, tuple[str, ...]]
    departments: tuple[str, ...]
    resource: ResourceData


def always(_claim: Claim) -> bool:
    """Whatever the resource."""
    return True


def own_department(claim: Claim) -> bool:
    """The duty is on the resource's department."""
    return claim.resource["department"] in claim.departments


def of_the_center(claim: Claim) -> bool:
    """The duty is one in the information publishing center."""
    return CENTER in claim.departments


def of_the_center_unless_confidential(claim: Claim) -> bool:
    """The duty is one in the center, and the resource is not confidential."""
    return of_the_center(claim) and claim.resource["classification"] != CONFIDENTIAL


def the_drafter(claim: Claim) -> bool:
    """The subject drafted the present text."""
    return claim.subject == claim.resource["drafter"]


def not_the_drafter(claim: Claim) -> bool:
    """Somebody else drafted the present text."""
    return not the_drafter(claim)


def drafter_of_own_department(claim: Claim) -> bool:
    """The subject drafted the present text, and the duty is still on its department."""
    return the_drafter(claim) and own_department(claim)


def wrote_it(claim: Claim) -> bool:
    """The subject drafted, sent in or amended the text or an earlier revision of it."""
    return claim.subject in claim.resource["authors"]


def amended_it(claim: Claim) -> bool:
    """The subject amended the present text."""
    return claim.subject == claim.resource["amended_by"]


def confidential_of_another(claim: Claim) -> bool:
    """The resource is confidential, and somebody else drafted it."""
    return claim.resource["classification"] == CONFIDENTIAL and not_the_drafter(claim)


def open_to_everybody(claim: Claim) -> bool:
    """The resource is meant for everybody, and not confidential: that needs an audience by name."""
    return claim.resource["audience"] is None and claim.resource["classification"] != CONFIDENTIAL


def in_audience(claim: Claim) -> bool:
    """The audience names a department of the subject's duties, a role that the subject holds, or the person."""
    return any(_is_named(claim, entry) for entry in claim.resource["audience"] or ())


def _is_named(claim: Claim, entry: str) -> bool:
    """Whether an entry, lists spelled out, means the subject; of another kind it means nobody."""
    if entry.startswith(ROLE):
        return entry in claim.holds
    if entry.startswith(PERSON):
        return claim.subject == _user(entry.removeprefix(PERSON))
    return entry in claim.departments


def holds_the_post(claim: Claim) -> bool:
    """The subject holds the duty that the stage under review asks for, where it asks for it (clauses 3.2.1, 3.3.1)."""
    if claim.resource["asked"] is None:
        return False
    holder, department = claim.resource["asked"]
    return department in claim.holds.get(holder, ())


def stands_in(claim: Claim) -> bool:
    """Somebody whom the stage asks handed it over to the subject (clause 3.3.4)."""
    return claim.subject in claim.resource["stand_ins"]


def handed_it_over(claim: Claim) -> bool:
    """The subject handed the stage over to somebody else."""
    return claim.subject in claim.resource["handed_over"]


def all_stages_approved(claim: Claim) -> bool:
    """Every review that the text must pass has approved it as it is (clauses 3.2.1, 3.3.1)."""
    required = set(claim.resource["required"])
    return bool(required) and set(claim.resource["approved"]) >= required


RULES: Mapping[str, Callable[[Claim], bool]] = {
    rule.__name__: rule
    for rule in (
        always,
        own_department,
        of_the_center,
        of_the_center_unless_confidential,
        the_drafter,
        not_the_drafter,
        drafter_of_own_department,
        wrote_it,
        amended_it,
        confidential_of_another,
        open_to_everybody,
        in_audience,
        holds_the_post,
        stands_in,
        handed_it_over,
        all_stages_approved,
    )
}
"""The rules by the names that policy lines use."""


def condition(rule: str, holder: str, subject: SubjectData, resource: ResourceData) -> bool:
    """Whether a policy line's rule holds for a subject that is the line's holder: `cond` in model.conf.

    Raises KeyError for an unknown rule or a holder that the subject is not.
    """
    holds = subject["holds"]
    return RULES[rule](
        Claim(subject=subject["id"], holds=holds, departments=holds[holder], resource=resource)
    )


@dataclass(frozen=True, kw_only=True)
class PolicyLine:
    """A line of policy.csv; `number` is its place in the file, comments counted, from 1."""

    number: int
    action: Action
    holder: str
    rule: str
    effect: str

    @property
    def fields(self) -> tuple[str, str, str, str]:
        """The line as Casbin holds it."""
        return (self.action.value, self.holder, self.rule, self.effect)

    def __str__(self) -> str:
        return ", ".join(self.fields)


def policy_lines(text: str) -> tuple[PolicyLine, ...]:
    """Read policy.csv. Raises ValueError, with the line's number, for a line that cannot mean what it says.

    Only a line feed ends a line: nothing that an editor shows as part of a comment can be a policy.
    """
    lines: dict[tuple[str, ...], PolicyLine] = {}
    for number, row in enumerate(text.split("\n"), start=1):
        if row.strip() and not row.startswith("#"):
            line = _policy_line(number, row)
            if line.fields in lines:
                raise ValueError(f"policy.csv line {number} repeats line {lines[line.fields].number}")
            lines[line.fields] = line
    return tuple(lines.values())


def _policy_line(number: int, row: str) -> PolicyLine:
    kind, *fields = (field.strip() for field in row.split(","))
    if kind != "p" or len(fields) != len(("action", "holder", "rule", "effect")):
        raise ValueError(f"policy.csv line {number} is not: p, action, holder, rule, effect")
    action, holder, rule, effect = fields
    for name, value, known in (
        ("action", action, set(Action)),
        ("holder", holder, HOLDERS),
        ("rule", rule, set(RULES)),
        ("effect", effect, {"allow", "deny"}),
    ):
        if value not in known:
            raise ValueError(f"policy.csv line {number}: unknown {name} {value!r}")
    return PolicyLine(number=number, action=Action(action), holder=holder, rule=rule, effect=effect)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The policy's answer and the line it rests on; None when no line speaks for the subject."""

    allowed: bool
    line: PolicyLine | None = None


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Permission to take a step, and the policy line to record beside it; `rule` is that line as written."""

    policy: PolicyReference
    rule: str
