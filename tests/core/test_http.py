"""What every answer has in common, and what no request can do: make the product fail or tell too much."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.core.aws import Aws
from chalicelib.core.http import VIEWER_ADDRESS, Exchange
from chalicelib.core.messages import LANGUAGES
from infra.local.clients import REGION
from tests.lines import written
from tests.world import LIAISON, Answer, World, a_world

SUBMISSIONS = "/api/v1/submissions"
POSTS = (
    "/api/v1/sign-in",
    "/api/v1/sessions",
    SUBMISSIONS,
    f"{SUBMISSIONS}/s-aaaaaaaaaaaaaaaaaaaa/revisions",
    f"{SUBMISSIONS}/s-aaaaaaaaaaaaaaaaaaaa/withdrawal",
    "/api/v1/review-links",
    "/api/v1/review-links/decision",
)
SECRET = "handle-4711-of-somebody"


class BreakableAws(Aws):
    """Clients that nobody can get once they are `broken`; the error's message holds a secret."""

    broken = False

    def client(self, service: str) -> Any:  # noqa: ANN401 — as its base
        if self.broken:
            raise OSError(f"cannot reach {service} with {SECRET}")
        return super().client(service)


AWS = BreakableAws(region=REGION)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with a_world(aws=AWS) as world:
        yield world


def assert_problem(answer: Answer, status: int, code: str) -> None:
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["type"] == f"urn:imprimatur:problem:{code}"
    assert (answer.body["status"], answer.body["code"]) == (status, code)
    assert answer.body["title"]
    assert answer.body["detail"]
    assert answer.body["correlation_id"] == answer.headers["X-Correlation-Id"]


def test_health_is_answered_without_touching_anything(world: World) -> None:
    AWS.broken = True
    answer = world.call("GET", "/healthz")
    AWS.broken = False
    assert (answer.status, answer.body["status"]) == (200, "ok")


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/me", SUBMISSIONS])
def test_every_answer_has_a_correlation_id_of_its_own(world: World, path: str) -> None:
    answers = [world.call("GET", path, as_=LIAISON), world.call("GET", path)]
    for answer in answers:
        assert answer.headers["X-Correlation-Id"] == answer.body["correlation_id"]
    assert len({answer.body["correlation_id"] for answer in answers}) == 2


def test_a_correlation_id_that_was_sent_is_kept_up_to_the_ledger(world: World) -> None:
    headers = {"x-correlation-id": "Trace-0815-of-a-caller"}
    submission = world.submit()
    path = f"{SUBMISSIONS}/{submission}/withdrawal"
    answer = world.call("POST", path, {}, as_=LIAISON, headers=headers)
    assert answer.body["correlation_id"] == answer.headers["X-Correlation-Id"] == "Trace-0815-of-a-caller"
    assert world.events(submission)[-1].correlation_id == "Trace-0815-of-a-caller"


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "short",
        "x" * 65,
        "line\nSet-Cookie: a=b",
        "<script>alert(1)</script>",
        "编号编号编号编号",
        "a" * 8 + "\n",
    ],
)
def test_a_hostile_correlation_id_is_replaced(world: World, hostile: str) -> None:
    answer = world.call("GET", "/healthz", headers={"x-correlation-id": hostile})
    assert answer.body["correlation_id"] != hostile
    assert answer.body["correlation_id"].startswith("c-")


def test_no_answer_may_be_kept_framed_sniffed_or_referred(world: World) -> None:
    for answer in (world.call("GET", "/healthz"), world.call("GET", "/api/v1/me")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("en-GB,en;q=0.9", "en"),
        ("fr", "zh-Hans"),
    ],
)
def test_problems_speak_the_callers_language(world: World, header: str | None, language: str) -> None:
    headers = {} if header is None else {"accept-language": header}
    answer = world.call("POST", SUBMISSIONS, {}, as_=LIAISON, headers=headers)
    assert_problem(answer, 422, "invalid_submission")
    assert answer.headers["Content-Language"] == language
    said = json.dumps([answer.body["title"], answer.body["errors"]], ensure_ascii=False)
    assert said.isascii() is (language == "en")


def test_each_language_says_something_of_its_own(world: World) -> None:
    answers = [
        world.call("POST", SUBMISSIONS, {}, as_=LIAISON, headers={"accept-language": language})
        for language in LANGUAGES
    ]
    assert len({answer.body["title"] for answer in answers}) == len(LANGUAGES)
    assert len({answer.body["errors"][0]["message"] for answer in answers}) == len(LANGUAGES)
    pointers = [[error["pointer"] for error in answer.body["errors"]] for answer in answers]
    assert pointers == [pointers[0]] * len(LANGUAGES)


NOT_JSON = [
    "",
    "{",
    "{'a': 1}",
    "NaN",
    '{"a": NaN}',
    '{"a": -Infinity}',
    "[" * 100_000,
    '{"a":' * 5000,
    "1" * 5000,
]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("raw", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_is_a_bad_request(world: World, path: str, raw: str) -> None:
    answer = world.call("POST", path, raw=raw, as_=LIAISON)
    if answer.status == 404 and "/s-" in path:
        return  # an unknown submission is said to be unknown before its body is read
    assert_problem(answer, 400, "not_json")


HOSTILE = [
    "null",
    "[]",
    '"text"',
    "1e400",
    "12345678901234567890123",
    "[" * 200 + "]" * 200,
    '{"a":' * 900 + "1" + "}" * 900,
    '"\\ud800"',
    '{"\\ud800": "\\udfff"}',
    '{"title": "\\u0000", "email": "\\u0000", "handle": "\\u0000", "reason": "\\u0000"}',
    json.dumps({name: {} for name in ("handle", "email", "reason", "decision", "title")}),
    json.dumps({f"k{number}": number for number in range(20_000)}),
    json.dumps({"title": "长" * 2_400_000}),
    json.dumps({"handle": "x" * 7_000_000, "email": "x" * 100}),
]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
def test_no_body_makes_the_product_fail(world: World, path: str, raw: str) -> None:
    answer = world.call("POST", path, raw=raw, as_=LIAISON)
    assert 400 <= answer.status < 500, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(json.dumps(answer.body)) < 100_000


def test_a_body_of_another_media_type_is_a_problem_like_any_other(world: World) -> None:
    answer = world.call("POST", SUBMISSIONS, {}, as_=LIAISON, headers={"content-type": "text/plain"})
    assert_problem(answer, 415, "unsupported_media_type")


def test_an_unforeseen_failure_tells_the_correlation_id_and_nothing_else(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.token(LIAISON)
    AWS.broken = True
    with written() as log:
        answer = world.call("GET", SUBMISSIONS, as_=LIAISON, headers={"accept-language": "en"})
    AWS.broken = False
    assert_problem(answer, 500, "internal")
    assert set(answer.body) == {"type", "title", "detail", "status", "code", "correlation_id"}
    assert SECRET not in json.dumps(answer.body)
    (told,) = log.lines(level="ERROR")
    assert told["correlation_id"] == answer.body["correlation_id"]
    assert (told["error"], told["function"]) == ("OSError", "api_handler")
    assert "list_submissions" in told["message"]
    assert "test_http.py" in told["trace"], "where it happened"
    assert SECRET not in "".join(log.text)
    assert SECRET not in caplog.text + repr([(record.args, record.exc_info) for record in caplog.records])


def asked(**headers: str) -> Exchange:
    """A request that came to the API from 130.176.0.1."""
    context = {"identity": {"sourceIp": "130.176.0.1"}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Exchange(SimpleNamespace(headers=named, query_params=None, context=context))


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("", "130.176.0.1"),
        ("203.0.113.1, 203.0.113.2", "130.176.0.1"),
        ("unknown", "130.176.0.1"),
    ],
)
def test_the_edge_says_whose_request_it_is_in_an_address_or_not_at_all(said: str, address: str) -> None:
    assert asked(x_viewer_address=said).address(behind_edge=True) == address


def test_only_behind_the_edge_is_its_header_believed() -> None:
    assert asked(x_viewer_address="203.0.113.1").address(behind_edge=False) == "130.176.0.1"
    assert asked().address(behind_edge=True) == "130.176.0.1"
    assert VIEWER_ADDRESS == "x-viewer-address"
