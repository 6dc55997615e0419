"""The laptop's partners: they take what the desk signs, once, and nothing else, and show it."""

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client
from werkzeug.wrappers import Response

from chalicelib.submission.model import Channel
from infra.local.partners import PATH, Partners
from tests.browsing import read_page
from tests.world import World, a_world

BROWSER = {"accept": "text/html"}


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 — werkzeug's
        pass


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as world:
        yield world


def test_what_is_published_is_with_the_partners_that_want_it(world: World) -> None:
    partners = Partners()
    front = partners.before(Response("the desk"))
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        partners.join(world.parts, f"http://localhost:{server.server_port}")
        assert Channel.PARTNERS in world.parts.adapters
        submission = world.publish(
            channels=["website", "partners"], classification="public", title="<b>停电</b>", category="notice"
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    http = Client(front)
    (taken,) = http.get(PATH).json or []
    assert (taken["partner"], taken["type"], taken["calls"]) == ("daily", "item.published", 1)
    (partner,) = (d for d in world.record(submission)["deliveries"] if d["channel"] == "partners")
    assert partner["receipt"]["outcomes"]["daily"]["receipt"] == taken["receipt"]
    page = read_page(http.get(PATH, headers=BROWSER).text)
    (heading,) = page.all("h2")
    assert heading.text == "<b>停电</b>"


def test_what_nobody_has_signed_is_taken_by_nobody() -> None:
    http = Client(Partners().before(Response("the desk")))
    signed = {"webhook-id": "w-1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
    for headers in ({}, signed, {**signed, "webhook-timestamp": "soon"}):
        assert http.post(f"{PATH}/daily", data=b"{}", headers=headers).status_code == 401
    assert http.post(f"{PATH}/nobody", data=b"{}").status_code == 404
    assert http.post(PATH, data=b"{}").status_code == 404
    assert http.get(PATH).json == []
    assert http.get("/elsewhere").text == "the desk"
