"""What CloudFront does before the internal part of the website: it lets in who has cookies that the desk has signed."""

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from chalicelib.core.clock import Now
from chalicelib.publication.channels.website.admission import admits

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

KEY_PAIR = "K-LAPTOP"
"""What CloudFront would call the key that signs cookies."""


def gate(kms: "KMSClient", key: str, now: Now) -> Callable[[Mapping[str, str], str], bool]:
    """Whether cookies let one in at an address; `key` is the ARN of the key that signs them."""

    @functools.cache
    def public_key() -> EllipticCurvePublicKey:
        known = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
        if not isinstance(known, EllipticCurvePublicKey):
            raise TypeError("the key for cookies is of another kind")
        return known

    def is_signed(signature: bytes, policy: bytes) -> bool:
        try:
            public_key().verify(signature, policy, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return lambda cookies, address: admits(cookies, address, now(), key_pair=KEY_PAIR, is_signed=is_signed)
