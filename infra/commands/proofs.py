"""`imprimatur proof invite|list|revoke EMAIL` and `imprimatur signing-key` (clauses 3.3.4, 5.3.1).

An invitation is a code that opens the way to a first proof. Hand it over so that it reaches the person and nobody else:
printed, it can go on paper; mailed, it proves no more than the mailbox does.
"""

import argparse
import sys

from chalicelib import bootstrap
from chalicelib.bootstrap import Parts
from chalicelib.core.clock import to_text
from chalicelib.core.ids import new_id
from chalicelib.core.mail import Stamp
from chalicelib.identity.service.enrolling import invitation_mail
from chalicelib.people.model import Person

DONE, NOTHING, REFUSED = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    """Do what is asked for a person; answers the exit status."""
    parts = bootstrap.parts()
    person = parts.people.by_email(options.email)
    if person is None:
        print(f"imprimatur: nobody has the address {options.email}", file=sys.stderr)
        return REFUSED
    if options.action == "invite":
        return _invite(parts, person, by_mail=options.mail)
    if options.action == "revoke":
        return _revoke(parts, person, options.id)
    return _list(parts, person)


def print_signing_key(*, of_site: bool = False) -> int:
    """Print the public key of the service's signature, or of the intranet's cookies; answers the exit status."""
    parts = bootstrap.parts()
    signer = parts.site_signer if of_site else parts.signer
    print(signer.public_key(), end="")
    return DONE


def _invite(parts: Parts, person: Person, *, by_mail: bool) -> int:
    if not person.duties_at(parts.now()):
        print(f"imprimatur: {person.email} has no duty now", file=sys.stderr)
        return REFUSED
    code = parts.enrolling.invite(person)
    address = f"{parts.settings.base_url}/me/proofs"
    if by_mail:
        stamp = Stamp(id=new_id("m"), at=parts.now())
        parts.mailer.send(invitation_mail(person, code, address, stamp))
        print(f"mailed to {person.email}")
    else:
        print(f"{code}  for {person.name}, once, signed in at {address}")
    return DONE


def _list(parts: Parts, person: Person) -> int:
    proofs = parts.proof_book.of(person.id)
    for passkey in proofs.passkeys:
        print(f"{passkey.id}  passkey  {to_text(passkey.added_at)}  {passkey.name}")
    if proofs.totp is not None:
        print(f"{proofs.totp.id}  authenticator app  {to_text(proofs.totp.added_at)}")
    print(f"{len(proofs.ids)} proofs of {person.name}")
    return DONE


def _revoke(parts: Parts, person: Person, proof: str | None) -> int:
    gone = parts.enrolling.revoke_by_operations(person, proof)
    for each in gone:
        print(f"revoked {each}")
    if not gone:
        print("nothing to revoke", file=sys.stderr)
        return NOTHING
    return DONE
