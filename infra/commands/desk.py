"""`imprimatur run`: a desk on this machine, and one that is started for a command and stopped after it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from app import app
from chalicelib import bootstrap
from chalicelib.core.clock import utc_now
from chalicelib.people.model import Person
from infra.commands.roster import read
from infra.local.partners import Partners
from infra.local.serve import logging_to, run

PROJECT = Path(__file__).parents[2]
READY = "The desk is open at "
DEMO_SCALE = "20"
LOG = PROJECT / "build" / "desk.log"


def serve(*, port: int, wait_scale: float, roster: Path) -> int:
    """Open the desk with a roster and say what to try first; answers the exit status."""
    wanted, partners = read(roster), Partners()

    def prepare(environment: Mapping[str, str]) -> None:
        bootstrap.parts().roster_keeper.apply(wanted, utc_now())
        partners.join(bootstrap.parts(), environment["BASE_URL"])

    with logging_to(LOG):
        return run(
            app=app,
            port=port,
            wait_scale=wait_scale,
            prepare=prepare,
            people=lambda: wanted,
            ready=lambda address: _welcome(address, wanted.persons),
            departments=[department.id for department in wanted.departments],
            before=partners.before,
        )


@contextmanager
def running_desk(address: str | None) -> Iterator[str]:
    """The address of a desk: the one that is given, or one of its own that ends with the block."""
    if address is not None:
        yield address.rstrip("/")
        return
    command = [sys.executable, "-m", "infra.cli", "run", "--port", "0"]
    environment = {"WAIT_SCALE": DEMO_SCALE, **os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(  # noqa: S603 — our own interpreter and module
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True
    ) as desk:
        try:
            yield _address_of(desk)
        finally:
            desk.terminate()


def _address_of(desk: "subprocess.Popen[str]") -> str:
    output = desk.stdout
    if output is None:
        raise RuntimeError("the desk has no output")
    for line in output:
        if line.startswith(READY):
            threading.Thread(target=output.read, daemon=True).start()  # or the pipe would fill up
            return line.removeprefix(READY).strip()
    raise RuntimeError("the desk did not open; `make run` says why")


def _welcome(address: str, people: Sequence[Person]) -> None:
    print("Sample people (roles in departments):")
    for person in people:
        duties = ", ".join(f"{duty.role} in {duty.department}" for duty in person.duties_at(utc_now()))
        print(f"  {person.email:<36} {person.name}  {duties or 'no duty'}")
    print(
        "\nTry first, in a browser:\n"
        f"  {address}/_local/          start here: choose a person, sign in, hand in, review\n"
        f"  {address}/_local/mail      every mail that was sent: one click opens its link\n"
        f"  {address}/_local/site/internal/index.html   the website, once something is published\n"
        f"  {address}/_local/partners  what partners got, once something public is published for them\n"
        f"  {address}/_local/wechat    the WeChat account: articles, and drafts where WECHAT_MODE=draft\n"
        f"Or in another terminal: make demo ADDRESS={address}   plays the sample requests on this desk\n"
        f"What the desk does, line by line: {LOG.relative_to(PROJECT)}\n"
        "\nStop with Ctrl-C.\n"
    )
    print(f"{READY}{address}", flush=True)
