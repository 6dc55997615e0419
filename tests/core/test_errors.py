"""The tree of errors, and trying again when somebody else was faster."""

import re
from collections.abc import Iterator

import pytest

from chalicelib.core import errors
from chalicelib.core.errors import ImprimaturError, NotFound, Stale, Unready
from chalicelib.core.retry import again_when_stale


def classes(root: type[ImprimaturError] = ImprimaturError) -> Iterator[type[ImprimaturError]]:
    yield root
    for each in root.__subclasses__():
        yield from classes(each)


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"^    [│├└─ ]*(\w+) *(\d{3})?", errors.__doc__ or "", re.MULTILINE)
    ours = [each for each in classes() if each.__module__ == errors.__name__]
    assert sorted(name for name, _ in drawn) == sorted(each.__name__ for each in ours)
    stated = {name: int(status) for name, status in drawn if status}
    assert stated == {each.__name__: each.status for each in ours if each.__name__ in stated}


def test_what_only_machines_see_is_no_answer_of_ours() -> None:
    assert {each.status for each in classes(Unready)} == {500}
    assert {each.status for each in classes()} - {500} == {400, 401, 403, 404, 409, 415, 422, 429, 502}


class Step:
    """A step that is too late so many times, and counts how often it is taken."""

    def __init__(self, failures: int, error: type[ImprimaturError] = Stale) -> None:
        self.taken = 0
        self._failures = failures
        self._error = error

    def __call__(self) -> str:
        self.taken += 1
        if self.taken <= self._failures:
            raise self._error
        return "done"


def test_a_stale_step_is_taken_again() -> None:
    step = Step(failures=4)
    assert again_when_stale(step) == "done"
    assert step.taken == 5


def test_in_the_end_stale_is_stale() -> None:
    step = Step(failures=9)
    with pytest.raises(Stale):
        again_when_stale(step, tries=3)
    assert step.taken == 3


def test_any_other_error_is_not_tried_again() -> None:
    step = Step(failures=1, error=NotFound)
    with pytest.raises(NotFound):
        again_when_stale(step)
    assert step.taken == 1
