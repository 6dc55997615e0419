"""What must hold at the last moment: the rule itself, without a cloud."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.publication.model import REPEATED, fault_of
from chalicelib.submission.model import (
    Category,
    Channel,
    Classification,
    Revision,
    Submission,
    form_from_document,
    opened,
    with_revision,
)
from tests.world import PROCEDURE, STAGES, a_form

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
REVISION = Revision(
    submission="s-1", number=1, form=form_from_document(a_form(NOW)), salt="00", created_at=NOW
)
HEAD = with_revision(
    opened(submission="s-1", revision=REVISION, request_digest="", correlation_id="c-1"),
    REVISION,
    "",
    PROCEDURE,
)
OTHER_FACTS: dict[str, Any] = {
    "title": "另一个题目",
    "department": "research",
    "drafter": "p-other",
    "category": Category.NEWS,
    "classification": Classification.PUBLIC,
    "channels": (Channel.EMAIL,),
    "audience": ("research",),
}


def fault(head: Submission = HEAD, revision: Revision = REVISION, **changes: Any) -> str | None:  # noqa: ANN401 - as fault_of
    return fault_of(head, revision, **({"required": STAGES, "approved": STAGES, "forbidden": ()} | changes))


def test_an_untouched_text_with_every_approval_may_be_published() -> None:
    """Clause 3.4.2: checked again before publishing."""
    assert fault() is None
    assert fault(approved=[*reversed(STAGES), STAGES[0]]) is None, "in whatever order they are read"


def test_another_text_than_the_approved_one_may_not() -> None:
    other = replace(
        REVISION, form=replace(REVISION.form, document={**REVISION.form.document, "body": "别的"})
    )
    assert fault(revision=other) == "content_changed"
    assert fault(replace(HEAD, content_digest="0" * 64)) == "content_changed"
    assert fault(revision=replace(REVISION, salt="01")) == "content_changed"


@pytest.mark.parametrize("missing", STAGES)
def test_a_text_that_lacks_an_approval_may_not(missing: str) -> None:
    """Clauses 3.2.1 and 3.3.1: all three reviews."""
    assert fault(approved=[stage for stage in STAGES if stage != missing]) == "approval_missing"


def test_a_channel_that_the_classification_forbids_by_now_stops_it() -> None:
    """Clause 2.3.1: channels by nature and audience."""
    assert fault(forbidden=[Channel.WEBSITE]) == "channel_not_allowed"


@pytest.mark.parametrize("name", REPEATED)
def test_a_head_that_contradicts_the_approved_form_may_not(name: str) -> None:
    changed: Submission = replace(HEAD, **{name: OTHER_FACTS[name]})
    assert fault(changed) == "content_changed"


def test_what_is_kept_to_the_millisecond_is_no_contradiction() -> None:
    assert fault(replace(HEAD, publish_at=HEAD.publish_at + timedelta(microseconds=1))) is None
