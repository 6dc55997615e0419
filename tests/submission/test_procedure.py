"""The reviews as data: what the shipped file says, and what no file can say."""

import json
from pathlib import Path
from typing import Any

import pytest
from yaml import CSafeLoader, load

from chalicelib.bootstrap import POLICIES
from chalicelib.core.validation import SCHEMAS, schema
from chalicelib.people.model import Role
from chalicelib.submission.procedure import (
    Place,
    ProcedureError,
    Stage,
    procedure_from_document,
    read_procedure,
)
from tests.world import SHIPPED

DOCUMENT = load((POLICIES / "stages.yaml").read_text("utf-8"), CSafeLoader)
CLAUSES = {"initial": "3.2.2", "department_head": "3.3.2", "executive": "3.3.3"}
each_stage = pytest.mark.parametrize("stage", SHIPPED.stages, ids=lambda stage: stage.id)


def test_the_shipped_stages_are_the_regulations_in_its_order() -> None:
    """Clauses 2.2.1, 3.2.1 and 3.3.1: the center, then the department head, then the supervising executive."""
    assert [(stage.id, stage.reviewers.role, stage.reviewers.of) for stage in SHIPPED.stages] == [
        ("initial", Role.CENTER_EDITOR, Place.CENTER),
        ("department_head", Role.DEPARTMENT_HEAD, Place.DEPARTMENT),
        ("executive", Role.SUPERVISING_EXECUTIVE, Place.DEPARTMENT),
    ]
    assert [SHIPPED.following(stage) for stage in SHIPPED.ids] == [*SHIPPED.ids[1:], None]
    assert [SHIPPED.place(stage) for stage in SHIPPED.ids] == [1, 2, 3]


@each_stage
def test_each_stage_has_three_to_five_items_of_its_own_clause(stage: Stage) -> None:
    """Each review has a checklist (clause 3.2.2, clause 3.3.2, clause 3.3.3)."""
    assert 3 <= len(stage.checklist) <= 5
    assert {item.clause for item in stage.checklist} == {CLAUSES[stage.id]}


@each_stage
def test_names_and_items_speak_three_languages(stage: Stage) -> None:
    for texts in (stage.names, *(item.text for item in stage.checklist)):
        assert set(texts) == {"zh-Hans", "zh-Hant", "en"}
        assert len(set(texts.values())) >= 2


def test_the_shipped_file_meets_its_schema_and_the_schema_knows_every_role() -> None:
    assert schema("stages").errors(DOCUMENT) == ()
    posts = json.loads((SCHEMAS / "stages.json").read_bytes())["$defs"]["post"]["properties"]["role"]["enum"]
    assert set(posts) == set(Role)


def test_a_version_is_known_by_what_it_says() -> None:
    assert read_procedure(POLICIES).version == SHIPPED.version
    assert changed(quorum=2).version != SHIPPED.version
    assert procedure_from_document(dict(reversed(DOCUMENT.items()))).version == SHIPPED.version


def changed(**changes: Any) -> Any:  # noqa: ANN401 — a stage's members have many shapes
    first, *others = DOCUMENT["stages"]
    return procedure_from_document({**DOCUMENT, "stages": [first | changes, *others]})


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"id": "department_head"}, "one id"),
        ({"id": "部门"}, "no id of a stage"),
        ({"id": "a/b"}, "no id of a stage"),
        ({"quorum": 0}, "no quorum"),
        ({"quorum": "most"}, "no quorum"),
        ({"reviewers": {"role": "boss", "of": "center"}}, "boss"),
        ({"reviewers": {"role": "center_editor", "of": "anywhere"}}, "anywhere"),
        ({"superior": {"role": "center_director"}}, "of"),
        ({"name": {"zh-Hans": "初审"}}, "no text in zh-Hant, en"),
        ({"checklist": []}, "nothing to confirm"),
        ({"checklist": [*DOCUMENT["stages"][1]["checklist"]]}, "one id"),
        ({"skippable": True}, "skippable"),
    ],
)
def test_a_procedure_that_cannot_be_followed_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ProcedureError, match=fault):
        changed(**changes)


@pytest.mark.parametrize("text", ["recall_minutes: 0\nstages: []", "stages: {", "reviews: []", "- initial"])
def test_a_file_that_holds_no_procedure_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "stages.yaml").write_text(text, "utf-8")
    with pytest.raises(ProcedureError, match=r"stages\.yaml"):
        read_procedure(tmp_path)
