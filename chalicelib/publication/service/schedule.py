"""Waiting until what is approved is due (clause 3.4.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.clock import from_text, to_second_text
from chalicelib.core.errors import Stale
from chalicelib.core.machines import Machine
from chalicelib.submission.model import execution_name


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The publication machine's beginning."""

    machine: Machine

    def start(self, event: Mapping[str, Any]) -> None:
        """Start the machine that waits until what is approved is due; a repeat changes nothing."""
        payload = event["payload"]
        planned = payload["to"] if event["type"] == "Rescheduled" else payload["publish_at"]
        publish_at = from_text(payload.get("waits_until") or planned)
        is_due = publish_at <= from_text(event["at"])
        argument = {
            "submission": event["submission"],
            "revision": payload["revision"],
            "attempt": payload["attempt"],
            "correlation_id": event["correlation_id"],
            "publish_at": to_second_text(publish_at.replace(microsecond=0) if is_due else publish_at),
        }
        name = execution_name(event["submission"], payload["revision"], payload["attempt"])
        try:
            self.machine.start(name, argument)
        except Stale:
            return  # it has run and ended: this event came late
