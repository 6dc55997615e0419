"""The service's own signature: over canonical JSON, with a key that never leaves KMS (ECDSA on P-256, SHA-256)."""

import base64
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.core.canonical import Document, canonical

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient


class Signer:
    """Signs in the service's name. `client` is asked for at each call, so that building needs no AWS."""

    def __init__(self, *, client: "Callable[[], KMSClient]", key: str) -> None:
        self._client = client
        self._key = key

    def sign(self, document: Document) -> dict[str, str]:
        """The signature over a document, with the id of the key; one AWS call.

        `value` is base64 of the DER form that every library verifies.
        """
        answer = self._client().sign(
            KeyId=self._key,
            Message=hashlib.sha256(canonical(document)).digest(),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        key = answer["KeyId"].rpartition("/")[2]
        return {"key": key, "value": base64.b64encode(answer["Signature"]).decode()}

    def public_key(self) -> str:
        """The public key as PEM: what a verifier needs, and all that it needs."""
        der = self._client().get_public_key(KeyId=self._key)["PublicKey"]
        whole = base64.b64encode(der).decode()
        parts = [whole[place : place + 64] for place in range(0, len(whole), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----", *parts, "-----END PUBLIC KEY-----", ""])
