"""`imprimatur publishing freeze|unfreeze|status`: the brake, for when no page is at hand (clause 5.1.2).

Operations act for a person on duty whom they name, and the ledger says so of both. Policy lets them freeze; they lift
for somebody only whom policy lets lift.
"""

import sys
from collections.abc import Callable, Iterable, Mapping

from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core import messages
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.errors import Conflict, InvalidInput, NotFrozen, NotPermitted
from chalicelib.core.ids import new_id
from chalicelib.core.validation import checked
from chalicelib.ledger.model import Event
from chalicelib.publication.freeze import HISTORY, WHOLE, Freeze, Hand, Waiting

DONE, NOT_FROZEN, REFUSED = 0, 1, 2


def freeze(*, channel: str | None, reason: str, until: str | None, by: str) -> int:
    """Freeze every channel or one, for a person; answers the exit status."""
    said = {"scope": channel or WHOLE, "reason": reason, **({} if until is None else {"until": until})}

    def pull(parts: Parts, hand: Hand) -> None:
        body = checked("freeze", said)
        end = from_text(body["until"]) if "until" in body else None
        frozen = parts.freezing.freeze(hand, scope=body["scope"], reason=body["reason"], until=end)
        _print_freezes(parts, [frozen])

    return _act(by, pull)


def unfreeze(*, channel: str | None, reason: str, by: str) -> int:
    """Lift the freeze of every channel or of one, for a person, and list what had waited; answers the exit status."""
    said = {"scope": channel or WHOLE, "reason": reason}

    def let_go(parts: Parts, hand: Hand) -> None:
        body = checked("unfreeze", said)
        lifted = parts.freezing.lift(hand, scope=body["scope"], reason=body["reason"])
        _print_waiting(lifted.waited, lifted.count, "submissions waited")
        _print_freezes(parts, parts.freezing.everything().freezes)

    return _act(by, let_go)


def status() -> int:
    """Print what is frozen, what waits for it, and what has happened last."""
    parts = bootstrap.parts()
    present = parts.freezing.everything()
    _print_freezes(parts, present.freezes)
    _print_waiting(present.waits, present.count, "submissions wait")
    events = parts.freezing.history(HISTORY)
    names = _names(parts, (person for event in events for person in (event.on_behalf_of, event.actor)))
    for event in events:
        print(_told(event, names))
    return DONE


def _act(by: str, step: Callable[[Parts, Hand], None]) -> int:
    parts = bootstrap.parts()
    person = parts.people.by_email(by)
    if person is None or not person.duties_at(parts.now()):
        return _refused(f"nobody on duty has the address {by}")
    try:
        step(parts, Hand(person=person, correlation_id=new_id("c"), by_command=True))
    except InvalidInput as error:
        for fault in error.errors:
            _refused(f"{fault.pointer}: {messages.text(f'field.{fault.code}', 'en', fault.params)}")
        return REFUSED
    except NotPermitted:
        return _refused(f"policy does not let {by} do this")
    except NotFrozen:
        _refused("not frozen: nothing was changed")
        return NOT_FROZEN
    except Conflict:
        return _refused("somebody else is at it: look at the status and try again")
    return DONE


def _refused(why: str) -> int:
    print(why, file=sys.stderr)
    return REFUSED


def _print_freezes(parts: Parts, freezes: Iterable[Freeze]) -> None:
    freezes = tuple(freezes)
    names = _names(parts, (freeze.by for freeze in freezes))
    for freeze in freezes:
        until = "until it is lifted" if freeze.until is None else f"until {to_text(freeze.until)}"
        who = names.get(freeze.by, freeze.by)
        print(f"frozen: {freeze.scope}  since {to_text(freeze.since)}  {until}  by {who}: {freeze.reason}")
    if not freezes:
        print("nothing is frozen")


def _print_waiting(waits: Iterable[Waiting], count: int, told: str) -> None:
    for each in waits:
        outcome = messages.text(f"word.outcome.{each.outcome}", "en", {})
        print(f"  {each.head.id}  {to_text(each.head.publish_at)}  {','.join(each.channels)}  {outcome}")
    print(f"{count} {told}")


def _told(event: Event, names: Mapping[str, str]) -> str:
    said = event.payload
    who = event.on_behalf_of or event.actor
    end = "expired" if said.get("expired") else "lifted"
    what = "frozen" if event.type == "PublishingFrozen" else f"{end}, {said.get('waited_count')} waited"
    reason = said.get("reason") or ""
    by = f"{names.get(who, who)}{' by command' if event.on_behalf_of else ''}"
    return f"{event.seq}  {to_text(event.at)}  {said['scope']} {what}  {by}  {reason}".rstrip()


def _names(parts: Parts, persons: Iterable[str | None]) -> Mapping[str, str]:
    names, _ = parts.people.names(sorted({each for each in persons if each and each.startswith("p-")}), [])
    return names
