"""Identifiers and secrets."""

import hashlib
import re

import pytest

from chalicelib.core.ids import derived_id, fingerprint, is_id, new_id, new_salt, new_secret


def test_ids_fit_into_urls_keys_and_execution_names() -> None:
    ids = {new_id("s") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"s-[a-z2-7]{20}", each) and is_id("s", each) for each in ids)
    assert len(f"{new_id('s')}-9999-9999") <= 80, "Step Functions allows no longer name"


def test_a_derived_id_follows_from_its_parts_and_their_order() -> None:
    assert derived_id("s", "p-a", "key") == derived_id("s", "p-a", "key")
    assert is_id("s", derived_id("s", "p-a", "key"))
    different = {
        derived_id("s", "p-a", "key"),
        derived_id("s", "key", "p-a"),
        derived_id("s", "p-ak", "ey"),
        derived_id("s", "p-a", "key", ""),
        derived_id("t", "p-a", "key"),
    }
    assert len(different) == 5


@pytest.mark.parametrize(
    "text",
    ["", "s-", "s-" + "a" * 19, "s-" + "a" * 21, "p-" + "a" * 20, "s-" + "A" * 20, "s-" + "a" * 20 + "\n"],
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    assert not is_id("s", text)


def test_secrets_and_salts_have_the_bits_they_promise() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", new_secret()) for _ in range(100))
    assert re.fullmatch(r"[0-9a-f]{32}", new_salt())


def test_a_fingerprint_is_the_secrets_sha_256() -> None:
    assert fingerprint("handle") == hashlib.sha256(b"handle").hexdigest()
    assert fingerprint("\ud800") != fingerprint("\udfff")
