"""`make run` as a process of its own: one start, several questions, one stop."""

import json
import logging
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from chalice.app import Chalice

from chalicelib.core import logs
from chalicelib.core.events import report
from chalicelib.people.roster import Roster
from infra.local import serve

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys
from pathlib import Path
import boto3
from chalicelib.people.roster import Roster
from botocore.config import Config
from infra.local import serve
from tests.local.tiny import Seen, chain, task, tiny_app, tiny_files

seen = Seen()
app = tiny_app(seen)
files = tiny_files(Path(sys.argv[1]), review=chain(A=task("Double"), B=task("Ask", token=True, TimeoutSeconds=999)))

@app.route("/seen")
def show():
    return {"calls": [call for call in seen.calls if call[0] != "thing"]}

@app.route("/put", methods=["POST"])
def put():
    item = {"pk": {"S": "s-1"}, "sk": {"S": "EVENT#1"}}
    boto3.client("dynamodb").put_item(TableName=environment["TABLE_NAME"], Item=item)
    boto3.client("stepfunctions").start_execution(
        stateMachineArn=environment["REVIEW_MACHINE_ARN"], name="one", input='{"number": 21}')
    s3 = boto3.client("s3")
    s3.put_object(Bucket=environment["ARCHIVE_BUCKET"], Key="package", Body=b"evidence")
    return {"url": s3.generate_presigned_url(
        "get_object", Params={"Bucket": environment["ARCHIVE_BUCKET"], "Key": "package"}, ExpiresIn=60)}

@app.route("/form")
def form():
    return boto3.client("s3", config=Config(signature_version="s3v4")).generate_presigned_post(
        Bucket=environment["UPLOADS_BUCKET"], Key="uploads/a", Conditions=[["content-length-range", 1, 5]])

environment = {}
sys.exit(serve.run(
    app=app, files=files, port=int(sys.argv[2]), wait_scale=1000,
    prepare=environment.update, people=Roster, ready=lambda address: print(address, flush=True)))
"""


@dataclass
class Laptop:
    process: "subprocess.Popen[str]"
    address: str

    def ask(self, path: str, data: bytes | None = None) -> Any:  # noqa: ANN401 - JSON
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.address}{path}", data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return json.load(answer)


def command(folder: Path, port: int) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(folder), str(port)]


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    process = subprocess.Popen(  # noqa: S603 - our own program
        command(tmp_path_factory.mktemp("laptop"), 0),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield Laptop(process, process.stdout.readline().strip())
    process.kill()
    process.communicate()


def test_app_mailbox_and_people_are_served_on_loopback(laptop: Laptop) -> None:
    assert laptop.address.startswith("http://localhost:")
    assert laptop.ask("/api/v1/things/x") == {"name": "x"}
    assert laptop.ask("/_local/mail") == []
    assert laptop.ask("/_local/people") == []


def test_streams_and_state_machines_run_and_downloads_work(laptop: Laptop) -> None:
    url = laptop.ask("/put", b"{}")["url"]
    deadline = time.monotonic() + 10
    called: dict[str, Any] = {}
    while not {"on_event", "ask"} <= called.keys() and time.monotonic() < deadline:
        called = dict(laptop.ask("/seen")["calls"])
    assert called["on_event"] == ["EVENT#1"]
    assert called["ask"]["Payload"] == {"doubled": 42}
    with urllib.request.urlopen(url, timeout=10) as download:  # noqa: S310 - loopback
        assert download.read() == b"evidence"


def test_a_browser_may_upload_from_the_desks_pages_only_and_no_more_than_was_signed(laptop: Laptop) -> None:
    form = laptop.ask("/form")

    def post(content: bytes, origin: str) -> requests.Response:
        files = {"file": ("a", content)}
        return requests.post(form["url"], form["fields"], files=files, headers={"Origin": origin}, timeout=10)

    for origin, allowed in ((laptop.address, laptop.address), ("https://elsewhere.test", None)):
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        asked = requests.options(form["url"], headers=preflight, timeout=10)
        assert asked.headers.get("Access-Control-Allow-Origin") == allowed
        answer = post(b"12345", origin)
        assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (204, allowed)
    assert (post(b"123456", laptop.address).status_code, post(b"", laptop.address).status_code) == (400, 400)


def test_large_body_gets_its_answer_not_a_broken_connection(laptop: Laptop) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        laptop.ask("/api/v1/things/x", b"x" * 7_000_000)
    assert refused.value.code == 413
    refused.value.close()


def test_lines_go_to_a_file_and_the_terminal_shows_where_an_error_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "build" / "desk.log"
    try:
        with logs.invocation("open_stage"), serve.logging_to(file):
            logging.getLogger("chalicelib.test").info("quiet")
            report(OSError("handle-4711"), "stream record")
            earlier = file.open()
            with serve.logging_to(file):  # another desk
                logging.getLogger("chalicelib.test").info("another's")
    finally:
        for name in ("chalicelib", "infra", "imprimatur"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    with earlier:
        lines = [json.loads(line) for line in earlier]
    assert [line["message"] for line in lines] == ["quiet", "OSError in a stream record", "UnforeseenErrors"]
    assert [json.loads(line)["message"] for line in file.read_text().splitlines()] == ["another's"]
    printed = capsys.readouterr()
    assert printed.err == f"ERROR open_stage: OSError in a stream record ({file} says where)\n"
    assert printed.out == ""


def test_taken_port_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status = serve.run(
            app=Chalice("tiny"),
            port=port,
            wait_scale=1,
            prepare=lambda _environment: None,
            people=Roster,
            ready=lambda _address: None,
        )
    assert status == 2
    assert f"make run PORT={port + 1}" in capsys.readouterr().err


def test_signal_stops_it_cleanly_within_two_seconds(laptop: Laptop) -> None:
    begun = time.monotonic()
    laptop.process.send_signal(signal.SIGTERM)
    _, errors = laptop.process.communicate(timeout=10)
    assert time.monotonic() - begun < 2
    assert laptop.process.returncode == 0
    assert errors == ""
