import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.errors import InvalidSubmission
from chalicelib.submission.form import CHANNELS, ChannelRules, validate
from chalicelib.submission.model import Channel, Classification, Form

NOW = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
RULES = ChannelRules.load()
REMOVED = object()


def a_document(**changes: object) -> dict[str, Any]:
    document = {
        "title": "关于开展夏季用电安全检查的通知",
        "summary": "六月起对各车间配电设施进行一次全面检查。",
        "body": "## 检查范围\n\n一、二、三号车间。",
        "category": "notice",
        "department": "safety",
        "drafter": "p-irr7tobwl5tsl5ndxiwg",
        "channels": ["website", "email"],
        "publish_at": "2026-12-01T09:00:00+08:00",
        "time_zone": "Asia/Shanghai",
        "audience": "all",
        "classification": "internal",
        "importance": "urgent",
        "declaration": {"accepted": True, "version": "2026-1"},
        **changes,
    }
    return {name: value for name, value in document.items() if value is not REMOVED}


def accepted(**changes: object) -> Form:
    return validate(a_document(**changes), now=NOW, rules=RULES)


def faults(**changes: object) -> dict[str, str]:
    """The code of each pointer that the refusal names."""
    with pytest.raises(InvalidSubmission) as refusal:
        accepted(**changes)
    return {error.pointer: error.code for error in refusal.value.errors}


def params(**changes: object) -> dict[str, object]:
    """What the one error of the refusal tells."""
    with pytest.raises(InvalidSubmission) as refusal:
        accepted(**changes)
    (error,) = refusal.value.errors
    return dict(error.params)


def test_a_sound_form_is_read_as_it_was_sent() -> None:
    form = accepted(audience=["hr", "safety"])
    assert form.channels == (Channel.WEBSITE, Channel.EMAIL)
    assert form.publish_at == datetime(2026, 12, 1, 1, tzinfo=UTC)
    assert form.audience == ("hr", "safety")
    assert form.document == a_document(audience=["hr", "safety"])


def test_faults_of_the_schema_and_between_fields_are_told_at_once() -> None:
    """Clause 3.1.2: all errors at once, by field."""
    assert faults(
        title="",
        category="gossip",
        summary=REMOVED,
        classification="confidential",
        channels=["email", "website"],
        publish_at="2026-12-01T09:00:00+09:00",
    ) == {
        "/title": "blank",
        "/category": "not_one_of",
        "/summary": "required",
        "/channels/1": "channel_not_allowed",
        "/audience": "audience_list_required",
        "/publish_at": "offset_contradicts_zone",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"channels": ["wechat", "fax"]}, {"/channels/1": "not_one_of"}),
        ({"channels": ["wechat"], "classification": "secret"}, {"/classification": "not_one_of"}),
        ({"classification": "confidential", "audience": ["HR"], "channels": ["email"]}, {"/audience/0": "bad_id"}),
        ({"time_zone": "Mars/Olympus"}, {"/time_zone": "bad_format"}),
        ({"time_zone": REMOVED, "publish_at": "2026-01-01T00:00:00Z"},
         {"/time_zone": "required", "/publish_at": "in_the_past"}),
        ({"publish_at": "soon", "time_zone": "Asia/Tokyo"}, {"/publish_at": "bad_format"}),
    ],
)  # fmt: skip
def test_a_rule_between_fields_waits_until_its_own_fields_are_sound(
    changes: dict[str, object], expected: dict[str, str]
) -> None:
    assert faults(**changes) == expected


@pytest.mark.parametrize("document", [None, 5, "form", [], [a_document()], {}, {"title": "题"}])
def test_what_is_no_form_is_refused(document: object) -> None:
    with pytest.raises(InvalidSubmission) as refusal:
        validate(document, now=NOW, rules=RULES)
    assert refusal.value.errors


def test_body_may_be_50000_characters_long_however_many_bytes_they_take() -> None:
    assert accepted(body="𠮷" * 50_000)
    assert faults(body="𠮷" * 50_001) == {"/body": "too_long"}


@pytest.mark.parametrize("classification", Classification)
@pytest.mark.parametrize("channel", Channel)
def test_a_classification_goes_only_where_it_may(classification: Classification, channel: Channel) -> None:
    """Clauses 2.3.1, 5.3.1: public anywhere, internal not outside, confidential only by mail."""
    changes = {"classification": classification, "channels": [channel], "audience": ["hr"]}
    may = classification is Classification.PUBLIC or (
        channel is Channel.EMAIL
        or (classification is Classification.INTERNAL and channel not in {Channel.WECHAT, Channel.PARTNERS})
    )
    if may:
        assert accepted(**changes)
    else:
        assert faults(**changes) == {"/channels/0": "channel_not_allowed"}
        assert params(**changes) == {"classification": classification, "channel": channel}


def test_the_channel_table_says_why_for_every_pair() -> None:
    with CHANNELS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = [(row["classification"], row["channel"]) for row in rows]
    assert sorted(pairs) == sorted((str(a), str(b)) for a in Classification for b in Channel)
    for row in rows:
        assert row["allowed"] in {"yes", "no"}
        assert row["why"].endswith(".")


def test_what_the_channel_table_leaves_out_is_not_allowed(tmp_path: Path) -> None:
    table = tmp_path / "channels.csv"
    table.write_text("classification,channel,allowed,why\npublic,email,yes,Because.\n")
    rules = ChannelRules.load(table)
    assert rules.allows(Classification.PUBLIC, Channel.EMAIL)
    assert not rules.allows(Classification.PUBLIC, Channel.WEBSITE)


def test_a_channel_table_with_unknown_words_is_not_read(tmp_path: Path) -> None:
    table = tmp_path / "channels.csv"
    table.write_text("classification,channel,allowed,why\nsecret,email,yes,Because.\n")
    with pytest.raises(ValueError, match="secret"):
        ChannelRules.load(table)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"channels": ["email"], "title": "通知！"}, {"/title": "vague_subject"}),
        ({"channels": ["website", "email"], "title": "—— ok"}, {"/title": "vague_subject"}),
        ({"channels": ["email"], "body": "字" * 10_001}, {"/body": "too_long_for_mail"}),
    ],
)
def test_a_mail_has_a_subject_that_says_something_and_is_short(
    changes: dict[str, Any], told: dict[str, str]
) -> None:
    """Clause 4.4.2: a clear subject, a short text; what is longer is read on the website."""
    assert faults(**changes) == told


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": ["website"], "title": "通知！"},
        {"channels": ["email"], "title": "停电通知", "body": "字" * 10_000},
        {"channels": ["website", "email"], "body": "字" * 10_001},
    ],
)
def test_what_is_no_mail_or_is_cut_may_be_shorter_or_longer(changes: dict[str, Any]) -> None:
    assert accepted(**changes)


def test_confidential_items_name_their_audience() -> None:
    """Clause 4.4.3: recipients must be right."""
    confidential = {"classification": "confidential", "channels": ["email"]}
    assert accepted(**confidential, audience=["hr"])
    assert faults(**confidential, audience="all") == {"/audience": "audience_list_required"}


def at(instant: datetime) -> dict[str, object]:
    return {"publish_at": instant.isoformat(), "time_zone": "Etc/UTC"}


def test_publish_time_may_be_ten_minutes_ago_at_most() -> None:
    longest = NOW - timedelta(minutes=10)
    assert accepted(**at(longest))
    assert faults(**at(longest - timedelta(microseconds=1))) == {"/publish_at": "in_the_past"}
    assert params(**at(longest - timedelta(days=1))) == {"minutes": 10}


def test_publish_time_may_be_300_days_ahead_at_most() -> None:
    longest = NOW + timedelta(days=300)
    assert accepted(**at(longest))
    assert faults(**at(longest + timedelta(microseconds=1))) == {"/publish_at": "too_far_ahead"}
    assert params(**at(longest + timedelta(days=1))) == {"days": 300}


@pytest.mark.parametrize(
    ("publish_at", "time_zone"),
    [
        ("2026-12-01T09:00:00+08:00", "Asia/Shanghai"),
        ("2026-12-01T09:00:00Z", "Etc/UTC"),
        ("2026-12-01T09:00:00-00:00", "Africa/Abidjan"),
        ("2026-12-01T09:00:00+05:45", "Asia/Kathmandu"),
        ("2027-03-14T01:59:59-05:00", "America/New_York"),  # the last second before a gap
        ("2027-03-14T03:00:00-04:00", "America/New_York"),  # the first after it
        ("2027-04-04T01:45:00+11:00", "Australia/Lord_Howe"),  # the same clock twice, half an hour apart
        ("2027-04-04T01:45:00+10:30", "Australia/Lord_Howe"),
    ],
)
def test_the_offset_of_the_zone_at_that_instant_is_accepted(publish_at: str, time_zone: str) -> None:
    assert accepted(publish_at=publish_at, time_zone=time_zone)


@pytest.mark.parametrize(
    ("publish_at", "time_zone", "offset"),
    [
        ("2026-12-01T09:00:00+09:00", "Asia/Shanghai", "+08:00"),
        ("2026-12-01T09:00:00Z", "Asia/Shanghai", "+08:00"),
        ("2026-12-01T09:00:00-04:00", "America/New_York", "-05:00"),
        ("2027-07-01T09:00:00+01:00", "Europe/Berlin", "+02:00"),
        ("2027-03-14T02:30:00-05:00", "America/New_York", "-04:00"),  # a clock that never shows
        ("2027-03-14T02:30:00-04:00", "America/New_York", "-05:00"),
        ("2027-04-04T01:15:00+10:30", "Australia/Lord_Howe", "+11:00"),
    ],
)
def test_an_offset_that_contradicts_the_zone_is_refused(publish_at: str, time_zone: str, offset: str) -> None:
    changes = {"publish_at": publish_at, "time_zone": time_zone}
    assert faults(**changes) == {"/publish_at": "offset_contradicts_zone"}
    assert params(**changes) == {"time_zone": time_zone, "offset": offset}


@pytest.mark.parametrize("year", ["1900", "9998"])
def test_the_ends_of_the_calendar_are_answered_in_every_zone(year: str) -> None:
    for clock in ("01-01T00:00:00", "12-31T23:59:59"):
        for offset in ("+14:00", "-12:00"):
            for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
                assert "/publish_at" in faults(publish_at=f"{year}-{clock}{offset}", time_zone=zone)
