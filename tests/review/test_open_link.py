"""Opening a review link shows its reviewer what is to be reviewed, tells nobody else anything, and decides nothing."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.core.ids import fingerprint, new_secret
from chalicelib.people.model import Role
from chalicelib.review.store import link_key, waiting_key
from infra.local.clients import Clients
from tests.world import (
    EDITOR,
    HEAD,
    LIAISON,
    OTHER_LIAISON,
    PEOPLE,
    PROCEDURE,
    REVIEWERS,
    STAGES,
    Answer,
    World,
    a_person,
    a_world,
)

DEPUTY = a_person("deputy", (Role.DEPARTMENT_HEAD, "marketing"))
FORGERY = "0" * 64


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(*PEOPLE, DEPUTY) as world:
        yield world


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    """No test's mails come in among the next one's."""
    yield
    world.cloud.settle()


@pytest.fixture
def submission(world: World) -> str:
    """A submission that waits for its initial review."""
    submission = world.submit()
    world.cloud.settle()
    return submission


def decision(handle: str) -> dict[str, Any]:
    """A decision by somebody who never saw the text."""
    return {
        "handle": handle,
        "decision": "approve",
        "comment": "",
        "checklist": {},
        "content_digest": FORGERY,
    }


def refusal(answer: Answer) -> dict[str, Any]:
    """What a 404 says, but for the one thing that differs from answer to answer."""
    assert answer.status == 404, answer
    return {name: value for name, value in answer.body.items() if name != "correlation_id"}


def test_unknown_expired_anothers_and_superseded_links_get_one_and_the_same_404(
    world: World, submission: str
) -> None:
    world.approve("initial")
    world.cloud.settle()
    superseded = world.links(HEAD)[0]
    assert world.decide(DEPUTY, "request_changes").status == 200
    assert world.resubmit(submission, title="关于停电检修的通知（修订）").status == 201
    world.cloud.settle()
    mine = world.links(EDITOR)[0]

    refused = [refusal(world.open_link(new_secret(), EDITOR))]
    refused.append(refusal(world.open_link(mine, HEAD)))
    refused.append(refusal(world.open_link(superseded, HEAD)))
    with world.later(days=30):
        refused.append(refusal(world.open_link(mine, EDITOR)))
    assert world.open_link(mine, EDITOR).status == 200
    for handle, person in ((new_secret(), EDITOR), (mine, HEAD), (superseded, HEAD)):
        answer = world.call("POST", "/api/v1/review-links/decision", decision(handle), as_=person)
        refused.append(refusal(answer))
    assert all(answer == refused[0] for answer in refused)
    assert refused[0]["code"] == "not_found"


def test_a_link_lives_thirty_days_and_not_a_moment_longer(world: World, submission: str) -> None:
    handle = world.links(EDITOR)[0]
    with world.later(days=29, hours=23, minutes=59):
        assert world.open_link(handle, EDITOR).status == 200
    with world.later(days=30):
        assert world.open_link(handle, EDITOR).status == 404


def test_opening_without_a_session_is_refused_and_changes_nothing(world: World, submission: str) -> None:
    handle = world.links(EDITOR)[0]
    before = world.items()
    assert world.open_link(handle, None).status == 401
    answer = world.call("POST", "/api/v1/review-links/decision", decision(handle))
    assert (answer.status, answer.body["code"]) == (401, "not_signed_in")
    assert world.items() == before


def test_a_scanner_that_follows_the_mails_address_finds_nothing_that_decides(
    world: World, submission: str
) -> None:
    before = world.items()
    for method in ("GET", "HEAD"):
        world.cloud.http.open("/r", method=method)
        for path in ("/api/v1/review-links", "/api/v1/review-links/decision"):
            assert world.cloud.http.open(path, method=method).status_code >= 400
    assert world.items() == before


def test_opening_shows_the_text_its_checklist_and_its_digest_and_changes_nothing(
    world: World, submission: str
) -> None:
    """Clause 3.2.2: the reviewer gets the checklist of the stage."""
    handle = world.links(EDITOR)[0]
    world.token(EDITOR)
    before = world.items()
    seen = world.open_link(handle, EDITOR).body
    assert world.items() == before
    head = world.plain_journal.head(submission)
    assert seen["stage"] == "initial"
    assert seen["submission"]["id"] == submission
    assert seen["submission"]["form"]["title"] == head.title
    assert seen["content_digest"] == head.content_digest
    assert (seen["diff"], seen["decision"]) == (None, None)
    assert [item["id"] for item in seen["checklist"]] == [
        item.id for item in PROCEDURE.checklist(head.stage or pytest.fail("no stage"))
    ]


def test_a_forwarded_link_opens_for_no_colleague_and_the_ledger_tells_it_once(
    world: World, submission: str
) -> None:
    handle = world.links(EDITOR)[0]
    for _ in range(3):
        assert world.open_link(handle, OTHER_LIAISON).status == 404
    answer = world.call("POST", "/api/v1/review-links/decision", decision(handle), as_=OTHER_LIAISON)
    assert answer.status == 404
    (refused,) = world.events(submission, "ReviewLinkRefused")
    assert refused.actor == OTHER_LIAISON.id
    assert refused.payload == {"revision": 1, "stage": "initial", "reviewer": EDITOR.id}

    assert world.open_link(handle, HEAD).status == 404
    assert [event.actor for event in world.events(submission, "ReviewLinkRefused")] == [
        OTHER_LIAISON.id,
        HEAD.id,
    ]
    assert world.decide(EDITOR).status == 200, "the reviewer's own link is as good as ever"


def test_the_reviewer_is_told_who_else_opened_the_link_once_and_without_a_link_to_decide(
    world: World, submission: str
) -> None:
    handle = world.links(EDITOR)[0]
    for _ in range(2):
        assert world.open_link(handle, OTHER_LIAISON).status == 404
    world.cloud.settle()
    subject = "他人打开了您的审核链接：关于五一期间办公区停电检修的通知"
    (mail,) = [m for m in world.cloud.mails() if m.subject == subject and submission in m.text]
    assert mail.to == EDITOR.email
    assert OTHER_LIAISON.name in mail.text
    assert "/r#" not in mail.text + mail.html


def test_a_used_link_shows_the_recorded_decision_even_after_a_new_round(
    world: World, submission: str
) -> None:
    handle = world.links(EDITOR)[0]
    assert world.decide(EDITOR, "request_changes", comment="请写明联系人。").status == 200
    shown = world.open_link(handle, EDITOR).body["decision"]
    assert (shown["decision"], shown["comment"]) == ("request_changes", "请写明联系人。")
    assert shown["reviewer"] == EDITOR.id

    assert world.resubmit(submission, title="关于停电检修的通知（修订）").status == 201
    again = world.open_link(handle, EDITOR)
    assert (again.status, again.body["decision"]) == (200, shown)


def test_a_link_whose_stage_a_colleague_decided_shows_that_decision(world: World, submission: str) -> None:
    world.approve("initial")
    world.cloud.settle()
    assert world.decide(DEPUTY).status == 200
    shown = world.open_link(world.links(HEAD)[0], HEAD).body
    assert shown["decision"]["reviewer"] == DEPUTY.id


def test_the_mail_holds_one_link_whose_handle_is_in_the_fragment(world: World, submission: str) -> None:
    mail = next(mail for mail in world.cloud.mails() if mail.to == EDITOR.email)
    (link,) = mail.links
    assert link.startswith("https://desk.test/r#")
    assert len(link.partition("#")[2]) >= 43, "256 bits in base64"


def test_the_table_knows_a_handle_by_its_hash_alone(world: World, submission: str) -> None:
    handle = world.links(EDITOR)[0]
    items = world.items()
    assert (f"LINK#{fingerprint(handle)}", "LINK") in items
    assert handle not in repr(items)
    record = world.plain_table.get(link_key(handle))
    assert record is not None
    assert record.expires_at is not None, "the table's TTL takes it away"


def test_a_confidential_title_is_in_no_mail(world: World) -> None:
    """Clause 1.3.4: a mailbox is no place for it."""
    title, summary = "收购蓝鲸公司的董事会决定", "代号蓝鲸的收购将于六月签约。"
    world.submit(
        title=title,
        summary=summary,
        classification="confidential",
        channels=["email"],
        audience=["marketing"],
    )
    before = len(world.cloud.mails())
    world.approve()
    mails = world.cloud.mails()
    assert len(mails) >= before + len(STAGES)
    said = "".join(mail.subject + mail.text + mail.html for mail in mails)
    assert "蓝鲸" not in said


def test_no_handle_token_or_session_is_in_a_log_or_in_an_executions_history(
    world: World, submission: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The task token stands in the call that hands it over and nowhere else; inputs hold ids only."""
    secrets, tokens = set[str](), set[str]()
    with caplog.at_level(logging.INFO):
        for stage in STAGES:
            world.cloud.settle()
            waiting = world.plain_table.get(waiting_key(submission))
            assert waiting is not None
            tokens.add(waiting.token)
            reviewer = REVIEWERS[stage]
            secrets |= {world.links(reviewer)[0], world.token(reviewer)}
            assert world.open_link(world.links(reviewer)[0], LIAISON).status == 404
            assert world.decide(reviewer).status == 200
        world.finish()
    printed = capsys.readouterr()
    logged = caplog.text + printed.out + printed.err
    assert len(tokens) == len(STAGES)
    assert [secret for secret in secrets | tokens if secret in logged] == []

    states = Clients()("stepfunctions")
    ours = [execution for execution in executions(states) if submission in execution["name"]]
    assert len(ours) == 2
    seen = set[str]()
    for execution in ours:
        told = states.describe_execution(executionArn=execution["executionArn"])
        assert [secret for secret in secrets | tokens if secret in told["input"] + told["output"]] == []
        argument = json.loads(told["input"])
        assert submission == argument.pop("submission")
        assert argument.keys() <= {
            "revision",
            "attempt",
            "stage",
            "timeout_seconds",
            "reminded",
            "hold_seconds",
            "outcome",
            "publish_at",
            "correlation_id",
        }
        history = states.get_execution_history(executionArn=execution["executionArn"])["events"]
        for event in history:
            event.pop("timestamp")
            text = json.dumps(event, default=str)
            assert [secret for secret in secrets if secret in text] == []
            if event["type"] == "TaskScheduled":
                seen |= {token for token in tokens if token in text}
            else:
                assert [token for token in tokens if token in text] == [], event["type"]
    assert seen == tokens


def executions(states: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - botocore makes its clients' classes at run time
    return [
        execution
        for machine in states.list_state_machines()["stateMachines"]
        for execution in states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
    ]
