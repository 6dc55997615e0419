"""The sample publication requests are sound, varied and can all be reviewed."""

import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from chalicelib.attachment.model import AttachmentRules
from chalicelib.core.clock import from_text
from chalicelib.people.model import CENTER, Person, Role
from chalicelib.people.roster import Roster, parse
from chalicelib.submission.form import ChannelRules, validate
from chalicelib.submission.model import State
from infra.local.sample_requests import SAMPLES, Decide, Resubmit, Sample, Withdraw, duration, load
from tests.world import PROCEDURE, STAGES

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 9, 30, 15, 250_000, tzinfo=UTC)
LOADED = load(SAMPLES, NOW)
BY_KEY = {sample.key: sample for sample in LOADED}
REVIEWERS = {
    "initial": Role.CENTER_EDITOR,
    "department_head": Role.DEPARTMENT_HEAD,
    "executive": Role.SUPERVISING_EXECUTIVE,
}

each_sample = pytest.mark.parametrize("sample", LOADED, ids=lambda sample: sample.key)


@pytest.fixture(scope="module")
def roster() -> Roster:
    return parse(yaml.safe_load((ROOT / "infra" / "local" / "roster.yaml").read_text("utf-8")))


@pytest.fixture(scope="module")
def rules() -> ChannelRules:
    return ChannelRules.load()


def reviewers(roster: Roster, sample: Sample, stage: str) -> list[Person]:
    department = CENTER if stage == "initial" else sample.form["department"]
    return [
        person
        for person in roster.persons
        if person.holds(REVIEWERS[stage], department, NOW) and person.id != sample.form["drafter"]
    ]


def forms(sample: Sample) -> Iterator[dict[str, object]]:
    """The form of every revision of a sample."""
    form = dict(sample.form)
    yield form
    for step in sample.story:
        if isinstance(step, Resubmit):
            form = {**form, **step.changes}
            yield form


def test_there_are_enough_samples_with_names_of_their_own() -> None:
    assert len(LOADED) >= 14
    assert len({sample.name for sample in LOADED}) == len(LOADED)
    assert len({sample.form["title"] for sample in LOADED}) == len(LOADED)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_a_samples_file_is_sorted_indented_and_unescaped(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


@each_sample
def test_a_sample_says_what_it_shows_in_two_languages(sample: Sample) -> None:
    assert set(sample.why) == {"zh-Hans", "en"}
    assert all(sample.why.values())


@each_sample
def test_every_revision_of_a_sample_is_a_valid_form(sample: Sample, rules: ChannelRules) -> None:
    """All that the form demands is there and right (clause 3.1.2)."""
    for form in forms(sample):
        validate(form, now=NOW, rules=rules)


@each_sample
def test_a_samples_drafter_is_a_liaison_of_its_department(sample: Sample, roster: Roster) -> None:
    """Only a department's liaison submits for it (clause 3.1.1)."""
    (drafter,) = [person for person in roster.persons if person.id == sample.form["drafter"]]
    assert drafter.holds(Role.LIAISON, sample.form["department"], NOW)


@each_sample
def test_every_stage_of_a_sample_has_a_reviewer_who_did_not_draft_it(sample: Sample, roster: Roster) -> None:
    """Somebody else can decide at each stage (clause 3.3.1)."""
    for stage in STAGES:
        assert reviewers(roster, sample, stage), stage


@each_sample
def test_a_samples_audience_are_departments_of_the_roster(sample: Sample, roster: Roster) -> None:
    if sample.form["audience"] != "all":
        assert set(sample.form["audience"]) <= {department.id for department in roster.departments}


@each_sample
def test_a_samples_story_leads_where_it_says(sample: Sample) -> None:
    """Reviews come in order; all else ends a round (clause 3.2.3, clause 3.3.1, clause 3.3.4)."""
    stages, state = list(STAGES), State.IN_REVIEW
    for step in sample.story:
        match step:
            case Decide(stage=stage, decision=decision):
                assert state is State.IN_REVIEW
                assert stage == stages.pop(0)
                state = {
                    "approve": State.IN_REVIEW if stages else State.ARCHIVED,
                    "request_changes": State.CHANGES_REQUESTED,
                    "reject": State.REJECTED,
                }[decision]
            case Resubmit():
                assert state is State.CHANGES_REQUESTED
                stages, state = list(STAGES), State.IN_REVIEW
            case Withdraw():
                state = State.WITHDRAWN
    assert state is sample.ends


@each_sample
def test_whoever_does_not_approve_names_failed_items_of_that_stages_checklist(sample: Sample) -> None:
    """A return names at least one failed item (clause 3.2.2)."""
    for step in sample.story:
        if isinstance(step, Decide):
            assert step.failed <= {item.id for item in PROCEDURE.checklist(step.stage)}
            assert (step.decision == "approve") == (not step.failed)
            assert step.comment


def test_one_sample_is_at_every_length_limit() -> None:
    form = BY_KEY["length-limits"].form
    assert len(form["title"]) == 64
    assert len(form["wechat_title"]) == 32
    assert len(form["summary"]) == 300
    assert len(form["body"]) == 50_000
    assert len(form["keywords"]) == 10
    assert max(map(len, form["keywords"])) == 20


@each_sample
def test_other_samples_have_bodies_of_a_readable_length(sample: Sample) -> None:
    for form in forms(sample):
        assert sample.key == "length-limits" or 300 <= len(str(form["body"])) <= 1_500


def test_the_kinds_that_must_not_be_missing_are_there() -> None:
    launch = BY_KEY["product-launch"].form
    assert (launch["importance"], launch["classification"]) == ("important", "public")
    assert launch["channels"] == ["website", "wechat", "notice_board"]
    assert BY_KEY["urgent"].form["importance"] == "urgent"
    confidential = BY_KEY["confidential-department"].form
    assert confidential["classification"] == "confidential"
    assert (confidential["channels"], len(confidential["audience"])) == (["email"], 1)
    assert {sample.form["category"] for sample in LOADED} == {
        "news",
        "notice",
        "business",
        "culture",
        "rules",
        "staff",
    }
    assert {sample.ends for sample in LOADED} == {State.ARCHIVED, State.REJECTED, State.WITHDRAWN}
    assert sum(isinstance(step, Resubmit) for step in BY_KEY["returned-once"].story) == 1
    assert BY_KEY["english"].form["body"].isascii()
    assert "發" not in BY_KEY["safety-notice"].form["body"]
    assert "聯絡" in BY_KEY["traditional-chinese"].form["body"]


def test_one_sample_has_emoji_rare_characters_and_combining_marks() -> None:
    text = BY_KEY["rare-characters"].form["body"]
    assert all(character in text for character in "𠮷䶮㛃🎉")
    assert "\u200d" in text
    assert any(unicodedata.combining(character) for character in text)
    assert text != unicodedata.normalize("NFC", text)


def test_one_sample_has_tables_nested_lists_and_code() -> None:
    body = BY_KEY["tables-and-lists"].form["body"]
    assert "|--:|" in body
    assert "\n     - " in body
    assert "```" in body


def test_one_sample_has_files_that_may_be_attached_and_a_photo_with_its_place() -> None:
    files = BY_KEY["returned-once"].files
    rules = AttachmentRules.load(ROOT / "policies" / "attachments.json")
    for file in files:
        form = {"name": file.name, "media_type": file.media_type, "size": len(file.content)}
        assert list(rules.faults(form)) == []
    (photo,) = [file for file in files if file.media_type == "image/jpeg"]
    assert b"Exif" in photo.content


def test_an_editor_who_drafts_leaves_the_initial_review_to_the_other(roster: Roster) -> None:
    sample = BY_KEY["rare-characters"]
    (drafter,) = [person for person in roster.persons if person.id == sample.form["drafter"]]
    assert drafter.holds(Role.CENTER_EDITOR, CENTER, NOW)


@pytest.mark.parametrize(
    ("now", "offset"),
    [(datetime(2026, 1, 15, tzinfo=UTC), "+01:00"), (datetime(2026, 7, 15, tzinfo=UTC), "+02:00")],
)
def test_the_publish_time_has_the_offset_its_zone_has_then(now: datetime, offset: str) -> None:
    (sample,) = [sample for sample in load(SAMPLES, now) if sample.key == "other-time-zone"]
    assert sample.form["time_zone"] == "Europe/Berlin"
    assert sample.form["publish_at"].endswith(offset)


def test_the_offset_changes_between_now_and_the_publish_time(tmp_path: Path) -> None:
    document = json.loads((SAMPLES / "other-time-zone.json").read_text("utf-8"))
    (tmp_path / "clocks-go-back.json").write_text(json.dumps(document | {"publish_in": "PT2H"}), "utf-8")
    before_the_change = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    (sample,) = load(tmp_path, before_the_change)
    assert sample.form["publish_at"] == "2026-10-25T03:30:00+01:00"
    assert from_text(sample.form["publish_at"]) == before_the_change + timedelta(hours=2)


def test_loading_twice_gives_the_same() -> None:
    assert load(SAMPLES, NOW) == LOADED
    assert load(SAMPLES, NOW + timedelta(days=1)) != LOADED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT3M", timedelta(minutes=3)),
        ("P2D", timedelta(days=2)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ],
)
def test_a_duration_is_read(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "3M", "P1M", "P1Y", "PT-3S", "PT3m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)


def test_an_unknown_step_is_refused(tmp_path: Path) -> None:
    document = json.loads((SAMPLES / "urgent.json").read_text("utf-8"))
    document["story"] = [{"action": "sleep"}]
    (tmp_path / "lazy.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(ValueError, match="not a step"):
        load(tmp_path, NOW)
