import json
import subprocess
import sys
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.errors import FieldError, InvalidInput
from chalicelib.core.keywords import FORMATS
from chalicelib.core.validation import MAX_DEPTH, MAX_VALUES, Schema, checked, schema


def a_schema(folder: Path, **files: dict[str, Any]) -> Schema:
    """The schema `first` of these files."""
    for name, rules in files.items():
        (folder / f"{name}.json").write_text(json.dumps(rules))
    return Schema("first", folder)


def found(errors: tuple[FieldError, ...]) -> list[tuple[str, str]]:
    return [(error.pointer, error.code) for error in errors]


def test_errors_carry_what_their_messages_need(tmp_path: Path) -> None:
    rules = a_schema(
        tmp_path,
        first={
            "properties": {
                "a": {"maxLength": 2},
                "b": {"enum": ["x", "y"]},
                "c": {"const": "z"},
                "d": {"type": "boolean"},
                "e": {"type": "string", "format": "email"},
            }
        },
    )
    errors = rules.errors({"a": "abc", "b": 1, "c": 1, "d": 1, "e": "nobody"})
    assert {error.code: dict(error.params) for error in errors if error.code != "not_one_of"} == {
        "too_long": {"limit": 2},
        "wrong_type": {"expected": "boolean"},
        "bad_format": {"format": "email"},
    }
    assert [error.params["allowed"] for error in errors if error.code == "not_one_of"] == [["x", "y"], ["z"]]


def test_references_reach_this_file_and_its_neighbours(tmp_path: Path) -> None:
    rules = a_schema(
        tmp_path,
        first={
            "properties": {"a": {"$ref": "second.json#/$defs/word"}, "b": {"$ref": "#/$defs/flag"}},
            "$defs": {"flag": {"type": "boolean"}},
        },
        second={"$defs": {"word": {"$ref": "#/$defs/text", "maxLength": 1}, "text": {"type": "string"}}},
    )
    assert found(rules.errors({"a": "ab", "b": 0})) == [("/a", "too_long"), ("/b", "wrong_type")]
    assert found(rules.errors({"a": 1})) == [("/a", "wrong_type")]


def test_a_schema_may_name_the_code_of_a_failure(tmp_path: Path) -> None:
    rules = a_schema(tmp_path, first={"pattern": "^a$", "maxLength": 1, "x-codes": {"pattern": "not_a"}})
    assert found(rules.errors("bc")) == [("", "not_a"), ("", "too_long")]


def test_a_keyword_without_a_code_still_gives_an_error(tmp_path: Path) -> None:
    assert found(a_schema(tmp_path, first={"minimum": 3}).errors(2)) == [("", "bad_value")]


def test_one_fault_found_by_two_branches_is_told_once(tmp_path: Path) -> None:
    twice = a_schema(tmp_path, first={"allOf": [{"required": ["a"]}, {"required": ["a"]}]})
    assert found(twice.errors({})) == [("/a", "required")]


def test_the_end_of_a_pattern_is_the_end_of_the_text(tmp_path: Path) -> None:
    rules = a_schema(tmp_path, first={"pattern": "^a$"})
    assert (rules.errors("a"), found(rules.errors("a\n"))) == ((), [("", "bad_value")])


def test_checked_fills_in_defaults_and_changes_nothing_that_was_sent() -> None:
    sent = {"handle": "h"}
    assert checked("session", sent) == {"handle": "h", "bearer": False}
    assert checked("session", {"handle": "h", "bearer": True})["bearer"] is True
    assert sent == {"handle": "h"}


@pytest.mark.parametrize("document", [None, [], "x", 5, {}, {"handle": ""}])
def test_checked_refuses_with_every_error(document: object) -> None:
    with pytest.raises(InvalidInput) as refusal:
        checked("session", document)
    assert refusal.value.errors == schema("session").errors(document) != ()


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T09:00:00Z",
        "2026-03-01T09:00:00.123456789+08:00",
        "2028-02-29T23:59:59-11:30",
        "1900-01-01T00:00:00Z",
    ],
)
def test_date_time_is_accepted(text: str) -> None:
    assert text not in wrong("date-time", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01T09:00:00",
        "2026-03-01T09:00Z",
        "2026-03-01 09:00:00Z",
        "2026-03-01t09:00:00z",
        "2026-02-29T09:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-03-01T09:00:00+24:00",
        "2026-03-01T09:00:00+08:60",
        "2026-03-01T09:00:00+0800",
        "2026-03-01T09:00:00.Z",
        "2026-03-01T09:00:00Z\n",
        "２０２６-03-01T09:00:00Z",
        "2026-W09-7T09:00:00Z",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        "2026-03-01T09:00:00." + "0" * 100_000 + "Z",
    ],
)
def test_date_time_is_refused(text: str) -> None:
    assert text in wrong("date-time", text)


def test_time_zones_are_those_of_the_database_in_its_spelling() -> None:
    right = ["Asia/Shanghai", "America/Argentina/Buenos_Aires", "Etc/GMT+8", "UTC"]
    others = [
        "",
        "asia/shanghai",
        "Asia",
        "Asia/",
        "/etc/localtime",
        "../UTC",
        "UTC\x00",
        "posixrules",
        "Factory",
        "\ud800",
    ]
    assert wrong("time-zone", *right, *others) == others


def test_email_is_a_plain_ascii_mailbox() -> None:
    right = [
        "a@b.example",
        "a.b-c+d_e@x-1.example",
        "1@2.3.cn",
        "a" * 64 + "@b.example",
        "a@" + "b" * 63 + ".example",
    ]
    others = [
        "",
        "a",
        "@b.example",
        "a@",
        "a@b",
        ".a@b.example",
        "a.@b.example",
        "a@.example",
        "a@b..example",
    ]
    others += [
        "a b@c.example",
        "a@b.example ",
        "a@b.example\n",
        "甲@b.example",
        "a@例.example",
        "a@b@c.example",
    ]
    others += [
        "a" * 65 + "@b.example",
        "a@" + "b" * 64 + ".example",
        "a@-b.example",
        '"a"@b.example',
        "a@[::1]",
    ]
    others += ["a." * 50_000 + "@b.example", "a@" + "b." * 50_000]
    assert wrong("email", *right, *others) == others


def wrong(format_name: str, *texts: str) -> list[str]:
    """Those of the texts that are not of the format."""
    return [text for text in texts if not FORMATS[format_name](text)]


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("most", "one_more"),
    [
        (nested(MAX_DEPTH), nested(MAX_DEPTH + 1)),
        (["x"] * (MAX_VALUES - 1), ["x"] * MAX_VALUES),
        ({str(n): n for n in range(MAX_VALUES - 1)}, {str(n): n for n in range(MAX_VALUES)}),
        (2**64 - 1, 2**64),
        ([-(2**64) + 1], [-(2**64)]),
    ],
    ids=["depth", "list", "object", "number", "negative number"],
)
def test_what_is_too_complex_is_refused_unread(tmp_path: Path, most: object, one_more: object) -> None:
    anything = a_schema(tmp_path, first={})
    assert anything.errors(most) == ()
    assert found(anything.errors(one_more)) == [("", "too_complex")]


def test_a_schema_may_allow_more_values(tmp_path: Path) -> None:
    rules = a_schema(tmp_path, first={"x-max-values": 3})
    assert (rules.errors([1, 2]), found(rules.errors([1, 2, 3]))) == ((), [("", "too_complex")])


@pytest.mark.parametrize(
    "document",
    [
        nested(100_000),
        [nan, inf, -inf],
        10**5000,
        {"title": 10**5000},
        {"title": nan, "channels": [inf], "audience": [nan, nan]},
        {"\ud800": 1, "": 2, "~/": 3},
        {"channels": [[], [], {}, {}]},
        {"audience": [["hr"], ["hr"]], "keywords": [None, None]},
        {"title": "\ud800" * 70},
        {"declaration": [{"accepted": True}]},
        "\udfff",
    ],
    ids=lambda document: str(type(document)),
)
def test_odd_values_get_errors_that_can_be_sent(document: object) -> None:
    errors = schema("submission").errors(document)
    assert json.dumps([(e.pointer, e.code, dict(e.params)) for e in errors], ensure_ascii=False).encode()
    assert errors


def test_pointers_escape_names_and_replace_what_cannot_be_sent() -> None:
    unknown = schema("withdrawal").errors({"a/b": 1, "m~n": 2, "\ud800x": 3, "": 4})
    assert {error.pointer for error in unknown} == {"/a~1b", "/m~0n", "/?x", "/"}


def test_jsonschema_is_loaded_when_first_needed_and_no_uri_grammar_ever() -> None:
    program = """
import sys
from chalicelib.core.validation import schema
assert "jsonschema" not in sys.modules
assert schema("sign_in").errors({"email": "x"})
assert "jsonschema" in sys.modules
assert not {"rfc3987", "rfc3987_syntax", "lark", "requests"} & sys.modules.keys()
"""
    root = Path(__file__).parents[2]
    run = subprocess.run(  # noqa: S603 — the program above, in a fresh interpreter
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
