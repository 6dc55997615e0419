"""A department's system at a desk that `make run` has opened, and operations with their command beside it."""

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest

from chalicelib.core.clock import utc_now
from infra.commands.desk import PROJECT, running_desk
from tests.world import a_form

DRAFTER = "p-vgjyi2ebxyujczi5yuhq"
PATIENCE = 30


@pytest.fixture(scope="module")
def environment() -> Iterator[Mapping[str, str]]:
    """The variables of a running desk, as `eval` would set them."""
    with (
        running_desk(None) as address,
        urllib.request.urlopen(f"{address}/_local/environment", timeout=10) as answer,  # noqa: S310 — loopback
    ):
        words = shlex.split(answer.read().decode())
        pairs = (word.partition("=") for word in words if word != "export")
        yield {name: value for name, _, value in pairs}


def sqs_of(environment: Mapping[str, str]) -> Any:  # noqa: ANN401 — botocore's own
    return botocore.session.get_session().create_client(
        "sqs",
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def answer(environment: Mapping[str, str]) -> dict[str, Any]:
    """The next answer of the marketing department's system."""
    sqs, url = sqs_of(environment), environment["QUEUE_URL_PREFIX"] + "submission-replies-marketing"
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return dict(json.loads(message["Body"]))
    raise AssertionError("no answer")


def imprimatur(environment: Mapping[str, str], *arguments: str) -> str:
    """What the command prints in a process of its own."""
    ran = subprocess.run(  # noqa: S603 — our own interpreter and module
        (sys.executable, "-m", "infra.cli", *arguments),
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_letter_is_answered_and_what_was_refused_is_sent_back_by_the_command(
    environment: Mapping[str, str],
) -> None:
    sqs, url = sqs_of(environment), environment["QUEUE_URL_PREFIX"] + "submissions-marketing"
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(a_form(utc_now(), drafter=DRAFTER)))
    assert answer(environment)["status"] == 201
    bad = sqs.send_message(QueueUrl=url, MessageBody="{}")["MessageId"]
    assert (answer(environment)["message_id"]) == bad
    listed = imprimatur(environment, "queue", "list", "marketing")
    assert bad in listed
    assert "invalid_submission" in listed
    assert "1 dead letters sent back" in imprimatur(environment, "queue", "redrive", "marketing")
    again = answer(environment)
    assert (again["message_id"], again["redrives"], again["status"]) == (bad, 1, 422)
