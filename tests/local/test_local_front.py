import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from chalice.app import Chalice, Response
from werkzeug.test import Client, TestResponse

from chalicelib.core.http import BASE_HEADERS
from chalicelib.people.roster import Roster
from infra.local.cloud import Cloud
from infra.local.front import Front, Page
from infra.local.mailbox import Sent
from tests.local.tiny import Seen, tiny_app
from tests.world import LIAISON, a_roster

MAIL = Sent(
    to="li@example.cn",
    subject="审核",
    text="请看",
    html="<p>请看</p>",
    links=("https://x.test/r#1",),
    one_click="https://x.test/u/1",
    message_id="<m-1@x.test>",
)
PAGES = {
    "public/index.html": Page(content=b"<h1>Home</h1>", content_type="text/html; charset=utf-8"),
    "internal/a b.html": Page(content=b"a", content_type="text/html"),
    "internal/files/1.svg": Page(content=b"<svg/>", content_type="image/svg+xml", disposition="inline"),
}


@pytest.fixture
def http(seen: Seen) -> Client:
    return Client(
        Front(app=tiny_app(seen), mails=lambda: [MAIL], people=lambda: a_roster(LIAISON), site=PAGES.get)
    )


def test_path_parameter_is_decoded_as_on_aws(http: Client, seen: Seen) -> None:
    assert http.get("/api/v1/things/a%2Fb%20%E4%B8%AD").json == {"name": "a/b 中"}


def test_no_parameter_leaks_from_another_route(http: Client) -> None:
    assert http.get("/api/v1/two").json == {"sort": "v1"}


def test_headers_of_the_app_arrive_and_every_cookie_too(http: Client) -> None:
    answer = http.get("/api/v1/things/x")
    assert answer.headers["X-One"] == "1"
    assert answer.headers.getlist("Set-Cookie") == ["a=1; Secure", "b=2"]
    assert answer.headers.getlist("Content-Type") == ["application/json"]


def test_text_arrives_as_text_with_the_address_of_the_caller(http: Client, seen: Seen) -> None:
    http.post(
        "/api/v1/things/x",
        data='{"标题": 1}'.encode(),
        content_type="application/json",
        environ_base={"REMOTE_ADDR": "127.0.0.9"},
    )
    (request,) = seen.of("thing")
    assert json.loads(request["body"]) == {"标题": 1}
    assert request["context"]["identity"]["sourceIp"] == "127.0.0.9"


def test_body_over_six_megabytes_is_refused_before_the_app(http: Client, seen: Seen) -> None:
    answer = http.post("/api/v1/things/x", data=b"x" * (6 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert_refused_as_by_api_gateway(answer)
    assert seen.calls == []


def test_head_never_has_a_body(http: Client) -> None:
    for path in ("/api/v1/things/x", "/_local/mail", "/_local/site/public/", "/nowhere"):
        assert http.head(path).data == b"", path


def assert_refused_as_by_api_gateway(answer: TestResponse) -> None:
    assert answer.content_type == "application/problem+json"
    assert {name: answer.headers.get(name) for name in BASE_HEADERS} == BASE_HEADERS
    assert answer.json is not None
    assert re.fullmatch("c-[a-z0-9]{20}", answer.json["correlation_id"])


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml;q=0.9"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("DELETE", "/api/v1/things/x"), ("OPTIONS", "/api/v1/things/x"), ("POST", "/")],
)
def test_what_is_not_there_is_answered_as_by_api_gateway(
    http: Client, seen: Seen, method: str, path: str, accept: str
) -> None:
    answer = http.open(path, method=method, headers={"Accept": accept, "Authorization": "Bearer secret"})
    assert answer.status_code == 404
    assert_refused_as_by_api_gateway(answer)
    assert "secret" not in answer.text
    assert seen.calls == []


def test_binary_answer_is_sent_as_bytes() -> None:
    app = Chalice("binary")
    app.api.binary_types.append("application/zip")

    @app.route("/package")
    def package() -> Response:
        return Response(b"\x00\xff", headers={"Content-Type": "application/zip"})

    http = Client(Front(app=app, mails=list, people=Roster, site=PAGES.get))
    answer = http.get("/package", headers={"Accept": "application/zip"})
    assert (answer.data, answer.content_type) == (b"\x00\xff", "application/zip")


def test_threads_see_their_own_request(seen: Seen) -> None:
    app = tiny_app(seen)
    front = Front(app=app, mails=list, people=Roster, site=PAGES.get)

    def ask(number: int) -> bool:
        answer = Client(front).post(
            f"/api/v1/things/{number}", data=str(number), content_type="application/json"
        )
        return answer.json == {"name": str(number)}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(100)))
    assert all(request["name"] == request["body"].decode() for request in seen.of("thing"))


def test_mails_and_people_are_shown(http: Client) -> None:
    assert http.get("/_local/mail").json == [
        {
            "to": MAIL.to,
            "subject": "审核",
            "text": "请看",
            "html": "<p>请看</p>",
            "links": ["https://x.test/r#1"],
            "one_click": "https://x.test/u/1",
            "message_id": "<m-1@x.test>",
        }
    ]
    assert http.get("/_local/people").json == [
        {
            "id": LIAISON.id,
            "name": LIAISON.name,
            "email": LIAISON.email,
            "duties": [{"role": "liaison", "department": "marketing"}],
        }
    ]


def test_environment_is_shown_as_a_shell_reads_it(seen: Seen) -> None:
    front = Front(
        app=tiny_app(seen),
        mails=list,
        people=Roster,
        site=PAGES.get,
        environment={"MAIL_FROM": "Desk <d@x.test>", "A": "1"},
    )
    answer = Client(front).get("/_local/environment")
    assert answer.text == "export A=1\nexport MAIL_FROM='Desk <d@x.test>'\n"


def test_site_shows_pages_and_the_index_of_a_folder(http: Client) -> None:
    answer = http.get("/_local/site/public/")
    assert (answer.data, answer.content_type) == (b"<h1>Home</h1>", "text/html; charset=utf-8")
    assert http.get("/_local/site/internal/a%20b.html").data == b"a"
    assert http.get("/_local/site/public/none.html").status_code == 404
    assert http.get("/_local/else").status_code == 404
    assert http.post("/_local/site/public/").status_code == 405


@pytest.mark.parametrize("path", ["public/", "internal/files/1.svg"])
def test_nothing_published_has_the_desks_origin_or_is_taken_for_another_type(http: Client, path: str) -> None:
    answer = http.get(f"/_local/site/{path}")
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    sandbox, default, *_ = answer.headers["Content-Security-Policy"].split("; ")
    assert sandbox.startswith("sandbox ")
    assert not {"allow-same-origin", "allow-forms"} & set(sandbox.split())
    assert default == "default-src 'none'"
    assert answer.headers["Access-Control-Allow-Origin"] == "null"


def test_cloud_answers_http_and_shows_what_is_in_its_site_bucket(cloud: Cloud) -> None:
    boto3.client("s3").put_object(
        Bucket=cloud.environment["SITE_BUCKET"], Key="public/index.html", Body=b"<p>", ContentType="text/html"
    )
    assert cloud.http.get("/_local/site/public/").data == b"<p>"
    assert cloud.http.get("/_local/site/internal/").status_code == 404
    assert cloud.http.get("/api/v1/things/x").json == {"name": "x"}


def test_body_that_is_binary_arrives_encoded_as_from_api_gateway() -> None:
    app = Chalice("binary")
    received: list[Any] = []

    @app.route("/upload", methods=["POST"], content_types=["application/octet-stream"])
    def upload() -> dict[str, str]:
        request = app.current_request
        assert request is not None
        received.append(request.raw_body)
        return {}

    http = Client(Front(app=app, mails=list, people=Roster, site=PAGES.get))
    http.post("/upload", data=b"\xff\x00", content_type="application/octet-stream")
    assert received == [b"\xff\x00"]
    assert base64.b64encode(received[0]) == b"/wA="
