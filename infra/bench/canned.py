"""AWS as a tape remembers it, on a loopback socket: `python -m infra.bench.canned TAPE` prints its port and serves.

`PUT /_step/N` says which step is lived now (0 is the yardstick); its answers are given in their order.
"""

import re
import sys
import threading
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from infra.bench.tape import Answer, Step, Tape

HOST = "127.0.0.1"
_STEP = re.compile(r"/_step/(\d+)")


class DriftError(Exception):
    """A replayed step asked AWS for other things than the recorded one."""


class Control:
    """Tells the server, from another process, which step comes next."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection(HOST, port)

    def close(self) -> None:
        """Say no more."""
        self._connection.close()

    def begin(self, step: int) -> None:
        """Let the answers of that step follow. Raises DriftError when the step before was not lived as recorded."""
        self._connection.request("PUT", f"/_step/{step}")
        response = self._connection.getresponse()
        said = response.read().decode()
        if response.status != HTTPStatus.OK:
            raise DriftError(said)


class Script:
    """The answers that are due, and the first thing that went otherwise than recorded."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps
        self._lock = threading.Lock()
        self._due: list[Answer] = []
        self._fault: str | None = None

    def begin(self, step: int) -> str | None:
        """Begin a step; answers what was wrong with the one before."""
        with self._lock:
            fault = self._fault or (f"{self._due[0].operation} was not called" if self._due else None)
            self._due, self._fault = list(self._steps[step].answers), None
            return fault

    def next(self, target: str) -> Answer:
        """The answer to a call; `target` is its `X-Amz-Target`, empty where the protocol has none."""
        with self._lock:
            expected = self._due[0].operation if self._due else "nothing"
            if self._due and (not target or target.endswith(f".{expected}")):
                return self._due.pop(0)
            self._fault = self._fault or f"{target or 'a call'} came where {expected} was due"
            return Answer(operation="", status=400, headers={}, body="{}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    """Headers and body leave together."""
    script: Script

    def handle_expect_100(self) -> bool:
        """Let the client send its body at once."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def do_PUT(self) -> None:
        """Answer any method: none says more than the headers do."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if step := _STEP.fullmatch(self.path):
            fault = self.script.begin(int(step[1]))
            status = HTTPStatus.CONFLICT if fault else HTTPStatus.OK
            self._send(Answer(operation="", status=status, headers={}, body=fault or ""))
        else:
            self._send(self.script.next(self.headers.get("X-Amz-Target", "")))

    do_GET = do_HEAD = do_POST = do_PUT  # noqa: N815 — the names that http.server looks for

    def _send(self, answer: Answer) -> None:
        body = answer.body.encode()
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def main() -> None:
    """Serve until the process is ended."""
    tape = Tape.read(Path(sys.argv[1]))
    _Handler.script = Script([tape.put_item, *tape.steps])
    with _Server((HOST, 0), _Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
