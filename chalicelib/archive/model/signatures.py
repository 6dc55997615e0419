"""Whether opinions are signed as they say (clause 3.3.4): by the service, and by the reviewer's own passkey.

Public keys are enough. The passkey's is in the event that enrolled it, which travels with the assertion under the
service's signature; the service's comes from outside, or nothing proves whose opinions these are. Frozen by
docs/archive-format.md, so nothing here follows functions of other subjects.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from chalicelib.archive.model.findings import Code
from chalicelib.core.canonical import canonical
from chalicelib.core.clock import from_text
from chalicelib.ledger.model import Event

SIGNATURE = "service_signature"
_PRESENT, _VERIFIED = 0x01, 0x04
_FLAGS, _SHORTEST = 32, 37
"""In authenticator data: where the flags are, and how long it is at least (WebAuthn, 6.1)."""
_LONGEST_COMMIT = timedelta(minutes=1)
"""Between the decision and the event that records it, tries again included."""


class _BadSignatureError(Exception):
    """Something is not signed as it says."""


def is_signed(decided: Event) -> bool:
    """Whether the event of an opinion claims a signature."""
    return SIGNATURE in decided.payload or "proof" in decided.payload


def signature_findings(decided: Event, service_keys: Sequence[bytes]) -> Iterator[Code]:
    """What is wrong with the signatures under an opinion; without keys (PEM) the service's cannot be looked at."""
    if not is_signed(decided):
        if service_keys:
            yield Code.UNSIGNED
        return
    checks: tuple[tuple[Code, Callable[[], None]], ...] = (
        (Code.SERVICE_SIGNATURE, lambda: _check_service(decided, service_keys)),
        (Code.ENROLMENT, lambda: _check_enrolment(decided, service_keys)),
        (Code.PASSKEY_SIGNATURE, lambda: _check_passkey(decided)),
        (Code.DECIDED_AT, lambda: _check_time(decided)),
    )
    for code, check in checks:
        try:
            check()
        except Exception:  # noqa: BLE001 — whatever somebody wrote there: it is no signature
            yield code


def proof_not_accepted(
    decided: Event, procedure: Mapping[str, Any] | None, classification: object
) -> str | None:
    """The kind of proof that was given, if by the procedure it is not enough for stage and classification."""
    said, proof = (procedure or {}).get("stages"), decided.payload.get("proof")
    stages = said if isinstance(said, list) else []
    for stage in stages:
        if isinstance(stage, dict) and stage.get("id") == decided.payload.get("stage"):
            accepted = stage.get("proof")
            kinds = accepted.get(classification) if isinstance(accepted, dict) else None
            kind = proof.get("kind") if isinstance(proof, dict) else None
            return str(kind or "-") if isinstance(kinds, list) and kind not in kinds else None
    return None


def _check_service(decided: Event, service_keys: Sequence[bytes]) -> None:
    said = {name: value for name, value in decided.payload.items() if name != SIGNATURE}
    document = {
        "purpose": "opinion-recorded",
        "submission": decided.submission,
        "reviewer": decided.actor,
        **said,
    }
    _ensure_by_service(document, decided.payload[SIGNATURE], service_keys)


def _check_enrolment(decided: Event, service_keys: Sequence[bytes]) -> None:
    """The passkey was enrolled by the reviewer, as the service has signed."""
    proof = decided.payload["proof"]
    if proof["kind"] != "passkey":
        return
    event, signature = proof["enrolment"]["event"], proof["enrolment"][SIGNATURE]
    _ensure(event["type"] == "ProofEnrolled" and event["actor"] == decided.actor)
    _ensure(event["payload"]["kind"] == "passkey" and event["payload"]["id"] == proof["id"])
    _ensure(from_text(event["at"]) <= decided.at)
    _ensure_by_service({"purpose": "proof-enrolled", "event": event}, signature, service_keys)


def _check_passkey(decided: Event) -> None:
    """The reviewer's passkey has signed this very opinion, its user verified (WebAuthn, 7.2)."""
    said, proof = decided.payload, decided.payload["proof"]
    if proof["kind"] != "passkey":
        return
    statement = {
        "purpose": "opinion",
        "submission": decided.submission,
        **{name: said[name] for name in ("revision", "stage", "content_digest")},
        **{name: said[name] for name in ("decision", "comment", "checklist")},
        "reviewer": decided.actor,
        "nonce": proof["nonce"],
    }
    told, data = _bytes(proof["client_data_json"]), _bytes(proof["authenticator_data"])
    client = json.loads(told)
    _ensure(client["type"] == "webauthn.get")
    _ensure(_bytes(client["challenge"]) == hashlib.sha256(canonical(statement)).digest())
    _ensure(len(data) >= _SHORTEST and data[_FLAGS] & _PRESENT > 0 and data[_FLAGS] & _VERIFIED > 0)
    labels = (urlsplit(client["origin"]).hostname or "").split(".")
    hosts = {".".join(labels[place:]) for place in range(len(labels))}
    _ensure(data[:_FLAGS] in {hashlib.sha256(host.encode()).digest() for host in hosts})
    signed = data + hashlib.sha256(told).digest()
    _ensure_by_passkey(
        proof["enrolment"]["event"]["payload"]["public_key"], _bytes(proof["signature"]), signed
    )


def _check_time(decided: Event) -> None:
    after = decided.at - from_text(decided.payload["decided_at"])
    _ensure(timedelta(0) <= after <= _LONGEST_COMMIT)


def _ensure_by_service(
    document: Mapping[str, Any], signature: Mapping[str, Any], service_keys: Sequence[bytes]
) -> None:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 — heavy, and few events need it
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    value, raw = base64.b64decode(signature["value"], validate=True), canonical(document)
    for pem in service_keys:
        key = load_pem_public_key(pem)
        try:
            if isinstance(key, EllipticCurvePublicKey):
                key.verify(value, raw, ECDSA(SHA256()))
                return
        except InvalidSignature:
            continue
    _ensure(not service_keys)


def _ensure_by_passkey(public_key: str, signature: bytes, signed: bytes) -> None:
    from webauthn.helpers import (  # noqa: PLC0415 — as above
        decode_credential_public_key,
        decoded_public_key_to_cryptography,
        verify_signature,
    )

    decoded = decode_credential_public_key(_bytes(public_key))
    key = decoded_public_key_to_cryptography(decoded)
    verify_signature(public_key=key, signature_alg=decoded.alg, signature=signature, data=signed)


def _ensure(holds: bool) -> None:  # noqa: FBT001 — an assertion
    if not holds:
        raise _BadSignatureError


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
