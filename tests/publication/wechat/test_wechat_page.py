"""The stand-in's own pages: what is on the account, and the two things that only a person does there."""

from contextlib import suppress
from datetime import timedelta

import requests

from chalicelib.core.errors import OutcomeUnknown
from chalicelib.publication.channels.wechat.adapter import Mode
from tests.browsing import read_page
from tests.publication.deliveries import TAKEN_BACK
from tests.publication.wechat.accounts import Loopback
from tests.publication.wechat.posting import Posting


def shown(server: Loopback, path: str = "/") -> requests.Response:
    return requests.get(f"{server.url}{path}", timeout=10)


def press(server: Loopback, action: str) -> int:
    """Press the one button that leads there."""
    (form,) = read_page(shown(server).text).all("form", action=action)
    (button,) = form.all("button")
    pressed = {button.attributes["name"]: button.attributes["value"]}
    return requests.post(f"{server.url}{action}", data=pressed, allow_redirects=False, timeout=10).status_code


def test_a_draft_is_published_by_a_press_and_its_article_can_be_read_until_it_is_deleted(
    server: Loopback,
) -> None:
    due = Posting(server=server, mode=Mode.DRAFT)
    due.run_until_ended()
    assert press(server, "/press-publish") == 303
    due.passed += timedelta(minutes=1)
    due.wechat.pass_time()
    assert read_page(shown(server).text).all("form", action="/press-publish") == []
    article = shown(server, "/s/article-1")
    assert "停电检修" in article.text
    assert article.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    due.served.retract(due.item(), TAKEN_BACK)
    assert shown(server, "/s/article-1").status_code == 404


def test_the_administrator_confirms_a_message_to_all_by_a_press(server: Loopback) -> None:
    due = Posting(server=server, mode=Mode.MASS_SEND)
    due.wechat.protected = True
    while not due.wechat.messages:
        with suppress(OutcomeUnknown):
            due.run()
        due.passed += timedelta(minutes=1)
    assert press(server, "/confirm") == 303
    due.wechat.pass_time()
    assert [message.status for message in due.wechat.messages.values()] == ["SEND_SUCCESS"]


def test_what_is_uploaded_is_shown_and_nothing_else_is(server: Loopback) -> None:
    due = Posting(server=server)
    due.wechat.pictures[f"{server.url}/pictures/1"] = b"\xff\xd8\xff"
    assert shown(server, "/pictures/1").content == b"\xff\xd8\xff"
    for path in ("/pictures/2", "/s/article-9", "/elsewhere"):
        assert shown(server, path).status_code == 404
    assert requests.post(f"{server.url}/elsewhere", timeout=10).status_code == 404
