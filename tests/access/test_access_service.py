from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from chalicelib.access.model import Action, Resource, Subject
from chalicelib.access.service import AccessControl
from chalicelib.core.errors import NotPermitted
from chalicelib.people.model import Role

POLICIES = Path(__file__).parents[2] / "policies"
ACCESS = AccessControl(POLICIES)
MODEL = (POLICIES / "model.conf").read_text(encoding="utf-8")
POLICY = (POLICIES / "policy.csv").read_text(encoding="utf-8")

LIAISON = Subject(id="user:p-lin", roles=((Role.LIAISON, "marketing"),))
ARCHIVIST = Subject(id="user:p-arc", roles=((Role.ARCHIVIST, "center"),))
EMPLOYEE = Subject(id="user:p-emp", roles=((Role.EMPLOYEE, "sales"),))
DRAFT = Resource(department="marketing", drafter="p-lin", classification="internal")


def access_with(folder: Path, *, model: str = MODEL, policy: str = POLICY) -> AccessControl:
    (folder / "model.conf").write_text(model, encoding="utf-8")
    (folder / "policy.csv").write_text(policy, encoding="utf-8")
    return AccessControl(folder)


def test_a_grant_names_the_line_that_gave_it() -> None:
    grant = ACCESS.grant(LIAISON, Action.WITHDRAW, DRAFT)
    assert grant.rule == "submission.withdraw, role:liaison, own_department, allow"
    assert POLICY.splitlines()[grant.policy.line - 1] == f"p, {grant.rule}"


def test_a_denial_names_the_line_that_forbids() -> None:
    drafter = Subject(id="user:p-lin", roles=((Role.CENTER_EDITOR, "center"),))
    decision = ACCESS.explain(drafter, Action.REVIEW, DRAFT)
    assert not decision.allowed
    assert str(decision.line) == "review.decide, anyone, wrote_it, deny"


def test_the_policy_digest_changes_with_either_file_and_with_nothing_else(tmp_path: Path) -> None:
    def digest(access: AccessControl) -> str:
        return access.grant(LIAISON, Action.WITHDRAW, DRAFT).policy.digest

    present = digest(ACCESS)
    assert len(present) == 64
    assert digest(access_with(tmp_path)) == present
    assert digest(access_with(tmp_path, policy=POLICY + "# a remark\n")) != present
    assert digest(access_with(tmp_path, model=MODEL + "# a remark\n")) != present


def test_a_refusal_is_logged_with_who_and_what(caplog: pytest.LogCaptureFixture) -> None:
    """Clause 5.3.2: denials logged."""
    with pytest.raises(NotPermitted) as refusal:
        ACCESS.grant(EMPLOYEE, Action.WITHDRAW, DRAFT)
    assert "user:p-emp" in caplog.text
    assert "submission.withdraw" in caplog.text
    assert refusal.value.params == {}


@pytest.mark.parametrize(
    ("subject", "action", "resource"),
    [
        (LIAISON, cast("Action", "submission.delete"), DRAFT),
        (LIAISON, cast("Action", None), DRAFT),
        (cast("Subject", None), Action.READ, DRAFT),
        (LIAISON, Action.READ, cast("Resource", None)),
        (Subject(id="user:p-lin", roles=((cast("Role", "owner"), "marketing"),)), Action.READ, DRAFT),
        (LIAISON, Action.READ, Resource(department="marketing", drafter="p-lin", classification="secret")),
    ],
)
def test_what_policy_does_not_know_is_denied_and_logged_as_an_error(
    subject: Subject,
    action: Action,
    resource: Resource,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Clause 5.3.2: deny by default."""
    assert not ACCESS.allows(subject, action, resource)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    with pytest.raises(NotPermitted):
        ACCESS.grant(subject, action, resource)


def test_an_error_inside_a_rule_denies_even_whom_another_line_allows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unreadable = Resource(
        department="marketing",
        drafter="p-lin",
        classification="internal",
        audience=cast("tuple[str, ...]", 7),
    )
    assert ACCESS.allows(ARCHIVIST, Action.ARCHIVE_READ, DRAFT)
    assert not ACCESS.allows(ARCHIVIST, Action.ARCHIVE_READ, unreadable)
    assert "could not be evaluated" in caplog.text


@pytest.mark.parametrize("missing", ["model.conf", "policy.csv"])
def test_a_missing_file_is_refused(missing: str, tmp_path: Path) -> None:
    access_with(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError):
        AccessControl(tmp_path)


def test_a_policy_line_with_an_unknown_rule_is_refused_when_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown rule 'everything'"):
        access_with(tmp_path, policy=POLICY + "p, archive.read, anyone, everything, allow\n")


@pytest.mark.parametrize(
    ("present", "broken"),
    [
        ("[matchers]", "[marchers]"),
        ("[policy_effect]", "[policy_effects]"),
        ("p.eft == allow", "p.eft == perhaps"),
        ("r = act, sub, obj", "r = act, sub"),
        ("p = act, sub, rule, eft", "p = act, sub, rule"),
        ("cond(p.rule", "kond(p.rule"),
        ("cond(p.rule", "cond((p.rule"),
        ("r.sub.holds", "r.sub.duties"),
        ("p.sub in r.sub.holds && cond(p.rule, p.sub, r.sub, r.obj)", "cond(p.rule)"),
    ],
)
def test_a_model_that_cannot_be_evaluated_is_refused_when_it_is_read(
    present: str,
    broken: str,
    tmp_path: Path,
) -> None:
    assert present in MODEL
    with pytest.raises(ValueError, match=r"model\.conf cannot be evaluated"):
        access_with(tmp_path, model=MODEL.replace(present, broken))


def test_a_policy_without_lines_denies(tmp_path: Path) -> None:
    access = access_with(tmp_path, policy="# nothing yet\n")
    assert not any(access.allows(LIAISON, action, DRAFT) for action in Action)


def test_an_action_without_an_allow_line_is_denied_to_those_no_line_forbids(tmp_path: Path) -> None:
    access = access_with(tmp_path, policy="p, archive.read, role:liaison, always, deny\n")
    assert not access.allows(EMPLOYEE, Action.ARCHIVE_READ, DRAFT)


def test_threads_do_not_disturb_each_other() -> None:
    questions = [(LIAISON, Action.REVISE), (EMPLOYEE, Action.ARCHIVE_READ), (EMPLOYEE, Action.REVISE)] * 50
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = list(pool.map(lambda question: ACCESS.allows(question[0], question[1], DRAFT), questions))
    assert answers == [True, True, False] * 50
