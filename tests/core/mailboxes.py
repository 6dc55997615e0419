"""A real SMTP server, whose mailboxes answer what a test tells them to."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope


class Mailboxes:
    """A server's mailboxes: what each answers to `RCPT`, and what the server answers to a text."""

    def __init__(self) -> None:
        self.rcpt: dict[str, str] = {}
        self.data = "250 ok"
        self.hang_up = False
        self.taken: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 — aiosmtpd's name
        self, _server: object, _session: object, envelope: Envelope, address: str, _options: object
    ) -> str:
        answer = self.rcpt.get(address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 — as above
        self, server: SMTP, _session: object, envelope: Envelope
    ) -> str:
        if not self.data.startswith("250"):
            return self.data
        self.taken.append(envelope)
        if self.hang_up:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return self.data


@contextmanager
def smtp_server(mailboxes: Mailboxes, **options: Any) -> Iterator[int]:  # noqa: ANN401 — aiosmtpd's own
    """The port of a server on loopback, as long as the block lasts."""
    controller = Controller(mailboxes, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield int(controller.port)
    finally:
        controller.stop()


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
