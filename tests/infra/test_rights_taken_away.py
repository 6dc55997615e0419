"""Every grant of every role is needed: whichever is taken away, something that a walk or crash asks for is refused."""

from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from tests.infra.test_roles import REPEATED
from tests.roles import FILES, Grant, enforced, grants, of_lambda, refused
from tests.test_crash_matrix import live, straight
from tests.walk import SENDING_DEPARTMENT, WALKERS, Walk
from tests.world import OWN_ROLES, World, a_world


@pytest.mark.crash_full
@pytest.mark.parametrize("function", sorted(FILES))
def test_whatever_grant_is_taken_away_something_is_refused(function: str) -> None:
    for gone in sorted(set(grants(function)) - of_lambda(function), key=str):
        with ExitStack() as stack, suppress(Exception):  # whatever the refusal made of the rest
            world = stack.enter_context(a_world(*WALKERS, aws=OWN_ROLES, departments=(SENDING_DEPARTMENT,)))
            stack.enter_context(enforced(without=(function, gone)))
            Walk(world).everywhere()
        for repeated in REPEATED:
            if (repeated.function, repeated.action) == (function, gone.action):
                with ExitStack() as stack, suppress(Exception):
                    live(straight, repeated.crash, taking_away(stack, function, gone))
        told = refused()
        assert told, gone
        assert all(who == function and gone.covers(need) for who, need in told), (gone, told)


def taking_away(stack: ExitStack, function: str, gone: Grant) -> Callable[[World], None]:
    """What takes a grant away once a world is there, until the stack is left."""
    return lambda _world: stack.enter_context(enforced(without=(function, gone)))
