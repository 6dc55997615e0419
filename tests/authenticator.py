"""A passkey in software: a P-256 key that answers a browser's questions as an authenticator does (WebAuthn Level 3)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.core.ids import new_secret
from chalicelib.identity.proofs import base64url

ORIGIN = "https://desk.test"
_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40
_NO_MODEL = bytes(16)
_ES256, _P256 = -7, 1


class Authenticator:
    """One passkey. `verifies` is whether it asks its user for a finger or a PIN; `count` is how often it was used."""

    def __init__(self, *, origin: str = ORIGIN, verifies: bool = True) -> None:
        self.origin = origin
        self.verifies = verifies
        self.count = 0
        self.credential = hashlib.sha256(new_secret().encode()).digest()
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a browser's `create` answers, as JSON."""
        attested = _NO_MODEL + len(self.credential).to_bytes(2, "big") + self.credential + self._cose()
        data = self._data(options["rp"]["id"], _ATTESTED) + attested
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._client_data("webauthn.create", options["challenge"])
        return self._answer({"attestationObject": base64url(made), "clientDataJSON": base64url(said)})

    def get(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a browser's `get` answers, as JSON."""
        self.count += 1
        data, said = (
            self._data(options["rpId"], 0),
            self._client_data("webauthn.get", options["challenge"]),
        )
        signature = self._key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "authenticatorData": base64url(data),
                "clientDataJSON": base64url(said),
                "signature": base64url(signature),
            }
        )

    def _answer(self, response: Mapping[str, str]) -> dict[str, Any]:
        name = base64url(self.credential)
        return {"id": name, "rawId": name, "type": "public-key", "response": dict(response)}

    def _data(self, rp_id: str, more: int) -> bytes:
        flags = _PRESENT | more | (_VERIFIED if self.verifies else 0)
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said, separators=(",", ":")).encode()

    def _cose(self) -> bytes:
        numbers = self._key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: _ES256, -1: _P256, -2: x, -3: y})
