"""Visiting a desk over HTTP: what the demo stands on."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.local.visitor import AstrayError, Desk, Due, Letter, Mailbox, Site

Answer = tuple[int, dict[str, str], Any]
PEOPLE = [
    {"id": "p-lin", "name": "林", "email": "lin@c.eu", "duties": []},
    {"id": "p-shi", "name": "石", "email": "shi@c.eu", "duties": []},
]


@contextmanager
def serving(answer: Callable[[str, str, Any, dict[str, str]], Answer]) -> Iterator[str]:
    """A server whose answers come from `answer(method, path, body, headers)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"null")
            status, headers, document = answer(self.command, self.path, body, dict(self.headers))
            raw = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET  # noqa: N815 — http.server's name

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def a_site(address: str, seconds: float = 5) -> Site:
    return Site(address, deadline=time.monotonic() + seconds)


def a_mail(handle: str, *, page: str = "/s", to: str = "lin@c.eu") -> dict[str, Any]:
    return {
        "to": to,
        "subject": "登录",
        "text": "…",
        "html": "",
        "links": [f"http://desk.test{page}#{handle}"],
    }


def a_link(submission: str, revision: int) -> dict[str, Any]:
    return {
        "stage": "initial",
        "checklist": [{"id": "format", "text": "格式规范"}],
        "submission": {"id": submission, "revision": revision},
        "content_digest": "0" * 64,
    }


def test_a_call_sends_token_key_and_body() -> None:
    calls = []

    def answer(method: str, path: str, body: object, headers: dict[str, str]) -> Answer:
        calls.append((method, path, body, headers["Authorization"], headers["Idempotency-Key"]))
        return 201, {}, {"id": "s-1"}

    with serving(answer) as address:
        assert a_site(address).call("POST", "/x", {"a": "放假"}, token="t", key="k") == {"id": "s-1"}
    assert calls == [("POST", "/x", {"a": "放假"}, "Bearer t", "k")]


@pytest.mark.parametrize(
    "refusal", [(429, {"Retry-After": "0"}, {"code": "rate_limited"}), (409, {}, {"code": "stale"})]
)
def test_a_call_comes_again_when_told_to(refusal: Answer) -> None:
    answers = [refusal, (200, {}, {"state": "scheduled"})]
    with serving(lambda *_: answers.pop(0)) as address:
        assert a_site(address).call("POST", "/x", {}) == {"state": "scheduled"}
    assert answers == []


def test_another_refusal_is_told_with_every_wrong_field() -> None:
    problem = {
        "code": "invalid",
        "detail": "Some fields are wrong.",
        "errors": [{"pointer": "/title", "message": "Too long."}, {"pointer": "/body", "message": "Blank."}],
    }
    with serving(lambda *_: (422, {}, problem)) as address, pytest.raises(AstrayError) as caught:
        a_site(address).call("POST", "/x", {})
    assert caught.value.status == 422
    assert str(caught.value) == "POST /x: 422 Some fields are wrong.; /title Too long.; /body Blank."


def test_a_call_does_not_wait_past_the_deadline() -> None:
    with (
        serving(lambda *_: (429, {"Retry-After": "600"}, {"code": "rate_limited"})) as address,
        pytest.raises(AstrayError, match="timed out waiting for leave to GET /x again"),
    ):
        a_site(address).call("GET", "/x")


def test_giving_up_ends_all_waiting() -> None:
    site = a_site("http://127.0.0.1:9")
    site.give_up()
    with pytest.raises(AstrayError, match="timed out waiting for godot"):
        site.pause(0, "godot")


def test_no_answer_is_astray() -> None:
    with serving(lambda *_: (200, {}, None)) as address:
        gone = address
    with pytest.raises(AstrayError, match="no answer from"):
        a_site(gone).call("GET", "/_local/mail")


def test_only_plain_http_is_spoken() -> None:
    with pytest.raises(AstrayError, match="only plain http"):
        a_site("https://desk.test").call("GET", "/")


def test_a_letter_is_taken_once_and_old_ones_are_left_alone() -> None:
    mails = [a_mail("old")]
    with serving(lambda *_: (200, {}, mails)) as address:
        mailbox = Mailbox(a_site(address, seconds=1))
        mails[:0] = [a_mail("second"), a_mail("first")]

        def is_sign_in(letter: Letter) -> bool:
            return letter.page == "/s"

        assert mailbox.take(is_sign_in, "a letter").handle == "second"
        assert mailbox.take(is_sign_in, "a letter").handle == "first"
        with pytest.raises(AstrayError, match="timed out waiting for a letter"):
            mailbox.take(is_sign_in, "a letter")


def test_a_person_signs_in_once() -> None:
    mails: list[dict[str, Any]] = []
    calls = []

    def answer(_method: str, path: str, body: dict[str, str], _headers: dict[str, str]) -> Answer:
        if path == "/_local/mail":
            return 200, {}, mails
        if path == "/_local/people":
            return 200, {}, PEOPLE
        calls.append((path, body))
        if path == "/api/v1/sign-in":
            mails.insert(0, a_mail("h" * 43, to=body["email"]))
            return 202, {}, {}
        return 201, {}, {"token": "p-lin.secret"}

    with serving(answer) as address:
        desk = Desk(a_site(address))
        assert (desk.token("p-lin"), desk.token("p-lin")) == ("p-lin.secret", "p-lin.secret")
        with pytest.raises(AstrayError, match="no person p-nobody"):
            desk.token("p-nobody")
    assert calls == [
        ("/api/v1/sign-in", {"email": "lin@c.eu"}),
        ("/api/v1/sessions", {"handle": "h" * 43, "bearer": True}),
    ]


def test_whoever_waits_opens_the_links_of_all() -> None:
    mails: list[dict[str, Any]] = []
    opened = []
    shown: dict[str, Answer] = {
        "mine": (200, {}, a_link("s-mine", 2)),
        "other": (200, {}, a_link("s-other", 1)),
        "dead": (404, {}, {"code": "not_found", "detail": "…"}),
    }

    def answer(_method: str, path: str, body: dict[str, str], _headers: dict[str, str]) -> Answer:
        match path:
            case "/_local/mail":
                return 200, {}, mails
            case "/_local/people":
                return 200, {}, PEOPLE
            case "/api/v1/sign-in":
                mails.insert(0, a_mail(f"session-{len(mails)}", to=body["email"]))
                return 202, {}, {}
            case "/api/v1/sessions":
                return 201, {}, {"token": "t"}
        opened.append(body["handle"])
        return shown[body["handle"]]

    with serving(answer) as address:
        desk = Desk(a_site(address))
        mails += [
            a_mail("dead", page="/r"),
            a_mail("other", page="/r", to="shi@c.eu"),
            a_mail("mine", page="/r"),
            a_mail("stranger", page="/r", to="who@c.eu"),
        ]
        mine = desk.review(Due(submission="s-mine", revision=2, stage="initial"))
        others = desk.review(Due(submission="s-other", revision=1, stage="initial"))
    assert (mine.reviewer, mine.handle, mine.checklist) == ("p-lin", "mine", ("format",))
    assert (others.reviewer, others.handle) == ("p-shi", "other")
    assert opened == ["dead", "other", "mine"]
    assert desk.name("p-shi") == "石"
