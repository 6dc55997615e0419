"""500 forms of each kind: sound ones are accepted, wrong ones refused by field, and nothing else ever happens."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings

from chalicelib.core.errors import InvalidSubmission
from chalicelib.submission.form import ChannelRules, validate
from tests.submission.strategies import NOW, Document, Wrong, hostile_documents, invalid_forms, valid_forms

RULES = ChannelRules.load()
FIVE_HUNDRED = settings(max_examples=500, deadline=None, database=None, derandomize=True)


@FIVE_HUNDRED
@given(valid_forms())
def test_a_sound_form_is_accepted_as_it_was_sent(document: Document) -> None:
    """Clause 3.1.2: the form in its set format."""
    assert validate(document, now=NOW, rules=RULES).document == document


@FIVE_HUNDRED
@given(invalid_forms())
def test_a_wrong_form_is_refused_at_each_of_its_faults(wrong: Wrong) -> None:
    """Clause 3.1.2: all errors at once, by field."""
    document, pointers = wrong
    with pytest.raises(InvalidSubmission) as refusal:
        validate(document, now=NOW, rules=RULES)
    assert pointers <= {error.pointer for error in refusal.value.errors}


@FIVE_HUNDRED
@given(hostile_documents())
def test_any_json_value_is_accepted_or_refused_with_an_answer_that_can_be_sent(document: Any) -> None:
    with suppress(InvalidSubmission):
        try:
            validate(document, now=NOW, rules=RULES)
        except InvalidSubmission as refusal:
            answer = [(error.pointer, error.code, dict(error.params)) for error in refusal.errors]
            json.dumps(answer, ensure_ascii=False).encode()
            assert answer
            raise
