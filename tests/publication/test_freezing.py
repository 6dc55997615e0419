"""The brake: who may pull it and let go, what it holds back, and what becomes of that (clause 5.1.2)."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.bootstrap import POLICIES
from chalicelib.core.clock import to_text
from chalicelib.core.errors import ChannelsFrozen
from chalicelib.core.table import Put
from chalicelib.ledger.model import Cause, Draft, Event, chain_faults
from chalicelib.ledger.store import events_of
from chalicelib.people.model import Person, Role
from chalicelib.people.store import put_person
from chalicelib.publication.freeze import CHAIN
from chalicelib.publication.store import FREEZES_KEY, FreezeRecord, entries_under, unfinished_of
from chalicelib.submission.model import Channel
from chalicelib.submission.store import put_head
from tests.faults import Fault, FaultyAws, Mode, Point
from tests.world import (
    ARCHIVIST,
    DIRECTOR,
    EDITOR,
    EXECUTIVE,
    HEAD,
    LIAISON,
    PEOPLE,
    Answer,
    Gate,
    World,
    a_person,
    a_world,
)

AWS = FaultyAws()
SECOND = a_person("second", (Role.CENTER_DIRECTOR, "center"))
LEAVER = a_person("leaver", (Role.CENTER_EDITOR, "center"))
ANYTHING = Draft(type="Prepared", cause=Cause(actor="service:test", correlation_id="c-test"))
BLIND = a_person("blind", (Role.CENTER_EDITOR, "center"), (Role.ADMINISTRATOR, "research"))
"""An editor who, as an administrator, reads nothing confidential."""

EVERYBODY = (*PEOPLE, DIRECTOR, SECOND, LEAVER, BLIND)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*EVERYBODY, aws=AWS) as world:
        yield world


@pytest.fixture(autouse=True)
def free(world: World) -> Iterator[None]:
    """No test's freeze is left to the next one."""
    yield
    AWS.watch = None
    AWS.begin()
    for freeze in world.parts.freezing.present().at(world.now()):
        world.unfreeze(freeze.scope)
    world.finish()


def freeze(world: World, as_: Person = EDITOR, **said: str) -> Answer:
    return world.call("POST", "/api/v1/freezes", {"scope": "all", "reason": "误发，核实中。"} | said, as_=as_)


def lift(world: World, as_: Person = DIRECTOR, **said: object) -> Answer:
    body = {"scope": "all", "reason": "已核实。"} | said
    return world.call("POST", "/api/v1/freezes/lift", body, as_=as_)


def seen(world: World, as_: Person = EDITOR) -> dict[str, Any]:
    answer = world.call("GET", "/api/v1/freezes", as_=as_)
    assert answer.status == 200, answer
    return answer.body


def told(world: World) -> list[Event]:
    """The chain of freezes, which is sound."""
    events = list(events_of(world.plain_table, CHAIN))
    assert chain_faults(events) == []
    return events


def held(world: World, **changes: Any) -> str:  # noqa: ANN401 — as in a_form
    """A submission that falls due while something is frozen."""
    submission = world.publish(**changes)
    assert world.state(submission) in {"scheduled", "publishing"}
    return submission


def overdue(world: World, submission: str, **time: float) -> None:
    """Let it have fallen due so long ago."""
    head = world.plain_journal.head(submission)
    due_at = world.now() - timedelta(**time)
    world.plain_table.put(put_head(replace(head, due_at=due_at), expected_seq=head.seq))


def unfinished(world: World, submission: str) -> tuple[Channel, ...]:
    head = world.plain_journal.head(submission)
    return unfinished_of(world.plain_table, [head]).get(submission, ())


def shown(world: World) -> list[str]:
    """The submissions that the intranet shows."""
    return [entry.submission for entry in entries_under(world.plain_table, "internal")]


def machines(world: World, submission: str) -> list[str]:
    """How the publication machines of a submission have ended."""
    return [
        ran.status
        for ran in world.cloud.executions()
        if ran.machine == "imprimatur-publication" and ran.name.startswith(submission)
    ]


# Who, why, until when


def test_a_freeze_is_told_in_a_chain_of_its_own_with_who_why_until_when_and_the_policy_line(
    world: World,
) -> None:
    """Clause 5.1.2: who, why, until when, in the ledger."""
    until = to_text(world.now() + timedelta(hours=2))
    answer = freeze(world, scope="email", reason="网关检修。", until=until)
    assert answer.status == 200
    event = told(world)[-1]
    assert answer.body["freeze"] == {
        "scope": "email",
        "reason": "网关检修。",
        "by": EDITOR.id,
        "actor": EDITOR.id,
        "since": to_text(event.at),
        "until": until,
        "seq": event.seq,
    }
    assert (event.submission, event.type, event.actor) == ("publishing", "PublishingFrozen", EDITOR.id)
    assert event.payload == {
        "scope": "email",
        "reason": "网关检修。",
        "since": to_text(event.at),
        "until": until,
    }
    assert event.policy is not None
    line = (POLICIES / "policy.csv").read_text().split("\n")[event.policy.line - 1]
    assert line == "p, publication.freeze, role:center_editor, of_the_center, allow"
    assert event.correlation_id == answer.body["correlation_id"]
    assert seen(world)["freezes"] == [answer.body["freeze"]]
    assert seen(world)["history"][0]["seq"] == event.seq


def test_whoever_of_the_center_is_at_hand_freezes_and_only_the_director_lifts(world: World) -> None:
    """Clause 5.1.2: who may stop, and who lets go."""
    before = told(world)
    for person in (LIAISON, HEAD, EXECUTIVE, ARCHIVIST):
        assert freeze(world, person).status == 403
        assert lift(world, person).status == 403
        assert world.call("GET", "/api/v1/freezes", as_=person).status == 403
    assert freeze(world, DIRECTOR).status == 200
    assert lift(world, EDITOR).status == 403
    assert [event.type for event in told(world)[len(before) :]] == ["PublishingFrozen"]
    assert seen(world, EDITOR)["may_lift"] is False
    assert seen(world, DIRECTOR)["may_lift"] is True
    assert lift(world).status == 200
    assert seen(world)["freezes"] == []


def test_the_same_again_changes_nothing_and_another_reason_or_end_is_another_event(world: World) -> None:
    first = freeze(world).body["freeze"]
    assert freeze(world, DIRECTOR).body["freeze"] == first
    changed = freeze(world, DIRECTOR, reason="另有一处泄露。").body["freeze"]
    assert (changed["since"], changed["seq"]) == (first["since"], first["seq"] + 1)
    assert (changed["reason"], changed["by"]) == ("另有一处泄露。", DIRECTOR.id)
    assert seen(world)["freezes"] == [changed]
    assert [event.type for event in told(world)[-2:]] == ["PublishingFrozen"] * 2


def test_to_end_it_sooner_is_to_lift_it(world: World) -> None:
    freeze(world)
    soon = to_text(world.now() + timedelta(minutes=1))
    refused = freeze(world, until=soon)
    assert refused.status == 422
    assert [(e["pointer"], e["code"]) for e in refused.body["errors"]] == [("/until", "sooner_than_stands")]
    assert freeze(world, DIRECTOR, until=soon).body["freeze"]["until"] == soon
    line = told(world)[-1].policy
    assert line is not None
    assert "publication.unfreeze" in (POLICIES / "policy.csv").read_text().split("\n")[line.line - 1]
    later = to_text(world.now() + timedelta(hours=1))
    assert freeze(world, until=later).body["freeze"]["until"] == later, "longer is anybody's who may freeze"


def test_an_end_that_has_passed_is_told(world: World) -> None:
    refused = freeze(world, until=to_text(world.now() - timedelta(seconds=1)))
    assert [(e["pointer"], e["code"]) for e in refused.body["errors"]] == [("/until", "end_has_passed")]
    assert seen(world)["freezes"] == []


def test_letting_go_of_what_is_not_held_says_so(world: World) -> None:
    before = told(world)
    assert (lift(world).status, lift(world).body["code"]) == (409, "not_frozen")
    freeze(world, scope="website")
    assert lift(world).body["code"] == "not_frozen", "the whole is not frozen, one channel is"
    assert lift(world, scope="website").status == 200
    assert len(told(world)) == len(before) + 2


def test_a_freeze_that_somebody_has_changed_is_not_lifted_unseen(world: World) -> None:
    old = freeze(world).body["freeze"]
    new = freeze(world, reason="又发现一处误发。").body["freeze"]
    assert (lift(world, seq=old["seq"]).status, lift(world, seq=old["seq"]).body["code"]) == (409, "stale")
    assert seen(world)["freezes"] == [new]
    assert lift(world, seq=new["seq"]).status == 200


# What it holds back


def test_the_whole_and_a_channel_may_be_frozen_at_once_and_both_count(world: World) -> None:
    """Clause 5.1.2: per channel or whole."""
    freeze(world)
    freeze(world, scope="website")
    submission = held(world)
    lifted = lift(world)
    assert lifted.body["waited"][0]["outcome"] == "still_frozen"
    world.finish()
    assert world.state(submission) == "scheduled", "the channel's own freeze stands"
    assert lift(world, scope="website").body["waited"][0]["outcome"] == "goes_on"
    world.finish()
    assert world.state(submission) == "archived"


def test_only_the_frozen_channel_waits_and_goes_on_by_itself_when_let_go(world: World) -> None:
    """Clause 5.1.2: per channel; what was due meanwhile waits and is listed when the freeze ends."""
    freeze(world, scope="email")
    submission = held(world, channels=["website", "email"], title="只等邮件")
    assert world.state(submission) == "publishing"
    assert unfinished(world, submission) == (Channel.EMAIL,)
    assert submission in shown(world)
    assert machines(world, submission) == ["SUCCEEDED"], "the machine need not wait for the thaw"
    other = world.publish()
    assert world.state(other) == "archived", "what does not use the channel is not concerned"
    (waits,) = seen(world)["waiting"]
    assert (waits["submission"], waits["channels"]) == (submission, ["email"])
    lifted = lift(world, scope="email")
    assert [(w["submission"], w["outcome"]) for w in lifted.body["waited"]] == [(submission, "goes_on")]
    world.finish()
    assert world.state(submission) == "archived"
    assert machines(world, submission) == ["SUCCEEDED"] * 2
    assert sum(mail.subject == "只等邮件" for mail in world.cloud.mails()) == len(EVERYBODY)
    assert len(world.events(submission, "Delivered")) == 2
    assert chain_faults(world.events(submission)) == []


def test_an_item_whose_every_channel_is_frozen_stays_scheduled_and_may_still_be_withdrawn(
    world: World,
) -> None:
    freeze(world, scope="website")
    freeze(world, scope="notice_board")
    submission = held(world, channels=["website", "notice_board"])
    assert world.state(submission) == "scheduled"
    assert world.withdraw(submission).status == 200
    lift(world, scope="website")
    lift(world, scope="notice_board")
    world.finish()
    assert world.state(submission) == "withdrawn"


def test_what_waited_is_listed_with_what_becomes_of_it_in_answer_and_ledger(world: World) -> None:
    """Clause 5.1.2: what was due meanwhile is listed when the freeze ends."""
    freeze(world)
    late = held(world, title="过时的通知")
    overdue(world, late, hours=49)
    fresh = held(world, title="今天的通知")
    secret = held(
        world, title="保密事项", classification="confidential", channels=["email"], audience=["marketing"]
    )
    blind = seen(world, BLIND)
    assert {each["submission"] for each in blind["waiting"]} == {late, fresh}
    assert blind["waiting_count"] == 3
    expected = {late: "needs_person", fresh: "goes_on", secret: "goes_on"}
    assert {each["submission"]: each["outcome"] for each in seen(world)["waiting"]} == expected
    answer = lift(world)
    assert {each["submission"]: each["outcome"] for each in answer.body["waited"]} == expected
    assert answer.body["waited_count"] == 3
    ended = told(world)[-1]
    assert {each["submission"]: each["outcome"] for each in ended.payload["waited"]} == expected
    assert "过时的通知" not in json.dumps(ended.document(), ensure_ascii=False), "the ledger names no text"
    world.finish()
    assert world.record(late)["reason"] == "too_late"
    assert world.state(fresh) == "archived"
    assert world.state(secret) == "archived"


def test_what_one_channel_already_shows_goes_on_in_the_other_however_late(world: World) -> None:
    freeze(world, scope="email")
    submission = held(world, channels=["website", "email"])
    with world.later(hours=49):
        assert lift(world, scope="email").body["waited"][0]["outcome"] == "goes_on"
        world.finish()
        assert world.state(submission) == "archived"


def test_after_its_end_a_freeze_counts_for_nothing_and_the_next_sweep_begins_what_waited(
    world: World,
) -> None:
    """Clause 5.1.2: until when; readers compare the clock."""
    until = to_text(world.now() + timedelta(minutes=30))
    freeze(world, until=until)
    submission = held(world)
    with world.later(minutes=31):
        assert seen(world)["freezes"] == []
        assert lift(world).body["code"] == "not_frozen", "it has ended by itself"
        assert world.state(world.publish()) == "archived", "without anybody having recorded the end"
        assert world.state(submission) == "scheduled"
        world.parts.sweeper.sweep()
        world.finish()
        assert world.state(submission) == "archived", "although it is not overdue for the sweeper's patience"
    ended = told(world)[-1]
    assert (ended.type, ended.actor, ended.policy) == ("PublishingUnfrozen", "service:publication", None)
    assert ended.payload["expired"] is True
    assert ended.payload["ended_at"] == until
    assert [w["submission"] for w in ended.payload["waited"]] == [submission]
    before = told(world)
    with world.later(minutes=32):
        world.parts.sweeper.sweep()
    assert told(world) == before, "recorded once"


def test_a_channel_that_ends_while_another_is_served_is_begun_by_the_next_sweep_too(world: World) -> None:
    freeze(world, scope="website", until=to_text(world.now() + timedelta(minutes=30)))
    submission = held(world, channels=["website", "email"])
    with world.later(minutes=31):
        head = world.plain_journal.head(submission)
        world.plain_journal.commit(head, head, [ANYTHING])
        world.parts.sweeper.sweep()
        world.finish()
        assert world.state(submission) == "archived"


def test_the_sweeper_begins_nothing_that_is_frozen_and_nothing_twice(world: World) -> None:
    freeze(world, scope="website")
    submission = held(world)
    with world.later(hours=5):
        world.parts.sweeper.sweep()
        world.finish()
        assert world.plain_journal.head(submission).attempt == 1
        lift(world, scope="website")
        world.cloud.pumps.duplicate = True
        world.finish()
        world.cloud.pumps.duplicate = False
        assert world.state(submission) == "archived"
        assert world.plain_journal.head(submission).attempt == 2
        assert len(world.events(submission, "WorkflowRestarted")) == 1


def test_what_is_published_and_not_yet_archived_is_archived_during_a_freeze(world: World) -> None:
    def fail(operation: str, params: Mapping[str, Any]) -> None:
        if operation == "PutObject" and "archive" in str(params.get("url")):
            raise ConnectionError(operation)

    AWS.watch = fail
    submission = world.publish()
    AWS.watch = None
    assert world.state(submission) == "published"
    freeze(world)
    with world.later(hours=2):
        world.parts.sweeper.sweep()
        world.finish()
    assert world.state(submission) == "archived", "nobody is delivered to by archiving"


# Races


def test_no_delivery_begins_once_a_freeze_is_committed(world: World) -> None:
    """Clause 5.1.2: stops all channels."""
    struck = itertools.count()

    def meanwhile(operation: str, params: Mapping[str, Any]) -> None:
        if operation == "PutItem" and b"DELIVERY#" in params["body"] and next(struck) == 0:
            world.freeze()

    AWS.watch = meanwhile
    submission = world.publish()
    AWS.watch = None
    assert next(struck) > 0
    assert world.state(submission) == "publishing"
    assert submission not in shown(world)
    head = world.plain_journal.head(submission)
    work = {"submission": submission, "revision": 1, "attempt": head.attempt, "channel": "website"}
    with pytest.raises(ChannelsFrozen):
        world.parts.delivering.deliver(work)
    world.unfreeze()
    world.finish()
    assert world.state(submission) == "archived"
    assert shown(world).count(submission) == 1


def at_once(*steps: Callable[[], Answer]) -> list[int]:
    """Take all steps at once; the status of each answer."""
    answers = dict[int, int]()

    def take(place: int, step: Callable[[], Answer]) -> None:
        answers[place] = step().status

    threads = [threading.Thread(target=take, args=each) for each in enumerate(steps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[place] for place in range(len(steps))]


def test_of_two_who_freeze_at_once_exactly_one_freeze_stands(world: World) -> None:
    for person in (EDITOR, DIRECTOR):
        world.token(person)
    before = told(world)
    AWS.watch = Gate("PublishingFrozen", 2)
    assert at_once(lambda: freeze(world), lambda: freeze(world, DIRECTOR)) == [200, 200]
    assert len(told(world)) == len(before) + 1, "the same freeze is one freeze"
    lift(world)
    AWS.watch = Gate("PublishingFrozen", 2)
    assert at_once(lambda: freeze(world, reason="甲"), lambda: freeze(world, DIRECTOR, reason="乙")) == [
        200,
        200,
    ]
    (stands,) = seen(world)["freezes"]
    assert stands["reason"] == told(world)[-1].payload["reason"]
    assert len(told(world)) == len(before) + 4


def test_of_two_who_lift_at_once_one_does_and_the_other_is_told(world: World) -> None:
    freeze(world)
    for person in (SECOND, DIRECTOR):
        world.token(person)
    before = told(world)
    AWS.watch = Gate("PublishingUnfrozen", 2)
    assert sorted(at_once(lambda: lift(world), lambda: lift(world, SECOND))) == [200, 409]
    assert len(told(world)) == len(before) + 1


def test_freezing_anew_while_somebody_lifts_leaves_the_new_freeze(world: World) -> None:
    freeze(world)
    struck = itertools.count()

    def meanwhile(operation: str, params: Mapping[str, Any]) -> None:
        if (
            operation == "TransactWriteItems"
            and b"PublishingUnfrozen" in params["body"]
            and next(struck) == 0
        ):
            assert freeze(world, reason="又发现一处。").status == 200

    AWS.watch = meanwhile
    assert lift(world).status == 409
    AWS.watch = None
    (stands,) = seen(world)["freezes"]
    assert stands["reason"] == "又发现一处。"
    assert told(world)[-1].type == "PublishingFrozen"


# Crashes; those of freezing, lifting and going on are in tests/test_crash_matrix.py


@pytest.mark.parametrize("mode", Mode)
def test_the_end_of_a_freeze_is_recorded_once_whatever_fails(world: World, mode: Mode) -> None:
    freeze(world, until=to_text(world.now() + timedelta(minutes=30)))
    submission, before = held(world), told(world)
    AWS.begin(Fault(point=Point(label="TransactWriteItems PublishingUnfrozen", nth=1), mode=mode))
    with world.later(minutes=31):
        world.parts.sweeper.sweep()
        assert AWS.struck
        world.parts.sweeper.sweep()
        world.finish()
    assert [event.type for event in told(world)[len(before) :]] == ["PublishingUnfrozen"]
    assert world.state(submission) == "archived"
    assert shown(world).count(submission) == 1


@pytest.mark.parametrize("mode", Mode)
def test_a_machine_that_cannot_see_what_is_frozen_ends_no_differently(world: World, mode: Mode) -> None:
    freeze(world, scope="email")
    AWS.begin(Fault(point=Point(label="BatchGetItem ALL", nth=1), mode=mode))
    submission = held(world, channels=["website", "email"], audience=["marketing"])
    assert AWS.struck, "the archive looks whether what is left is frozen"
    assert machines(world, submission) == ["SUCCEEDED"]
    lift(world, scope="email")
    world.finish()
    assert world.state(submission) == "archived"
    assert len(world.events(submission, "Delivered")) == 2


# What the table may hold


def test_a_freeze_of_the_first_shape_counts_and_can_be_lifted(world: World) -> None:
    world.plain_table.delete(FREEZES_KEY)
    before = told(world)
    old = FreezeRecord(pk=FREEZES_KEY.pk, sk=FREEZES_KEY.sk, reason="旧的暂停")
    world.plain_table.put(Put(record=old))
    submission = held(world)
    (stands,) = seen(world)["freezes"]
    assert (stands["scope"], stands["reason"], stands["until"]) == ("all", "旧的暂停", None)
    assert lift(world).status == 200
    assert len(told(world)) == len(before) + 1, "the chain goes on where it ended"
    world.finish()
    assert world.state(submission) == "archived"


def test_an_item_that_is_lost_brings_neither_the_chain_nor_the_brake_out_of_step(world: World) -> None:
    freeze(world)
    world.plain_table.delete(FREEZES_KEY)
    assert freeze(world).status == 200
    assert [event.type for event in told(world)[-2:]] == ["PublishingFrozen"] * 2
    assert lift(world).status == 200


def test_a_duty_that_ends_meanwhile_freezes_nothing(world: World) -> None:
    def meanwhile(operation: str, params: Mapping[str, Any]) -> None:
        if operation == "TransactWriteItems" and b"PublishingFrozen" in params["body"]:
            gone = replace(LEAVER, duties=(), version=LEAVER.version + 1)
            world.plain_table.put(put_person(gone))

    AWS.watch = meanwhile
    assert freeze(world, LEAVER).status == 409
    AWS.watch = None
    assert seen(world)["freezes"] == []


def test_the_longest_reasons_on_every_scope_fit(world: World) -> None:
    reason = "停" * 500
    for scope in ("all", *Channel):
        assert freeze(world, scope=scope, reason=reason).status == 200
    assert [each["scope"] for each in seen(world)["freezes"]] == ["all", *Channel]
