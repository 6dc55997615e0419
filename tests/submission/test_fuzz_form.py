"""500 forms of each kind: sound ones are accepted, wrong ones refused by field; nothing else ever happens."""

import json

from hypothesis import given, settings

from chalicelib.core.errors import FieldError, InvalidSubmission
from chalicelib.submission.form import ChannelRules, validate
from tests.submission.strategies import NOW, Document, Wrong, hostile_documents, invalid_forms, valid_forms

RULES = ChannelRules.load()
FIVE_HUNDRED = settings(max_examples=500, deadline=None, database=None, derandomize=True)


def errors_of(document: object) -> tuple[FieldError, ...]:
    """What the answer names; empty when the form is accepted."""
    try:
        validate(document, now=NOW, rules=RULES)
    except InvalidSubmission as refusal:
        return refusal.errors
    return ()


@FIVE_HUNDRED
@given(valid_forms())
def test_a_sound_form_is_accepted(document: Document) -> None:
    """Clause 3.1.2: the form in its set format."""
    assert errors_of(document) == ()


@FIVE_HUNDRED
@given(invalid_forms())
def test_a_wrong_form_is_refused_at_each_of_its_faults(wrong: Wrong) -> None:
    """Clause 3.1.2: all errors at once, by field."""
    document, pointers = wrong
    assert pointers <= {error.pointer for error in errors_of(document)}


@FIVE_HUNDRED
@given(hostile_documents())
def test_any_json_value_gets_an_answer_that_can_be_sent(document: object) -> None:
    answer = [(error.pointer, error.code, dict(error.params)) for error in errors_of(document)]
    assert json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
