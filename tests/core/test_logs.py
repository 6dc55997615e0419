"""Lines of the log: one JSON object each, about the right call, and nothing that must stay home."""

import io
import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from chalice.app import SQSEvent

from chalicelib.core import logs
from chalicelib.core.errors import MailRefused, TooEarly
from chalicelib.core.events import UnforeseenError, failed_messages, job, report
from tests.lines import written
from tests.world import ADDRESS, EDITOR, LIAISON, a_world

ROOT = Path(__file__).parents[2]
SECRET = "handle-4711-of-somebody"
log = logging.getLogger("chalicelib.test")


class Context:
    aws_request_id = "r-1"


def only(lines: list[dict[str, Any]]) -> dict[str, Any]:
    (line,) = lines
    return line


def test_a_line_says_when_how_grave_where_what_and_about_whom() -> None:
    with written() as heard, logs.invocation("sweep", submission="s-1", correlation_id="c-1"):
        log.info("so %s", "it is", extra=logs.facts(ms=1.5, person=None))
    line = only(heard.lines())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "logger": "chalicelib.test",
        "message": "so it is",
        "function": "sweep",
        "submission": "s-1",
        "correlation_id": "c-1",
        "ms": 1.5,
    }


def test_a_line_is_one_line_of_ascii_whatever_is_said() -> None:
    # Formatted by hand: what is really logged pytest reports to its parent, which takes no half characters.
    said = logging.LogRecord("chalicelib", logging.INFO, __file__, 1, "两\n行 \ud800 \x00", None, None)
    text = logs.Lines().format(said)
    assert "\n" not in text
    assert text.isascii()
    assert json.loads(text)["message"] == "两\n行 \ud800 \x00"


def test_nothing_of_a_call_stays_for_the_next() -> None:
    @job
    def first(_event: dict[str, Any], _context: object) -> None:
        logs.note(submission="s-1", correlation_id="c-1", attachment="a-1")
        raise OSError(SECRET)

    @job
    def second(_event: dict[str, Any], _context: object) -> None:
        log.info("something")

    with written() as heard:
        with pytest.raises(UnforeseenError):
            first({}, Context())
        second({}, None)
        log.info("between calls")
    assert only(heard.lines(level="ERROR"))["submission"] == "s-1"
    assert only(heard.lines(message="something")).keys() == {"time", "level", "logger", "message", "function"}
    assert "function" not in only(heard.lines(message="between calls"))


def test_threads_know_nothing_of_each_others_calls() -> None:
    with written() as heard, logs.invocation("sweep", submission="s-1"), ThreadPoolExecutor(1) as pool:
        pool.submit(log.info, "elsewhere").result()
    assert not {"function", "submission"} & only(heard.lines()).keys()


def test_nothing_is_noted_outside_of_any_function() -> None:
    logs.note(submission="s-1")
    with written() as heard:
        log.info("a command")
    assert "submission" not in only(heard.lines())


def test_each_message_of_a_batch_is_about_itself() -> None:
    records = [{"body": body, "receiptHandle": "-", "messageId": f"m-{body}"} for body in "abc"]

    def handle(body: str) -> None:
        if body == "a":
            logs.note(submission="s-a", correlation_id="c-a")
        if body == "b":
            raise OSError(SECRET)

    with written() as heard, logs.invocation("send_notices"):
        failed_messages(SQSEvent({"Records": records}, None), handle)
    told = [(line.get("message_id"), line.get("submission"), line["level"]) for line in heard.lines()]
    assert told == [
        ("m-a", "s-a", "INFO"),
        ("m-b", None, "ERROR"),
        ("m-b", None, "INFO"),  # its figure
        ("m-c", None, "INFO"),
    ]


def test_a_machines_step_is_about_its_work_before_it_has_read_anything() -> None:
    @job
    def open_stage(_event: dict[str, Any], _context: object) -> None:
        raise OSError(SECRET)

    work = {"submission": "s-1", "correlation_id": "c-1", "stage": "initial"}
    with written() as heard, pytest.raises(UnforeseenError) as raised:
        open_stage({"work": work, "task_token": SECRET}, Context())
    line = only(heard.lines(level="ERROR"))
    about = {name: line[name] for name in ("function", "submission", "correlation_id", "request_id", "error")}
    assert about == {
        "function": "open_stage",
        "submission": "s-1",
        "correlation_id": "c-1",
        "request_id": "r-1",
        "error": "OSError",
    }
    assert "test_logs.py" in line["trace"], "where it happened"
    assert SECRET not in "".join(heard.text) + str(raised.value)
    assert raised.value.__suppress_context__


def test_the_submissions_own_correlation_counts_for_its_steps_and_not_for_requests() -> None:
    with written() as heard:
        with logs.invocation("deliver", submission="s-1", led_by="c-decided"):
            log.info("before")
            logs.note_correlation("s-2", "c-of-another")
            logs.note_correlation("s-1", "c-own")
            log.info("after")
        with logs.invocation("api_handler", submission="s-1", correlation_id="c-request"):
            logs.note_correlation("s-1", "c-own")
            log.info("request")
        with logs.invocation("api_handler"):
            logs.note_correlation("s-1", "c-own")
            log.info("a list")
    told = {line["message"]: line.get("correlation_id") for line in heard.lines()}
    assert told == {"before": "c-decided", "after": "c-own", "request": "c-request", "a list": None}


def test_what_a_state_machine_matches_on_is_raised_as_it_is() -> None:
    @job
    def last_check(_event: dict[str, Any], _context: object) -> None:
        raise TooEarly

    with written() as heard, pytest.raises(TooEarly):
        last_check({"submission": "s-1"}, None)
    line = only(heard.lines())
    assert (line["level"], line["error"], line["code"]) == ("WARNING", "TooEarly", "too_early")


def test_a_carriers_word_is_told_and_counts_as_no_error() -> None:
    with written() as heard, logs.invocation("send_notices"):
        report(MailRefused(reason="Throttling"), "notice")
    line = only(heard.lines())
    assert (line["level"], line["reason"]) == ("WARNING", "Throttling")
    assert heard.figures("UnforeseenErrors") == []


def test_an_exception_is_told_by_its_class_and_its_place_only() -> None:
    def fail() -> None:
        raise OSError(SECRET)

    with written() as heard:
        try:
            fail()
        except OSError:
            log.exception("it failed")
    line = only(heard.lines())
    assert (line["message"], line["error"]) == ("it failed", "OSError")
    assert "test_logs.py" in line["trace"]
    assert SECRET not in "".join(heard.text)


def test_of_others_lines_only_the_sentence_in_their_source_is_shown() -> None:
    others = logging.getLogger("urllib3.connectionpool")
    with written() as heard:
        others.warning("Retrying %s", f"/u/{SECRET}")
        others.warning(f"Retrying {SECRET}")
    assert [line["message"][:9] for line in heard.lines()] == ["Retrying ", "not shown"]
    assert SECRET not in "".join(heard.text)


def test_an_answer_is_one_line_with_its_route_and_without_what_was_asked() -> None:
    with a_world() as world, written() as heard:
        query, headers = {"state": SECRET}, {"cookie": SECRET, "x-correlation-id": "request-1"}
        world.call("GET", "/api/v1/submissions", as_=LIAISON, query=query, headers=headers)
        world.call("GET", f"/api/v1/submissions/{SECRET}", as_=LIAISON)
        world.call("GET", "/api/v1/me", as_=LIAISON)
        world.submit()
    refused, unknown, looked, sent = (line for line in heard.lines(message="answered"))
    assert (refused["correlation_id"], refused["method"], refused["status"]) == ("request-1", "GET", 422)
    assert unknown["route"] == "/api/v1/submissions/{submission}"
    assert (sent["route"], sent["status"], sent["person"]) == ("/api/v1/submissions", 201, LIAISON.id)
    assert sent["submission"].startswith("s-")
    assert unknown["person"] == LIAISON.id, "who was refused"
    assert "person" not in looked, "who looked at what is nobody's business"
    told = "".join(heard.text)
    assert not [each for each in (SECRET, ADDRESS, LIAISON.email, world.token(LIAISON)) if each in told]


def test_who_decided_is_named_and_the_submission_is_known_from_the_link() -> None:
    with a_world() as world:
        submission = world.submit()
        world.cloud.settle()
        with written() as heard:
            world.decide(EDITOR)
    opened, decided = heard.lines(message="answered")
    assert {opened["submission"], decided["submission"]} == {submission}
    assert decided["person"] == EDITOR.id


def test_lines_go_to_one_stream_and_what_libraries_whisper_goes_nowhere() -> None:
    root, names = logging.getLogger(), ("chalicelib", "infra", "imprimatur")
    before = root.handlers[:], root.level, {name: logging.getLogger(name).level for name in names}
    stream = io.StringIO()
    try:
        logs.write_to(stream)
        logging.getLogger("botocore.credentials").info("Found credentials in environment variables.")
        log.debug("too small")
        log.info("ours")
    finally:
        root.handlers[:], level, levels = before
        root.setLevel(level)
        for name in names:
            logging.getLogger(name).setLevel(levels[name])
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["ours"]


def test_on_lambda_a_function_writes_lines_to_standard_output_and_nothing_else() -> None:
    program = (
        "import json, sys; from app import app; "
        "answers = [app(event, None) for event in json.load(sys.stdin)]; "
        "app.log.error('of %s', 'Chalice')"
    )
    asked = {
        "requestContext": {"resourcePath": "/healthz", "httpMethod": "GET", "identity": {}, "requestId": "r"},
        "headers": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
    }
    ran = subprocess.run(  # noqa: S603 — our own interpreter and program
        (sys.executable, "-c", program),
        cwd=ROOT,
        env={**os.environ, "AWS_LAMBDA_FUNCTION_NAME": "imprimatur-api_handler"},
        input=json.dumps([asked, asked]),
        capture_output=True,
        check=True,
        text=True,
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["message"] for line in lines] == ["answered", "answered", "of Chalice"]
    assert (lines[0]["route"], lines[0]["request_id"], lines[0]["function"]) == (
        "/healthz",
        "r",
        "api_handler",
    )
    assert ran.stderr == ""
