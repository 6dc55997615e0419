"""Every page says all it says in every language."""

import json
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from chalicelib.core.messages import LANGUAGES
from chalicelib.web.catalogues import TRANSLATIONS, catalogue
from chalicelib.web.pages import TEMPLATES

WEB = TRANSLATIONS.parent
MESSAGES = WEB.parent / "core" / "messages"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
OTHERS = LANGUAGES[1:]
NEWSTYLE = {"newstyle_gettext": "true", "silent": "false"}


def texts_of_pages() -> set[str]:
    found = extract_from_dir(WEB, method_map=[("**.jinja", "jinja2")], options_map={"**.jinja": NEWSTYLE})
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def translated(language: str) -> Catalog:
    with (TRANSLATIONS / f"{language}.po").open("rb") as file:
        return read_po(file)


def test_the_pages_have_texts() -> None:
    assert len(texts_of_pages()) > 40


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated_and_no_other(language: str) -> None:
    messages = {message.id: message for message in translated(language) if message.id}
    names = {name if isinstance(name, str) else name[0] for name in messages}
    assert names == texts_of_pages(), "run `make catalogues` and translate"
    empty = [name for name, message in messages.items() if not message.string or not any(message.string)]
    assert empty == []
    assert [name for name, message in messages.items() if message.fuzzy] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_places_to_fill_in_that_the_text_has(language: str) -> None:
    for message in translated(language):
        if isinstance(message.id, str) and isinstance(message.string, str) and message.id:
            assert set(PLACEHOLDER.findall(message.string)) == set(PLACEHOLDER.findall(message.id)), (
                message.id
            )


@pytest.mark.parametrize("language", OTHERS)
def test_what_the_pages_read_is_what_the_translators_wrote(language: str) -> None:
    for message in translated(language):
        if isinstance(message.id, str) and message.id:
            assert catalogue(language).gettext(message.id) == message.string, "run `make`"


def test_every_word_that_a_template_names_is_in_the_messages() -> None:
    words = json.loads((MESSAGES / "zh-Hans.json").read_bytes())
    for template in sorted(Path(TEMPLATES).glob("*.jinja")):
        for literal in re.findall(r"""word\("([\w.]+)"(?:, "(\w+)")?\)""", template.read_text("utf-8")):
            assert ".".join(filter(None, ("word", *literal))) in words, template.name
        for kind in re.findall(r"""word\("(\w+)", [a-z]""", template.read_text("utf-8")):
            assert any(name.startswith(f"word.{kind}.") for name in words), template.name
