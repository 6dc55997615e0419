"""What a submission costs, on a specimen: a body of 3 KB, the website only. A change that adds a call is a decision."""

from collections.abc import Callable

from chalicelib.submission.store import put_procedure
from infra.capacity.meter import WriteMeter
from tests.faults import FaultyAws
from tests.world import EDITOR, LIAISON, REVIEWERS, SHIPPED, STAGES, World, a_form, a_world

AWS = FaultyAws()
BODY = "## 停电检修\n\n" + "请各部门提前保存数据并关闭电源。" * 63


def calls() -> list[str]:
    """The calls since the last `begin`, rate limits left out."""
    return [label for label in AWS.calls if not label.startswith("UpdateItem *")]


def specimen(world: World) -> str:
    answer = world.call(
        "POST",
        "/api/v1/submissions",
        a_form(world.now(), body=BODY),
        as_=LIAISON,
        headers={"idempotency-key": "k"},
    )
    assert answer.status == 201, answer
    return str(answer.body["id"])


def test_specimen_is_three_kilobytes() -> None:
    assert 3000 <= len(BODY.encode()) <= 3100


def test_submit_open_and_decide_make_few_aws_calls() -> None:
    with a_world(aws=AWS) as world:
        world.token(LIAISON), world.token(EDITOR)
        AWS.begin()
        specimen(world)
        assert len(calls()) <= 3, calls()
        world.cloud.settle()
        handle = world.links(EDITOR)[0]
        AWS.begin()
        seen = world.call("POST", "/api/v1/review-links", {"handle": handle}, as_=EDITOR)
        assert len(calls()) <= 3, calls()
        opinion = {
            "handle": handle,
            "decision": "approve",
            "comment": "同意。",
            "checklist": {item["id"]: True for item in seen.body["checklist"]},
            "content_digest": seen.body["content_digest"],
        }
        AWS.begin()
        assert world.call("POST", "/api/v1/review-links/decision", opinion, as_=EDITOR).status == 200
        assert len(calls()) <= 4, calls()


def test_one_life_enters_few_states_and_writes_few_units(
    record_property: Callable[[str, object], None],
) -> None:
    with a_world(aws=AWS) as world:
        vars(world.parts.procedures)["present"] = SHIPPED
        world.plain_table.put(put_procedure(SHIPPED))  # its first request kept it, long ago
        meter = WriteMeter()
        AWS.begin()
        AWS.watch = meter.see
        try:
            submission = specimen(world)
            for stage in STAGES:
                world.finish()
                assert world.decide(REVIEWERS[stage]).status == 200
            world.finish()
        finally:
            AWS.watch = None
        assert world.state(submission) == "archived"
        assert "BatchGetItem ALL" not in calls(), (
            "what is frozen is read beside something else, never by itself"
        )
        entered = sum(sum(ran.entered.values()) for ran in world.cloud.executions())
        record_property(
            "figure",
            f"one life: {entered} state entries, {meter.total} write units, {len(calls())} AWS calls",
        )
        assert entered <= 14, [ran.entered for ran in world.cloud.executions()]
        assert meter.total <= 121, meter.by_kind
