"""Figures: valid in CloudWatch's embedded metric format, exactly those of what has happened, and none for a repeat."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app import app
from chalicelib.core import metrics
from chalicelib.core.errors import MailRefused, RecipientRefused
from chalicelib.core.mail import CountedMailer, Mail, Stamp
from chalicelib.core.metrics import METRICS, Metric
from tests.faults import Fault, FaultyAws, Mode
from tests.infra.lambda_events import A_TICK
from tests.lines import Written, written
from tests.world import EDITOR, LIAISON, STAGES, World, a_form, a_world

STAMP = Stamp(id="m-1", at=datetime(2026, 5, 1, tzinfo=UTC))
AWS = FaultyAws()
UNITS = {
    "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits",
    "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count", "None",
}  # fmt: skip
EMF = Draft202012Validator(
    {
        "type": "object",
        "required": ["_aws"],
        "properties": {
            "_aws": {
                "type": "object",
                "required": ["Timestamp", "CloudWatchMetrics"],
                "properties": {
                    "Timestamp": {
                        "type": "integer",
                        "minimum": 1_600_000_000_000,
                        "maximum": 9_999_999_999_999,
                    },
                    "CloudWatchMetrics": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["Namespace", "Dimensions", "Metrics"],
                            "additionalProperties": False,
                            "properties": {
                                "Namespace": {"type": "string", "pattern": "^[A-Za-z0-9._/#:-]{1,255}$"},
                                "Dimensions": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": {
                                        "type": "array",
                                        "minItems": 1,
                                        "maxItems": 30,
                                        "uniqueItems": True,
                                        "items": {"type": "string", "pattern": "^[!-9;-~]{1,250}$"},
                                    },
                                },
                                "Metrics": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 100,
                                    "items": {
                                        "type": "object",
                                        "required": ["Name"],
                                        "additionalProperties": False,
                                        "properties": {
                                            "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                            "Unit": {"enum": sorted(UNITS)},
                                            "StorageResolution": {"enum": [1, 60]},
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            }
        },
    }
)
"""The specification "Embedded metric format", as far as a schema can say it."""


def faults(line: dict[str, Any]) -> list[str]:
    """What is wrong with a line as a figure: by the schema, and what the schema cannot say."""
    wrong = [error.message for error in EMF.iter_errors(line)]
    if wrong:
        return wrong
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for name in {name for dimensions in directive["Dimensions"] for name in dimensions}:
            value = line.get(name)
            if not isinstance(value, str) or not 1 <= len(value) <= 1024 or not value.isascii():
                wrong.append(f"dimension {name} is {value!r}")
        wrong += [
            f"{metric['Name']} is {line.get(metric['Name'])!r}"
            for metric in directive["Metrics"]
            if type(line.get(metric["Name"])) not in {int, float}
        ]
    return wrong


def story(heard: Written) -> Counter[tuple[str, ...]]:
    """How often each figure was emitted, with its dimensions; every line of them must be valid."""
    told = Counter[tuple[str, ...]]()
    for line in heard.lines():
        if "_aws" in line:
            assert faults(line) == [], line
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            by = [line[name] for name in directive["Dimensions"][0] if name != "Desk"]
            told.update((metric["Name"], *by) for metric in directive["Metrics"])
    return told


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(aws=AWS) as world:
        AWS.begin()
        yield world


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_figure_is_valid_in_the_embedded_format(metric: Metric) -> None:
    document = metrics.document({metric: 1}, tuple(f"value-{name}" for name in metric.by))
    assert faults(document) == []
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Imprimatur"
    assert directive["Dimensions"][0] == ["Desk", *metric.by]
    assert directive["Metrics"] == [{"Name": metric.name, "Unit": metric.unit}]


def test_the_check_of_the_format_finds_what_is_wrong() -> None:
    sound = metrics.document({metrics.WAITING: 1}, ("in_review",))
    for broken in (
        sound | {"_aws": {**sound["_aws"], "Timestamp": "2026-01-01T00:00:00Z"}},
        sound | {"State": ""},
        sound | {"Waiting": "1"},
        {name: value for name, value in sound.items() if name != "Desk"},
        {name: value for name, value in sound.items() if name != "_aws"},
    ):
        assert faults(broken), broken


def test_figures_of_different_dimensions_never_share_a_line() -> None:
    with pytest.raises(ValueError, match="different dimensions"):
        metrics.document({metrics.WAITING: 1, metrics.SWEPT: 1}, ("in_review",))
    with pytest.raises(ValueError, match="zip"):
        metrics.document({metrics.WAITING: 1}, ())


STATES = ("in_review", "scheduled", "publishing", "published", "archived")
LIFE = Counter[tuple[str, ...]](
    [
        *(("Submissions", state) for state in STATES),
        *((figure, stage) for figure in ("StageOpened", "StageSeconds") for stage in STAGES),
        ("PublishLateSeconds",),
        ("Deliveries", "website", "pending"),
        ("Deliveries", "wechat", "waiting_for_adapter"),
        ("Deliveries", "website", "done"),
        ("DeliverySeconds", "website"),
        ("ArchiveSeconds",),
        *[("Mails", "sent")] * 4,
        ("Notices", "published"),
    ]
)
"""One life: three links and a notice are mailed."""


def test_the_story_of_one_life_emits_exactly_its_figures(world: World) -> None:
    with written() as heard:
        world.publish(channels=["website", "wechat"], classification="public", wechat_title="停电通知")
    assert story(heard) == LIFE
    (waited,) = [line for line in heard.figures("StageSeconds") if line["Stage"] == "executive"]
    assert 0 < waited["StageSeconds"] < 60
    assert {line["Desk"] for line in heard.figures("Mails")} == {"imprimatur"}


def test_a_repeat_that_changes_nothing_counts_nothing(world: World) -> None:
    submission = world.submit(key="once")
    world.approve()
    world.finish()
    work = {"submission": submission, "revision": 1, "attempt": 1, "correlation_id": "c-1"}
    with written() as heard:
        world.submit(key="once", publish_at=world.record(submission)["form"]["publish_at"])
        app.handler_map["last_check"](work, None)
        app.handler_map["deliver"]({**work, "channel": "website"}, None)
        app.handler_map["archive"](work, None)
        published = world.events(submission, "Published")[0].document()
        world.parts.outbox.pass_on(published)
        world.parts.outbox.pass_on(published)
        world.finish()
    assert story(heard) == Counter()


def test_what_took_effect_although_its_answer_was_lost_counts_once_or_not_at_all(world: World) -> None:
    world.submit()
    point = next(point for point in AWS.points() if point.label == "TransactWriteItems Submitted")
    AWS.begin(Fault(point=point, mode=Mode.AFTER))
    form = a_form(world.now())
    with written() as heard:
        for _ in range(2):
            last = world.call(
                "POST", "/api/v1/submissions", form, as_=LIAISON, headers={"idempotency-key": "k"}
            )
    assert AWS.struck
    assert last.status == 201
    assert story(heard)["Submissions", "in_review"] <= 1
    assert story(heard)["UnforeseenErrors", "api_handler"] == 1


def test_what_could_not_be_committed_counts_nothing(world: World) -> None:
    world.submit()
    point = next(point for point in AWS.points() if point.label == "TransactWriteItems Submitted")
    AWS.begin(Fault(point=point, mode=Mode.BEFORE))
    with written() as heard:
        failed = world.call("POST", "/api/v1/submissions", a_form(world.now()), as_=LIAISON)
    assert failed.status == 500
    assert story(heard) == Counter({("UnforeseenErrors", "api_handler"): 1})


def test_a_return_a_refused_link_and_a_new_round_are_told_by_what_became_of_them(world: World) -> None:
    submission = world.submit()
    world.cloud.settle()
    with written() as heard:
        assert world.decide(EDITOR, "request_changes").status == 200
        world.cloud.settle()
        assert world.resubmit(submission).status == 201
        world.cloud.settle()
        assert world.withdraw(submission).status == 200
        world.finish()
    told = story(heard)
    assert [told["Submissions", state] for state in ("changes_requested", "in_review", "withdrawn")] == [
        1,
        1,
        1,
    ]
    assert told["Notices", "returned"] == 1
    assert told["Notices", "withdrawn"] == 1


def test_a_sweep_tells_what_waits_since_when_and_by_how_much_too_long(world: World) -> None:
    world.submit()
    world.cloud.settle()
    with written() as heard:
        app.handler_map["sweep"](A_TICK, None)
    told = {line["State"]: line for line in heard.figures("Waiting")}
    assert told.keys() == {"in_review", "awaiting_confirmation", "scheduled", "publishing", "published"}
    assert (told["in_review"]["Waiting"], told["in_review"]["OverdueSeconds"]) == (1, 0)
    assert told["in_review"]["OldestSeconds"] > 0
    assert (told["scheduled"]["Waiting"], told["scheduled"]["OldestSeconds"]) == (0, 0)
    (swept,) = heard.figures("Swept")
    assert (swept["Swept"], swept["Frozen"], swept["MostRestarts"]) == (1, 0, 0)
    with written() as heard, world.later(days=30):
        app.handler_map["sweep"](A_TICK, None)
    (reviewed,) = [line for line in heard.figures("OverdueSeconds") if line["State"] == "in_review"]
    assert reviewed["OldestSeconds"] > 29 * 24 * 3600
    assert 3600 < reviewed["OverdueSeconds"] < reviewed["OldestSeconds"]
    assert story(heard)["Restarted",] == 1


def test_nothing_is_overdue_while_a_freeze_holds_it_back(world: World) -> None:
    submission = world.submit()
    world.approve()
    world.freeze()
    world.finish()
    assert world.state(submission) == "scheduled"
    with world.later(hours=5):
        for frozen in (True, False):
            if not frozen:
                world.unfreeze()
            with written() as heard:
                app.handler_map["sweep"](A_TICK, None)
            (scheduled,) = [line for line in heard.figures("OverdueSeconds") if line["State"] == "scheduled"]
            (swept,) = heard.figures("Swept")
            assert (swept["Frozen"], scheduled["OverdueSeconds"] > 3600) == (int(frozen), not frozen)


def test_a_sweep_asks_no_more_of_the_table_for_its_figures(world: World) -> None:
    world.submit()
    world.cloud.settle()
    AWS.begin()
    app.handler_map["sweep"](A_TICK, None)
    calls = Counter(label.partition(" ")[0] for label in AWS.calls)
    assert calls == {"Query": 18, "BatchGetItem": 2}, (
        "what is in flight, what is frozen and what is on the board, as without figures"
    )


class Carrier:
    """Answers as it is told."""

    def __init__(self, answer: Exception | None) -> None:
        self._answer = answer

    def send(self, _mail: Mail) -> None:
        if self._answer is not None:
            raise self._answer


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (None, "sent"),
        (RecipientRefused(reason="MessageRejected"), "refused"),
        (MailRefused(reason="unreachable"), "not_taken"),
        (TimeoutError("no answer"), "unknown"),
    ],
)
def test_a_mail_counts_by_what_its_carrier_answered(answer: Exception | None, outcome: str) -> None:
    mail = Mail(to="a@example.com", subject="题", text="文", html="<p>文</p>", stamp=STAMP)
    with written() as heard, nullcontext() if answer is None else pytest.raises(type(answer)):
        CountedMailer(Carrier(answer)).send(mail)
    assert story(heard) == Counter({("Mails", outcome): 1})
