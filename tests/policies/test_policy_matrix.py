"""What the cases cannot show one by one: everybody whom an action is open to, and that nobody else exists."""

from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import pytest

from chalicelib.access.model import Action, Resource, Subject
from chalicelib.access.service import AccessControl
from chalicelib.people.model import Role
from chalicelib.submission.procedure import Stage, read_procedure

POLICIES = Path(__file__).parents[2] / "policies"
ACCESS = AccessControl(POLICIES)
PROCEDURE = read_procedure(POLICIES)
DUTIES = tuple(product(Role, ("marketing", "sales", "center")))

DEPARTMENT = {"liaison@marketing", "department_head@marketing", "supervising_executive@marketing"}
CENTER = {"center_editor@center", "center_director@center", "archivist@center"}
SALES = {f"{role}@sales" for role in Role}

OPEN_TO = {
    (Action.ATTACH, "internal"): set(),
    (Action.SUBMIT, "internal"): set(),
    (Action.REVISE, "internal"): {"liaison@marketing"},
    (Action.WITHDRAW, "internal"): {"liaison@marketing"},
    (Action.AMEND, "internal"): {"center_editor@center"},
    (Action.CONFIRM, "internal"): {"liaison@marketing"},
    (Action.READ, "public"): DEPARTMENT | CENTER,
    (Action.READ, "confidential"): DEPARTMENT | CENTER,
    (Action.REVIEW, "internal"): set(),
    (Action.STAND_IN, "internal"): {
        "center_editor@center",
        "center_director@center",
        "department_head@marketing",
        "supervising_executive@marketing",
    },
    (Action.REASSIGN, "internal"): {"center_director@center"},
    (Action.SCHEDULE, "internal"): set(),
    (Action.PUBLISH, "internal"): set(),
    (Action.RETRACT, "internal"): {"center_director@center"},
    (Action.RETRACT, "confidential"): {"center_director@center"},
    (Action.SETTLE, "internal"): {"center_editor@center", "center_director@center"},
    (Action.SETTLE, "confidential"): {"center_director@center"},
    (Action.CONFIRM_DISPLAY, "internal"): {"center_editor@center", "center_director@center"},
    (Action.CONFIRM_DISPLAY, "confidential"): {"center_director@center"},
    (Action.SEE_RECIPIENTS, "internal"): {"center_editor@center", "center_director@center"},
    (Action.SEE_RECIPIENTS, "confidential"): {"center_editor@center", "center_director@center"},
    (Action.RESCHEDULE, "internal"): {
        "liaison@marketing",
        "center_editor@center",
        "center_director@center",
    },
    (Action.FREEZE, "internal"): {"center_editor@center", "center_director@center"},
    (Action.UNFREEZE, "internal"): {"center_director@center"},
    (Action.ARCHIVE, "internal"): set(),
    (Action.ARCHIVE_READ, "internal"): DEPARTMENT | CENTER | SALES,
    (Action.ARCHIVE_READ, "confidential"): (
        (DEPARTMENT | CENTER | SALES) - {"center_editor@center", "administrator@sales"}
    ),
    (Action.ARCHIVE_DOWNLOAD, "internal"): (DEPARTMENT | CENTER) - {"liaison@marketing"},
    (Action.ARCHIVE_DOWNLOAD, "confidential"): (
        (DEPARTMENT | CENTER) - {"liaison@marketing", "center_editor@center"}
    ),
    (Action.REFUSED_READ, "internal"): {
        "liaison@marketing",
        "center_editor@center",
        "center_director@center",
    },
    (Action.REFUSED_READ, "confidential"): {"liaison@marketing", "center_director@center"},
}
"""By action and classification: the duties, of all in three departments, that each open it by itself."""

DECIDED_BY = {
    "initial": "center_editor@center",
    "department_head": "department_head@marketing",
    "executive": "supervising_executive@marketing",
}
"""By stage: the one duty that opens its decision."""


def a_resource(
    *,
    classification: str = "internal",
    drafter: str = "p-lin",
    audience: tuple[str, ...] | None = ("sales",),
) -> Resource:
    return Resource(
        department="marketing",
        drafter=drafter,
        classification=classification,
        audience=audience,
        required_stages=PROCEDURE.ids,
        approved_stages=PROCEDURE.ids,
    )


def at_every_stage(resource: Resource) -> list[Resource]:
    """The same under review, once for whom each stage asks."""
    return [replace(resource, asked=stage.reviewers.duty(resource.department)) for stage in PROCEDURE.stages]


def with_duties(*duties: tuple[Role, str]) -> Subject:
    return Subject(id="user:p-wu", roles=duties)


@pytest.mark.parametrize(("action", "classification"), OPEN_TO, ids=str)
def test_an_action_is_open_to_these_duties_and_to_no_other(action: Action, classification: str) -> None:
    """Clause 5.3.2: only authorised people reach a resource."""
    resource = a_resource(classification=classification)
    able = {
        f"{role}@{place}"
        for role, place in DUTIES
        if ACCESS.allows(with_duties((role, place)), action, resource)
    }
    assert able == OPEN_TO[action, classification]


@pytest.mark.parametrize("stage", PROCEDURE.stages, ids=lambda stage: stage.id)
def test_a_stage_is_decided_by_the_duty_that_it_asks_for_and_by_no_other(stage: Stage) -> None:
    """Clauses 3.2.1 and 3.3.1: the center, the department head, the supervising executive."""
    resource = replace(a_resource(), asked=stage.reviewers.duty("marketing"))
    able = {
        f"{role}@{place}"
        for role, place in DUTIES
        if ACCESS.allows(with_duties((role, place)), Action.REVIEW, resource)
    }
    assert able == {DECIDED_BY[stage.id]}


def test_every_action_is_in_the_matrix() -> None:
    assert {action for action, _ in OPEN_TO} == set(Action)


def test_two_duties_open_what_either_opens_and_nothing_more() -> None:
    ordinary = [duty for duty in DUTIES if duty[0] is not Role.ADMINISTRATOR]
    resource = a_resource(classification="confidential")
    for action in Action:
        opens = {duty: ACCESS.allows(with_duties(duty), action, resource) for duty in ordinary}
        for one, other in combinations(ordinary, 2):
            both = ACCESS.allows(with_duties(one, other), action, resource)
            assert both is (opens[one] or opens[other]), (action, one, other)


def test_drafter_cannot_decide_whatever_two_duties_the_drafter_holds() -> None:
    """Clause 3.3.1: never the drafter's own decision."""
    for own, duties in product(at_every_stage(a_resource(drafter="p-wu")), combinations(DUTIES, 2)):
        assert not ACCESS.allows(with_duties(*duties), Action.REVIEW, own), (own.asked, duties)


def test_administrator_neither_decides_nor_reads_confidential_content_whatever_else_the_duty() -> None:
    confidential = a_resource(classification="confidential")
    closed = {Action.READ, Action.ARCHIVE_READ, Action.ARCHIVE_DOWNLOAD}
    for duty in DUTIES:
        administrator = with_duties((Role.ADMINISTRATOR, "sales"), duty)
        for action in closed:
            assert not ACCESS.allows(administrator, action, confidential), (action, duty)
        for resource in at_every_stage(confidential):
            assert not ACCESS.allows(administrator, Action.REVIEW, resource), (resource.asked, duty)


def test_whoever_may_download_the_package_may_read_the_entry() -> None:
    kinds = product(("public", "internal", "confidential"), ("p-lin", "p-wu"), (None, ("sales",)))
    for (classification, drafter, audience), duty in product(kinds, DUTIES):
        resource = a_resource(classification=classification, drafter=drafter, audience=audience)
        subject = with_duties(duty)
        if ACCESS.allows(subject, Action.ARCHIVE_DOWNLOAD, resource):
            assert ACCESS.allows(subject, Action.ARCHIVE_READ, resource), (resource, duty)
