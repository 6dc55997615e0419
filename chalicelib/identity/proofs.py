"""Proofs of person: what somebody has enrolled, and whether what is offered proves that it is that very person.

A passkey signs what it is asked: the challenge is SHA-256 over the canonical JSON of what its owner says, so that the
assertion is the owner's own signature over that (clause 3.3.4). A code of an authenticator app counts once.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from chalicelib.core.canonical import Document, canonical
from chalicelib.core.errors import FieldError, InvalidInput
from chalicelib.identity.model import ProofKind
from chalicelib.ledger.model import GENESIS, Chain

STEP = 30
"""Seconds for which an authenticator app shows a code (RFC 6238)."""
DRIFT = 1
"""How many steps the clock of a telephone may be wrong, either way."""
MOST_PASSKEYS = 10
ALGORITHMS = (-7, -8, -257)
"""Of passkeys, most wanted first (COSE): ECDSA on P-256, Ed25519, RSA."""
_TIMEOUT = 120_000
"""Milliseconds that a browser waits for its user."""


@dataclass(frozen=True, kw_only=True)
class Passkey:
    """An enrolled passkey. `credential` and `public_key` (COSE) are base64url.

    `enrolment` is the event that enrolled it, with the service's signature over it: it travels with every assertion,
    so that whose key it is can be verified without the desk. `name` is its owner's word for it.
    """

    credential: str
    public_key: str
    sign_count: int
    name: str
    added_at: datetime
    enrolment: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What ledger and pages call it: SHA-256 of the credential's id, in hexadecimal."""
        return hashlib.sha256(unpadded(self.credential)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Totp:
    """An enrolled authenticator app. `last_step` is the step of the last code that counted: none counts again."""

    id: str
    secret: str = field(repr=False)
    added_at: datetime
    last_step: int = 0


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """Everything that a person has enrolled, and the end of the chain that tells of it.

    `version` counts every change, uses included. `pending` is an app that has not shown its first code.
    """

    person: str
    passkeys: tuple[Passkey, ...] = ()
    totp: Totp | None = None
    pending: Totp | None = None
    version: int = 0
    seq: int = 0
    last_hash: str = GENESIS

    @property
    def chain(self) -> Chain:
        """The end of the person's chain."""
        return Chain(submission=chain_of(self.person), seq=self.seq, hash=self.last_hash)

    @property
    def kinds(self) -> frozenset[ProofKind]:
        """What the person has enrolled."""
        passkeys = {ProofKind.PASSKEY} if self.passkeys else set()
        return frozenset(passkeys | ({ProofKind.TOTP} if self.totp else set()))

    @property
    def ids(self) -> frozenset[str]:
        """What can be revoked."""
        return frozenset([*(each.id for each in self.passkeys), *([self.totp.id] if self.totp else [])])

    def passkey(self, credential: object) -> Passkey | None:
        """The passkey with that credential id, if it is the person's."""
        return next((each for each in self.passkeys if each.credential == credential), None)

    def with_passkey(self, passkey: Passkey) -> "Proofs":
        """With one more, or with another state of one."""
        others = tuple(each for each in self.passkeys if each.credential != passkey.credential)
        return replace(self, passkeys=(*others, passkey))

    def without(self, proof: str) -> "Proofs":
        """Less one, by its id."""
        return replace(
            self,
            passkeys=tuple(each for each in self.passkeys if each.id != proof),
            totp=None if self.totp is not None and self.totp.id == proof else self.totp,
        )


def chain_of(person: str) -> str:
    """The name of the chain in which the ledger tells of a person's proofs."""
    return f"proofs-{person}"


def challenge_of(statement: Document) -> bytes:
    """What a passkey is asked to sign so that its owner says the statement: SHA-256 over its canonical form."""
    return hashlib.sha256(canonical(statement)).digest()


def step_of_code(totp: Totp, code: str, now: datetime) -> int:
    """The step whose code this is. Raises InvalidInput for a wrong code, and for one that has counted."""
    from pyotp import TOTP  # noqa: PLC0415 — few events need it

    app, present = TOTP(totp.secret), int(now.timestamp()) // STEP
    for step in range(present - DRIFT, present + DRIFT + 1):
        if hmac.compare_digest(app.generate_otp(step).encode(), code.encode()):
            if step <= totp.last_step:
                raise refused(FieldError(pointer="/code", code="code_used"))
            return step
    raise refused(FieldError(pointer="/code", code="code_wrong"))


def link_for_app(totp: Totp, account: str, issuer: str) -> str:
    """The address that an authenticator app takes the secret from."""
    from pyotp import TOTP  # noqa: PLC0415 — as above

    return TOTP(totp.secret).provisioning_uri(name=account, issuer_name=issuer)


def checked_assertion(
    passkey: Passkey, assertion: Mapping[str, Any], challenge: bytes, *, base_url: str
) -> int:
    """The passkey's new sign count. Raises InvalidInput unless it signed this challenge here, its user verified."""
    from webauthn import verify_authentication_response  # noqa: PLC0415 — heavy, and few events need it

    try:
        verified = verify_authentication_response(
            credential=dict(assertion),
            expected_challenge=challenge,
            expected_rp_id=rp_id(base_url),
            expected_origin=base_url,
            credential_public_key=unpadded(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except Exception as error:  # whatever it is that anybody sends: it proves nothing
        raise refused(FieldError(pointer="/passkey", code="passkey_wrong")) from error
    return int(verified.new_sign_count)


def registered(credential: Mapping[str, Any], challenge: bytes, *, base_url: str) -> tuple[str, str, int]:
    """Credential id, public key and sign count of a new passkey. Raises InvalidInput unless made here, for this."""
    from webauthn import verify_registration_response  # noqa: PLC0415 — as above
    from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415 — as above

    try:
        verified = verify_registration_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=rp_id(base_url),
            expected_origin=base_url,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(each) for each in ALGORITHMS],
        )
    except Exception as error:  # as above
        raise refused(FieldError(pointer="/passkey", code="passkey_wrong")) from error
    return (
        base64url(verified.credential_id),
        base64url(verified.credential_public_key),
        int(verified.sign_count),
    )


def signing_options(proofs: Proofs, challenge: bytes, *, base_url: str) -> dict[str, Any]:
    """What a browser's `navigator.credentials.get` is asked, with bytes as base64url."""
    return {
        "challenge": base64url(challenge),
        "rpId": rp_id(base_url),
        "allowCredentials": _named(proofs.passkeys),
        "userVerification": "required",
        "timeout": _TIMEOUT,
    }


def enrolling_options(
    proofs: Proofs, challenge: bytes, *, base_url: str, name: str, account: str
) -> dict[str, Any]:
    """What a browser's `navigator.credentials.create` is asked, with bytes as base64url."""
    return {
        "challenge": base64url(challenge),
        "rp": {"id": rp_id(base_url), "name": "Imprimatur"},
        "user": {"id": base64url(proofs.person.encode()), "name": account, "displayName": name},
        "pubKeyCredParams": [{"type": "public-key", "alg": each} for each in ALGORITHMS],
        "excludeCredentials": _named(proofs.passkeys),
        "authenticatorSelection": {"userVerification": "required", "residentKey": "preferred"},
        "attestation": "none",
        "timeout": _TIMEOUT,
    }


def rp_id(base_url: str) -> str:
    """Whose passkeys they are: the desk's host."""
    return urlsplit(base_url).hostname or ""


def refused(fault: FieldError) -> InvalidInput:
    """What is wrong with a proof, as a fault of the field that held it."""
    return InvalidInput((fault,))


def base64url(raw: bytes) -> str:
    """Without padding, as WebAuthn writes bytes in JSON."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unpadded(text: str) -> bytes:
    """The bytes of a base64url text without padding. Raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _named(passkeys: Sequence[Passkey]) -> list[dict[str, str]]:
    return [{"type": "public-key", "id": each.credential} for each in passkeys]
