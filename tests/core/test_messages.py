import ast
import json
import re
import string
from collections.abc import Iterator
from fnmatch import fnmatch
from math import nan
from pathlib import Path

import pytest

from chalicelib.core import errors as errors_module
from chalicelib.core.errors import ImprimaturError
from chalicelib.core.messages import LANGUAGES, negotiate, text
from chalicelib.core.validation import CODES, SCHEMAS
from chalicelib.submission.model import Channel, Classification, State

ROOT = Path(__file__).parents[2]
CATALOGUES = {
    language: json.loads((ROOT / "chalicelib/core/messages" / f"{language}.json").read_bytes())
    for language in LANGUAGES
}
ENGLISH = CATALOGUES["en"]
SOURCES = sorted((ROOT / "chalicelib").rglob("*.py"))


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogues_have_the_same_keys_and_placeholders(language: str) -> None:
    assert list(CATALOGUES[language]) == list(ENGLISH)
    for key, template in CATALOGUES[language].items():
        assert template.strip() or key == "word.separator"
        assert placeholders(template) == placeholders(ENGLISH[key]), key


@pytest.mark.parametrize("language", ["zh-Hans", "zh-Hant"])
def test_chinese_texts_are_punctuated_in_full_width(language: str) -> None:
    for key, template in CATALOGUES[language].items():
        assert not re.search(r"[一-鿿}][,;:?!()]|[,;:?!()][一-鿿{]", template), key
        if key.startswith("field.") or key.endswith(".detail"):
            assert template.endswith("。"), key


def error_classes(root: type[ImprimaturError] = ImprimaturError) -> Iterator[type[ImprimaturError]]:
    yield root
    for each in root.__subclasses__():
        yield from error_classes(each)


def calls() -> Iterator[tuple[Path, str, ast.Call]]:
    """Each call of a name in our sources: where, the name, the call."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield path, node.func.id, node


def codes_in(value: ast.expr) -> list[str]:
    """The codes that an expression can give, each filled-in part as `*`; none if it names no literal."""
    if isinstance(value, ast.JoinedStr):
        return ["".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in value.values)]
    if isinstance(value, ast.IfExp):
        return codes_in(value.body) + codes_in(value.orelse)
    return [value.value] if isinstance(value, ast.Constant) and isinstance(value.value, str) else []


def test_every_error_has_a_title_and_a_detail() -> None:
    names = {each.__name__ for each in error_classes()}
    codes = {each.code for each in error_classes()}
    for _, name, call in calls():
        if name in names and call.args:
            codes.update(codes_in(call.args[0]))
    assert {f"{code}.{part}" for code in codes for part in ("title", "detail")} <= ENGLISH.keys()
    assert codes > {"not_json", "internal"}, "the search finds codes of calls and classes"


def test_every_code_of_a_wrong_field_has_a_text() -> None:
    codes = {code for code, _ in CODES.values()} | {"bad_value"}
    for path, name, call in calls():
        if name == "FieldError":
            found = [code for each in call.keywords if each.arg == "code" for code in codes_in(each.value)]
            assert found or path.name in {"validation.py", "problems.py"}, (
                f"{path}:{call.lineno} hides its code from this test"
            )
            codes.update(found)
    for file in SCHEMAS.glob("*.json"):
        for own in re.findall(r'"x-codes": \{(.*?)\}', file.read_text("utf-8"), re.DOTALL):
            codes.update(re.findall(r': "(\w+)"', own))
    assert codes > {"in_the_past", "bad_id", "too_complex"}, "the search finds codes of calls and schemas"
    assert [code for code in sorted(codes) if not any(fnmatch(key, f"field.{code}") for key in ENGLISH)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_that_people_know_in_words_are_said_in_words(language: str) -> None:
    for name, values in (("channel", Channel), ("classification", Classification), ("state", State)):
        for value in values:
            assert f"word.{name}.{value}" in CATALOGUES[language]


def test_text_speaks_the_language_asked_for() -> None:
    params = {"classification": "internal", "channel": Channel.WECHAT}
    assert text("field.channel_not_allowed", "zh-Hans", params) == "内部信息不得经微信公众号发布。"
    assert text("field.channel_not_allowed", "zh-Hant", params) == "內部資訊不得經微信公眾號發布。"
    assert text("field.channel_not_allowed", "en", params).endswith("through the WeChat account.")
    assert text("field.required", "fr", {}) == "此项必填。"


def test_text_joins_lists_as_the_language_does() -> None:
    assert text("field.not_one_of", "zh-Hans", {"allowed": ["news", "notice"]}).endswith("news、notice。")
    assert text("field.not_one_of", "en", {"allowed": ("news", "notice")}).endswith("news, notice.")


ODD: tuple[object, ...] = (None, [], {}, [[nan]], object(), 10**5000, [10**5000], "{x.__class__}", "\ud800")


@pytest.mark.parametrize("limit", ODD, ids=range(len(ODD)))
def test_text_never_raises_on_an_odd_parameter(limit: object) -> None:
    assert text("field.too_long", "en", {"limit": limit, "more": object()}).startswith("At most ")


def test_text_of_a_missing_parameter_or_key_is_still_a_text() -> None:
    assert text("field.too_long", "en", {}) == "At most … characters."
    assert text("no.such.key", "en", {}) == "no.such.key"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh-Hans"),
        ("", "zh-Hans"),
        ("*", "zh-Hans"),
        ("fr, de;q=0.9", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-HK;q=0.8, en;q=0.5", "zh-Hant"),
        ("zh-MO", "zh-Hant"),
        ("zh-Hant", "zh-Hant"),
        ("zh-Hant-SG", "zh-Hant"),
        ("zh-Hans-HK", "zh-Hans"),
        ("ZH-hk", "zh-Hant"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("fr, en;q=0.1", "en"),
        ("en;q=0.5, zh-TW;q=0.7", "zh-Hant"),
        ("en;q=0.7, zh-TW;q=0.7", "en"),
        ("en;q=0, zh-TW;q=0.001", "zh-Hant"),
        ("en;q=0", "zh-Hans"),
        ("en ; Q=1 , zh-TW ; q=0.9", "en"),
        ("en;q=2, zh-TW;q=0.1", "zh-Hant"),
        ("en;q=nan, zh-TW;q=x, zh-HK;q=", "zh-Hans"),
        ("en;level=1", "zh-Hans"),
        (",,;;=,en", "en"),
        ("english", "zh-Hans"),
        ("-", "zh-Hans"),
    ],
)
def test_the_best_language_of_the_header_is_chosen(header: str | None, language: str) -> None:
    assert negotiate(header) == language


def test_each_error_class_has_a_code_of_its_own() -> None:
    ours = [each for each in error_classes() if each.__module__ == errors_module.__name__]
    assert len({each.code for each in ours}) == len(ours)
