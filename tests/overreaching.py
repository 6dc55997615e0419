"""A function that asks for more than its role allows, and is refused."""

from chalicelib.identity.service import Sessions
from chalicelib.publication.store import FREEZES_KEY
from tests.browsing import Browser
from tests.roles import HTTP, refused
from tests.world import HEAD, World


class _Overreaching(Sessions):
    """Signing out that ends the freeze as well."""

    def end(self, token: str) -> None:
        super().end(token)
        self._table.delete(FREEZES_KEY)


def ensure_refused(world: World) -> None:
    """Conditions included: the role may delete, but nothing else than sessions."""
    right = world.parts.sessions
    world.parts.sessions = _Overreaching(table=world.parts.table, now=world.now)
    try:
        browser = Browser(world, HEAD)
        assert browser.submit(browser.get("/"), "/sign-out").status == 500
    finally:
        world.parts.sessions = right
    ((function, need),) = refused()
    assert (function, need.action, need.partition) == (HTTP, "dynamodb:DeleteItem", "FREEZE")
