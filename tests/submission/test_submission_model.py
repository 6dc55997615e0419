"""States, rounds and what the ledger tells of them: the rules themselves, without a cloud."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from chalicelib.core.errors import IllegalTransition
from chalicelib.ledger.model import Cause, Chain, Draft, Event, PolicyReference
from chalicelib.submission.model import (
    IN_FLIGHT,
    LEGAL,
    Reason,
    Revision,
    State,
    Submission,
    deliveries_in,
    ensure_legal,
    execution_name,
    form_from_document,
    opened,
    opinions_in,
    with_revision,
)
from tests.world import HEAD, LIAISON, OTHER_LIAISON, PROCEDURE, STAGES, a_form

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


def a_revision(number: int = 1, **changes: object) -> Revision:
    form = form_from_document(a_form(NOW, **changes))
    return Revision(submission="s-1", number=number, form=form, salt="5a17", created_at=NOW)


def a_head() -> Submission:
    revision = a_revision()
    head = opened(submission="s-1", revision=revision, request_digest="r1", correlation_id="c-1")
    return with_revision(head, revision, "r1", PROCEDURE)


def events(*drafts: Draft) -> list[Event]:
    chain, happened = Chain(submission="s-1"), []
    for number, draft in enumerate(drafts):
        event, chain = chain.append(draft, event_id=f"e-{number}", at=NOW)
        happened.append(event)
    return happened


def a_draft(kind: str, **payload: object) -> Draft:
    cause = Cause(actor=HEAD.id, correlation_id="c-1", policy=PolicyReference(digest="d", line=7))
    return Draft(type=kind, cause=cause, payload=payload)


@pytest.mark.parametrize(("present", "following"), list(product(State, State)))
def test_a_state_follows_another_where_the_table_says_so_and_nowhere_else(
    present: State, following: State
) -> None:
    if following is present or following in LEGAL[present]:
        ensure_legal(present, following)
    else:
        with pytest.raises(IllegalTransition):
            ensure_legal(present, following)


def test_every_state_has_its_line_and_the_ends_have_nothing_after_them() -> None:
    """A refusal ends it, too, unless it is taken back (tests/review/test_recall.py)."""
    assert LEGAL.keys() == set(State)
    assert {state for state in State if not LEGAL[state]} == {State.WITHDRAWN, State.RETRACTED}
    assert LEGAL[State.REJECTED] == {State.IN_REVIEW}
    assert all(LEGAL[state] for state in IN_FLIGHT)


def test_nothing_is_published_but_from_scheduled_and_nothing_leaves_the_public_eye_silently() -> None:
    """Clause 3.4.1: what is published was scheduled."""
    before_publishing = {state for state in State if State.PUBLISHING in LEGAL[state]}
    assert before_publishing <= {State.SCHEDULED, State.NEEDS_PERSON}
    for state in (State.PUBLISHING, State.PUBLISHED, State.ARCHIVED):
        assert State.WITHDRAWN not in LEGAL[state]


def test_a_new_submission_is_in_review_at_its_first_stage_and_attempt() -> None:
    head = a_head()
    assert (head.state, head.stage, head.revision, head.attempt) == (State.IN_REVIEW, STAGES[0], 1, 1)
    assert execution_name(head.id, head.revision, head.attempt) == "s-1-1-1"
    assert head.restarts == 0


def test_a_new_revision_begins_a_new_round_that_older_wake_ups_cannot_reach() -> None:
    before = replace(a_head(), state=State.CHANGES_REQUESTED, stage=None, attempt=3, reason=Reason.TOO_LATE)
    after = with_revision(before, a_revision(2, title="改过的题目"), "r2", PROCEDURE)
    assert (after.state, after.stage, after.revision, after.attempt) == (
        State.IN_REVIEW,
        STAGES[0],
        2,
        4,
    )
    assert (after.title, after.reason, after.due_at, after.restarts) == ("改过的题目", None, None, 0)
    assert after.content_digest != before.content_digest
    assert not after.is_at(State.IN_REVIEW, revision=1, attempt=3)
    assert after.is_at(State.IN_REVIEW, revision=2, attempt=4)


@pytest.mark.parametrize("state", [state for state in State if State.IN_REVIEW not in {state, *LEGAL[state]}])
def test_no_revision_brings_back_what_has_ended_or_is_under_way(state: State) -> None:
    head = replace(a_head(), state=state)
    with pytest.raises(IllegalTransition):
        with_revision(head, a_revision(2), "r2", PROCEDURE)


def test_whoever_wrote_an_earlier_revision_is_remembered_as_an_author() -> None:
    """Clause 3.3.1: never the drafter's own decision."""
    returned = replace(a_head(), state=State.CHANGES_REQUESTED)
    second = with_revision(returned, a_revision(2, drafter=OTHER_LIAISON.id), "r2", PROCEDURE)
    assert (second.drafter, second.co_drafters) == (OTHER_LIAISON.id, (LIAISON.id,))
    third = with_revision(replace(second, state=State.CHANGES_REQUESTED), a_revision(3), "r3", PROCEDURE)
    assert (third.drafter, third.co_drafters) == (LIAISON.id, (OTHER_LIAISON.id,))


def test_the_content_digest_covers_every_field_and_the_salt() -> None:
    """Clause 1.3.1: approvals are pinned to the exact content."""
    revision = a_revision()
    assert revision.content_digest == a_revision(2).content_digest, "the number is not content"
    assert replace(revision, salt="other").content_digest != revision.content_digest
    document = revision.form.document
    for name in document:
        form = replace(revision.form, document={**document, name: "changed"})
        assert replace(revision, form=form).content_digest != revision.content_digest, name


def test_an_audience_of_all_is_nobody_in_particular() -> None:
    assert a_revision().form.audience is None
    assert a_revision(audience=["research"]).form.audience == ("research",)


def test_opinions_are_the_decisions_of_every_round_in_their_order() -> None:
    """Clause 3.3.4: signed opinions; rounds kept."""
    happened = events(
        a_draft("Submitted", revision=1),
        a_draft("Decided", revision=1, stage="initial", decision="request_changes"),
        a_draft("Resubmitted", revision=2),
        a_draft("Decided", revision=2, stage="initial", decision="approve"),
    )
    assert opinions_in(happened) == [
        {
            "revision": revision,
            "stage": "initial",
            "decision": decision,
            "reviewer": HEAD.id,
            "at": "2026-03-02T01:30:00.000Z",
            "policy_line": 7,
        }
        for revision, decision in ((1, "request_changes"), (2, "approve"))
    ]


def test_a_delivery_is_the_last_that_the_ledger_says_of_its_channel() -> None:
    happened = events(
        a_draft("PublishingStarted", revision=1, channels={"website": "pending"}),
        a_draft("Delivered", revision=1, channel="website", state="done", receipt={"urls": ["old"]}),
        a_draft(
            "PublishingStarted", revision=2, channels={"website": "pending", "email": "waiting_for_adapter"}
        ),
        a_draft("Delivered", revision=2, channel="website", state="done", receipt={"urls": ["new"]}),
    )
    assert [(d["channel"], d["state"], d["receipt"]) for d in deliveries_in(happened, 2)] == [
        ("website", "done", {"urls": ["new"]}),
        ("email", "waiting_for_adapter", None),
    ]
    assert deliveries_in(happened, 3) == []
