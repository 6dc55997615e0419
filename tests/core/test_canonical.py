"""Canonical JSON: the one form that digests are taken over."""

import hashlib
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.canonical import canonical, digest


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, "{}"),
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        ({"1": {"f": {"f": "hi", "F": 5}, "\n": 56.0}}, '{"1":{"\\n":56,"f":{"F":5,"f":"hi"}}}'),
        ({"a": 1e30, "b": 4.50, "c": 2e-3, "d": 1e-27}, '{"a":1e+30,"b":4.5,"c":0.002,"d":1e-27}'),
        ({"a": '€$\u000f\nA\'B"\\\\"/'}, '{"a":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'),
        ({"\ufb33": "", "\U0001f600": "", "\u20ac": ""}, '{"\u20ac":"","\U0001f600":"","\ufb33":""}'),
        ({"e\u0301": 1, "\u00e9": 2}, '{"e\u0301":1,"\u00e9":2}'),
    ],
)
def test_the_form_is_that_of_rfc_8785(document: dict[str, Any], expected: str) -> None:
    assert canonical(document) == expected.encode()


def test_a_digest_is_sha_256_in_hexadecimal() -> None:
    assert digest({"b": 2, "a": "字"}) == hashlib.sha256('{"a":"字","b":2}'.encode()).hexdigest()


@settings(deadline=None, database=None)
@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**53) + 1, 2**53 - 1))
)
def test_the_order_of_members_does_not_matter(document: dict[str, int]) -> None:
    assert digest(document) == digest(dict(reversed(document.items())))


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth):
        document = {"a": document}
    return document


@pytest.mark.parametrize(
    "document",
    [{"a": nan}, {"a": inf}, {"a": 2**53 + 1}, {"a": "\ud800"}, {"\ud800": 1}, {"a": object()}, nested(5000)],
    ids=range(7),
)
def test_what_json_cannot_hold_has_no_canonical_form(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        canonical(document)
