"""The brake with a browser (clause 5.1.2): what is frozen, what waits, freezing, and letting go at a second look."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self
from zoneinfo import ZoneInfo

from chalice.app import Blueprint, Response

from chalicelib import bootstrap
from chalicelib.core.clock import from_text
from chalicelib.core.errors import Conflict, FieldError, InvalidInput, NotFrozen
from chalicelib.core.http import Exchange
from chalicelib.core.validation import checked, schema
from chalicelib.identity.caller import Visit, posted, visit
from chalicelib.ledger.model import Event
from chalicelib.publication.freeze import HISTORY, SCOPES, Freeze, Hand
from chalicelib.submission.filling import instants, local_time
from chalicelib.web.pages import FORM, faults_by_field, page, page_view, see_other, told_of

switch_pages = Blueprint(__name__)

_DONE = frozenset({"frozen", "lifted"})


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The form of a freeze as it was filled in; `until` is a time of the center's clocks."""

    scope: str = ""
    reason: str = ""
    until_date: str = ""
    until_time: str = ""

    @classmethod
    def of(cls, form: Mapping[str, Sequence[str]]) -> Self:
        """What was posted; whatever the form does not have is empty."""
        return cls(**{field.name: next(iter(form.get(field.name, ())), "") for field in fields(cls)})

    def document(self, zone: str) -> dict[str, Any]:
        """The body that it says. Raises InvalidInput for an end that is no time of that zone.

        Of a time that clocks show twice it is the later: too long a freeze harms nobody.
        """
        said = {"scope": self.scope, "reason": self.reason.strip()}
        said = {name: value for name, value in said.items() if value}
        if not self.until_date and not self.until_time:
            return said
        local = local_time(self.until_date, self.until_time)
        if local is None:
            raise InvalidInput((FieldError(pointer="/until", code="bad_local_time"),))
        found = instants(local, ZoneInfo(zone))
        if not found:
            skipped = FieldError(pointer="/until", code="skipped_local_time", params={"time_zone": zone})
            raise InvalidInput((skipped,))
        return said | {"until": max(found).isoformat()}


@switch_pages.route("/publishing", methods=["GET"])
@page_view(switch_pages)
def show_switch(exchange: Exchange) -> Response:
    present, _ = visit(exchange)
    return _switch(exchange, present, Typed())


@switch_pages.route("/publishing", methods=["POST"], content_types=[FORM])
@page_view(switch_pages)
def freeze(exchange: Exchange) -> Response:
    form = exchange.form()
    present, _ = posted(exchange, form)
    parts, typed = bootstrap.parts(), Typed.of(form)
    hand = Hand(person=present.person, correlation_id=exchange.correlation_id)
    try:
        said = _checked(typed, parts.settings.center_time_zone)
        until = from_text(said["until"]) if "until" in said else None
        parts.freezing.freeze(hand, scope=said["scope"], reason=said["reason"], until=until)
    except (Conflict, InvalidInput) as error:
        return _switch(exchange, present, typed, error)
    return see_other(exchange, "/publishing?done=frozen")


@switch_pages.route("/publishing/lift", methods=["GET"])
@page_view(switch_pages)
def show_lifting(exchange: Exchange) -> Response:
    present, _ = visit(exchange)
    return _lifting(exchange, present, exchange.query.get("scope", ""))


@switch_pages.route("/publishing/lift", methods=["POST"], content_types=[FORM])
@page_view(switch_pages)
def lift(exchange: Exchange) -> Response:
    form = exchange.form()
    present, _ = posted(exchange, form)
    scope, reason, seq = (next(iter(form.get(name, ())), "") for name in ("scope", "reason", "seq"))
    hand = Hand(person=present.person, correlation_id=exchange.correlation_id)
    typed = {"scope": scope, "reason": reason.strip(), "seq": int(seq) if seq.isdecimal() else seq}
    try:
        said = checked("unfreeze", {name: value for name, value in typed.items() if value != ""})
        bootstrap.parts().freezing.lift(hand, scope=said["scope"], reason=said["reason"], seq=said.get("seq"))
    except (Conflict, InvalidInput) as error:
        return _lifting(exchange, present, scope, reason=reason, error=error)
    return see_other(exchange, "/publishing?done=lifted")


def _checked(typed: Typed, zone: str) -> dict[str, Any]:
    """What was typed as a body, every fault at once. Raises InvalidInput."""
    faults: tuple[FieldError, ...] = ()
    try:
        said = typed.document(zone)
    except InvalidInput as error:
        said, faults = Typed(scope=typed.scope, reason=typed.reason).document(zone), error.errors
    faults += schema("freeze").errors(said)
    if faults:
        raise InvalidInput(faults)
    return said


def _switch(
    exchange: Exchange, present: Visit, typed: Typed, error: Conflict | InvalidInput | None = None
) -> Response:
    parts = bootstrap.parts()
    freezing, now = parts.freezing, parts.now()
    standing = freezing.look(present.person)
    channels, inbox = parts.register.look(present.person)
    past = freezing.past(present.person, HISTORY)
    events = [each.event for each in past]
    departments = {each.head.department for each in standing.waits}
    names, department_names = parts.people.names(_persons(standing.freezes, events), sorted(departments))
    wrong = faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {}
    done = exchange.query.get("done")
    return page(
        exchange,
        "publishing",
        status=200 if error is None else error.status,
        visit=present,
        freezes=standing.freezes,
        channels=channels,
        inbox=inbox,
        waits=standing.waits,
        count=standing.count,
        may_lift=standing.may_lift,
        past=past,
        names=names,
        departments=department_names,
        scopes=SCOPES,
        typed=typed,
        limit=_limit("freeze"),
        wrong=wrong,
        told=told_of(error, exchange.language) if isinstance(error, Conflict) else None,
        done=done if done in _DONE else None,
        zone=parts.settings.center_time_zone,
        now=now,
    )


def _lifting(
    exchange: Exchange,
    present: Visit,
    scope: str,
    *,
    reason: str = "",
    error: Conflict | InvalidInput | None = None,
) -> Response:
    """The second look. What is not frozen, or not any more, is told on the page of the brake."""
    parts = bootstrap.parts()
    try:
        looked = parts.freezing.before_lifting(present.person, scope)
    except NotFrozen as gone:
        return _switch(exchange, present, Typed(), gone)
    names, departments = parts.people.names(
        _persons((looked.freeze,), []), sorted({each.head.department for each in looked.waited})
    )
    return page(
        exchange,
        "lift_freeze",
        status=200 if error is None else error.status,
        visit=present,
        freeze=looked.freeze,
        waits=looked.waited,
        count=looked.count,
        names=names,
        departments=departments,
        reason=reason,
        limit=_limit("unfreeze"),
        told=told_of(error, exchange.language) if isinstance(error, Conflict) else None,
        wrong=faults_by_field(error, exchange.language) if isinstance(error, InvalidInput) else {},
        zone=parts.settings.center_time_zone,
    )


def _persons(freezes: Iterable[Freeze], events: Iterable[Event]) -> list[str]:
    """Everybody who is to be named."""
    named = {freeze.by for freeze in freezes}
    for event in events:
        named |= {event.actor, event.on_behalf_of or event.actor}
    return sorted(person for person in named if person.startswith("p-"))


def _limit(name: str) -> int:
    return int(schema(name).rules["properties"]["reason"]["maxLength"])
