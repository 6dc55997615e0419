"""What a package says of times that were moved after the approval (clause 3.4.1)."""

from collections.abc import Iterator

from chalicelib.archive.model import layout
from chalicelib.archive.model.findings import Code, Finding
from chalicelib.archive.model.reading import Payload
from chalicelib.core.clock import from_text, to_text
from chalicelib.ledger.model import Event


def rescheduling_findings(payload: Payload) -> Iterator[Finding]:
    """Each move says from which time to which, by whom and why, and nothing began before the last of them."""
    if not any(event.type == layout.RESCHEDULED for event in payload.events):
        return
    planned = {number: _same_instant(content["form"]) for number, content in payload.contents.items()}
    due: dict[int, str | None] = {}
    started: set[int] = set()
    for seq, event in enumerate(payload.events, start=1):
        where, revision = layout.event_name(seq), layout.revision_of(event)
        if revision is None:
            continue
        if event.type == layout.RESCHEDULED:
            in_its_time = revision in due and revision not in started
            if not in_its_time or not _is_whole(event) or event.payload["from"] != planned.get(revision):
                yield Finding(where=where, code=Code.RESCHEDULED)
            planned[revision] = event.payload.get("to")
        if event.type in {layout.RESCHEDULED, "Scheduled"}:
            due[revision] = _instant(event.payload.get("due_at"))
        elif event.type == "PublishingStarted":
            started.add(revision)
            due_at = due.get(revision)
            if due_at is None or to_text(event.at) < due_at:
                yield Finding(where=where, code=Code.TOO_EARLY)


def _is_whole(event: Event) -> bool:
    """Whether the event says all that it must, and a person did it."""
    said = event.payload
    instants = all(_instant(said.get(member)) is not None for member in ("from", "to", "due_at"))
    texts = all(isinstance(said.get(member), str) and said[member] for member in ("time_zone", "reason"))
    return instants and texts and event.actor.startswith("p-")


def _instant(text: object) -> str | None:
    """The text, if it is an instant as `to_text` writes it."""
    try:
        return str(text) if to_text(from_text(str(text))) == text else None
    except (OverflowError, ValueError):
        return None


def _same_instant(form: object) -> str | None:
    """A form's publish time as an instant, None where it has none."""
    try:
        return to_text(from_text(str(form["publish_at"]))) if isinstance(form, dict) else None
    except (KeyError, OverflowError, ValueError):
        return None
