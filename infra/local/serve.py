"""`make run`: moto's server, the app and its pumps in one process, on loopback, until Ctrl-C or SIGTERM."""

import errno
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chalice.app import Chalice
from moto.core.config import default_user_config
from moto.moto_server import werkzeug_app
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import WSGIRequestHandler, make_server

from chalicelib.core import logs
from chalicelib.core.clock import utc_now
from chalicelib.identity.model import ACCOUNT_PAGE
from chalicelib.people.roster import Roster
from infra.local import mailbox
from infra.local.clients import REGION, Clients
from infra.local.cloud import MOTO, Files, build, mend, read_page
from infra.local.company import CLIENT, Company, serving
from infra.local.front import Front
from infra.local.gate import gate
from infra.local.wechat.laptop import serving_account

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
NAME = "localhost"
"""What browsers call it: passkeys belong to a name, never to an address."""
TAKEN = 2
"""The exit status when the port is in use."""
_ENDPOINT = ("AWS_ENDPOINT_URL", "AWS_ACCOUNT_ID_ENDPOINT_MODE")
_FOREIGN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")


def run(  # noqa: PLR0913 — each is decided by whoever opens a desk
    *,
    app: Chalice,
    port: int,
    wait_scale: float,
    prepare: Callable[[Mapping[str, str]], None],
    people: Callable[[], Roster],
    ready: Callable[[str], None],
    files: Files | None = None,
    departments: Iterable[str] = (),
    before: Callable[["WSGIApplication"], "WSGIApplication"] = lambda front: front,
) -> int:
    """Serve until told to stop; answers the exit status.

    `departments` are those whose own systems may send requests, `before` puts something in front of the front door.

    `prepare` is called with the settings once everything is created (it loads the roster), `ready` with the
    address once that answers. os.environ then holds the settings, and no AWS profile of the person at the
    keyboard. Call it from the main thread.
    """
    try:
        listener = _listen(port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(f"Port {port} is taken. Choose another: make run PORT={port + 1}", file=sys.stderr)
        return TAKEN
    address = f"http://{NAME}:{listener.getsockname()[1]}"
    stop = threading.Event()
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, lambda *_: stop.set()))
        clients = Clients(_start_moto(stack))
        built = build(
            app,
            clients,
            files or Files(),
            base_url=address,
            site_url=f"{address}/_local/site",
            wait_scale=wait_scale,
            departments=departments,
        )
        stack.callback(_close_quietly, built.runtime.close)
        accounts = stack.enter_context(serving(_company(people, address)))
        wechat = stack.enter_context(serving_account(address))
        environment = {
            **built.environment,
            "OIDC_ISSUER": accounts.issuer,
            "OIDC_CLIENT_ID": CLIENT,
            **wechat,
            "WECHAT_MODE": os.environ.get("WECHAT_MODE", "publish"),
        }
        os.environ.update(environment)
        prepare(environment)
        front = Front(
            app=app,
            mails=lambda: mailbox.mails(REGION),
            people=people,
            site=partial(read_page, clients("s3"), built.environment["SITE_BUCKET"]),
            admits=gate(clients("kms"), environment["SITE_KEY"], utc_now),
            environment={**environment, **{name: os.environ[name] for name in _ENDPOINT}},
            wechat=wechat["WECHAT_API"],
        )
        _serve(stack, before(front), listener)
        _in_thread(stack, lambda: built.pumps.run(stop), stop.set)
        ready(address)
        while not stop.wait(1):  # a signal that another thread took in wakes nobody by itself
            pass
    gc.freeze()  # or Python's last collection takes longer than all the rest of stopping
    return 0


def _company(people: Callable[[], Roster], address: str) -> Company:
    """Everybody's account."""

    def accounts() -> dict[str, dict[str, object]]:
        return {
            person.id: {"name": person.name, "email": person.email, "email_verified": True}
            for person in people().persons
        }

    return Company(people=accounts, redirect_uri=f"{address}{ACCOUNT_PAGE}")


class _Short(logging.Formatter):
    """A line for people: where to look further."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def format(self, record: logging.LogRecord) -> str:
        function = logs.present_function() or record.name
        return f"{record.levelname} {function}: {logs.said(record)} ({self._file} says where)"


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """For the length of a block write the log's lines to a new file; the terminal shows errors only, a line for each.

    Another desk may go on writing to the file that had this name before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    root = logging.getLogger()
    before = root.handlers[:]
    with path.open("w", encoding="ascii") as file:
        logs.write_to(file)
        terminal = logging.StreamHandler(sys.stderr)
        terminal.setLevel(logging.ERROR)
        terminal.setFormatter(_Short(path))
        root.addHandler(terminal)
        try:
            yield
        finally:
            root.handlers[:] = [
                *before,
                logging.NullHandler(),
            ]  # threads that still end have nothing more to say


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    listener.listen(128)
    return listener


def _start_moto(stack: ExitStack) -> str:
    """Start AWS's stand-in on a free port, point this process at it and nowhere else; answers its address."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no address in a log: it may hold a secret
    mend()
    default_user_config.update(MOTO)
    # Or any site's page may post and read: the buckets' own rules count.
    vars(werkzeug_app)["DISABLE_GLOBAL_CORS"] = True
    listener = _listen(0)
    port = listener.getsockname()[1]
    _serve(stack, DomainDispatcherApplication(create_backend_app), listener, MotoRequestHandler)
    for name in _FOREIGN:
        os.environ.pop(name, None)
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "MOTO_PORT": str(port),
        "NO_PROXY": HOST,
    }
    return os.environ["AWS_ENDPOINT_URL"]


def _serve(
    stack: ExitStack,
    application: "WSGIApplication",
    listener: socket.socket,
    handler: type[WSGIRequestHandler] | None = None,
) -> None:
    with listener:
        server = make_server(
            HOST, 0, application, threaded=True, request_handler=handler, fd=listener.fileno()
        )
    stack.callback(server.server_close)
    _in_thread(stack, lambda: server.serve_forever(poll_interval=0.05), server.shutdown)


def _in_thread(stack: ExitStack, work: Callable[[], None], end: Callable[[], None]) -> None:
    """Work in a thread; when the stack unwinds, end it and wait for it."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    stack.callback(thread.join, 1)
    stack.callback(end)


def _close_quietly(close: Callable[[float], None]) -> None:
    with suppress(TimeoutError):  # its threads are daemons
        close(1)
