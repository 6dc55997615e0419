"""`imprimatur mail suppression list|lift`: addresses that announcements no longer go to (clause 4.4.4).

Operations lift for a person on duty whom they name, and policy says for whom; the item keeps who it was.
"""

import sys

from chalicelib import bootstrap
from chalicelib.core.errors import NotPermitted
from chalicelib.core.ids import fingerprint
from chalicelib.people.store import all_persons

DONE, NOTHING, REFUSED = 0, 1, 2
_SHOWN = 12


def list_suppressed() -> int:
    """Print every suppressed address by the person whose it is now, or by its hash; answers the exit status."""
    parts = bootstrap.parts()
    owners = {fingerprint(person.email.strip().casefold()): person for person in all_persons(parts.table)}
    suppressed = sorted(parts.mailings.suppressed(), key=lambda each: each[2] or "")
    for address, reason, at in suppressed:
        owner = owners.get(address)
        whose = f"{owner.name}  {owner.email}" if owner else f"nobody's now  {address[:_SHOWN]}"
        print(f"{at or '-':24}  {reason:10}  {whose}")
    print(f"{len(suppressed)} addresses are suppressed")
    return DONE


def lift(email: str, *, by: str) -> int:
    """Let announcements go to an address again, for a person on duty; answers the exit status."""
    parts = bootstrap.parts()
    person = parts.people.by_email(by)
    if person is None or not person.duties_at(parts.now()):
        return _refused(f"nobody on duty has the address {by}", REFUSED)
    try:
        was_suppressed = parts.mailings.lift(person, email)
    except NotPermitted:
        return _refused(f"policy does not let {by} do this", REFUSED)
    if not was_suppressed:
        return _refused(f"{email} is not suppressed", NOTHING)
    print(f"announcements go to {email} again")
    return DONE


def _refused(why: str, status: int) -> int:
    print(f"imprimatur: {why}", file=sys.stderr)
    return status
