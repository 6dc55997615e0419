"""Opinions, deadlines, what is due and what has changed: the rules themselves, without a cloud."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core.errors import InvalidInput
from chalicelib.review.model import (
    Decision,
    Opinion,
    ReviewTask,
    approved_stages,
    due_stage,
    ensure_complete,
    wait_for,
)
from chalicelib.submission.model import (
    Form,
    Revision,
    State,
    Submission,
    form_from_document,
    opened,
    with_revision,
)
from tests.world import PROCEDURE, STAGES, a_form

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
DIGEST = "a" * 64
ITEMS = frozenset({"complete", "format"})


def an_opinion(decision: Decision = Decision.APPROVE, **changes: object) -> Opinion:
    passed = decision is Decision.APPROVE
    opinion = Opinion(
        reviewer="p-editor",
        decision=decision,
        comment="" if passed else "请补充。",
        checklist={"complete": passed, "format": True},
        content_digest=DIGEST,
        at=NOW,
    )
    return replace(opinion, **changes)  # type: ignore[arg-type] # the tests name its fields


def form(**changes: object) -> Form:
    return form_from_document(a_form(NOW, **changes))


def a_head(**changes: object) -> Submission:
    revision = Revision(submission="s-1", number=1, form=form(), salt="00", created_at=NOW)
    head = opened(submission="s-1", revision=revision, request_digest="", correlation_id="c-1")
    return replace(with_revision(head, revision, "", PROCEDURE), **changes)  # type: ignore[arg-type] # as above


def a_task(stage: str, opinion: Opinion | None) -> ReviewTask:
    return ReviewTask(
        submission="s-1",
        revision=1,
        stage=stage,
        place=PROCEDURE.place(stage),
        procedure=PROCEDURE.version,
        content_digest=DIGEST,
        opened_at=NOW,
        deadline=NOW,
        next_at=NOW,
        reviewers=("p-editor",),
        opinions=() if opinion is None else (opinion,),
    )


def faults(opinion: Opinion) -> dict[str, str]:
    """The code of each pointer that the refusal names."""
    with pytest.raises(InvalidInput) as refusal:
        ensure_complete(opinion, ITEMS)
    return {error.pointer: error.code for error in refusal.value.errors}


@pytest.mark.parametrize("decision", Decision)
def test_an_opinion_that_answers_every_item_is_complete(decision: Decision) -> None:
    ensure_complete(an_opinion(decision), ITEMS)


def test_every_item_missing_unknown_or_failed_is_named_at_once() -> None:
    """Clause 3.2.2: each item is checked."""
    assert faults(an_opinion(checklist={"complete": False, "colour": True})) == {
        "/checklist/format": "required",
        "/checklist/colour": "unknown_field",
        "/checklist/complete": "failed_but_approved",
    }


@pytest.mark.parametrize("decision", [Decision.REQUEST_CHANGES, Decision.REJECT])
def test_a_return_without_failed_item_and_reason_is_incomplete(decision: Decision) -> None:
    """Clauses 3.2.2 and 3.3.4: at least one failed item, and reasons."""
    passed = {"complete": True, "format": True}
    assert faults(an_opinion(decision, checklist=passed, comment=" \n")) == {
        "/checklist": "no_failed_item",
        "/comment": "blank",
    }


def test_an_opinion_repeated_later_is_the_same_and_any_other_word_is_another() -> None:
    opinion = an_opinion()
    assert opinion.same_as(an_opinion(at=NOW + timedelta(hours=1)))
    for other in (
        {"reviewer": "p-other"},
        {"decision": Decision.REJECT},
        {"comment": "好。"},
        {"checklist": {"complete": True, "format": False}},
        {"content_digest": "b" * 64},
    ):
        assert not opinion.same_as(an_opinion(**other))


def test_only_approvals_of_the_very_same_content_count() -> None:
    """Clause 1.3.1: an approval is pinned to the exact content."""
    initial, head, executive = STAGES
    tasks = [
        a_task(initial, an_opinion()),
        a_task(head, an_opinion(content_digest="b" * 64)),
        a_task(executive, an_opinion(Decision.REQUEST_CHANGES)),
    ]
    assert approved_stages(tasks, DIGEST) == (initial,)
    assert approved_stages([a_task(initial, None)], DIGEST) == ()
    assert approved_stages([a_task(stage, an_opinion()) for stage in STAGES], DIGEST) == STAGES


def test_a_stage_is_due_in_its_own_round_and_attempt_while_in_review() -> None:
    head = a_head()
    assert due_stage(head, revision=1, attempt=1) == "initial"
    assert due_stage(head, revision=2, attempt=1) is None
    assert due_stage(head, revision=1, attempt=2) is None
    for state in set(State) - {State.IN_REVIEW}:
        assert due_stage(replace(head, state=state), revision=1, attempt=1) is None


def test_the_machine_is_told_to_go_on_while_a_stage_is_due_and_to_end_when_none_is() -> None:
    told = [
        wait_for(
            submission="s-1", revision=1, attempt=1, stage=stage, timeout_seconds=60, correlation_id="c-1"
        )
        for stage in ("executive", None)
    ]
    assert [each["outcome"] for each in told] == ["review", "ended"]
    assert [each["reminded"] for each in told] == [0, 0]
