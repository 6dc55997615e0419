"""What has happened, on its way to the mails that tell of it: which event, never its content."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.ids import new_id


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """The notices' queue, seen from the stream's readers. `queue` takes a message's body."""

    queue: Callable[[str], object]

    def pass_on(self, document: Mapping[str, Any]) -> None:
        """Let an event of the ledger be told; passing it on twice tells it once.

        The message's own id tells a message that comes again from another about the same event.
        """
        named = {name: document[name] for name in ("submission", "seq", "correlation_id")}
        message = {"id": new_id("n"), **named}
        self.queue(json.dumps(message))
