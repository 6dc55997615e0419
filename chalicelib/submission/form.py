"""What the publication request's schema cannot say: rules between fields, the calendar, the channel table."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from chalicelib.core.clock import from_text
from chalicelib.core.errors import FieldError, InvalidSubmission
from chalicelib.core.validation import schema
from chalicelib.submission.differences import difference
from chalicelib.submission.model import Channel, Classification, Form, form_from_document

CHANNELS = Path(__file__).parents[2] / "policies" / "channels.csv"

OF_THE_AMENDMENT = ("reason", "content_digest")
"""What an amendment says beside the text."""
CLASSIFICATIONS = tuple(Classification)
"""From the least to the most guarded."""

LEAST_SUBJECT = 4
"""Letters and digits that a mail's subject has at least: less says nothing in a list of mails (clause 4.4.2)."""
LONGEST_MAIL = 10_000
"""Characters of a text that mails alone carry: one that the website shows, too, is cut there instead."""
LONGEST_PAST = timedelta(minutes=10)
"""How long before its submission a request may ask to be published: people take a while to fill in a form."""
LONGEST_AHEAD = timedelta(days=300)
"""How far ahead a publication may be scheduled: a state machine lives a year, reviews included."""


@dataclass(frozen=True, kw_only=True)
class ChannelRules:
    """Which classification may go where (clauses 2.3.1, 5.3.1); what the table does not allow is not allowed."""

    allowed: frozenset[tuple[Classification, Channel]]

    @classmethod
    def load(cls, path: Path = CHANNELS) -> Self:
        """Read the table. Raises ValueError or KeyError when it names what we do not know."""
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["allowed"] == "yes"]
        pairs = ((Classification(row["classification"]), Channel(row["channel"])) for row in rows)
        return cls(allowed=frozenset(pairs))

    def allows(self, classification: Classification, channel: Channel) -> bool:
        """Whether items of this classification may go to this channel."""
        return (classification, channel) in self.allowed


def validate(document: object, *, now: datetime, rules: ChannelRules) -> Form:
    """Read a publication request (clause 3.1.2). Raises InvalidSubmission with every fault at once.

    A rule between fields is checked when its own fields are sound, whatever is wrong elsewhere.
    """
    errors = schema("submission").errors(document)
    sound = sound_fields(document, errors)
    errors += (
        *_channel_faults(sound, rules),
        *_mail_faults(sound),
        *_audience_faults(sound),
        *time_faults(sound, now),
    )
    if errors or not isinstance(document, dict):
        raise InvalidSubmission(errors)
    return form_from_document(document)


def validate_amendment(document: object, *, before: Form, now: datetime, rules: ChannelRules) -> Form:
    """Read the text that an editor puts in the place of another (clause 2.1.3), as `validate` reads a request.

    Department and drafter stay, the classification is not lowered, and there is no declaration: the drafter's was for
    the text before. What stays as it was, the publish time included, is not asked again whether its time has passed.
    """
    errors = schema("amendment").errors(document)
    sound = sound_fields(document, errors)
    errors += (
        *_channel_faults(sound, rules),
        *_mail_faults(sound),
        *_audience_faults(sound),
        *(() if _same_time(sound, before) else time_faults(sound, now)),
        *_editors_faults(sound, before),
    )
    if errors or not isinstance(document, dict):
        raise InvalidSubmission(errors)
    form = form_from_document(_amended(document, before))
    if not difference(before, form):
        raise InvalidSubmission((FieldError(pointer="", code="nothing_changed"),))
    return form


def _amended(document: Mapping[str, Any], before: Form) -> dict[str, Any]:
    """The whole form that an amendment makes; what says the same in other words is left as it was said."""
    said = {name: value for name, value in document.items() if name not in OF_THE_AMENDMENT}
    if _same_time(said, before):
        said["publish_at"] = before.document["publish_at"]
    for name in ("keywords", "attachments"):
        if not said.get(name) and not before.document.get(name):
            said.pop(name, None)
            said |= {name: before.document[name]} if name in before.document else {}
    return {**said, "department": before.department, "drafter": before.drafter}


def _same_time(sound: Mapping[str, Any], before: Form) -> bool:
    """Whether a publish time is the one before, to the second, by the clocks of the same place."""
    match sound:
        case {"publish_at": publish_at, "time_zone": before.time_zone}:
            return from_text(publish_at).replace(microsecond=0) == before.publish_at.replace(microsecond=0)
    return False


def _editors_faults(sound: Mapping[str, Any], before: Form) -> Iterator[FieldError]:
    match sound:
        case {"classification": classification}:
            if CLASSIFICATIONS.index(Classification(classification)) < CLASSIFICATIONS.index(
                before.classification
            ):
                yield FieldError(
                    pointer="/classification",
                    code="classification_lowered",
                    params={"classification": before.classification},
                )
    for place, attachment in enumerate(sound.get("attachments", ())):
        if attachment not in before.attachments:
            yield FieldError(pointer=f"/attachments/{place}", code="not_of_this_request")


def sound_fields(document: object, errors: tuple[FieldError, ...]) -> dict[str, Any]:
    """The top-level fields of a form that these errors do not concern; none if it is no form at all."""
    wrong = {"/".join(error.pointer.split("/")[:2]) for error in errors}
    if not isinstance(document, dict) or "" in wrong:
        return {}
    return {name: value for name, value in document.items() if f"/{name}" not in wrong}


def _channel_faults(sound: dict[str, Any], rules: ChannelRules) -> Iterator[FieldError]:
    match sound:
        case {"classification": classification, "channels": channels}:
            for index, channel in enumerate(channels):
                if not rules.allows(Classification(classification), Channel(channel)):
                    yield FieldError(
                        pointer=f"/channels/{index}",
                        code="channel_not_allowed",
                        params={"classification": classification, "channel": channel},
                    )


def _mail_faults(sound: dict[str, Any]) -> Iterator[FieldError]:
    """What a mail needs: a subject that says something, and to be short (clause 4.4.2)."""
    channels = sound.get("channels", ())
    if Channel.EMAIL not in channels:
        return
    match sound:
        case {"title": title} if sum(map(str.isalnum, title)) < LEAST_SUBJECT:
            yield FieldError(pointer="/title", code="vague_subject", params={"least": LEAST_SUBJECT})
    match sound:
        case {"body": body} if Channel.WEBSITE not in channels and len(body) > LONGEST_MAIL:
            yield FieldError(pointer="/body", code="too_long_for_mail", params={"limit": LONGEST_MAIL})


def _audience_faults(sound: dict[str, Any]) -> Iterator[FieldError]:
    match sound:
        case {"classification": Classification.CONFIDENTIAL, "audience": "all"}:
            yield FieldError(pointer="/audience", code="audience_list_required")


def time_faults(sound: Mapping[str, Any], now: datetime) -> Iterator[FieldError]:
    """What is wrong with a publish time, each rule where the fields that it is about are sound."""
    match sound:
        case {"publish_at": publish_at}:
            if from_text(publish_at) < now - LONGEST_PAST:
                minutes = LONGEST_PAST // timedelta(minutes=1)
                yield FieldError(pointer="/publish_at", code="in_the_past", params={"minutes": minutes})
            if from_text(publish_at) > now + LONGEST_AHEAD:
                yield FieldError(
                    pointer="/publish_at", code="too_far_ahead", params={"days": LONGEST_AHEAD.days}
                )
    match sound:
        case {"publish_at": publish_at, "time_zone": time_zone}:
            stated = datetime.fromisoformat(publish_at)
            local = stated.astimezone(ZoneInfo(time_zone))
            if stated.utcoffset() != local.utcoffset():
                offset = f"{local:%z}"
                yield FieldError(
                    pointer="/publish_at",
                    code="offset_contradicts_zone",
                    params={"time_zone": time_zone, "offset": f"{offset[:3]}:{offset[3:5]}"},
                )
