"""A problem that is kept as codes says the same later, in any language."""

import json

import pytest

from chalicelib.core.errors import FieldError, ImprimaturError, InvalidSubmission, NotPermitted, RateLimited
from chalicelib.core.messages import LANGUAGES
from chalicelib.core.problems import Problem, problem_of

WRONG = (
    FieldError(pointer="/title", code="too_long", params={"limit": 64}),
    FieldError(pointer="/channels/0", code="not_one_of", params={"allowed": ["website", "email"]}),
)


@pytest.mark.parametrize(
    "error", [InvalidSubmission(WRONG), NotPermitted(), RateLimited(7), ImprimaturError()]
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_problem_read_back_from_its_codes_says_the_same(error: ImprimaturError, language: str) -> None:
    problem = problem_of(error)
    kept = Problem.from_codes(json.loads(json.dumps(problem.codes())))
    assert kept.document(language, "c-1") == problem.document(language, "c-1")


def test_only_what_is_about_fields_lists_them() -> None:
    assert len(problem_of(InvalidSubmission(WRONG)).document("en", "c")["errors"]) == len(WRONG)
    assert problem_of(InvalidSubmission(())).document("en", "c")["errors"] == []
    assert "errors" not in problem_of(NotPermitted()).document("en", "c")
