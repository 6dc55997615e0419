"""A department's stack: who may send and read what, and what the code relies on (clauses 1.3.3, 3.1.1, 5.3.1)."""

import json
import re
from typing import Any

import pytest

from chalicelib.submission.letters import (
    TRIES,
    dead_letters_queue,
    replies_queue,
    submissions_queue,
)
from infra.local.clients import Clients
from infra.local.resources import TemplateError, create
from infra.package import ROOT
from infra.templates import load
from tests.senders import SQS, System
from tests.world import a_world

STACKS = ROOT / "infra" / "stacks"
TEMPLATE = load(STACKS / "department.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
QUEUES = {name: one["Properties"] for name, one in RESOURCES.items() if one["Type"] == "AWS::SQS::Queue"}


def statements(queue: str) -> list[dict[str, Any]]:
    """The policy of a queue; every one has its own."""
    (policy,) = (
        one["Properties"]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::SQS::QueuePolicy" and one["Properties"]["Queues"] == [{"Ref": queue}]
    )
    return list(policy["PolicyDocument"]["Statement"])


def test_queues_are_called_as_the_code_calls_them() -> None:
    names = {name: queue["QueueName"]["Fn::Sub"] for name, queue in QUEUES.items()}
    assert names == {
        "Submissions": "${Prefix}-" + submissions_queue("${Department}"),
        "Replies": "${Prefix}-" + replies_queue("${Department}"),
        "DeadLetters": "${Prefix}-" + dead_letters_queue("${Department}"),
    }


def test_sender_may_send_and_read_its_answers_and_nothing_else() -> None:
    """Clauses 3.1.1, 5.3.1."""
    allowed = {
        (queue, action, json.dumps(statement["Principal"]))
        for queue in QUEUES
        for statement in statements(queue)
        if statement["Effect"] == "Allow"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    sender = json.dumps({"AWS": {"Ref": "SenderArn"}})
    assert allowed == {
        ("Submissions", "sqs:SendMessage", sender),
        ("Replies", "sqs:ReceiveMessage", sender),
        ("Replies", "sqs:DeleteMessage", sender),
    }


def test_a_message_is_tried_as_often_as_the_code_thinks_and_kept_as_long_as_can_be() -> None:
    """Clause 1.3.3: nothing that was sent is dropped."""
    assert QUEUES["Submissions"]["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]},
        "maxReceiveCount": TRIES,
    }
    assert {queue["MessageRetentionPeriod"] for queue in QUEUES.values()} == {14 * 24 * 3600}


def test_what_the_desk_notes_on_a_letter_fits_beside_the_longest_one() -> None:
    room = QUEUES["DeadLetters"]["MaximumMessageSize"] - QUEUES["Submissions"]["MaximumMessageSize"]
    assert room >= 4096


def test_longest_department_of_the_default_environment_still_gives_a_queue_a_name() -> None:
    prefix, department = (TEMPLATE["Parameters"][name] for name in ("Prefix", "Department"))
    longest = "a" * 40
    assert re.fullmatch(department["AllowedPattern"], longest)
    assert len(f"{prefix['Default']}-{dead_letters_queue(longest)}") <= 80


def test_laptop_makes_the_queues_of_the_template() -> None:
    with a_world(departments=("marketing",)) as world:
        for name, queue in QUEUES.items():
            kind = {
                "Submissions": submissions_queue,
                "Replies": replies_queue,
                "DeadLetters": dead_letters_queue,
            }[name]
            url = world.parts.queues.url(kind("marketing"))
            attributes = SQS().get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            assert attributes["MaximumMessageSize"] == str(queue["MaximumMessageSize"])
            assert attributes["MessageRetentionPeriod"] == str(queue["MessageRetentionPeriod"])


def test_laptop_hands_attributes_over_as_lambda_does() -> None:
    with a_world(departments=("marketing",)) as world:
        system = System(world=world)
        system.send(title="", attributes={"language": "en", "other": "ignored"})
        world.cloud.settle()
        (answer,) = system.answers()
        assert answer["problem"]["detail"].isascii()


def test_laptop_refuses_what_nobody_hands_over() -> None:
    with a_world(), pytest.raises(TemplateError, match="nobody hands over /test/app/take-in-submissions-arn"):
        create(
            STACKS / "department.yaml",
            "test",
            Clients(),
            parameters={"Department": "x", "SenderArn": "arn:aws:iam::1:root"},
        )
