"""Which files a package has under `data/`, and what each of them holds (clause 3.5.2).

This is the frozen format of docs/archive-format.md. So nothing here follows functions of other subjects,
which may change with the product; only the event's format is shared, and that is frozen too.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.archive.model.signatures import is_signed
from chalicelib.core.clock import to_text
from chalicelib.ledger.model import Event

FORM = "data/form.json"
CONTENT = "data/content.md"
CATALOG = "data/catalog.json"
DELIVERIES = "data/deliveries.json"
FIXED = (CATALOG, CONTENT, DELIVERIES, FORM)
PROCEDURE = "data/procedure.json"
RENDERED = "data/rendered/"
ATTACHMENTS = "data/attachments/"

STAGES = ("initial", "department_head", "executive")
"""The stages, in their order, of packages that hold no procedure."""


def revision_name(number: int) -> str:
    """The file of a revision, from 1."""
    return f"data/revisions/{number:04d}.json"


def opinion_name(number: int, stage: object) -> str:
    """The file of an opinion, from 1."""
    return f"data/opinions/{number:04d}-{stage}.json"


def event_name(seq: int) -> str:
    """The file of an event, from 1."""
    return f"data/events/{seq:06d}.json"


def attachment_name(number: int, attachment: Mapping[str, Any]) -> str:
    """The file of an attachment of the approved form, from 1; of its own name it keeps the extension."""
    extension = attachment["name"].rpartition(".")[2].lower()
    return f"{ATTACHMENTS}{number:04d}.{extension}"


AMENDED = "Amended"
CONFIRMED = "AmendmentConfirmed"
DECLINED = "AmendmentDeclined"
RESCHEDULED = "Rescheduled"


ENDED_OTHERWISE = frozenset({"DeliveryFailed", "DeliveryParked", "DeliverySettled"})
"""How a delivery ends otherwise than by being delivered, and what a person answers for it."""


def format_version(
    contents: Iterable[Mapping[str, Any]], events: Iterable[Event], procedure: Mapping[str, Any] | None
) -> int:
    """The version that these need.

    1 knows no attachments, 2 no procedure, 3 no amendments, 4 no signed opinions, 5 no delivery that failed or was left
    to a person and no publish time that was moved.
    """
    happened = tuple(events)
    if any(event.type in {*ENDED_OTHERWISE, RESCHEDULED} for event in happened):
        return 6
    if any(is_signed(event) for event in happened if event.type == "Decided"):
        return 5
    if any(event.type == AMENDED for event in happened):
        return 4
    if procedure is not None:
        return 3
    return 2 if any(content["attachments"] for content in contents) else 1


def revision_of(event: Event) -> int | None:
    """The revision an event speaks of."""
    number = event.payload.get("revision")
    return number if type(number) is int else None


def hands_in(event: Event) -> bool:
    """Whether a revision came in with the event, from its department or from an editor."""
    return event.type in {"Submitted", "Resubmitted", AMENDED}


def begins_round(event: Event) -> bool:
    """Whether reviews of a revision begin with the event, under the procedure that it names."""
    return event.type in {"Submitted", "Resubmitted", CONFIRMED}


def revision_document(number: int, content: Mapping[str, Any], handed_in: Event) -> dict[str, Any]:
    """A revision: its content document and the instant of the event that handed it in."""
    return {"content": dict(content), "number": number, "submitted_at": to_text(handed_in.at)}


def opinion_document(decided: Event) -> dict[str, Any]:
    """A signed opinion (clause 3.3.4): what was decided, by whom, when, and by which line of the policy."""
    return {
        **decided.payload,
        "at": to_text(decided.at),
        "policy_line": decided.policy.line if decided.policy else None,
        "reviewer": decided.actor,
    }


def deliveries_document(deliveries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The publication record, in the order of the channels' names."""
    return {"deliveries": sorted(map(dict, deliveries), key=lambda delivery: str(delivery.get("channel")))}


def deliveries_in(event: Event) -> list[dict[str, Any]]:
    """What an event says of channels: the state of each when publishing starts, then of one at a time."""
    said, at = event.payload, to_text(event.at)
    if event.type == "PublishingStarted" and isinstance(said.get("channels"), dict):
        states = said["channels"].items()
        return [{"at": at, "channel": channel, "receipt": None, "state": state} for channel, state in states]
    if event.type == "Delivered":
        return [{"at": at, **{member: said.get(member) for member in ("channel", "receipt", "state")}}]
    if event.type in ENDED_OTHERWISE:
        members = ("channel", "reason", "receipt", "state")
        return [{"at": at, **{member: said.get(member) for member in members}}]
    return []


def catalog_document(
    *,
    catalog_number: str,
    content_digest: str,
    department: str,
    form: Mapping[str, Any],
    published_at: datetime,
    revision: int,
    submission: str,
) -> dict[str, Any]:
    """The catalogue entry (clause 3.5.3)."""
    return {
        "catalog_number": catalog_number,
        "category": form["category"],
        "classification": form["classification"],
        "content_digest": content_digest,
        "department": department,
        "importance": form["importance"],
        "keywords": form.get("keywords", []),
        "published_at": to_text(published_at),
        "revision": revision,
        "submission": submission,
        "summary": form["summary"],
        "title": form["title"],
    }
