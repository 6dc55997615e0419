"""The client against the stand-in, over HTTP: every call, every meaning of a no, and no call that publishes twice."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core import messages
from chalicelib.core.errors import (
    ChannelBusy,
    ChannelRefusal,
    DeliveryParked,
    DeliveryRefused,
    OutcomeUnknown,
)
from chalicelib.publication.channels.wechat import client as client_module
from chalicelib.publication.channels.wechat import pictures
from chalicelib.publication.channels.wechat.client import WeChatApi, WeChatClient
from chalicelib.publication.channels.wechat.policy import POLICY, REASONS, Meaning
from infra.local.wechat.account import Account, Asked
from infra.local.wechat.faults import SEND_TO_ALL, SUBMIT
from tests.publication.wechat.accounts import APP_ID, SECRET, Clock, Desk

REASON = re.compile(r'"(wechat_[a-z_]+|press_publish)"')
COVER = pictures.plain_cover()


def an_article(desk: Desk, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 — as the article's
    return {
        "article_type": "news",
        "title": "停电检修通知",
        "author": "市场部",
        "digest": "五月一日停电。",
        "content": "<p>八时至十八时。</p>",
        "content_source_url": "https://site.test/?pub=s-1.1",
        "thumb_media_id": desk.client.add_cover("cover.jpg", COVER),
        **changes,
    }


def a_draft(desk: Desk) -> str:
    return desk.client.add_draft(an_article(desk))


def publish(desk: Desk, path: str, draft: str) -> None:
    """Make one of the two calls that publish."""
    if path == SUBMIT:
        desk.client.submit(draft)
    else:
        desk.client.send_to_all(draft, "s-1.1")


def test_every_call_of_a_life_is_one_that_the_platform_knows(
    desk: Desk, account: Account, clock: Clock
) -> None:
    client = desk.client
    url = client.upload_picture("a.jpg", COVER)
    assert account.pictures[url] == COVER
    draft = client.add_draft(an_article(desk, content=f'<p>文</p><img src="{url}">'))
    assert client.has_draft(draft)
    accepted = client.submit(draft)
    assert client.job(accepted.publish_id).status == 1
    clock.passes(minutes=1)
    account.pass_time()
    job = client.job(accepted.publish_id)
    assert (job.status, job.article_id, len(job.urls)) == (0, "article-1", 1)
    assert not client.has_draft(draft)
    (listed,) = client.articles(0)
    assert (listed.article_id, listed.sources) == ("article-1", ("https://site.test/?pub=s-1.1",))
    assert client.quota(SUBMIT) == {"daily_limit": 100, "used": 1, "remain": 99}
    sent, _ = client.send_to_all(draft, "s-1.1")
    assert client.sending(sent) == "SENDING"
    account.pass_time()
    assert client.sending(sent) == "SEND_SUCCESS"
    clock.passes(days=1)
    (figures,) = client.figures(account.articles["article-1"].published_at.date())
    assert figures["msgid"] == f"{accepted.msg_data_id}_1"
    client.remove("article-1")
    assert client.articles(0) == []


def test_chinese_is_sent_as_it_is(desk: Desk, account: Account) -> None:
    draft = a_draft(desk)
    assert account.drafts[draft][0]["title"] == "停电检修通知"


def answering(desk: Desk, *codes: int) -> WeChatClient:
    """A client whose calls are answered by these codes, tokens excepted."""
    left = list(codes)
    ask = desk.api.exchange

    def exchange(url: str, **named: Any) -> dict[str, Any]:  # noqa: ANN401 — as the exchange's
        if "stable_token" in url:
            return ask(url, **named)
        return {"errcode": left.pop(0), "errmsg": ""}

    api = WeChatApi(app_id=APP_ID, secret=SECRET, base=desk.url, exchange=exchange)
    return WeChatClient(api=api, tokens=desk.tokens)


MEANT = {
    Meaning.RENEW: ChannelBusy,
    Meaning.BUSY: ChannelBusy,
    Meaning.QUOTA: DeliveryParked,
    Meaning.NOT_SET_UP: DeliveryParked,
    Meaning.CONTENT: DeliveryRefused,
}


@pytest.mark.parametrize("code", sorted(set(POLICY) - {45065}))
def test_each_no_means_what_the_policy_says(desk: Desk, code: int) -> None:
    with pytest.raises(MEANT[POLICY[code]]) as said:
        answering(desk, code, code).add_draft({})
    assert isinstance(said.value, ChannelRefusal)
    assert said.value.facts == {"errcode": code}


def test_every_no_that_a_person_gets_to_see_has_a_word() -> None:
    seen = {
        code for code, meaning in POLICY.items() if MEANT.get(meaning) in {DeliveryParked, DeliveryRefused}
    }
    assert seen == set(REASONS)


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_reason_has_its_words(language: str) -> None:
    sources = Path(client_module.__file__).parent.glob("*.py")
    said = {word for path in sources for word in REASON.findall(path.read_text(encoding="utf-8"))}
    assert len(said) > 20
    for reason in said - {"wechat_busy", "wechat_token", "wechat_unreachable"}:
        assert messages.text(f"word.fault.{reason}", language, {}), reason


def test_a_no_that_nobody_has_thought_of_is_a_persons(desk: Desk) -> None:
    with pytest.raises(DeliveryParked) as said:
        answering(desk, 99999).submit("draft-1")
    assert said.value.reason == "wechat_error"


@pytest.mark.parametrize("path", [SUBMIT, SEND_TO_ALL])
def test_a_call_that_publishes_is_made_once_even_when_its_token_is_refused(
    desk: Desk, account: Account, path: str
) -> None:
    draft = a_draft(desk)
    account.faults.outdated.add(path)
    with pytest.raises(ChannelBusy):
        publish(desk, path, draft)
    assert account.calls[path] == 0, "it was refused before it counted"
    publish(desk, path, draft)
    assert account.calls[path] == 1


@pytest.mark.parametrize("path", [SUBMIT, SEND_TO_ALL])
@pytest.mark.parametrize("fault", ["unheard", "unanswered", "busy"])
def test_of_a_call_that_publishes_a_lost_answer_leaves_nobody_knowing(
    desk: Desk, account: Account, path: str, fault: str
) -> None:
    draft = a_draft(desk)
    switch = getattr(account.faults, fault)
    switch.update({path: 1} if fault == "busy" else {path})
    with pytest.raises(OutcomeUnknown):
        publish(desk, path, draft)
    assert account.calls[path] == (1 if fault == "unanswered" else 0)


def test_of_any_other_call_a_lost_answer_means_later(desk: Desk, account: Account) -> None:
    article = an_article(desk)
    account.faults.unanswered.add("/cgi-bin/draft/add")
    with pytest.raises(ChannelBusy):
        desk.client.add_draft(article)


def test_where_no_connection_comes_about_nothing_has_happened(desk: Desk, clock: Clock) -> None:
    draft = a_draft(desk)
    nowhere = WeChatApi(app_id=APP_ID, secret=SECRET, base="http://127.0.0.1:1")
    with pytest.raises(ChannelBusy) as said:
        WeChatClient(api=nowhere, tokens=desk.tokens).submit(draft)
    assert said.value.reason == "wechat_unreachable"
    elsewhere = WeChatApi(app_id=APP_ID, secret=SECRET, base="http://api.weixin.example")
    with pytest.raises(ChannelBusy):
        WeChatClient(api=elsewhere, tokens=desk.tokens).submit(draft)


def test_a_message_to_all_that_is_repeated_is_the_same_message(
    desk: Desk, account: Account, clock: Clock
) -> None:
    draft = a_draft(desk)
    sent = desk.client.send_to_all(draft, "s-1.1")
    with pytest.raises(ChannelBusy):
        desk.client.send_to_all(draft, "s-1.1")
    clock.passes(minutes=1)
    assert desk.client.send_to_all(draft, "s-1.1") == sent
    assert len(account.messages) == 1


def test_no_error_tells_token_or_secret(desk: Desk, account: Account) -> None:
    draft = a_draft(desk)
    account.faults.unheard.add(SUBMIT)
    with pytest.raises(OutcomeUnknown) as said:
        desk.client.submit(draft)
    error: BaseException | None = said.value
    while error is not None:
        assert not any(each in repr((error, error.args)) for each in (*account.tokens, SECRET))
        error = error.__cause__
    assert SECRET not in repr(desk.client)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": "题" * 33}, 45003),
        ({"author": "者" * 17}, 45110),
        ({"digest": "要" * 129}, 45004),
        ({"content": "文" * 20_000}, 45002),
        ({"content_source_url": f"https://site.test/{'x' * 1024}"}, 45005),
        ({"thumb_media_id": "another"}, 40007),
        ({"content": '<img src="https://elsewhere.example/a.jpg">'}, 53402),
        ({"content": "<script>alert(1)</script>"}, 47001),
        ({"content": '<p class="x">y</p>'}, 47001),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_stand_in_keeps_the_platforms_limits(desk: Desk, changes: dict[str, Any], code: int) -> None:
    with pytest.raises(DeliveryRefused) as said:
        desk.client.add_draft(an_article(desk, **changes))
    assert said.value.facts == {"errcode": code}


def test_the_stand_in_refuses_strangers_escapes_and_too_much(
    desk: Desk, account: Account, clock: Clock
) -> None:
    with pytest.raises(DeliveryRefused):
        desk.client.upload_picture("a.jpg", b"GIF89a")
    escaped = json.dumps({"appid": APP_ID, "secret": "密"}).encode()
    said = account.answer(Asked(path="/cgi-bin/stable_token", query={}, raw=escaped))
    assert said["errcode"] == 47001
    account.limits = {SUBMIT: 0}
    draft = a_draft(desk)
    with pytest.raises(DeliveryParked, match="quota"):
        desk.client.submit(draft)
    account.verified = False
    account.allowed = frozenset()
    with pytest.raises(DeliveryParked, match="allow_list"):
        desk.client.add_draft({})
