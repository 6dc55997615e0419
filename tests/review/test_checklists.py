"""The checklists of the three reviews."""

from pathlib import Path

import pytest

from chalicelib.review.checklists import Checklists
from chalicelib.submission.model import ReviewStage

POLICIES = Path(__file__).parents[2] / "policies"
CLAUSES = {
    ReviewStage.INITIAL: "3.2.2",
    ReviewStage.DEPARTMENT_HEAD: "3.3.2",
    ReviewStage.EXECUTIVE: "3.3.3",
}


@pytest.mark.parametrize("stage", ReviewStage)
def test_each_stage_has_three_to_five_items_of_its_own_clause(stage: ReviewStage) -> None:
    """Each review has a checklist (clause 3.2.2, clause 3.3.2, clause 3.3.3)."""
    items = Checklists(POLICIES).items(stage)
    assert 3 <= len(items) <= 5
    assert {item.clause for item in items} == {CLAUSES[stage]}


def test_item_ids_are_unique_over_all_stages() -> None:
    ids = [item.id for stage in ReviewStage for item in Checklists(POLICIES).items(stage)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("stage", ReviewStage)
def test_every_item_speaks_three_languages(stage: ReviewStage) -> None:
    for item in Checklists(POLICIES).items(stage):
        assert set(item.text) == {"zh-Hans", "zh-Hant", "en"}
        assert len(set(item.text.values())) == 3


def test_a_file_without_a_stage_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checklists.json").write_text('{"initial": [], "executive": []}', "utf-8")
    with pytest.raises(KeyError, match="department_head"):
        Checklists(tmp_path)
